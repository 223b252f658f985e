/* deployments: reads and writes STATE/deployments.json.
 *
 *   {"models": {"NAME": {"stable": "3", "serving": "3", "previous": "2", "route": {...}, "stopped": true,
 *                        "instances": 4, "instances_min": 1, "instances_max": 4, "loaded": ["5"],
 *                        "unloaded": ["1"]}}}
 *
 * The file is the truth of what the operator said: it is on the disk before anything is done, so that a
 * supervisor that dies on the way finds out what it was about to do. A person may have edited it, so each
 * fault is said and costs no more than what is wrong. SPDX-License-Identifier: MIT */
#include "deployments.h"

#include "durable.h"
#include "parameter_reader.h"
#include "protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <yyjson.h>

enum {
    MODELS_MAX = PROTOCOL_COUNT_MAX,  /* more would not fit a CATALOG */
    VERSIONS_MAX = PROTOCOL_COUNT_MAX /* of one list */
};

/* ---- one model ---- */

static struct deployment *deployment_new(const char *model)
{
    struct deployment *deployment = object_alloc(sizeof *deployment);
    deployment->model = object_strdup(model);
    deployment->instances = deployment->instances_min = deployment->instances_max = DEPLOYMENT_UNSAID;
    return deployment;
}

static void deployment_free(struct deployment *deployment)
{
    free(deployment->model);
    free(deployment->stable);
    free(deployment->serving);
    free(deployment->previous);
    route_free(deployment->route);
    config_names_free(&deployment->loaded);
    config_names_free(&deployment->unloaded);
    config_names_free(&deployment->asked);
    config_names_free(&deployment->asked_as_shadow);
    free(deployment);
}

void deployment_say(char **member, const char *text)
{
    char *copy = text == NULL ? NULL : object_strdup(text); /* may be what is freed now */
    free(*member);
    *member = copy;
}

bool deployment_lists(const struct config_names *list, const char *version)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->names[i], version) == 0)
            return true;
    return false;
}

void deployment_list(struct config_names *list, const char *version)
{
    if (deployment_lists(list, version))
        return;
    list->names = realloc(list->names, (list->count + 1) * sizeof(char *));
    ENSURE(list->names != NULL);
    list->names[list->count++] = object_strdup(version);
}

void deployment_unlist(struct config_names *list, const char *version)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], version) != 0)
            continue;
        free(list->names[i]);
        list->names[i] = list->names[--list->count];
        return;
    }
}

void deployment_ask(struct deployment *deployment, const struct route *route, const char *version)
{
    bool copies = route_only_shadows(route, version);
    deployment_list(copies ? &deployment->asked_as_shadow : &deployment->asked, version);
}

void deployment_ask_no_more(struct deployment *deployment, const char *version)
{
    deployment_unlist(&deployment->asked, version);
    deployment_unlist(&deployment->asked_as_shadow, version);
}

static bool says_nothing(const struct deployment *deployment)
{
    return deployment->stable == NULL && deployment->serving == NULL && deployment->previous == NULL &&
           deployment->route == NULL && !deployment->stopped && deployment->instances == DEPLOYMENT_UNSAID &&
           deployment->instances_min == DEPLOYMENT_UNSAID && deployment->instances_max == DEPLOYMENT_UNSAID &&
           deployment->loaded.count == 0 && deployment->unloaded.count == 0;
}

/* ---- reading ---- */

/* Where complaints come from. */
struct place {
    const char *file;
    const char *model;
    struct config_errors *errors;
};

static void complain(const struct place *place, const char *key, const char *what)
{
    config_complain(place->errors, "%s: %s of the model %s: %s", place->file, key, place->model, what);
}

static void read_version(yyjson_val *value, const char *key, const struct place *place, char **member)
{
    struct text text = {yyjson_get_str(value), yyjson_get_len(value)};
    if (text.at == NULL || !protocol_name_ok(text))
        complain(place, key, "expected a version's name");
    else
        deployment_say(member, text.at);
}

static void read_versions(yyjson_val *value, const char *key, const struct place *place,
                          struct config_names *list)
{
    size_t index, count;
    yyjson_val *entry;
    if (!yyjson_is_arr(value) || yyjson_arr_size(value) > VERSIONS_MAX) {
        complain(place, key, "expected a list of at most 1024 versions");
        return;
    }
    yyjson_arr_foreach(value, index, count, entry)
    {
        char *version = NULL;
        read_version(entry, key, place, &version);
        if (version != NULL)
            deployment_list(list, version);
        free(version);
    }
}

/* The bounds of model.conf's `instances`. */
static void read_count(yyjson_val *value, const char *key, const struct place *place, int64_t *member)
{
    enum { INSTANCES_MAX = 256 };
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > INSTANCES_MAX)
        complain(place, key, "expected a whole number from 0 to 256");
    else
        *member = (int64_t)yyjson_get_uint(value);
}

static void read_route(yyjson_val *value, const char *key, const struct place *place,
                       struct deployment *deployment)
{
    char reason[512];
    struct route *route = route_from_json(value, reason, sizeof reason);
    if (route == NULL) {
        complain(place, key, reason);
        return;
    }
    route_free(deployment->route);
    deployment->route = route;
}

static void read_member(const char *key, yyjson_val *value, const struct place *place,
                        struct deployment *deployment)
{
    if (strcmp(key, "stable") == 0)
        read_version(value, key, place, &deployment->stable);
    else if (strcmp(key, "serving") == 0)
        read_version(value, key, place, &deployment->serving);
    else if (strcmp(key, "previous") == 0)
        read_version(value, key, place, &deployment->previous);
    else if (strcmp(key, "route") == 0)
        read_route(value, key, place, deployment);
    else if (strcmp(key, "instances") == 0)
        read_count(value, key, place, &deployment->instances);
    else if (strcmp(key, "instances_min") == 0)
        read_count(value, key, place, &deployment->instances_min);
    else if (strcmp(key, "instances_max") == 0)
        read_count(value, key, place, &deployment->instances_max);
    else if (strcmp(key, "loaded") == 0)
        read_versions(value, key, place, &deployment->loaded);
    else if (strcmp(key, "unloaded") == 0)
        read_versions(value, key, place, &deployment->unloaded);
    else if (strcmp(key, "stopped") != 0)
        complain(place, key, "is no key that is known here");
    else if (!yyjson_is_bool(value))
        complain(place, key, "expected true or false");
    else
        deployment->stopped = yyjson_get_bool(value);
}

static void read_model(struct deployments *deployments, struct text name, yyjson_val *value, const char *file,
                       struct config_errors *errors)
{
    size_t index, count;
    yyjson_val *key, *member;
    if (!protocol_name_ok(name)) {
        config_complain(errors, "%s: \"%.140s\" is no model's name", file, name.at);
        return;
    }
    struct place place = {file, name.at, errors};
    if (!yyjson_is_obj(value)) {
        complain(&place, "what is said", "expected an object");
        return;
    }
    struct deployment *deployment = deployments_require(deployments, name.at);
    yyjson_obj_foreach(value, index, count, key, member)
    {
        read_member(yyjson_get_str(key), member, &place, deployment);
    }
}

struct deployments *deployments_parse(const char *name, const char *text, size_t length,
                                      struct config_errors *errors)
{
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_read_err error = {0};
    struct deployments *deployments = object_alloc(sizeof *deployments);
    /* Without INSITU yyjson does not write to it, whatever its prototype says. */
    yyjson_doc *document =
        yyjson_read_opts((char *)(uintptr_t)text, length, YYJSON_READ_NOFLAG, NULL, &error);
    yyjson_val *models = yyjson_obj_get(yyjson_doc_get_root(document), "models");
    if (document == NULL)
        config_complain(errors, "%s: %s at byte %zu", name, error.msg, error.pos);
    else if (!yyjson_is_obj(models) || yyjson_obj_size(models) > MODELS_MAX)
        config_complain(errors, "%s: expected {\"models\": {...}} with at most %d of them", name, MODELS_MAX);
    else
        yyjson_obj_foreach(models, index, count, key, value)
        {
            read_model(deployments, (struct text){yyjson_get_str(key), yyjson_get_len(key)}, value, name,
                       errors);
        }
    yyjson_doc_free(document);
    return deployments;
}

struct deployments *deployments_read(const char *path, struct config_errors *errors)
{
    const char *reason;
    if (access(path, F_OK) == -1 && errno == ENOENT)
        return object_alloc(sizeof(struct deployments));
    char *text = parameter_slurp(path, &reason);
    if (text == NULL) {
        config_complain(errors, "%s: %s", path, reason);
        return object_alloc(sizeof(struct deployments));
    }
    struct deployments *deployments = deployments_parse(path, text, strlen(text), errors);
    free(text);
    return deployments;
}

/* ---- writing ---- */

static void write_text(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, const char *text)
{
    if (text != NULL)
        yyjson_mut_obj_add_str(document, object, key, text);
}

static void write_count(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, int64_t count)
{
    if (count != DEPLOYMENT_UNSAID)
        yyjson_mut_obj_add_int(document, object, key, count);
}

static void write_list(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key,
                       const struct config_names *list)
{
    if (list->count == 0)
        return;
    yyjson_mut_val *array = yyjson_mut_obj_add_arr(document, object, key);
    for (size_t i = 0; i < list->count; i++)
        yyjson_mut_arr_add_str(document, array, list->names[i]);
}

static void write_model(yyjson_mut_doc *document, yyjson_mut_val *object, const struct deployment *deployment)
{
    write_text(document, object, "stable", deployment->stable);
    write_text(document, object, "serving", deployment->serving);
    write_text(document, object, "previous", deployment->previous);
    if (deployment->route != NULL)
        route_to_json(deployment->route, document, yyjson_mut_obj_add_obj(document, object, "route"));
    if (deployment->stopped)
        yyjson_mut_obj_add_true(document, object, "stopped");
    write_count(document, object, "instances", deployment->instances);
    write_count(document, object, "instances_min", deployment->instances_min);
    write_count(document, object, "instances_max", deployment->instances_max);
    write_list(document, object, "loaded", &deployment->loaded);
    write_list(document, object, "unloaded", &deployment->unloaded);
}

/* The whole file as text, which the caller frees. */
static char *print(const struct deployments *deployments, size_t *length)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    ENSURE(document != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_val *models = yyjson_mut_obj_add_obj(document, root, "models");
    for (size_t i = 0; i < deployments->count; i++)
        if (!says_nothing(deployments->models[i]))
            write_model(document, yyjson_mut_obj_add_obj(document, models, deployments->models[i]->model),
                        deployments->models[i]);
    char *text = yyjson_mut_write(document, YYJSON_WRITE_PRETTY, length);
    ENSURE(text != NULL); /* every text in it was checked when it came in */
    yyjson_mut_doc_free(document);
    return text;
}

int deployments_write(const char *path, const struct deployments *deployments)
{
    size_t length;
    char *text = print(deployments, &length);
    int result = durable_write(path, text, length), error = errno;
    free(text);
    errno = error;
    return result;
}

/* ---- the table ---- */

static void copy_list(struct config_names *to, const struct config_names *from)
{
    for (size_t i = 0; i < from->count; i++)
        deployment_list(to, from->names[i]);
}

struct deployments *deployments_copy(const struct deployments *deployments)
{
    struct deployments *copy = object_alloc(sizeof *copy);
    for (size_t i = 0; i < deployments->count; i++) {
        const struct deployment *from = deployments->models[i];
        struct deployment *to = deployments_require(copy, from->model);
        deployment_say(&to->stable, from->stable);
        deployment_say(&to->serving, from->serving);
        deployment_say(&to->previous, from->previous);
        to->route = from->route == NULL ? NULL : route_copy(from->route);
        to->stopped = from->stopped;
        to->instances = from->instances;
        to->instances_min = from->instances_min;
        to->instances_max = from->instances_max;
        copy_list(&to->loaded, &from->loaded);
        copy_list(&to->unloaded, &from->unloaded);
        copy_list(&to->asked, &from->asked);
        copy_list(&to->asked_as_shadow, &from->asked_as_shadow);
    }
    return copy;
}

void deployments_free(struct deployments *deployments)
{
    if (deployments == NULL)
        return;
    for (size_t i = 0; i < deployments->count; i++)
        deployment_free(deployments->models[i]);
    free(deployments->models);
    free(deployments);
}

struct deployment *deployments_find(const struct deployments *deployments, const char *model)
{
    for (size_t i = 0; i < deployments->count; i++)
        if (strcmp(deployments->models[i]->model, model) == 0)
            return deployments->models[i];
    return NULL;
}

struct deployment *deployments_require(struct deployments *deployments, const char *model)
{
    struct deployment *deployment = deployments_find(deployments, model);
    if (deployment != NULL)
        return deployment;
    deployments->models =
        realloc(deployments->models, (deployments->count + 1) * sizeof *deployments->models);
    ENSURE(deployments->models != NULL);
    deployment = deployments->models[deployments->count++] = deployment_new(model);
    return deployment;
}

/* ---- what holds ---- */

const char *deployment_stable(const struct model_config *model, const struct deployments *deployments)
{
    const struct deployment *said = deployments_find(deployments, model->name);
    return said != NULL && said->serving != NULL ? said->serving : deployment_wanted(model, deployments);
}

const char *deployment_wanted(const struct model_config *model, const struct deployments *deployments)
{
    const struct deployment *said = deployments_find(deployments, model->name);
    if (said != NULL && said->stable != NULL && deployment_lists(&model->versions, said->stable))
        return said->stable;
    return model_stable_version(model);
}

const struct route *deployment_route(const struct model_config *model, const struct deployments *deployments)
{
    const struct deployment *said = deployments_find(deployments, model->name);
    return said != NULL && said->route != NULL ? said->route : model->route;
}

char *deployments_path(const struct config *config, char *path)
{
    snprintf(path, DEPLOYMENTS_PATH_BYTES, "%s/deployments.json", config->state_directory);
    return path;
}

/* ---- how many ---- */

static void apply_said(const struct deployment *said, struct deployment_bounds *bounds)
{
    if (said->instances_min != DEPLOYMENT_UNSAID) {
        bounds->min = said->instances_min;
        bounds->max = bounds->max < bounds->min ? bounds->min : bounds->max;
    }
    if (said->instances_max != DEPLOYMENT_UNSAID) {
        bounds->max = said->instances_max;
        bounds->min = bounds->min > bounds->max ? bounds->max : bounds->min;
    }
    if (said->instances > 0)
        bounds->min = bounds->max = said->instances;
}

struct deployment_bounds deployment_bounds(const struct model_config *model, const struct deployment *said)
{
    bool automatic = model->scaling_max > 0;
    struct deployment_bounds bounds = {.min = automatic ? model->scaling_min : model->instances,
                                       .max = automatic ? model->scaling_max : model->instances,
                                       .begin = model->instances};
    if (said != NULL)
        apply_said(said, &bounds);
    bool down = said != NULL && said->instances == 0;
    if (bounds.begin == 0 && !down) /* how it is called is known when one has run */
        bounds.begin = 1;
    if (down || bounds.begin < bounds.min)
        bounds.begin = bounds.min;
    if (bounds.begin > bounds.max)
        bounds.begin = bounds.max;
    return bounds;
}

bool deployment_may_rest(const struct deployment_bounds *bounds)
{
    return bounds->min == 0 && bounds->max > 0;
}
