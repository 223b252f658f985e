/* test_ahead: whole messages are taken, before any is handled. SPDX-License-Identifier: MIT */
#include "ahead.h"
#include "suite.h"

#include <zmq.h>

static void *context, *sender, *receiver;
static struct ahead *ahead;

static void set_up(void)
{
    int unbounded = 0;
    context = zmq_ctx_new();
    receiver = zmq_socket(context, ZMQ_DEALER);
    sender = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(receiver, ZMQ_RCVHWM, &unbounded, sizeof unbounded);
    zmq_setsockopt(sender, ZMQ_SNDHWM, &unbounded, sizeof unbounded);
    ck_assert_int_eq(zmq_bind(receiver, "inproc://ahead"), 0);
    ck_assert_int_eq(zmq_connect(sender, "inproc://ahead"), 0);
    ahead = ahead_new(receiver);
}

static void tear_down(void)
{
    ahead_free(ahead);
    zmq_close(sender);
    zmq_close(receiver);
    zmq_ctx_term(context);
}

/* Sends a message of one frame for each word. */
static void send_words(const char *words)
{
    for (const char *at = words, *end; at != NULL; at = end) {
        end = strchr(at, ' ');
        size_t length = end == NULL ? strlen(at) : (size_t)(end - at);
        ck_assert_int_ge(zmq_send(sender, at, length, end == NULL ? 0 : ZMQ_SNDMORE), 0);
        if (end != NULL)
            end++;
    }
}

static void expect_words(const char *first, const char *second)
{
    struct text frame;
    ck_assert(ahead_begin(ahead, &frame));
    ck_assert(text_is(frame, first));
    if (second != NULL) {
        ck_assert(ahead_next(ahead, &frame));
        ck_assert(text_is(frame, second));
    }
    ck_assert(!ahead_next(ahead, &frame));
    ahead_end(ahead);
}

START_TEST(nothing_waits)
{
    struct text frame;
    ck_assert_uint_eq(ahead_take(ahead), 0);
    ck_assert(!ahead_begin(ahead, &frame));
}
END_TEST

START_TEST(messages_come_whole_and_in_order)
{
    send_words("one");
    send_words("two parts");
    send_words("");
    ck_assert_uint_eq(ahead_take(ahead), 3);
    expect_words("one", NULL);
    expect_words("two", "parts");
    expect_words("", NULL);
    ck_assert_uint_eq(ahead_take(ahead), 0);
}
END_TEST

START_TEST(what_was_not_looked_at_goes_with_its_message)
{
    struct text frame;
    send_words("a b c d");
    send_words("next one");
    ck_assert_uint_eq(ahead_take(ahead), 2);
    ck_assert(ahead_begin(ahead, &frame));
    ck_assert(ahead_next(ahead, &frame));
    ahead_end(ahead);
    expect_words("next", "one");
}
END_TEST

/* So that nobody is handled only when the flood is over. */
START_TEST(only_so_many_are_taken)
{
    for (size_t i = 0; i < 2 * AHEAD_MAX; i++)
        send_words(i % 2 == 0 ? "even" : "odd number");
    ck_assert_uint_eq(ahead_take(ahead), AHEAD_MAX);
    ck_assert_uint_eq(ahead_take(ahead), AHEAD_MAX);
    for (size_t i = 0; i < 2 * AHEAD_MAX; i++) { /* one is handled, one is taken, as a busy worker does */
        expect_words(i % 2 == 0 ? "even" : "odd", i % 2 == 0 ? NULL : "number");
        ck_assert_uint_eq(ahead_take(ahead), i < AHEAD_MAX ? AHEAD_MAX : 2 * AHEAD_MAX - 1 - i);
    }
}
END_TEST

START_TEST(a_message_may_have_many_frames)
{
    struct text frame;
    for (size_t i = 0; i < 1000; i++)
        ck_assert_int_ge(zmq_send(sender, &i, sizeof i, i < 999 ? ZMQ_SNDMORE : 0), 0);
    ck_assert_uint_eq(ahead_take(ahead), 1);
    ck_assert(ahead_begin(ahead, &frame));
    for (size_t i = 0; i < 1000; i++) {
        ck_assert_uint_eq(frame.length, sizeof i);
        ck_assert_mem_eq(frame.at, &i, sizeof i);
        ck_assert(ahead_next(ahead, &frame) == (i < 999));
    }
    ahead_end(ahead);
    send_words("left behind"); /* is given back with the rest */
    ck_assert_uint_eq(ahead_take(ahead), 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nothing_waits, messages_come_whole_and_in_order,
                                  what_was_not_looked_at_goes_with_its_message, only_so_many_are_taken,
                                  a_message_may_have_many_frames};
    return SUITE_RUN("ahead", set_up, tear_down, tests);
}
