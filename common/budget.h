/* budget: so many a second of what a flood must not make more of: lines and spans of requests that fail. The
 * first ones of a second say what all do. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BUDGET_H
#define OUTRIGGER_BUDGET_H

#include "clock.h"

#include <stdbool.h>

/* Zeroed = full. */
struct budget {
    int64_t since; /* monotonic nanoseconds: when its second began; 0: never */
    unsigned left;
};

/* True when one more may be, at most `a_second` of them. A second begins with who asks after the last. */
static inline bool budget_take(struct budget *budget, unsigned a_second, int64_t now)
{
    if (budget->since == 0 || now - budget->since >= SECOND) {
        budget->since = now;
        budget->left = a_second;
    }
    if (budget->left == 0)
        return false;
    budget->left--;
    return true;
}

#endif
