/* plan: which processes there shall be. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PLAN_H
#define OUTRIGGER_PLAN_H

#include "command.h"
#include "deployments.h"
#include "pipeline.h"
#include "scale.h"

/* A version that lies in the repository. */
struct plan_found {
    char *version;
    char *file;                /* NULL: it holds no model file */
    char *python;              /* the interpreter that serves it; NULL: outrigger-worker does */
    struct pipeline *pipeline; /* what it is made of; NULL: it is none, or cannot be read */
    bool part;                 /* a pipeline that runs asks for it by its number */
    char *stamp;               /* of its files, as the workers have it that were started last; see stamp.h */
    bool unsettled;            /* it is still being written, and no worker is started of it */
};

/* A version that shall run. */
struct plan_version {
    const struct plan_model *model;
    const char *version; /* a view, as the next three */
    const char *file;    /* NULL: none was found, which the worker will say */
    const char *python;  /* the interpreter of its worker; NULL: outrigger-worker serves it */
    const char *stamp;
    int64_t instances; /* between the next two; scaling.c says where */
    int64_t min;
    int64_t max;
    bool background;    /* it gets copies only, and its workers what time others leave them */
    bool takes_traffic; /* by the route, or for want of another; not only in copies, or when it is named */
    const char *why;    /* it runs, in one word */
};

/* A model as the repository and the operator want it. */
struct plan_model {
    char *name;
    char *configuration;             /* its model.conf, which need not exist */
    char *wanted;                    /* the version that shall take the traffic; NULL: there is none yet */
    char *serving;                   /* the one that takes it until `wanted` is ready; NULL: none */
    bool stopped;                    /* unloaded as a whole: no version runs */
    int64_t instances;               /* of each version that takes traffic, to begin with */
    struct deployment_bounds bounds; /* of the same */
    struct scale_rule scaling;
    int64_t threads; /* of one worker */
    char *cores;     /* that it runs on; "": as placement says */
    struct cgroup_limits limits;
    struct plan_found *found; /* ascending */
    size_t found_count;
    struct plan_version *versions; /* those that shall run, ascending */
    size_t version_count;
    bool required;              /* readiness waits for it */
    int64_t compute_timeout_ms; /* a batch that takes longer costs the worker its life */
    int64_t max_requests;       /* a worker is replaced after so many; 0: never */
    int64_t max_rss_mb;         /* likewise when it is larger */
    char *configuration_stamp;  /* "": there is no model.conf */
    bool kept; /* its model.conf is wrong, or being written: it is to stay what it was (plan_keep) */
};

/* The wanted state. */
struct plan {
    int64_t frontends;
    int64_t frontend_max_requests; /* 0: never */
    struct plan_model *models;     /* one for each of the repository's, by name */
    size_t model_count;
    struct model_list *repository; /* as it was read */
    int64_t look_again_ms;         /* when something that is being written may be complete; -1: nothing is */
};

/* How the repository is read. */
struct plan_reading {
    const struct config *config;
    const struct deployments *said;
    const struct plan *before; /* what held until now; NULL: nothing, and nothing is waited for then */
    int64_t settle_ms;         /* what changed within this time is not taken yet; 0: everything is */
    bool asked_for;            /* somebody says that it be read: a model.conf is complete then */
    const char *model;         /* taken as complete all the same, because somebody names it; NULL: none */
    const char *version;
};

/* Reads the model repository and decides. Never NULL; models that are wrong are complained of, and left out
 * but for what `before` has of them (plan_keep). */
struct plan *plan_new(const struct plan_reading *reading, struct config_errors *errors);
void plan_free(struct plan *plan);
/* Moves the models out of `before` that cannot be read just now, and decides again; `before` is only good to
 * be freed then. `wrong`: there were complaints. */
void plan_keep(struct plan *plan, struct plan *before, bool wrong, const struct config *config,
               const struct deployments *said);
/* Decides again which versions run, after the operator has said something else. */
void plan_decide(struct plan *plan, const struct config *config, const struct deployments *said);
/* True when the second reading found nothing that plan_keep would not leave as the first has it; `wrong`:
 * there were complaints. */
bool plan_same_repository(const struct plan *before, const struct plan *now, bool wrong);
/* True when that model is in both and the same. */
bool plan_same_model(const struct plan *before, const struct plan *now, const char *model);
/* True when plan_keep is needed though there were no complaints. */
bool plan_has_kept(const struct plan *plan);
/* The workers of that version are to be started again, from the same files. */
void plan_renew(struct plan *plan, const char *model, const char *version);

/* NULL when it is not in the plan. */
const struct plan_model *plan_find(const struct plan *plan, const char *model);
const struct plan_version *plan_version(const struct plan_model *model, const char *version);
const struct plan_found *plan_found(const struct plan_model *model, const char *version);
/* The version that a worker of that command serves as the plan wants it; NULL: nobody wants such a worker. */
const struct plan_version *plan_of_command(const struct plan *plan, const struct command *command);

#endif
