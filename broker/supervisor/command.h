/* command: how a process of ours is called and started. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COMMAND_H
#define OUTRIGGER_COMMAND_H

#include "account.h"
#include "cgroup.h"
#include "config.h"
#include "options.h"
#include "placement.h"

struct plan_version;

/* In the order of their start. */
enum role { ROLE_COLLECTOR, ROLE_BROKER, ROLE_WORKER, ROLE_FRONTEND, ROLE_COUNT };
const char *role_name(enum role role);
/* False when it is no role's name; NULL is none. */
bool role_find(const char *name, enum role *role);

/* What every command line is made of; the views outlive the commands. */
struct plan_basis {
    const struct config *config;
    const struct options *options;
    struct placement placement;
    int listen_fd;                 /* the FastCGI socket */
    const struct account *workers; /* the user that they become; NULL: ours */
};

/* One process's name, program and arguments. */
struct command {
    enum role role;
    int number; /* of the frontends, or of the version's workers, from 1 */
    char *name;
    char *model; /* "" unless it is a worker */
    char *version;
    char *file;  /* what it serves; "" unless it is a worker with a file */
    char *stamp; /* of the version's files when it was started (stamp.h); "" likewise */
    char *path;
    char **arguments;            /* NULL-terminated */
    char *own_cores;             /* model.conf's; "" unless it is a worker */
    struct cgroup_limits limits; /* likewise */
    const char *cores;
    bool background; /* a worker of a version that is only a shadow: it gives way to all others */
    int listen_fd;
    const struct account *account; /* process.h */
    int drain_signal;              /* child.h */
    char **hidden;                 /* variables with secrets that it does not get (hidden.h) */
};

/* The parameters that cannot change as long as a process runs that was started with them: one line each,
 * NAME=VALUE. The caller frees. */
char *plan_fixed(const struct config *config);

/* What the process of that number is called: "broker", "frontend.2", "worker.MODEL.VERSION.1". The caller
 * frees. `version` is NULL but for workers, here and in the next. */
char *command_name(enum role role, int number, const struct plan_version *version);
struct command *command_new(const struct plan_basis *basis, enum role role, int number,
                            const struct plan_version *version);
/* Fills in what only this supervisor knows, in a command whose texts came from elsewhere: descriptors, cores,
 * signals. */
void command_complete(struct command *command, const struct plan_basis *basis);
/* What model.conf says of cores and limits, in a worker's command. */
void command_limit(struct command *command, const struct plan_version *version);
void command_free(struct command *command);
/* True when a process of the one command is what the other would start. */
bool command_equals(const struct command *left, const struct command *right);
/* True when a worker of that command serves this version, from its files as they are and in its place:
 * in the background or not. */
bool command_serves(const struct command *command, const struct plan_version *version);
/* The same, wherever it works. */
bool command_could_serve(const struct command *command, const struct plan_version *version);

#endif
