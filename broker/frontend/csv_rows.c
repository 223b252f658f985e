/* csv_rows: a CSV body, read twice: once for the number of rows and the length of strings, which say how
 * large the message to the broker is, and once to write the values straight into it. Reading (csv.h) costs a
 * small part of what making numbers does, so that is cheaper than keeping fields or values in between. A
 * batch of nothing but numbers for one FP32 input, which nearly all are, has a short cut: plain.c reads it
 * once. Only when something is refused it is read once more, by list_faults. Called by predict.c.
 * SPDX-License-Identifier: MIT */
#include "csv_rows.h"

#include "cell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIELDS_SPARE = 1000 /* fields too many that are counted, to say how many there were */ };

/* ---- from the first record on ---- */

static void rewind_text(struct csv_rows *table)
{
    csv_begin(table->csv);
    csv_feed(table->csv, table->text.at, table->text.length);
    csv_finish(table->csv);
}

static void row_path(const struct csv_rows *table, size_t row, char path[PROBLEM_FIELD_MAX])
{
    if (table->batch)
        snprintf(path, PROBLEM_FIELD_MAX, "instances[%zu]", row);
    else
        snprintf(path, PROBLEM_FIELD_MAX, "features");
}

static void list_error(const struct csv_rows *table, const char *path, struct problem_faults *faults)
{
    const struct csv_error *error = csv_error(table->csv);
    problem_fault(faults, path, "line %" PRIu64 ", field %" PRIu64 ": %s", error->line, error->field,
                  error->complaint);
}

/* Every row, for what is wrong with it. */
static void list_faults(struct csv_rows *table, struct problem_faults *faults)
{
    char path[PROBLEM_FIELD_MAX];
    struct csv_record record;
    enum csv_result result = CSV_RECORD;
    rewind_text(table);
    if (table->has_header)
        result = csv_next(table->csv, &record);
    for (size_t row = 0; result == CSV_RECORD && !problem_faults_full(faults); row++) {
        result = csv_next(table->csv, &record);
        row_path(table, row, path);
        if (result == CSV_RECORD)
            record_explain(&table->columns, &record, path, faults);
    }
    if (result == CSV_WRONG)
        list_error(table, path, faults);
}

/* ---- the first line ---- */

static bool has_value(const struct csv_rows *table, const struct csv_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        enum datatype datatype = i < table->columns.width ? layout_datatype(table->layout, i) : DATATYPE_FP32;
        if (cell_is_value(datatype, csv_text(record, i)))
            return true;
    }
    return false;
}

static bool only_strings(const struct layout *layout)
{
    for (size_t i = 0; i < layout->input_count; i++)
        if (layout->inputs[i].tensor->datatype != DATATYPE_BYTES)
            return false;
    return true;
}

/* The record is the header, or else the first row. */
static bool find_header(struct csv_rows *table, const struct csv_record *record,
                        struct problem_faults *faults)
{
    if (table->header == CSV_HEADER_ABSENT)
        return true;
    table->has_header = columns_by_name(&table->columns, record);
    if (table->has_header)
        return true;
    table->has_header = table->header == CSV_HEADER_PRESENT || !has_value(table, record);
    if (!table->has_header)
        return true;
    if (table->layout->names != NULL) {
        columns_explain(&table->columns, record, "header", faults);
        return false;
    }
    if (table->header == CSV_HEADER_UNKNOWN && only_strings(table->layout)) {
        problem_fault(faults, "header",
                      "line %" PRIu64 ": a header or a row? Say Content-Type: text/csv; "
                      "header=present or header=absent",
                      record->line);
        return false;
    }
    if (record->count == table->columns.width)
        return true;
    problem_fault(faults, "header", "line %" PRIu64 ": expected %zu columns, got %zu", record->line,
                  table->columns.width, record->count);
    return false;
}

/* Takes the first record, if it is the header. */
static bool read_first(struct csv_rows *table, struct problem_faults *faults)
{
    struct csv_record record;
    rewind_text(table);
    enum csv_result result = csv_next(table->csv, &record);
    if (result == CSV_END)
        problem_fault(faults, "body", "is empty: expected a table of CSV");
    if (result == CSV_WRONG)
        list_error(table, "body", faults);
    if (result != CSV_RECORD)
        return false;
    if (table->columns.width == 0)
        table->columns.width = table->columns.given = record.count;
    if (!find_header(table, &record, faults))
        return false;
    if (!table->has_header)
        rewind_text(table);
    return true;
}

/* ---- measuring and writing ---- */

static bool check_count(const struct csv_rows *table, struct problem_faults *faults)
{
    if (table->count > 0 && (table->batch || table->count == 1))
        return true;
    if (table->count == 0)
        problem_fault(faults, table->batch ? "instances" : "features", "expected %s row%s",
                      table->batch ? "at least one" : "a", table->has_header ? " behind the header" : "");
    else
        problem_fault(faults, "features", "expected one row, got %zu: for many there is batch-predict",
                      table->count);
    return false;
}

/* All rows that follow. False when one does not fit, or the text is no CSV. */
static bool measure_rows(struct csv_rows *table, size_t bytes[TENSOR_COUNT_MAX])
{
    struct csv_record record;
    enum csv_result result;
    bool good = true;
    for (table->count = 0; (result = csv_next(table->csv, &record)) == CSV_RECORD; table->count++)
        good = good && record_measure(&table->columns, &record, bytes);
    return good && result == CSV_END;
}

/* Which column a field is; NULL: they stand in order. */
static size_t *invert(const struct columns *columns)
{
    bool in_order = true;
    if (columns->field_of == NULL)
        return NULL;
    size_t *column_of = object_alloc(columns->width * sizeof *column_of);
    for (size_t column = 0; column < columns->width; column++) {
        column_of[columns->field_of[column]] = column;
        in_order &= columns->field_of[column] == column;
    }
    if (!in_order)
        return column_of;
    free(column_of);
    return NULL;
}

/* The short cut. False: the rows are to be read as they are, from where the reader is. */
static bool read_plain(struct csv_rows *table)
{
    if (!table->batch || !table->layout->single_float || table->columns.given < table->columns.width)
        return false;
    size_t *column_of = invert(&table->columns);
    size_t begin = csv_read(table->csv);
    table->short_cut = plain_read_lines(&table->plain, table->text.at + begin, table->text.length - begin,
                                        table->columns.width, column_of);
    table->count = table->short_cut ? table->plain.rows : 0;
    free(column_of);
    return table->short_cut;
}

size_t csv_rows_measure(struct csv_rows *table, struct problem_faults *faults)
{
    size_t bytes[TENSOR_COUNT_MAX] = {0};
    const struct layout *layout = table->layout;
    ENSURE(table->csv == NULL && table->text.length <= UINT32_MAX);
    table->csv = csv_new(&(struct csv_options){
        .delimiter = ',',
        .max_field_bytes = table->text.length,
        .max_fields = layout->width == 0 ? LAYOUT_WIDTH_MAX : layout->width + FIELDS_SPARE});
    table->columns = (struct columns){.layout = layout,
                                      .fields = table->fields,
                                      .allow_nan = table->allow_nan,
                                      .width = layout->width,
                                      .given = layout->width};
    table->has_header = table->short_cut = false;
    table->count = 0;
    if (!read_first(table, faults))
        return 0;
    bool good = read_plain(table) || measure_rows(table, bytes);
    if ((good || table->count > 0) && !check_count(table, faults))
        return 0;
    if (!good) {
        list_faults(table, faults);
        return 0;
    }
    layout_tensors(layout, table->count, table->columns.width, table->tensors);
    for (size_t i = 0; i < layout->input_count; i++)
        table->tensors[i].bytes += bytes[i];
    return tensors_encoded_size(table->tensors, layout->input_count);
}

bool csv_rows_write(struct csv_rows *table, uint8_t *payload, size_t bytes, struct problem_faults *faults)
{
    uint8_t *data[TENSOR_COUNT_MAX], *next[TENSOR_COUNT_MAX];
    struct csv_record record;
    bool good = true;
    ENSURE(tensors_encode(table->tensors, table->layout->input_count, payload, bytes, data) == bytes);
    memcpy(next, data, table->layout->input_count * sizeof *data);
    if (table->short_cut) {
        memcpy(data[0], table->plain.values, table->tensors[0].bytes);
    } else {
        rewind_text(table);
        if (table->has_header)
            ENSURE(csv_next(table->csv, &record) == CSV_RECORD);
        while (good && csv_next(table->csv, &record) == CSV_RECORD)
            good = record_write(&table->columns, &record, next);
    }
    if (good && fields_hold(table->fields, table->tensors, data))
        return true;
    list_faults(table, faults);
    return false;
}

void csv_rows_end(struct csv_rows *table)
{
    csv_free(table->csv);
    table->csv = NULL;
    columns_free(&table->columns);
    plain_free(&table->plain);
}
