/* plan: which processes there shall be, and how each is called. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PLAN_H
#define OUTRIGGER_PLAN_H

#include "config.h"
#include "options.h"
#include "placement.h"

/* In the order of their start. */
enum role { ROLE_COLLECTOR, ROLE_BROKER, ROLE_WORKER, ROLE_FRONTEND, ROLE_COUNT };
const char *role_name(enum role role);
/* False when it is no role's name; NULL is none. */
bool role_find(const char *name, enum role *role);

/* A model as the repository wants it. */
struct plan_model {
    char *name;
    char *version;       /* the one that takes the traffic; NULL: there is none yet */
    char *file;          /* the model file; NULL: none was found, which the worker will say */
    char *python;        /* the interpreter of its worker; NULL: outrigger-worker serves it */
    char *configuration; /* its model.conf, which need not exist */
    int64_t instances;
    bool required;              /* readiness waits for it */
    int64_t compute_timeout_ms; /* a batch that takes longer costs the worker its life */
    int64_t max_requests;       /* a worker is replaced after so many; 0: never */
    int64_t max_rss_mb;         /* likewise when it is larger */
};

/* The wanted state. */
struct plan {
    int64_t frontends;
    int64_t frontend_max_requests; /* 0: never */
    struct plan_model *models;     /* one for each of the repository's */
    size_t model_count;
    struct model_list *repository; /* as it was read */
};

/* From the configuration and its model repository. Never NULL; models that are wrong are left out and
 * complained of. */
struct plan *plan_new(const struct config *config, struct config_errors *errors);
void plan_free(struct plan *plan);
/* NULL when it is not in the plan. */
const struct plan_model *plan_find(const struct plan *plan, const char *model);

/* What every command line is made of; the views outlive the commands. */
struct plan_basis {
    const struct config *config;
    const struct options *options;
    struct placement placement;
    int listen_fd; /* the FastCGI socket */
};

/* One process's name, program and arguments. */
struct command {
    enum role role;
    int number; /* of the frontends, or of the model's workers, from 1 */
    char *name;
    char *model; /* "" unless it is a worker */
    char *version;
    char *file; /* what it serves; "" unless it is a worker with a file */
    char *path;
    char **arguments; /* NULL-terminated */
    const char *cores;
    int listen_fd;
    int drain_signal; /* child.h */
};

/* The parameters that cannot change as long as a process runs that was started with them: one line each,
 * NAME=VALUE. The caller frees. */
char *plan_fixed(const struct config *config);

/* `model` is NULL but for workers. */
struct command *command_new(const struct plan_basis *basis, enum role role, int number,
                            const struct plan_model *model);
/* Fills in what only this supervisor knows, in a command whose texts came from elsewhere: descriptors, cores,
 * signals. */
void command_complete(struct command *command, const struct plan_basis *basis);
void command_free(struct command *command);
/* True when a process of the one command is what the other would start. */
bool command_equals(const struct command *left, const struct command *right);

#endif
