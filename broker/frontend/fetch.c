/* fetch: one thread with libcurl, for the issuer of tokens.
 *
 * The loop must not wait for name servers and handshakes, and a slow issuer must not hold up the tokens that
 * are known; so transfers run on a thread of their own, many at a time (curl_multi), and connections are
 * kept. What comes back is handed to the loop's thread, a bunch at a time. Everything is bounded: transfers
 * (FETCHES_MAX), connections, time and bytes of each; redirects are not followed, since an address that was
 * checked must not lead to one that was not. The thread starts with the first request.
 * SPDX-License-Identifier: MIT */
#include "fetch.h"

#include "sandbox_program.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

enum {
    FETCHER_MAGIC = 0x0fe7c001,
    FETCHES_MAX = 256,    /* under way; each has a request that waits, or the keys */
    CONNECTIONS_MAX = 16, /* to the issuer: more transfers share them, one after the other */
    POLL_MS = 1000
};

struct job {
    struct fetcher *fetcher;
    CURL *easy;
    char *form, *password;
    char *body;
    size_t length, max_bytes;
    bool too_long;
    char error[CURL_ERROR_SIZE];
    struct fetch_answer answer;
    fetch_done *done;
    void *self;
    struct job *previous, *next;
    struct job *previous_running, *next_running;
};

struct fetcher {
    unsigned magic;
    struct loop *loop;
    loop_call *settled;
    void *self;
    int event_fd;
    CURLM *multi;
    struct curl_slist *headers;
    struct job *transfers; /* the thread's; added to `multi` */
    pthread_mutex_t mutex; /* guards all below */
    struct job *waiting, *finished;
    size_t count; /* of jobs anywhere */
    bool running, stopping;
    pthread_t thread;
};

/* The first, taken out; NULL: there is none. */
static struct job *take(struct job **list)
{
    struct job *job = *list;
    if (job != NULL)
        DL_DELETE2(*list, job, previous, next);
    return job;
}

static void wipe(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void free_job(struct job *job)
{
    curl_easy_cleanup(job->easy);
    wipe(job->form);
    wipe(job->password);
    wipe(job->body); /* an answer about a token tells as much as the token */
    free(job);
}

/* ---- a request ---- */

static size_t write_body(char *bytes, size_t size, size_t count, void *self)
{
    struct job *job = self;
    size_t length = size * count;
    if (length > job->max_bytes - job->length) {
        job->too_long = true;
        return 0;
    }
    char *grown = realloc(job->body, job->length + length + 1);
    ENSURE(grown != NULL);
    job->body = grown;
    memcpy(job->body + job->length, bytes, length);
    job->length += length;
    job->body[job->length] = '\0';
    return length;
}

/* No proxy of the environment stands between us and our own host. */
static void set_way(struct job *job, const struct fetch_request *request)
{
    bool plain = strncmp(request->url, "http://", 7) == 0;
    curl_easy_setopt(job->easy, CURLOPT_URL, request->url);
    curl_easy_setopt(job->easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
    curl_easy_setopt(job->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(job->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (plain)
        curl_easy_setopt(job->easy, CURLOPT_PROXY, "");
    if (request->ca_file != NULL && *request->ca_file != '\0')
        curl_easy_setopt(job->easy, CURLOPT_CAINFO, request->ca_file);
}

static void set_bounds(struct job *job, const struct fetch_request *request)
{
    curl_easy_setopt(job->easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(job->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(job->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max_bytes);
    curl_easy_setopt(job->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(job->easy, CURLOPT_WRITEFUNCTION, write_body);
    curl_easy_setopt(job->easy, CURLOPT_WRITEDATA, job);
    curl_easy_setopt(job->easy, CURLOPT_ERRORBUFFER, job->error);
}

static void set_question(struct job *job, const struct fetch_request *request)
{
    curl_easy_setopt(job->easy, CURLOPT_USERAGENT, "outrigger/" OUTRIGGER_VERSION);
    curl_easy_setopt(job->easy, CURLOPT_HTTPHEADER, job->fetcher->headers);
    if (request->form != NULL) {
        job->form = object_strdup(request->form);
        curl_easy_setopt(job->easy, CURLOPT_POSTFIELDS, job->form); /* not copied: it is wiped with the job */
    }
    if (request->user == NULL)
        return;
    job->password = object_alloc(request->password.length + 1);
    memcpy(job->password, request->password.at, request->password.length);
    curl_easy_setopt(job->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(job->easy, CURLOPT_USERNAME, request->user);
    curl_easy_setopt(job->easy, CURLOPT_PASSWORD, job->password);
}

/* ---- the thread ---- */

/* Takes the jobs that wait into the work; true when the thread is to end. */
static bool begin_jobs(struct fetcher *fetcher)
{
    pthread_mutex_lock(&fetcher->mutex);
    struct job *waiting = fetcher->waiting;
    bool stopping = fetcher->stopping;
    fetcher->waiting = NULL;
    pthread_mutex_unlock(&fetcher->mutex);
    struct job *job;
    while ((job = take(&waiting)) != NULL) {
        DL_APPEND2(fetcher->transfers, job, previous_running, next_running);
        ENSURE(curl_multi_add_handle(fetcher->multi, job->easy) == CURLM_OK);
    }
    return stopping;
}

static const char *complaint_of(const struct job *job, CURLcode result)
{
    const char *no_names = result == CURLE_COULDNT_RESOLVE_HOST ? sandbox_program_no_names() : NULL;
    if (no_names != NULL)
        return no_names;
    return *job->error != '\0' ? job->error : curl_easy_strerror(result);
}

static void end_job(struct fetcher *fetcher, struct job *job, CURLcode result)
{
    long status = 0;
    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(fetcher->multi, job->easy);
    DL_DELETE2(fetcher->transfers, job, previous_running, next_running);
    if (job->too_long || result == CURLE_FILESIZE_EXCEEDED)
        job->answer.complaint = "the answer is too long";
    else if (result != CURLE_OK)
        job->answer.complaint = complaint_of(job, result);
    else
        job->answer = (struct fetch_answer){.status = (int)status, .body = {job->body, job->length}};
    pthread_mutex_lock(&fetcher->mutex);
    DL_APPEND2(fetcher->finished, job, previous, next);
    pthread_mutex_unlock(&fetcher->mutex);
}

static void end_jobs(struct fetcher *fetcher)
{
    int left;
    bool any = false;
    CURLMsg *message;
    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        struct job *job = NULL;
        CURLcode result = message->data.result; /* gone with the handle */
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&job);
        end_job(fetcher, job, result);
        any = true;
    }
    if (any)
        eventfd_write(fetcher->event_fd, 1);
}

static void *run(void *self)
{
    struct fetcher *fetcher = self;
    while (!begin_jobs(fetcher)) {
        int under_way;
        curl_multi_perform(fetcher->multi, &under_way);
        end_jobs(fetcher);
        curl_multi_poll(fetcher->multi, NULL, 0, POLL_MS, NULL);
    }
    return NULL;
}

/* ---- the loop's side ---- */

static void collect(void *self, int fd, uint32_t events)
{
    (void)events;
    struct fetcher *fetcher = self;
    eventfd_t count;
    eventfd_read(fd, &count);
    pthread_mutex_lock(&fetcher->mutex);
    struct job *done = fetcher->finished;
    fetcher->finished = NULL;
    pthread_mutex_unlock(&fetcher->mutex);
    struct job *job;
    bool any = done != NULL;
    while ((job = take(&done)) != NULL) {
        job->done(job->self, &job->answer);
        free_job(job);
        pthread_mutex_lock(&fetcher->mutex);
        fetcher->count--;
        pthread_mutex_unlock(&fetcher->mutex);
    }
    if (any)
        fetcher->settled(fetcher->self);
}

struct fetcher *fetcher_new(struct loop *loop, loop_call *settled, void *self)
{
    struct fetcher *fetcher = object_alloc(sizeof *fetcher);
    fetcher->magic = FETCHER_MAGIC;
    fetcher->loop = loop;
    fetcher->settled = settled;
    fetcher->self = self;
    ENSURE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    fetcher->multi = curl_multi_init();
    fetcher->headers = curl_slist_append(NULL, "Accept: application/json");
    ENSURE(fetcher->multi != NULL && fetcher->headers != NULL);
    curl_multi_setopt(fetcher->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    fetcher->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ENSURE(fetcher->event_fd >= 0);
    ENSURE(pthread_mutex_init(&fetcher->mutex, NULL) == 0);
    ENSURE(loop_add(loop, fetcher->event_fd, EPOLLIN, collect, fetcher) == 0);
    return fetcher;
}

static struct job *new_job(struct fetcher *fetcher, const struct fetch_request *request, fetch_done *done,
                           void *self)
{
    struct job *job = object_alloc(sizeof *job);
    job->fetcher = fetcher;
    job->max_bytes = request->max_bytes;
    job->done = done;
    job->self = self;
    job->easy = curl_easy_init();
    ENSURE(job->easy != NULL);
    curl_easy_setopt(job->easy, CURLOPT_PRIVATE, job);
    set_way(job, request);
    set_bounds(job, request);
    set_question(job, request);
    return job;
}

bool fetch(struct fetcher *fetcher, const struct fetch_request *request, fetch_done *done, void *self)
{
    CHECK_OBJECT(fetcher, FETCHER_MAGIC);
    struct job *job = new_job(fetcher, request, done, self);
    pthread_mutex_lock(&fetcher->mutex);
    bool room = fetcher->count < FETCHES_MAX;
    if (room) {
        DL_APPEND2(fetcher->waiting, job, previous, next);
        fetcher->count++;
        if (!fetcher->running)
            ENSURE(pthread_create(&fetcher->thread, NULL, run, fetcher) == 0);
        fetcher->running = true;
    }
    pthread_mutex_unlock(&fetcher->mutex);
    if (room)
        curl_multi_wakeup(fetcher->multi);
    else
        free_job(job);
    return room;
}

static void free_list(struct job **list)
{
    struct job *job;
    while ((job = take(list)) != NULL)
        free_job(job);
}

void fetcher_free(struct fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    CHECK_OBJECT(fetcher, FETCHER_MAGIC);
    pthread_mutex_lock(&fetcher->mutex);
    fetcher->stopping = true;
    bool running = fetcher->running;
    pthread_mutex_unlock(&fetcher->mutex);
    if (running) {
        curl_multi_wakeup(fetcher->multi);
        pthread_join(fetcher->thread, NULL);
    }
    struct job *job, *next;
    DL_FOREACH_SAFE2(fetcher->transfers, job, next, next_running)
    {
        curl_multi_remove_handle(fetcher->multi, job->easy);
        free_job(job);
    }
    free_list(&fetcher->waiting);
    free_list(&fetcher->finished);
    curl_multi_cleanup(fetcher->multi);
    curl_slist_free_all(fetcher->headers);
    curl_global_cleanup();
    loop_remove(fetcher->loop, fetcher->event_fd);
    close(fetcher->event_fd);
    pthread_mutex_destroy(&fetcher->mutex);
    fetcher->magic = 0;
    free(fetcher);
}

char *fetch_encode(struct text value)
{
    static const char hex[] = "0123456789ABCDEF";
    char *encoded = object_alloc(3 * value.length + 1), *end = encoded;
    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.at[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= '0' && byte <= '9') || (byte != 0 && strchr("-._~", byte) != NULL);
        if (plain) {
            *end++ = (char)byte;
        } else {
            *end++ = '%';
            *end++ = hex[byte >> 4];
            *end++ = hex[byte & 15];
        }
    }
    return encoded;
}
