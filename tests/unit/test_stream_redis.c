/* test_stream_redis: Redis Streams as a stream of a job, with a real Redis: what comes, what becomes of
 * answers, and that each entry is answered once, whatever happens to connections, scripts, groups and other
 * consumers. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "log.h"
#include "stream.h"

#include "redis_server.h"
#include "suite.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>

enum { BROUGHT_MAX = 4096 };

static struct loop *loop;
static struct loop_timer limit;
static redisContext *redis; /* the test's own connection */
static struct stream_job job;
static struct stream_context context;
static struct stream *stream;
static char reason[STREAM_REASON_MAX], socket_path[128];

static struct stream_message *brought[BROUGHT_MAX];
static size_t brought_count, settled_count, dropped_count;
static enum stream_outcome last_outcome;
static int64_t lag_told;
static bool is_connected, is_drained;
static char failure[256];
static size_t wanted_brought, wanted_settled;

/* ---- what the stream tells ---- */

static void look(void)
{
    if (brought_count >= wanted_brought && settled_count >= wanted_settled)
        loop_stop(loop);
}

static void message_came(void *self, struct stream_message *message)
{
    (void)self;
    ck_assert_uint_lt(brought_count, BROUGHT_MAX);
    brought[brought_count++] = message;
    look();
}

static void settled(void *self, enum stream_outcome outcome, int64_t at_ms, bool dropped)
{
    (void)self;
    ck_assert_int_gt(at_ms, 0);
    settled_count++;
    dropped_count += dropped;
    last_outcome = outcome;
    look();
}

static void lag_known(void *self, const char *partition, int64_t messages)
{
    (void)self;
    ck_assert_str_eq(partition, "");
    lag_told = messages;
    loop_stop(loop);
}

static void connection_is(void *self, bool is)
{
    (void)self;
    is_connected = is;
}

static void stream_failed(void *self, const char *why)
{
    (void)self;
    text_copy(text_of(why), failure, sizeof failure);
    loop_stop(loop);
}

static const struct stream_events events = {message_came, settled, lag_known, connection_is, stream_failed};

static void each_turn(void *self)
{
    (void)self;
    if (stream != NULL)
        stream->kind->flush(stream);
}

static void too_late(void *self)
{
    (void)self;
    ck_abort_msg("what the test waits for did not come: brought %zu of %zu, settled %zu of %zu, connected %d",
                 brought_count, wanted_brought, settled_count, wanted_settled, is_connected);
}

/* ---- the scene ---- */

static void connect_own(void)
{
    for (int tries = 0; tries < 6000; tries++) {
        redis = redisConnectUnix(socket_path);
        if (redis != NULL && redis->err == 0)
            return;
        redisFree(redis);
        usleep(10000);
    }
    ck_abort_msg("no Redis at %s", socket_path);
}

static void set_up(void)
{
    scratch_make();
    snprintf(socket_path, sizeof socket_path, "%s/redis.sock", scratch_directory);
    redis_start(NULL);
    connect_own();
    loop = loop_new();
    limit = (struct loop_timer){0};
    loop_timer_set(loop, &limit, clock_now() + 60 * SECOND, too_late, NULL);
    loop_each_turn(loop, each_turn, NULL);
    brought_count = settled_count = dropped_count = 0;
    lag_told = -2;
    is_connected = is_drained = false;
    failure[0] = '\0';
    stream = NULL;
}

static void close_job(void)
{
    if (stream != NULL)
        stream->kind->close(stream);
    stream = NULL;
    stream_job_free(&job);
    job = (struct stream_job){0};
}

static void tear_down(void)
{
    close_job();
    loop_timer_cancel(loop, &limit);
    loop_free(loop);
    redisFree(redis);
    redis_stop();
    scratch_remove();
}

/* A job of these parameters beside from and to, each as name=value; NULL ends them. */
static void make_job(const char *options, const char *const *settings)
{
    struct config_errors errors = {0};
    char from[256];
    job = (struct stream_job){0};
    parameters_default(stream_job_parameters(), &job);
    struct parameter_reader *reader = parameter_reader_new(stream_job_parameters(), &job, "test", &errors);
    snprintf(from, sizeof from, "from=redis:%s/in?%s", socket_path, options);
    parameter_set(reader, from);
    parameter_set(reader, "to=out");
    parameter_set(reader, "dead_letter=dead");
    for (; *settings != NULL; settings++)
        parameter_set(reader, *settings);
    stream_job_settle(&job, reader);
    parameter_reader_free(reader);
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    context = (struct stream_context){.loop = loop, .job = &job, .events = &events};
}

/* `words`: the source's options, and settings of the job. */
static void open_with(const char *const *words)
{
    make_job(words[0], words + 1);
    stream = job.kind->open(&context, reason);
    ck_assert_msg(stream != NULL, "%s", reason);
}

#define OPEN(...) open_with((const char *const[]){__VA_ARGS__, NULL})

/* One command; integer answers as they are, arrays by their length, else 0. */
static long long ask(const char *format, ...) __attribute__((format(printf, 1, 2)));

static long long ask(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(redis, format, arguments);
    va_end(arguments);
    ck_assert_msg(reply != NULL && reply->type != REDIS_REPLY_ERROR, "%s: %s", format,
                  reply == NULL ? redis->errstr : reply->str);
    long long number = reply->type == REDIS_REPLY_ARRAY ? (long long)reply->elements : reply->integer;
    freeReplyObject(reply);
    return number;
}

static long long pending(void)
{
    redisReply *reply = redisCommand(redis, "XPENDING in g");
    ck_assert(reply != NULL && reply->type == REDIS_REPLY_ARRAY);
    long long count = reply->element[0]->integer;
    freeReplyObject(reply);
    return count;
}

static void add_entries(size_t count)
{
    for (size_t i = 0; i < count; i++)
        ask("XADD in * value %d", (int)i);
}

static void wait_for(size_t brought_wanted, size_t settled_wanted)
{
    wanted_brought = brought_wanted;
    wanted_settled = settled_wanted;
    while (brought_count < wanted_brought || settled_count < wanted_settled)
        loop_run(loop);
    ck_assert_uint_eq(brought_count, brought_wanted);
    ck_assert_uint_eq(settled_count, settled_wanted);
}

/* Turns the loop for so long: for what must not come. */
static void turn_for(int64_t time)
{
    static struct loop_timer timer;
    timer = (struct loop_timer){0};
    wanted_brought = wanted_settled = SIZE_MAX;
    loop_timer_set(loop, &timer, clock_now() + time, (loop_call *)loop_stop, loop);
    loop_run(loop);
}

static void answer(size_t index, enum stream_outcome outcome, const char *value)
{
    struct stream_message *message = brought[index];
    stream->kind->answer(stream, message,
                         &(struct stream_answer){.outcome = outcome,
                                                 .key = message->key,
                                                 .value = text_of(value),
                                                 .headers = message->headers,
                                                 .header_count = message->header_count});
}

static void answer_all(size_t from)
{
    for (size_t i = from; i < brought_count; i++)
        answer(i, STREAM_SCORED, "good");
}

static void is_text(struct text text, const char *expected)
{
    ck_assert_msg(text_is(text, expected), "%.*s", (int)text.length, text.at);
}

/* The fields of a stream's first entry, parted by blanks. */
static const char *first_entry(const char *name)
{
    static char line[512];
    line[0] = '\0';
    redisReply *reply = redisCommand(redis, "XRANGE %s - + COUNT 1", name);
    ck_assert(reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1);
    const redisReply *fields = reply->element[0]->element[1];
    for (size_t i = 0; i < fields->elements; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s", i > 0 ? " " : "",
                 fields->element[i]->str);
    freeReplyObject(reply);
    return line;
}

/* ---- what comes and what goes ---- */

START_TEST(an_entry_is_a_message_and_its_answer_an_entry)
{
    char position[STREAM_POSITION_MAX];
    ask("XADD in 5-1 traceparent t value v key k tracestate s value w");
    OPEN("group=g");
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
    OPEN("group=g");
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
    OPEN("group=g&field=payload");
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
    OPEN("group=g");
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
    OPEN("group=g&start=new");
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
    OPEN("group=g", "to=out?maxlen=100");
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
    OPEN("group=g", "window=8");
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
    enum { LARGE = 8 << 20, FIRST = 16, ROOM = (64 << 20) / LARGE };
    char *value = object_alloc(LARGE);
    for (int i = 0; i < FIRST + 2; i++)
        freeReplyObject(redisCommand(redis, "XADD in * value %b", value, (size_t)LARGE));
    free(value);
    OPEN("group=g");
    wait_for(FIRST, 0); /* as long as it is not known how large they are */
    for (size_t i = 0; i < FIRST - ROOM; i++)
        answer(i, STREAM_SKIPPED, "");
    wait_for(FIRST, FIRST - ROOM);
    turn_for(50 * MILLISECOND);
    ck_assert_uint_eq(brought_count, FIRST);
    answer(FIRST - ROOM, STREAM_SKIPPED, "");
    wait_for(FIRST + 1, FIRST - ROOM + 1);
    turn_for(50 * MILLISECOND);
    ck_assert_uint_eq(brought_count, FIRST + 1);
}
END_TEST

START_TEST(the_lag_is_what_is_not_done)
{
    add_entries(5);
    OPEN("group=g", "window=2");
    wait_for(2, 0);
    answer(0, STREAM_SCORED, "good");
    wait_for(3, 1);
    stream->kind->measure(stream);
    while (lag_told == -2)
        loop_run(loop);
    ck_assert_int_eq(lag_told, 4);
}
END_TEST

/* ---- once each ---- */

START_TEST(a_consumer_has_again_what_it_had)
{
    add_entries(600); /* more than come at a time */
    OPEN("group=g");
    wait_for(600, 0);
    close_job(); /* none was answered */
    brought_count = 0;
    ask("XADD in * value last");
    OPEN("group=g");
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
    OPEN("group=g&claim_ms=100");
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
    OPEN("group=g&claim_ms=100");
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
    OPEN("group=g");
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
    OPEN("group=g");
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
    OPEN("group=g", "window=64");
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
    OPEN("group=g");
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
    OPEN("group=g");
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
    OPEN("group=g");
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
    OPEN("group=g&consumer=me");
    wait_for(2, 0);
    answer_all(0);
    wait_for(2, 2);
    while (pending() > 0)
        turn_for(MILLISECOND);
}
END_TEST

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
    OPEN("group=g", "window=16");
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
    OPEN("group=g");
    stream->kind->drain(stream, drained, NULL);
    while (!is_drained)
        loop_run(loop);
}
END_TEST

START_TEST(a_stream_is_closed_whatever_it_does)
{
    add_entries(100);
    OPEN("group=g");
    close_job(); /* not connected */
    OPEN("group=g");
    wait_for(100, 0);
    answer_all(0);
    turn_for(0); /* some are on their way */
}
END_TEST

/* ---- what cannot go on ---- */

START_TEST(what_is_no_stream_is_told)
{
    ask("SET in text");
    OPEN("group=g");
    while (failure[0] == '\0')
        loop_run(loop);
    ck_assert_ptr_nonnull(strstr(failure, "WRONGTYPE"));
}
END_TEST

START_TEST(a_sink_that_is_no_stream_is_told)
{
    add_entries(1);
    ask("SET out text");
    OPEN("group=g");
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
    OPEN("group=g", setting);
    while (!is_connected)
        turn_for(MILLISECOND);
    close_job();
    OPEN("group=g");
    while (failure[0] == '\0')
        loop_run(loop);
    ck_assert_ptr_nonnull(strstr(failure, "NOAUTH"));
    close_job();
    failure[0] = '\0';
    snprintf(setting, sizeof setting, "password=file:%s", scratch_file("wrong", "wrong\n"));
    chmod(scratch_path("wrong"), 0600);
    OPEN("group=g", setting);
    while (failure[0] == '\0')
        loop_run(loop);
    ck_assert_ptr_nonnull(strstr(failure, "WRONGPASS"));
}
END_TEST

static void refused(const char *options, const char *setting, const char *expected)
{
    make_job(options, (const char *const[]){setting, NULL});
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
    OPEN("group=g");
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
    log_open("test", "error");
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    const TTest *const messages[] = {an_entry_is_a_message_and_its_answer_an_entry,
                                     bad_ones_go_to_the_dead_letters_and_skipped_ones_nowhere,
                                     an_entry_without_the_field_has_no_value,
                                     bytes_stay_what_they_are,
                                     new_ones_alone_are_brought_where_that_is_said,
                                     streams_are_kept_short_where_that_is_said,
                                     no_more_are_in_hand_than_the_window_has,
                                     no_more_are_in_hand_than_there_is_room_for,
                                     the_lag_is_what_is_not_done,
                                     NULL};
    const TTest *const once[] = {a_consumer_has_again_what_it_had,
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
    const TTest *const ends[] = {drained_is_when_all_in_hand_is_settled,
                                 without_anything_in_hand_it_is_drained_at_once,
                                 a_stream_is_closed_whatever_it_does,
                                 what_is_no_stream_is_told,
                                 a_sink_that_is_no_stream_is_told,
                                 a_password_is_read_and_must_be_right,
                                 options_are_checked,
                                 a_redis_that_is_away_is_waited_for,
                                 NULL};
    Suite *suite = suite_create("stream_redis");
    suite_add(suite, "messages", set_up, tear_down, messages);
    suite_add(suite, "once", set_up, tear_down, once);
    suite_add(suite, "ends", set_up, tear_down, ends);
    return suite_finish(suite);
}
