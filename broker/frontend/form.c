/* form: what a page's <form> sends, without a line of script: pairs of name and value, as the URL standard
 * (WHATWG, section 5.1) has them, each a feature or one of the members that a body of JSON has. Pairs become
 * a record of names and one of values, as a table of CSV with one row would be; record.c does the rest.
 * Called by predict.c. SPDX-License-Identifier: MIT */
#include "form.h"

#include "hex.h"
#include "protocol.h"
#include "utf8.h"

#include <stdlib.h>

enum { RESERVED = 3, PAIRS_MAX = SCHEMA_NAMES_MAX + RESERVED /* no model has more features */ };

/* ---- decoding ---- */

/* Percent-encoded bytes and "+", where they stand. Returns the new length; SIZE_MAX when a % is broken. */
static size_t decode(char *bytes, size_t length)
{
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        char byte = bytes[i] == '+' ? ' ' : bytes[i];
        if (byte == '%') {
            int high = length - i > 2 ? hex_value(bytes[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(bytes[i + 2]);
            if (low < 0)
                return SIZE_MAX;
            byte = (char)(high * 16 + low);
            i += 2;
        }
        bytes[written++] = byte;
    }
    return written;
}

/* ---- pairs ---- */

/* False when the name is none of ours. */
static bool take_reserved(struct form *form, struct text name, struct text value,
                          struct problem_faults *faults)
{
    const struct {
        const char *name;
        size_t maximum;
        struct text *text;
    } reserved[RESERVED] = {{"model", PROTOCOL_NAME_MAX, &form->model},
                            {"version", PROTOCOL_NAME_MAX, &form->version},
                            {"key", PROTOCOL_TEXT_MAX, &form->key}};
    for (size_t i = 0; i < RESERVED; i++) {
        if (!text_is(name, reserved[i].name))
            continue;
        if (reserved[i].text->length > 0)
            problem_fault(faults, reserved[i].name, "is there twice");
        else if (value.length == 0 || value.length > reserved[i].maximum)
            problem_fault(faults, reserved[i].name, "expected 1 to %zu bytes, got %zu", reserved[i].maximum,
                          value.length);
        else if (!utf8_ok(value))
            problem_fault(faults, reserved[i].name, "expected UTF-8");
        *reserved[i].text = value;
        return true;
    }
    return false;
}

/* The pair from `begin` to `end`, where what separates it from the next one becomes a NUL: numbers end there.
 * False when it cannot be decoded. */
static bool take_pair(struct form *form, char *bytes, size_t begin, size_t end, struct csv_field *values,
                      struct problem_faults *faults)
{
    char *equals = memchr(bytes + begin, '=', end - begin);
    size_t name_end = equals == NULL ? end : (size_t)(equals - bytes);
    size_t value_begin = equals == NULL ? end : name_end + 1;
    size_t name_length = decode(bytes + begin, name_end - begin);
    size_t value_length = decode(bytes + value_begin, end - value_begin);
    if (name_length == SIZE_MAX || value_length == SIZE_MAX) {
        problem_fault(faults, "body", "a %% without two hexadecimal digits in the pair at byte %zu", begin);
        return false;
    }
    bytes[value_begin + value_length] = '\0';
    struct text name = {bytes + begin, name_length}, value = {bytes + value_begin, value_length};
    if (take_reserved(form, name, value, faults))
        return true;
    size_t at = form->names.count++;
    form->fields[at] =
        (struct csv_field){.begin = begin, .length = (uint32_t)name_length, .quoted = true /* as it is */};
    values[at] = (struct csv_field){
        .begin = value_begin, .length = (uint32_t)value_length, .quoted = true /* empty, not missing */};
    return true;
}

static size_t count_pairs(const char *bytes, size_t length)
{
    size_t count = 1;
    for (size_t i = 0; i < length; i++)
        count += bytes[i] == '&';
    return count;
}

bool form_read(struct form *form, char *bytes, size_t length, struct problem_faults *faults)
{
    form_end(form);
    size_t pairs = count_pairs(bytes, length);
    if (pairs > PAIRS_MAX) {
        problem_fault(faults, "body", "%zu pairs; there may be %d", pairs, PAIRS_MAX);
        return false;
    }
    form->fields = object_alloc(2 * pairs * sizeof *form->fields);
    struct csv_field *values = form->fields + pairs;
    for (size_t begin = 0, end; begin < length && !problem_faults_full(faults); begin = end + 1) {
        const char *separator = memchr(bytes + begin, '&', length - begin);
        end = separator == NULL ? length : (size_t)(separator - bytes);
        if (end > begin && !take_pair(form, bytes, begin, end, values, faults))
            break;
    }
    form->names.bytes = form->values.bytes = bytes;
    form->names.fields = form->fields;
    form->values.fields = values;
    form->values.count = form->names.count;
    if (form->names.count == 0 && faults->count == 0)
        problem_fault(faults, "body", "has no features: expected pairs of name=value");
    return faults->count == 0;
}

/* ---- the row ---- */

size_t form_measure(struct form *form, const struct layout *layout, const struct fields *fields,
                    bool allow_nan, struct problem_faults *faults)
{
    size_t bytes[TENSOR_COUNT_MAX] = {0};
    form->columns = (struct columns){.layout = layout,
                                     .fields = fields,
                                     .allow_nan = allow_nan,
                                     .width = layout->width,
                                     .given = layout->width};
    if (layout->names == NULL) {
        problem_fault(faults, "features",
                      "the model has no feature names: expected them as an array, in JSON");
        return 0;
    }
    if (!columns_by_name(&form->columns, &form->names)) {
        columns_explain(&form->columns, &form->names, "features", faults);
        return 0;
    }
    if (!record_measure(&form->columns, &form->values, bytes)) {
        record_explain(&form->columns, &form->values, "features", faults);
        return 0;
    }
    layout_tensors(layout, 1, layout->width, form->tensors);
    for (size_t i = 0; i < layout->input_count; i++)
        form->tensors[i].bytes += bytes[i];
    return tensors_encoded_size(form->tensors, layout->input_count);
}

bool form_write(const struct form *form, uint8_t *payload, size_t bytes, struct problem_faults *faults)
{
    size_t inputs = form->columns.layout->input_count;
    uint8_t *data[TENSOR_COUNT_MAX], *next[TENSOR_COUNT_MAX];
    ENSURE(tensors_encode(form->tensors, inputs, payload, bytes, data) == bytes);
    memcpy(next, data, inputs * sizeof *data);
    if (record_write(&form->columns, &form->values, next) &&
        fields_hold(form->columns.fields, form->tensors, data))
        return true;
    record_explain(&form->columns, &form->values, "features", faults);
    return false;
}

void form_end(struct form *form)
{
    columns_free(&form->columns);
    free(form->fields);
    *form = (struct form){0};
}
