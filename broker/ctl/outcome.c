/* outcome: see outcome.h. Enough of an answer to see that it is one; whoever wants all of it asks over HTTP.
 * SPDX-License-Identifier: MIT */
#include "outcome.h"

#include "clock.h"
#include "tensor.h"

#include <inttypes.h>

enum { VALUES_SHOWN = 10 };

/* ---- values ---- */

#define PRINT_AS(type, format, wide)                                                                         \
    do {                                                                                                     \
        type value;                                                                                          \
        memcpy(&value, at, sizeof value);                                                                    \
        fprintf(out, format, (wide)value);                                                                   \
    } while (0)

static void print_number(enum datatype datatype, const uint8_t *at, FILE *out)
{
    switch (datatype) {
    case DATATYPE_BOOL:
        fputs(*at != 0 ? "true" : "false", out);
        return;
    case DATATYPE_UINT8:
        PRINT_AS(uint8_t, "%u", unsigned);
        return;
    case DATATYPE_INT8:
        PRINT_AS(int8_t, "%d", int);
        return;
    case DATATYPE_UINT16:
        PRINT_AS(uint16_t, "%u", unsigned);
        return;
    case DATATYPE_INT16:
        PRINT_AS(int16_t, "%d", int);
        return;
    case DATATYPE_UINT32:
        PRINT_AS(uint32_t, "%" PRIu32, uint32_t);
        return;
    case DATATYPE_INT32:
        PRINT_AS(int32_t, "%" PRId32, int32_t);
        return;
    case DATATYPE_UINT64:
        PRINT_AS(uint64_t, "%" PRIu64, uint64_t);
        return;
    case DATATYPE_INT64:
        PRINT_AS(int64_t, "%" PRId64, int64_t);
        return;
    case DATATYPE_FP32:
        PRINT_AS(float, "%.9g", double);
        return;
    case DATATYPE_FP64:
        PRINT_AS(double, "%.17g", double);
        return;
    default: /* FP16, BF16: their bits */
        PRINT_AS(uint16_t, "0x%04x", unsigned);
    }
}

void outcome_print_text(struct text text, FILE *out)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char character = (unsigned char)text.at[i];
        fputc(character >= ' ' && character != 127 ? character : '?', out);
    }
}

/* One element of BYTES in quotes. Returns what follows it. */
static const uint8_t *print_bytes(const uint8_t *at, FILE *out)
{
    uint32_t length;
    memcpy(&length, at, sizeof length); /* tensors_decode has added them up */
    at += sizeof length;
    fputc('"', out);
    outcome_print_text((struct text){(const char *)at, length}, out);
    fputc('"', out);
    return at + length;
}

static void print_values(const struct tensor *tensor, FILE *out)
{
    const uint8_t *at = tensor->data;
    size_t count = 0, size = datatype_bytes(tensor->datatype);
    tensor_elements(tensor, &count);
    for (size_t i = 0; i < count && i < VALUES_SHOWN; i++) {
        fputs(i == 0 ? ": " : ", ", out);
        if (size == 0) {
            at = print_bytes(at, out);
        } else {
            print_number(tensor->datatype, at, out);
            at += size;
        }
    }
    fputs(count > VALUES_SHOWN ? ", ...\n" : "\n", out);
}

/* ---- the answer ---- */

static void print_tensor(const struct tensor *tensor, FILE *out)
{
    fputs("    ", out);
    outcome_print_text(tensor->name, out);
    fprintf(out, " %s[", datatype_name(tensor->datatype));
    for (uint32_t i = 0; i < tensor->rank; i++)
        fprintf(out, "%s%" PRId64, i == 0 ? "" : ",", tensor->shape[i]);
    fputc(']', out);
    print_values(tensor, out);
}

bool outcome_print(const struct client_answer *answer, int64_t took, FILE *out)
{
    double milliseconds = (double)took / (double)MILLISECOND;
    if (answer->failure != FAILURE_NONE) {
        fprintf(out, "no answer after %.1f ms: %s (%d): ", milliseconds, failure_label(answer->failure),
                failure_http_status(answer->failure));
        outcome_print_text(answer->message, out);
        fputc('\n', out);
        return false;
    }
    fprintf(out, "answered by version %.*s after %.1f ms\n", (int)answer->version.length, answer->version.at,
            milliseconds);
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows;
    const char *complaint = tensors_decode(answer->payload, answer->payload_bytes, tensors, &count, &rows);
    if (complaint != NULL) {
        fprintf(out, "    which holds no tensors: %s\n", complaint);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        print_tensor(&tensors[i], out);
    return true;
}

/* ---- JSON ---- */

/* What `text` says as a number, where JSON has such numbers (0.5, -7, true), else as a text (inf, 0x3c00). */
static yyjson_mut_val *json_of(yyjson_mut_doc *document, const char *text)
{
    yyjson_doc *number = yyjson_read(text, strlen(text), YYJSON_READ_NUMBER_AS_RAW);
    yyjson_mut_val *value = number == NULL ? yyjson_mut_strcpy(document, text)
                                           : yyjson_val_mut_copy(document, yyjson_doc_get_root(number));
    yyjson_doc_free(number);
    return value;
}

/* The value at `at`; *at moves behind it. */
static yyjson_mut_val *next_value(yyjson_mut_doc *document, enum datatype datatype, const uint8_t **at)
{
    size_t size = datatype_bytes(datatype);
    if (size == 0) {
        uint32_t length;
        memcpy(&length, *at, sizeof length); /* tensors_decode has added them up */
        const char *bytes = (const char *)*at + sizeof length;
        *at += sizeof length + length;
        return yyjson_mut_strncpy(document, bytes, length);
    }
    char text[64];
    FILE *out = fmemopen(text, sizeof text, "w");
    ENSURE(out != NULL);
    print_number(datatype, *at, out);
    fclose(out);
    *at += size;
    return json_of(document, text);
}

static void add_tensor(yyjson_mut_doc *document, yyjson_mut_val *tensors, const struct tensor *tensor)
{
    const uint8_t *at = tensor->data;
    size_t count = 0;
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, tensors);
    yyjson_mut_obj_add_strncpy(document, entry, "name", tensor->name.at, tensor->name.length);
    yyjson_mut_obj_add_str(document, entry, "datatype", datatype_name(tensor->datatype));
    yyjson_mut_val *shape = yyjson_mut_obj_add_arr(document, entry, "shape");
    for (uint32_t i = 0; i < tensor->rank; i++)
        yyjson_mut_arr_add_sint(document, shape, tensor->shape[i]);
    tensor_elements(tensor, &count);
    yyjson_mut_val *values = yyjson_mut_obj_add_arr(document, entry, "values");
    for (size_t i = 0; i < count && i < VALUES_SHOWN; i++)
        yyjson_mut_arr_append(values, next_value(document, tensor->datatype, &at));
}

static bool fail(yyjson_mut_doc *document, const char *error, size_t length)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
    yyjson_mut_obj_put(root, yyjson_mut_str(document, "ok"), yyjson_mut_bool(document, false));
    yyjson_mut_obj_add_strncpy(document, root, "error", error, length);
    return false;
}

bool outcome_add(const struct client_answer *answer, int64_t took, yyjson_mut_doc *document)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
    yyjson_mut_obj_add_real(document, root, "milliseconds", (double)took / (double)MILLISECOND);
    if (answer->failure != FAILURE_NONE) {
        yyjson_mut_obj_add_str(document, root, "failure", failure_label(answer->failure));
        yyjson_mut_obj_add_int(document, root, "status", failure_http_status(answer->failure));
        return fail(document, answer->message.at, answer->message.length);
    }
    yyjson_mut_obj_add_strncpy(document, root, "version", answer->version.at, answer->version.length);
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows;
    const char *complaint = tensors_decode(answer->payload, answer->payload_bytes, tensors, &count, &rows);
    if (complaint != NULL)
        return fail(document, complaint, strlen(complaint));
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, "tensors");
    for (size_t i = 0; i < count; i++)
        add_tensor(document, list, &tensors[i]);
    return true;
}
