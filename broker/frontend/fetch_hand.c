/* fetch_hand: libcurl, in a process of its own.
 *
 * A frontend may connect to nobody (common/hand.c says why): it asks this process, which knows the few
 * addresses that the configuration names, and asks nobody else. What the issuer sends is taken apart here,
 * too, as far as HTTP and TLS go.
 *
 * Transfers run many at a time (curl_multi), and connections are kept. Everything is bounded: transfers (by
 * the frontend), connections, time and bytes of each. It ends with its socket, so with the frontend. Started
 * by main.c, asked by fetch.c. SPDX-License-Identifier: MIT */
#include "fetch_hand.h"

#include "hand.h"
#include "log.h"
#include "outbound.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert((int)FETCH_PIECE_MAX >= (int)CURL_MAX_WRITE_SIZE, "what libcurl gives at once is one piece");

enum {
    CONNECTIONS_MAX = 16, /* to the issuer: more transfers share them, one after the other */
    POLL_MS = 1000
};

struct transfer {
    struct hand *hand;
    uint64_t id;
    CURL *easy;
    char *form, *user, *password;
    size_t length, max_bytes; /* of the body */
    bool too_long;
    char error[CURL_ERROR_SIZE];
};

struct hand {
    const struct config *config;
    int fd;
    CURLM *multi;
    struct curl_slist *headers;
    struct {
        struct fetch_question question;
        char texts[FETCH_TEXTS_MAX];
    } message; /* the last one that came */
};

/* A text of the question; the caller frees it with wipe. */
static char *text_at(const char *bytes, size_t length)
{
    char *text = object_alloc(length + 1);
    memcpy(text, bytes, length);
    return text;
}

static void wipe(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void free_transfer(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    wipe(transfer->form);
    wipe(transfer->user);
    wipe(transfer->password);
    free(transfer);
}

/* ---- answers ---- */

/* The frontend takes its time when it has other work; then so do all transfers. */
static void send_piece(const struct transfer *transfer, enum fetch_step step, int status, const char *bytes,
                       size_t length)
{
    struct fetch_piece piece = {.id = transfer->id, .step = step, .status = status};
    struct iovec parts[] = {{&piece, sizeof piece}, {(void *)bytes, length}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = COUNT_OF(parts)};
    while (sendmsg(transfer->hand->fd, &message, MSG_NOSIGNAL) == -1 && errno == EINTR)
        continue;
}

static const char *complaint_of(const struct transfer *transfer, CURLcode result)
{
    if (transfer->too_long || result == CURLE_FILESIZE_EXCEEDED)
        return "the answer is too long";
    return outbound_complaint(result, transfer->error);
}

static void end_transfer(struct hand *hand, struct transfer *transfer, CURLcode result)
{
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(hand->multi, transfer->easy);
    if (result == CURLE_OK) {
        send_piece(transfer, FETCH_DONE, (int)status, NULL, 0);
    } else {
        const char *complaint = complaint_of(transfer, result);
        send_piece(transfer, FETCH_FAILED, 0, complaint, strlen(complaint));
    }
    free_transfer(transfer);
}

static void end_transfers(struct hand *hand)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(hand->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        CURLcode result = message->data.result; /* gone with the handle */
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&transfer);
        end_transfer(hand, transfer, result);
    }
}

/* ---- questions ---- */

static size_t write_body(char *bytes, size_t size, size_t count, void *self)
{
    struct transfer *transfer = self;
    size_t length = size * count;
    if (length > transfer->max_bytes - transfer->length) {
        transfer->too_long = true;
        return 0;
    }
    send_piece(transfer, FETCH_GOES_ON, 0, bytes, length);
    transfer->length += length;
    return length;
}

static void set_way(struct transfer *transfer, const struct fetch_question *question)
{
    const struct config *config = transfer->hand->config;
    const char *url =
        question->place == FETCH_JWKS ? config->token_jwks_url : config->token_introspection_url;
    outbound_prepare(transfer->easy, url, config->token_ca_file, (int64_t)question->timeout_ms,
                     transfer->error);
    curl_easy_setopt(transfer->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)question->max_bytes);
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, write_body);
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer);
}

static void set_question(struct transfer *transfer, const struct fetch_question *question)
{
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->hand->headers);
    if (question->posts) /* not copied: it is wiped with the transfer */
        curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, transfer->form);
    if (!question->authenticates)
        return;
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(transfer->easy, CURLOPT_USERNAME, transfer->user);
    curl_easy_setopt(transfer->easy, CURLOPT_PASSWORD, transfer->password);
}

static void begin_transfer(struct hand *hand, const struct fetch_question *question, const char *texts)
{
    struct transfer *transfer = object_alloc(sizeof *transfer);
    transfer->hand = hand;
    transfer->id = question->id;
    transfer->max_bytes = question->max_bytes;
    transfer->form = text_at(texts, question->form_bytes);
    transfer->user = text_at(texts + question->form_bytes, question->user_bytes);
    transfer->password =
        text_at(texts + question->form_bytes + question->user_bytes, question->password_bytes);
    transfer->easy = curl_easy_init();
    ENSURE(transfer->easy != NULL);
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    set_way(transfer, question);
    set_question(transfer, question);
    ENSURE(curl_multi_add_handle(hand->multi, transfer->easy) == CURLM_OK);
}

/* The frontend may be somebody else by now: what it says is looked at. */
static bool is_whole(const struct fetch_question *question, size_t length)
{
    return length >= sizeof *question &&
           (question->place == FETCH_JWKS || question->place == FETCH_INTROSPECTION) &&
           length - sizeof *question ==
               (size_t)question->form_bytes + question->user_bytes + question->password_bytes;
}

/* False when the frontend is gone. */
static bool take_questions(struct hand *hand)
{
    for (;;) {
        ssize_t length = recv(hand->fd, &hand->message, sizeof hand->message, MSG_DONTWAIT);
        if (length == -1)
            return errno == EAGAIN || errno == EINTR;
        if (length == 0)
            return false;
        if (is_whole(&hand->message.question, (size_t)length))
            begin_transfer(hand, &hand->message.question, hand->message.texts);
        explicit_bzero(&hand->message, (size_t)length);
    }
}

/* ---- the process ---- */

static _Noreturn void serve(const struct config *config, const char *name)
{
    struct hand hand = {.config = config, .fd = HAND_FD};
    outbound_init();
    hand_confine(config, name, "fetch", config->token_ca_file);
    hand.multi = curl_multi_init();
    hand.headers = curl_slist_append(NULL, "Accept: application/json");
    ENSURE(hand.multi != NULL && hand.headers != NULL);
    curl_multi_setopt(hand.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    while (take_questions(&hand)) {
        int under_way;
        struct curl_waitfd asked = {.fd = hand.fd, .events = CURL_WAIT_POLLIN};
        curl_multi_perform(hand.multi, &under_way);
        end_transfers(&hand);
        curl_multi_poll(hand.multi, &asked, 1, POLL_MS, NULL);
    }
    _exit(0);
}

int fetch_hand_start(const struct config *config, const char *name)
{
    int fd;
    if (*config->token_jwks_url == '\0' && *config->token_introspection_url == '\0')
        return -1;
    if (hand_begin(SOCK_SEQPACKET, &fd))
        serve(config, name);
    if (fd == -1) {
        log_error("token: no process to ask the issuer: %s", strerror(errno));
        exit(1);
    }
    return fd;
}
