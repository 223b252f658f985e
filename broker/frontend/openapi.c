/* openapi: the document put together, and kept.
 *
 * docs/openapi.json is an OpenAPI document of all that does not depend on models, for people to read and
 * edit; it is embedded, and what the models add is written at its marks (a member named "@paths@" and one
 * named
 * "@schemas@"), by openapi_model.c. A document is made when it is asked for and kept until there is another
 * catalog: one for each view, since who may use some models only is told of no others; KEPT_MAX of them, the
 * one unused longest goes first. The lock is held while one is made, so nobody makes the same one twice.
 * SPDX-License-Identifier: MIT */
#include "openapi.h"

#include "embed.h"
#include "etag.h"
#include "openapi_model.h"

#include <pthread.h>
#include <stdlib.h>

EMBED(openapi_frame, "broker/frontend/docs/openapi.json");

enum { OPENAPI_MAGIC = 0x00be4a91, KEPT_MAX = 8 };

struct document {
    struct catalog *catalog; /* held: so no other can get its address; NULL: there is no document */
    char *models;            /* the view's */
    struct output text;
    char etag[ENTITY_TAG_MAX];
    uint64_t used;
};

struct openapi {
    unsigned magic;
    pthread_mutex_t lock;
    struct document kept[KEPT_MAX];
    uint64_t uses;
};

struct openapi *openapi_new(void)
{
    struct openapi *openapi = object_alloc(sizeof *openapi);
    openapi->magic = OPENAPI_MAGIC;
    ENSURE(pthread_mutex_init(&openapi->lock, NULL) == 0);
    return openapi;
}

static void drop(struct document *document)
{
    catalog_release(document->catalog);
    free(document->models);
    output_free(&document->text);
    *document = (struct document){0};
}

void openapi_forget(struct openapi *openapi)
{
    CHECK_OBJECT(openapi, OPENAPI_MAGIC);
    pthread_mutex_lock(&openapi->lock);
    for (size_t i = 0; i < KEPT_MAX; i++)
        drop(&openapi->kept[i]);
    pthread_mutex_unlock(&openapi->lock);
}

void openapi_free(struct openapi *openapi)
{
    if (openapi == NULL)
        return;
    openapi_forget(openapi);
    pthread_mutex_destroy(&openapi->lock);
    openapi->magic = 0;
    free(openapi);
}

/* ---- writing ---- */

/* Without the blanks between its members, which are for people. */
static void add_dense(struct output *out, const char *at, const char *end)
{
    bool inside = false; /* a string */
    char *place = output_room(out, (size_t)(end - at));
    for (; at < end; at++) {
        if (!inside && (*at == ' ' || *at == '\n'))
            continue;
        *place++ = *at;
        if (inside && *at == '\\')
            *place++ = *++at;
        else if (*at == '"')
            inside = !inside;
    }
    out->length = (size_t)(place - out->bytes);
}

/* Writes the frame up to the mark and returns what stands behind it. */
static const char *add_frame(struct output *out, const char *at, const char *mark)
{
    const char *end = strstr(at, mark);
    ENSURE(end != NULL);
    add_dense(out, at, end);
    return end + strlen(mark);
}

static bool shown(const struct openapi_view *view, const struct catalog_model *model)
{
    return view->models[0] == '\0' || view->may_use(view->self, text_of(model->name));
}

/* What is said of each model, if there is room for all of it. Returns how many there was none for. */
static size_t add_models(struct openapi_parts *parts, const struct catalog *catalog,
                         const struct openapi_view *view)
{
    size_t left_out = 0;
    for (size_t i = 0; i < catalog_count(catalog); i++) {
        const struct catalog_model *model = catalog_at(catalog, i);
        struct openapi_mark mark = openapi_mark(parts);
        if (!shown(view, model))
            continue;
        openapi_model(parts, model, model == catalog_find(catalog, (struct text){0}));
        if (openapi_bytes(parts) <= OPENAPI_MODELS_MAX)
            continue;
        openapi_back_to(parts, &mark);
        left_out++;
    }
    return left_out;
}

void openapi_write(struct output *out, const struct catalog *catalog, const struct openapi_view *view)
{
    struct openapi_parts parts = {0};
    size_t left_out = add_models(&parts, catalog, view);
    openapi_general(&parts, left_out);
    const char *at = add_frame(out, EMBEDDED(openapi_frame).at, "\"@version@\"");
    output_add_json(out, text_of(OUTRIGGER_VERSION));
    at = add_frame(out, at, "\"@paths@\": null,");
    output_add(out, parts.paths.bytes, parts.paths.length);
    at = add_frame(out, at, "\"@schemas@\": null,");
    output_add(out, parts.schemas.bytes, parts.schemas.length);
    add_dense(out, at, at + strlen(at));
    output_add_char(out, '\n');
    openapi_parts_free(&parts);
}

/* ---- keeping ---- */

static bool is_of(const struct document *document, const struct catalog *catalog,
                  const struct openapi_view *view)
{
    return document->catalog == catalog && strcmp(document->models, view->models) == 0;
}

static struct document *find_kept(struct openapi *openapi, struct catalog *catalog,
                                  const struct openapi_view *view)
{
    struct document *oldest = &openapi->kept[0];
    for (size_t i = 0; i < KEPT_MAX; i++) {
        struct document *document = &openapi->kept[i];
        if (is_of(document, catalog, view))
            return document;
        if (document->used < oldest->used)
            oldest = document;
    }
    drop(oldest);
    oldest->catalog = catalog_acquire(catalog);
    oldest->models = object_strdup(view->models);
    openapi_write(&oldest->text, catalog, view);
    entity_tag_make((struct text){oldest->text.bytes, oldest->text.length}, oldest->etag);
    return oldest;
}

void openapi_answer(struct openapi *openapi, struct catalog *catalog, const struct openapi_view *view,
                    const struct http_request *request, struct http_response *response)
{
    CHECK_OBJECT(openapi, OPENAPI_MAGIC);
    pthread_mutex_lock(&openapi->lock);
    struct document *document = find_kept(openapi, catalog, view);
    document->used = ++openapi->uses;
    etag_answer(request, response, document->etag,
                (struct text){document->text.bytes, document->text.length});
    pthread_mutex_unlock(&openapi->lock);
}
