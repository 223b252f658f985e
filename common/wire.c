/* wire: see wire.h. The reader is a cursor; every function checks the type byte and the bytes that are left
 * before it moves, so no claim of length inside the bytes is ever believed. Format: the MessagePack
 * specification (spec.md of msgpack).
 * SPDX-License-Identifier: MIT */
#include "wire.h"

enum { SKIP_DEPTH_MAX = 32 };

struct wire_reader wire_reader(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    return (struct wire_reader){.at = at, .end = at == NULL ? NULL : at + length};
}

bool wire_finished(const struct wire_reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

static bool fail(struct wire_reader *reader)
{
    reader->failed = true;
    return false;
}

static size_t left(const struct wire_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* Looks at the type byte without moving. */
static bool peek(struct wire_reader *reader, uint8_t *type)
{
    if (reader->failed || reader->at == reader->end)
        return fail(reader);
    *type = *reader->at;
    return true;
}

static uint64_t big_endian(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* Reads the big-endian number of `count` bytes behind the type byte and moves past both. */
static bool take_number(struct wire_reader *reader, size_t count, uint64_t *value)
{
    if (left(reader) < 1 + count)
        return fail(reader);
    *value = big_endian(reader->at + 1, count);
    reader->at += 1 + count;
    return true;
}

bool wire_read_array(struct wire_reader *reader, uint32_t *count)
{
    uint8_t type;
    uint64_t value;
    if (!peek(reader, &type))
        return false;
    if ((type & 0xf0) == 0x90) {
        value = type & 0x0f;
        reader->at++;
    } else if (type != 0xdc && type != 0xdd) {
        return fail(reader);
    } else if (!take_number(reader, type == 0xdc ? 2 : 4, &value)) {
        return false;
    }
    *count = (uint32_t)value;
    return value <= left(reader) || fail(reader);
}

bool wire_read_map(struct wire_reader *reader, uint32_t *pairs)
{
    uint8_t type;
    uint64_t value;
    if (!peek(reader, &type))
        return false;
    if ((type & 0xf0) == 0x80) {
        value = type & 0x0f;
        reader->at++;
    } else if (type != 0xde && type != 0xdf) {
        return fail(reader);
    } else if (!take_number(reader, type == 0xde ? 2 : 4, &value)) {
        return false;
    }
    *pairs = (uint32_t)value;
    return value <= left(reader) / 2 || fail(reader);
}

bool wire_read_uint(struct wire_reader *reader, uint64_t maximum, uint64_t *value)
{
    uint8_t type;
    if (!peek(reader, &type))
        return false;
    if (type <= 0x7f) {
        *value = type;
        reader->at++;
    } else if (type < 0xcc || type > 0xcf) {
        return fail(reader);
    } else if (!take_number(reader, (size_t)1 << (type - 0xcc), value)) {
        return false;
    }
    return *value <= maximum || fail(reader);
}

bool wire_read_int(struct wire_reader *reader, int64_t *value)
{
    uint8_t type;
    uint64_t raw;
    if (!peek(reader, &type))
        return false;
    if (type >= 0xe0) {
        *value = (int8_t)type;
        reader->at++;
        return true;
    }
    if (type < 0xd0 || type > 0xd3) {
        if (!wire_read_uint(reader, INT64_MAX, &raw))
            return false;
        *value = (int64_t)raw;
        return true;
    }
    size_t bytes = (size_t)1 << (type - 0xd0);
    if (!take_number(reader, bytes, &raw))
        return false;
    unsigned unused = (unsigned)(64 - bytes * 8);
    *value = (int64_t)(raw << unused) >> unused;
    return true;
}

bool wire_read_bool(struct wire_reader *reader, bool *value)
{
    uint8_t type;
    if (!peek(reader, &type))
        return false;
    if (type != 0xc2 && type != 0xc3)
        return fail(reader);
    *value = type == 0xc3;
    reader->at++;
    return true;
}

bool wire_read_double(struct wire_reader *reader, double *value)
{
    uint8_t type;
    uint64_t raw;
    if (!peek(reader, &type))
        return false;
    if (type == 0xca) {
        if (!take_number(reader, 4, &raw))
            return false;
        uint32_t narrow = (uint32_t)raw;
        float single;
        memcpy(&single, &narrow, sizeof single);
        *value = (double)single;
        return true;
    }
    if (type == 0xcb) {
        if (!take_number(reader, 8, &raw))
            return false;
        memcpy(value, &raw, sizeof *value);
        return true;
    }
    int64_t integer;
    if (!wire_read_int(reader, &integer))
        return false;
    *value = (double)integer;
    return true;
}

/* A length of `count` bytes behind the type byte, then that many bytes of content. */
static bool take_content(struct wire_reader *reader, size_t count, size_t maximum, struct text *content)
{
    uint64_t length;
    if (!take_number(reader, count, &length))
        return false;
    if (length > maximum || length > left(reader))
        return fail(reader);
    *content = (struct text){.at = (const char *)reader->at, .length = (size_t)length};
    reader->at += length;
    return true;
}

bool wire_read_str(struct wire_reader *reader, size_t maximum, struct text *text)
{
    uint8_t type;
    if (!peek(reader, &type))
        return false;
    if (type >= 0xd9 && type <= 0xdb)
        return take_content(reader, (size_t)1 << (type - 0xd9), maximum, text);
    if ((type & 0xe0) != 0xa0)
        return fail(reader);
    size_t length = type & 0x1f;
    if (length > maximum || length + 1 > left(reader))
        return fail(reader);
    *text = (struct text){.at = (const char *)reader->at + 1, .length = length};
    reader->at += 1 + length;
    return true;
}

bool wire_read_bin(struct wire_reader *reader, size_t maximum, struct text *bytes)
{
    uint8_t type;
    if (!peek(reader, &type))
        return false;
    if (type == 0xc4 && left(reader) >= 2) { /* the short ones, of which there are some in each request */
        size_t length = reader->at[1];
        if (length > maximum || length > left(reader) - 2)
            return fail(reader);
        *bytes = (struct text){.at = (const char *)reader->at + 2, .length = length};
        reader->at += 2 + length;
        return true;
    }
    if (type < 0xc4 || type > 0xc6)
        return fail(reader);
    return take_content(reader, (size_t)1 << (type - 0xc4), maximum, bytes);
}

static bool advance(struct wire_reader *reader, size_t bytes)
{
    if (left(reader) < bytes)
        return fail(reader);
    reader->at += bytes;
    return true;
}

static bool skip(struct wire_reader *reader, int depth);

static bool skip_many(struct wire_reader *reader, uint64_t count, int depth)
{
    for (uint64_t i = 0; i < count; i++)
        if (!skip(reader, depth + 1))
            return false;
    return true;
}

static bool skip(struct wire_reader *reader, int depth)
{
    uint8_t type;
    uint32_t count;
    struct text content;
    if (depth > SKIP_DEPTH_MAX || !peek(reader, &type))
        return fail(reader);
    if ((type & 0xf0) == 0x90 || type == 0xdc || type == 0xdd)
        return wire_read_array(reader, &count) && skip_many(reader, count, depth);
    if ((type & 0xf0) == 0x80 || type == 0xde || type == 0xdf)
        return wire_read_map(reader, &count) && skip_many(reader, (uint64_t)count * 2, depth);
    if ((type & 0xe0) == 0xa0 || (type >= 0xd9 && type <= 0xdb))
        return wire_read_str(reader, SIZE_MAX, &content);
    if (type >= 0xc4 && type <= 0xc6)
        return wire_read_bin(reader, SIZE_MAX, &content);
    if (type >= 0xcc && type <= 0xcf)
        return advance(reader, 1 + ((size_t)1 << (type - 0xcc)));
    if (type >= 0xd0 && type <= 0xd3)
        return advance(reader, 1 + ((size_t)1 << (type - 0xd0)));
    if (type == 0xca || type == 0xcb)
        return advance(reader, type == 0xca ? 5 : 9);
    if (type <= 0x7f || type >= 0xe0 || type == 0xc0 || type == 0xc2 || type == 0xc3)
        return advance(reader, 1);
    return fail(reader); /* extension types and 0xc1 have no place in our messages */
}

bool wire_skip(struct wire_reader *reader)
{
    return skip(reader, 0);
}

/* ---- writing ---- */

static int append(void *data, const char *bytes, size_t length)
{
    struct wire_writer *writer = data;
    if (length > writer->capacity - writer->length) {
        writer->overflow = true;
        return -1;
    }
    memcpy(writer->bytes + writer->length, bytes, length);
    writer->length += length;
    return 0;
}

void wire_writer_begin(struct wire_writer *writer, void *bytes, size_t capacity)
{
    writer->bytes = bytes;
    writer->length = 0;
    writer->capacity = capacity;
    writer->overflow = false;
    msgpack_packer_init(&writer->packer, writer, append);
}

size_t wire_writer_end(const struct wire_writer *writer)
{
    return writer->overflow ? 0 : writer->length;
}

void wire_write_array(struct wire_writer *writer, size_t count)
{
    msgpack_pack_array(&writer->packer, count);
}

void wire_write_map(struct wire_writer *writer, size_t pairs)
{
    msgpack_pack_map(&writer->packer, pairs);
}

void wire_write_uint(struct wire_writer *writer, uint64_t value)
{
    msgpack_pack_uint64(&writer->packer, value);
}

void wire_write_int(struct wire_writer *writer, int64_t value)
{
    msgpack_pack_int64(&writer->packer, value);
}

void wire_write_bool(struct wire_writer *writer, bool value)
{
    if (value)
        msgpack_pack_true(&writer->packer);
    else
        msgpack_pack_false(&writer->packer);
}

void wire_write_double(struct wire_writer *writer, double value)
{
    msgpack_pack_double(&writer->packer, value);
}

void wire_write_text(struct wire_writer *writer, struct text text)
{
    msgpack_pack_str(&writer->packer, text.length);
    if (text.length > 0)
        msgpack_pack_str_body(&writer->packer, text.at, text.length);
}

void wire_write_str(struct wire_writer *writer, const char *string)
{
    wire_write_text(writer, text_of(string));
}

void wire_write_bin_head(struct wire_writer *writer, size_t length)
{
    msgpack_pack_bin(&writer->packer, length);
}

void wire_write_bin(struct wire_writer *writer, const void *bytes, size_t length)
{
    if (length <= UINT8_MAX && writer->capacity - writer->length >= 2 + length) { /* as msgpack-c would */
        uint8_t *place = writer->bytes + writer->length;
        place[0] = 0xc4;
        place[1] = (uint8_t)length;
        if (length > 0)
            memcpy(place + 2, bytes, length);
        writer->length += 2 + length;
        return;
    }
    wire_write_bin_head(writer, length);
    if (length > 0)
        msgpack_pack_bin_body(&writer->packer, bytes, length);
}
