/* quarantined: see quarantined.h. The keys may come in any order, each once and none missing: whoever mends
 * such a file by hand need not know how it was written. SPDX-License-Identifier: MIT */
#include "quarantined.h"

#include "protocol.h"
#include "wire.h"

enum {
    FORMAT = 1,
    HEAD_BYTES = 2 * PROTOCOL_NAME_MAX + 2 * PROTOCOL_TEXT_MAX + 256 /* all but the payload, at most */
};

#define TIME_MAX (UINT64_C(1) << 53) /* milliseconds */

/* ---- reading the fields ---- */

static bool read_u32(struct wire_reader *reader, uint32_t minimum, uint32_t maximum, uint32_t *value)
{
    uint64_t wide;
    if (!wire_read_uint(reader, maximum, &wide) || wide < minimum)
        return false;
    *value = (uint32_t)wide;
    return true;
}

static bool read_name(struct wire_reader *reader, struct text *name)
{
    return wire_read_str(reader, PROTOCOL_NAME_MAX, name) && protocol_name_ok(*name);
}

static bool read_format(struct wire_reader *reader, struct quarantined *record)
{
    uint32_t format;
    (void)record;
    return read_u32(reader, FORMAT, FORMAT, &format);
}

static bool read_model(struct wire_reader *reader, struct quarantined *record)
{
    return read_name(reader, &record->model);
}

static bool read_version(struct wire_reader *reader, struct quarantined *record)
{
    return read_name(reader, &record->version);
}

static bool read_tag(struct wire_reader *reader, struct quarantined *record)
{
    return wire_read_str(reader, PROTOCOL_TEXT_MAX, &record->tag);
}

static bool read_cause(struct wire_reader *reader, struct quarantined *record)
{
    return wire_read_str(reader, PROTOCOL_TEXT_MAX, &record->cause);
}

static bool read_time_ms(struct wire_reader *reader, struct quarantined *record)
{
    return wire_read_uint(reader, TIME_MAX, &record->time_ms);
}

static bool read_rows(struct wire_reader *reader, struct quarantined *record)
{
    return read_u32(reader, 1, PROTOCOL_ROWS_MAX, &record->rows);
}

static bool read_kills(struct wire_reader *reader, struct quarantined *record)
{
    return read_u32(reader, 0, UINT32_MAX, &record->kills);
}

static bool read_payload(struct wire_reader *reader, struct quarantined *record)
{
    return wire_read_bin(reader, UINT32_MAX, &record->payload);
}

/* Key, how it is read, and the complaint about a value that is not right. */
#define FIELDS(X)                                                                                            \
    X(format, "format is not 1")                                                                             \
    X(model, "model is no name")                                                                             \
    X(version, "version is no name")                                                                         \
    X(time_ms, "time_ms is out of bounds")                                                                   \
    X(tag, "tag is no text of at most 512 bytes")                                                            \
    X(rows, "rows is out of bounds")                                                                         \
    X(kills, "kills is out of bounds")                                                                       \
    X(cause, "cause is no text of at most 512 bytes")                                                        \
    X(payload, "payload is no bin")

static const struct field {
    const char *key;
    bool (*read)(struct wire_reader *reader, struct quarantined *record);
    const char *complaint;
} fields[] = {
#define X(name, complaint) {#name, read_##name, complaint},
    FIELDS(X)
#undef X
};

/* The index of the key, COUNT_OF(fields) when it is none of ours. */
static size_t field_index(struct text key)
{
    size_t i = 0;
    while (i < COUNT_OF(fields) && !text_is(key, fields[i].key))
        i++;
    return i;
}

const char *quarantined_decode(const void *bytes, size_t length, struct quarantined *record)
{
    struct wire_reader reader = wire_reader(bytes, length);
    uint32_t pairs;
    unsigned seen = 0;
    *record = (struct quarantined){0};
    if (!wire_read_map(&reader, &pairs))
        return "it is no msgpack map";
    for (uint32_t i = 0; i < pairs; i++) {
        struct text key;
        if (!wire_read_str(&reader, PROTOCOL_TEXT_MAX, &key))
            return "a key is no text, or the file is cut off";
        size_t index = field_index(key);
        if (index == COUNT_OF(fields)) {
            if (!wire_skip(&reader))
                return "a value cannot be read, or the file is cut off";
            continue;
        }
        if ((seen & 1U << index) != 0)
            return "a key is there twice";
        seen |= 1U << index;
        if (!fields[index].read(&reader, record))
            return fields[index].complaint;
    }
    if (seen != (1U << COUNT_OF(fields)) - 1)
        return "a key is missing";
    return wire_finished(&reader) ? NULL : "bytes are left over behind the map";
}

/* ---- writing ---- */

size_t quarantined_bound(const struct quarantined *record)
{
    return HEAD_BYTES + record->payload.length;
}

static void write_text(struct wire_writer *writer, const char *key, struct text value)
{
    wire_write_str(writer, key);
    wire_write_text(writer, value);
}

static void write_uint(struct wire_writer *writer, const char *key, uint64_t value)
{
    wire_write_str(writer, key);
    wire_write_uint(writer, value);
}

size_t quarantined_encode(const struct quarantined *record, void *bytes, size_t capacity)
{
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_map(&writer, COUNT_OF(fields));
    write_uint(&writer, "format", FORMAT);
    write_text(&writer, "model", record->model);
    write_text(&writer, "version", record->version);
    write_uint(&writer, "time_ms", record->time_ms);
    write_text(&writer, "tag", record->tag);
    write_uint(&writer, "rows", record->rows);
    write_uint(&writer, "kills", record->kills);
    write_text(&writer, "cause", record->cause);
    wire_write_str(&writer, "payload"); /* last: what a reader of the first bytes sees is the rest */
    wire_write_bin(&writer, record->payload.at, record->payload.length);
    return wire_writer_end(&writer);
}
