/* test_stream_redis_ends: how a stream of Redis ends, and what it cannot go on with. SPDX-License-Identifier:
 * MIT */
#include "redis_stream_scene.h"

/* ---- the end ---- */

static void drained(void *self)
{
    (void)self;
    is_drained = true;
    loop_stop(loop);
}

START_TEST(drained_is_when_all_in_hand_is_settled)
{
    add_entries(20);
    open_job("group=g", "window=16");
    wait_for(16, 0);
    stream->kind->drain(stream, drained, NULL);
    ck_assert(!is_drained);
    turn_for(50 * MILLISECOND);
    ck_assert(!is_drained);
    answer_all(0);
    while (!is_drained)
        loop_run(loop);
    ck_assert_uint_eq(settled_count, 16);
    ck_assert_uint_eq(brought_count, 16);
    ck_assert_int_eq(pending(), 0);
}
END_TEST

START_TEST(without_anything_in_hand_it_is_drained_at_once)
{
    open_job("group=g", NULL);
    stream->kind->drain(stream, drained, NULL);
    while (!is_drained)
        loop_run(loop);
}
END_TEST

START_TEST(a_stream_is_closed_whatever_it_does)
{
    add_entries(100);
    open_job("group=g", NULL);
    close_job(); /* not connected */
    open_job("group=g", NULL);
    wait_for(100, 0);
    answer_all(0);
    turn_for(0); /* some are on their way */
}
END_TEST

/* ---- what cannot go on ---- */

START_TEST(what_is_no_stream_is_told)
{
    ask("SET in text");
    open_job("group=g", NULL);
    while (failure[0] == '\0')
        loop_run(loop);
    ck_assert_ptr_nonnull(strstr(failure, "WRONGTYPE"));
}
END_TEST

START_TEST(a_sink_that_is_no_stream_is_told)
{
    add_entries(1);
    ask("SET out text");
    open_job("group=g", NULL);
    wait_for(1, 0);
    answer(0, STREAM_SCORED, "good");
    while (failure[0] == '\0')
        loop_run(loop);
    ck_assert_ptr_nonnull(strstr(failure, "WRONGTYPE"));
    ck_assert_int_eq(pending(), 1);
}
END_TEST

START_TEST(a_password_is_read_and_must_be_right)
{
    char setting[200];
    ask("CONFIG SET requirepass secret");
    snprintf(setting, sizeof setting, "password=file:%s", scratch_file("password", "secret\n"));
    chmod(scratch_path("password"), 0600);
    open_job("group=g", setting);
    while (!is_connected)
        turn_for(MILLISECOND);
    close_job();
    open_job("group=g", NULL);
    while (failure[0] == '\0')
        loop_run(loop);
    ck_assert_ptr_nonnull(strstr(failure, "NOAUTH"));
    close_job();
    failure[0] = '\0';
    snprintf(setting, sizeof setting, "password=file:%s", scratch_file("wrong", "wrong\n"));
    chmod(scratch_path("wrong"), 0600);
    open_job("group=g", setting);
    while (failure[0] == '\0')
        loop_run(loop);
    ck_assert_ptr_nonnull(strstr(failure, "WRONGPASS"));
}
END_TEST

static void refused(const char *options, const char *setting, const char *expected)
{
    make_job(options, setting);
    ck_assert_ptr_null(job.kind->open(&context, reason));
    ck_assert_msg(strstr(reason, expected) != NULL, "%s", reason);
    stream_job_free(&job);
    job = (struct stream_job){0};
}

START_TEST(options_are_checked)
{
    refused("group=", NULL, "group, consumer and field: expected names");
    refused("start=last", NULL, "start: expected first or new, got \"last\"");
    refused("claim_ms=0", NULL, "claim_ms: expected a number, 100 to 86400000, got \"0\"");
    refused("db=x", NULL, "db: expected a number");
    refused("group=g", "to=out?maxlen=0", "maxlen: expected a number, 1 to ");
    refused("group=g", "password=file:/nonexistent", "password: ");
}
END_TEST

START_TEST(a_redis_that_is_away_is_waited_for)
{
    redisFree(redis);
    redis_stop();
    open_job("group=g", NULL);
    turn_for(120 * MILLISECOND);
    ck_assert(!is_connected);
    redis_start(NULL);
    connect_own();
    while (!is_connected)
        turn_for(MILLISECOND);
    add_entries(1);
    wait_for(1, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {drained_is_when_all_in_hand_is_settled,
                                  without_anything_in_hand_it_is_drained_at_once,
                                  a_stream_is_closed_whatever_it_does,
                                  what_is_no_stream_is_told,
                                  a_sink_that_is_no_stream_is_told,
                                  a_password_is_read_and_must_be_right,
                                  options_are_checked,
                                  a_redis_that_is_away_is_waited_for,
                                  NULL};
    return scene_run("stream_redis_ends", tests);
}
