/* broker: the whole of it, as main and the admin socket see it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BROKER_H
#define OUTRIGGER_BROKER_H

#include "model.h"

struct broker;
struct claim;

/* Binds the endpoints of the configuration. NULL with errno, and *endpoint = the one that could not be
 * bound; errno 0 when the log says already what is wrong with keys. */
struct broker *broker_new(void *zmq_context, struct loop *loop, const struct config *config,
                          struct metrics *metrics, const char **endpoint);
void broker_free(struct broker *broker);

/* The supervisor says that it has started a worker: whoever shows that token is it, and nobody else is. */
void broker_announce(struct broker *broker, const struct claim *claim);
/* Now those are let in who came before they were announced. `answered`: it was asked who there is, with this
 * number, and has announced all of them: who has waited for it and is none of them is refused. 0: it was not
 * asked. */
void broker_announced(struct broker *broker, uint64_t answered);
/* The supervisor says that this process is dead: what it had in hand is given to others, as soon as all that
 * it said before has been read. False when no worker has that pid. */
bool broker_worker_gone(struct broker *broker, uint32_t pid);
/* The supervisor says that a worker of this version could not start, and why; `all`: none of them can, and
 * requests for it need not wait. It holds until a worker says READY, or the repository is read again. False
 * when the version is not known. */
bool broker_worker_failed(struct broker *broker, struct text model, struct text version, struct text reason,
                          bool all);
/* Reads the model repository again and tells all askers. */
void broker_reload(struct broker *broker);
/* Reads again what the operator said of stable versions and routes, and tells all askers: requests that come
 * from now on follow it. */
void broker_route(struct broker *broker);
/* Reads the list of keys that may come in over tcp again; those who are inside and may not be any more are
 * lost. False when it cannot be read, and `reason` says why: the old one holds then. True without tcp. */
bool broker_reload_keys(struct broker *broker, char *reason, size_t capacity);
/* Admits nothing new (STOPPING), finishes what it has; `drained` is called when nothing is left. */
void broker_drain(struct broker *broker, loop_call *drained, void *self);

/* Another broker follows at once: finishes what workers have in hand and leaves all else unanswered to it, as
 * askers send again what they have no answer for. `handed_over` is called once, soon after no
 * worker has anything in hand, or 1.5 s later when what they have may be computed twice. */
void broker_hand_over(struct broker *broker, loop_call *handed_over, void *self);

/* For status: what is there. */
struct model_table *broker_models(struct broker *broker);
struct pool *broker_pool(struct broker *broker);
/* Drawn at its start: counters of another epoch are another broker's. */
uint64_t broker_epoch(const struct broker *broker);
/* What became of rate limits. */
struct broker_limits {
    bool any;          /* some hold */
    uint64_t refused;  /* requests, of all models */
    const char *redis; /* "ready", "late" or "away"; NULL: none is configured */
};
struct broker_limits broker_limits(struct broker *broker);
/* Sets the gauges of queues and workers; before each snapshot. */
void broker_measure(void *broker);

#endif
