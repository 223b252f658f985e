/* checked: what `outrigger check` found out about a configuration, for the files check*.c.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CHECKED_H
#define OUTRIGGER_CHECKED_H

#include "account.h"
#include "config.h"
#include "deployments.h"
#include "jwk.h"
#include "placement.h"
#include "sandbox.h"

#include <yyjson.h>

/* One model of the repository and the version that would take its traffic. */
struct check_model {
    const struct model_config *model;
    const char *version;     /* NULL: there is none */
    const char *backend;     /* NULL: there is no model file */
    yyjson_doc *description; /* inspect_model's; NULL: not loaded, or nobody can be asked */
};

struct check {
    const struct config *config;
    struct placement placement;
    struct model_list *list;
    struct deployments *said;      /* by the operator, when something ran here */
    struct check_model *models;    /* list->count of them */
    int cores;                     /* that this process may run on */
    struct sandbox_powers powers;  /* of this kernel */
    struct account *service;       /* config's user; NULL: none is named */
    char *user;                    /* as whom all run but the workers */
    char *worker_user;             /* as whom those run, likewise */
    struct jwk_set *token_keys;    /* of token.jwks_file; NULL: none */
    struct config_errors errors;   /* what would be refused */
    struct config_errors warnings; /* what works and surely is not meant */
};

/* Warns when somebody else can change the model, of which a signature is demanded. */
void check_writers(struct check *check, const struct check_model *entry);

/* ---- the plan ---- */

/* Threads inside the engine of one worker of the model. */
int64_t check_threads(const struct check *check, const struct model_config *model);
/* How many workers it has, as the operator and model.conf say. */
struct deployment_bounds check_bounds(const struct check *check, const struct model_config *model);
/* Engine threads of all workers together, as many as there are to begin with. */
int64_t check_all_threads(const struct check *check);
/* How long a request to the model may take, where it says nothing itself. */
int64_t check_timeout_ms(const struct check *check, const struct model_config *model);
/* Calls `take` for each process and socket of the plan, in the order of the tables. */
void check_each_process(const struct check *check,
                        void (*take)(void *self, const char *name, int64_t count, int64_t threads,
                                     const char *cores, const char *user),
                        void *self);
void check_each_socket(const struct check *check,
                       void (*take)(void *self, const char *address, const char *mode, const char *what),
                       void *self);
/* Calls `take` for each part of the sandbox: what it is, whether this kernel has it, and what that means. */
void check_each_guard(const struct check *check,
                      void (*take)(void *self, const char *part, bool there, const char *what), void *self);

/* ---- looking, and telling ---- */

/* Reads the keys and secrets of token.* that are files. */
void check_tokens(struct check *check);
/* Complains of pipelines whose models are not there, do not fit or go round in a circle; the others are
 * described by what they take and give. */
void check_pipelines(struct check *check);
/* Loads the versions that routes name, and complains of those that take other inputs than the stable one. */
void check_routes(struct check *check);
/* Prints whose tokens are taken, and the keys; nothing when none are. */
void check_print_tokens(const struct check *check, FILE *out, bool coloured);

/* Prints processes, sockets, models and tokens as they would be. */
void check_print(const struct check *check, FILE *out, bool coloured);
/* The same, with errors and warnings, as one object: {"ok", "file", "errors", "warnings", "processes",
 * "sockets", "sandbox", "models", "signing_keys", "token_keys"}. The caller gives it to say_json. */
yyjson_mut_doc *check_json(const struct check *check);

#endif
