/* turnover: one process after the other is replaced by a new one, without a failed request.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TURNOVER_H
#define OUTRIGGER_TURNOVER_H

#include "broker_view.h"
#include "members.h"
#include "progress.h"

/* Why a process is replaced, as metrics and `outrigger status` say it. */
#define TURNOVER_CAUSES(X)                                                                                   \
    X(RESTART, "restart")           /* the operator asked for it */                                          \
    X(MAX_REQUESTS, "max_requests") /* it has answered as many as it may */                                  \
    X(MAX_RSS, "max_rss")           /* it has grown as large as it may */                                    \
    X(OUTDATED, "outdated")         /* it was adopted, and is not what would be started now */

enum turnover_cause {
#define X(name, text) TURNOVER_##name,
    TURNOVER_CAUSES(X)
#undef X
        TURNOVER_CAUSE_COUNT
};
const char *turnover_cause_name(enum turnover_cause cause);

struct turnover;
/* `progress` is where what the operator asked for is told. */
struct turnover *turnover_new(struct members *members, struct broker_view *view, struct progress *progress);
void turnover_free(struct turnover *turnover);

/* Queues the member, unless it is queued already or on its way out. */
void turnover_add(struct turnover *turnover, struct member *member, enum turnover_cause cause);
/* Queues all that the operator asks for. `what` is "workers" (of `model`, or NULL: of all), "frontends",
 * "broker", "collector" or "all". Returns the number under which its progress is told; 0 and a reason when it
 * is refused: something is under way, or not all of them run. */
uint64_t turnover_restart(struct turnover *turnover, const struct plan *plan, const char *what,
                          const char *model, char *reason, size_t capacity);

/* Goes on as far as can be gone now. True when only the broker can tell that it may go on: ask again soon. To
 * be called whenever a member changed, and before retired members are removed. */
bool turnover_advance(struct turnover *turnover, const struct plan *plan);
/* Nothing is replaced any more. */
void turnover_cancel(struct turnover *turnover, const char *why);

/* How many processes wait to be replaced, or are being replaced. */
size_t turnover_pending(const struct turnover *turnover);
/* How many processes of a role were replaced for a cause. */
uint64_t turnover_count(const struct turnover *turnover, enum role role, enum turnover_cause cause);

#endif
