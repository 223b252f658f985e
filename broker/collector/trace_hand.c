/* trace_hand: libcurl, in a process of its own: the collector reads what all our processes say, so it may
 * connect to nobody (common/hand.c says why). This one knows one address, and the header that the receiver
 * wants; it is asked over a socket to post some bytes, and says what came of it. It packs them, too.
 *
 * One request at a time: while it is under way the exporter waits, and spans with it. It ends with its
 * socket, so with the collector; when it ends otherwise, another one is begun, and what it had under way is
 * tried again. Started by main.c, asked by exporter.c's thread. SPDX-License-Identifier: MIT */
#include "trace_hand.h"

#include "hand.h"
#include "log.h"
#include "outbound.h"
#include "packing.h"
#include "secret.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HAND_MAGIC = 0x74a9d001,
    ANSWER_MAX = 65536, /* bytes of what the receiver answers; more are not looked at */
    REQUEST_MAX = 256 << 20,
    RETRY_AFTER_MAX = 86400 /* seconds */
};

struct trace_hand {
    unsigned magic;
    int nurse; /* who begins them; hand_next */
    pthread_mutex_t mutex;
    int fd; /* of the one that sends now; -1: it is not there yet */
    bool interrupted;
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
    CURL *easy;
    struct curl_slist *headers, *packed_headers;
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

static struct curl_slist *headers_of(const struct config *config, const struct secret *secret, bool packed)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/x-protobuf");
    headers = curl_slist_append(headers, packed ? "Content-Encoding: gzip" : "Content-Encoding:");
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

static void set_up(struct sender *sender, const struct config *config, const struct secret *secret)
{
    char *url = trace_hand_url(config->trace_endpoint);
    sender->easy = curl_easy_init();
    ENSURE(sender->easy != NULL);
    outbound_prepare(sender->easy, url, config->trace_ca_file, config->trace_timeout_ms, sender->error);
    curl_easy_setopt(sender->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(sender->easy, CURLOPT_WRITEDATA, sender);
    sender->headers = headers_of(config, secret, false);
    sender->packed_headers = headers_of(config, secret, true);
    free(url);
}

static void send_request(struct sender *sender, const uint8_t *bytes, size_t length,
                         struct export_answer *answer)
{
    size_t packed_length;
    char *packed = packing_pack(ENCODING_GZIP, (struct text){(const char *)bytes, length}, &packed_length);
    long status = 0;
    curl_off_t retry_after = 0;
    sender->body_length = 0;
    *sender->error = '\0';
    curl_easy_setopt(sender->easy, CURLOPT_HTTPHEADER,
                     packed == NULL ? sender->headers : sender->packed_headers);
    curl_easy_setopt(sender->easy, CURLOPT_POSTFIELDS, packed == NULL ? (const char *)bytes : packed);
    curl_easy_setopt(sender->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)(packed == NULL ? length : packed_length));
    CURLcode result = curl_easy_perform(sender->easy);
    if (result == CURLE_OK) {
        curl_easy_getinfo(sender->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(sender->easy, CURLINFO_RETRY_AFTER, &retry_after);
        answer->rejected = otlp_rejected(sender->body, sender->body_length);
    } else {
        text_copy(text_of(outbound_complaint(result, sender->error)), answer->complaint,
                  sizeof answer->complaint);
    }
    answer->status = (int)status;
    if (retry_after > RETRY_AFTER_MAX)
        retry_after = RETRY_AFTER_MAX;
    answer->retry_after_ms = retry_after < 0 ? 0 : (uint64_t)retry_after * 1000;
    free(packed);
}

/* One request; false when the collector is gone. */
static bool serve_one(struct sender *sender)
{
    uint64_t length;
    struct export_answer answer = {0};
    if (!read_all(HAND_FD, &length, sizeof length) || length > REQUEST_MAX)
        return false;
    uint8_t *bytes = object_alloc(length + 1);
    bool whole = read_all(HAND_FD, bytes, length);
    if (whole)
        send_request(sender, bytes, length, &answer);
    free(bytes);
    return whole && write_all(HAND_FD, &answer, sizeof answer);
}

static _Noreturn void serve(const struct config *config, const char *name, const struct secret *secret)
{
    struct sender *sender = object_alloc(sizeof *sender);
    outbound_init();
    (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}); /* nobody waits for it */
    hand_confine(config, name, "traces", config->trace_ca_file);
    set_up(sender, config, secret);
    while (serve_one(sender))
        continue;
    _exit(0);
}

/* ---- the collector's side ---- */

/* A header has one line. */
static bool is_line(struct text value)
{
    for (size_t i = 0; i < value.length; i++)
        if ((unsigned char)value.at[i] < ' ' && value.at[i] != '\t')
            return false;
    return true;
}

static struct secret *read_secret(const struct config *config)
{
    char reason[256];
    if (*config->trace_header_secret == '\0')
        return NULL;
    struct secret *secret = secret_read(config->trace_header_secret, reason, sizeof reason);
    if (secret == NULL || !is_line(secret_text(secret))) {
        log_error("trace.header_secret: %s",
                  secret == NULL ? reason : "it has more than one line, or a control character");
        exit(1);
    }
    return secret;
}

struct trace_hand *trace_hand_start(const struct config *config, const char *name)
{
    int fd;
    if (*config->trace_endpoint == '\0')
        return NULL;
    struct secret *secret = read_secret(config);
    if (hand_begin_lasting(SOCK_STREAM, &fd))
        serve(config, name, secret);
    if (fd == -1) {
        log_error("trace: no process to send spans: %s", strerror(errno));
        exit(1);
    }
    secret_free(secret);
    struct trace_hand *hand = object_alloc(sizeof *hand);
    hand->magic = HAND_MAGIC;
    hand->nurse = fd;
    hand->fd = -1;
    pthread_mutex_init(&hand->mutex, NULL);
    return hand;
}

/* Another one sends from now on; closes what there is of the last one. False: there is none. */
static bool take(struct trace_hand *hand, int fd)
{
    pthread_mutex_lock(&hand->mutex);
    if (hand->fd != -1)
        close(hand->fd);
    hand->fd = fd;
    bool there = fd != -1 && !hand->interrupted;
    pthread_mutex_unlock(&hand->mutex);
    return there;
}

void trace_hand_free(struct trace_hand *hand)
{
    if (hand == NULL)
        return;
    CHECK_OBJECT(hand, HAND_MAGIC);
    take(hand, -1);
    close(hand->nurse); /* what it has under way may take its time: it ends with our process at the latest */
    pthread_mutex_destroy(&hand->mutex);
    hand->magic = 0;
    free(hand);
}

static bool ask(const struct trace_hand *hand, const void *bytes, size_t length, struct export_answer *answer)
{
    uint64_t head = length;
    bool answered = write_all(hand->fd, &head, sizeof head) && write_all(hand->fd, bytes, length) &&
                    read_all(hand->fd, answer, sizeof *answer);
    answer->complaint[sizeof answer->complaint - 1] = '\0';
    return answered;
}

bool trace_hand_post(void *self, const void *bytes, size_t length, struct export_answer *answer)
{
    struct trace_hand *hand = self;
    CHECK_OBJECT(hand, HAND_MAGIC);
    if (hand->fd == -1 && !take(hand, hand_next(hand->nurse)))
        return false;
    if (ask(hand, bytes, length, answer))
        return true;
    *answer = (struct export_answer){.died = true};
    take(hand, -1); /* should it live after all it ends now */
    return take(hand, hand_next(hand->nurse));
}

void trace_hand_interrupt(void *self)
{
    struct trace_hand *hand = self;
    CHECK_OBJECT(hand, HAND_MAGIC);
    pthread_mutex_lock(&hand->mutex);
    hand->interrupted = true;
    shutdown(hand->nurse, SHUT_RDWR);
    if (hand->fd != -1)
        shutdown(hand->fd, SHUT_RDWR);
    pthread_mutex_unlock(&hand->mutex);
}
