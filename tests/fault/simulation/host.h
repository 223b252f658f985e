/* host: one machine with its processes: a broker, a supervisor, workers, askers; and what goes wrong with
 * them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HOST_H
#define OUTRIGGER_HOST_H

#include "ledger.h"
#include "scenario.h"

struct host;
struct broker;

/* Everything starts. `directory` is an empty folder for models and sockets. The ledger outlives the host. */
struct host *host_new(const struct scenario *scenario, struct ledger *ledger, const char *directory);
/* All processes end. */
void host_free(struct host *host);

/* Call it after each turn of the world; `turned` is whose turn it was. The broker, when that was it and it
 * lives. */
struct broker *host_after_turn(struct host *host, const struct loop *turned);
/* Nothing goes wrong any more; what is stopped goes on, what is dead is started. */
void host_calm(struct host *host);
/* NULL while there is none. */
struct broker *host_broker(const struct host *host);
/* True when the broker lives, every worker that should be there has registered, and every asker knows it. */
bool host_settled(const struct host *host);

/* How often each mishap came to pass, and how many workers died, by any cause. */
uint64_t host_mishaps(const struct host *host, enum mishap mishap);
uint64_t host_deaths(const struct host *host);

#endif
