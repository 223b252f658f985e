/* fleet: all processes of one host, and the steps from what runs to what shall run.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FLEET_H
#define OUTRIGGER_FLEET_H

#include "changes.h"
#include "deployments.h"
#include "loop.h"
#include "metrics.h"
#include "plan.h"
#include "service.h"

struct audit;
struct fleet;
struct ledger;
struct members;
struct progress;
struct turnover;
struct wish;

/* What a fleet is made of; all of it outlives the fleet. */
struct fleet_setup {
    struct loop *loop;
    struct metrics *metrics;
    struct plan_basis basis;
    struct audit *audit;      /* where it is written which files serve; NULL: nowhere */
    struct ledger *inherited; /* what an earlier supervisor left; NULL: nothing */
    bool new_socket;          /* basis.listen_fd is not the one that inherited frontends have */
    loop_call *ready;         /* called once, when every process that readiness waits for runs */
    loop_call *stopped;       /* called once, after fleet_stop, when no process is left */
    void *self;
};

/* Starts nothing before the loop runs. Models that are wrong are logged and left out. Never NULL. */
struct fleet *fleet_new(const struct fleet_setup *setup);
void fleet_free(struct fleet *fleet);

/* Reads configuration and model repository again and moves to what they say. False after any complaint (each
 * is logged, the first is in `reason`): all stays as it was. `visit` is called for all that will hold only
 * when processes have been started again. */
bool fleet_reload(struct fleet *fleet, char *reason, size_t capacity, changes_visit *visit, void *self);
/* Reads the model repository alone again; models that are wrong are complained of in `errors`, and stay what
 * they were. False when the supervisor stops. */
bool fleet_rescan(struct fleet *fleet, struct config_errors *errors);
/* Reads the model that is named again, and begins what is wished; see deploy_wish. */
uint64_t fleet_wish(struct fleet *fleet, const struct wish *wish, char *reason, size_t capacity);
/* Replaces running processes by new ones, one after the other; see turnover_restart. */
uint64_t fleet_restart(struct fleet *fleet, const char *what, const char *model, char *reason,
                       size_t capacity);
/* Stops all in order: frontends, which finish what they have; workers and broker; collector. Called again: at
 * once. */
void fleet_stop(struct fleet *fleet);
bool fleet_is_stopping(const struct fleet *fleet);
/* The broker says that the worker with this pid computes without end. False when it is none of ours. */
bool fleet_worker_hung(struct fleet *fleet, pid_t pid);
/* The broker asks which workers there are, and their tokens: it is told over its own socket, with that
 * number. */
void fleet_introduce(const struct fleet *fleet, uint64_t question);

/* Somebody waits for a version that may be without workers. False when it has some, or may not. */
bool fleet_wanted(struct fleet *fleet, const char *model, const char *version);

/* Visits each process there is. `origin` says where it comes from when it was not simply wanted. */
typedef void fleet_visit(void *self, const struct command *command, const struct service *service,
                         const char *origin);
void fleet_each(const struct fleet *fleet, fleet_visit *visit, void *self);
/* What all processes are started with. */
const struct plan_basis *fleet_basis(const struct fleet *fleet);
/* What is wanted now. */
const struct plan *fleet_plan(const struct fleet *fleet);
/* What the operator has said about models. */
const struct deployments *fleet_said(const struct fleet *fleet);
const struct members *fleet_members(const struct fleet *fleet);
/* Of what was asked for. */
const struct progress *fleet_progress(const struct fleet *fleet);
const struct turnover *fleet_turnover(const struct fleet *fleet);
/* Which files the workers of the version have; see served_digest. */
const char *fleet_digest(const struct fleet *fleet, const char *model, const char *version);

#endif
