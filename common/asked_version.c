/* asked_version: see asked_version.h. Kept by asker.c.
 *
 * The catalog, which the broker tells whenever it changes, says what a version takes. What versions said is
 * kept, for answers of one may come after the next one is asked. SPDX-License-Identifier: MIT */
#include "asked_version.h"

#include "log.h"
#include "schema_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    ASKED_VERSION_MAGIC = 0x0a5c0102,
    SHOWN_MAX = 160 /* bytes of a list of names, or of words of others */
};

/* A version that is or was asked. */
struct version {
    char name[PROTOCOL_NAME_MAX + 1];
    struct schema *schema;
    struct version *next;
};

struct asked_version {
    unsigned magic;
    bool follow;
    char model[PROTOCOL_NAME_MAX + 1];  /* "": nobody has said */
    char wanted[PROTOCOL_NAME_MAX + 1]; /* "": the stable one */
    struct version *versions;           /* the one that is asked first */
    char why_not[ASKED_VERSION_REASON_MAX];
};

struct asked_version *asked_version_new(bool follow)
{
    struct asked_version *asked = object_alloc(sizeof *asked);
    asked->magic = ASKED_VERSION_MAGIC;
    asked->follow = follow;
    return asked;
}

void asked_version_free(struct asked_version *asked)
{
    if (asked == NULL)
        return;
    CHECK_OBJECT(asked, ASKED_VERSION_MAGIC);
    while (asked->versions != NULL) {
        struct version *version = asked->versions;
        LL_DELETE(asked->versions, version);
        schema_free(version->schema);
        free(version);
    }
    asked->magic = 0;
    free(asked);
}

void asked_version_want(struct asked_version *asked, const char *model, const char *version)
{
    CHECK_OBJECT(asked, ASKED_VERSION_MAGIC);
    ENSURE(asked->versions == NULL);
    text_copy(text_of(model), asked->model, sizeof asked->model);
    text_copy(text_of(version), asked->wanted, sizeof asked->wanted);
}

static bool is_wanted(const struct asked_version *asked, const struct catalog_entry *entry)
{
    return text_is(entry->model, asked->model) &&
           (*asked->wanted == '\0' ? entry->stable : text_is(entry->version, asked->wanted));
}

/* "1, 2": the versions of the model, or else the models that there are. */
static size_t list_names(const struct asked_version *asked, const struct catalog_entry *entries, size_t count,
                         bool versions, char list[SHOWN_MAX])
{
    size_t length = 0, listed = 0;
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        struct text name = versions ? entries[i].version : entries[i].model;
        bool repeated = !versions && i > 0 && name.length == entries[i - 1].model.length &&
                        memcmp(name.at, entries[i - 1].model.at, name.length) == 0;
        if (name.length == 0 || repeated || (versions && !text_is(entries[i].model, asked->model)))
            continue;
        if (length + name.length + sizeof ", ..." > SHOWN_MAX) {
            snprintf(list + length, SHOWN_MAX - length, ", ...");
            return listed;
        }
        length += (size_t)snprintf(list + length, SHOWN_MAX - length, "%s%.*s", listed > 0 ? ", " : "",
                                   (int)name.length, name.at);
        listed++;
    }
    return listed;
}

static bool has_model(const struct asked_version *asked, const struct catalog_entry *entries, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || text_is(entries[i].model, asked->model);
    return any;
}

/* Why there is no version to ask; `entry` is the one that is wanted, or NULL. */
static void explain(struct asked_version *asked, const struct catalog_entry *entry,
                    const struct catalog_entry *entries, size_t count)
{
    char list[SHOWN_MAX];
    bool model = has_model(asked, entries, count);
    size_t listed = list_names(asked, entries, count, model, list);
    if (!model)
        snprintf(asked->why_not, sizeof asked->why_not, "there is no model %s; there %s %s", asked->model,
                 listed == 1 ? "is" : "are", listed == 0 ? "none" : list);
    else if (entry == NULL && *asked->wanted != '\0')
        snprintf(asked->why_not, sizeof asked->why_not, "model %s has no version %s; it has %s", asked->model,
                 asked->wanted, listed == 0 ? "none" : list);
    else if (entry == NULL || entry->version.length == 0)
        snprintf(asked->why_not, sizeof asked->why_not, "model %s has no version that takes requests",
                 asked->model);
    else
        snprintf(
            asked->why_not, sizeof asked->why_not, "version %.*s of model %s is not ready%s%.*s",
            (int)entry->version.length, entry->version.at, asked->model, entry->reason.length > 0 ? ": " : "",
            (int)(entry->reason.length < SHOWN_MAX ? entry->reason.length : SHOWN_MAX), entry->reason.at);
}

static void add_version(struct asked_version *asked, const struct catalog_entry *entry, struct schema *schema)
{
    struct version *version = object_alloc(sizeof *version);
    text_copy(entry->version, version->name, sizeof version->name);
    version->schema = schema;
    LL_PREPEND(asked->versions, version);
}

/* Another version is the stable one now. What it takes must be what rows are made for. */
static void go_over(struct asked_version *asked, const struct catalog_entry *entry)
{
    char how[ASKED_VERSION_REASON_MAX], name[PROTOCOL_NAME_MAX + 1];
    const char *wrong;
    struct version *known;
    LL_FOREACH(asked->versions, known)
    if (text_is(entry->version, known->name)) {
        LL_DELETE(asked->versions, known);
        LL_PREPEND(asked->versions, known);
        return;
    }
    struct schema *schema = schema_decode((const uint8_t *)entry->schema.at, entry->schema.length, &wrong);
    text_copy(entry->version, name, sizeof name);
    if (schema != NULL &&
        schema_same_inputs(asked->versions->schema, asked->versions->name, schema, name, how, sizeof how)) {
        log_info("version %s of model %s is asked from now on", name, asked->model);
        add_version(asked, entry, schema);
        return;
    }
    log_warning("version %s of model %s is still asked, as %s takes other rows: %s", asked->versions->name,
                asked->model, name, schema == NULL ? wrong : how);
    schema_free(schema);
}

static enum asked_version_news take_first(struct asked_version *asked, const struct catalog_entry *entry)
{
    const char *wrong;
    struct schema *schema = schema_decode((const uint8_t *)entry->schema.at, entry->schema.length, &wrong);
    if (schema == NULL) {
        snprintf(asked->why_not, sizeof asked->why_not,
                 "what version %.*s of model %s takes is unreadable: %s", (int)entry->version.length,
                 entry->version.at, asked->model, wrong);
        return ASKED_VERSION_NO_NEWS;
    }
    add_version(asked, entry, schema);
    return ASKED_VERSION_FOUND;
}

enum asked_version_news asked_version_take(struct asked_version *asked, const struct catalog_entry *entries,
                                           size_t count)
{
    CHECK_OBJECT(asked, ASKED_VERSION_MAGIC);
    const struct catalog_entry *found = NULL;
    for (size_t i = 0; i < count && *asked->model != '\0' && found == NULL; i++)
        if (is_wanted(asked, &entries[i]))
            found = &entries[i];
    if (asked->versions == NULL && (found == NULL || found->schema.length == 0)) {
        explain(asked, found, entries, count);
        return found == NULL && count > 0 ? ASKED_VERSION_UNKNOWN : ASKED_VERSION_NO_NEWS;
    }
    if (asked->versions == NULL)
        return take_first(asked, found);
    if (asked->follow && *asked->wanted == '\0' && found != NULL && found->schema.length > 0 &&
        !text_is(found->version, asked->versions->name))
        go_over(asked, found);
    return ASKED_VERSION_NO_NEWS;
}

const char *asked_version_model(const struct asked_version *asked)
{
    CHECK_OBJECT(asked, ASKED_VERSION_MAGIC);
    return asked->model;
}

const char *asked_version_name(const struct asked_version *asked)
{
    CHECK_OBJECT(asked, ASKED_VERSION_MAGIC);
    return asked->versions == NULL ? "" : asked->versions->name;
}

const struct schema *asked_version_schema(const struct asked_version *asked, struct text name)
{
    CHECK_OBJECT(asked, ASKED_VERSION_MAGIC);
    const struct version *version;
    LL_FOREACH(asked->versions, version)
    {
        if (text_is(name, version->name))
            return version->schema;
    }
    return asked->versions == NULL ? NULL : asked->versions->schema;
}

const char *asked_version_why_not(const struct asked_version *asked)
{
    CHECK_OBJECT(asked, ASKED_VERSION_MAGIC);
    return asked->why_not;
}
