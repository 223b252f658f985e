/* test_client_many: many requests of one client at a time: how they travel together, and how many there may
 * be. SPDX-License-Identifier: MIT */
#include "client_scene.h"

START_TEST(what_a_turn_gathers_goes_as_few_messages)
{
    start_broker(1);
    WAIT_FOR(client_connected(client));
    broker.zmq_messages = 0;
    for (size_t i = 0; i < 600; i++)
        ask(i);
    uint64_t first = next_request();
    for (size_t i = 1; i < 600; i++) {
        char expected[16];
        ck_assert_uint_eq(next_request(), first + i); /* in the order of asking, each with its own payload */
        snprintf(expected, sizeof expected, "%zu", i);
        ck_assert(text_is(letter_payload(letter, 0), expected));
    }
    ck_assert_int_le(broker.zmq_messages, 5); /* three trains, and perhaps a ping */
    for (size_t i = 0; i < 600; i++)
        reply(first + i, "x");
    WAIT_FOR(client_in_flight(client) == 0);
    for (size_t i = 0; i < 600; i++)
        ck_assert_int_eq(asked[i].answers, 1);
}
END_TEST

/* Small ones travel with others inside a frame, a large one is a frame and ends the message; the answers
 * come in either form. */
START_TEST(payloads_of_any_size_go_and_come)
{
    static char bytes[100000];
    static const size_t sizes[] = {1, 4096, 4097, 1, sizeof bytes, 4096};
    start_broker(1);
    for (int form = 0; form < 2; form++) {
        uint64_t ids[COUNT_OF(sizes)];
        broker.zmq_messages = 0;
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            memset(bytes, (int)('a' + i), sizeof bytes);
            ask_this(i, 30 * SECOND, 0, (struct text){bytes, sizes[i]});
        }
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            ids[i] = next_request();
            struct text payload = letter_payload(letter, 0);
            ck_assert_uint_eq(payload.length, sizes[i]);
            ck_assert(payload.at[0] == (char)('a' + i) && payload.at[sizes[i] - 1] == (char)('a' + i));
            ck_assert_uint_eq(letter->frame_count, sizes[i] > TRAIN_INSIDE_MAX);
        }
        ck_assert_int_le(broker.zmq_messages, 4); /* up to each large one, the last, and perhaps a ping */
        broker.old_form = form == 1;
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            struct envelope envelope = {.verb = VERB_REPLY, .id = ids[i], .reply = {.version = text_of("3")}};
            struct text payload = {bytes, sizes[i]};
            bytes[sizes[i] - 1] = (char)('A' + i);
            end_send_all(&broker, &envelope, &payload, 1);
            WAIT_FOR(asked[i].answers == form + 1);
            ck_assert_uint_eq(asked[i].payload_bytes, sizes[i]);
            ck_assert_int_eq(asked[i].payload_end, (char)('A' + i));
        }
    }
}
END_TEST

START_TEST(several_answers_come_in_one_frame_up_to_the_first_that_is_broken)
{
    struct train train = {0};
    uint64_t ids[3];
    start_broker(1);
    ask_many(3, ids);
    for (size_t i = 0; i < 3; i++) {
        struct envelope envelope = {.verb = VERB_REPLY, .id = ids[i], .reply = {.version = text_of("1")}};
        train_add(&train, &envelope);
        *train_add_payload(&train, 1) = (uint8_t)('a' + i);
    }
    struct text frame = {(const char *)train.bytes, train.length - 1};
    ck_assert(end_send_frames(&broker, &frame, 1)); /* the last payload is cut off */
    WAIT_FOR(counter(METRIC_BAD_MESSAGES, "asker") == 1);
    ck_assert(asked[0].answers == 1 && asked[1].answers == 1 && asked[2].answers == 0);
    ck_assert(text_is(text_of(asked[0].payload), "a") && text_is(text_of(asked[1].payload), "b"));
    reply(ids[2], "x"); /* the next message is read again */
    WAIT_FOR(asked[2].answers == 1);
    train_free(&train);
}
END_TEST

START_TEST(several_answers_come_in_one_message_up_to_the_first_that_is_broken)
{
    static uint8_t room[3][PROTOCOL_ENVELOPE_MAX];
    uint64_t ids[3];
    struct text frames[7];
    start_broker(1);
    ask_many(3, ids);
    reply_frames(ids[0], room[0], &frames[0]);
    reply_frames(ids[1], room[1], &frames[2]);
    frames[4] = text_of("rubbish");
    reply_frames(ids[2], room[2], &frames[5]);
    ck_assert(end_send_frames(&broker, frames, 7));
    WAIT_FOR(counter(METRIC_BAD_MESSAGES, "asker") == 1);
    ck_assert(asked[0].answers == 1 && asked[1].answers == 1 && asked[2].answers == 0);
    reply(ids[2], "x"); /* the next message is read again */
    WAIT_FOR(asked[2].answers == 1);
}
END_TEST

START_TEST(the_window_is_a_bound)
{
    reopen_client(2);
    start_broker(1);
    ask(0);
    ask(1);
    ck_assert(client_full(client, 0));
    ask(2);
    ck_assert_int_eq(asked[2].answers, 1); /* at once */
    ck_assert_int_eq(asked[2].failure, FAILURE_OVERLOADED);
    ck_assert_uint_gt(asked[2].retry_after_ms, 0);
    reply(next_request(), "x");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert(!client_full(client, 0));
    ask(3);
    next_request();
    reply(next_request(), "x");
    WAIT_FOR(asked[3].answers == 1);
    ck_assert_int_eq(asked[1].answers, 0);
}
END_TEST

START_TEST(a_quarter_more_is_for_those_below_their_share)
{
    reopen_client(8);
    start_broker(1);
    for (size_t i = 0; i < 8; i++)
        ask_as(i, 1);
    ck_assert(client_full(client, 1));
    ck_assert(!client_full(client, 2) && !client_overwhelmed(client));
    ask_as(8, 1);
    ck_assert_int_eq(asked[8].answers, 1); /* at once */
    ask_as(9, 2);
    ask_as(10, 2);
    ck_assert_int_eq(asked[9].answers + asked[10].answers, 0);
    ck_assert(client_full(client, 2) && client_full(client, 3) && client_overwhelmed(client));
    reply(next_request(), "x");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert(client_full(client, 1)); /* the reserve is not for it */
    ck_assert(!client_full(client, 2) && !client_full(client, 3));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_a_turn_gathers_goes_as_few_messages,
                                  payloads_of_any_size_go_and_come,
                                  several_answers_come_in_one_frame_up_to_the_first_that_is_broken,
                                  several_answers_come_in_one_message_up_to_the_first_that_is_broken,
                                  the_window_is_a_bound,
                                  a_quarter_more_is_for_those_below_their_share};
    return SUITE_RUN("client_many", set_up, tear_down, tests);
}
