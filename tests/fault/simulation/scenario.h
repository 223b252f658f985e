/* scenario: the worlds that are simulated: who is there, what goes wrong, and what must not come of it.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCENARIO_H
#define OUTRIGGER_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

/* What goes wrong, or only changes, beside the requests: name and words. */
#define MISHAPS(X)                                                                                           \
    X(KILL_WORKER, "kill -9 of a worker")                                                                    \
    X(HANG_WORKER, "a worker that hangs in its batch")                                                       \
    X(STOP_WORKER, "SIGSTOP of a worker, SIGCONT later")                                                     \
    X(SLOW_WORKER, "a batch that takes longer than it may, and ends late")                                   \
    X(LEAVE_WORKER, "a worker that says BYE")                                                                \
    X(CONFUSE_WORKER, "a worker that miscounts, answers twice, or for another")                              \
    X(CUT_WORKER, "the connection of a worker breaks")                                                       \
    X(CUT_ASKER, "the connection of an asker breaks")                                                        \
    X(KILL_ASKER, "kill -9 of an asker")                                                                     \
    X(STALL_ASKER, "an asker gets no processor for a while")                                                 \
    X(KILL_BROKER, "kill -9 of the broker")                                                                  \
    X(RESTART_BROKER, "the broker is told to stop, and started again")                                       \
    X(REPLACE_BROKER, "the broker makes room for the next one")                                              \
    X(STOP_BROKER, "SIGSTOP of the broker, SIGCONT later")                                                   \
    X(RELOAD, "the models' configuration changes")                                                           \
    X(ROLL, "a new version takes over from the old")                                                         \
    X(RUBBISH, "messages that break the protocol, from either side")                                         \
    X(LOSE_HOST, "a host is lost, with all that runs there; it comes back")

enum mishap {
#define X(name, text) MISHAP_##name,
    MISHAPS(X)
#undef X
        MISHAP_COUNT
};
extern const char *const mishap_texts[MISHAP_COUNT];

enum { MODELS_HERE_MAX = 4 };

struct scenario {
    const char *name;
    const char *text;
    unsigned askers;
    unsigned window; /* requests that an asker has open at a time, at most */
    unsigned burst;  /* requests that it makes at a time, at most */
    int64_t pause;   /* mean ns between two of its bursts; 0: as fast as the window allows */
    unsigned models;
    unsigned workers; /* of each model */
    unsigned hosts;   /* each with a broker, askers and workers of its own, behind a balancer */
    unsigned remote;  /* workers of each model on other hosts yet, which come to any of the brokers */
    uint32_t slots;   /* of each worker, at most */
    uint32_t capacity_rows;
    int64_t compute, compute_row; /* mean ns of a batch, and more for each row */
    bool curves;        /* workers measure that at their start, now and then on a busy machine, and tell it */
    uint32_t most_rows; /* of a request; nearly all have few */
    uint32_t most_bytes;    /* of padding in a payload */
    int64_t deadline[2];    /* ns, shortest and longest */
    uint32_t priorities;    /* 0: all the same, that of clients */
    uint32_t tenants;       /* 0: all the same */
    bool both;              /* workers of both versions run all the time */
    uint32_t keys;          /* how many different ones requests have; 0: none has any */
    uint32_t contents;      /* how many different questions there are; 0: no two are the same */
    const char *model_conf; /* of every model */
    const char *other_conf; /* after RELOAD, and back; NULL: none */
    const char *setting;    /* for outrigger.conf; NULL: none */
    unsigned shadow;        /* percent of the requests that the other version gets copies of */
    /* of a million requests */
    uint32_t poison, failing, cancelled, misnamed;
    uint32_t wishes; /* that name version 2, and make do with another */
    uint32_t named;  /* that their clients gave a name, by what they ask */
    /* mean ns between two mishaps of a kind; 0: never */
    int64_t every[MISHAP_COUNT];
    /* Bits of the failures that a request may end with that is neither poison nor failing nor misnamed. */
    uint32_t allowed;
    uint32_t max_kills; /* as in model_conf */
    /* Poison may kill more than max_kills + 1 workers: the broker that counted died, or the connection. */
    bool poison_forgotten;
    int64_t longest_wait; /* ns that any request may take; 0: its deadline */
    /* The first asker is a tenant of its own, asks a twentieth as often as each of the others, and none of
     * its requests may fail or take longer than this; 0: it is like the others. */
    int64_t quiet_wait;
    int64_t quiet_usually; /* about one of a hundred takes longer than this, at most; 0: it does not matter */
    bool jobs;             /* all others are jobs */
};

/* The table ends with a scenario without a name. */
extern const struct scenario scenarios[];
const struct scenario *scenario_find(const char *name);
/* With the usual value wherever the table says nothing (0 or NULL) of who is there and of the load. */
struct scenario scenario_complete(const struct scenario *scenario);

/* A run that once found something, and what. It is the same run only while the simulator draws in the same
 * order; the defect itself is kept by a unit test. */
struct kept_seed {
    const char *scenario;
    uint64_t seed;
    uint64_t requests;
    const char *reason;
};
extern const struct kept_seed kept_seeds[]; /* ends with one without a scenario */

#endif
