/* wire: msgpack, read strictly and without memory, written by msgpack-c into a fixed buffer.
 *
 * Why not msgpack-c's own unpacker for reading: it builds a tree of 24 bytes an element before the bytes are
 * there, stops at 32 levels, and accepts bytes left over. A reader that knows what it wants needs no tree.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_WIRE_H
#define OUTRIGGER_WIRE_H

#include "object.h"

#include <msgpack.h>

/* ---- reading: each function moves on past what it read, and returns false (and moves no further, ever)
 * when the next element is of another type or is cut off. ---- */
struct wire_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct wire_reader wire_reader(const void *bytes, size_t length);
bool wire_read_array(struct wire_reader *reader, uint32_t *count); /* count <= bytes that are left */
bool wire_read_map(struct wire_reader *reader, uint32_t *pairs);   /* pairs <= half the bytes that are left */
bool wire_read_uint(struct wire_reader *reader, uint64_t maximum, uint64_t *value);
bool wire_read_int(struct wire_reader *reader, int64_t *value);
bool wire_read_bool(struct wire_reader *reader, bool *value);
bool wire_read_double(struct wire_reader *reader, double *value); /* float, double or an integer */
bool wire_read_str(struct wire_reader *reader, size_t maximum, struct text *text);
bool wire_read_bin(struct wire_reader *reader, size_t maximum, struct text *bytes);
bool wire_skip(struct wire_reader *reader); /* one element of any type, nested at most 32 deep */
/* True when nothing failed and every byte was read. */
bool wire_finished(const struct wire_reader *reader);

/* ---- writing: msgpack-c's packer over a buffer of fixed size. ---- */
struct wire_writer {
    msgpack_packer packer;
    uint8_t *bytes;
    size_t length;
    size_t capacity;
    bool overflow; /* something did not fit; what is written is of no use */
};

/* The writer must not move in memory while it is used (its packer points to it). */
void wire_writer_begin(struct wire_writer *writer, void *bytes, size_t capacity);
/* Bytes written, 0 after an overflow. */
size_t wire_writer_end(const struct wire_writer *writer);
void wire_write_array(struct wire_writer *writer, size_t count);
void wire_write_map(struct wire_writer *writer, size_t pairs);
void wire_write_uint(struct wire_writer *writer, uint64_t value);
void wire_write_int(struct wire_writer *writer, int64_t value);
void wire_write_bool(struct wire_writer *writer, bool value);
void wire_write_double(struct wire_writer *writer, double value);
void wire_write_text(struct wire_writer *writer, struct text text);
void wire_write_str(struct wire_writer *writer, const char *string);
void wire_write_bin(struct wire_writer *writer, const void *bytes, size_t length);
/* What stands in front of `length` bytes, which the caller puts behind it. */
void wire_write_bin_head(struct wire_writer *writer, size_t length);

#endif
