/* catalog: what a request asks about models, answered from memory.
 *
 * The broker sends the whole truth on every change (PROTOCOL.md, CATALOG); from it a new snapshot is made and
 * the old one is let go. A request holds the snapshot that it began with until it is answered, so the schema
 * that its input was checked against, and the labels that its answer needs, cannot vanish under it, and
 * threads of the side lane read without a lock. The only thing that changes in a snapshot is the count of its
 * holders. SPDX-License-Identifier: MIT */
#include "catalog.h"

#include "fields.h"
#include "layout.h"
#include "log.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { CATALOG_MAGIC = 0x0ca7a106 };

struct catalog {
    unsigned magic;
    atomic_uint holders;
    const struct catalog_model *standard; /* the default model; NULL: none */
    struct catalog_model *models;         /* in the order of their names */
    size_t count;
};

static char *copy_of(struct text text)
{
    char *copy = object_alloc(text.length + 1);
    return text_copy(text, copy, text.length + 1);
}

static int compare(struct text a, struct text b)
{
    int order = memcmp(a.at, b.at, a.length < b.length ? a.length : b.length);
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static void set_schema(struct catalog_version *version, struct text model, const uint8_t *bytes,
                       size_t length)
{
    const char *reason = NULL;
    version->schema = schema_decode(bytes, length, &reason);
    if (version->schema == NULL)
        log_warning("model %.*s: its schema cannot be read: %s", (int)model.length, model.at, reason);
    if (version->schema == NULL)
        return;
    version->layout = layout_new(version->schema);
    version->fields = fields_new(version->schema, version->layout);
}

static void set_version(struct catalog_version *version, const struct catalog_entry *entry)
{
    version->name = copy_of(entry->version);
    version->state = entry->state;
    version->workers = entry->workers;
    version->stable = entry->stable;
    version->reason = copy_of(entry->reason);
    if (entry->schema.length > 0)
        set_schema(version, entry->model, (const uint8_t *)entry->schema.at, entry->schema.length);
}

/* A broker of another build may say what cannot be read: it still routes by it, and only rules are lost. */
static void set_route(struct catalog_model *model, struct text text)
{
    char reason[256];
    model->route = route_from_peer(text, reason, sizeof reason);
    if (model->route == NULL)
        log_warning("model %s: its route cannot be read: %s", model->name, reason);
}

/* One model from its entries. An entry without a version says only that the model exists. */
static void set_model(struct catalog_model *model, const struct catalog_entry *const *entries, size_t count)
{
    model->name = copy_of(entries[0]->model);
    model->required = entries[0]->required;
    model->versions = object_alloc(count * sizeof *model->versions);
    for (size_t i = 0; i < count; i++) {
        if (entries[i]->version.length == 0)
            continue;
        struct catalog_version *version = &model->versions[model->version_count++];
        set_version(version, entries[i]);
        if (version->stable)
            model->stable = version;
        if (entries[i]->route.length > 0 && model->route == NULL)
            set_route(model, entries[i]->route);
    }
}

/* The entries in the order of their models; those of one model stay as the broker sent them. */
static const struct catalog_entry **sorted(const struct catalog_entry *entries, size_t count)
{
    const struct catalog_entry **pointers = object_alloc(count * sizeof(*pointers));
    for (size_t i = 0; i < count; i++)
        pointers[i] = &entries[i];
    for (size_t i = 1; i < count; i++) /* insertion: stable, and the broker's list is nearly in order */
        for (size_t at = i; at > 0 && compare(pointers[at - 1]->model, pointers[at]->model) > 0; at--) {
            const struct catalog_entry *entry = pointers[at];
            pointers[at] = pointers[at - 1];
            pointers[at - 1] = entry;
        }
    return pointers;
}

struct catalog *catalog_new(const struct catalog_entry *entries, size_t count, const char *default_model)
{
    struct catalog *catalog = object_alloc(sizeof *catalog);
    catalog->magic = CATALOG_MAGIC;
    atomic_init(&catalog->holders, 1);
    catalog->models = object_alloc(count * sizeof *catalog->models);
    const struct catalog_entry **order = sorted(entries, count);
    for (size_t first = 0, next; first < count; first = next) {
        next = first + 1;
        while (next < count && compare(order[first]->model, order[next]->model) == 0)
            next++;
        set_model(&catalog->models[catalog->count++], order + first, next - first);
    }
    free(order);
    if (default_model[0] != '\0')
        catalog->standard = catalog_find(catalog, text_of(default_model));
    else if (catalog->count == 1)
        catalog->standard = &catalog->models[0];
    return catalog;
}

void catalog_remember(struct catalog *catalog, const struct catalog *known)
{
    CHECK_OBJECT(catalog, CATALOG_MAGIC);
    for (size_t i = 0; known != NULL && i < catalog->count; i++) {
        struct catalog_model *model = &catalog->models[i];
        const struct catalog_model *before = catalog_find(known, text_of(model->name));
        for (size_t j = 0; before != NULL && j < model->version_count; j++) {
            struct catalog_version *version = &model->versions[j];
            const struct catalog_version *same = catalog_version(before, text_of(version->name));
            if (version->state != CATALOG_LOADING || version->schema != NULL || same == NULL ||
                same->schema == NULL)
                continue;
            size_t length;
            uint8_t *bytes = schema_encode(same->schema, &length);
            set_schema(version, text_of(model->name), bytes, length);
            free(bytes);
        }
    }
}

struct catalog *catalog_acquire(struct catalog *catalog)
{
    CHECK_OBJECT(catalog, CATALOG_MAGIC);
    atomic_fetch_add_explicit(&catalog->holders, 1, memory_order_relaxed);
    return catalog;
}

void catalog_set_samplers(struct catalog *catalog, struct sampler *(*find)(void *self, const char *model),
                          void *self)
{
    CHECK_OBJECT(catalog, CATALOG_MAGIC);
    for (size_t i = 0; i < catalog->count; i++)
        catalog->models[i].sampler = find(self, catalog->models[i].name);
}

static void free_model(struct catalog_model *model)
{
    for (size_t i = 0; i < model->version_count; i++) {
        fields_free(model->versions[i].fields);
        layout_free(model->versions[i].layout);
        schema_free(model->versions[i].schema);
        free(model->versions[i].reason);
        free(model->versions[i].name);
    }
    free(model->versions);
    route_free(model->route);
    free(model->name);
}

void catalog_release(struct catalog *catalog)
{
    if (catalog == NULL)
        return;
    CHECK_OBJECT(catalog, CATALOG_MAGIC);
    if (atomic_fetch_sub_explicit(&catalog->holders, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < catalog->count; i++)
        free_model(&catalog->models[i]);
    free(catalog->models);
    catalog->magic = 0;
    free(catalog);
}

size_t catalog_count(const struct catalog *catalog)
{
    CHECK_OBJECT(catalog, CATALOG_MAGIC);
    return catalog->count;
}

const struct catalog_model *catalog_at(const struct catalog *catalog, size_t index)
{
    CHECK_OBJECT(catalog, CATALOG_MAGIC);
    ENSURE(index < catalog->count);
    return &catalog->models[index];
}

const struct catalog_model *catalog_find(const struct catalog *catalog, struct text name)
{
    CHECK_OBJECT(catalog, CATALOG_MAGIC);
    if (name.length == 0)
        return catalog->standard;
    size_t low = 0;
    size_t high = catalog->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(name, text_of(catalog->models[middle].name));
        if (order == 0)
            return &catalog->models[middle];
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct catalog_version *catalog_version(const struct catalog_model *model, struct text name)
{
    if (name.length == 0)
        return model->stable;
    for (size_t i = 0; i < model->version_count; i++)
        if (text_is(name, model->versions[i].name))
            return &model->versions[i];
    return NULL;
}

bool catalog_model_ready(const struct catalog_model *model)
{
    return model->stable != NULL && model->stable->state == CATALOG_READY;
}

bool catalog_version_unloaded(const struct catalog_version *version)
{
    return version != NULL && version->state == CATALOG_FAILED &&
           strcmp(version->reason, CATALOG_UNLOADED) == 0;
}

bool catalog_complete(const struct catalog *catalog)
{
    CHECK_OBJECT(catalog, CATALOG_MAGIC);
    for (size_t i = 0; i < catalog->count; i++) {
        const struct catalog_model *model = &catalog->models[i];
        if (model->required && model->stable != NULL && model->stable->state == CATALOG_LOADING &&
            model->stable->schema == NULL)
            return false;
    }
    return true;
}

const char *catalog_state_name(enum catalog_state state)
{
    static const char *const names[] = {
        [CATALOG_LOADING] = "loading",
        [CATALOG_READY] = "ready",
        [CATALOG_DRAINING] = "draining",
        [CATALOG_FAILED] = "failed",
    };
    return (size_t)state < COUNT_OF(names) ? names[state] : "unknown";
}
