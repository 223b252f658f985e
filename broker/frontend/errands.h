/* errands: questions to the control sockets of our other processes, asked from the loop, which never waits
 * for the answers. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ERRANDS_H
#define OUTRIGGER_ERRANDS_H

#include "config.h"
#include "loop.h"

#include <yyjson.h>

enum { ERRAND_LINE_MAX = 512 };

enum errand_kind {
    ERRAND_STATISTICS, /* the broker's; those who ask at the same time share an answer */
    ERRAND_ORDER       /* a line to the supervisor */
};

struct errand {
    enum errand_kind kind;
    int64_t not_before;         /* monotonic nanoseconds: sent then at the earliest */
    int64_t deadline;           /* monotonic nanoseconds: answered with NULL then */
    char line[ERRAND_LINE_MAX]; /* ERRAND_ORDER: an object of JSON, without a newline */
};

/* The answer's object; NULL: there is none in time. Good during the call only. */
typedef void errand_done(void *self, yyjson_val *answer);

struct errands;
/* runtime_directory: where the sockets are. */
struct errands *errands_new(struct loop *loop, const char *runtime_directory);
/* Ends those that are under way with NULL. */
void errands_free(struct errands *errands);
/* Calls `done` exactly once, perhaps before this returns. */
void errands_send(struct errands *errands, const struct errand *errand, errand_done *done, void *self);

#endif
