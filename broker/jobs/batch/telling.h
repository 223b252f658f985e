/* telling: what a job says of itself: a bar on a terminal, JSON lines elsewhere. All of it belongs to the
 * loop's thread but telling_line. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_TELLING_H
#define OUTRIGGER_BATCH_TELLING_H

#include "object.h"

#include <stdio.h>

struct telling;

/* How far a job is. */
struct telling_state {
    uint64_t scored, rejected;
    uint64_t whole;   /* rows that there are to do in this run; 0: not known */
    double part;      /* 0 to 1, where `whole` is not known; 0: neither */
    uint64_t retries; /* requests that were asked again */
    double seconds;
    double take_seconds, commit_seconds; /* in the database, or the files */
    double share;                        /* of the time that the database could have worked, 0 to 1 */
};

struct telling_end {
    const char *result; /* "done", "limit", "rejects", "interrupted", "failed", "dry" */
    const char *reason; /* ""; of a failure, and of the first reject */
    const char *model, *version;
    uint64_t lost;
};

/* `json`: JSON lines even on a terminal. They go to `out`; the bar and sentences to stderr. */
struct telling *telling_new(FILE *out, bool json);
void telling_free(struct telling *telling); /* NULL is fine */
/* A sentence about what happens: from any thread. */
void telling_line(struct telling *telling, const char *line);
/* Once a second. */
void telling_progress(struct telling *telling, const struct telling_state *state);
/* Once, at the end. */
void telling_last(struct telling *telling, const struct telling_state *state, const struct telling_end *end);

/* "37 s", "4 min 05 s", "2 h 10 min". Returns `text`. */
enum { TELLING_TIME_MAX = 32 };
char *telling_time(double seconds, char text[TELLING_TIME_MAX]);

#endif
