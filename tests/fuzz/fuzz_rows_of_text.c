/* fuzz_rows_of_text: a body of CSV, and of a form, for models of several shapes. The first byte chooses the
 * model and whether anything is said of its columns, the second what the body is and what is said of it; the
 * rest is the body. What is accepted is a payload that the worker's reader takes; what is refused has a fault
 * to tell. SPDX-License-Identifier: MIT
 */
#include "csv_rows.h"
#include "form.h"
#include "schemas.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODELS = 5, HEAD = 2 };

/* Numbers; numbers by name; one input of each datatype, by name; strings of any width; strings and a word. */
static struct schema *make_schema(unsigned model)
{
    struct schema *schema = schema_new();
    schema->inputs = object_alloc(DATATYPE_COUNT * sizeof *schema->inputs);
    switch (model) {
    case 0:
        add_input(schema, "x", DATATYPE_FP32, 2, 3);
        break;
    case 1:
        add_input(schema, "x", DATATYPE_FP32, 2, 3);
        add_names(schema, "a1c", 3);
        break;
    case 2:
        for (int i = 0; i < DATATYPE_COUNT; i++)
            add_input(schema, datatype_name((enum datatype)i), (enum datatype)i, 1 + i % 2, 1);
        add_names(schema, "abcdefghijklm", DATATYPE_COUNT);
        break;
    case 3:
        add_input(schema, "x", DATATYPE_BYTES, 2, -1);
        break;
    default:
        add_input(schema, "x", DATATYPE_BYTES, 2, 2);
        add_input(schema, "y", DATATYPE_BOOL, 1, 1);
        add_names(schema, "abc", 3);
        break;
    }
    return schema;
}

static struct schema *schema;
static struct layout *layout;
static struct fields *fields;

static void check_payload(const uint8_t *payload, size_t bytes, size_t rows)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, row_count;
    ENSURE(tensors_decode(payload, bytes, tensors, &count, &row_count) == NULL);
    ENSURE(count == layout->input_count && row_count == rows && rows > 0);
    check_fields(schema, tensors, count);
}

/* Rows of numbers have a short cut. With one more row, which is in quotes, the table is read without it: the
 * rows must be the same. */
static void check_short_cut(struct csv_rows *table, const uint8_t *payload, size_t size)
{
    static const char more[] = "\n\"7\",8,9\n";
    struct problem_faults faults = {.count = 0};
    size_t rows = table->count, length = table->text.length + sizeof more - 1;
    size_t values = rows * table->columns.width * sizeof(float);
    if (!table->batch || !table->layout->single_float || fields != NULL)
        return;
    csv_rows_end(table);
    char *bytes = object_alloc(length + 1);
    memcpy(bytes, table->text.at, table->text.length);
    memcpy(bytes + table->text.length, more, sizeof more - 1);
    table->text = (struct text){bytes, length};
    size_t longer_size = csv_rows_measure(table, &faults);
    ENSURE(longer_size > 0 && table->count == rows + 1 && !table->short_cut);
    uint8_t *longer = object_alloc(longer_size);
    ENSURE(csv_rows_write(table, longer, longer_size, &faults));
    ENSURE(memcmp(payload + size - values, longer + longer_size - values - 3 * sizeof(float), values) == 0);
    free(longer);
    free(bytes);
}

static void read_table(bool allow_nan, unsigned said, char *bytes, size_t length)
{
    static struct csv_rows table; /* large */
    struct problem_faults faults = {.count = 0};
    table = (struct csv_rows){.layout = layout,
                              .fields = fields,
                              .allow_nan = allow_nan,
                              .batch = said % 2 == 0,
                              .header = (enum csv_header)(said / 2 % 3),
                              .text = {bytes, length}};
    size_t size = csv_rows_measure(&table, &faults);
    ENSURE((size == 0) == (faults.count > 0));
    if (size > 0) {
        uint8_t *payload = object_alloc(size);
        bool good = csv_rows_write(&table, payload, size, &faults);
        ENSURE(good == (faults.count == 0));
        ENSURE(table.batch || table.count == 1);
        if (good)
            check_payload(payload, size, table.count);
        if (good)
            check_short_cut(&table, payload, size);
        free(payload);
    }
    csv_rows_end(&table);
}

static void read_form(bool allow_nan, char *bytes, size_t length)
{
    static struct form form; /* large */
    struct problem_faults faults = {.count = 0};
    bool read = form_read(&form, bytes, length, &faults);
    ENSURE(read == (faults.count == 0));
    size_t size = read ? form_measure(&form, layout, fields, allow_nan, &faults) : 0;
    ENSURE((size == 0) == (faults.count > 0));
    if (size > 0) {
        uint8_t *payload = object_alloc(size);
        bool good = form_write(&form, payload, size, &faults);
        ENSURE(good == (faults.count == 0));
        if (good)
            check_payload(payload, size, 1);
        free(payload);
    }
    form_end(&form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    schema = make_schema(data[0] % MODELS);
    if (data[0] / (2 * MODELS) % 2 != 0 && schema_row_values(schema) > 0)
        add_fields(schema);
    layout = layout_new(schema);
    fields = fields_new(schema, layout);
    bool allow_nan = data[0] / MODELS % 2 != 0;
    size_t length = size - HEAD;
    char *bytes = object_alloc(length + 1);
    if (length > 0)
        memcpy(bytes, data + HEAD, length);
    if (data[1] % 2 == 0)
        read_table(allow_nan, data[1] / 2, bytes, length);
    else
        read_form(allow_nan, bytes, length);
    free(bytes);
    fields_free(fields);
    layout_free(layout);
    schema_free(schema);
    return 0;
}
