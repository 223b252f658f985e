/* stream_engine: messages in, answers out. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STREAM_ENGINE_H
#define OUTRIGGER_STREAM_ENGINE_H

#include "scorer.h"
#include "stream.h"
#include "stream_trace.h"

/* Figures of a job since it began. */
struct stream_figures {
    uint64_t scored, bad, skipped; /* messages that are done, by what became of them */
    uint64_t dropped;              /* answers that the stream did not take: another job gave one */
    uint64_t brought;
    size_t in_hand;
    int64_t lag; /* -1: not known */
    bool connected;
};

struct stream_engine_context {
    struct loop *loop;
    struct metrics *metrics;
    const struct stream_job *job;
    const char *name;  /* of the job, for series */
    const char *model; /* that is asked */
    struct asker *asker;
    const struct schema *schema;
    struct stream_traces *traces; /* NULL: there are none */
};

struct stream_engine;

/* Opens the stream and begins. NULL with `reason` when that, or the model, is wrong. All of the context
 * outlives it. */
struct stream_engine *stream_engine_new(const struct stream_engine_context *context,
                                        char reason[STREAM_REASON_MAX]);
/* Ends it, done or not; not within one of its own calls. The asker is freed before. */
void stream_engine_free(struct stream_engine *engine);
/* Takes no more, finishes what is in hand within job->drain_s, and stops the loop. Again: stops at once. */
void stream_engine_stop(struct stream_engine *engine);
/* What it has come to, once the loop was stopped by it. */
enum stream_exit stream_engine_verdict(const struct stream_engine *engine);
struct stream_figures stream_engine_figures(const struct stream_engine *engine);

#endif
