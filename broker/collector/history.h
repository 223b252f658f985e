/* history: what happened, second by second for an hour and minute by minute for a day, in a file. Knows no
 * clock and no registry. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HISTORY_H
#define OUTRIGGER_HISTORY_H

#include "metrics.h"

enum {
    HISTORY_SLOTS = 128,    /* versions of models, models as a whole, and the whole host */
    HISTORY_SECONDS = 3600, /* kept at one second each */
    HISTORY_MINUTES = 1440, /* kept at one minute each */
    HISTORY_BUCKETS = METRICS_BUCKETS + 1
};

/* What is kept of each. The counters are kept as differences; of a gauge a minute keeps the largest value. */
enum history_number {
    HISTORY_OK,          /* requests answered with success */
    HISTORY_CLIENT,      /* 4xx but 429 */
    HISTORY_LIMITED,     /* 429 */
    HISTORY_UNAVAILABLE, /* 503 */
    HISTORY_LATE,        /* 504 */
    HISTORY_FAILED,      /* 5xx of any other kind */
    HISTORY_ROWS,        /* rows answered with success */
    HISTORY_BATCHES,
    HISTORY_BATCH_ROWS, /* rows of those */
    HISTORY_RESTARTS,   /* of processes */
    HISTORY_BUCKET,     /* HISTORY_BUCKETS of them: durations of what was answered with success */
    HISTORY_COUNTERS = HISTORY_BUCKET + HISTORY_BUCKETS,
    HISTORY_QUEUE_ROWS = HISTORY_COUNTERS, /* gauges from here on */
    HISTORY_CONNECTIONS,
    HISTORY_WORKERS, /* that are there */
    HISTORY_NUMBERS
};

struct history;

/* Takes over `fd`, an open file of any content: what is damaged in it, or was written by another version, is
 * passed over; what is not readable at all is begun anew. `run` names the life of the counters: as long as it
 * is the same they go on where they were, also when this process is another one. Never NULL. */
struct history *history_new(int fd, uint64_t run);
void history_free(struct history *history); /* NULL is fine */

/* One sample, at most one for each second: begin, set what is known, end. `now_ms` is in milliseconds since
 * 1970, and says where the sample belongs; `steady_ms` is of a clock that nobody sets, and says what time has
 * passed since the one before. `version` "" is the model as a whole, `model` "" the host. What is set several
 * times is added up. Counters are totals since they began; one that falls (a process was lost) counts again
 * from where it stands when it has stayed below for some seconds, and until then from where it was. False:
 * the newest sample is of that second; then nothing may be set. A clock that was set back is followed. */
bool history_begin(struct history *history, int64_t now_ms, int64_t steady_ms);
void history_set(struct history *history, const char *model, const char *version, enum history_number number,
                 uint64_t value);
/* False with errno when the file did not take it; what is kept is then as it was, or torn. */
bool history_end(struct history *history);

/* A step of time, one or more seconds long. */
struct history_point {
    double seconds; /* over which the differences were taken; 0: nothing is known of the step */
    uint64_t numbers[HISTORY_NUMBERS];
};
/* Whose: the host; all models; a model with its versions; one version. */
struct history_scope {
    const char *model;   /* "": the host; NULL: all models */
    const char *version; /* NULL: all */
};
/* Fills `count` steps of `step` seconds, the first beginning at `from` (seconds since 1970). A step of whole
 * minutes is read from minutes, any other from seconds. */
void history_read(struct history *history, struct history_scope scope, int64_t from, int64_t step,
                  size_t count, struct history_point *points);
/* The same as one step: the last `seconds` up to the newest sample (from minutes, above ten of them). */
struct history_point history_last(struct history *history, struct history_scope scope, int64_t seconds);
/* The second of the newest sample; 0: there is none. */
int64_t history_newest(const struct history *history);

/* Whether something had no place in the newest sample. */
bool history_is_full(const struct history *history);

#endif
