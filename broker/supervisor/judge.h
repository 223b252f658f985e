/* judge: may a new version of a model go on taking requests? Pure: figures in, an answer out; what it goes by
 * is at the top of judge.c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_JUDGE_H
#define OUTRIGGER_JUDGE_H

#include "latency.h"

/* What became of the requests of one version since the step began. */
struct judged {
    uint64_t answered;      /* with success, and computed for the request itself */
    uint64_t errors;        /* by the fault of the version */
    uint64_t unserved;      /* refused, or too late, before the version computed anything */
    struct latency latency; /* of what was answered */
};

/* How many of `count` were as they should be; count 0: nothing is known. */
struct judged_share {
    uint64_t count;
    uint64_t good;
};

/* Takes what one look brought, when more of it was bad than in any look before. */
static inline void judged_worst(struct judged_share *worst, uint64_t count, uint64_t bad)
{
    if (bad > worst->count - worst->good)
        *worst = (struct judged_share){count, count - bad};
}

/* What the operator allows. */
struct judge_bounds {
    double max_error_rate; /* a share: 0.001 is one in a thousand */
    int64_t max_p99;       /* nanoseconds; 0: none */
    double min_agreement;  /* a share of the answers compared with the stable version's; 0: none */
    double min_accuracy;   /* a share of the answers whose truth is known; 0: none */
    uint64_t min_requests; /* that the candidate must have had before it may go on */
};

struct judge_case {
    struct judge_bounds bounds;
    const struct judged *candidate;
    const struct judged *stable;      /* in the same time */
    double share;                     /* of the requests that the candidate gets, 0 to 1 */
    struct judged_share worst_errors; /* of the looks of this step, the one that brought most errors */
    struct judged_share worst_times;  /* likewise of answers that took longer than max_p99 */
    struct judged_share worst_unserved;
    struct judged_share agreement;
    struct judged_share accuracy;
    bool time_is_over; /* the step has lasted as long as it should */
};

#define JUDGE_ANSWERS(X)                                                                                     \
    X(CONTINUE, "continue")   /* nothing is wrong, and the step is not over */                               \
    X(ADVANCE, "advance")     /* to the next step */                                                         \
    X(HOLD, "hold")           /* the step's time is over, and too little is known to go on */                \
    X(ROLL_BACK, "roll back") /* the candidate is surely worse than is allowed */

enum judge_answer {
#define X(name, text) JUDGE_##name,
    JUDGE_ANSWERS(X)
#undef X
        JUDGE_ANSWER_COUNT
};
const char *judge_answer_name(enum judge_answer answer);

enum { JUDGE_REASON_BYTES = 320 };

struct judgement {
    enum judge_answer answer;
    char reason[JUDGE_REASON_BYTES]; /* one sentence with the figures that decided */
};

/* May be asked as often as one likes: what is called sure is so at all moments together. */
struct judgement judge(const struct judge_case *facts);

/* Requests that say something of the version: answered or failed. */
uint64_t judged_requests(const struct judged *judged);
/* Errors among them, 0 to 1; 0 when there were none. */
double judged_error_rate(const struct judged *judged);
/* How many answers certainly took longer; what lies in the bucket of the bound does not. */
uint64_t judged_longer(const struct judged *judged, int64_t bound);
/* How often a request takes the candidate longer than the stable version (as often as not: 0.5), were the
 * stable version `slack` times slower than it is. 0.5 when one of them has no requests. */
double judged_slower(const struct judged *candidate, const struct judged *stable, double slack);

#endif
