/* deployments: what the operator has said about models, kept in STATE/deployments.json across restarts. The
 * supervisor alone writes it; the broker reads it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DEPLOYMENTS_H
#define OUTRIGGER_DEPLOYMENTS_H

#include "config.h"
#include "route.h"

enum { DEPLOYMENT_UNSAID = -1 }; /* a number that the operator has said nothing about */

/* What was said about one model; everything else is as model.conf says. */
struct deployment {
    char *model;
    char *stable;        /* the version that shall take the traffic; NULL: unsaid */
    char *serving;       /* the one that takes it now: until another is ready it stays. NULL: none yet */
    char *previous;      /* the one that took it before, for a rollback; NULL: none */
    struct route *route; /* NULL: unsaid */
    bool stopped;        /* the model as a whole was unloaded */
    int64_t instances;   /* or DEPLOYMENT_UNSAID, as the next two */
    int64_t instances_min;
    int64_t instances_max;
    struct config_names loaded;          /* versions that run because somebody said so */
    struct config_names unloaded;        /* versions that do not, for the same reason */
    struct config_names asked;           /* versions that somebody waits for just now; not in the file */
    struct config_names asked_as_shadow; /* likewise, of which nothing but copies is wanted */
};

/* By model; the pointers stay good while others come. */
struct deployments {
    struct deployment **models;
    size_t count;
};

/* Never NULL. A file that is not there is nothing said. What is wrong in it is complained of and left out,
 * the rest holds. */
struct deployments *deployments_read(const char *path, struct config_errors *errors);
/* The same from memory; `name` is what complaints call it. */
struct deployments *deployments_parse(const char *name, const char *text, size_t length,
                                      struct config_errors *errors);
/* Writes the file anew, in one step and to the disk; models about which nothing is said are left out. 0 or -1
 * with errno; then the file is what it was. */
int deployments_write(const char *path, const struct deployments *deployments);
struct deployments *deployments_copy(const struct deployments *deployments);
void deployments_free(struct deployments *deployments);

/* What was said about the model; NULL: nothing. */
struct deployment *deployments_find(const struct deployments *deployments, const char *model);
/* The same, made when nothing was said. */
struct deployment *deployments_require(struct deployments *deployments, const char *model);

/* Sets a text that the deployment owns; NULL takes it back. */
void deployment_say(char **member, const char *text);
/* A list of versions of a deployment. */
bool deployment_lists(const struct config_names *list, const char *version);
void deployment_list(struct config_names *list, const char *version); /* once */
void deployment_unlist(struct config_names *list, const char *version);
/* Somebody waits for a version that a route names; and no more. */
void deployment_ask(struct deployment *deployment, const struct route *route, const char *version);
void deployment_ask_no_more(struct deployment *deployment, const char *version);

/* The version that takes the traffic now which no route leads elsewhere: what `serving` says, also when its
 * folder is gone already, else the wanted one. A view of either argument. */
const char *deployment_stable(const struct model_config *model, const struct deployments *deployments);
/* The version that shall take it: the operator's while the repository has it, else model.conf's, else the
 * highest; NULL when there is none. */
const char *deployment_wanted(const struct model_config *model, const struct deployments *deployments);
/* The operator's route, else model.conf's; never NULL. A view of either argument. */
const struct route *deployment_route(const struct model_config *model, const struct deployments *deployments);

/* How many workers a version that takes traffic has: what the operator said, else model.conf. */
struct deployment_bounds {
    int64_t min;
    int64_t max;   /* as min: always so many */
    int64_t begin; /* when nothing is known of its load; 0 only where nothing shall run */
};
/* `said` may be NULL. min <= begin <= max. */
struct deployment_bounds deployment_bounds(const struct model_config *model, const struct deployment *said);
/* True when a version may be without workers of ours until somebody asks for it. */
bool deployment_may_rest(const struct deployment_bounds *bounds);

/* STATE/deployments.json, in a buffer of DEPLOYMENTS_PATH_BYTES. Returns `path`. */
enum { DEPLOYMENTS_PATH_BYTES = 4200 };
char *deployments_path(const struct config *config, char *path);

#endif
