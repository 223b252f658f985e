/* model: what the broker serves: models, their versions, each version's queue and workers.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MODEL_H
#define OUTRIGGER_MODEL_H

#include "cache.h"
#include "config.h"
#include "cost.h"
#include "dispatch.h"
#include "executions.h"
#include "figures.h"
#include "limit.h"
#include "metrics.h"
#include "pool.h"
#include "route.h"
#include "schema.h"
#include "sizing.h"

struct model;

struct version {
    unsigned magic;
    char *name;
    struct model *model;
    struct queue queue;
    struct worker *workers; /* all of them, the one longest unused first */
    size_t worker_count;
    uint8_t *schema; /* READY's payload without costs, of the newest worker; NULL while none came */
    size_t schema_length;
    struct schema_part *parts; /* of a pipeline, views of its schema; NULL: it is none */
    size_t part_count;
    char lacks[PROTOCOL_TEXT_MAX +
               1]; /* of its parts, why it is not ready though it has workers; "": nothing */
    char reason[PROTOCOL_TEXT_MAX + 1]; /* why its workers do not start; "": they do, or nobody has said */
    bool failed;                        /* none of them can; true only without any worker */
    bool ours;          /* the repository has it: if anybody keeps workers of it, it is our supervisor */
    bool expected;      /* who does so, or will in a moment */
    uint32_t weight;    /* of ROUTE_WHOLE: its share of the requests that name no version */
    bool waiting;       /* in the broker's list of versions to dispatch */
    int64_t called_at;  /* monotonic ns: when a worker was asked for that was not there; 0: not lately */
    int64_t clients_at; /* monotonic ns: when a request came that somebody waits for; 0: never */
    int64_t again_at;   /* when to decide again; INT64_MAX: when something changes */
    struct cost cost;   /* of its batches */
    struct sizing sizing;
    int64_t busy;       /* ns that its workers have computed, for batches that came back */
    uint64_t rows_sent; /* in the hands of its workers */
    struct series *batch_duration, *batch_wait, *queue_duration, *batch_rows, *answered;
    bool shown;                             /* it has gauges (gauges.c) */
    struct series *releases[RELEASE_COUNT]; /* NULL: none went for that reason yet */
    struct figures figures;
    struct executions executions;
    struct request *copies;          /* groups that wait for its workers (shadow.c), the oldest first */
    uint64_t copied_rows;            /* of those */
    size_t copied_from;              /* groups of copies, anywhere, of requests that it answered */
    struct version *previous, *next; /* in its model */
    struct version *previous_waiting, *next_waiting;
};

/* A version that the route gives a part of the requests. */
struct model_arm {
    const char *name;        /* a view of the route */
    struct version *version; /* NULL: not known here, or one that takes other inputs */
    uint32_t weight;         /* of ROUTE_WHOLE */
};

/* The version that gets copies of what the stable one answers. */
struct model_shadow {
    struct version *version; /* NULL: none does */
    uint32_t weight;         /* of ROUTE_WHOLE: how many of the requests */
    uint64_t turn;           /* of those */
    size_t open;             /* copies that there are */
    uint64_t bytes;          /* of their questions and answers */
    struct series *copies;   /* NULL: not found yet */
};

struct model {
    unsigned magic;
    char *name;
    struct model_config
        *config; /* a view of the repository's list; NULL: a worker brought it, defaults hold */
    struct dispatch_rule rule;
    bool learned;            /* batches are smaller where more rows hardly pay */
    int64_t compute_timeout; /* ns */
    uint32_t max_kills;
    bool idempotent;
    struct cache *cache; /* NULL: the model never had one */
    struct limit_rule limit;
    uint64_t limit_number;  /* who it is to limits */
    uint64_t limited_count; /* requests for it that a limit refused, its own or another */
    struct series *limited[LIMIT_OF_COUNT][LIMIT_IN_COUNT]; /* the same by limit; NULL: never yet */
    struct version *versions;
    struct version *stable;    /* what requests without a version get that no arm takes; NULL: none */
    const struct route *route; /* what the operator said, else model.conf's; a view, never NULL */
    bool may_rest;             /* its versions may be without workers until somebody asks for them */
    bool stopped;              /* the operator unloaded the model: no workers of it are to come */
    struct model_arm arms[ROUTE_ARMS_MAX]; /* the route's, with their versions */
    size_t arm_count;
    uint32_t stable_weight; /* what the arms leave */
    uint64_t turn;          /* of requests without a key (routing.c) */
    struct model_shadow shadow;
    char *route_text;         /* the route as CATALOG tells it */
    size_t route_text_length; /* 0: it says nothing */
    struct series *queue_rows, *queue_requests, *queue_bytes, *queue_max_rows, *in_flight, *retries;
    struct model *previous, *next;
};

enum { MODELS_MAX = 512, VERSIONS_MAX = 1024 }; /* a CATALOG holds 1,024 entries */

struct model_table;
/* From the configuration, its repository, and what the operator said since (deployments.h); problems with
 * single models are logged, the others are served. */
struct model_table *model_table_new(const struct config *config, struct metrics *metrics);
void model_table_free(struct model_table *table);
/* Reads the repository again: new models and versions come in, bounds and the stable version change, what
 * went stays as long as workers serve it or requests wait for it. And what the operator said, as the next. */
void model_table_reload(struct model_table *table);
/* Reads again what the operator said alone: stable versions and routes change at once. */
void model_table_route(struct model_table *table);

/* The model of that name; the default model for an empty name; NULL. */
struct model *model_find(struct model_table *table, struct text name);
struct version *model_version(struct model *model, struct text name);
/* The version, made when it is not known (a worker serves it); NULL when a table is full. */
struct version *model_require(struct model_table *table, struct text model, struct text version);
struct model *model_first(struct model_table *table); /* the others by `next` */
size_t model_version_count(const struct model_table *table);

/* Finds out anew which versions its route may lead to: one of them said what it takes, and it is something
 * else than before. */
void model_settle_arms(struct model *model);
/* Workers, or what is said of them, have changed: finds out anew which pipelines have all that they need. */
void model_table_settle_parts(struct model_table *table);
/* Ready is also one that rests: without workers, until a request calls for one. */
enum catalog_state version_state(const struct version *version);
/* The same without what it asks as a pipeline: what its own workers say. */
enum catalog_state version_workers_state(const struct version *version);
/* Why it is not ready; "": it is, or nobody has said. */
static inline const char *version_reason(const struct version *version)
{
    return version->reason[0] != '\0' ? version->reason : version->lacks;
}
/* When a worker that computes should get its next batch (monotonic ns): shortly before it has probably done
 * what it has. What is not yet in its hands can still be overtaken, gather company, and go to another. In the
 * past for one that has nothing, or small batches only, or of whose batches nothing is known, and for one
 * that computes side by side. */
int64_t version_due(const struct version *version, const struct worker *worker);
/* How many of its workers should get a batch now, and the one that should first: when there are none, the one
 * of those with a free slot that is due the earliest, or NULL. */
size_t version_free_workers(const struct version *version, int64_t now, struct worker **first);
/* True where what batches take says how large they are: not where max_delay holds them back, which is said of
 * models that want large ones. */
static inline bool version_learns(const struct version *version)
{
    return version->model->learned && version->model->rule.max_delay == 0;
}
/* The most rows that go together to one of its workers: max_batch_rows, or fewer where batching.learned found
 * that more hardly pay. */
static inline uint32_t version_batch_rows(const struct version *version)
{
    uint32_t most = version->model->rule.max_batch_rows;
    return version_learns(version) ? sizing_rows(&version->sizing, most) : most;
}
/* How long its workers have computed, all together, up to now; ns. */
int64_t version_busy(const struct version *version, int64_t now);
/* How long what waits for it will take to get to a worker; ns. */
int64_t version_wait(const struct version *version);
/* READY's payload: what is told of costs becomes the first estimate, the rest is kept for the catalog. */
void version_set_schema(struct version *version, struct text schema);
/* Its workers do not start, for that reason (cut where it is too long); `all`: none of them. "" and false:
 * they do. */
void version_set_fault(struct version *version, struct text reason, bool all);

#endif
