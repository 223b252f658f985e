/* test_stream_redis: Redis Streams as a stream of a job, with a real Redis: what comes, and what becomes of
 * answers. SPDX-License-Identifier: MIT */
#include "redis_stream_scene.h"

START_TEST(an_entry_is_a_message_and_its_answer_an_entry)
{
    char position[STREAM_POSITION_MAX];
    ask("XADD in 5-1 traceparent t value v key k tracestate s value w");
    open_job("group=g", NULL);
    wait_for(1, 0);
    is_text(brought[0]->key, "k");
    is_text(brought[0]->value, "v");
    ck_assert_uint_eq(brought[0]->header_count, 3);
    is_text(brought[0]->headers[0].name, "traceparent");
    is_text(brought[0]->headers[2].name, "value"); /* the first one is the value */
    ck_assert_int_eq(brought[0]->at_ms, 5);
    stream->kind->position(brought[0], position);
    ck_assert_str_eq(position, "in@5-1");
    answer(0, STREAM_SCORED, "yes");
    wait_for(1, 1);
    ck_assert_str_eq(first_entry("out"), "key k value yes traceparent t tracestate s value w");
    ck_assert_int_eq(pending(), 0);
    ck_assert_uint_eq(dropped_count, 0);
}
END_TEST

START_TEST(bad_ones_go_to_the_dead_letters_and_skipped_ones_nowhere)
{
    add_entries(2);
    open_job("group=g", NULL);
    wait_for(2, 0);
    answer(0, STREAM_BAD, "bad");
    wait_for(2, 1);
    ck_assert_int_eq(last_outcome, STREAM_BAD);
    answer(1, STREAM_SKIPPED, "");
    wait_for(2, 2);
    ck_assert_int_eq(last_outcome, STREAM_SKIPPED);
    ck_assert_str_eq(first_entry("dead"), "value bad");
    ck_assert_int_eq(ask("XLEN out"), 0);
    ck_assert_int_eq(pending(), 0);
}
END_TEST

START_TEST(an_entry_without_the_field_has_no_value)
{
    ask("XADD in * value v");
    ask("XADD in * payload p");
    open_job("group=g&field=payload", NULL);
    wait_for(2, 0);
    ck_assert_ptr_null(brought[0]->value.at);
    is_text(brought[1]->value, "p");
    answer(1, STREAM_SCORED, "yes");
    wait_for(2, 1);
    ck_assert_str_eq(first_entry("out"), "payload yes");
}
END_TEST

START_TEST(bytes_stay_what_they_are)
{
    freeReplyObject(redisCommand(redis, "XADD in * value %b %b %b", "\0\r\n$", (size_t)4, "\xff\0", (size_t)2,
                                 "", (size_t)0));
    open_job("group=g", NULL);
    wait_for(1, 0);
    ck_assert_uint_eq(brought[0]->value.length, 4);
    ck_assert_mem_eq(brought[0]->value.at, "\0\r\n$", 4);
    stream->kind->answer(stream, brought[0],
                         &(struct stream_answer){.value = brought[0]->value,
                                                 .headers = brought[0]->headers,
                                                 .header_count = brought[0]->header_count});
    wait_for(1, 1);
    redisReply *reply = redisCommand(redis, "XRANGE out - +");
    const redisReply *fields = reply->element[0]->element[1];
    ck_assert_uint_eq(fields->elements, 4);
    ck_assert_uint_eq(fields->element[1]->len, 4);
    ck_assert_mem_eq(fields->element[1]->str, "\0\r\n$", 4);
    ck_assert_uint_eq(fields->element[2]->len, 2);
    freeReplyObject(reply);
}
END_TEST

START_TEST(new_ones_alone_are_brought_where_that_is_said)
{
    add_entries(3);
    open_job("group=g&start=new", NULL);
    stream->kind->measure(stream); /* nothing before it is connected */
    while (!is_connected)
        turn_for(MILLISECOND);
    turn_for(50 * MILLISECOND);
    ask("XADD in * value new");
    wait_for(1, 0);
    is_text(brought[0]->value, "new");
}
END_TEST

START_TEST(streams_are_kept_short_where_that_is_said)
{
    add_entries(1000);
    open_job("group=g", "to=out?maxlen=100");
    wait_for(1000, 0);
    answer_all(0);
    wait_for(1000, 1000);
    long long length = ask("XLEN out");
    ck_assert_msg(length >= 100 && length <= 200, "%lld", length); /* whole nodes of a hundred are dropped */
}
END_TEST

START_TEST(no_more_are_in_hand_than_the_window_has)
{
    add_entries(50);
    open_job("group=g", "window=8");
    wait_for(8, 0);
    turn_for(50 * MILLISECOND);
    ck_assert_uint_eq(brought_count, 8);
    answer(0, STREAM_SCORED, "good");
    wait_for(9, 1);
    stream->kind->pause(stream);
    for (size_t i = 1; i < 9; i++)
        answer(i, STREAM_SCORED, "good");
    wait_for(9, 9);
    turn_for(50 * MILLISECOND);
    ck_assert_uint_eq(brought_count, 9);
    stream->kind->resume(stream);
    wait_for(17, 9);
}
END_TEST

/* A few that are very large are in hand at a time, whatever the window. */
START_TEST(no_more_are_in_hand_than_there_is_room_for)
{
    enum { LARGE = 10000, ROOM = 7 };
    char *value = object_alloc(LARGE);
    for (int i = 0; i < ROOM + 3; i++)
        freeReplyObject(redisCommand(redis, "XADD in * value %b", value, (size_t)LARGE));
    free(value);
    open_job("group=g", "window_bytes=75000");
    wait_for(ROOM, 0);
    turn_for(50 * MILLISECOND);
    ck_assert_uint_eq(brought_count, ROOM);
    answer(0, STREAM_SKIPPED, "");
    wait_for(ROOM + 1, 1);
    turn_for(50 * MILLISECOND);
    ck_assert_uint_eq(brought_count, ROOM + 1);
}
END_TEST

START_TEST(one_that_is_larger_than_the_room_is_there_alone)
{
    enum { LARGE = 100000 };
    char *value = object_alloc(LARGE);
    for (int i = 0; i < 3; i++)
        freeReplyObject(redisCommand(redis, "XADD in * value %b", value, (size_t)LARGE));
    free(value);
    open_job("group=g", "window_bytes=65536");
    for (size_t i = 0; i < 3; i++) {
        wait_for(i + 1, i);
        turn_for(20 * MILLISECOND);
        ck_assert_uint_eq(brought_count, i + 1);
        answer(i, STREAM_SCORED, "good");
    }
    wait_for(3, 3);
}
END_TEST

START_TEST(the_lag_is_what_is_not_done)
{
    add_entries(5);
    open_job("group=g", "window=2");
    wait_for(2, 0);
    answer(0, STREAM_SCORED, "good");
    wait_for(3, 1);
    stream->kind->measure(stream);
    while (lag_told == -2)
        loop_run(loop);
    ck_assert_int_eq(lag_told, 4);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_entry_is_a_message_and_its_answer_an_entry,
                                  bad_ones_go_to_the_dead_letters_and_skipped_ones_nowhere,
                                  an_entry_without_the_field_has_no_value,
                                  bytes_stay_what_they_are,
                                  new_ones_alone_are_brought_where_that_is_said,
                                  streams_are_kept_short_where_that_is_said,
                                  no_more_are_in_hand_than_the_window_has,
                                  no_more_are_in_hand_than_there_is_room_for,
                                  one_that_is_larger_than_the_room_is_there_alone,
                                  the_lag_is_what_is_not_done,
                                  NULL};
    return scene_run("stream_redis", tests);
}
