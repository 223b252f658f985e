/* test_stream_redis_once: each entry is answered once, whatever happens to connections, scripts, groups and
 * other consumers. SPDX-License-Identifier: MIT */
#include "redis_stream_scene.h"

START_TEST(a_consumer_has_again_what_it_had)
{
    add_entries(600); /* more than come at a time */
    open_job("group=g", NULL);
    wait_for(600, 0);
    close_job(); /* none was answered */
    brought_count = 0;
    ask("XADD in * value last");
    open_job("group=g", NULL);
    wait_for(601, 0);
    is_text(brought[0]->value, "0");
    is_text(brought[599]->value, "599");
    is_text(brought[600]->value, "last");
}
END_TEST

START_TEST(what_others_leave_is_taken_over)
{
    add_entries(150);
    ask("XGROUP CREATE in g 0");
    ck_assert_int_eq(ask("XREADGROUP GROUP g gone COUNT 150 STREAMS in >"), 1);
    open_job("group=g&claim_ms=100", NULL);
    wait_for(150, 0);
    answer_all(0);
    wait_for(150, 150);
    ck_assert_int_eq(pending(), 0);
    ck_assert_uint_eq(dropped_count, 0);
}
END_TEST

/* Its own ones, too, are claimed again and again while they are in hand. */
START_TEST(what_is_in_hand_is_not_brought_again)
{
    add_entries(20);
    open_job("group=g&claim_ms=100", NULL);
    wait_for(20, 0);
    turn_for(300 * MILLISECOND);
    ck_assert_int_gt(ask("CLIENT KILL TYPE normal SKIPME yes"), 0);
    turn_for(300 * MILLISECOND);
    ck_assert(is_connected);
    ck_assert_uint_eq(brought_count, 20);
    answer_all(0);
    wait_for(20, 20);
    ck_assert_int_eq(ask("XLEN out"), 20);
}
END_TEST

START_TEST(one_that_somebody_else_has_answered_is_dropped)
{
    add_entries(3);
    open_job("group=g", NULL);
    wait_for(3, 0);
    redisReply *reply = redisCommand(redis, "XRANGE in - + COUNT 1");
    ck_assert_int_eq(ask("XACK in g %s", reply->element[0]->element[0]->str), 1);
    freeReplyObject(reply);
    answer_all(0);
    wait_for(3, 3);
    ck_assert_uint_eq(dropped_count, 1);
    ck_assert_int_eq(ask("XLEN out"), 2);
}
END_TEST

START_TEST(answers_wait_for_a_connection)
{
    add_entries(500);
    open_job("group=g", NULL);
    wait_for(500, 0);
    ask("CLIENT KILL TYPE normal SKIPME yes");
    answer_all(0);
    wait_for(500, 500);
    ck_assert_int_eq(ask("XLEN out"), 500);
    ck_assert_int_eq(pending(), 0);
}
END_TEST

/* Connections that end at any moment: each entry is answered once all the same. */
START_TEST(connections_may_end_at_any_moment)
{
    enum { ENTRIES = 3000 };
    add_entries(ENTRIES);
    open_job("group=g", "window=64");
    size_t answered = 0;
    for (size_t round = 0; settled_count < ENTRIES; round++) {
        turn_for(MILLISECOND / 4);
        for (; answered < brought_count; answered++)
            answer(answered, STREAM_SCORED, "good");
        if (round % 16 == 0)
            ask("CLIENT KILL TYPE normal SKIPME yes");
    }
    ck_assert_uint_eq(brought_count, ENTRIES);
    ck_assert_int_eq(ask("XLEN out"), ENTRIES);
    ck_assert_int_eq(pending(), 0);
}
END_TEST

START_TEST(a_script_that_was_thrown_away_is_loaded_again)
{
    add_entries(1);
    open_job("group=g", NULL);
    wait_for(1, 0);
    ask("SCRIPT FLUSH");
    answer(0, STREAM_SCORED, "good");
    wait_for(1, 1);
    ck_assert_int_eq(ask("XLEN out"), 1);
}
END_TEST

/* Redis refuses the answer: then the entry is not acknowledged either. */
START_TEST(a_redis_without_memory_loses_nothing)
{
    add_entries(10);
    open_job("group=g", NULL);
    wait_for(10, 0);
    ask("CONFIG SET maxmemory 1");
    answer_all(0);
    turn_for(200 * MILLISECOND);
    ck_assert_uint_eq(settled_count, 0);
    ck_assert_int_eq(pending(), 10);
    ask("CONFIG SET maxmemory 0");
    wait_for(10, 10);
    ck_assert_int_eq(ask("XLEN out"), 10);
}
END_TEST

START_TEST(a_stream_that_was_deleted_begins_anew)
{
    add_entries(2);
    open_job("group=g", NULL);
    wait_for(2, 0);
    ask("DEL in");
    answer_all(0);
    wait_for(2, 2);
    ck_assert_uint_eq(dropped_count, 2); /* nobody is to get an answer any more */
    ask("XADD in * value new");
    wait_for(3, 2);
    is_text(brought[2]->value, "new");
}
END_TEST

START_TEST(an_entry_that_was_deleted_meanwhile_is_passed_over)
{
    add_entries(3);
    ask("XGROUP CREATE in g 0");
    ask("XREADGROUP GROUP g me COUNT 3 STREAMS in >");
    redisReply *reply = redisCommand(redis, "XRANGE in - + COUNT 1");
    ask("XDEL in %s", reply->element[0]->element[0]->str);
    freeReplyObject(reply);
    open_job("group=g&consumer=me", NULL);
    wait_for(2, 0);
    answer_all(0);
    wait_for(2, 2);
    while (pending() > 0)
        turn_for(MILLISECOND);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_consumer_has_again_what_it_had,
                                  what_others_leave_is_taken_over,
                                  what_is_in_hand_is_not_brought_again,
                                  one_that_somebody_else_has_answered_is_dropped,
                                  answers_wait_for_a_connection,
                                  connections_may_end_at_any_moment,
                                  a_script_that_was_thrown_away_is_loaded_again,
                                  a_redis_without_memory_loses_nothing,
                                  a_stream_that_was_deleted_begins_anew,
                                  an_entry_that_was_deleted_meanwhile_is_passed_over,
                                  NULL};
    return scene_run("stream_redis_once", tests);
}
