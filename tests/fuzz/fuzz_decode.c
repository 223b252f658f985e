/* fuzz_decode: the body of a prediction, for models of several shapes. The first byte chooses the model,
 * whether anything is said of its columns, and the call; the rest is the body. What is accepted is a payload
 * that the worker's reader takes; what is refused has a fault to tell. The short cut for plain batches takes
 * nothing that is refused, and makes the same payload. The bytes are tried as an answer's payload, too: what
 * is printed of it is JSON. SPDX-License-Identifier: MIT */
#include "answer.h"
#include "decode.h"
#include "layout.h"
#include "rows.h"
#include "schemas.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODELS = 4, MAX_DEPTH = 64 };

/* Numbers; numbers by name; one input of each datatype, by name; any width. */
static struct schema *make_schema(unsigned model)
{
    struct schema *schema = schema_new();
    schema->inputs = object_alloc(DATATYPE_COUNT * sizeof *schema->inputs);
    if (model == 0) {
        add_input(schema, "x", DATATYPE_FP32, 2, 3);
    } else if (model == 1) {
        add_input(schema, "x", DATATYPE_FP32, 2, 3);
        add_names(schema, "abc", 3);
        schema->allow_nan = true;
    } else if (model == 2) {
        for (int i = 0; i < DATATYPE_COUNT; i++)
            add_input(schema, datatype_name((enum datatype)i), (enum datatype)i, 1 + i % 2, 1);
        add_names(schema, "abcdefghijklmn", DATATYPE_COUNT);
    } else {
        add_input(schema, "x", DATATYPE_BYTES, 2, -1);
    }
    return schema;
}

static void check_tensors(const struct schema *schema, const uint8_t *payload, size_t bytes,
                          const struct rows *rows)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, row_count;
    ENSURE(tensors_decode(payload, bytes, tensors, &count, &row_count) == NULL);
    ENSURE(count == rows->layout->input_count && row_count == rows->count);
    check_fields(schema, tensors, count);
}

/* The same body by the short cut. `payload` is what the tree's way made of it, NULL when it was refused. */
static void check_short_cut(const struct layout *layout, const struct fields *fields, const char *bytes,
                            size_t length, const uint8_t *payload, size_t payload_bytes)
{
    static struct rows rows; /* large */
    struct decoder *decoder = decoder_new();
    struct decode_body body;
    struct problem_faults faults = {.count = 0};
    char *copy = object_alloc(length + YYJSON_PADDING_SIZE);
    memcpy(copy, bytes, length);
    bool taken = decode_plain(decoder, copy, length, length + YYJSON_PADDING_SIZE, MAX_DEPTH, &body);
    ENSURE(memcmp(copy, bytes, length) == 0);
    if (taken && rows_take_plain(layout, body.plain)) {
        rows = (struct rows){.layout = layout, .fields = fields, .batch = true, .plain = body.plain};
        uint8_t *made = object_alloc(payload_bytes + 1);
        ENSURE((payload != NULL || fields != NULL) && rows_measure(&rows, &faults) == payload_bytes);
        bool good = rows_write(&rows, made, payload_bytes, &faults);
        ENSURE(good == (payload != NULL) && good == (faults.count == 0));
        ENSURE(!good || memcmp(made, payload, payload_bytes) == 0);
        free(made);
    }
    decoder_free(decoder);
    free(copy);
}

/* The payload that a body makes; NULL when it is refused. */
static uint8_t *convert(const struct schema *schema, const struct layout *layout, const struct fields *fields,
                        const struct decode_body *body, bool batch, struct problem_faults *faults,
                        size_t *bytes)
{
    static struct rows rows; /* large */
    rows.layout = layout;
    rows.fields = fields;
    rows.allow_nan = schema->allow_nan;
    rows.batch = batch;
    rows.value = body->rows;
    *bytes = rows_measure(&rows, faults);
    ENSURE((*bytes == 0) == (faults->count > 0));
    if (*bytes == 0)
        return NULL;
    uint8_t *payload = object_alloc(*bytes);
    if (rows_write(&rows, payload, *bytes, faults)) {
        check_tensors(schema, payload, *bytes, &rows);
        return payload;
    }
    ENSURE(faults->count > 0);
    free(payload);
    return NULL;
}

static void print_answer(const struct schema *schema, const uint8_t *data, size_t size, bool batch)
{
    struct output out = {0};
    const struct answer answer = {.schema = schema, .batch = batch, .rows = 1, .model = text_of("m")};
    if (answer_write(&answer, data, size, &out) == NULL) {
        yyjson_doc *document = yyjson_read(out.bytes, out.length, 0);
        ENSURE(document != NULL);
        yyjson_doc_free(document);
    }
    output_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned model = data[0] % MODELS;
    bool batch = (data[0] / MODELS) % 2 != 0;
    bool in_place = (data[0] / MODELS) % 4 < 2;
    size_t length = size - 1;
    size_t capacity = length + (in_place ? YYJSON_PADDING_SIZE : 0);
    char *bytes = object_alloc(capacity);
    memcpy(bytes, data + 1, length);

    struct schema *schema = make_schema(model);
    if (data[0] / (4 * MODELS) % 2 != 0 && model != MODELS - 1)
        add_fields(schema);
    struct layout *layout = layout_new(schema);
    struct fields *fields = fields_new(schema, layout);
    struct decoder *decoder = decoder_new();
    struct decode_body body;
    struct problem_faults faults = {.count = 0};
    uint8_t *payload = NULL;
    size_t payload_bytes = 0;
    if (decode_body(decoder, bytes, length, capacity, batch, MAX_DEPTH, &body, &faults))
        payload = convert(schema, layout, fields, &body, batch, &faults, &payload_bytes);
    else
        ENSURE(faults.count > 0);
    if (batch)
        check_short_cut(layout, fields, (const char *)data + 1, length, payload, payload_bytes);
    free(payload);
    decoder_free(decoder);
    free(bytes);
    print_answer(schema, data + 1, length, batch);
    fields_free(fields);
    layout_free(layout);
    schema_free(schema);
    return 0;
}
