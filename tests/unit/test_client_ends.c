/* test_client_ends: what ends a request but its answer: deadlines, cancels, and a broker that goes and comes
 * back. SPDX-License-Identifier: MIT */
#include "client_scene.h"

/* ---- the end of waiting ---- */

START_TEST(a_deadline_ends_the_waiting_and_a_late_answer_is_dropped)
{
    start_broker(1);
    ask_for(0, 20 * MILLISECOND);
    uint64_t id = next_request();
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_DEADLINE);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL)); /* nobody should compute it any more */
    ck_assert_uint_eq(letter->envelope.id, id);
    reply(id, "late");
    WAIT_FOR(counter(METRIC_CLIENT_LATE, NULL) == 1);
    reject(id, FAILURE_DEADLINE, 0, "late, too");
    WAIT_FOR(counter(METRIC_CLIENT_LATE, NULL) == 2);
    ck_assert_int_eq(asked[0].answers, 1);
}
END_TEST

START_TEST(a_deadline_that_is_over_is_one)
{
    start_broker(1);
    ask_for(0, -SECOND);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_DEADLINE);
}
END_TEST

START_TEST(a_deadline_passes_without_any_broker)
{
    ask_for(0, 20 * MILLISECOND);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_DEADLINE);
    ck_assert_uint_eq(client_in_flight(client), 0);
}
END_TEST

START_TEST(a_cancel_is_told_and_not_answered)
{
    start_broker(1);
    ask(0);
    uint64_t id = next_request();
    client_cancel(client, asked[0].request);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL));
    ck_assert_uint_eq(letter->envelope.id, id);
    reply(id, "late");
    WAIT_FOR(counter(METRIC_CLIENT_LATE, NULL) == 1);
    ck_assert_int_eq(asked[0].answers, 0);
    ck_assert_uint_eq(client_in_flight(client), 0);
}
END_TEST

START_TEST(what_was_not_sent_is_cancelled_in_silence)
{
    ask(0);
    ask(1);
    turn_loop();
    client_cancel(client, asked[0].request);
    start_broker(1);
    next_request(); /* only the second */
    ck_assert(text_is(letter_payload(letter, 0), "1"));
    ask(2);
    next_request(); /* no CANCEL was in between: end_take_verb would have passed over it, so look at all */
    ck_assert(text_is(letter_payload(letter, 0), "2"));
    while (end_take(&broker, letter))
        ck_assert_int_ne(letter->envelope.verb, VERB_CANCEL);
    ck_assert_int_eq(asked[0].answers, 0);
}
END_TEST

START_TEST(the_end_of_the_client_answers_what_is_open)
{
    start_broker(1);
    ask(0);
    next_request();
    ask(1); /* not sent yet */
    client_free(client);
    client = NULL;
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(asked[i].answers, 1);
        ck_assert_int_eq(asked[i].failure, FAILURE_STOPPING);
    }
}
END_TEST

/* ---- a broker that goes and comes back ---- */

START_TEST(what_waits_for_the_first_broker_is_sent_when_it_comes)
{
    ask(0);
    ask(1);
    turn_loop();
    start_broker(1);
    uint64_t first = next_request();
    ck_assert_uint_eq(next_request(), first + 1);
    ck_assert_uint_eq(counter(METRIC_CLIENT_RESENT, NULL), 0); /* it is the first time */
}
END_TEST

START_TEST(a_new_broker_gets_what_is_open_exactly_once)
{
    uint64_t ids[3], left[2];
    start_broker(1);
    for (size_t i = 0; i < 3; i++)
        ask(i);
    for (size_t i = 0; i < 3; i++) {
        ids[i] = next_request();
        if (i > 0)
            left[i - 1] = letter->envelope.request.time_left_us;
    }
    reply(ids[0], "answered before");
    WAIT_FOR(asked[0].answers == 1);
    end_close(&broker);
    for (int i = 0; i < 10; i++) /* it is away for some turns */
        turn_loop();
    start_broker(2);
    for (size_t i = 1; i < 3; i++) {
        ck_assert_uint_eq(next_request(), ids[i]); /* the same ids, the oldest first, less time */
        ck_assert_uint_lt(letter->envelope.request.time_left_us, left[i - 1]);
        ck_assert(letter->envelope.request.again); /* no rate limit counts it twice */
        ck_assert(text_is(letter_payload(letter, 0), i == 1 ? "1" : "2"));
    }
    reply(ids[2], "after");
    reply(ids[1], "after");
    WAIT_FOR(asked[1].answers == 1 && asked[2].answers == 1);
    ask(3); /* a mark: what comes before it is all that came */
    next_request();
    ck_assert(text_is(letter_payload(letter, 0), "3"));
    ck_assert_uint_eq(counter(METRIC_CLIENT_RESENT, NULL), 2);
    ck_assert_uint_eq(counter(METRIC_CLIENT_LATE, NULL), 0);
}
END_TEST

/* A broker that is told to end refuses what comes in the meantime: its successor is a moment away. */
START_TEST(what_a_stopping_broker_refuses_is_kept_for_the_next)
{
    start_broker(1);
    ask(0);
    uint64_t id = next_request();
    reject(id, FAILURE_STOPPING, 1000, "the broker is stopping");
    ask(1); /* a mark: when it is answered the refusal was read */
    reply(next_request(), "still answered");
    WAIT_FOR(asked[1].answers == 1);
    ck_assert_int_eq(asked[0].answers, 0);
    ck_assert_uint_eq(client_in_flight(client), 1);
    end_close(&broker);
    start_broker(2);
    ck_assert_uint_eq(next_request(), id);
    reply(id, "by the next");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_NONE);
    ck_assert_str_eq(asked[0].payload, "by the next");
}
END_TEST

static int turns;

static void count_turn(void *self)
{
    (void)self;
    turns++;
}

START_TEST(a_broker_that_is_away_costs_no_time_and_deadlines_pass)
{
    start_broker(1);
    ask(0);
    next_request();
    end_close(&broker);
    loop_each_turn(letters_loop, count_turn, NULL);
    ask_for(1, 30 * MILLISECOND);
    turns = 0;
    WAIT_FOR(asked[1].answers == 1);
    ck_assert_int_eq(asked[1].failure, FAILURE_DEADLINE);
    ck_assert_int_lt(turns,
                     1000); /* some for each millisecond; a loop that tries again at once makes millions */
    ask(2);
    start_broker(2);
    for (bool seen[3] = {false};
         !seen[0] || !seen[2];) { /* the new one may go before the hello is answered */
        next_request();
        seen[letter_payload(letter, 0).at[0] - '0'] = true;
        ck_assert(!seen[1]); /* it is over */
    }
}
END_TEST

/* What was said of when a request went out is true also of one that never did. */
START_TEST(what_could_not_be_sent_has_no_time_of_it)
{
    start_broker(1);
    ask(0);
    reply(next_request(), "x");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_gt(asked[0].sent_at, 0);
    end_close(&broker);
    size_t last = 0;
    do { /* until it is noticed that nobody is there */
        ask_for(++last, 20 * MILLISECOND);
        WAIT_FOR(asked[last].answers == 1);
    } while (last < 100 && asked[last].sent_at != 0);
    ck_assert_int_eq(asked[last].sent_at, 0);
}
END_TEST

START_TEST(another_hello_of_the_same_broker_counts_as_well)
{
    start_broker(1);
    ask(0);
    uint64_t id = next_request();
    pong(0, 1); /* the way to it broke, it did not */
    ck_assert_uint_eq(next_request(), id);
    pong(5, 1); /* the answer to a PING: nothing is sent again */
    ask(1);
    ck_assert_uint_eq(next_request(), id + 1);
}
END_TEST

START_TEST(silence_is_noticed)
{
    start_broker(1);
    WAIT_FOR(client_connected(client));
    for (int i = 0; i < 2; i++) {
        WAIT_FOR(end_take_verb(&broker, letter, VERB_PING));
        pong(letter->envelope.id, 1);
    }
    ck_assert(client_connected(client));
    WAIT_FOR(!client_connected(client)); /* three pings are not answered */
    pong(7, 1);
    WAIT_FOR(client_connected(client));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_deadline_ends_the_waiting_and_a_late_answer_is_dropped,
                                  a_deadline_that_is_over_is_one,
                                  a_deadline_passes_without_any_broker,
                                  a_cancel_is_told_and_not_answered,
                                  what_was_not_sent_is_cancelled_in_silence,
                                  the_end_of_the_client_answers_what_is_open,
                                  what_waits_for_the_first_broker_is_sent_when_it_comes,
                                  a_new_broker_gets_what_is_open_exactly_once,
                                  what_a_stopping_broker_refuses_is_kept_for_the_next,
                                  a_broker_that_is_away_costs_no_time_and_deadlines_pass,
                                  what_could_not_be_sent_has_no_time_of_it,
                                  another_hello_of_the_same_broker_counts_as_well,
                                  silence_is_noticed};
    return SUITE_RUN("client_ends", set_up, tear_down, tests);
}
