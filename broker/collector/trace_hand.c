/* trace_hand: libcurl, in a process of its own, as the frontends have one (their fetch_hand.c says why):
 * whoever may connect to any host may connect to anything. The collector reads what all our processes say, so
 * it is not the one that may. This one knows one address, and the header that the receiver wants; it is asked
 * over a socket to post some bytes, and says what came of it. It packs them, too.
 *
 * One request at a time: while it is under way the exporter waits, and spans with it. Redirects are not
 * followed. It ends with its socket, so with the collector. SPDX-License-Identifier: MIT */
#include "trace_hand.h"

#include "log.h"
#include "sandbox_program.h"
#include "secret.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum {
    HAND_MAGIC = 0x74a9d001,
    OUR_FD = 3,
    ANSWER_MAX = 65536, /* bytes of what the receiver answers; more are not looked at */
    GZIP_WINDOW = 15 + 16,
    PACK_LEVEL = 1, /* spans pack well at any */
    REQUEST_MAX = 256 << 20
};

struct trace_hand {
    unsigned magic;
    int fd;
};

/* ---- over the socket, both ways ---- */

static bool write_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
        if (sent == -1 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

static bool read_all(int fd, void *bytes, size_t length)
{
    char *at = bytes;
    while (length > 0) {
        ssize_t got = recv(fd, at, length, 0);
        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        length -= (size_t)got;
    }
    return true;
}

/* ---- the process ---- */

struct sender {
    const struct config *config;
    CURL *easy;
    char error[CURL_ERROR_SIZE];
    uint8_t body[ANSWER_MAX]; /* of the answer */
    size_t body_length;
};

char *trace_hand_url(const char *endpoint)
{
    char *url;
    const char *host = strstr(endpoint, "://");
    host = host == NULL ? endpoint : host + 3;
    const char *path = host + strcspn(host, "/?#");
    bool bare = *path == '\0' || strcmp(path, "/") == 0;
    ENSURE(asprintf(&url, "%.*s%s", (int)(path - endpoint), endpoint, bare ? "/v1/traces" : path) >= 0);
    return url;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *self)
{
    struct sender *sender = self;
    size_t length = size * count, room = sizeof sender->body - sender->body_length;
    memcpy(sender->body + sender->body_length, bytes, length < room ? length : room);
    sender->body_length += length < room ? length : room;
    return length;
}

/* The caller frees them. */
static struct curl_slist *headers_of(const struct config *config, const struct secret *secret)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/x-protobuf");
    headers = curl_slist_append(headers, "Content-Encoding: gzip");
    headers = curl_slist_append(headers, "Expect:");
    if (secret != NULL) {
        char *line;
        struct text value = secret_text(secret);
        ENSURE(asprintf(&line, "%s: %.*s", config->trace_header, (int)value.length, value.at) >= 0);
        headers = curl_slist_append(headers, line);
        explicit_bzero(line, strlen(line));
        free(line);
    }
    ENSURE(headers != NULL);
    return headers;
}

/* No proxy of the environment stands between us and our own host. */
static void set_up(struct sender *sender, const char *url, struct curl_slist *headers)
{
    const struct config *config = sender->config;
    bool plain = strncmp(url, "http://", 7) == 0;
    curl_easy_setopt(sender->easy, CURLOPT_URL, url);
    curl_easy_setopt(sender->easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
    curl_easy_setopt(sender->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(sender->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (plain)
        curl_easy_setopt(sender->easy, CURLOPT_PROXY, "");
    if (*config->trace_ca_file != '\0')
        curl_easy_setopt(sender->easy, CURLOPT_CAINFO, config->trace_ca_file);
    curl_easy_setopt(sender->easy, CURLOPT_TIMEOUT_MS, (long)config->trace_timeout_ms);
    curl_easy_setopt(sender->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->trace_timeout_ms);
    curl_easy_setopt(sender->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(sender->easy, CURLOPT_USERAGENT, "outrigger/" OUTRIGGER_VERSION);
    curl_easy_setopt(sender->easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(sender->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(sender->easy, CURLOPT_WRITEDATA, sender);
    curl_easy_setopt(sender->easy, CURLOPT_ERRORBUFFER, sender->error);
}

/* The caller frees it. */
static uint8_t *pack(const uint8_t *bytes, size_t length, size_t *packed_length)
{
    z_stream stream = {0};
    ENSURE(deflateInit2(&stream, PACK_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t bound = deflateBound(&stream, length);
    uint8_t *packed = object_alloc(bound);
    stream.next_in = (uint8_t *)bytes;
    stream.avail_in = (uInt)length;
    stream.next_out = packed;
    stream.avail_out = (uInt)bound;
    ENSURE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    *packed_length = bound - stream.avail_out;
    deflateEnd(&stream);
    return packed;
}

static const char *complaint_of(const struct sender *sender, CURLcode result)
{
    const char *no_names = result == CURLE_COULDNT_RESOLVE_HOST ? sandbox_program_no_names() : NULL;
    if (no_names != NULL)
        return no_names;
    return *sender->error != '\0' ? sender->error : curl_easy_strerror(result);
}

static void send_request(struct sender *sender, const uint8_t *bytes, size_t length,
                         struct export_answer *answer)
{
    size_t packed_length;
    uint8_t *packed = pack(bytes, length, &packed_length);
    long status = 0;
    curl_off_t retry_after = 0;
    sender->body_length = 0;
    *sender->error = '\0';
    curl_easy_setopt(sender->easy, CURLOPT_POSTFIELDS, packed);
    curl_easy_setopt(sender->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)packed_length);
    CURLcode result = curl_easy_perform(sender->easy);
    if (result == CURLE_OK) {
        curl_easy_getinfo(sender->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(sender->easy, CURLINFO_RETRY_AFTER, &retry_after);
        answer->rejected = otlp_rejected(sender->body, sender->body_length);
    } else {
        text_copy(text_of(complaint_of(sender, result)), answer->complaint, sizeof answer->complaint);
    }
    answer->status = (int)status;
    answer->retry_after_ms = retry_after < 0 || retry_after > 86400 ? 0 : (uint64_t)retry_after * 1000;
    free(packed);
}

/* One request; false when the collector is gone. */
static bool serve_one(struct sender *sender)
{
    uint64_t length;
    struct export_answer answer = {0};
    if (!read_all(OUR_FD, &length, sizeof length) || length > REQUEST_MAX)
        return false;
    uint8_t *bytes = object_alloc(length + 1);
    bool whole = read_all(OUR_FD, bytes, length);
    if (whole)
        send_request(sender, bytes, length, &answer);
    free(bytes);
    return whole && write_all(OUR_FD, &answer, sizeof answer);
}

static void keep_only(int fd)
{
    ENSURE(dup2(fd, OUR_FD) != -1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    ENSURE(null != -1 && dup2(null, STDIN_FILENO) != -1);
    (void)close_range(OUR_FD + 1, ~0U, 0);
}

static void enter_sandbox(const struct config *config, const char *name)
{
    char *whole;
    ENSURE(asprintf(&whole, "%s.traces", name) >= 0);
    sandbox_program_enter(sandbox_program_new(config, SANDBOX_FETCHER, whole, NULL));
    free(whole);
}

static _Noreturn void serve(const struct config *config, const char *name, const struct secret *secret)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE}; /* they are the collector's */
    struct sender *sender = object_alloc(sizeof *sender);
    sender->config = config;
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        signal(signals[i], SIG_IGN);
    ENSURE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    char *url = trace_hand_url(config->trace_endpoint);
    (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}); /* nobody waits for it */
    enter_sandbox(config, name);
    sender->easy = curl_easy_init();
    ENSURE(sender->easy != NULL);
    set_up(sender, url, headers_of(config, secret));
    while (serve_one(sender))
        continue;
    _exit(0);
}

/* ---- the collector's side ---- */

static struct secret *read_secret(const struct config *config)
{
    char reason[256];
    if (*config->trace_header_secret == '\0')
        return NULL;
    struct secret *secret = secret_read(config->trace_header_secret, reason, sizeof reason);
    if (secret == NULL || memchr(secret_text(secret).at, '\n', secret_text(secret).length) != NULL) {
        log_error("trace.header_secret: %s", secret == NULL ? reason : "it has more than one line");
        exit(1);
    }
    return secret;
}

struct trace_hand *trace_hand_start(const struct config *config, const char *name)
{
    int pair[2];
    if (*config->trace_endpoint == '\0')
        return NULL;
    struct secret *secret = read_secret(config);
    pid_t parent = getpid(), pid = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0)
        pid = fork();
    if (pid == -1) {
        log_error("trace: no process to send spans: %s", strerror(errno));
        exit(1);
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        keep_only(pair[1]);
        serve(config, name, secret);
    }
    close(pair[1]);
    secret_free(secret);
    struct trace_hand *hand = object_alloc(sizeof *hand);
    hand->magic = HAND_MAGIC;
    hand->fd = pair[0];
    return hand;
}

void trace_hand_free(struct trace_hand *hand)
{
    if (hand == NULL)
        return;
    CHECK_OBJECT(hand, HAND_MAGIC);
    close(hand->fd); /* what it has under way may take its time: it ends with our process at the latest */
    hand->magic = 0;
    free(hand);
}

bool trace_hand_post(void *self, const void *bytes, size_t length, struct export_answer *answer)
{
    struct trace_hand *hand = self;
    uint64_t head = length;
    CHECK_OBJECT(hand, HAND_MAGIC);
    bool answered = write_all(hand->fd, &head, sizeof head) && write_all(hand->fd, bytes, length) &&
                    read_all(hand->fd, answer, sizeof *answer);
    answer->complaint[sizeof answer->complaint - 1] = '\0';
    return answered;
}

void trace_hand_interrupt(void *self)
{
    struct trace_hand *hand = self;
    CHECK_OBJECT(hand, HAND_MAGIC);
    shutdown(hand->fd, SHUT_RDWR);
}
