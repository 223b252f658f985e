/* otlp: see otlp.h. Protobuf is so little that a library for it would be more: a field is its number and
 * type, then a number, eight bytes, or a length and that many bytes. Lengths of messages within messages are
 * put in when these are whole, by moving them up. Texts have to be UTF-8 there, and may come from strangers:
 * whatever is none becomes "?". Called by the exporter's threads (exporter.c). SPDX-License-Identifier: MIT
 */
#include "otlp.h"

#include "utf8.h"

#include <stdlib.h>

/* Of opentelemetry/proto: trace.v1, common.v1, resource.v1, collector.trace.v1. */
enum {
    REQUEST_RESOURCE_SPANS = 1,
    RESOURCE_SPANS_RESOURCE = 1,
    RESOURCE_SPANS_SCOPE_SPANS = 2,
    RESOURCE_ATTRIBUTES = 1,
    SCOPE_SPANS_SCOPE = 1,
    SCOPE_SPANS_SPANS = 2,
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_TRACE_STATE = 3,
    SPAN_PARENT_SPAN_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_LINKS = 13,
    SPAN_LINKS_DROPPED = 14,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16,
    LINK_TRACE_ID = 1,
    LINK_SPAN_ID = 2,
    STATUS_MESSAGE = 2,
    STATUS_CODE = 3,
    STATUS_CODE_ERROR = 2,
    KEY_VALUE_KEY = 1,
    KEY_VALUE_VALUE = 2,
    ANY_STRING = 1,
    ANY_INT = 3,
    RESPONSE_PARTIAL_SUCCESS = 1,
    PARTIAL_REJECTED_SPANS = 1,
    FLAGS_HAS_IS_REMOTE = 0x100,
    FLAGS_IS_REMOTE = 0x200
};

enum wire_type { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

enum { VARINT_MAX = 10, FIRST_BYTES = 1024 };

/* ---- bytes ---- */

void otlp_bytes_free(struct otlp_bytes *bytes)
{
    free(bytes->bytes);
    *bytes = (struct otlp_bytes){0};
}

static void make_room(struct otlp_bytes *bytes, size_t more)
{
    if (bytes->capacity - bytes->length >= more)
        return;
    size_t capacity = bytes->capacity == 0 ? FIRST_BYTES : bytes->capacity;
    while (capacity - bytes->length < more)
        capacity *= 2;
    bytes->bytes = realloc(bytes->bytes, capacity);
    ENSURE(bytes->bytes != NULL);
    bytes->capacity = capacity;
}

static void add(struct otlp_bytes *bytes, const void *at, size_t length)
{
    make_room(bytes, length);
    if (length > 0)
        memcpy(bytes->bytes + bytes->length, at, length);
    bytes->length += length;
}

static size_t write_varint(uint8_t at[VARINT_MAX], uint64_t value)
{
    size_t length = 0;
    for (; value >= 0x80; value >>= 7)
        at[length++] = (uint8_t)(value | 0x80);
    at[length++] = (uint8_t)value;
    return length;
}

static void add_varint(struct otlp_bytes *bytes, uint64_t value)
{
    uint8_t varint[VARINT_MAX];
    size_t length = write_varint(varint, value);
    add(bytes, varint, length);
}

/* ---- fields ---- */

static void add_tag(struct otlp_bytes *bytes, unsigned field, enum wire_type type)
{
    add_varint(bytes, field << 3 | type);
}

static void add_number(struct otlp_bytes *bytes, unsigned field, uint64_t value)
{
    add_tag(bytes, field, VARINT);
    add_varint(bytes, value);
}

static void add_fixed64(struct otlp_bytes *bytes, unsigned field, uint64_t value)
{
    uint8_t little[8];
    for (size_t i = 0; i < sizeof little; i++)
        little[i] = (uint8_t)(value >> 8 * i);
    add_tag(bytes, field, FIXED64);
    add(bytes, little, sizeof little);
}

static void add_fixed32(struct otlp_bytes *bytes, unsigned field, uint32_t value)
{
    const uint8_t little[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                               (uint8_t)(value >> 24)};
    add_tag(bytes, field, FIXED32);
    add(bytes, little, sizeof little);
}

static void add_bytes(struct otlp_bytes *bytes, unsigned field, const void *at, size_t length)
{
    add_tag(bytes, field, LENGTH);
    add_varint(bytes, length);
    add(bytes, at, length);
}

static void add_text(struct otlp_bytes *bytes, unsigned field, struct text text)
{
    add_bytes(bytes, field, text.at, text.length);
    uint8_t *end = bytes->bytes + bytes->length, *at = end - text.length;
    while (at < end) {
        size_t length = utf8_length((const char *)at, (size_t)(end - at));
        if (length == 0)
            *at = '?';
        at += length == 0 ? 1 : length;
    }
}

static void add_string(struct otlp_bytes *bytes, unsigned field, const char *string)
{
    add_text(bytes, field, text_of(string));
}

/* ---- messages within messages ---- */

/* What stands behind `begun`, where its field's tag ended, becomes its content. */
static size_t begin(struct otlp_bytes *bytes, unsigned field)
{
    add_tag(bytes, field, LENGTH);
    return bytes->length;
}

static void end(struct otlp_bytes *bytes, size_t begun)
{
    uint8_t varint[VARINT_MAX];
    size_t length = bytes->length - begun, head = write_varint(varint, length);
    make_room(bytes, head);
    memmove(bytes->bytes + begun + head, bytes->bytes + begun, length);
    memcpy(bytes->bytes + begun, varint, head);
    bytes->length += head;
}

static void add_attribute(struct otlp_bytes *bytes, unsigned field, const struct span_attribute *attribute)
{
    size_t attribute_begun = begin(bytes, field);
    add_text(bytes, KEY_VALUE_KEY, attribute->key);
    size_t value_begun = begin(bytes, KEY_VALUE_VALUE);
    if (attribute->is_number)
        add_number(bytes, ANY_INT, (uint64_t)attribute->number);
    else
        add_text(bytes, ANY_STRING, attribute->text);
    end(bytes, value_begun);
    end(bytes, attribute_begun);
}

/* ---- a span ---- */

static void add_link(struct otlp_bytes *bytes, const uint8_t *link)
{
    size_t begun = begin(bytes, SPAN_LINKS);
    add_bytes(bytes, LINK_TRACE_ID, link, TRACE_ID_BYTES);
    add_bytes(bytes, LINK_SPAN_ID, link + TRACE_ID_BYTES, TRACE_SPAN_BYTES);
    end(bytes, begun);
}

static void add_status(struct otlp_bytes *bytes, const struct span *span)
{
    size_t begun = begin(bytes, SPAN_STATUS);
    if (span->message.length > 0)
        add_text(bytes, STATUS_MESSAGE, span->message);
    add_number(bytes, STATUS_CODE, STATUS_CODE_ERROR);
    end(bytes, begun);
}

void otlp_add_span(struct otlp_bytes *bytes, const struct span *span)
{
    add_bytes(bytes, SPAN_TRACE_ID, span->trace, TRACE_ID_BYTES);
    add_bytes(bytes, SPAN_SPAN_ID, span->id, TRACE_SPAN_BYTES);
    if (span->state.length > 0)
        add_text(bytes, SPAN_TRACE_STATE, span->state);
    if (span->has_parent)
        add_bytes(bytes, SPAN_PARENT_SPAN_ID, span->parent, TRACE_SPAN_BYTES);
    add_text(bytes, SPAN_NAME, span->name);
    add_number(bytes, SPAN_KIND, span->kind);
    add_fixed64(bytes, SPAN_START, (uint64_t)span->start);
    add_fixed64(bytes, SPAN_END, (uint64_t)span->end);
    for (size_t i = 0; i < span->attribute_count; i++)
        add_attribute(bytes, SPAN_ATTRIBUTES, &span->attributes[i]);
    for (size_t i = 0; i < span->link_count; i++)
        add_link(bytes, span->links + i * SPAN_LINK_BYTES);
    if (span->links_left_out > 0)
        add_number(bytes, SPAN_LINKS_DROPPED, span->links_left_out);
    if (span->failed)
        add_status(bytes, span);
    add_fixed32(bytes, SPAN_FLAGS,
                span->flags | (uint32_t)FLAGS_HAS_IS_REMOTE |
                    (span->remote_parent ? (uint32_t)FLAGS_IS_REMOTE : 0));
}

/* ---- a request ---- */

static void add_resource_text(struct otlp_bytes *bytes, const char *key, const char *value)
{
    add_attribute(bytes, RESOURCE_ATTRIBUTES,
                  &(struct span_attribute){.key = text_of(key), .text = text_of(value)});
}

static void end_resource(struct otlp_request *request)
{
    if (request->process == NULL)
        return;
    end(&request->bytes, request->scope);
    end(&request->bytes, request->resource);
    request->process = NULL;
}

static void begin_resource(struct otlp_request *request, const char *process)
{
    struct otlp_bytes *bytes = &request->bytes;
    request->resource = begin(bytes, REQUEST_RESOURCE_SPANS);
    size_t resource = begin(bytes, RESOURCE_SPANS_RESOURCE);
    add_resource_text(bytes, "service.name", request->sender->service);
    add_resource_text(bytes, "service.version", request->sender->version);
    add_resource_text(bytes, "service.instance.id", process);
    add_resource_text(bytes, "host.name", request->sender->host);
    end(bytes, resource);
    request->scope = begin(bytes, RESOURCE_SPANS_SCOPE_SPANS);
    size_t scope = begin(bytes, SCOPE_SPANS_SCOPE);
    add_string(bytes, SCOPE_NAME, "outrigger");
    add_string(bytes, SCOPE_VERSION, request->sender->version);
    end(bytes, scope);
    request->process = process;
}

void otlp_request_begin(struct otlp_request *request, const struct otlp_sender *sender)
{
    request->bytes.length = 0;
    request->sender = sender;
    request->process = NULL;
}

void otlp_request_add(struct otlp_request *request, const char *process, const void *span, size_t length)
{
    if (request->process == NULL || strcmp(request->process, process) != 0) {
        end_resource(request);
        begin_resource(request, process);
    }
    request->process = process;
    add_bytes(&request->bytes, SCOPE_SPANS_SPANS, span, length);
}

void otlp_request_end(struct otlp_request *request)
{
    end_resource(request);
}

/* ---- an answer ---- */

struct reader {
    const uint8_t *at, *end;
};

static bool read_varint(struct reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool skip_bytes(struct reader *reader, uint64_t length)
{
    if (length > (uint64_t)(reader->end - reader->at))
        return false;
    reader->at += length;
    return true;
}

/* Moves to the value of the first field of that number and type; false: there is none. */
static bool find_field(struct reader *reader, unsigned field, enum wire_type type)
{
    uint64_t tag, value;
    while (read_varint(reader, &tag)) {
        if (tag == (field << 3 | (unsigned)type))
            return true;
        bool passed = (tag & 7) == VARINT    ? read_varint(reader, &value)
                      : (tag & 7) == FIXED64 ? skip_bytes(reader, 8)
                      : (tag & 7) == FIXED32 ? skip_bytes(reader, 4)
                      : (tag & 7) == LENGTH  ? read_varint(reader, &value) && skip_bytes(reader, value)
                                             : false;
        if (!passed)
            return false;
    }
    return false;
}

uint64_t otlp_rejected(const void *answer, size_t length)
{
    struct reader reader = {answer, (const uint8_t *)answer + length}, inner;
    uint64_t partial, rejected;
    if (!find_field(&reader, RESPONSE_PARTIAL_SUCCESS, LENGTH) || !read_varint(&reader, &partial) ||
        partial > (uint64_t)(reader.end - reader.at))
        return 0;
    inner = (struct reader){reader.at, reader.at + partial};
    if (!find_field(&inner, PARTIAL_REJECTED_SPANS, VARINT) || !read_varint(&inner, &rejected) ||
        rejected > INT64_MAX)
        return 0;
    return rejected;
}
