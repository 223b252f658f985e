/* mishaps: what goes wrong on a host, at random; and the host's insides, which it shares with host.c alone.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MISHAPS_H
#define OUTRIGGER_MISHAPS_H

#include "config.h"
#include "host.h"
#include "metrics.h"
#include "simulated_asker.h"
#include "simulated_worker.h"

/* Where a worker of one version of a model runs, when it is wanted. */
struct place {
    struct host *host;
    unsigned model, version;
    bool wanted;
    struct simulated_worker *worker; /* NULL: none now */
    struct worker_token token;       /* of it */
    struct loop_timer start;
};

/* A death on its way to the broker. */
struct death {
    struct host *host;
    uint32_t pid; /* 0: free */
    struct loop_timer timer;
};

/* One kind of mishap of the scenario. */
struct mishap_source {
    struct host *host;
    enum mishap mishap;
    struct loop_timer timer;
    uint64_t count;
};

enum { ASKERS_HERE_MAX = 16 };

struct host {
    struct site *site;
    const struct scenario *scenario; /* these three are the site's */
    struct ledger *ledger;
    void *network;
    char directory[256];
    const char *workers_at; /* the endpoint that they come to */
    bool remote;            /* there are workers alone */
    bool lost;              /* and comes back: */
    struct loop_timer back;
    uint64_t losses;
    struct host *next; /* of all with a broker */
    struct loop *loop; /* the supervisor's and chance's */
    const char *model_names[MODELS_HERE_MAX];
    unsigned versions[MODELS_HERE_MAX]; /* that takes the traffic */
    bool other;                         /* other_conf holds */
    struct config *config;
    struct metrics *metrics;
    struct loop *broker_loop;
    struct broker *broker;
    struct witness *witness; /* of it */
    uint64_t life;           /* of the broker: 1, 2, ... */
    struct loop_timer broker_start, broker_stop;
    struct place *places;
    size_t place_count;
    uint32_t last_pid;
    struct death deaths[64]; /* told later */
    uint32_t dead_pids[64];  /* told in the broker's next turn */
    size_t dead_count;
    uint64_t deaths_count;
    struct simulated_worker *buried[64];
    size_t buried_count;
    struct loop_timer burial;
    uint32_t hung_pids[64];
    size_t hung_count;
    struct loop_timer hung;
    struct loop_timer introduction; /* the broker is told of the workers that there are */
    bool introducing;               /* in its next turn */
    uint64_t question;              /* that is answered then; 0: none */
    struct simulated_asker *askers[ASKERS_HERE_MAX];
    struct mishap_source sources[MISHAP_COUNT];
    struct loop_timer roll;
    unsigned rolling; /* the model */
};

void mishaps_begin(struct host *host);
void mishaps_end(struct host *host);
/* One that is lost comes back now. */
void mishaps_return_host(struct host *host);

/* ---- host.c, for mishaps.c ---- */

const char *host_version_name(unsigned version);
/* Writes every model.conf. */
void host_configure(struct host *host);
void host_start_asker(struct host *host, unsigned which);
void host_kill_broker(struct host *host);
/* It is gone, and nobody starts another one. */
void host_end_broker(struct host *host);
/* Everything that should run here starts. */
void host_begin(struct host *host);
/* SIGTERM: it drains, ends, and is started again. */
void host_drain_broker(struct host *host);
/* SIGUSR1: it finishes what workers have in hand, ends, and the next one is started. */
void host_replace_broker(struct host *host);
/* Whether a worker is to be there: it is started or told to leave. */
void host_want(struct place *place, bool wanted);
void host_worker_ended(void *place, struct simulated_worker *worker, bool died);
void host_tell_deaths(void *host);

#endif
