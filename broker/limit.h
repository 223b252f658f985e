/* limit: how much a key, an address and a model may ask for in a second. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LIMIT_H
#define OUTRIGGER_LIMIT_H

#include "metrics.h"

struct config;

/* Whose limit it is, and how counters and clients are told. */
#define LIMIT_SUBJECTS(X)                                                                                    \
    X(KEY, "key", "key_rows")                                                                                \
    X(ADDRESS, "address", "address_rows")                                                                    \
    X(MODEL, "model", "model_rows")

enum limit_of {
#define X(name, requests, rows) LIMIT_OF_##name,
    LIMIT_SUBJECTS(X)
#undef X
        LIMIT_OF_COUNT
};

/* In what it counts. */
enum limit_in { LIMIT_IN_REQUESTS, LIMIT_IN_ROWS, LIMIT_IN_COUNT };

enum { LIMITS_OF_REQUEST = LIMIT_OF_COUNT * LIMIT_IN_COUNT };

/* Who counts a request that has limits, and why not Redis; labels of METRIC_LIMIT_DECISIONS. */
#define LIMIT_DECIDERS(X)                                                                                    \
    X(BROKER, "broker") /* no Redis is configured */                                                         \
    X(REDIS, "redis")                                                                                        \
    X(AWAY, "away")                                                                                          \
    X(LATE, "late")                                                                                          \
    X(ERROR, "error")                                                                                        \
    X(FULL, "full")

enum limit_by {
#define X(name, label) LIMIT_BY_##name,
    LIMIT_DECIDERS(X)
#undef X
        LIMIT_BY_COUNT
};

/* "key_rows". */
const char *limit_name(enum limit_of of, enum limit_in in);

/* ---- one limit: the generic cell rate algorithm, exact ---- */

#define LIMIT_RATE_MAX   1000000000 /* a second */
#define LIMIT_BURST_MAX  UINT64_C(4000000000)
#define LIMIT_SPAN_MAX_S UINT64_C(10000000) /* a burst takes no longer to come back: 115 days */

/* So many cells (requests, or rows) a second, and so many at once after a rest. All zero: no limit. */
struct limit_rate {
    uint64_t per_1000s; /* 3 a second: 3000; 0: no limit */
    uint64_t burst;
    int64_t span;  /* how long a burst takes to come back, ns, */
    uint64_t rest; /* and this part of one more, of per_1000s */
};

/* Within the bounds above; at least one in 1000 s, and one at once. No limit for a rate of 0. */
struct limit_rate limit_rate(double per_s, double burst);

/* The theoretical arrival time: when the next cell would come if they came evenly. In the past: there was a
 * rest. Zeroed = there always was. */
struct limit_state {
    int64_t at;    /* monotonic ns, */
    uint64_t part; /* and this part of one more, of the rate's per_1000s */
};

/* What so many cells cost at that rate, as time: ns, and the part of one more. */
struct limit_state limit_cost(const struct limit_rate *rate, uint64_t cells);
/* How long until so many cells may come, ns; 0 or less: now. The cells must not be more than the burst. */
int64_t limit_wait(const struct limit_rate *rate, const struct limit_state *state, uint64_t cells,
                   int64_t now);
/* A rate that has become smaller, or was not asked, may have been used beyond what it lets through: no more
 * than a burst of it is owed. Before limit_wait. */
void limit_forgive(const struct limit_rate *rate, struct limit_state *state, int64_t now);
/* They come now, whether they may or not. */
void limit_count(const struct limit_rate *rate, struct limit_state *state, uint64_t cells, int64_t now);

/* How many cells may come now, and when (monotonic ns) all of a burst may, if none come until then. */
uint64_t limit_left(const struct limit_rate *rate, const struct limit_state *state, int64_t now);
int64_t limit_whole_at(const struct limit_state *state, int64_t now);
/* In how many seconds a burst comes back; rounded up. */
uint64_t limit_window_s(const struct limit_rate *rate);

/* ---- all limits of a request ---- */

/* What one key, address or model may. */
struct limit_rule {
    struct limit_rate in[LIMIT_IN_COUNT];
};

struct limit_rule limit_rule(double requests_per_s, double rows_per_s, double burst_s);
bool limit_rule_limits(const struct limit_rule *rule);

/* One that a request has to keep. */
struct limit {
    enum limit_of of;
    enum limit_in in;
    uint64_t whom;
    uint64_t cells; /* that the request takes */
    struct limit_rate rate;
};

struct limit_list {
    struct limit limits[LIMITS_OF_REQUEST];
    size_t count;
};

/* Adds what the rule says of whom (0: nobody known, nothing is added). */
void limit_list_add(struct limit_list *list, enum limit_of of, uint64_t whom, const struct limit_rule *rule,
                    uint32_t rows);
/* One that the request can never keep, as it has more rows than may come at once; NULL. */
const struct limit *limit_list_never(const struct limit_list *list);

/* What is told of the tightest limit of a request that was let through: the one that would let the fewest
 * more of its size through. Zeroed: it has no limit. */
struct limit_rest {
    const char *name; /* limit_name; NULL: no limit */
    uint64_t quota, window_s;
    uint64_t left;     /* cells, */
    uint64_t requests; /* which are so many of its size */
    int64_t whole_at;  /* when all of the quota is there again */
};

/* `state` counts the request already. */
void limit_rest_note(struct limit_rest *rest, const struct limit *limit, const struct limit_state *state,
                     int64_t now);

/* The states of this process: tables of keys, of addresses and of models, each of at most limit.max_tracked
 * places. When one is full whoever was not heard for longest is forgotten, and has its full burst again when
 * it comes back: who sends from N addresses (or with N keys) in turn can win at most one burst for every
 * max_tracked other ones that are heard meanwhile. What was idle for as long as its burst takes to come back
 * loses nothing by it. */
struct limits;
struct limits *limits_new(const struct config *config, struct metrics *metrics);
void limits_free(struct limits *limits);

/* Counts the request where all of the list let it through, and nowhere else. NULL when they did, with *rest;
 * else the one that does so last, with *wait (ns, > 0) until then. */
const struct limit *limits_take(struct limits *limits, const struct limit_list *list, int64_t now,
                                int64_t *wait, struct limit_rest *rest);
/* Counts it: somebody else has let it through. */
void limits_count(struct limits *limits, const struct limit_list *list, int64_t now, struct limit_rest *rest);
/* How many keys, addresses or models are remembered. */
size_t limits_tracked(const struct limits *limits, enum limit_of of);

#endif
