/* oip_describe: see oip_describe.h. The first dimension of every tensor is the rows: metadata show it as -1,
 * the configuration leaves it out and says how many there may be, as servers of the protocol that batch do.
 * Called by oip.c. SPDX-License-Identifier: MIT */
#include "oip_describe.h"

static void add_member(struct output *out, const char *name, const char *value)
{
    output_add_string(out, name);
    output_add_json(out, text_of(value));
}

void oip_describe_server(struct output *out, const struct config *config)
{
    const char *version = config->oip_server_version;
    add_member(out, "{\"name\":", config->oip_server_name);
    add_member(out, ",\"version\":", *version == '\0' ? OUTRIGGER_VERSION : version);
    output_add_string(out,
                      ",\"extensions\":[\"classification\",\"model_repository\","
                      "\"model_repository(unload_dependents)\",\"schedule_policy\",\"model_configuration\","
                      "\"binary_tensor_data\",\"parameters\",\"statistics\",\"trace\",\"logging\"]}");
}

void oip_describe_models(struct output *out, const struct catalog *catalog, const struct identity *identity)
{
    const char *comma = "";
    output_add_string(out, "{\"models\":[");
    for (size_t i = 0; i < catalog_count(catalog); i++) {
        const char *name = catalog_at(catalog, i)->name;
        if (!auth_may_use(identity, text_of(name)))
            continue;
        add_member(out, comma, name);
        comma = ",";
    }
    output_add_string(out, "]}");
}

static const char *platform_of(const struct catalog_version *version)
{
    return version->schema->platform == NULL ? "" : version->schema->platform;
}

/* The dimensions from `first` on; the rows vary. */
static void add_shape(struct output *out, const struct schema_tensor *tensor, uint32_t first)
{
    output_add_char(out, '[');
    for (uint32_t i = first; i < tensor->rank; i++) {
        if (i > first)
            output_add_char(out, ',');
        output_add_integer(out, i == 0 ? -1 : tensor->shape[i]);
    }
    output_add_char(out, ']');
}

/* ---- metadata ---- */

static void add_tensors(struct output *out, const char *name, const struct schema_tensor *tensors,
                        size_t count)
{
    output_add_string(out, name);
    for (size_t i = 0; i < count; i++) {
        add_member(out, i > 0 ? ",{\"name\":" : "{\"name\":", tensors[i].name);
        add_member(out, ",\"datatype\":", datatype_name(tensors[i].datatype));
        output_add_string(out, ",\"shape\":");
        add_shape(out, &tensors[i], 0);
        output_add_char(out, '}');
    }
    output_add_char(out, ']');
}

void oip_describe_model(struct output *out, const struct catalog_model *model,
                        const struct catalog_version *version)
{
    const struct schema *schema = version->schema;
    add_member(out, "{\"name\":", model->name);
    output_add_string(out, ",\"versions\":[");
    for (size_t i = 0; i < model->version_count; i++)
        add_member(out, i > 0 ? "," : "", model->versions[i].name);
    add_member(out, "],\"platform\":", platform_of(version));
    add_tensors(out, ",\"inputs\":[", schema->inputs, schema->input_count);
    add_tensors(out, ",\"outputs\":[", schema->outputs, schema->output_count);
    output_add_char(out, '}');
}

/* ---- configuration ---- */

static void add_type(struct output *out, enum datatype datatype)
{
    output_add_string(out, ",\"data_type\":\"TYPE_");
    output_add_string(out, datatype == DATATYPE_BYTES ? "STRING" : datatype_name(datatype));
    output_add_string(out, "\",\"dims\":");
}

/* Nothing but rows has no dimension more; Triton's configuration, and its clients, know of none without. */
static void add_dims(struct output *out, const struct schema_tensor *tensor)
{
    if (tensor->rank > 1)
        add_shape(out, tensor, 1);
    else
        output_add_string(out, "[1],\"reshape\":{\"shape\":[]}");
}

static void add_config_tensors(struct output *out, const char *name, const struct schema_tensor *tensors,
                               size_t count, const char *more)
{
    output_add_string(out, name);
    for (size_t i = 0; i < count; i++) {
        add_member(out, i > 0 ? ",{\"name\":" : "{\"name\":", tensors[i].name);
        add_type(out, tensors[i].datatype);
        add_dims(out, &tensors[i]);
        output_add_string(out, more);
    }
    output_add_char(out, ']');
}

/* Servers of the protocol name a backend apart from the form of its models. */
static const char *backend_of(const char *platform)
{
    return strcmp(platform, "onnxruntime_onnx") == 0 ? "onnxruntime" : platform;
}

void oip_describe_config(struct output *out, const struct catalog_model *model,
                         const struct catalog_version *version, int64_t max_rows)
{
    const struct schema *schema = version->schema;
    add_member(out, "{\"name\":", model->name);
    add_member(out, ",\"platform\":", platform_of(version));
    add_member(out, ",\"backend\":", backend_of(platform_of(version)));
    output_add_string(out, ",\"version_policy\":{\"latest\":{\"num_versions\":1}},\"max_batch_size\":");
    output_add_integer(out, max_rows < PROTOCOL_ROWS_MAX ? max_rows : PROTOCOL_ROWS_MAX);
    add_config_tensors(out, ",\"input\":[", schema->inputs, schema->input_count,
                       ",\"format\":\"FORMAT_NONE\",\"optional\":false}");
    add_config_tensors(out, ",\"output\":[", schema->outputs, schema->output_count,
                       ",\"label_filename\":\"\"}");
    add_member(out, ",\"instance_group\":[{\"name\":", model->name);
    output_add_string(out, ",\"kind\":\"KIND_CPU\",\"count\":");
    output_add_unsigned(out, version->workers);
    output_add_string(out, "}],\"dynamic_batching\":{},\"parameters\":{");
    if (*schema_digest(schema) != '\0') {
        add_member(out, "\"digest\":{\"string_value\":", schema_digest(schema));
        output_add_char(out, '}');
    }
    output_add_string(out, "},\"model_warmup\":[]}");
}
