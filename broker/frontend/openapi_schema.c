/* openapi_schema: from the schema that a worker told to JSON Schemas (draft 2020-12, as OpenAPI 3.1 has it).
 *
 * What a datatype takes stands once in the document (docs/openapi.json: FP32, INT64, ...); a column refers to
 * it and adds what model.conf says. Rows of columns that all are alike are described in a line, others column
 * by column, and by name besides when the columns have names. What an answer holds is in openapi_answer.c.
 * Called by openapi_model.c. SPDX-License-Identifier: MIT */
#include "openapi_schema.h"

#include "layout.h"
#include "number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { EXAMPLE_COLUMNS_MAX = 256 };

#define WHOLE_MAX 9007199254740992.0 /* 2^53: whole numbers up to it are written without a point */

static void add_text(struct output *out, const char *name, const char *value)
{
    output_add_string(out, name);
    output_add_json(out, text_of(value));
}

static void add_number(struct output *out, double value)
{
    if (trunc(value) == value && fabs(value) <= WHOLE_MAX)
        output_add_integer(out, (int64_t)value);
    else
        out->length += number_write_double(value, output_room(out, NUMBER_TEXT_MAX));
}

static void add_named_number(struct output *out, const char *name, double value)
{
    output_add_string(out, name);
    add_number(out, value);
}

/* `base`: see base_of. */
static void add_value(struct output *out, const char *base, const struct schema_value *value)
{
    if (value->text != NULL)
        output_add_json(out, text_of(value->text));
    else if (strcmp(base, "BOOL") == 0)
        output_add_string(out, value->number != 0 ? "true" : "false");
    else
        add_number(out, value->number);
}

/* ---- columns ---- */

/* What model.conf says of a column; NULL: nothing. */
static const struct schema_field *field_of(const struct catalog_version *version, size_t column)
{
    const struct schema *schema = version->schema;
    return schema->fields == NULL || column >= schema->feature_count ? NULL : &schema->fields[column];
}

static enum datatype datatype_of(const struct catalog_version *version, size_t column)
{
    const struct layout *layout = version->layout;
    return layout->width == 0 ? layout->inputs[0].tensor->datatype : layout_datatype(layout, column);
}

/* The schema of the document that a column begins with. */
static const char *base_of(const struct schema_field *field, enum datatype datatype)
{
    if (field != NULL && field->type == SCHEMA_STRING)
        return "BYTES";
    if (field != NULL && field->type == SCHEMA_BOOLEAN)
        return "BOOL";
    return datatype_name(datatype);
}

static void add_reference(struct output *out, const char *base)
{
    output_add_string(out, "{\"$ref\":\"#/components/schemas/");
    output_add_string(out, base);
    output_add_char(out, '"');
}

static void add_allowed(struct output *out, const char *base, const struct schema_field *field)
{
    output_add_string(out, ",\"enum\":[");
    for (size_t i = 0; i < field->allowed_count; i++) {
        if (i > 0)
            output_add_char(out, ',');
        add_value(out, base, &field->allowed[i]);
    }
    output_add_char(out, ']');
}

static void add_field(struct output *out, const char *base, const struct schema_field *field)
{
    if (field->description != NULL && field->description[0] != '\0')
        add_text(out, ",\"description\":", field->description);
    if (field->type == SCHEMA_INTEGER)
        output_add_string(out, ",\"type\":\"integer\"");
    if (field->has_minimum)
        add_named_number(out, ",\"minimum\":", field->minimum);
    if (field->has_maximum)
        add_named_number(out, ",\"maximum\":", field->maximum);
    if (field->allowed_count > 0)
        add_allowed(out, base, field);
    if (field->optional) {
        output_add_string(out, ",\"default\":");
        add_value(out, base, &field->standard);
    }
}

/* The title tells a reader which column it is, where no name stands before it. */
static void add_column(struct output *out, const struct catalog_version *version, size_t column, bool titled)
{
    const struct schema_field *field = field_of(version, column);
    const char *base = base_of(field, datatype_of(version, column));
    add_reference(out, base);
    if (titled && version->layout->names != NULL) {
        output_add_string(out, ",\"title\":");
        output_add_json(out, version->layout->names[column]);
    }
    if (field != NULL)
        add_field(out, base, field);
    output_add_char(out, '}');
}

/* ---- rows ---- */

/* Nothing tells one column from the other. */
static bool all_alike(const struct catalog_version *version)
{
    const struct layout *layout = version->layout;
    for (size_t i = 1; i < layout->input_count; i++)
        if (layout->inputs[i].tensor->datatype != layout->inputs[0].tensor->datatype)
            return false;
    return version->schema->fields == NULL;
}

/* Each column has a name of its own. */
static bool by_name(const struct layout *layout)
{
    for (size_t i = 0; layout->names != NULL && i < layout->width; i++) {
        size_t column;
        if (!layout_find(layout, layout->names[i], &column) || column != i)
            return false;
    }
    return layout->names != NULL;
}

static bool too_wide(const struct layout *layout)
{
    return layout->width > OPENAPI_COLUMNS_MAX;
}

static void add_columns(struct output *out, const struct catalog_version *version)
{
    output_add_string(out, ",\"prefixItems\":[");
    for (size_t i = 0; i < version->layout->width; i++) {
        if (i > 0)
            output_add_char(out, ',');
        add_column(out, version, i, true);
    }
    output_add_char(out, ']');
}

static void add_position(struct output *out, const struct catalog_version *version)
{
    const struct layout *layout = version->layout;
    bool alike = all_alike(version);
    output_add_string(out, "{\"type\":\"array\",\"description\":\"by position\"");
    if (alike) {
        output_add_string(out, ",\"items\":");
        add_reference(out, datatype_name(datatype_of(version, 0)));
        output_add_char(out, '}');
    } else if (!too_wide(layout)) {
        add_columns(out, version);
    }
    output_add_string(out, ",\"minItems\":");
    output_add_unsigned(out, layout->width == 0 ? 1 : layout->width);
    output_add_string(out, ",\"maxItems\":");
    output_add_unsigned(out, layout->width == 0 ? LAYOUT_WIDTH_MAX : layout->width);
    output_add_char(out, '}');
}

/* The names of the columns that must be there, or of all of them. */
static void add_names(struct output *out, const char *member, const struct catalog_version *version, bool all)
{
    bool first = true;
    output_add_string(out, member);
    for (size_t i = 0; i < version->layout->width; i++) {
        const struct schema_field *field = field_of(version, i);
        if (!all && field != NULL && field->optional)
            continue;
        if (!first)
            output_add_char(out, ',');
        output_add_json(out, version->layout->names[i]);
        first = false;
    }
    output_add_char(out, ']');
}

static void add_properties(struct output *out, const struct catalog_version *version)
{
    add_names(out, ",\"required\":[", version, false);
    output_add_string(out, ",\"properties\":{");
    for (size_t i = 0; i < version->layout->width; i++) {
        if (i > 0)
            output_add_char(out, ',');
        output_add_json(out, version->layout->names[i]);
        output_add_char(out, ':');
        add_column(out, version, i, false);
    }
    output_add_string(out, "},\"additionalProperties\":false");
}

static void add_name(struct output *out, const struct catalog_version *version)
{
    output_add_string(out, ",{\"type\":\"object\",\"description\":\"by name\"");
    if (!too_wide(version->layout))
        add_properties(out, version);
    else
        output_add_string(out, ",\"minProperties\":1");
    output_add_char(out, '}');
}

void openapi_row(struct output *out, const struct catalog_version *version)
{
    if (version == NULL || version->layout == NULL) {
        add_reference(out, "AnyRow");
        output_add_char(out, '}');
        return;
    }
    output_add_string(out, "{\"anyOf\":[");
    add_position(out, version);
    if (by_name(version->layout))
        add_name(out, version);
    output_add_char(out, ']');
    if (by_name(version->layout) && !too_wide(version->layout)) /* readers of JSON may lose the order */
        add_names(out, ",\"x-columns\":[", version, true);
    output_add_char(out, '}');
}

/* ---- examples ---- */

/* In the middle of what is allowed, and whole where it must be. */
static double example_number(const struct schema_field *field, bool whole)
{
    double number = field->has_minimum && field->has_maximum
                        ? field->minimum + (field->maximum - field->minimum) / 2
                    : field->has_minimum ? fmax(field->minimum, 0)
                    : field->has_maximum ? fmin(field->maximum, 0)
                                         : 0;
    if (!whole)
        return number;
    return field->has_minimum && floor(number) < field->minimum ? ceil(field->minimum) : floor(number);
}

static bool is_float(enum datatype datatype)
{
    return datatype == DATATYPE_FP16 || datatype == DATATYPE_FP32 || datatype == DATATYPE_FP64;
}

static void add_example_value(struct output *out, const struct catalog_version *version, size_t column)
{
    const struct schema_field *field = field_of(version, column);
    enum datatype datatype = datatype_of(version, column);
    const char *base = base_of(field, datatype);
    if (field != NULL && field->optional)
        add_value(out, base, &field->standard);
    else if (field != NULL && field->allowed_count > 0)
        add_value(out, base, &field->allowed[0]);
    else if (strcmp(base, "BYTES") == 0)
        output_add_string(out, "\"text\"");
    else if (strcmp(base, "BOOL") == 0)
        output_add_string(out, "false");
    else if (field == NULL)
        output_add_string(out, is_float(datatype) ? "0.0" : "0");
    else
        add_number(out, example_number(field, field->type == SCHEMA_INTEGER || !is_float(datatype)));
}

static bool has_example(const struct catalog_version *version)
{
    return version != NULL && version->layout != NULL && version->layout->width > 0 &&
           version->layout->width <= EXAMPLE_COLUMNS_MAX;
}

bool openapi_example(struct output *out, const struct catalog_version *version, bool named)
{
    if (!has_example(version) || (named && !by_name(version->layout)))
        return false;
    output_add_char(out, named ? '{' : '[');
    for (size_t i = 0; i < version->layout->width; i++) {
        if (i > 0)
            output_add_char(out, ',');
        if (named) {
            output_add_json(out, version->layout->names[i]);
            output_add_char(out, ':');
        }
        add_example_value(out, version, i);
    }
    output_add_char(out, named ? '}' : ']');
    return true;
}

/* In quotes, where each quote inside is doubled. */
static void add_csv_name(struct output *out, struct text name)
{
    output_add_char(out, '"');
    for (size_t i = 0; i < name.length; i++) {
        if (name.at[i] == '"')
            output_add_char(out, '"');
        output_add_char(out, name.at[i]);
    }
    output_add_char(out, '"');
}

static void add_csv_line(struct output *out, const struct catalog_version *version, bool header)
{
    for (size_t i = 0; i < version->layout->width; i++) {
        if (i > 0)
            output_add_char(out, ',');
        if (header)
            add_csv_name(out, version->layout->names[i]);
        else
            add_example_value(out, version, i);
    }
    output_add_char(out, '\n');
}

bool openapi_example_csv(struct output *out, const struct catalog_version *version, bool batch)
{
    struct output lines = {0};
    if (!has_example(version) || !by_name(version->layout))
        return false;
    add_csv_line(&lines, version, true);
    add_csv_line(&lines, version, false);
    if (batch)
        add_csv_line(&lines, version, false);
    output_add_json(out, (struct text){lines.bytes, lines.length});
    output_free(&lines);
    return true;
}
