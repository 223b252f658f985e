/* host: one machine with its processes: a broker, a supervisor, workers, askers; and what goes wrong with
 * them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HOST_H
#define OUTRIGGER_HOST_H

#include "ledger.h"
#include "scenario.h"

struct host;
struct broker;

/* What the hosts of a world have in common. It outlives them. */
struct site {
    const struct scenario *scenario;
    struct ledger *ledger;
    void *network;
    const char *directory; /* an empty folder: each host makes one of its own in it, for models and sockets */
    unsigned alive;        /* hosts with a broker that are not lost */
    int64_t silence;       /* ns: how long nobody notices a host that is lost just now; 0: none is */
    /* Has each request from now on whose asker was killed; NULL: nobody, it is an orphan. */
    void (*lost)(void *self, struct ask *ask);
    void *self;
};

/* Everything starts. */
struct host *host_new(struct site *site, unsigned number);
/* A host, or many, of workers alone (scenario->remote of each model), which come to any broker of the site.
 */
struct host *host_new_of_workers(struct site *site);
/* All processes end. */
void host_free(struct host *host);

/* Call it after each turn of the world; `turned` is whose turn it was. The broker, when that was it and it
 * lives. */
struct broker *host_after_turn(struct host *host, const struct loop *turned);
/* Nothing goes wrong any more; what is stopped goes on, what is dead is started. */
void host_calm(struct host *host);
/* NULL while there is none. */
struct broker *host_broker(const struct host *host);
/* True when the broker lives, and every asker knows of the workers that it knows. */
bool host_settled(const struct host *host);
/* Workers that should be there, and those that the broker knows. */
size_t host_wanted(const struct host *host);
size_t host_known(const struct host *host);
/* Asks what another host's asker had. False: nobody here has room for it. */
bool host_takes(struct host *host, struct ask *ask);
bool host_is_lost(const struct host *host);

/* How often each mishap came to pass, and how many workers died, by any cause. */
uint64_t host_mishaps(const struct host *host, enum mishap mishap);
uint64_t host_deaths(const struct host *host);
uint64_t host_losses(const struct host *host);

#endif
