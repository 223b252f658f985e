/* letters: the other end of our wire for tests: a plain ZeroMQ socket that speaks PROTOCOL.md with the
 * product's own codec, and a way to wait for something while a loop turns. Include it in one test program's
 * only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LETTERS_H
#define OUTRIGGER_LETTERS_H

#include "clock.h"
#include "loop.h"
#include "train.h"

#include <check.h>
#include <stdlib.h>
#include <zmq.h>

/* A socket of the test. One ZeroMQ message, and one frame of it, may carry several of ours. */
struct end {
    void *socket;
    bool is_router;
    bool old_form;    /* sends each payload as a frame of its own */
    uint8_t peer[64]; /* ROUTER: whom the last letter came from, and the next goes to */
    size_t peer_length;
    zmq_msg_t frame;  /* that is being read, while `reading` */
    bool reading;     /* some of it is left */
    size_t read;      /* bytes of it */
    bool more;        /* frames of the ZeroMQ message are left behind it */
    int zmq_messages; /* ZeroMQ messages received */
    bool peer_may_go; /* a router: whoever asked may have ended, and is then answered in vain */
};

/* One of our messages. Views of it are good until the next letter_free. */
struct letter {
    bool hello; /* the empty message of a new connection */
    zmq_msg_t head;
    struct envelope envelope;
    size_t count;
    struct text payloads[PROTOCOL_COUNT_MAX];
    size_t frame_count;
    zmq_msg_t frames[PROTOCOL_COUNT_MAX]; /* of payloads that are frames of their own */
};

/* ---- a loop, turned by the test ---- */

static struct loop *letters_loop;

static inline void letters_stop(void *loop)
{
    loop_stop(loop);
}

/* Turns the loop for about a millisecond. */
static inline void turn_loop(void)
{
    struct loop_timer timer = {0};
    loop_timer_set(letters_loop, &timer, clock_now() + MILLISECOND, letters_stop, letters_loop);
    loop_run(letters_loop);
    loop_timer_cancel(letters_loop, &timer);
}

/* Turns the loop until the condition holds. */
#define WAIT_FOR(condition)                                                                                  \
    do {                                                                                                     \
        int64_t wait_limit = clock_now() + 30 * SECOND;                                                      \
        while (!(condition)) {                                                                               \
            ck_assert_msg(clock_now() < wait_limit, "line %d: %s did not come", __LINE__, #condition);       \
            turn_loop();                                                                                     \
        }                                                                                                    \
    } while (0)

/* ---- ends ---- */

static inline struct end end_open(void *context, int type, const char *endpoint)
{
    struct end end = {.socket = zmq_socket(context, type), .is_router = type == ZMQ_ROUTER};
    ck_assert_ptr_nonnull(end.socket);
    int zero = 0, one = 1;
    zmq_setsockopt(end.socket, ZMQ_LINGER, &zero, sizeof zero);
    if (end.is_router) {
        zmq_setsockopt(end.socket, ZMQ_ROUTER_MANDATORY, &one, sizeof one);
        ck_assert_int_eq(zmq_bind(end.socket, endpoint), 0);
    } else {
        zmq_setsockopt(end.socket, ZMQ_PROBE_ROUTER, &one, sizeof one);
        zmq_setsockopt(end.socket, ZMQ_IMMEDIATE, &one,
                       sizeof one); /* or it says hello only once in its life */
        ck_assert_int_eq(zmq_connect(end.socket, endpoint), 0);
    }
    return end;
}

static inline void end_close(struct end *end)
{
    if (end->socket != NULL)
        zmq_close(end->socket);
    if (end->reading)
        zmq_msg_close(&end->frame);
    *end = (struct end){0};
}

static inline void letter_free(struct letter *letter)
{
    zmq_msg_close(&letter->head);
    for (size_t i = 0; i < letter->frame_count; i++)
        zmq_msg_close(&letter->frames[i]);
    letter->count = letter->frame_count = 0;
}

static inline struct letter *letter_new(void)
{
    struct letter *letter = object_alloc(sizeof *letter);
    zmq_msg_init(&letter->head);
    return letter;
}

/* The next frame, at its beginning; false when none is there. */
static inline bool end_take_frame(struct end *end)
{
    if (!end->more && end->is_router) {
        int length = zmq_recv(end->socket, end->peer, sizeof end->peer, ZMQ_DONTWAIT);
        if (length < 0)
            return false;
        end->peer_length = (size_t)length;
    }
    zmq_msg_init(&end->frame);
    if (zmq_msg_recv(&end->frame, end->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&end->frame);
        return false;
    }
    end->zmq_messages += !end->more;
    end->more = zmq_msg_more(&end->frame);
    end->reading = true;
    end->read = 0;
    return true;
}

/* A payload that is a frame of its own. */
struct end_letter {
    struct end *end;
    struct letter *letter;
};

static inline bool end_next_frame(void *self, struct text *bytes)
{
    const struct end_letter *taking = self;
    zmq_msg_t *frame = &taking->letter->frames[taking->letter->frame_count];
    if (!taking->end->more)
        return false;
    zmq_msg_init(frame);
    ck_assert_int_ge(zmq_msg_recv(frame, taking->end->socket, 0), 0);
    taking->letter->frame_count++;
    taking->end->more = zmq_msg_more(frame);
    *bytes = (struct text){zmq_msg_data(frame), zmq_msg_size(frame)};
    return true;
}

/* Takes the next of our messages into `letter` (freed before); false when none is there. */
static inline bool end_take(struct end *end, struct letter *letter)
{
    letter_free(letter);
    zmq_msg_init(&letter->head);
    if (!end->reading && !end_take_frame(end))
        return false;
    zmq_msg_copy(&letter->head, &end->frame);
    struct text rest = {(const char *)zmq_msg_data(&letter->head) + end->read,
                        zmq_msg_size(&letter->head) - end->read};
    letter->hello = rest.length == 0;
    if (!letter->hello) {
        struct end_letter taking = {end, letter};
        struct train_reader reader = train_reader(rest, end_next_frame, &taking);
        const char *complaint = train_read(&reader, &letter->envelope, letter->payloads, &letter->count);
        ck_assert_msg(complaint == NULL, "%s", complaint);
        end->read += rest.length - (size_t)(reader.end - reader.at);
    }
    end->reading = end->read < zmq_msg_size(&end->frame);
    if (!end->reading)
        zmq_msg_close(&end->frame);
    return true;
}

/* Takes the next message with that verb; others are passed over. */
static inline bool end_take_verb(struct end *end, struct letter *letter, enum verb verb)
{
    while (end_take(end, letter))
        if (!letter->hello && letter->envelope.verb == verb)
            return true;
    return false;
}

static inline struct text letter_payload(struct letter *letter, size_t index)
{
    ck_assert_uint_lt(index, letter->count);
    return letter->payloads[index];
}

/* Sends frames as they are, the last with `more` behind it or not. False when nobody takes them. */
static inline bool end_send_frames(struct end *end, const struct text *frames, size_t count)
{
    if (end->is_router && zmq_send(end->socket, end->peer, end->peer_length, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (zmq_send(end->socket, frames[i].at, frames[i].length,
                     ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0)) < 0)
            return false;
    return true;
}

/* Sends one envelope, with `count` payloads. */
static inline void end_send_all(struct end *end, const struct envelope *envelope, const struct text *payloads,
                                size_t count)
{
    struct train train = {0};
    struct text *frames = object_alloc((count + 1) * sizeof *frames);
    size_t inside = 0;
    train_add(&train, envelope);
    for (; !end->old_form && inside < count && train_takes(&train, payloads[inside].length); inside++) {
        uint8_t *place = train_add_payload(&train, payloads[inside].length);
        if (payloads[inside].length > 0)
            memcpy(place, payloads[inside].at, payloads[inside].length);
    }
    frames[0] = (struct text){(const char *)train.bytes, train.length};
    for (size_t i = inside; payloads != NULL && i < count; i++)
        frames[1 + i - inside] = payloads[i];
    bool sent = end_send_frames(end, frames, 1 + count - inside);
    ck_assert(sent || (end->peer_may_go && errno == EHOSTUNREACH));
    train_free(&train);
    free(frames);
}

/* Sends one envelope, with `payload` when that is not NULL. */
static inline void end_send(struct end *end, const struct envelope *envelope, const char *payload)
{
    struct text body = text_of(payload);
    end_send_all(end, envelope, &body, payload != NULL);
}

#endif
