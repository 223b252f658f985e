/* deploy_state: what the files deploy*.c share; nobody else includes it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DEPLOY_STATE_H
#define OUTRIGGER_DEPLOY_STATE_H

#include "deploy.h"

#include <string.h>

enum { DEPLOY_MAGIC = 0xde9107, REASON_BYTES = 1600 };

struct job {
    uint64_t id;
    enum wish_kind kind;
    char *model;
    char *version;             /* NULL: none was named */
    char *stable_before;       /* PROMOTE, ROLLBACK: what was said until then; NULL: nothing */
    struct route *route;       /* ROUTE: the one to be; NULL: model.conf's */
    struct config_names asked; /* ROUTE: the versions that it names */
    struct job_counts {
        int64_t instances, min, max;
    } counts_before; /* SCALE: what was said until then */
    bool at_once;    /* ROUTE: whichever of them are ready */
    bool written;    /* it holds when the broker has been told */
    struct job *prev, *next;
};

struct deploy {
    unsigned magic;
    char *path;
    const struct members *members;
    struct broker_view *view;
    struct progress *progress;
    struct deployments *said;
    struct job *jobs;
    int64_t no_writing_before; /* monotonic ns */
};

static inline bool is_text(const char *text, const char *other)
{
    return text != NULL && other != NULL && strcmp(text, other) == 0;
}

/* True for a wish that the traffic goes elsewhere. */
static inline bool moves(enum wish_kind kind)
{
    return kind == WISH_PROMOTE || kind == WISH_ROLLBACK;
}

/* ---- deploy_verdict.c ---- */

/* What to do about a job. */
enum verdict { GO_ON, CAME_TRUE, GIVE_UP };

/* GIVE_UP: `why` (REASON_BYTES) says it; else there is nothing to read in it. Sets *ask_again as
 * deploy_advance does. */
enum verdict deploy_verdict(const struct deploy *deploy, const struct plan *plan, const struct job *job,
                            char *why, bool *ask_again);
/* False with `why` when `mover`, the job that moves the model's traffic (NULL: none), is a promotion to a
 * version that takes other inputs than those it would share the route with. Any other way in which traffic
 * moves is not stopped by that. */
bool deploy_may_promote(const struct deploy *deploy, const struct plan *plan, const struct plan_model *model,
                        const struct job *mover, char *why);

#endif
