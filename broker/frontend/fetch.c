/* fetch: the frontend's side of the process that asks the issuer of tokens (fetch_hand.c).
 *
 * The loop must not wait for name servers and handshakes, and a slow issuer must not hold up the tokens that
 * are known. A question is one message to that process, from any thread; what comes back is gathered on the
 * loop's thread. SPDX-License-Identifier: MIT */
#include "fetch.h"

#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utlist.h>

enum {
    FETCHER_MAGIC = 0x0fe7c001,
    COMPLAINT_BYTES = 256,
    FETCHES_MAX = 256, /* under way; each has a request that waits, or the keys */
    END_MS = 1000,
    PIECES_A_TURN = 64 /* of answers: the loop has other work */
};

struct job {
    uint64_t id;
    char *body;
    size_t length, max_bytes;
    fetch_done *done;
    void *self;
    struct job *prev, *next;
};

struct fetcher {
    unsigned magic;
    struct loop *loop;
    loop_call *settled, *lost;
    void *self;
    int fd;
    pthread_mutex_t mutex; /* guards what follows */
    struct job *jobs;      /* that wait for their answer */
    size_t count;
    uint64_t last_id;
    bool gone; /* nobody is there to ask */
    struct {
        struct fetch_piece piece;
        char bytes[FETCH_PIECE_MAX];
    } message; /* the last one that came */
};

static void free_job(struct job *job)
{
    if (job->body != NULL)
        explicit_bzero(job->body, job->length); /* an answer about a token tells as much as the token */
    free(job->body);
    free(job);
}

/* ---- the loop's side ---- */

static struct job *find(struct fetcher *fetcher, uint64_t id)
{
    struct job *job;
    pthread_mutex_lock(&fetcher->mutex);
    DL_SEARCH_SCALAR(fetcher->jobs, job, id, id);
    pthread_mutex_unlock(&fetcher->mutex);
    return job;
}

/* Who is asked again by `done` may ask again. */
static void end_job(struct fetcher *fetcher, struct job *job, const struct fetch_answer *answer)
{
    pthread_mutex_lock(&fetcher->mutex);
    DL_DELETE(fetcher->jobs, job);
    fetcher->count--;
    pthread_mutex_unlock(&fetcher->mutex);
    job->done(job->self, answer);
    free_job(job);
}

static void fail(struct fetcher *fetcher, struct job *job, const char *complaint)
{
    end_job(fetcher, job, &(struct fetch_answer){.complaint = complaint});
}

static void add(struct fetcher *fetcher, struct job *job, const char *bytes, size_t length)
{
    if (length > job->max_bytes - job->length) {
        fail(fetcher, job, "the answer is too long");
        return;
    }
    char *grown = realloc(job->body, job->length + length + 1);
    ENSURE(grown != NULL);
    job->body = grown;
    memcpy(job->body + job->length, bytes, length);
    job->length += length;
    job->body[job->length] = '\0';
}

static void take(struct fetcher *fetcher, const struct fetch_piece *piece, const char *bytes, size_t length)
{
    char complaint[COMPLAINT_BYTES];
    struct job *job = find(fetcher, piece->id);
    if (job == NULL)
        return;
    switch (piece->step) {
    case FETCH_GOES_ON:
        add(fetcher, job, bytes, length);
        break;
    case FETCH_DONE:
        end_job(fetcher, job,
                &(struct fetch_answer){.status = piece->status, .body = {job->body, job->length}});
        break;
    case FETCH_FAILED:
        fail(fetcher, job, text_copy((struct text){bytes, length}, complaint, sizeof complaint));
        break;
    }
}

static void lose(struct fetcher *fetcher)
{
    struct job *job;
    log_error("token: the process that asks the issuer has ended");
    loop_remove(fetcher->loop, fetcher->fd);
    pthread_mutex_lock(&fetcher->mutex);
    fetcher->gone = true;
    pthread_mutex_unlock(&fetcher->mutex);
    while ((job = fetcher->jobs) != NULL)
        fail(fetcher, job, "nobody is there who could ask");
    fetcher->lost(fetcher->self);
}

static void collect(void *self, int fd, uint32_t events)
{
    struct fetcher *fetcher = self;
    struct fetch_piece *piece = &fetcher->message.piece;
    ssize_t length = 0;
    (void)events;
    for (int i = 0; i < PIECES_A_TURN; i++) {
        length = recv(fd, &fetcher->message, sizeof fetcher->message, MSG_DONTWAIT);
        if (length < (ssize_t)sizeof *piece)
            break;
        take(fetcher, piece, fetcher->message.bytes, (size_t)length - sizeof *piece);
        explicit_bzero(&fetcher->message, (size_t)length);
    }
    if (length == -1 ? errno != EAGAIN && errno != EINTR : length < (ssize_t)sizeof *piece)
        lose(fetcher);
    fetcher->settled(fetcher->self);
}

struct fetcher *fetcher_new(const struct fetcher_context *context)
{
    struct fetcher *fetcher = object_alloc(sizeof *fetcher);
    fetcher->magic = FETCHER_MAGIC;
    fetcher->loop = context->loop;
    fetcher->settled = context->settled;
    fetcher->lost = context->lost;
    fetcher->self = context->self;
    fetcher->fd = context->fd;
    ENSURE(pthread_mutex_init(&fetcher->mutex, NULL) == 0);
    ENSURE(loop_add(fetcher->loop, fetcher->fd, EPOLLIN, collect, fetcher) == 0);
    return fetcher;
}

/* The process that asks sees that nobody will, and ends; it must not be left to others as a dead child. */
static void dismiss(struct fetcher *fetcher)
{
    struct pollfd end = {.fd = fetcher->fd, .events = POLLIN};
    shutdown(fetcher->fd, SHUT_WR);
    while (poll(&end, 1, END_MS) > 0 && recv(fetcher->fd, &fetcher->message, sizeof fetcher->message, 0) > 0)
        continue;
    close(fetcher->fd);
}

void fetcher_free(struct fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    CHECK_OBJECT(fetcher, FETCHER_MAGIC);
    struct job *job, *next;
    DL_FOREACH_SAFE(fetcher->jobs, job, next)
    {
        free_job(job);
    }
    if (!fetcher->gone)
        loop_remove(fetcher->loop, fetcher->fd);
    dismiss(fetcher);
    pthread_mutex_destroy(&fetcher->mutex);
    fetcher->magic = 0;
    free(fetcher);
}

/* ---- a question ---- */

/* False when the process does not take it now. */
static bool send_question(const struct fetcher *fetcher, uint64_t id, const struct fetch_request *request)
{
    struct text form = text_of(request->form), user = text_of(request->user);
    struct fetch_question question = {.id = id,
                                      .place = request->place,
                                      .posts = request->form != NULL,
                                      .authenticates = request->user != NULL,
                                      .form_bytes = (uint32_t)form.length,
                                      .user_bytes = (uint32_t)user.length,
                                      .password_bytes = (uint32_t)request->password.length,
                                      .timeout_ms = request->timeout_ms,
                                      .max_bytes = request->max_bytes};
    struct iovec parts[] = {{&question, sizeof question},
                            {(void *)form.at, form.length},
                            {(void *)user.at, user.length},
                            {(void *)request->password.at, request->password.length}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = COUNT_OF(parts)};
    return form.length + user.length + request->password.length <= FETCH_TEXTS_MAX &&
           sendmsg(fetcher->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

bool fetch(struct fetcher *fetcher, const struct fetch_request *request, fetch_done *done, void *self)
{
    CHECK_OBJECT(fetcher, FETCHER_MAGIC);
    struct job *job = object_alloc(sizeof *job);
    job->max_bytes = request->max_bytes;
    job->done = done;
    job->self = self;
    pthread_mutex_lock(&fetcher->mutex);
    job->id = ++fetcher->last_id;
    bool asked = !fetcher->gone && fetcher->count < FETCHES_MAX && send_question(fetcher, job->id, request);
    if (asked) {
        DL_APPEND(fetcher->jobs, job);
        fetcher->count++;
    }
    pthread_mutex_unlock(&fetcher->mutex);
    if (!asked)
        free_job(job);
    return asked;
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
