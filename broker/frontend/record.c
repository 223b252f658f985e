/* record: like rows.c, for values that come as text: one record after the other, measured, then written, and
 * looked at again only when something is refused. Values are taken in the order of the model's columns,
 * wherever in the record they stand. Called by csv_rows.c and form.c. SPDX-License-Identifier: MIT */
#include "record.h"

#include "cell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SHOWN_MAX = 64 /* bytes of a name that are told */, WHERE_MAX = 128 };

static struct text name_at(const struct csv_record *names, size_t field)
{
    struct text name = csv_text(names, field);
    return names->fields[field].quoted ? name : cell_trim(name);
}

static inline size_t field_of(const struct columns *columns, size_t column)
{
    return columns->field_of == NULL ? column : columns->field_of[column];
}

static struct cell cell_at(const struct csv_record *record, size_t field)
{
    return (struct cell){csv_text(record, field), record->fields[field].quoted};
}

/* ---- columns ---- */

bool columns_by_name(struct columns *columns, const struct csv_record *names)
{
    size_t *fields;
    if (columns->layout->names == NULL || names->count != columns->width)
        return false;
    fields = object_alloc(columns->width * sizeof *fields); /* a column's field + 1; 0: none */
    for (size_t field = 0; field < names->count; field++) {
        size_t column;
        if (!layout_find(columns->layout, name_at(names, field), &column) || fields[column] != 0) {
            free(fields);
            return false;
        }
        fields[column] = field + 1;
    }
    for (size_t column = 0; column < columns->width; column++)
        fields[column]--;
    columns->field_of = fields;
    return true;
}

void columns_free(struct columns *columns)
{
    free(columns->field_of);
    columns->field_of = NULL;
}

/* ---- where something is wrong ---- */

/* `member` becomes "instances[17].age"; without a name "instances[17][3]". */
static void member_path(char member[PROBLEM_FIELD_MAX], const char *path, struct text name, size_t column)
{
    int length = (int)(name.length < NAME_SHOWN_MAX ? name.length : NAME_SHOWN_MAX);
    if (name.at != NULL)
        snprintf(member, PROBLEM_FIELD_MAX, "%.28s.%.*s", path, length, name.at);
    else
        snprintf(member, PROBLEM_FIELD_MAX, "%.64s[%zu]", path, column);
}

/* "line 17, column age: "; columns without a name are counted from 1. Nothing for a record without a line. */
static void describe_place(char where[WHERE_MAX], uint64_t line, struct text name, size_t column)
{
    int length = (int)(name.length < NAME_SHOWN_MAX ? name.length : NAME_SHOWN_MAX);
    where[0] = '\0';
    if (line != 0 && name.at != NULL)
        snprintf(where, WHERE_MAX, "line %" PRIu64 ", column %.*s: ", line, length, name.at);
    else if (line != 0)
        snprintf(where, WHERE_MAX, "line %" PRIu64 ", column %zu: ", line, column + 1);
}

static void add_fault(struct problem_faults *faults, const char *path, uint64_t line, struct text name,
                      size_t column, const char *words)
{
    char member[PROBLEM_FIELD_MAX], where[WHERE_MAX];
    member_path(member, path, name, column);
    describe_place(where, line, name, column);
    problem_fault(faults, member, "%s%s", where, words);
}

void columns_explain(const struct columns *columns, const struct csv_record *names, const char *path,
                     struct problem_faults *faults)
{
    const struct layout *layout = columns->layout;
    bool *given = object_alloc(columns->width * sizeof *given);
    for (size_t field = 0; field < names->count && !problem_faults_full(faults); field++) {
        size_t column;
        struct text name = name_at(names, field);
        if (!layout_find(layout, name, &column))
            add_fault(faults, path, names->line, name, field, "the model has no such feature");
        else if (given[column])
            add_fault(faults, path, names->line, name, field, "is there twice");
        else
            given[column] = true;
    }
    for (size_t column = 0; column < columns->width && !problem_faults_full(faults); column++)
        if (!given[column])
            add_fault(faults, path, names->line, layout->names[column], column, "is missing");
    free(given);
}

void record_explain(const struct columns *columns, const struct csv_record *record, const char *path,
                    struct problem_faults *faults)
{
    const struct layout *layout = columns->layout;
    if (record->count != columns->width) {
        problem_fault(faults, path, "line %" PRIu64 ": expected %zu values, got %zu", record->line,
                      columns->width, record->count);
        return;
    }
    for (size_t column = 0; column < columns->width && !problem_faults_full(faults); column++) {
        char words[CELL_TEXT_MAX];
        struct cell cell = cell_at(record, field_of(columns, column));
        if (cell_explain(layout_datatype(layout, column), cell, columns->allow_nan, words) != NULL)
            add_fault(faults, path, record->line,
                      layout->names == NULL ? (struct text){NULL, 0} : layout->names[column], column, words);
    }
}

/* ---- values ---- */

bool record_measure(const struct columns *columns, const struct csv_record *record,
                    size_t bytes[TENSOR_COUNT_MAX])
{
    const struct layout *layout = columns->layout;
    if (record->count != columns->width)
        return false;
    for (size_t input = 0; layout->has_bytes && input < layout->input_count; input++) {
        size_t first = layout->inputs[input].first;
        size_t end = first + layout_columns(layout, input, columns->width);
        if (layout->inputs[input].tensor->datatype != DATATYPE_BYTES)
            continue;
        for (size_t column = first; column < end; column++) {
            struct cell cell = cell_at(record, field_of(columns, column));
            if (!cell_is_string(cell, columns->allow_nan))
                return false;
            bytes[input] += sizeof(uint32_t) + cell.text.length;
        }
    }
    return true;
}

static bool write_floats(const struct columns *columns, const struct csv_record *record, uint8_t *place)
{
    for (size_t column = 0; column < columns->width; column++, place += sizeof(float))
        if (!cell_write_float(csv_text(record, field_of(columns, column)), columns->allow_nan, place))
            return false;
    return true;
}

static uint8_t *write_string(struct text text, uint8_t *place)
{
    uint32_t length = (uint32_t)text.length;
    memcpy(place, &length, sizeof length);
    if (length > 0)
        memcpy(place + sizeof length, text.at, length);
    return place + sizeof length + length;
}

static bool write_input(const struct columns *columns, size_t input, const struct csv_record *record,
                        uint8_t **data)
{
    const struct layout_input *place = &columns->layout->inputs[input];
    size_t end = place->first + layout_columns(columns->layout, input, columns->width);
    enum datatype datatype = place->tensor->datatype;
    for (size_t column = place->first; column < end; column++) {
        struct text text = csv_text(record, field_of(columns, column));
        if (datatype == DATATYPE_BYTES)
            *data = write_string(text, *data);
        else if (cell_write(datatype, text, columns->allow_nan, *data))
            *data += datatype_bytes(datatype);
        else
            return false;
    }
    return true;
}

bool record_write(const struct columns *columns, const struct csv_record *record,
                  uint8_t *data[TENSOR_COUNT_MAX])
{
    ENSURE(record->count == columns->width);
    if (columns->layout->single_float) {
        if (!write_floats(columns, record, data[0]))
            return false;
        data[0] += columns->width * sizeof(float);
        return true;
    }
    for (size_t input = 0; input < columns->layout->input_count; input++)
        if (!write_input(columns, input, record, &data[input]))
            return false;
    return true;
}
