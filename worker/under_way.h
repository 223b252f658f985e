/* under_way: the batches that a pipeline's worker has in hand, many at a time. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_UNDER_WAY_H
#define OUTRIGGER_UNDER_WAY_H

#include "flow.h"

struct under_way;

/* Of one request: the tensors, or the words why there are none. */
struct under_way_answer {
    enum failure failure;
    uint8_t *bytes;
    size_t length;
};

/* A batch is done, and under way no longer; `answers` is good during the call. `began` is when that was,
 * `rows` those that have an answer. */
typedef void under_way_done(void *self, uint64_t batch, int64_t began, const struct under_way_answer *answers,
                            size_t count, size_t rows);

/* `schema` is the pipeline's, as askers know it; it and the flows outlive this. An answer that is longer than
 * `max_answer_bytes` is a failure. A request may take `most_time` ns, if its own time is longer. */
struct under_way *under_way_new(struct flows *flows, const struct schema *schema, size_t max_answer_bytes,
                                int64_t most_time, under_way_done *done, void *self);
/* Forgets all that is under way. NULL is fine. */
void under_way_free(struct under_way *under_way);

/* Begins with a BATCH `now`; its payloads are copied. After the deadline nobody waits for it. Both monotonic
 * ns. */
void under_way_begin(struct under_way *under_way, const struct envelope *batch, const struct text *payloads,
                     int64_t now, int64_t deadline);
/* Nobody waits for that one any more: it is done, as CANCELLED, at once. One that is not there is passed
 * over. */
void under_way_cancel(struct under_way *under_way, uint64_t batch);
/* Nobody will hear of those that there are. */
void under_way_forget(struct under_way *under_way);

size_t under_way_count(const struct under_way *under_way);

#endif
