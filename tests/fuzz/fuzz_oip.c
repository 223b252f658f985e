/* fuzz_oip: the body of an inference request of the Open Inference Protocol, for models of several shapes.
 * The first byte chooses the model, the second and third the length of the JSON (0: all of it is one tensor),
 * the rest is the body. What is accepted is a payload that the worker's reader takes; what is refused has an
 * error to tell. The bytes are tried as an answer's payload, too, with what was asked for, and as packed
 * ones. SPDX-License-Identifier: MIT */
#include "compression.h"
#include "oip_response.h"
#include "oip_tensors.h"
#include "schemas.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODELS = 4, MAX_DEPTH = 64, MAX_ROWS = 1000, UNPACKED_MAX = 1 << 16 };

/* Numbers; one input of each datatype; texts; any width. */
static struct schema *make_schema(unsigned model)
{
    struct schema *schema = schema_new();
    schema->inputs = object_alloc(DATATYPE_COUNT * sizeof *schema->inputs);
    if (model == 0) {
        add_input(schema, "x", DATATYPE_FP32, 2, 3);
        add_names(schema, "abc", 3);
    } else if (model == 1) {
        for (int i = 0; i < DATATYPE_COUNT; i++)
            add_input(schema, datatype_name((enum datatype)i), (enum datatype)i, 1 + i % 2, 1);
        schema->allow_nan = true;
    } else if (model == 2) {
        add_input(schema, "x", DATATYPE_BYTES, 2, 1);
    } else {
        add_input(schema, "x", DATATYPE_INT16, 2, -1);
    }
    return schema;
}

static void check_error(const struct http_response *response)
{
    yyjson_doc *document = yyjson_read(response->body.bytes, response->body.length, 0);
    ENSURE(response->status >= 400 && yyjson_obj_size(yyjson_doc_get_root(document)) == 1);
    yyjson_doc_free(document);
}

static void convert(const struct oip_target *target, const struct oip_request *request, bool raw,
                    struct http_response *response)
{
    static struct oip_tensors tensors; /* large */
    struct tensor decoded[TENSOR_COUNT_MAX];
    size_t count, rows, bytes = oip_tensors_measure(target, request, raw, &tensors, response);
    if (bytes == 0) {
        check_error(response);
        return;
    }
    uint8_t *payload = object_alloc(bytes);
    if (!oip_tensors_write(&tensors, payload, bytes, response)) {
        check_error(response);
    } else {
        ENSURE(tensors_decode(payload, bytes, decoded, &count, &rows) == NULL);
        ENSURE(count == target->schema->input_count && rows == tensors.rows && rows <= MAX_ROWS);
    }
    free(payload);
}

/* As an answer, whose first output is wanted as bytes or as classes. */
static void print_answer(struct schema *schema, const uint8_t *data, size_t size,
                         struct http_response *response)
{
    struct oip_wished wished = {.output = 0, .binary = size % 2 == 0, .classes = size % 3 == 0 ? 2 : 0};
    struct oip_wish wish = {.binary = size % 5 == 0, .count = size % 7 == 0 ? 1 : 0, .outputs = &wished};
    struct tensor decoded[TENSOR_COUNT_MAX];
    size_t count, rows = 0;
    schema->outputs = schema->inputs;
    schema->output_count = schema->input_count;
    if (tensors_decode(data, size, decoded, &count, &rows) == NULL) {
        const struct oip_answer answer = {
            .wish = &wish, .asked = schema, .answering = schema, .rows = rows, .model = text_of("m")};
        response->json_bytes = 0;
        if (oip_response_write(&answer, data, size, response) == NULL) {
            size_t json = response->json_bytes > 0 ? response->json_bytes : response->body.length;
            ENSURE(json <= response->body.length);
            yyjson_doc *document = yyjson_read(response->body.bytes, json, YYJSON_READ_ALLOW_INF_AND_NAN);
            ENSURE(document != NULL);
            yyjson_doc_free(document);
        }
    }
    schema->outputs = NULL;
    schema->output_count = 0;
}

static void unpack(const uint8_t *data, size_t size)
{
    struct output out = {0};
    for (enum encoding encoding = ENCODING_GZIP; encoding <= ENCODING_DEFLATE; encoding++) {
        enum unpacked result = compression_unpack(encoding, (const char *)data, size, UNPACKED_MAX, &out);
        ENSURE(result == UNPACKED_TOO_LARGE || out.length <= UNPACKED_MAX);
    }
    encoding_accepted((struct text){(const char *)data, size});
    output_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct oip_request request; /* large */
    if (size < 3)
        return 0;
    size_t length = size - 3, json_length = (size_t)data[1] << 8 | data[2];
    struct schema *schema = make_schema(data[0] % MODELS);
    struct decoder *decoder = decoder_new();
    struct http_response response = {.status = 200, .oip = true};
    const struct oip_target target = {.model = "m", .schema = schema, .max_rows = MAX_ROWS};
    char *bytes = object_alloc(length + HTTP_BODY_PADDING);
    memcpy(bytes, data + 3, length);
    if (json_length > length)
        json_length = length;
    const struct oip_body body = {bytes, length, length + HTTP_BODY_PADDING, json_length};
    bool raw = json_length == 0 && length > 0;
    bool read = raw ? oip_tensors_raw(&target, (struct text){bytes, length}, &request, &response)
                    : oip_request_read(decoder, &body, MAX_DEPTH, text_of("m"), &request, &response);
    if (read)
        convert(&target, &request, raw, &response);
    else
        check_error(&response);
    print_answer(schema, data + 3, length, &response);
    unpack(data + 3, length);
    http_response_free(&response);
    decoder_free(decoder);
    free(bytes);
    schema_free(schema);
    return 0;
}
