/* span: see span.h. Attributes are one flat array, a key and its value by turns; links are one text of bytes:
 * both are written for each span of each recorded request. Called by tracer.c, and by the collector's otlp.c
 * for what came. SPDX-License-Identifier: MIT */
#include "span.h"

enum { FIELDS = 15 /* of its array, without the two of every kind */ };

/* ---- filling ---- */

static struct text cut(struct text text)
{
    size_t length = text.length;
    if (length <= SPAN_TEXT_MAX)
        return text;
    length = SPAN_TEXT_MAX;
    while (length > 0 && ((unsigned char)text.at[length] & 0xc0) == 0x80)
        length--; /* not within a character */
    return (struct text){text.at, length};
}

void span_add_text(struct span *span, const char *key, struct text text)
{
    if (text.length > 0 && span->attribute_count < SPAN_ATTRIBUTES_MAX)
        span->attributes[span->attribute_count++] =
            (struct span_attribute){.key = text_of(key), .text = cut(text)};
}

void span_add_number(struct span *span, const char *key, int64_t number)
{
    if (span->attribute_count < SPAN_ATTRIBUTES_MAX)
        span->attributes[span->attribute_count++] =
            (struct span_attribute){.key = text_of(key), .is_number = true, .number = number};
}

/* ---- writing ---- */

static void write_attributes(struct wire_writer *writer, const struct span *span)
{
    wire_write_array(writer, 2 * span->attribute_count);
    for (size_t i = 0; i < span->attribute_count; i++) {
        const struct span_attribute *attribute = &span->attributes[i];
        wire_write_text(writer, attribute->key);
        if (attribute->is_number)
            wire_write_int(writer, attribute->number);
        else
            wire_write_text(writer, attribute->text);
    }
}

size_t span_encode(const struct span *span, uint8_t *bytes, size_t capacity)
{
    struct wire_writer writer;
    ENSURE(span->link_count <= SPAN_LINKS_MAX);
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_array(&writer, FIELDS + 2);
    wire_write_uint(&writer, OBSERVATION_VERSION);
    wire_write_uint(&writer, OBSERVATION_SPANS);
    wire_write_text(&writer, cut(span->process));
    wire_write_bin(&writer, span->trace, sizeof span->trace);
    wire_write_bin(&writer, span->id, sizeof span->id);
    wire_write_bin(&writer, span->parent, span->has_parent ? sizeof span->parent : 0);
    wire_write_bool(&writer, span->remote_parent);
    wire_write_uint(&writer, span->flags);
    wire_write_uint(&writer, span->kind);
    wire_write_text(&writer, cut(span->name));
    wire_write_uint(&writer, (uint64_t)span->start);
    wire_write_uint(&writer, (uint64_t)span->end);
    if (span->failed)
        wire_write_text(&writer, cut(span->message));
    else
        wire_write_bool(&writer, false);
    wire_write_text(&writer, cut(span->state));
    write_attributes(&writer, span);
    wire_write_bin(&writer, span->links, span->link_count * SPAN_LINK_BYTES);
    wire_write_uint(&writer, span->links_left_out);
    return wire_writer_end(&writer);
}

/* ---- reading ---- */

/* Exactly so many bytes. */
static bool read_bytes(struct wire_reader *reader, uint8_t *bytes, size_t length)
{
    struct text text;
    if (!wire_read_bin(reader, length, &text) || text.length != length)
        return false;
    memcpy(bytes, text.at, length);
    return true;
}

static bool read_parent(struct wire_reader *reader, struct span *span)
{
    struct text text;
    if (!wire_read_bin(reader, TRACE_SPAN_BYTES, &text) ||
        (text.length != 0 && text.length != TRACE_SPAN_BYTES))
        return false;
    span->has_parent = text.length > 0;
    if (span->has_parent)
        memcpy(span->parent, text.at, TRACE_SPAN_BYTES);
    return true;
}

static bool read_times(struct wire_reader *reader, struct span *span)
{
    uint64_t start, end;
    if (!wire_read_uint(reader, INT64_MAX, &start) || !wire_read_uint(reader, INT64_MAX, &end) || end < start)
        return false;
    span->start = (int64_t)start;
    span->end = (int64_t)end;
    return true;
}

static bool read_kind(struct wire_reader *reader, struct span *span)
{
    uint64_t flags, kind;
    if (!wire_read_bool(reader, &span->remote_parent) || !wire_read_uint(reader, TRACE_FLAGS, &flags) ||
        !wire_read_uint(reader, SPAN_CONSUMER, &kind) || kind == 0)
        return false;
    span->flags = (uint8_t)flags;
    span->kind = (enum span_kind)kind;
    return true;
}

/* False, or the text of a failure. */
static bool read_failure(struct wire_reader *reader, struct span *span)
{
    struct wire_reader ahead = *reader;
    bool failed;
    if (wire_read_bool(&ahead, &failed)) {
        *reader = ahead;
        return !failed;
    }
    span->failed = true;
    return wire_read_str(reader, SPAN_TEXT_MAX, &span->message);
}

static bool read_attribute(struct wire_reader *reader, struct span_attribute *attribute)
{
    struct wire_reader ahead;
    if (!wire_read_str(reader, SPAN_TEXT_MAX, &attribute->key) || attribute->key.length == 0)
        return false;
    ahead = *reader;
    attribute->is_number = wire_read_int(&ahead, &attribute->number);
    if (attribute->is_number)
        *reader = ahead;
    return attribute->is_number || wire_read_str(reader, SPAN_TEXT_MAX, &attribute->text);
}

static bool read_attributes(struct wire_reader *reader, struct span *span)
{
    uint32_t count;
    if (!wire_read_array(reader, &count) || count % 2 != 0 || count > 2 * SPAN_ATTRIBUTES_MAX)
        return false;
    for (; span->attribute_count < count / 2; span->attribute_count++)
        if (!read_attribute(reader, &span->attributes[span->attribute_count]))
            return false;
    return true;
}

static bool read_links(struct wire_reader *reader, struct span *span)
{
    struct text links;
    if (!wire_read_bin(reader, SPAN_LINKS_MAX * SPAN_LINK_BYTES, &links) ||
        links.length % SPAN_LINK_BYTES != 0 || !wire_read_uint(reader, UINT32_MAX, &span->links_left_out))
        return false;
    span->links = (const uint8_t *)links.at;
    span->link_count = links.length / SPAN_LINK_BYTES;
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    while (length > 0 && bytes[length - 1] == 0)
        length--;
    return length == 0;
}

const char *span_decode(const struct observation_any *any, struct span *span)
{
    struct wire_reader reader = wire_reader(any->body.at, any->body.length);
    *span = (struct span){0};
    if (any->fields != FIELDS)
        return "the array of a span has another length";
    if (!wire_read_str(&reader, SPAN_TEXT_MAX, &span->process) ||
        !read_bytes(&reader, span->trace, sizeof span->trace) ||
        !read_bytes(&reader, span->id, sizeof span->id) || !read_parent(&reader, span))
        return "a number of a span is none";
    if (is_zero(span->trace, sizeof span->trace) || is_zero(span->id, sizeof span->id))
        return "a number of a span is zero";
    if (!read_kind(&reader, span) || !wire_read_str(&reader, SPAN_TEXT_MAX, &span->name) ||
        !read_times(&reader, span) || !read_failure(&reader, span) ||
        !wire_read_str(&reader, TRACE_STATE_MAX, &span->state))
        return "what a span says of itself is out of its bounds";
    if (!read_attributes(&reader, span) || !read_links(&reader, span))
        return "attributes or links of a span are none";
    return NULL;
}
