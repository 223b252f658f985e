/* executions: how long the requests of one model version took, part by part, and its batches by their size,
 * since the broker began: what clients of the Open Inference Protocol know as statistics.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXECUTIONS_H
#define OUTRIGGER_EXECUTIONS_H

#include "object.h"

#include <yyjson.h>

enum { EXECUTIONS_SIZES_MAX = 128 }; /* sizes of batches that are told apart; a power of two */

struct executions_part {
    uint64_t count, ns;
};

/* Batches with that many rows. */
struct executions_size {
    uint32_t rows; /* 0: free */
    uint64_t count, handed_ns, computed_ns;
};

/* Zeroed = nothing happened yet. */
struct executions {
    int64_t last_ms;             /* since 1970: the last batch that came back; 0: none */
    uint64_t rows;               /* computed with success */
    uint64_t batches;            /* that came back */
    struct executions_part none; /* requests answered with success; from arrival to answer */
    struct executions_part failed;
    struct executions_part shared;   /* of `none`: answers from the cache, or computed for another */
    struct executions_part computed; /* of `none`: the others; time in the engine */
    uint64_t queued_ns, handed_ns;   /* of these: before a worker got them; on their way there and back */
    struct executions_size *sizes;   /* EXECUTIONS_SIZES_MAX of them; NULL: none yet */
};

/* A request was computed and answered: nanoseconds that it waited, that its batch was away, and in the
 * engine. It was away for no less than that, whatever the broker's clock says, which is read less often. */
void executions_answered(struct executions *executions, uint32_t rows, int64_t queued, int64_t away,
                         int64_t computed);
/* A request was answered, so long after it came, with what was computed for another. */
void executions_shared(struct executions *executions, int64_t took);
void executions_failed(struct executions *executions, int64_t took);
/* A batch came back, at that time (wall clock). */
void executions_batch(struct executions *executions, uint32_t rows, int64_t away, int64_t computed,
                      int64_t now);
/* Adds `last_ms`, `rows`, `batches`, the parts as [count, ns], and `sizes` [[rows, count, handed_ns,
 * computed_ns], ...] to the object. */
void executions_to_json(const struct executions *executions, yyjson_mut_doc *document,
                        yyjson_mut_val *object);
void executions_free(struct executions *executions);

#endif
