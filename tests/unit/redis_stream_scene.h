/* redis_stream_scene: a stream of Redis Streams, as a job has it, with a Redis of the test's own. Include it
 * in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REDIS_STREAM_SCENE_H
#define OUTRIGGER_REDIS_STREAM_SCENE_H

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

static inline void look(void)
{
    if (brought_count >= wanted_brought && settled_count >= wanted_settled)
        loop_stop(loop);
}

static inline void message_came(void *self, struct stream_message *message)
{
    (void)self;
    ck_assert_uint_lt(brought_count, BROUGHT_MAX);
    brought[brought_count++] = message;
    look();
}

static inline void settled(void *self, enum stream_outcome outcome, int64_t at_ms, bool dropped)
{
    (void)self;
    ck_assert_int_gt(at_ms, 0);
    settled_count++;
    dropped_count += dropped;
    last_outcome = outcome;
    look();
}

static inline void lag_known(void *self, const char *partition, int64_t messages)
{
    (void)self;
    ck_assert_str_eq(partition, "");
    lag_told = messages;
    loop_stop(loop);
}

static inline void connection_is(void *self, bool is)
{
    (void)self;
    is_connected = is;
}

static inline void stream_failed(void *self, const char *why)
{
    (void)self;
    text_copy(text_of(why), failure, sizeof failure);
    loop_stop(loop);
}

static const struct stream_events events = {.message = message_came,
                                            .settled = settled,
                                            .lag = lag_known,
                                            .connected = connection_is,
                                            .failed = stream_failed};

static inline void each_turn(void *self)
{
    (void)self;
    if (stream != NULL)
        stream->kind->flush(stream);
}

static inline void too_late(void *self)
{
    (void)self;
    ck_abort_msg("what the test waits for did not come: brought %zu of %zu, settled %zu of %zu, connected %d",
                 brought_count, wanted_brought, settled_count, wanted_settled, is_connected);
}

/* ---- the scene ---- */

static inline void connect_own(void)
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

static inline void set_up(void)
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

static inline void close_job(void)
{
    if (stream != NULL)
        stream->kind->close(stream);
    stream = NULL;
    stream_job_free(&job);
    job = (struct stream_job){0};
}

static inline void tear_down(void)
{
    close_job();
    loop_timer_cancel(loop, &limit);
    loop_free(loop);
    redisFree(redis);
    redis_stop();
    scratch_remove();
}

/* A job of one parameter more than from, to and dead_letter, as name=value; NULL: none. */
static inline void make_job(const char *options, const char *setting)
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
    if (setting != NULL)
        parameter_set(reader, setting);
    stream_job_settle(&job, reader);
    parameter_reader_free(reader);
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    context = (struct stream_context){.loop = loop, .job = &job, .events = &events};
}

static inline void open_job(const char *options, const char *setting)
{
    make_job(options, setting);
    stream = job.kind->open(&context, reason);
    ck_assert_msg(stream != NULL, "%s", reason);
}

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

static inline void add_entries(size_t count)
{
    for (size_t i = 0; i < count; i++)
        ask("XADD in * value %d", (int)i);
}

static inline void wait_for(size_t brought_wanted, size_t settled_wanted)
{
    wanted_brought = brought_wanted;
    wanted_settled = settled_wanted;
    while (brought_count < wanted_brought || settled_count < wanted_settled)
        loop_run(loop);
    ck_assert_uint_eq(brought_count, brought_wanted);
    ck_assert_uint_eq(settled_count, settled_wanted);
}

/* Turns the loop for so long: for what must not come. */
static inline void turn_for(int64_t time)
{
    static struct loop_timer timer;
    timer = (struct loop_timer){0};
    wanted_brought = wanted_settled = SIZE_MAX;
    loop_timer_set(loop, &timer, clock_now() + time, (loop_call *)loop_stop, loop);
    loop_run(loop);
}

static inline void answer(size_t index, enum stream_outcome outcome, const char *value)
{
    struct stream_message *message = brought[index];
    stream->kind->answer(stream, message,
                         &(struct stream_answer){.outcome = outcome,
                                                 .key = message->key,
                                                 .value = text_of(value),
                                                 .headers = message->headers,
                                                 .header_count = message->header_count});
}

static inline void answer_all(size_t from)
{
    for (size_t i = from; i < brought_count; i++)
        answer(i, STREAM_SCORED, "good");
}

static inline void is_text(struct text text, const char *expected)
{
    ck_assert_msg(text_is(text, expected), "%.*s", (int)text.length, text.at);
}

/* The fields of a stream's first entry, parted by blanks. */
static inline const char *first_entry(const char *name)
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

/* The whole of main. */
static inline int scene_run(const char *name, const TTest *const *tests)
{
    log_open("test", "error");
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    Suite *suite = suite_create(name);
    suite_add(suite, "redis", set_up, tear_down, tests);
    return suite_finish(suite);
}

#endif
