/* describe: what a client may know of a model before it asks for a prediction.
 *
 * The schema shown is the stable version's, or, while none of its workers has said it, that of the first
 * version whose workers have: versions of one model share their inputs. Called by api.c.
 * SPDX-License-Identifier: MIT */
#include "describe.h"

#include "auth.h"
#include "schema_fields.h"

#include <math.h>

#include <stdio.h>

static void add_text(struct output *out, const char *name, const char *value)
{
    output_add_string(out, name);
    output_add_json(out, text_of(value));
}

static void add_flag(struct output *out, const char *name, bool value)
{
    output_add_string(out, name);
    output_add_string(out, value ? "true" : "false");
}

static const struct schema *schema_of(const struct catalog_model *model)
{
    if (model->stable != NULL && model->stable->schema != NULL)
        return model->stable->schema;
    for (size_t i = 0; i < model->version_count; i++)
        if (model->versions[i].schema != NULL)
            return model->versions[i].schema;
    return NULL;
}

/* What the list and the single model have in common, without the closing brace. */
static void add_summary(struct output *out, const struct catalog_model *model)
{
    const struct catalog_version *stable = model->stable;
    const struct schema *schema = schema_of(model);
    add_text(out, "{\"id\":", model->name);
    if (stable != NULL)
        add_text(out, ",\"version\":", stable->name);
    else
        output_add_string(out, ",\"version\":null");
    add_text(out, ",\"state\":", stable == NULL ? "unavailable" : catalog_state_name(stable->state));
    add_flag(out, ",\"ready\":", catalog_model_ready(model));
    if (schema != NULL) {
        add_text(out, ",\"task\":", schema_task(schema));
        add_text(out, ",\"description\":", schema->description == NULL ? "" : schema->description);
    }
}

void describe_models(struct output *out, const struct catalog *catalog, const struct identity *identity)
{
    bool first = true;
    output_add_string(out, "{\"models\":[");
    for (size_t i = 0; i < catalog_count(catalog); i++) {
        const struct catalog_model *model = catalog_at(catalog, i);
        if (!auth_may_use(identity, text_of(model->name)))
            continue;
        if (!first)
            output_add_char(out, ',');
        first = false;
        add_summary(out, model);
        output_add_string(out, ",\"versions\":[");
        for (size_t j = 0; j < model->version_count; j++)
            add_text(out, j > 0 ? "," : "", model->versions[j].name);
        output_add_string(out, "]}");
    }
    output_add_string(out, "]}\n");
}

static void add_versions(struct output *out, const struct catalog_model *model)
{
    output_add_string(out, ",\"versions\":[");
    for (size_t i = 0; i < model->version_count; i++) {
        const struct catalog_version *version = &model->versions[i];
        add_text(out, i > 0 ? ",{\"version\":" : "{\"version\":", version->name);
        add_text(out, ",\"state\":", catalog_state_name(version->state));
        add_flag(out, ",\"stable\":", version->stable);
        output_add_string(out, ",\"workers\":");
        output_add_unsigned(out, version->workers);
        if (version->schema != NULL && *schema_digest(version->schema) != '\0')
            add_text(out, ",\"digest\":", schema_digest(version->schema));
        output_add_char(out, '}');
    }
    output_add_char(out, ']');
}

static void add_tensors(struct output *out, const char *name, const struct schema_tensor *tensors,
                        size_t count)
{
    output_add_string(out, name);
    for (size_t i = 0; i < count; i++) {
        add_text(out, i > 0 ? ",{\"name\":" : "{\"name\":", tensors[i].name);
        add_text(out, ",\"datatype\":", datatype_name(tensors[i].datatype));
        output_add_string(out, ",\"shape\":[");
        for (uint32_t j = 0; j < tensors[i].rank; j++) {
            if (j > 0)
                output_add_char(out, ',');
            output_add_integer(out, tensors[i].shape[j]);
        }
        output_add_string(out, "]}");
    }
    output_add_char(out, ']');
}

static void add_names(struct output *out, const char *name, char *const *names, size_t count)
{
    output_add_string(out, name);
    for (size_t i = 0; i < count; i++)
        add_text(out, i > 0 ? "," : "", names[i]);
    output_add_char(out, ']');
}

/* ---- what the columns may be ---- */

static void add_number(struct output *out, const char *name, double number)
{
    char text[SCHEMA_NUMBER_MAX];
    output_add_string(out, name);
    output_add_string(out, isfinite(number) ? schema_number_text(number, false, text) : "null");
}

static void add_value(struct output *out, const char *name, const struct schema_field *field,
                      const struct schema_value *value)
{
    if (value->text != NULL)
        add_text(out, name, value->text);
    else if (field->type == SCHEMA_BOOLEAN)
        add_flag(out, name, value->number != 0);
    else
        add_number(out, name, value->number);
}

static void add_field(struct output *out, const struct schema_field *field)
{
    add_text(out, "{\"name\":", field->name);
    if (field->description != NULL && field->description[0] != '\0')
        add_text(out, ",\"description\":", field->description);
    if (field->type != SCHEMA_ANY)
        add_text(out, ",\"type\":", schema_type_name(field->type));
    if (field->has_minimum)
        add_number(out, ",\"minimum\":", field->minimum);
    if (field->has_maximum)
        add_number(out, ",\"maximum\":", field->maximum);
    for (size_t i = 0; i < field->allowed_count; i++)
        add_value(out, i == 0 ? ",\"allowed\":[" : ",", field, &field->allowed[i]);
    add_flag(out, field->allowed_count > 0 ? "],\"required\":" : ",\"required\":", !field->optional);
    if (field->optional)
        add_value(out, ",\"default\":", field, &field->standard);
    output_add_char(out, '}');
}

static void add_fields(struct output *out, const struct schema *schema)
{
    if (schema->fields == NULL)
        return;
    for (size_t i = 0; i < schema->feature_count; i++) {
        output_add_string(out, i == 0 ? ",\"fields\":[" : ",");
        add_field(out, &schema->fields[i]);
    }
    output_add_char(out, ']');
}

/* ---- the route ---- */

/* A share in hundredths of a percent, as percent. */
static void add_share(struct output *out, const char *version, uint32_t weight)
{
    char digits[16];
    add_text(out, "{\"version\":", version);
    snprintf(digits, sizeof digits, weight % 100 == 0 ? "%u" : "%u.%02u", weight / 100, weight % 100);
    output_add_string(out, ",\"percent\":");
    output_add_string(out, digits);
    output_add_char(out, '}');
}

/* The stable version's share is what is left, also where it is an arm besides. */
static void add_shares(struct output *out, const struct catalog_model *model)
{
    const struct route *route = model->route;
    bool first = true;
    output_add_string(out, ",\"shares\":[");
    if (model->stable != NULL && route_weight(route, model->stable->name) == 0) {
        add_share(out, model->stable->name, route_rest(route));
        first = false;
    }
    for (size_t i = 0; i < route->arm_count; i++) {
        const struct route_arm *arm = &route->arms[i];
        bool is_stable = model->stable != NULL && strcmp(arm->version, model->stable->name) == 0;
        if (!first)
            output_add_char(out, ',');
        add_share(out, arm->version, arm->weight + (is_stable && arm->weight > 0 ? route_rest(route) : 0));
        first = false;
    }
    output_add_char(out, ']');
}

/* Who may name a version themselves is nobody else's business. */
static void add_route(struct output *out, const struct catalog_model *model)
{
    const struct route *route = model->route;
    char by[ROUTE_BY_MAX];
    if (model->stable != NULL)
        add_text(out, ",\"route\":{\"stable\":", model->stable->name);
    else
        output_add_string(out, ",\"route\":{\"stable\":null");
    add_shares(out, model);
    add_text(out, ",\"by\":", route_by_text(route, by));
    output_add_string(out, ",\"rules\":[");
    for (size_t i = 0; i < route->rule_count; i++) {
        add_text(out, i > 0 ? ",{\"header\":" : "{\"header\":", route->rules[i].header);
        add_text(out, ",\"value\":", route->rules[i].value);
        add_text(out, ",\"version\":", route->rules[i].version);
        output_add_char(out, '}');
    }
    output_add_string(out, route->shadow.version == NULL ? "]" : "],\"shadow\":");
    if (route->shadow.version != NULL)
        add_share(out, route->shadow.version, route->shadow.weight);
    output_add_char(out, '}');
}

/* What a pipeline asks; a step that asks several models comes as often. */
static void add_steps(struct output *out, const struct schema *schema)
{
    output_add_string(out, ",\"steps\":[");
    for (size_t i = 0; i < schema->part_count; i++) {
        const struct schema_part *part = &schema->parts[i];
        output_add_string(out, i > 0 ? ",{\"step\":" : "{\"step\":");
        output_add_json(out, part->step);
        output_add_string(out, ",\"model\":");
        output_add_json(out, part->model);
        if (part->version.length > 0) {
            output_add_string(out, ",\"version\":");
            output_add_json(out, part->version);
        }
        output_add_char(out, '}');
    }
    output_add_char(out, ']');
}

/* ---- a model ---- */

void describe_model(struct output *out, const struct catalog_model *model)
{
    const struct schema *schema = schema_of(model);
    add_summary(out, model);
    add_versions(out, model);
    if (model->route != NULL)
        add_route(out, model);
    if (schema != NULL) {
        add_text(out, ",\"platform\":", schema->platform == NULL ? "" : schema->platform);
        if (schema->part_count > 0)
            add_steps(out, schema);
        add_tensors(out, ",\"inputs\":[", schema->inputs, schema->input_count);
        add_tensors(out, ",\"outputs\":[", schema->outputs, schema->output_count);
        add_names(out, ",\"features\":[", schema->features, schema->feature_count);
        add_fields(out, schema);
        add_names(out, ",\"labels\":[", schema->labels, schema->label_count);
        add_flag(out, ",\"allow_nan\":", schema->allow_nan);
        if (schema->timeout_ms > 0) {
            output_add_string(out, ",\"timeout_ms\":");
            output_add_unsigned(out, schema->timeout_ms);
        }
    }
    output_add_string(out, "}\n");
}
