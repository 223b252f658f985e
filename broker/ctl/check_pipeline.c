/* check_pipeline: whether pipelines can be what they say: that the models which they ask are there and will
 * run, that none is a part of itself, and that what one step gives is what the next one takes. The shapes are
 * those that the models' own workers tell; what a model in Python takes is not known before it runs, and of a
 * pipeline with such a part no more is checked than the rest. SPDX-License-Identifier: MIT */
#include "checked.h"

#include "inspect.h"
#include "pipeline_tree.h"
#include "wiring.h"

#include <stdio.h>
#include <stdlib.h>

/* What some version takes, as far as it was looked up. */
struct known {
    const struct model_config *model;
    const char *version; /* a view of the model's, or of a pipeline's */
    struct schema *schema;
    struct known *next;
};

struct look {
    struct check *check;
    struct pipeline_tree *tree;
    struct known *known;
    bool unknown; /* what some part takes cannot be known here */
};

/* ---- a description as a schema ---- */

static bool read_tensors(yyjson_val *list, struct schema_tensor **tensors, size_t *count)
{
    size_t index, size, i, rank;
    yyjson_val *value, *dimension;
    *tensors = object_alloc(yyjson_arr_size(list) * sizeof **tensors);
    yyjson_arr_foreach(list, index, size, value)
    {
        struct schema_tensor *tensor = &(*tensors)[(*count)++];
        const char *name = yyjson_get_str(yyjson_obj_get(value, "name"));
        tensor->name = object_strdup(name == NULL ? "" : name);
        if (!datatype_parse(text_of(yyjson_get_str(yyjson_obj_get(value, "datatype"))), &tensor->datatype) ||
            yyjson_arr_size(yyjson_obj_get(value, "shape")) > TENSOR_RANK_MAX)
            return false;
        yyjson_arr_foreach(yyjson_obj_get(value, "shape"), i, rank, dimension)
        {
            tensor->shape[tensor->rank++] = yyjson_get_sint(dimension);
        }
    }
    return *count > 0;
}

/* NULL when it tells of none. */
static struct schema *schema_of(yyjson_doc *description)
{
    yyjson_val *root = yyjson_doc_get_root(description);
    struct schema *schema = schema_new();
    if (read_tensors(yyjson_obj_get(root, "inputs"), &schema->inputs, &schema->input_count) &&
        read_tensors(yyjson_obj_get(root, "outputs"), &schema->outputs, &schema->output_count))
        return schema;
    schema_free(schema);
    return NULL;
}

static void add_tensor(yyjson_mut_doc *document, yyjson_mut_val *list, const char *name,
                       const struct schema_tensor *tensor)
{
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, list);
    yyjson_mut_obj_add_strcpy(document, entry, "name", name);
    yyjson_mut_obj_add_str(document, entry, "datatype", datatype_name(tensor->datatype));
    yyjson_mut_val *shape = yyjson_mut_obj_add_arr(document, entry, "shape");
    for (uint32_t i = 0; i < tensor->rank; i++)
        yyjson_mut_arr_add_sint(document, shape, tensor->shape[i]);
}

/* What its worker could not tell alone. */
static yyjson_doc *describe(const struct wiring *wiring, yyjson_doc *description)
{
    yyjson_mut_doc *document = yyjson_doc_mut_copy(description, NULL);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
    yyjson_mut_obj_remove_key(root, "inputs");
    yyjson_mut_obj_remove_key(root, "outputs");
    yyjson_mut_val *inputs = yyjson_mut_obj_add_arr(document, root, "inputs");
    for (size_t i = 0; i < wiring->input_count; i++)
        add_tensor(document, inputs, wiring->inputs[i].name, &wiring->inputs[i]);
    yyjson_mut_val *outputs = yyjson_mut_obj_add_arr(document, root, "outputs");
    for (size_t i = 0; i < wiring->output_count; i++)
        add_tensor(document, outputs, wiring->outputs[i].name,
                   wiring_tensor(wiring, wiring->outputs[i].from));
    yyjson_mut_val *steps = yyjson_mut_obj_add_arr(document, root, "steps");
    for (size_t i = 0; i < wiring->pipeline->step_count; i++)
        yyjson_mut_arr_add_strcpy(document, steps, wiring->pipeline->steps[i].name);
    yyjson_doc *described = yyjson_mut_doc_imut_copy(document, NULL);
    yyjson_mut_doc_free(document);
    return described;
}

/* ---- what a part takes ---- */

static const struct schema *find_part(void *self, const struct pipeline_part *part,
                                      char reason[WIRING_REASON_MAX]);

static struct check_model *entry_of(const struct check *check, const char *model)
{
    for (size_t i = 0; i < check->list->count; i++)
        if (strcmp(check->list->models[i]->name, model) == 0)
            return &check->models[i];
    return NULL;
}

/* Another version than the one that takes the traffic. */
static struct schema *inspect_version(const struct look *look, const struct model_config *model,
                                      const char *file, char *reason)
{
    yyjson_doc *description =
        inspect_model(look->check->config, file, model->directory, reason, WIRING_REASON_MAX);
    struct schema *schema = schema_of(description);
    yyjson_doc_free(description);
    return schema;
}

static struct schema *schema_of_pipeline(struct look *look, const struct pipeline *pipeline, char *reason)
{
    struct wiring *wiring = wiring_new(pipeline, find_part, look, reason);
    yyjson_doc *nothing = yyjson_read("{}", 2, 0);
    yyjson_doc *description = wiring == NULL ? NULL : describe(wiring, nothing);
    struct schema *schema = description == NULL ? NULL : schema_of(description);
    yyjson_doc_free(description);
    yyjson_doc_free(nothing);
    wiring_free(wiring);
    return schema;
}

static struct schema *look_up(struct look *look, const struct check_model *entry, const char *version,
                              char *reason)
{
    struct config_errors errors = {0};
    const char *backend = "";
    const struct pipeline *pipeline = pipeline_tree_find(look->tree, entry->model->name, version);
    if (pipeline != NULL)
        return schema_of_pipeline(look, pipeline, reason);
    char *file = model_file(entry->model, version, &backend, &errors);
    struct schema *schema = NULL;
    if (file == NULL)
        snprintf(reason, WIRING_REASON_MAX, "%.*s", (int)strcspn(errors.text, "\n"), errors.text);
    else if (strcmp(backend, "python") == 0)
        look->unknown = true;
    else if (entry->version != NULL && strcmp(entry->version, version) == 0)
        schema = schema_of(entry->description);
    else
        schema = inspect_version(look, entry->model, file, reason);
    if (schema == NULL && *reason == '\0')
        look->unknown = true; /* why it is not loaded is complained of already */
    free(file);
    return schema;
}

static const struct schema *find_part(void *self, const struct pipeline_part *part,
                                      char reason[WIRING_REASON_MAX])
{
    struct look *look = self;
    const struct check_model *entry = entry_of(look->check, part->model);
    const char *version = entry == NULL ? NULL : *part->version != '\0' ? part->version : entry->version;
    reason[0] = '\0';
    if (entry == NULL) {
        snprintf(reason, WIRING_REASON_MAX, "there is no model %s", part->model);
        return NULL;
    }
    if (version == NULL || !model_has_version(entry->model, version)) {
        if (version == NULL)
            snprintf(reason, WIRING_REASON_MAX, "model %s has no version that takes requests", part->model);
        else
            snprintf(reason, WIRING_REASON_MAX, "model %s has no version %s", part->model, version);
        return NULL;
    }
    for (const struct known *known = look->known; known != NULL; known = known->next)
        if (known->model == entry->model && strcmp(known->version, version) == 0)
            return known->schema;
    struct schema *schema = look_up(look, entry, version, reason);
    if (schema == NULL)
        return NULL;
    struct known *known = object_alloc(sizeof *known);
    *known = (struct known){entry->model, version, schema, look->known};
    look->known = known;
    return schema;
}

/* ---- all of them ---- */

static const char *stable_of(void *self, const char *model)
{
    const struct check_model *entry = entry_of(self, model);
    return entry == NULL ? NULL : entry->version;
}

static void look_at(struct look *look, struct check_model *entry, const struct pipeline *pipeline)
{
    char reason[WIRING_REASON_MAX] = "";
    struct check *check = look->check;
    if (!pipeline_tree_check(look->tree, entry->model->name, entry->version, stable_of, check, reason)) {
        config_complain(&check->errors, "%s/%s/model.pipeline: %s", entry->model->directory, entry->version,
                        reason);
        return;
    }
    look->unknown = false;
    struct wiring *wiring = wiring_new(pipeline, find_part, look, reason);
    if (wiring == NULL && !look->unknown)
        config_complain(&check->errors, "%s/%s/model.pipeline: %s", entry->model->directory, entry->version,
                        reason);
    if (wiring != NULL && entry->description != NULL) {
        yyjson_doc *described = describe(wiring, entry->description);
        yyjson_doc_free(entry->description);
        entry->description = described;
    }
    wiring_free(wiring);
}

void check_pipelines(struct check *check)
{
    struct look look = {.check = check, .tree = pipeline_tree_new(check->list)};
    for (size_t i = 0; i < check->list->count; i++) {
        struct check_model *entry = &check->models[i];
        const struct pipeline *pipeline =
            entry->version == NULL ? NULL : pipeline_tree_find(look.tree, entry->model->name, entry->version);
        if (pipeline != NULL)
            look_at(&look, entry, pipeline);
    }
    for (struct known *known = look.known, *next; known != NULL; known = next) {
        next = known->next;
        schema_free(known->schema);
        free(known);
    }
    pipeline_tree_free(look.tree);
}
