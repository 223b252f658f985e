/* dispatch: adaptive batching, as one pure function.
 *
 * The rule: while a worker is free a request goes at once; while all are busy requests gather by themselves,
 * and go together when one becomes free. So batches grow with the load and nobody waits for company that does
 * not come. max_delay (0 unless the operator wants it) holds a batch that is not full up to that long after
 * its oldest request came. With several free workers what waits is shared out evenly, so that they compute
 * side by side; but not where max_delay says that large batches are wanted. broker.c asks after each turn of
 * its loop, when all messages that came in the turn are in the queues. SPDX-License-Identifier: MIT */
#include "dispatch.h"

const char *release_label(enum release release)
{
    static const char *const labels[] = {
#define X(name, label) label,
        RELEASES(X)
#undef X
    };
    return labels[release];
}

static uint32_t smaller(uint64_t left, uint64_t right)
{
    return (uint32_t)(left < right ? left : right);
}

struct dispatch_decision dispatch_decide(struct queue *queue, const struct dispatch_rule *rule,
                                         size_t free_workers, uint32_t capacity_rows, int64_t now)
{
    const struct request *head = queue_head(queue);
    struct dispatch_decision decision = {.release = RELEASE_WAIT, .again_at = INT64_MAX};
    if (head == NULL || free_workers == 0)
        return decision;
    uint32_t most = smaller(rule->max_batch_rows, capacity_rows);
    uint64_t waiting = queue_rows_together(queue);
    if (head->alone)
        return (struct dispatch_decision){.release = RELEASE_ALONE, .rows = most};
    if (waiting >= most)
        decision.release = RELEASE_FULL;
    else if (rule->max_delay == 0)
        decision.release = RELEASE_IDLE;
    else if (now - queue_oldest(queue) >= rule->max_delay)
        decision.release = RELEASE_DELAY;
    else
        decision.again_at = queue_oldest(queue) + rule->max_delay;
    uint64_t share = (waiting + free_workers - 1) / free_workers;
    decision.rows = rule->max_delay == 0 ? smaller(most, share) : most;
    return decision;
}
