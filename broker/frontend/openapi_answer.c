/* openapi_answer: what an answer holds, from the schema that a worker told to JSON Schemas: it follows from
 * the outputs as in answer.c. Called by openapi_model.c. SPDX-License-Identifier: MIT */
#include "openapi_answer.h"

#include "openapi_schema.h"
#include "roles.h"

static void add_text(struct output *out, const char *name, const char *value)
{
    output_add_string(out, name);
    output_add_json(out, text_of(value));
}

/* The outputs of an answer of one row. False when a dimension is not known before there is an answer. */
static bool find_outputs(const struct schema *schema, struct tensor outputs[TENSOR_COUNT_MAX], size_t *count)
{
    *count = roles_declared(schema, outputs);
    for (size_t i = 0; i < *count; i++)
        if (outputs[i].rank == 0)
            return false;
    for (size_t i = 0; i < *count; i++)
        for (uint32_t j = 1; j < outputs[i].rank; j++)
            if (outputs[i].shape[j] < 0)
                return false;
    return true;
}

/* NaN and infinities are answered as null. */
#define NUMBER_OR_NULL "{\"type\":[\"number\",\"null\"]}"

static void add_list(struct output *out, const char *items, size_t count)
{
    output_add_string(out, "{\"type\":\"array\",\"items\":");
    output_add_string(out, items);
    output_add_string(out, ",\"minItems\":");
    output_add_unsigned(out, count);
    output_add_string(out, ",\"maxItems\":");
    output_add_unsigned(out, count);
    output_add_char(out, '}');
}

static void add_numbers(struct output *out, size_t count)
{
    add_list(out, NUMBER_OR_NULL, count);
}

/* Which labels hold. */
static void add_held(struct output *out, const struct roles *roles)
{
    add_list(out,
             roles->held == NULL                      ? "{\"enum\":[0,1]}"
             : roles->held->datatype == DATATYPE_BOOL ? "{\"type\":\"boolean\"}"
                                                      : "{\"type\":\"integer\"}",
             roles_label_count(roles));
}

/* The schema of one prediction. */
static void add_prediction(struct output *out, const struct roles *roles, bool regression)
{
    if (roles->labels)
        add_held(out, roles);
    else if (roles->class != NULL && roles->class->datatype == DATATYPE_BYTES)
        output_add_string(out, "{\"type\":\"string\"}");
    else if (roles->class != NULL && roles->class->datatype == DATATYPE_BOOL)
        output_add_string(out, "{\"type\":\"boolean\"}");
    else if (roles->class != NULL || !regression)
        output_add_string(out, "{\"type\":\"integer\"}");
    else if (roles->score != NULL)
        output_add_string(out, NUMBER_OR_NULL);
    else
        add_numbers(out, value_columns(roles->probabilities));
}

/* One of a row, or a list of them; `name` has its comma. The schema of the single one follows, then
 * end_member. */
static void begin_member(struct output *out, const char *name, const char *names, bool batch)
{
    output_add_string(out, batch ? names : name);
    if (batch)
        output_add_string(out, "{\"type\":\"array\",\"items\":");
}

static void end_member(struct output *out, bool batch)
{
    if (batch)
        output_add_char(out, '}');
}

static void add_probabilities(struct output *out, const struct roles *roles, bool batch)
{
    const struct tensor *probabilities = roles->probabilities;
    if (!batch && !roles->labels && (probabilities == NULL || value_columns(probabilities) == 2))
        output_add_string(out, ",\"probability\":" NUMBER_OR_NULL);
    if (!batch && probabilities == NULL)
        return;
    begin_member(out, ",\"probabilities\":", ",\"probabilities\":", batch);
    if (probabilities == NULL)
        output_add_string(out, NUMBER_OR_NULL);
    else
        add_numbers(out, value_columns(probabilities));
    end_member(out, batch);
}

/* One of the labels' names; `or_null`: or none. */
static void add_label(struct output *out, const struct schema *schema, bool or_null, bool fixed)
{
    if (!fixed || schema->label_count > OPENAPI_COLUMNS_MAX) {
        output_add_string(out, or_null ? "{\"type\":[\"string\",\"null\"]}" : "{\"type\":\"string\"}");
        return;
    }
    output_add_string(out, "{\"enum\":[");
    for (size_t i = 0; i < schema->label_count; i++)
        add_text(out, i > 0 ? "," : "", schema->labels[i]);
    output_add_string(out, or_null ? ",null]}" : "]}");
}

static void add_labels(struct output *out, const struct schema *schema, bool batch, bool fixed)
{
    bool many = schema->kind == SCHEMA_LABELS;
    begin_member(out, many ? ",\"labels\":" : ",\"label\":", ",\"labels\":", batch);
    if (many)
        output_add_string(out, "{\"type\":\"array\",\"items\":");
    add_label(out, schema, batch && !many, fixed);
    if (many)
        output_add_char(out, '}');
    end_member(out, batch);
}

static void add_answer(struct output *out, const struct schema *schema, const struct roles *roles, bool batch,
                       bool labels_fixed)
{
    begin_member(out, ",\"prediction\":", ",\"predictions\":", batch);
    add_prediction(out, roles, schema->regression);
    end_member(out, batch);
    if (!schema->regression && (roles->probabilities != NULL || roles->score != NULL))
        add_probabilities(out, roles, batch);
    if (!schema->regression && schema->label_count > 0)
        add_labels(out, schema, batch, labels_fixed);
}

/* One value of an output that has no role. */
static const char *value_schema(enum datatype datatype)
{
    return datatype == DATATYPE_BYTES    ? "{\"type\":\"string\"}"
           : datatype == DATATYPE_BOOL   ? "{\"type\":\"boolean\"}"
           : datatype_is_float(datatype) ? NUMBER_OR_NULL
                                         : "{\"type\":\"integer\"}";
}

/* Those that have no role, as nested arrays; a batch's have the rows around them. */
static void add_others(struct output *out, const struct schema *schema, const struct tensor *outputs,
                       size_t count, const struct roles *roles, bool batch)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        const struct tensor *tensor = &outputs[i];
        if (tensor == roles->class || tensor == roles->probabilities || tensor == roles->score ||
            tensor == roles->held)
            continue;
        output_add_string(out, any ? "," : ",\"outputs\":{\"type\":\"object\",\"properties\":{");
        output_add_json(out, text_of(schema->outputs[i].name));
        output_add_char(out, ':');
        uint32_t arrays = tensor->rank - !batch;
        for (uint32_t j = 0; j < arrays; j++)
            output_add_string(out, "{\"type\":\"array\",\"items\":");
        output_add_string(out, value_schema(tensor->datatype));
        for (uint32_t j = 0; j < arrays; j++)
            output_add_char(out, '}');
        any = true;
    }
    if (any)
        output_add_string(out, "}}");
}

void openapi_prediction(struct output *out, const struct catalog_version *version, const char *model,
                        bool batch, bool labels_fixed)
{
    struct tensor outputs[TENSOR_COUNT_MAX];
    size_t count;
    bool said = version != NULL && version->schema != NULL && find_outputs(version->schema, outputs, &count);
    struct roles roles = said ? roles_of(version->schema, outputs, count) : (struct roles){0};
    bool known = said && roles_predict(&roles);
    output_add_string(out, "{\"type\":\"object\",\"required\":[");
    if (known)
        output_add_string(out, batch ? "\"predictions\"," : "\"prediction\",");
    output_add_string(out, "\"model\",\"model_version\",\"request_id\"],\"properties\":{");
    add_text(out, "\"model\":{\"const\":", model);
    output_add_string(out, "},\"model_version\":{\"type\":\"string\"},\"request_id\":{\"type\":\"string\"}");
    if (said)
        add_others(out, version->schema, outputs, count, &roles, batch);
    else
        output_add_string(out, ",\"outputs\":{\"type\":\"object\"}");
    if (known)
        add_answer(out, version->schema, &roles, batch, labels_fixed);
    output_add_string(out, "}}");
}
