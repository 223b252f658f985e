/* limit_redis: one connection to a Redis, on the broker's loop, and the script that counts there.
 *
 * limiting.c asks here for requests that have limits, and decides itself whenever it gets no answer. The
 * arithmetic is limit.c's, in whole microseconds of Redis' own clock and parts of one, so that any number of
 * brokers count as one does; a key of Redis lives as long as its state differs from a rest. Nothing here
 * waits: hiredis writes and reads when the loop says so, and only addresses are connected to (a name would
 * have to be looked up).
 *
 *            connected, greeted                a question got no answer in time
 *   AWAY ------------------------> READY --------------------------------------> LATE
 *    ^                               |  <---- all that was open is answered ------ |
 *    +--- the connection ends -------+                                             |
 *    +--- the connection ends, or nothing is heard for PATIENCE -------------------+
 *
 * In AWAY and LATE nobody is kept waiting. AWAY tries again after a pause that doubles.
 * SPDX-License-Identifier: MIT */
#include "limit_redis.h"

#include "clock.h"
#include "config.h"
#include "limit_script.h"
#include "log.h"
#include "redis_address.h"
#include "redis_wire.h"
#include "secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    REDIS_MAGIC = 0x4ed15001,
    QUESTIONS_MAX = 65536, /* open ones: what two seconds of 30,000 a second leave in a Redis that hangs */
    SHA_BYTES = LIMIT_SCRIPT_SHA_BYTES
};

#define PATIENCE      SECOND /* for a connection, and for one that is late */
#define FIRST_PAUSE   (100 * MILLISECOND)
#define LONGEST_PAUSE (5 * SECOND)

enum state { STATE_AWAY, STATE_READY, STATE_LATE, STATES };
static const char *const state_names[STATES] = {"away", "ready", "late"};

/* Kept until Redis has answered, or the connection is gone: hiredis has a pointer to it. */
struct limit_question {
    struct heap_node until; /* first member: the heap hands it back. In it while somebody waits */
    struct limit_redis *redis;
    int64_t asked_at;
    struct limit_list list;
    limit_answered *answered; /* NULL: nobody waits any more */
    void *self;
    struct limit_question *next; /* in the list of free ones */
};

struct limit_redis {
    unsigned magic;
    struct loop *loop;
    struct redis_address address;
    struct secret *password; /* NULL: none */
    char prefix[REDIS_PREFIX_MAX + 1];
    enum state state;
    struct redis_wire wire;     /* the connection */
    char sha[SHA_BYTES + 1];    /* of the script, as Redis says */
    struct heap waiting;        /* questions, by their time */
    struct loop_timer alarm;    /* at the first of them */
    struct loop_timer patience; /* for what the state waits for */
    int64_t pause, timeout;
    size_t open; /* questions that hiredis has */
    struct limit_question *free;
    struct series *gauges[STATES], *changes[STATES];
    long long logged_late;
    bool ending;
};

/* ---- states ---- */

static void connect_again(void *self);
static void lose(struct limit_redis *redis, const char *why);

static void out_of_patience(void *self)
{
    lose(self, "does not answer");
}

static void enter(struct limit_redis *redis, enum state state)
{
    if (redis->state != state)
        series_add(redis->changes[state], 1);
    redis->state = state;
    for (size_t i = 0; i < STATES; i++)
        series_set(redis->gauges[i], i == state);
}

static void become_ready(struct limit_redis *redis)
{
    loop_timer_cancel(redis->loop, &redis->patience);
    redis->pause = FIRST_PAUSE;
    if (redis->state == STATE_AWAY)
        log_info("limit.redis: it answers; limits are counted there");
    enter(redis, STATE_READY);
}

static void become_late(struct limit_redis *redis)
{
    enter(redis, STATE_LATE);
    if (log_allowed(&redis->logged_late, 10))
        log_warning("limit.redis: did not answer in time; until it does the limits of this host decide");
    loop_timer_set(redis->loop, &redis->patience, loop_now(redis->loop) + PATIENCE, out_of_patience, redis);
}

void limit_redis_flush(struct limit_redis *redis)
{
    CHECK_OBJECT(redis, REDIS_MAGIC);
    redis_wire_flush(&redis->wire);
}

const char *limit_redis_state(const struct limit_redis *redis)
{
    CHECK_OBJECT(redis, REDIS_MAGIC);
    return state_names[redis->state];
}

/* ---- losing and finding it ---- */

static void try_later(struct limit_redis *redis, const char *why)
{
    if (redis->state != STATE_AWAY)
        log_warning("limit.redis: %s; until it is back the limits of this host decide", why);
    enter(redis, STATE_AWAY);
    loop_timer_set(redis->loop, &redis->patience, loop_now(redis->loop) + redis->pause, connect_again, redis);
    redis->pause = redis->pause * 2 < LONGEST_PAUSE ? redis->pause * 2 : LONGEST_PAUSE;
}

static void lose(struct limit_redis *redis, const char *why)
{
    redisAsyncContext *context = redis->wire.context;
    try_later(redis, why); /* before the questions are answered: nobody asks again now */
    if (context != NULL)
        redisAsyncFree(context); /* answers all that is open with nothing */
}

/* We freed it (and know why), or it ended. */
static void disconnected(const redisAsyncContext *context, int status)
{
    struct limit_redis *redis = context->data;
    if (status != REDIS_OK && !redis->ending)
        try_later(redis, context->errstr);
}

static void connected(const redisAsyncContext *context, int status)
{
    struct limit_redis *redis = context->data;
    if (status == REDIS_OK || redis->wire.context != context)
        return;
    redis->wire.context = NULL; /* hiredis frees it, too */
    try_later(redis, context->errstr);
}

/* True when what the greeting asked for was answered well. */
static bool is_good(struct limit_redis *redis, const redisReply *reply, const char *what)
{
    if (reply == NULL || redis->wire.context == NULL)
        return false; /* the connection is gone; that was told */
    if (reply->type != REDIS_REPLY_ERROR)
        return true;
    static long long last;
    if (log_allowed(&last, 10))
        log_error("limit.redis: %s: %.200s", what, reply->str);
    lose(redis, what);
    return false;
}

static void greeted(redisAsyncContext *context, void *reply, void *what)
{
    is_good(context->data, reply, what);
}

static void loaded(redisAsyncContext *context, void *data, void *what)
{
    struct limit_redis *redis = context->data;
    const redisReply *reply = data;
    if (!is_good(redis, reply, what))
        return;
    if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_BYTES) {
        lose(redis, "does not speak as Redis does");
        return;
    }
    text_copy((struct text){reply->str, SHA_BYTES}, redis->sha, sizeof redis->sha);
    become_ready(redis);
}

/* All at once; the answers come in order. */
static void greet(struct limit_redis *redis)
{
    redisAsyncContext *context = redis->wire.context;
    const struct redis_address *address = &redis->address;
    if (redis->password != NULL) {
        struct text password = secret_text(redis->password);
        const char *words[] = {"AUTH", address->user, password.at};
        size_t lengths[] = {4, strlen(address->user), password.length};
        bool named = address->user[0] != '\0';
        if (!named) {
            words[1] = words[2];
            lengths[1] = lengths[2];
        }
        redisAsyncCommandArgv(context, greeted, (void *)"the password is refused", named ? 3 : 2, words,
                              lengths);
    }
    if (address->database != 0)
        redisAsyncCommand(context, greeted, (void *)"the database is refused", "SELECT %d",
                          address->database);
    redisAsyncCommand(context, loaded, (void *)"the script is refused", "SCRIPT LOAD %s", LIMIT_SCRIPT);
}

static void connect_again(void *self)
{
    struct limit_redis *redis = self;
    const struct redis_address *address = &redis->address;
    redisAsyncContext *context = address->path[0] != '\0' ? redisAsyncConnectUnix(address->path)
                                                          : redisAsyncConnect(address->host, address->port);
    ENSURE(context != NULL);
    if (context->err != 0) {
        try_later(redis, context->errstr);
        redisAsyncFree(context);
        return;
    }
    context->data = redis;
    redis_wire_take(&redis->wire, context);
    redisAsyncSetDisconnectCallback(context, disconnected);
    redisAsyncSetConnectCallback(context, connected);
    greet(redis);
    if (redis->wire.context == context)
        loop_timer_set(redis->loop, &redis->patience, loop_now(redis->loop) + PATIENCE, out_of_patience,
                       redis);
    redis_wire_flush(&redis->wire);
}

/* ---- questions ---- */

static void set_alarm(struct limit_redis *redis);

/* Tells whoever waits; `said` is NULL when Redis did not say. */
static void answer(struct limit_question *question, enum limit_by by, const struct limit_answer *said)
{
    limit_answered *answered = question->answered;
    if (answered == NULL)
        return;
    question->answered = NULL;
    heap_remove(&question->redis->waiting, &question->until);
    struct limit_answer what = {.verdict = LIMIT_UNKNOWN};
    if (said != NULL)
        what = *said;
    what.list = &question->list;
    what.by = by;
    answered(question->self, &what);
}

/* Redis is late for one that has waited as long as any may, not for one whose own time was shorter. */
static void alarm_rang(void *self)
{
    struct limit_redis *redis = self;
    struct heap_node *first;
    int64_t now = loop_now(redis->loop);
    bool late = false;
    while ((first = heap_first(&redis->waiting)) != NULL && first->at <= now) {
        struct limit_question *question = (struct limit_question *)first;
        late |= now - question->asked_at >= redis->timeout;
        answer(question, LIMIT_BY_LATE, NULL);
    }
    if (late && redis->state == STATE_READY)
        become_late(redis);
    set_alarm(redis);
}

static void set_alarm(struct limit_redis *redis)
{
    struct heap_node *first = heap_first(&redis->waiting);
    if (first == NULL)
        loop_timer_cancel(redis->loop, &redis->alarm);
    else if (!heap_contains(&redis->alarm.node) || first->at < redis->alarm.node.at)
        loop_timer_set(redis->loop, &redis->alarm, first->at, alarm_rang, redis);
}

static bool send_question(struct limit_redis *redis, struct limit_question *question, bool whole);

static void replied(redisAsyncContext *context, void *data, void *privdata)
{
    (void)context;
    struct limit_question *question = privdata;
    struct limit_redis *redis = question->redis;
    const redisReply *reply = data;
    redis->open--;
    bool failed = reply != NULL && reply->type == REDIS_REPLY_ERROR;
    if (failed && strncmp(reply->str, "NOSCRIPT", 8) == 0 && question->answered != NULL &&
        send_question(redis, question, true))
        return; /* somebody flushed its scripts: with this question it is there again */
    static long long last;
    if (failed && log_allowed(&last, 10))
        log_error("limit.redis: %.200s", reply->str);
    if (redis->state == STATE_LATE && redis->open == 0 && reply != NULL)
        become_ready(redis);
    struct limit_answer what;
    if (limit_script_read(reply, &question->list, loop_now(redis->loop), &what))
        answer(question, LIMIT_BY_REDIS, &what);
    else
        answer(question, reply == NULL ? LIMIT_BY_AWAY : LIMIT_BY_ERROR, NULL);
    LL_PREPEND(redis->free, question);
}

/* `whole`: with the script itself in place of its name. False when the connection takes nothing any more. */
static bool send_question(struct limit_redis *redis, struct limit_question *question, bool whole)
{
    struct limit_words words;
    limit_script_words(&words, &question->list, redis->prefix, whole ? NULL : redis->sha);
    bool taken = redisAsyncCommandArgv(redis->wire.context, replied, question, (int)words.count, words.at,
                                       words.lengths) == REDIS_OK;
    redis->open += taken;
    return taken;
}

bool limit_redis_ready(const struct limit_redis *redis, enum limit_by *by)
{
    CHECK_OBJECT(redis, REDIS_MAGIC);
    *by = redis->state == STATE_AWAY   ? LIMIT_BY_AWAY
          : redis->state == STATE_LATE ? LIMIT_BY_LATE
                                       : LIMIT_BY_FULL;
    return redis->state == STATE_READY && redis->open < QUESTIONS_MAX;
}

struct limit_question *limit_redis_ask(struct limit_redis *redis, const struct limit_list *list,
                                       int64_t deadline, limit_answered *answered, void *self)
{
    CHECK_OBJECT(redis, REDIS_MAGIC);
    ENSURE(redis->state == STATE_READY && list->count > 0);
    struct limit_question *question = redis->free;
    if (question != NULL)
        LL_DELETE(redis->free, question);
    else
        question = object_alloc(sizeof *question);
    *question = (struct limit_question){
        .redis = redis, .asked_at = loop_now(redis->loop), .answered = answered, .self = self};
    question->list.count = list->count;
    memcpy(question->list.limits, list->limits, list->count * sizeof *list->limits);
    if (!send_question(redis, question, false)) {
        LL_PREPEND(redis->free, question);
        return NULL;
    }
    int64_t until = question->asked_at + redis->timeout;
    heap_set(&redis->waiting, &question->until, deadline < until ? deadline : until);
    set_alarm(redis);
    return question;
}

void limit_redis_forget(struct limit_redis *redis, struct limit_question *question)
{
    CHECK_OBJECT(redis, REDIS_MAGIC);
    question->answered = NULL;
    heap_remove(&redis->waiting, &question->until);
}

/* ---- life ---- */

struct limit_redis *limit_redis_new(struct loop *loop, const struct config *config, struct metrics *metrics)
{
    struct secret *password = NULL;
    char reason[512];
    if (*config->limit_redis_password != '\0') {
        password = secret_read(config->limit_redis_password, reason, sizeof reason);
        if (password == NULL) {
            log_error("limit.redis_password: %s", reason);
            return NULL;
        }
    }
    struct limit_redis *redis = object_alloc(sizeof *redis);
    redis->magic = REDIS_MAGIC;
    redis->loop = loop;
    redis->password = password;
    redis->wire.loop = loop;
    redis->pause = FIRST_PAUSE;
    redis->timeout = config->limit_redis_timeout_ms * MILLISECOND;
    ENSURE(redis_address_read(config->limit_redis, &redis->address) == NULL); /* config has checked it */
    text_copy(text_of(config->limit_redis_prefix), redis->prefix, sizeof redis->prefix);
    for (size_t i = 0; i < STATES; i++) {
        redis->gauges[i] = metrics_series(metrics, METRIC_LIMIT_REDIS_STATE, state_names[i], NULL, NULL);
        redis->changes[i] = metrics_series(metrics, METRIC_LIMIT_REDIS_CHANGES, state_names[i], NULL, NULL);
    }
    enter(redis, STATE_AWAY);
    connect_again(redis);
    return redis;
}

void limit_redis_free(struct limit_redis *redis)
{
    if (redis == NULL)
        return;
    CHECK_OBJECT(redis, REDIS_MAGIC);
    redis->ending = true;
    struct heap_node *first;
    while ((first = heap_first(&redis->waiting)) != NULL)
        limit_redis_forget(redis, (struct limit_question *)first);
    if (redis->wire.context != NULL)
        redisAsyncFree(redis->wire.context);
    loop_timer_cancel(redis->loop, &redis->alarm);
    loop_timer_cancel(redis->loop, &redis->patience);
    struct limit_question *question, *next;
    LL_FOREACH_SAFE(redis->free, question, next)
    {
        free(question);
    }
    heap_free(&redis->waiting);
    secret_free(redis->password);
    redis->magic = 0;
    free(redis);
}
