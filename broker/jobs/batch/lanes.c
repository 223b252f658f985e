/* lanes: see lanes.h.
 *
 * A table that is both source and sink is called by all lanes at once. Of two tables, the source is called by
 * one lane at a time, which gives its chunk the next number, and chunks are committed in the order of their
 * numbers: a lane waits until it is its turn. When a chunk is given up, no later one is committed.
 * SPDX-License-Identifier: MIT */
#include "lanes.h"

#include "clock.h"
#include "metrics.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LANES_MAGIC = 0x1a4e5001 };
#define LATER (100 * MILLISECOND) /* until rows that others hold are looked for again */

struct lane {
    struct lanes *lanes;
    unsigned number;
    struct chunk *chunk;
    pthread_t thread;
    bool started;
};

struct lanes {
    unsigned magic;
    struct lanes_context context;
    bool ordered; /* two tables, or dry */
    struct lane lane[TABLE_LANES_MAX];
    int bell;               /* the last lane has ended */
    pthread_mutex_t taking; /* ordered: the source */
    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t changed; /* on the monotonic clock */
    unsigned running;
    uint64_t taken, committed; /* chunks, ordered */
    bool broken;               /* a chunk was given up: what comes behind it is, too */
    bool ended;
    enum lanes_end end;
    char reason[TABLE_REASON_MAX];
    struct lanes_totals totals;
};

/* ---- the end ---- */

/* The first reason counts, but that there was no more to take says least: what others have in hand then may
 * still end it otherwise, and a failure says most. */
static void note_end(struct lanes *lanes, enum lanes_end end, const char *reason)
{
    pthread_mutex_lock(&lanes->lock);
    bool weaker = !lanes->ended || lanes->end == LANES_LIMITED;
    if (weaker || (end == LANES_FAILED && lanes->end != LANES_FAILED)) {
        lanes->ended = true;
        lanes->end = end;
        snprintf(lanes->reason, sizeof lanes->reason, "%s", reason);
    }
    pthread_mutex_unlock(&lanes->lock);
}

/* And nothing more is begun. */
static void finish(struct lanes *lanes, enum lanes_end end, const char *reason)
{
    note_end(lanes, end, reason);
    pthread_mutex_lock(&lanes->lock);
    atomic_store(lanes->context.stop, true);
    pthread_cond_broadcast(&lanes->changed);
    pthread_mutex_unlock(&lanes->lock);
}

void lanes_stop(struct lanes *lanes)
{
    CHECK_OBJECT(lanes, LANES_MAGIC);
    finish(lanes, LANES_INTERRUPTED, "");
}

static void give_up_chunk(struct lane *lane)
{
    struct lanes *lanes = lane->lanes;
    const struct lanes_context *context = &lanes->context;
    if (!lanes->ordered && context->source->abandon != NULL)
        context->source->abandon(context->source_self, lane->number, lane->chunk);
    pthread_mutex_lock(&lanes->lock);
    lanes->broken = true;
    pthread_cond_broadcast(&lanes->changed);
    pthread_mutex_unlock(&lanes->lock);
}

/* ---- waiting ---- */

/* False when the lanes are to stop. */
static bool sleep_until(struct lanes *lanes, int64_t at)
{
    struct timespec time = {.tv_sec = at / SECOND, .tv_nsec = at % SECOND};
    pthread_mutex_lock(&lanes->lock);
    while (!atomic_load(lanes->context.stop) && clock_now() < at)
        (void)pthread_cond_timedwait(&lanes->changed, &lanes->lock, &time);
    pthread_mutex_unlock(&lanes->lock);
    return !atomic_load(lanes->context.stop);
}

/* Until all chunks before this one are committed. False when one was given up. */
static bool wait_for_turn(struct lanes *lanes, uint64_t sequence)
{
    pthread_mutex_lock(&lanes->lock);
    while (!lanes->broken && lanes->committed != sequence)
        pthread_cond_wait(&lanes->changed, &lanes->lock);
    bool mine = !lanes->broken;
    pthread_mutex_unlock(&lanes->lock);
    return mine;
}

/* ---- counting ---- */

/* Not on the page, which is the loop's thread's. */
static void count_time(struct lanes *lanes, struct series *times, int64_t since)
{
    int64_t took = clock_now() - since;
    pthread_mutex_lock(&lanes->lock);
    series_observe_duration(times, took);
    pthread_mutex_unlock(&lanes->lock);
}

static const char *first_reason(const struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->count; i++)
        if (chunk->rows[i].reason != NULL)
            return chunk->rows[i].reason;
    return "";
}

static void count_chunk(struct lanes *lanes, const struct chunk *chunk)
{
    struct lanes_totals *totals = &lanes->totals;
    pthread_mutex_lock(&lanes->lock);
    lanes->committed++;
    if (chunk->lost)
        totals->lost += chunk->count;
    else {
        if (chunk->rejected > 0 && totals->rejected == 0)
            snprintf(totals->first_reject, sizeof totals->first_reject, "%s", first_reason(chunk));
        totals->rejected += chunk->rejected;
        totals->scored += chunk->count - chunk->rejected - chunk->others;
        totals->lost += chunk->others;
    }
    bool too_many =
        lanes->context.max_rejects >= 0 && totals->rejected > (uint64_t)lanes->context.max_rejects;
    pthread_cond_broadcast(&lanes->changed);
    pthread_mutex_unlock(&lanes->lock);
    if (too_many)
        finish(lanes, LANES_REJECTS, "");
}

/* ---- the life of a chunk ---- */

static enum table_taken call_take(struct lane *lane, size_t most, char *reason)
{
    struct lanes *lanes = lane->lanes;
    const struct lanes_context *context = &lanes->context;
    chunk_clear(lane->chunk);
    int64_t begin = clock_now();
    enum table_taken taken =
        context->source->take(context->source_self, lane->number, lane->chunk, most, reason);
    count_time(lanes, &lanes->totals.take, begin);
    if (taken == TABLE_ROWS && lanes->ordered)
        lane->chunk->sequence = lanes->taken++; /* `taking` is held */
    return taken;
}

static enum table_taken take(struct lane *lane, size_t most, char *reason)
{
    struct lanes *lanes = lane->lanes;
    enum table_taken taken = TABLE_STOPPED;
    if (!lanes->ordered)
        return call_take(lane, most, reason);
    pthread_mutex_lock(&lanes->taking);
    if (!atomic_load(lanes->context.stop))
        taken = call_take(lane, most, reason);
    pthread_mutex_unlock(&lanes->taking);
    return taken;
}

static bool commit(struct lane *lane, char *reason)
{
    struct lanes *lanes = lane->lanes;
    const struct lanes_context *context = &lanes->context;
    if (lanes->ordered && !wait_for_turn(lanes, lane->chunk->sequence))
        return false;
    if (context->dry)
        return true;
    const struct table *sink = context->sink != NULL ? context->sink : context->source;
    void *self = context->sink != NULL ? context->sink_self : context->source_self;
    int64_t begin = clock_now();
    bool good = sink->commit(self, lane->number, lane->chunk, reason);
    count_time(lanes, &lanes->totals.commit, begin);
    return good;
}

/* False when it ends the lanes. */
static bool carry(struct lane *lane)
{
    char reason[TABLE_REASON_MAX] = "";
    bool scored = desk_score(lane->lanes->context.desk, lane->chunk, reason);
    if (!scored && atomic_load(lane->lanes->context.stop))
        *reason = '\0'; /* it was given up */
    if (scored && commit(lane, reason)) {
        count_chunk(lane->lanes, lane->chunk);
        return true;
    }
    give_up_chunk(lane);
    if (*reason != '\0')
        finish(lane->lanes, LANES_FAILED, reason);
    return false;
}

/* What is to be done when `take` gave no rows: false ends the lane. */
static bool no_rows(struct lane *lane, enum table_taken taken, const char *reason)
{
    if (taken == TABLE_LATER)
        return sleep_until(lane->lanes, clock_now() + LATER);
    if (taken == TABLE_STOPPED && *reason != '\0')
        finish(lane->lanes, LANES_FAILED, reason);
    return false;
}

static bool turn(struct lane *lane)
{
    struct lanes *lanes = lane->lanes;
    char reason[TABLE_REASON_MAX] = "";
    int64_t at;
    size_t most = pace_grant(lanes->context.pace, lanes->context.batch_size, &at);
    if (most == 0) { /* others may still be at work */
        note_end(lanes, LANES_LIMITED, "");
        return false;
    }
    if (!sleep_until(lanes, at)) {
        pace_return(lanes->context.pace, most);
        return false;
    }
    enum table_taken taken = take(lane, most, reason);
    size_t rows = taken == TABLE_ROWS ? lane->chunk->count : 0;
    if (rows < most)
        pace_return(lanes->context.pace, most - rows);
    return taken == TABLE_ROWS ? carry(lane) : no_rows(lane, taken, reason);
}

static void *run(void *self)
{
    struct lane *lane = self;
    struct lanes *lanes = lane->lanes;
    const uint64_t one = 1;
    while (!atomic_load(lanes->context.stop) && turn(lane))
        ;
    pthread_mutex_lock(&lanes->lock);
    bool last = --lanes->running == 0;
    pthread_mutex_unlock(&lanes->lock);
    if (last)
        ENSURE(write(lanes->bell, &one, sizeof one) == sizeof one);
    return NULL;
}

/* ---- life ---- */

static void all_ended(void *self, int fd, uint32_t events)
{
    struct lanes *lanes = self;
    (void)events;
    loop_remove(lanes->context.loop, fd);
    for (unsigned i = 0; i < lanes->context.lanes; i++) {
        pthread_join(lanes->lane[i].thread, NULL);
        lanes->lane[i].started = false;
    }
    lanes->context.ended(lanes->context.self);
}

static void make_locks(struct lanes *lanes)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    ENSURE(pthread_mutex_init(&lanes->taking, NULL) == 0 && pthread_mutex_init(&lanes->lock, NULL) == 0 &&
           pthread_cond_init(&lanes->changed, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

static bool start(struct lanes *lanes, char *reason)
{
    lanes->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (lanes->bell == -1 || loop_add(lanes->context.loop, lanes->bell, EPOLLIN, all_ended, lanes) != 0) {
        snprintf(reason, TABLE_REASON_MAX, "%s", strerror(errno));
        return false;
    }
    lanes->running = lanes->context.lanes;
    for (unsigned i = 0; i < lanes->context.lanes; i++) {
        struct lane *lane = &lanes->lane[i];
        ENSURE(pthread_create(&lane->thread, NULL, run, lane) == 0);
        lane->started = true;
    }
    return true;
}

struct lanes *lanes_new(const struct lanes_context *context, char reason[TABLE_REASON_MAX])
{
    ENSURE(context->lanes > 0 && context->lanes <= TABLE_LANES_MAX);
    struct lanes *lanes = object_alloc(sizeof *lanes);
    lanes->magic = LANES_MAGIC;
    lanes->context = *context;
    lanes->ordered = context->dry || context->sink != NULL;
    lanes->bell = -1;
    make_locks(lanes);
    for (unsigned i = 0; i < context->lanes; i++) {
        struct lane *lane = &lanes->lane[i];
        *lane = (struct lane){.lanes = lanes, .number = i};
        lane->chunk = chunk_new(context->schema, context->width, context->batch_size);
        if (lane->chunk == NULL) {
            snprintf(reason, TABLE_REASON_MAX, "the model does not take rows of %zu values", context->width);
            lanes_free(lanes);
            return NULL;
        }
    }
    if (start(lanes, reason))
        return lanes;
    lanes_free(lanes);
    return NULL;
}

void lanes_free(struct lanes *lanes)
{
    if (lanes == NULL)
        return;
    CHECK_OBJECT(lanes, LANES_MAGIC);
    for (unsigned i = 0; i < lanes->context.lanes; i++) {
        ENSURE(!lanes->lane[i].started);
        chunk_free(lanes->lane[i].chunk);
    }
    if (lanes->bell != -1)
        close(lanes->bell);
    pthread_mutex_destroy(&lanes->taking);
    pthread_mutex_destroy(&lanes->lock);
    pthread_cond_destroy(&lanes->changed);
    lanes->magic = 0;
    free(lanes);
}

struct lanes_totals lanes_totals(struct lanes *lanes)
{
    CHECK_OBJECT(lanes, LANES_MAGIC);
    pthread_mutex_lock(&lanes->lock);
    struct lanes_totals totals = lanes->totals;
    pthread_mutex_unlock(&lanes->lock);
    return totals;
}

enum lanes_end lanes_end(struct lanes *lanes, const char **reason)
{
    CHECK_OBJECT(lanes, LANES_MAGIC);
    pthread_mutex_lock(&lanes->lock);
    enum lanes_end end = lanes->ended ? lanes->end : LANES_FINISHED;
    pthread_mutex_unlock(&lanes->lock);
    *reason = lanes->reason;
    return end;
}
