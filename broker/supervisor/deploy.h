/* deploy: what the operator says about models and their versions, and its coming true.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DEPLOY_H
#define OUTRIGGER_DEPLOY_H

#include "broker_view.h"
#include "members.h"
#include "progress.h"

struct deploy;

/* Reads STATE/deployments.json; what is wrong in it is logged, and the file kept beside as
 * deployments.json.broken. Never NULL; all that is given outlives it. */
struct deploy *deploy_new(const struct config *config, const struct members *members,
                          struct broker_view *view, struct progress *progress);
void deploy_free(struct deploy *deploy);
/* What holds. */
const struct deployments *deploy_said(const struct deploy *deploy);

#define WISHES(X)                                                                                            \
    X(LOAD, "load")         /* the version runs; without one: the model does, after UNLOAD */                \
    X(UNLOAD, "unload")     /* it does not; without one: none of the model does */                           \
    X(RELOAD, "reload")     /* its workers are replaced by new ones; without one: those of all versions */   \
    X(PROMOTE, "promote")   /* it takes the traffic as soon as it is ready; "latest": the highest, always */ \
    X(ROLLBACK, "rollback") /* the version that took it before does again */                                 \
    X(ROUTE, "route")       /* the route holds as soon as all its versions are ready */                      \
    X(SCALE, "scale")       /* its versions have so many workers; DEPLOYMENT_UNSAID thrice: model.conf's */

enum wish_kind {
#define X(name, text) WISH_##name,
    WISHES(X)
#undef X
        WISH_KIND_COUNT
};

struct wish {
    enum wish_kind kind;
    const char *model;
    const char *version;       /* NULL: none is named */
    const struct route *route; /* ROUTE: NULL: model.conf's */
    bool at_once;              /* ROUTE: it holds now, whichever of its versions are ready */
    int64_t instances;         /* SCALE: or DEPLOYMENT_UNSAID, as the next two */
    int64_t min;
    int64_t max;
};

/* Begins what is wished. Returns the number under which its progress is told; 0 and a reason when it is
 * refused, and nothing has changed then. */
uint64_t deploy_wish(struct deploy *deploy, const struct plan *plan, const struct wish *wish, char *reason,
                     size_t capacity);
/* Where the traffic is, for models of which that is not written down yet, or is at what went; to be called
 * when the repository was read. True when it changed anything: the plan must be decided again. */
bool deploy_locate(struct deploy *deploy, const struct plan *plan);
/* Moves the traffic of each model whose new version is ready, and goes on with what was wished. True when
 * that changed anything: the broker must be told, then the plan decided again. Sets *ask_again when no event
 * will tell that it can go on. */
bool deploy_advance(struct deploy *deploy, const struct plan *plan, bool *ask_again);
/* The broker goes by what is written now. */
void deploy_told(struct deploy *deploy);
/* Nothing is waited for any more. */
void deploy_cancel(struct deploy *deploy, const char *why);

#endif
