/* rows: [[1, 2, 3], ...] and [{"age": 1, ...}, ...] into tensors.
 *
 * A row is an array of as many values as the model has columns, or an object of them by name. Values are
 * written straight into the message for the broker, so its size is worked out first (rows_measure) and then
 * each value goes to its place (rows_write). Nearly every request is rows of numbers for one FP32 input: they
 * take the short way through element_write_floats. All others go value by value through put(). What
 * model.conf says of the columns is checked when all is written (fields_hold). When anything is refused the
 * rows are walked once more, by list_faults, which writes nowhere and collects up to PROBLEM_FAULTS_MAX
 * faults with the path of each: "instances[17][3]", "instances[17].age". SPDX-License-Identifier: MIT */
#include "rows.h"

#include "element.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    NAME_SHOWN_MAX = 64, /* bytes that a fault repeats of a name that the client sent */
    FAULT_TEXT_MAX = SCHEMA_FAULT_MAX
};

_Static_assert((int)ELEMENT_TEXT_MAX <= (int)FAULT_TEXT_MAX, "the words of element_explain have room");

/* ---- the places that values go to ---- */

/* Where the elements of each input lie; BYTES elements are of varying size, so a row's place is kept by
 * moving on. */
struct places {
    const struct rows *rows;
    uint8_t *data[TENSOR_COUNT_MAX];
};

static bool put(struct places *places, size_t input, yyjson_val *value)
{
    enum datatype datatype = places->rows->layout->inputs[input].tensor->datatype;
    if (datatype != DATATYPE_BYTES) {
        if (!element_write(datatype, value, places->rows->allow_nan, places->data[input]))
            return false;
        places->data[input] += datatype_bytes(datatype);
        return true;
    }
    if (!yyjson_is_str(value))
        return false;
    uint32_t length = (uint32_t)yyjson_get_len(value);
    memcpy(places->data[input], &length, sizeof length);
    memcpy(places->data[input] + sizeof length, yyjson_get_str(value), length);
    places->data[input] += sizeof length + length;
    return true;
}

/* ---- one row, in the order of its columns ---- */

/* Gives the values of a row one after the other by column. An array is read as it stands. An object is put in
 * order first: `ordered` holds its values by column. */
struct row_values {
    yyjson_arr_iter array;
    yyjson_val **ordered; /* NULL: the row is an array */
    size_t next;
};

static yyjson_val *next_value(const struct fields *fields, struct row_values *values)
{
    size_t column = values->next++;
    return fields_settle(fields, column,
                         values->ordered == NULL ? yyjson_arr_iter_next(&values->array)
                                                 : values->ordered[column]);
}

static bool same_text(struct text a, struct text b)
{
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

static struct text text_of_key(yyjson_val *key)
{
    return (struct text){yyjson_get_str(key), yyjson_get_len(key)};
}

/* The column that `name` means. `guess` is the column behind the last one: clients mostly keep the order. */
static bool find_column(const struct layout *layout, struct text name, size_t guess, size_t *column)
{
    if (guess < layout->width && same_text(layout->names[guess], name)) {
        *column = guess;
        return true;
    }
    return layout_find(layout, name, column);
}

/* Puts the defaults in the places of those that are missing. False when one is missing that must be there. */
static bool fill_missing(const struct rows *rows, yyjson_val **ordered)
{
    if (!fields_optional(rows->fields))
        return false;
    for (size_t column = 0; column < rows->width; column++) {
        if (ordered[column] == NULL)
            ordered[column] = fields_standard(rows->fields, column);
        if (ordered[column] == NULL)
            return false;
    }
    return true;
}

/* Puts the values of an object in order. False when a name is unknown or twice there, or one is missing that
 * must be there. */
static bool order_object(const struct rows *rows, yyjson_val *row, yyjson_val **ordered)
{
    memset(ordered, 0, rows->width * sizeof(*ordered));
    size_t guess = 0;
    size_t at, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(row, at, count, key, value)
    {
        size_t column;
        if (!find_column(rows->layout, text_of_key(key), guess, &column) || ordered[column] != NULL)
            return false;
        ordered[column] = value;
        guess = column + 1;
    }
    return count == rows->width || fill_missing(rows, ordered);
}

static bool begin_row(const struct rows *rows, yyjson_val *row, yyjson_val **ordered,
                      struct row_values *values)
{
    *values = (struct row_values){0};
    if (yyjson_is_arr(row))
        return yyjson_arr_iter_init(row, &values->array);
    values->ordered = ordered;
    return order_object(rows, row, ordered);
}

/* A row of nothing but numbers for the one input. `values` has begun it. */
static bool write_floats(struct places *places, yyjson_val *row, const struct row_values *values)
{
    const struct rows *rows = places->rows;
    uint8_t *place = places->data[0];
    bool good =
        values->ordered != NULL
            ? element_write_listed_floats(values->ordered, rows->width, rows->allow_nan, place)
            : unsafe_yyjson_arr_is_flat(row) &&
                  element_write_floats(unsafe_yyjson_get_first(row), rows->width, rows->allow_nan, place);
    if (good)
        places->data[0] += rows->width * sizeof(float);
    return good;
}

static bool write_row(struct places *places, yyjson_val *row, yyjson_val **ordered)
{
    const struct rows *rows = places->rows;
    struct row_values values;
    if (!begin_row(rows, row, ordered, &values))
        return false;
    if (rows->layout->single_float && write_floats(places, row, &values))
        return true;
    if (rows->layout->single_float && rows->fields == NULL)
        return false; /* else a null or a boolean may stand for a number */
    for (size_t input = 0; input < rows->layout->input_count; input++)
        for (size_t column = 0; column < layout_columns(rows->layout, input, rows->width); column++)
            if (!put(places, input, next_value(rows->fields, &values)))
                return false;
    return true;
}

/* ---- what is wrong ---- */

/* "features" or "instances[17]". */
static void row_path(const struct rows *rows, size_t row, char path[PROBLEM_FIELD_MAX])
{
    if (rows->batch)
        snprintf(path, PROBLEM_FIELD_MAX, "instances[%zu]", row);
    else
        snprintf(path, PROBLEM_FIELD_MAX, "features");
}

static void member_path(char member[PROBLEM_FIELD_MAX], const char *path, struct text name)
{
    int length = (int)(name.length < NAME_SHOWN_MAX ? name.length : NAME_SHOWN_MAX);
    snprintf(member, PROBLEM_FIELD_MAX, "%.28s.%.*s", path, length, name.at);
}

/* What is wrong with a value, in `text`; NULL: nothing. */
static const char *find_fault(const struct rows *rows, size_t column, yyjson_val *value,
                              char text[FAULT_TEXT_MAX])
{
    uint8_t place[ELEMENT_BYTES_MAX];
    enum datatype datatype = layout_datatype(rows->layout, column);
    yyjson_val *settled = fields_settle(rows->fields, column, value);
    if (datatype == DATATYPE_BYTES && yyjson_is_str(settled))
        return fields_text_fault(rows->fields, column, text_of_key(settled), text);
    if (datatype != DATATYPE_BYTES && element_write(datatype, settled, rows->allow_nan, place))
        return fields_fault(rows->fields, column, place, text);
    if (!yyjson_is_num(value))
        datatype = fields_datatype(rows->fields, column, datatype);
    return element_explain(datatype, value, text);
}

/* In a row without names the column's stands before the fault, where more than its place is known of it. */
static void check_value(const struct rows *rows, size_t column, yyjson_val *value, bool named,
                        const char *path, struct problem_faults *faults)
{
    char text[FAULT_TEXT_MAX];
    const char *fault = find_fault(rows, column, value, text);
    if (fault == NULL)
        return;
    if (named || rows->fields == NULL || rows->layout->names == NULL) {
        problem_fault(faults, path, "%s", fault);
        return;
    }
    struct text name = rows->layout->names[column];
    int length = (int)(name.length < NAME_SHOWN_MAX ? name.length : NAME_SHOWN_MAX);
    problem_fault(faults, path, "%.*s: %s", length, name.at, fault);
}

static void check_array(const struct rows *rows, yyjson_val *row, const char *path,
                        struct problem_faults *faults)
{
    size_t given = yyjson_arr_size(row);
    if (given != rows->width) {
        problem_fault(faults, path, "expected %zu %s, got %zu", rows->width,
                      rows->layout->single_float ? "numbers" : "values", given);
        return;
    }
    size_t column, count;
    yyjson_val *value;
    yyjson_arr_foreach(row, column, count, value)
    {
        char member[PROBLEM_FIELD_MAX];
        snprintf(member, sizeof member, "%.64s[%zu]", path, column);
        check_value(rows, column, value, false, member, faults);
        if (problem_faults_full(faults))
            return;
    }
}

static void check_object(const struct rows *rows, yyjson_val *row, const char *path,
                         struct problem_faults *faults)
{
    char member[PROBLEM_FIELD_MAX];
    bool *given = object_alloc(rows->width * sizeof *given);
    size_t at, count, column;
    yyjson_val *key, *value;
    yyjson_obj_foreach(row, at, count, key, value)
    {
        member_path(member, path, text_of_key(key));
        if (!layout_find(rows->layout, text_of_key(key), &column)) {
            problem_fault(faults, member, "the model has no such feature");
        } else if (given[column]) {
            problem_fault(faults, member, "is there twice");
        } else {
            given[column] = true;
            check_value(rows, column, value, true, member, faults);
        }
        if (problem_faults_full(faults))
            break;
    }
    for (column = 0; column < rows->width && !problem_faults_full(faults); column++)
        if (!given[column] && fields_standard(rows->fields, column) == NULL) {
            member_path(member, path, rows->layout->names[column]);
            problem_fault(faults, member, "is missing");
        }
    free(given);
}

static void check_row(const struct rows *rows, yyjson_val *row, const char *path,
                      struct problem_faults *faults)
{
    if (yyjson_is_arr(row))
        check_array(rows, row, path, faults);
    else if (yyjson_is_obj(row) && rows->layout->names != NULL)
        check_object(rows, row, path, faults);
    else if (yyjson_is_obj(row))
        problem_fault(faults, path, "the model has no feature names: expected an array of %zu values",
                      rows->width);
    else
        problem_fault(faults, path, "expected an array of %zu values%s, got %s", rows->width,
                      rows->layout->names != NULL ? " or an object of them by name" : "", element_kind(row));
}

static void list_faults(const struct rows *rows, struct problem_faults *faults)
{
    char path[PROBLEM_FIELD_MAX];
    row_path(rows, 0, path);
    if (!rows->batch) {
        check_row(rows, rows->value, path, faults);
        return;
    }
    size_t at, count;
    yyjson_val *row;
    yyjson_arr_foreach(rows->value, at, count, row)
    {
        if (problem_faults_full(faults))
            return;
        row_path(rows, at, path);
        check_row(rows, row, path, faults);
    }
}

/* ---- measuring ---- */

static bool row_fits(struct rows *rows, yyjson_val *row)
{
    if (yyjson_is_arr(row))
        return yyjson_arr_size(row) == rows->width;
    rows->by_name = true;
    return rows->layout->names != NULL && yyjson_is_obj(row) &&
           (yyjson_obj_size(row) == rows->width || fields_optional(rows->fields));
}

/* Each row has as many values as the model takes. */
static bool all_fit(struct rows *rows)
{
    rows->by_name = false;
    if (!rows->batch)
        return row_fits(rows, rows->value);
    size_t at, count;
    yyjson_val *row;
    yyjson_arr_foreach(rows->value, at, count, row)
    {
        if (!row_fits(rows, row))
            return false;
    }
    return true;
}

/* How many values a row has; for a model that takes any number the first row says it. */
static bool find_width(struct rows *rows, struct problem_faults *faults)
{
    rows->width = rows->layout->width;
    if (rows->width == 0)
        rows->width = yyjson_arr_size(rows->batch ? yyjson_arr_get_first(rows->value) : rows->value);
    if (rows->width > 0 && rows->width <= LAYOUT_WIDTH_MAX)
        return true;
    char path[PROBLEM_FIELD_MAX];
    row_path(rows, 0, path);
    problem_fault(faults, path, "expected an array of 1 to %d values", LAYOUT_WIDTH_MAX);
    return false;
}

/* Adds the lengths of a row's strings to the BYTES tensors. False when one is no string. */
static bool measure_strings(struct rows *rows, yyjson_val *row, yyjson_val **ordered)
{
    struct row_values values;
    if (!begin_row(rows, row, ordered, &values))
        return false;
    for (size_t input = 0; input < rows->layout->input_count; input++)
        for (size_t column = 0; column < layout_columns(rows->layout, input, rows->width); column++) {
            yyjson_val *value = next_value(rows->fields, &values);
            if (rows->tensors[input].datatype != DATATYPE_BYTES)
                continue;
            if (!yyjson_is_str(value))
                return false;
            rows->tensors[input].bytes += sizeof(uint32_t) + yyjson_get_len(value);
        }
    return true;
}

/* Memory to put the values of an object in order; NULL when no row is one. */
static yyjson_val **ordering(const struct rows *rows)
{
    return rows->by_name ? object_alloc(rows->width * sizeof(yyjson_val *)) : NULL;
}

static bool measure_all_strings(struct rows *rows)
{
    yyjson_val **ordered = ordering(rows);
    bool good = true;
    if (rows->batch) {
        size_t at, count;
        yyjson_val *row;
        yyjson_arr_foreach(rows->value, at, count, row)
        {
            good = good && measure_strings(rows, row, ordered);
        }
    } else {
        good = measure_strings(rows, rows->value, ordered);
    }
    free(ordered);
    return good;
}

bool rows_take_plain(const struct layout *layout, const struct plain *plain)
{
    bool fits = layout->width == 0 ? plain->width <= LAYOUT_WIDTH_MAX : plain->width == layout->width;
    return layout->single_float && fits;
}

/* There is nothing that may be wrong with them. */
static size_t measure_plain(struct rows *rows)
{
    ENSURE(rows->batch && rows_take_plain(rows->layout, rows->plain));
    rows->count = rows->plain->rows;
    rows->width = rows->plain->width;
    layout_tensors(rows->layout, rows->count, rows->width, rows->tensors);
    return tensors_encoded_size(rows->tensors, rows->layout->input_count);
}

size_t rows_measure(struct rows *rows, struct problem_faults *faults)
{
    if (rows->plain != NULL)
        return measure_plain(rows);
    rows->count = rows->batch ? yyjson_arr_size(rows->value) : 1;
    ENSURE(rows->count > 0);
    if (!find_width(rows, faults))
        return 0;
    bool good = all_fit(rows);
    if (good)
        layout_tensors(rows->layout, rows->count, rows->width, rows->tensors);
    if (good && rows->layout->has_bytes)
        good = measure_all_strings(rows);
    if (good)
        return tensors_encoded_size(rows->tensors, rows->layout->input_count);
    list_faults(rows, faults);
    return 0;
}

/* ---- writing ---- */

static bool write_tree(const struct rows *rows, struct places *places)
{
    yyjson_val **ordered = ordering(rows);
    bool good = true;
    if (rows->batch) {
        size_t at, count;
        yyjson_val *row;
        yyjson_arr_foreach(rows->value, at, count, row)
        {
            good = good && write_row(places, row, ordered);
        }
    } else {
        good = write_row(places, rows->value, ordered);
    }
    free(ordered);
    return good;
}

/* Rows without a tree, of which one value is refused: by their place alone. */
static void list_plain_faults(const struct rows *rows, struct problem_faults *faults)
{
    for (size_t i = 0; i < rows->count * rows->width && !problem_faults_full(faults); i++) {
        char path[PROBLEM_FIELD_MAX], member[PROBLEM_FIELD_MAX];
        yyjson_val value = {.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL,
                            .uni.f64 = (double)rows->plain->values[i]};
        row_path(rows, i / rows->width, path);
        snprintf(member, sizeof member, "%.64s[%zu]", path, i % rows->width);
        check_value(rows, i % rows->width, &value, false, member, faults);
    }
}

bool rows_write(const struct rows *rows, uint8_t *payload, size_t bytes, struct problem_faults *faults)
{
    struct places places = {.rows = rows};
    uint8_t *data[TENSOR_COUNT_MAX];
    bool good = true;
    ENSURE(tensors_encode(rows->tensors, rows->layout->input_count, payload, bytes, data) == bytes);
    memcpy(places.data, data, rows->layout->input_count * sizeof *data);
    if (rows->plain != NULL)
        memcpy(data[0], rows->plain->values, rows->tensors[0].bytes);
    else
        good = write_tree(rows, &places);
    if (good && fields_hold(rows->fields, rows->tensors, data))
        return true;
    if (rows->plain != NULL)
        list_plain_faults(rows, faults);
    else
        list_faults(rows, faults);
    return false;
}
