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
    default: /* FP16: its bits */
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
