/* simulated_worker: a worker process as the broker sees it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SIMULATED_WORKER_H
#define OUTRIGGER_SIMULATED_WORKER_H

#include "ledger.h"
#include "scenario.h"
#include "worker_token.h"

struct simulated_worker;

/* What it does with the next batch that it begins. */
enum mood {
    MOOD_SOUND,
    MOOD_HANGS,     /* does not end it for many seconds, in which it is killed if anybody knows of it */
    MOOD_SLOW,      /* ends it long after it was given up */
    MOOD_MISCOUNTS, /* one answer too few */
    MOOD_REPEATS,   /* answers twice, and for a batch that nobody has */
    MOODS
};

/* It has ended: died, or said BYE. Free it, but not in this call. */
typedef void simulated_worker_ended(void *self, struct simulated_worker *worker, bool died);

struct worker_plan {
    void *network;
    const char *endpoint;
    const struct scenario *scenario;
    struct ledger *ledger;
    const char *model;
    const char *version;
    uint32_t pid;
    struct worker_token token;
    simulated_worker_ended *ended;
    void *self;
};

/* The texts of the plan must outlive it. */
struct simulated_worker *simulated_worker_new(const struct worker_plan *plan);
void simulated_worker_free(struct simulated_worker *worker);

uint32_t simulated_worker_pid(const struct simulated_worker *worker);
/* False once it has ended. */
bool simulated_worker_alive(const struct simulated_worker *worker);
void simulated_worker_set_mood(struct simulated_worker *worker, enum mood mood);
/* kill -9. */
void simulated_worker_kill(struct simulated_worker *worker);
/* SIGTERM: what it has is finished, then BYE. */
void simulated_worker_leave(struct simulated_worker *worker);
/* SIGSTOP, with SIGCONT then; SIGCONT now. */
void simulated_worker_pause(struct simulated_worker *worker, int64_t until);
void simulated_worker_resume(struct simulated_worker *worker);
void simulated_worker_cut(struct simulated_worker *worker);
/* Sends something that breaks the protocol. */
void simulated_worker_babble(struct simulated_worker *worker);

#endif
