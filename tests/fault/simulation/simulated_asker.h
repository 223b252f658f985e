/* simulated_asker: a process that asks through the real common/client.c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SIMULATED_ASKER_H
#define OUTRIGGER_SIMULATED_ASKER_H

#include "ledger.h"
#include "scenario.h"

struct simulated_asker;

struct asker_plan {
    void *network;
    const char *endpoint;
    const struct scenario *scenario;
    struct ledger *ledger;
    const char *const *models; /* the names of the scenario's */
    bool quiet;                /* the one of quiet_wait */
    /* Who is told of each request that the asker had when it was killed, and has it from then on; NULL: such
     * requests are orphans. */
    void (*lost)(void *self, struct ask *ask);
    void *self;
    const unsigned
        *hosts_alive; /* of scenario->hosts: the others ask what those would have asked; NULL: all */
};

/* Asks from now on, until the ledger has as many requests as are planned. What the plan names must outlive
 * it. */
struct simulated_asker *simulated_asker_new(const struct asker_plan *plan);
/* Like kill -9 when it has open requests: they are orphans then, and nobody answers for them. */
void simulated_asker_free(struct simulated_asker *asker);
/* Asks what another one had. False: it has no room for it now. */
bool simulated_asker_take(struct simulated_asker *asker, struct ask *ask);
/* SIGKILL: nothing leaves it any more. Free it afterwards. */
void simulated_asker_kill(struct simulated_asker *asker);
void simulated_asker_cut(struct simulated_asker *asker);
/* Like SIGSTOP until then (virtual ns). */
void simulated_asker_pause(struct simulated_asker *asker, int64_t until);
/* Another peer sends what breaks the protocol, cancels what it never asked, asks with an id twice. */
void simulated_asker_babble(struct simulated_asker *asker);
/* Ready workers over all entries of the last CATALOG. */
uint32_t simulated_asker_told_workers(const struct simulated_asker *asker);

#endif
