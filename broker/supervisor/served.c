/* served: the audit log says who wished for a version (promote, load); what came of it, which files those
 * were, is known only when a worker has read them and told the broker. So it is a line of its own, by the
 * supervisor, also for what nobody wished for: a folder that appeared, one that was changed in place, a
 * worker of another host. SPDX-License-Identifier: MIT */
#include "served.h"

#include "schema.h"

#include <stdlib.h>

enum {
    SERVED_MAGIC = 0x5e49ed01,
    VERSIONS_MAX = 4096 /* more than a catalog can tell of, with some that went */
};

struct known {
    char *model, *version;
    char digest[SCHEMA_DIGEST_MAX + 1];
    bool stable;
};

struct served {
    unsigned magic;
    struct audit *audit;
    struct known *known; /* in the order in which they came */
    size_t count;
};

struct served *served_new(struct audit *audit)
{
    struct served *served = object_alloc(sizeof(*served));
    served->magic = SERVED_MAGIC;
    served->audit = audit;
    served->known = object_alloc(VERSIONS_MAX * sizeof(*served->known));
    return served;
}

static void clear(struct known *known)
{
    free(known->model);
    free(known->version);
}

void served_free(struct served *served)
{
    if (served == NULL)
        return;
    CHECK_OBJECT(served, SERVED_MAGIC);
    for (size_t i = 0; i < served->count; i++)
        clear(&served->known[i]);
    free(served->known);
    served->magic = 0;
    free(served);
}

static struct known *find(const struct served *served, const char *model, const char *version)
{
    for (size_t i = 0; i < served->count; i++)
        if (strcmp(served->known[i].model, model) == 0 && strcmp(served->known[i].version, version) == 0)
            return &served->known[i];
    return NULL;
}

/* Without room the oldest is forgotten. */
static struct known *add(struct served *served, const char *model, const char *version)
{
    if (served->count == VERSIONS_MAX) {
        clear(&served->known[0]);
        memmove(served->known, served->known + 1, --served->count * sizeof(*served->known));
    }
    struct known *known = &served->known[served->count++];
    *known = (struct known){.model = object_strdup(model), .version = object_strdup(version)};
    return known;
}

static void write_down(struct served *served, const struct known *known)
{
    if (served->audit == NULL)
        return;
    yyjson_mut_doc *entry = audit_begin(AUDIT_SUPERVISOR, "serving");
    yyjson_mut_val *root = yyjson_mut_doc_get_root(entry);
    yyjson_mut_obj_add_strcpy(entry, root, "model", known->model);
    yyjson_mut_obj_add_strcpy(entry, root, "version", known->version);
    if (*known->digest != '\0')
        yyjson_mut_obj_add_strcpy(entry, root, "digest", known->digest);
    yyjson_mut_obj_add_bool(entry, root, "stable", known->stable);
    audit_end(served->audit, entry);
}

static void look_at(void *self, const struct broker_view_version *version)
{
    struct served *served = self;
    if (version->workers == 0)
        return;
    struct known *known = find(served, version->model, version->version);
    bool news =
        known == NULL || strcmp(known->digest, version->digest) != 0 || (version->stable && !known->stable);
    if (known == NULL)
        known = add(served, version->model, version->version);
    text_copy(text_of(version->digest), known->digest, sizeof(known->digest));
    known->stable = version->stable;
    if (news)
        write_down(served, known);
}

void served_look(struct served *served, const struct broker_view *view)
{
    CHECK_OBJECT(served, SERVED_MAGIC);
    broker_view_each(view, look_at, served);
}

const char *served_digest(const struct served *served, const char *model, const char *version)
{
    CHECK_OBJECT(served, SERVED_MAGIC);
    const struct known *known = find(served, model, version);
    return known == NULL ? "" : known->digest;
}
