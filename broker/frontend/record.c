/* record: like rows.c, for values that come as text: one record after the other, measured, then written, and
 * looked at again only when something is refused. Values are taken in the order of the model's columns,
 * wherever in the record they stand. Called by csv_rows.c and form.c. SPDX-License-Identifier: MIT */
#include "record.h"

#include "cell.h"
#include "element.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAME_SHOWN_MAX = 64, /* bytes of a name that are told */
    WHERE_MAX = 128,
    WORDS_MAX = SCHEMA_FAULT_MAX
};

_Static_assert((int)CELL_TEXT_MAX <= (int)WORDS_MAX, "the words of cell_explain have room");

static struct text name_at(const struct csv_record *names, size_t field)
{
    struct text name = csv_text(names, field);
    return names->fields[field].quoted ? name : text_trim(name);
}

static inline size_t field_of(const struct columns *columns, size_t column)
{
    return columns->field_of == NULL ? column : columns->field_of[column];
}

static struct cell cell_at(const struct csv_record *record, size_t field)
{
    return (struct cell){csv_text(record, field), record->fields[field].quoted};
}

/* The default of a column that the record leaves out, or has nothing in: no text, or an empty one for a
 * number. NULL: there is none, or a value. */
static yyjson_val *standard_of(const struct columns *columns, const struct csv_record *record, size_t column)
{
    yyjson_val *standard = fields_standard(columns->fields, column);
    size_t field = field_of(columns, column);
    if (standard == NULL || field == (size_t)RECORD_ABSENT)
        return standard;
    struct cell cell = cell_at(record, field);
    bool missing =
        yyjson_is_str(standard) ? cell.text.length == 0 && !cell.quoted : text_trim(cell.text).length == 0;
    return missing ? standard : NULL;
}

/* ---- columns ---- */

/* True when each column that must be there has a field (+ 1; 0: none). */
static bool all_there(const struct columns *columns, const size_t *fields, size_t given)
{
    bool good = true;
    for (size_t column = 0; good && given < columns->width && column < columns->width; column++)
        good = fields[column] != 0 || fields_standard(columns->fields, column) != NULL;
    return good;
}

bool columns_by_name(struct columns *columns, const struct csv_record *names)
{
    size_t *fields;
    if (columns->layout->names == NULL || names->count > columns->width ||
        (names->count < columns->width && !fields_optional(columns->fields)))
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
    if (!all_there(columns, fields, names->count)) {
        free(fields);
        return false;
    }
    for (size_t column = 0; column < columns->width; column++)
        fields[column]--; /* none becomes RECORD_ABSENT */
    columns->field_of = fields;
    columns->given = names->count;
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
        if (!given[column] && fields_standard(columns->fields, column) == NULL)
            add_fault(faults, path, names->line, layout->names[column], column, "is missing");
    free(given);
}

/* ---- values ---- */

bool record_measure(const struct columns *columns, const struct csv_record *record,
                    size_t bytes[TENSOR_COUNT_MAX])
{
    const struct layout *layout = columns->layout;
    if (record->count != columns->given)
        return false;
    for (size_t input = 0; layout->has_bytes && input < layout->input_count; input++) {
        size_t first = layout->inputs[input].first;
        size_t end = first + layout_columns(layout, input, columns->width);
        if (layout->inputs[input].tensor->datatype != DATATYPE_BYTES)
            continue;
        for (size_t column = first; column < end; column++) {
            yyjson_val *standard = standard_of(columns, record, column);
            if (standard != NULL) {
                bytes[input] += sizeof(uint32_t) + yyjson_get_len(standard);
                continue;
            }
            struct cell cell = cell_at(record, field_of(columns, column));
            if (!cell_is_string(cell, columns->allow_nan))
                return false;
            bytes[input] += sizeof(uint32_t) + cell.text.length;
        }
    }
    return true;
}

/* A value of any datatype but BYTES, after what is said of its column. */
static bool write_number(const struct columns *columns, const struct csv_record *record, size_t column,
                         enum datatype datatype, uint8_t *place)
{
    bool truth;
    yyjson_val *standard = standard_of(columns, record, column);
    if (standard != NULL)
        return element_write(datatype, standard, columns->allow_nan, place);
    struct text text = csv_text(record, field_of(columns, column));
    if (fields_boolean(columns->fields, column) && cell_read_truth(text, &truth))
        text = truth ? (struct text){"1", 1} : (struct text){"0", 1};
    return cell_write(datatype, text, columns->allow_nan, place);
}

/* False also for a record that needs a second look, column by column. */
static bool write_floats(const struct columns *columns, const struct csv_record *record, uint8_t *place)
{
    for (size_t column = 0; column < columns->width; column++, place += sizeof(float)) {
        size_t field = field_of(columns, column);
        if (field == (size_t)RECORD_ABSENT ||
            !cell_write_float(csv_text(record, field), columns->allow_nan, place))
            return false;
    }
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

static struct text string_at(const struct columns *columns, const struct csv_record *record, size_t column)
{
    yyjson_val *standard = standard_of(columns, record, column);
    return standard == NULL ? csv_text(record, field_of(columns, column))
                            : (struct text){yyjson_get_str(standard), yyjson_get_len(standard)};
}

static bool write_input(const struct columns *columns, size_t input, const struct csv_record *record,
                        uint8_t **data)
{
    const struct layout_input *place = &columns->layout->inputs[input];
    size_t end = place->first + layout_columns(columns->layout, input, columns->width);
    enum datatype datatype = place->tensor->datatype;
    for (size_t column = place->first; column < end; column++) {
        if (datatype == DATATYPE_BYTES) {
            *data = write_string(string_at(columns, record, column), *data);
            continue;
        }
        if (!write_number(columns, record, column, datatype, *data))
            return false;
        *data += datatype_bytes(datatype);
    }
    return true;
}

bool record_write(const struct columns *columns, const struct csv_record *record,
                  uint8_t *data[TENSOR_COUNT_MAX])
{
    ENSURE(record->count == columns->given);
    if (columns->layout->single_float && write_floats(columns, record, data[0])) {
        data[0] += columns->width * sizeof(float);
        return true;
    }
    if (columns->layout->single_float && columns->fields == NULL)
        return false;
    for (size_t input = 0; input < columns->layout->input_count; input++)
        if (!write_input(columns, input, record, &data[input]))
            return false;
    return true;
}

/* ---- what is wrong ---- */

/* Of a value that is there, in `words`; NULL: nothing. */
static const char *find_fault(const struct columns *columns, const struct csv_record *record, size_t column,
                              char words[WORDS_MAX])
{
    uint8_t place[ELEMENT_BYTES_MAX];
    enum datatype datatype = layout_datatype(columns->layout, column);
    struct cell cell = cell_at(record, field_of(columns, column));
    if (datatype == DATATYPE_BYTES && cell_is_string(cell, columns->allow_nan))
        return fields_text_fault(columns->fields, column, cell.text, words);
    if (datatype != DATATYPE_BYTES && write_number(columns, record, column, datatype, place))
        return fields_fault(columns->fields, column, place, words);
    const char *fault =
        cell_explain(fields_datatype(columns->fields, column, datatype), cell, columns->allow_nan, words);
    return fault != NULL ? fault : cell_explain(datatype, cell, columns->allow_nan, words);
}

void record_explain(const struct columns *columns, const struct csv_record *record, const char *path,
                    struct problem_faults *faults)
{
    const struct layout *layout = columns->layout;
    if (record->count != columns->given) {
        problem_fault(faults, path, "line %" PRIu64 ": expected %zu values, got %zu", record->line,
                      columns->given, record->count);
        return;
    }
    for (size_t column = 0; column < columns->width && !problem_faults_full(faults); column++) {
        char words[WORDS_MAX];
        if (standard_of(columns, record, column) == NULL &&
            find_fault(columns, record, column, words) != NULL)
            add_fault(faults, path, record->line,
                      layout->names == NULL ? (struct text){NULL, 0} : layout->names[column], column, words);
    }
}
