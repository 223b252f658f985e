/* figures: what became of the requests of one model version, and how long they took, since the broker began.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FIGURES_H
#define OUTRIGGER_FIGURES_H

#include "latency.h"
#include "protocol.h"

#include <yyjson.h>

enum { FIGURES_OUTCOMES = FAILURE_KEY_REUSED + 1 };

/* Zeroed = nothing happened yet. */
struct figures {
    uint64_t outcomes[FIGURES_OUTCOMES]; /* requests that ended, by enum failure */
    uint64_t shared;         /* of those with FAILURE_NONE: answers that were computed for another */
    uint64_t late_computing; /* of those with FAILURE_DEADLINE: a worker of the version had them */
    uint64_t deaths;         /* workers that died with requests in hand */
    struct latency latency; /* from arrival to answer, of what was computed and answered with success, but for
                              jobs */
};

/* Something was computed and answered with success, so long after it had arrived. */
static inline void figures_answered(struct figures *figures, int64_t nanoseconds)
{
    figures->outcomes[FAILURE_NONE]++;
    latency_add(&figures->latency, nanoseconds);
}

/* The same for a job, which waits for all others: how long that took says nothing of the version. */
static inline void figures_answered_job(struct figures *figures)
{
    figures->outcomes[FAILURE_NONE]++;
}

/* Something was answered with success, from the cache or together with another that asked the same. */
static inline void figures_shared(struct figures *figures)
{
    figures->outcomes[FAILURE_NONE]++;
    figures->shared++;
}

/* Something ended without an answer. `computing`: a worker had it at that moment. A failure that we do not
 * know, of a worker that speaks a later version of the wire, is counted as internal. */
static inline void figures_failed(struct figures *figures, enum failure failure, bool computing)
{
    figures->outcomes[(unsigned)failure < FIGURES_OUTCOMES ? failure : FAILURE_INTERNAL]++;
    figures->late_computing += computing && failure == FAILURE_DEADLINE;
}

/* Adds `requests`, `outcomes` {name: count}, `shared`, `late_computing`, `deaths` and `latency_ns` [[bound,
 * count], ...] to the object; outcomes and parts that never happened are left out. */
void figures_to_json(const struct figures *figures, yyjson_mut_doc *document, yyjson_mut_val *object);

#endif
