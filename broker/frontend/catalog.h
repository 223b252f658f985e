/* catalog: the models as the broker's last CATALOG told of them: an immutable snapshot, shared by the
 * requests that began with it and given up when the last of them is answered. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CATALOG_H
#define OUTRIGGER_CATALOG_H

#include "protocol.h"
#include "route.h"
#include "schema.h"

struct catalog;
struct layout;
struct fields;
struct sampler;

struct catalog_version {
    char *name;
    enum catalog_state state;
    uint32_t workers; /* ready ones */
    bool stable;
    char *reason;          /* why its workers do not start; "": they do, or nobody has said */
    struct schema *schema; /* NULL while no worker has said it, or when what was said could not be read */
    struct layout
        *layout; /* of that schema; NULL when there is none, or when rows of values cannot fill its inputs */
    struct fields *fields; /* what is said of its columns; NULL: nothing that rows are checked for */
};

struct catalog_model {
    char *name;
    struct catalog_version *versions;
    size_t version_count;                 /* 0: the model has no version */
    bool required;                        /* /ready waits for it */
    const struct catalog_version *stable; /* the one that requests without a version get; NULL: none */
    struct route
        *route; /* which others they get, and by what; NULL: none, and nothing else is to be looked at */
    struct sampler *sampler; /* which of its rows are shown (sampling.h): the loop's thread's; NULL: none */
};

/* A snapshot of these entries with one reference. `default_model`: the configured one; "": the only model
 * there is. */
struct catalog *catalog_new(const struct catalog_entry *entries, size_t count, const char *default_model);
/* Before anybody else holds `catalog`: a version whose workers are all away, and which the broker therefore
 * tells without a schema, gets the one that `known` (NULL: none) has: a version does not change, and a broker
 * that has just started may never have seen a worker of it. */
void catalog_remember(struct catalog *catalog, const struct catalog *known);
/* Before anybody else holds `catalog`: gives each model what `find` finds by its name. */
void catalog_set_samplers(struct catalog *catalog, struct sampler *(*find)(void *self, const char *model),
                          void *self);
/* One reference more; any thread. */
struct catalog *catalog_acquire(struct catalog *catalog);
/* One less; the last frees. Any thread. NULL is fine. */
void catalog_release(struct catalog *catalog);

size_t catalog_count(const struct catalog *catalog);
/* In the order of their names. */
const struct catalog_model *catalog_at(const struct catalog *catalog, size_t index);
/* NULL: there is no such model. An empty name: the default model. */
const struct catalog_model *catalog_find(const struct catalog *catalog, struct text name);
/* NULL: there is no such version. An empty name: the stable one. */
const struct catalog_version *catalog_version(const struct catalog_model *model, struct text name);
/* A worker of the stable version is ready. */
bool catalog_model_ready(const struct catalog_model *model);
/* Somebody has unloaded its model: no worker is awaited. False for NULL. */
bool catalog_version_unloaded(const struct catalog_version *version);
/* What is needed to take requests is known of each required model that is on its way or there. */
bool catalog_complete(const struct catalog *catalog);
/* "loading", "ready", "draining", "failed". */
const char *catalog_state_name(enum catalog_state state);

#endif
