/* loaded_model: see loaded_model.h. The one place where what the model file says and what model.conf adds
 * become the schema that validates requests, and where a model that cannot be served is found out: before it
 * takes traffic. SPDX-License-Identifier: MIT */
#include "loaded_model.h"

#include "engine_section.h"
#include "log.h"
#include "model_columns.h"
#include "model_settings.h"
#include "roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum {
    DESCRIPTION_MAX = 4096,  /* bytes; readers of the schema take no more */
    CALL_BYTES_MAX = 1 << 28 /* of one input in the smallest call that the model allows */
};

/* ---- the schema ---- */

static bool take_tensor(struct schema_tensor *tensor, const struct backend_tensor *declared, char *error)
{
    tensor->name = object_strdup(declared->name);
    tensor->rank = declared->rank;
    memcpy(tensor->shape, declared->shape, sizeof tensor->shape);
    for (uint32_t i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] < -1)
            tensor->shape[i] = -1;
    if (strlen(declared->name) > TENSOR_NAME_MAX) {
        snprintf(error, BACKEND_ERROR_MAX, "a name of an input or output is longer than %d bytes",
                 TENSOR_NAME_MAX);
        return false;
    }
    if (!datatype_parse(text_of(declared->datatype), &tensor->datatype)) {
        snprintf(error, BACKEND_ERROR_MAX, "%s has the unknown datatype %s", declared->name,
                 declared->datatype);
        return false;
    }
    return true;
}

static bool take_tensors(struct schema_tensor **tensors, size_t *count, const struct backend_tensor *declared,
                         size_t declared_count, char *error)
{
    *tensors = object_alloc(declared_count * sizeof **tensors);
    *count = declared_count;
    for (size_t i = 0; i < declared_count; i++)
        if (!take_tensor(&(*tensors)[i], &declared[i], error))
            return false;
    return true;
}

/* The rows of a call, which all inputs must agree on. They are our business alone: askers may send any
 * number. */
static bool find_call_rows(struct loaded_model *model, char *error)
{
    for (size_t i = 0; i < model->schema->input_count; i++) {
        struct schema_tensor *input = &model->schema->inputs[i];
        if (input->rank == 0 || input->shape[0] == 0) {
            snprintf(error, BACKEND_ERROR_MAX, "input %s has no dimension for the rows", input->name);
            return false;
        }
        size_t rows = input->shape[0] < 0 ? 0 : (size_t)input->shape[0];
        if (i > 0 && rows != model->call_rows) {
            snprintf(error, BACKEND_ERROR_MAX, "the inputs have different first dimensions");
            return false;
        }
        model->call_rows = rows;
        input->shape[0] = -1;
    }
    return true;
}

/* The bytes of `rows` rows of zeros, or of empty strings; a dimension that is not fixed counts as 1. More
 * than CALL_BYTES_MAX comes out as CALL_BYTES_MAX + 1. */
static size_t bytes_of_zeros(const struct schema_tensor *input, size_t rows)
{
    size_t bytes = input->datatype == DATATYPE_BYTES ? sizeof(uint32_t) : datatype_bytes(input->datatype);
    for (uint32_t i = 0; i < input->rank; i++) {
        size_t dimension = i == 0 ? rows : input->shape[i] < 0 ? 1 : (size_t)input->shape[i];
        if (__builtin_mul_overflow(bytes, dimension, &bytes) || bytes > CALL_BYTES_MAX)
            return CALL_BYTES_MAX + 1;
    }
    return bytes;
}

/* Refuses shapes that no memory holds, which a broken file can declare. */
static bool inputs_are_bounded(const struct loaded_model *model, char *error)
{
    for (size_t i = 0; i < model->schema->input_count; i++) {
        const struct schema_tensor *input = &model->schema->inputs[i];
        if (bytes_of_zeros(input, model->call_rows > 0 ? model->call_rows : 1) > CALL_BYTES_MAX) {
            snprintf(error, BACKEND_ERROR_MAX, "input %s takes more than %d MiB a call", input->name,
                     CALL_BYTES_MAX >> 20);
            return false;
        }
    }
    return true;
}

/* What model.conf adds; checked against the model. */
static bool add_config(struct schema *schema, const struct model_config *config, char *error)
{
    if (!model_columns_fit("model.conf: labels", (const char *const *)config->labels.names,
                           config->labels.count, error))
        return false;
    if (strlen(config->description) > DESCRIPTION_MAX) {
        snprintf(error, BACKEND_ERROR_MAX, "model.conf: description: at most %d bytes", DESCRIPTION_MAX);
        return false;
    }
    free(schema->description);
    schema->description = object_strdup(config->description);
    schema->labels = schema_copy_names((const char *const *)config->labels.names, config->labels.count);
    schema->label_count = config->labels.count;
    schema->timeout_ms = (uint32_t)config->queue_timeout_ms;
    schema->allow_nan = config->allow_nan != 0;
    return true;
}

/* What the model itself calls its classes, where model.conf says nothing. */
static bool add_own_labels(struct schema *schema, const struct backend_description *description, char *error)
{
    if (schema->label_count > 0)
        return true;
    if (!model_columns_fit("its labels", description->labels, description->label_count, error))
        return false;
    free(schema->labels);
    schema->labels = schema_copy_names(description->labels, description->label_count);
    schema->label_count = description->label_count;
    return true;
}

/* Decides the task, and checks the labels against the columns, as far as the shapes of outputs are known. */
static bool find_task(struct schema *schema, const char *configured, char *error)
{
    struct tensor outputs[TENSOR_COUNT_MAX];
    size_t count = roles_declared(schema, outputs);
    const char *task = *configured != '\0'                      ? configured
                       : roles_look_like_labels(outputs, count) ? "multilabel"
                       : schema->label_count == 0 && roles_look_like_numbers(outputs, count)
                           ? "regression"
                           : "classification";
    ENSURE(schema_set_task(schema, text_of(task)));
    const struct roles roles = roles_of(schema, outputs, count);
    const struct tensor *columns = roles.probabilities != NULL ? roles.probabilities : roles.held;
    if (schema->label_count == 0 || columns == NULL || (size_t)columns->shape[1] == schema->label_count)
        return true;
    snprintf(error, BACKEND_ERROR_MAX, "model.conf: labels: %zu names, but output %s has %lld columns",
             schema->label_count, schema->outputs[columns - outputs].name, (long long)columns->shape[1]);
    return false;
}

/* ---- opening ---- */

static bool make_schema(struct loaded_model *model, const struct backend_description *description,
                        const struct model_config *config, char *error)
{
    struct schema *schema = model->schema = schema_new();
    free(schema->platform);
    schema->platform = object_strdup(description->platform);
    return take_tensors(&schema->inputs, &schema->input_count, description->inputs, description->input_count,
                        error) &&
           take_tensors(&schema->outputs, &schema->output_count, description->outputs,
                        description->output_count, error) &&
           find_call_rows(model, error) && inputs_are_bounded(model, error) &&
           (config == NULL || add_config(schema, config, error)) &&
           model_columns_add(schema, config, description, error) &&
           add_own_labels(schema, description, error);
}

/* model.conf's word comes before the model file's. */
static const char *task_of(const struct model_config *config, const struct backend_description *description)
{
    if (config != NULL && *config->task != '\0')
        return config->task;
    return description->task == NULL ? "" : description->task;
}

struct loaded_model *loaded_model_take(const struct backend *backend, void *state,
                                       const struct backend_description *description,
                                       const struct model_config *config, char *error)
{
    struct loaded_model *model = object_alloc(sizeof *model);
    model->backend = backend;
    model->task = object_strdup(task_of(config, description));
    model->state = state;
    if (make_schema(model, description, config, error) && find_task(model->schema, model->task, error))
        return model;
    loaded_model_free(model);
    return NULL;
}

struct loaded_model *loaded_model_open(const char *path, const struct backend *backend,
                                       const struct model_config *config, int threads, char *error)
{
    char **section = config == NULL ? NULL : engine_section_of(config, backend->name);
    struct backend_options options = {.threads = threads,
                                      .model = config == NULL ? NULL : config->name,
                                      .settings = config == NULL ? NULL : model_settings_list(config),
                                      .settings_json = config == NULL ? "{}" : config->settings_json,
                                      .allow_nan = config != NULL && config->allow_nan != 0,
                                      .section = (const char *const *)section};
    struct backend_description description = {0};
    void *state = backend->open(path, &options, &description, error);
    engine_section_free(section);
    return state == NULL ? NULL : loaded_model_take(backend, state, &description, config, error);
}

void loaded_model_free(struct loaded_model *model)
{
    if (model == NULL)
        return;
    if (model->state != NULL)
        model->backend->close(model->state);
    schema_free(model->schema);
    free(model->task);
    free(model);
}

/* ---- what the outputs are ---- */

/* data must be freed. */
static struct backend_values zeros(const struct schema_tensor *input, size_t rows)
{
    struct backend_values values = {
        .bytes = bytes_of_zeros(input, rows), .rank = input->rank, .shape = {(int64_t)rows}};
    for (uint32_t i = 1; i < input->rank; i++)
        values.shape[i] = input->shape[i] < 0 ? 1 : input->shape[i];
    values.data = object_alloc(values.bytes);
    return values;
}

static bool learn_output(struct schema_tensor *output, uint32_t rank, const int64_t *shape, bool first,
                         char *error)
{
    bool unknown = output->rank == 0;
    if (!unknown && output->rank != rank) {
        snprintf(error, BACKEND_ERROR_MAX, "output %s has another rank than the model says", output->name);
        return false;
    }
    output->rank = rank;
    output->shape[0] = -1;
    for (uint32_t d = 1; d < rank; d++)
        if (first)
            output->shape[d] = shape[d];
        else if (unknown || output->shape[d] != shape[d])
            output->shape[d] = -1;
    return true;
}

bool loaded_model_learn(struct loaded_model *model, const struct tensor *outputs, bool first, char *error)
{
    struct schema *schema = model->schema;
    bool fixed = schema_row_values(schema) != 0; /* else the columns of outputs may follow those of inputs */
    for (size_t i = 0; i < schema->output_count; i++)
        if (!learn_output(&schema->outputs[i], outputs[i].rank, outputs[i].shape, first && fixed, error))
            return false;
    return find_task(schema, model->task, error);
}

/* The outputs of a call of `rows` rows as tensors, of which only the shapes count. */
static bool have_rows(const struct schema *schema, const struct backend_values *outputs, size_t rows,
                      struct tensor *tensors, char *error)
{
    for (size_t i = 0; i < schema->output_count; i++) {
        if (outputs[i].rank == 0 || outputs[i].shape[0] != (int64_t)rows) {
            snprintf(error, BACKEND_ERROR_MAX, "output %s has no row for each row of the inputs",
                     schema->outputs[i].name);
            return false;
        }
        tensors[i] = (struct tensor){.rank = outputs[i].rank};
        memcpy(tensors[i].shape, outputs[i].shape, sizeof tensors[i].shape);
    }
    return true;
}

bool loaded_model_knows_outputs(const struct loaded_model *model)
{
    for (size_t i = 0; i < model->schema->output_count; i++)
        if (model->schema->outputs[i].rank == 0)
            return false;
    return true;
}

bool loaded_model_learn_from_zeros(struct loaded_model *model, char *error)
{
    struct backend_values inputs[BACKEND_TENSORS_MAX] = {0}, outputs[BACKEND_TENSORS_MAX];
    struct tensor tensors[BACKEND_TENSORS_MAX];
    size_t count = model->schema->input_count, rows = model->call_rows > 0 ? model->call_rows : 1;
    for (size_t i = 0; i < count; i++)
        inputs[i] = zeros(&model->schema->inputs[i], rows);
    bool computed = model->backend->run(model->state, inputs, outputs, error) == 0;
    for (size_t i = 0; i < count; i++)
        free((void *)inputs[i].data);
    if (computed)
        return have_rows(model->schema, outputs, rows, tensors, error) &&
               loaded_model_learn(model, tensors, true, error);
    /* An engine that cannot compute zeros may well compute what people ask; but then what it gives must be
     * known. */
    if (!loaded_model_knows_outputs(model))
        return false;
    log_warning("the model cannot compute a row of zeros, so it starts cold: %s", error);
    return true;
}

uint8_t *loaded_model_zeros(const struct loaded_model *model, size_t rows, size_t most_bytes, size_t *bytes)
{
    const struct schema *schema = model->schema;
    struct tensor tensors[BACKEND_TENSORS_MAX];
    struct backend_values values[BACKEND_TENSORS_MAX];
    *bytes = 0;
    for (size_t i = 0; i < schema->input_count; i++) {
        size_t more = bytes_of_zeros(&schema->inputs[i], rows);
        *bytes += more;
        if (more > CALL_BYTES_MAX || *bytes > most_bytes)
            return NULL;
    }
    for (size_t i = 0; i < schema->input_count; i++) {
        const struct schema_tensor *input = &schema->inputs[i];
        values[i] = zeros(input, rows);
        tensors[i] = (struct tensor){text_of(input->name), input->datatype, values[i].rank, {0},
                                     values[i].data,       values[i].bytes};
        memcpy(tensors[i].shape, values[i].shape, sizeof tensors[i].shape);
    }
    *bytes = tensors_encoded_size(tensors, schema->input_count);
    uint8_t *payload = object_alloc(*bytes);
    ENSURE(tensors_encode(tensors, schema->input_count, payload, *bytes, NULL) == *bytes);
    for (size_t i = 0; i < schema->input_count; i++)
        free((void *)values[i].data);
    return payload;
}

/* ---- describing ---- */

static void add_tensors(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *key,
                        const struct schema_tensor *tensors, size_t count)
{
    yyjson_mut_val *array = yyjson_mut_obj_add_arr(doc, root, key);
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *tensor = yyjson_mut_arr_add_obj(doc, array);
        yyjson_mut_obj_add_str(doc, tensor, "name", tensors[i].name);
        yyjson_mut_obj_add_str(doc, tensor, "datatype", datatype_name(tensors[i].datatype));
        yyjson_mut_val *shape = yyjson_mut_obj_add_arr(doc, tensor, "shape");
        for (uint32_t d = 0; d < tensors[i].rank; d++)
            yyjson_mut_arr_add_sint(doc, shape, tensors[i].shape[d]);
    }
}

void loaded_model_describe(const struct loaded_model *model, size_t golden, bool is_signed, FILE *out)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    ENSURE(doc != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "platform", model->schema->platform);
    add_tensors(doc, root, "inputs", model->schema->inputs, model->schema->input_count);
    add_tensors(doc, root, "outputs", model->schema->outputs, model->schema->output_count);
    if (golden > 0)
        yyjson_mut_obj_add_uint(doc, root, "golden", golden);
    if (*model->schema->digest != '\0')
        yyjson_mut_obj_add_str(doc, root, "digest", model->schema->digest);
    if (is_signed)
        yyjson_mut_obj_add_bool(doc, root, "signed", true);
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    ENSURE(json != NULL);
    fprintf(out, "%s\n", json);
    free(json);
    yyjson_mut_doc_free(doc);
}
