/* top: what `outrigger top` shows: two looks at a running Outrigger, and the rates between them. Pure: the
 * asking is done in top_command.c, the drawing in top_frame.c and top_screen.c. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_TOP_H
#define OUTRIGGER_TOP_H

#include "object.h"

#include <yyjson.h>

/* One look: what was answered; NULL of what was not. */
struct top_look {
    yyjson_val *supervisor; /* to "status" */
    yyjson_val *models;     /* to "models", of the supervisor */
    yyjson_val *broker;     /* to "status" */
    yyjson_val *figures;    /* to "figures", of the broker */
    int64_t at;             /* nanoseconds, clock_now */
};

enum { TOP_NAME_BYTES = 129, TOP_STATE_BYTES = 24, TOP_REASON_BYTES = 512 };

/* One version of a model. Numbers that nobody knows are TOP_UNKNOWN. */
#define TOP_UNKNOWN (-1)
struct top_row {
    char model[TOP_NAME_BYTES];
    char version[TOP_NAME_BYTES];
    char state[TOP_STATE_BYTES];
    char reason[TOP_REASON_BYTES]; /* of its failure; "" */
    bool stable;
    bool shadow;
    double share;     /* of the model's requests, 0 to 1 */
    double rate;      /* requests that ended, per second */
    double errors;    /* of those, the share that were no answers, 0 to 1; unknown when none ended */
    int64_t p50, p99; /* nanoseconds, of those that were computed between the looks; unknown when none were */
    int64_t queue;    /* requests that wait */
    int64_t in_flight;
    int64_t ready;     /* workers */
    int64_t wanted;    /* that the supervisor is to run */
    int64_t unmanaged; /* of the ready ones, those that it does not run */
    int64_t restarts;
    double cpu;       /* cores in use */
    int64_t resident; /* bytes */
};

/* All processes of one kind but workers. */
struct top_kind {
    const char *name;
    int64_t running, wanted, restarts, resident;
    double cpu;
};

enum top_sort {
    TOP_BY_NAME,
    TOP_BY_RATE,
    TOP_BY_ERRORS,
    TOP_BY_P99,
    TOP_BY_QUEUE,
    TOP_BY_CPU,
    TOP_SORT_COUNT
};

struct top {
    bool supervisor_answers, broker_answers;
    int64_t uptime_ms;       /* of the process that runs for longest */
    double rate, error_rate; /* per second */
    double limited_rate;     /* likewise, of requests that a rate limit refused; in no row */
    int64_t queue, queue_rows, in_flight;
    struct top_kind kinds[3]; /* broker, frontend, collector */
    struct top_row *rows;
    size_t count;
};

/* Makes it of two looks; `before` may be NULL: then there are no rates yet. Nor are there when the broker was
 * started again between them. The caller frees with top_free. */
struct top *top_new(const struct top_look *before, const struct top_look *now);
void top_free(struct top *top);

/* Sorts the rows; by name the stable version of a model comes first, else the largest number does. */
void top_sort(struct top *top, enum top_sort sort);
const char *top_sort_name(enum top_sort sort);

/* The same as members of `object`: see outrigger(1). */
void top_to_json(const struct top *top, yyjson_mut_doc *document, yyjson_mut_val *object);

#endif
