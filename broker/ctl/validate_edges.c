/* validate_edges: see validate_edges.h. Used by `outrigger validate` (validate_command.c). Whether a row is
 * taken is asked of row_builder, whose rules are those of the front door. SPDX-License-Identifier: MIT */
#include "validate_edges.h"

#include "schema_fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { EDGES_MAX = 4096, ALLOWED_SHOWN_MAX = 32, NAME_SHOWN_MAX = 64 };

/* The column that is being looked at. */
struct edge {
    struct edges *edges;
    struct row_builder *builder;
    struct row_value *values; /* a row whose value of the column is changed */
    size_t column;
    const struct schema_field *field; /* NULL: nothing is said of it */
    enum datatype datatype;
};

static struct row_value number(double value)
{
    return (struct row_value){.kind = ROW_NUMBER, .number = value};
}

static void name_of(const struct edge *edge, char name[NAME_SHOWN_MAX + 32])
{
    const struct layout *layout = row_builder_layout(edge->builder);
    if (layout->names == NULL)
        snprintf(name, NAME_SHOWN_MAX + 32, "column %zu", edge->column + 1);
    else
        text_copy(layout->names[edge->column], name, NAME_SHOWN_MAX + 1);
}

/* The row with that value must be taken, or must not. */
static void try_value(struct edge *edge, struct row_value value, bool inside, const char *what)
{
    struct edges *edges = edge->edges;
    char faults[ROW_FAULTS_MAX], name[NAME_SHOWN_MAX + 32];
    if (edges->inside + edges->outside >= EDGES_MAX)
        return;
    struct row_value before = edge->values[edge->column];
    edge->values[edge->column] = value;
    bool taken = row_builder_add(edge->builder, edge->values, faults);
    edge->values[edge->column] = before;
    edges->inside += inside;
    edges->outside += !inside;
    if (taken == inside)
        return;
    name_of(edge, name);
    if (taken && edges->taken++ == 0)
        snprintf(edges->first_taken, VALIDATE_REASON_MAX, "%s: %s is taken", name, what);
    else if (!taken && edges->refused++ == 0)
        snprintf(edges->first_refused, VALIDATE_REASON_MAX, "%s is refused: %.400s", what, faults);
    if (taken)
        row_builder_drop(edge->builder);
}

/* So far beyond a bound that no datatype rounds it back. */
static double step_of(double bound)
{
    return fmax(1, ceil(fabs(bound) / 64));
}

static bool is_allowed(const struct schema_field *field, double value)
{
    bool allowed = field->allowed_count == 0;
    for (size_t i = 0; i < field->allowed_count && !allowed; i++)
        allowed = field->allowed[i].text == NULL && field->allowed[i].number == value;
    return allowed;
}

static void try_bounds(struct edge *edge)
{
    const struct schema_field *field = edge->field;
    if (field->has_minimum) {
        if (is_allowed(field, field->minimum))
            try_value(edge, number(field->minimum), true, "the minimum");
        try_value(edge, number(field->minimum - step_of(field->minimum)), false, "less than the minimum");
    }
    if (field->has_maximum) {
        if (is_allowed(field, field->maximum))
            try_value(edge, number(field->maximum), true, "the maximum");
        try_value(edge, number(field->maximum + step_of(field->maximum)), false, "more than the maximum");
    }
    if (schema_field_type(field) == SCHEMA_INTEGER)
        try_value(edge, number((field->has_minimum ? field->minimum : 0) + 0.5), false, "no whole number");
}

static void try_allowed(struct edge *edge)
{
    const struct schema_field *field = edge->field;
    double largest = -INFINITY;
    for (size_t i = 0; i < field->allowed_count; i++) {
        const struct schema_value *value = &field->allowed[i];
        largest = value->text == NULL ? fmax(largest, value->number) : largest;
        if (i < ALLOWED_SHOWN_MAX)
            try_value(edge,
                      value->text == NULL
                          ? number(value->number)
                          : (struct row_value){.kind = ROW_STRING, .text = text_of(value->text)},
                      true, "an allowed value");
    }
    if (field->allowed_count > 0 && edge->datatype == DATATYPE_BYTES)
        try_value(edge, (struct row_value){.kind = ROW_STRING, .text = text_of("\x7f no such value \x7f")},
                  false, "a value that is not allowed");
    else if (isfinite(largest))
        try_value(edge, number(largest + step_of(largest)), false, "a value that is not allowed");
}

static void try_column(struct edge *edge, const struct schema *schema)
{
    bool optional = row_builder_optional(edge->builder, edge->column);
    if (edge->field != NULL) {
        try_bounds(edge);
        try_allowed(edge);
        if (schema_field_type(edge->field) == SCHEMA_BOOLEAN) {
            try_value(edge, (struct row_value){.kind = ROW_TRUTH, .truth = true}, true, "true");
            try_value(edge, (struct row_value){.kind = ROW_TRUTH, .truth = false}, true, "false");
        }
    }
    try_value(edge, (struct row_value){.kind = ROW_MISSING}, optional, "nothing");
    try_value(edge, number(NAN), schema->allow_nan && datatype_is_float(edge->datatype), "NaN");
}

void edges_find(const struct validate_rows *data, const struct schema *schema, struct edges *edges)
{
    *edges = (struct edges){0};
    struct row_builder *builder = row_builder_new(schema, EDGES_MAX);
    ENSURE(builder != NULL); /* the data were made by one */
    const struct layout *layout = row_builder_layout(builder);
    size_t width = validate_rows_width(data);
    if (row_builder_width(builder) == 0)
        ENSURE(row_builder_widen(builder, width));
    struct row_value *values = object_alloc(width * sizeof *values);
    memcpy(values, validate_rows_first(data), width * sizeof *values);
    for (size_t column = 0; column < width; column++) {
        struct edge edge = {.edges = edges, .builder = builder, .values = values, .column = column};
        edge.datatype = layout_datatype(layout, column);
        if (schema->fields != NULL && layout->width == schema->feature_count)
            edge.field = &schema->fields[column];
        try_column(&edge, schema);
    }
    free(values);
    if (row_builder_rows(builder) > 0)
        edges->rows = validate_rows_of(builder);
    else
        row_builder_free(builder);
}

void edges_free(struct edges *edges)
{
    validate_rows_free(edges->rows);
    edges->rows = NULL;
}
