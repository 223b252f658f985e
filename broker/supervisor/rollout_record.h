/* rollout_record: one roll-out as data: what was asked for, how far it is, what was decided. It is what
 * stands in STATE/rollouts.json. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROLLOUT_RECORD_H
#define OUTRIGGER_ROLLOUT_RECORD_H

#include "judge.h"
#include "route.h"

enum {
    ROLLOUT_STEPS_MAX = 32,
    ROLLOUT_DECISIONS_MAX = 32, /* the last ones are kept, the others are in the audit log */
    ROLLOUT_REASON_BYTES = 640
};

/*   LOADING -> RUNNING <-> HOLDING -> PROMOTING -> DONE
 *      |          |  (each but the first may go)     |
 *      |          +--> GOING_BACK <------------------+
 *      v                   +--> ROLLED_BACK, ABORTED, FAILED        */
#define ROLLOUT_STATES(X)                                                                                    \
    X(LOADING, "loading")         /* the candidate's workers are started, and nothing has moved */           \
    X(RUNNING, "running")         /* it has its share, and is watched */                                     \
    X(HOLDING, "holding")         /* likewise, but the next step must wait although the time is over */      \
    X(PROMOTING, "promoting")     /* all steps are done; it becomes the stable version */                    \
    X(GOING_BACK, "going back")   /* the route is being made what it was */                                  \
    X(DONE, "done")               /* it is the stable version */                                             \
    X(ROLLED_BACK, "rolled back") /* it broke a bound */                                                     \
    X(ABORTED, "aborted")         /* the operator said so */                                                 \
    X(FAILED, "failed")           /* it did not get ready, or something else went wrong */

enum rollout_state {
#define X(name, text) ROLLOUT_##name,
    ROLLOUT_STATES(X)
#undef X
        ROLLOUT_STATE_COUNT
};
const char *rollout_state_name(enum rollout_state state);

struct rollout_decision {
    int64_t time_ms; /* since 1970 */
    char what[16];   /* "begin", "step", "hold", "roll back", ... */
    uint32_t weight; /* the candidate's since then, of ROUTE_WHOLE */
    char reason[ROLLOUT_REASON_BYTES];
};

enum { ROLLOUT_CANDIDATE, ROLLOUT_STABLE, ROLLOUT_SIDES };

struct rollout {
    /* what was asked for */
    char *model;
    char *version;
    uint32_t steps[ROLLOUT_STEPS_MAX]; /* weights, of ROUTE_WHOLE, each larger than the one before */
    size_t step_count;
    int64_t every_ms; /* each step lasts at least so long */
    struct judge_bounds bounds;

    /* what it began with */
    char *stable;
    struct route *said; /* the operator's route, to be put back; NULL: there was none, model.conf's held */
    int64_t began_ms;   /* since 1970, as all of these */

    /* how far it is */
    enum rollout_state state;
    enum rollout_state ending; /* of GOING_BACK: what follows it */
    bool paused;
    size_t step;
    bool moved;         /* the route is what this step wants */
    bool fresh;         /* since it moved nothing was counted yet */
    int64_t watched_ms; /* of this step, without the time in which nobody watched */
    uint64_t epoch;     /* the broker whose counters `seen` are */
    struct judged seen[ROLLOUT_SIDES];
    struct judged gathered[ROLLOUT_SIDES];         /* since the step began */
    struct judged_share agreement_seen, agreement; /* the last one since the roll-out began */
    struct judged_share accuracy_seen, accuracy;
    struct judged_share worst_errors, worst_times, worst_unserved; /* looks of this step, see judge.h */
    uint64_t requests_before;                                      /* of the candidate, in earlier steps */
    int64_t ended_ms;                                              /* 0: it has not */
    char reason[ROLLOUT_REASON_BYTES]; /* what is to be said of it now, one sentence */
    struct rollout_decision decisions[ROLLOUT_DECISIONS_MAX];
    size_t decision_count; /* ever; the last ones are at (count - 1) % MAX and before */

    /* not in the file */
    int64_t looked_at; /* monotonic ns; 0: not yet since the start of this process */
    int64_t saved_at;
    bool promote_asked;
    struct rollout *prev, *next; /* of all models */
};

struct rollout *rollout_record_new(void);
void rollout_record_free(struct rollout *rollout); /* NULL is fine */

/* Not ended. */
bool rollout_active(const struct rollout *rollout);
/* What the candidate has now, of ROUTE_WHOLE. */
uint32_t rollout_weight(const struct rollout *rollout);

/* Everything but what is not in the file. */
void rollout_record_to_json(const struct rollout *rollout, yyjson_mut_doc *document, yyjson_mut_val *object);
/* The same without what only the next look needs: for people. */
void rollout_record_describe(const struct rollout *rollout, yyjson_mut_doc *document, yyjson_mut_val *object);
/* NULL and a reason for what is none. */
struct rollout *rollout_record_from_json(yyjson_val *object, char *reason, size_t capacity);

/* Reads the fields of the command `rollout` (steps in percent, every_ms, max_error_rate, max_p99_ms,
 * min_agreement, min_accuracy, min_requests; all but model and version have defaults). NULL and a reason. */
struct rollout *rollout_record_asked(yyjson_val *request, char *reason, size_t capacity);

#endif
