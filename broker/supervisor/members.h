/* members: the processes that there are, and which of them the plan still wants. Used by fleet.c alone.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MEMBERS_H
#define OUTRIGGER_MEMBERS_H

#include "fleet.h"

/* One process of the fleet. */
struct member {
    struct members *members;
    struct command *command;
    struct child_command view; /* of the command, for the service */
    struct service *service;
    bool retiring;   /* nobody wants it any more: stopped, then removed */
    const char *how; /* its last process ended */
    struct member *prev;
    struct member *next;
};

struct members {
    struct member *first; /* the others by `next`, in the order of their start */
    const struct fleet_setup *setup;
    const struct service_patience *patience;
    bool changed;          /* since the fleet last looked */
    bool broker_was_ready; /* at least once */
};

/* Adds and starts, or retires, so that `wanted` processes of the role (and of the model, for workers) are
 * there. */
void members_have(struct members *members, enum role role, const struct plan_model *model, int64_t wanted);
/* How many fit the plan; with `running` only those that have said ready. */
int64_t members_count(const struct members *members, enum role role, const struct plan_model *model,
                      bool running);
/* True when the member is a worker of this model that serves something else than the plan wants. */
bool member_outdated(const struct member *member, const struct plan_model *model);

/* Stops it; members_remove_retired frees it when its process has ended. */
void member_retire(struct member *member);
void members_remove_retired(struct members *members);
void members_free_all(struct members *members);

#endif
