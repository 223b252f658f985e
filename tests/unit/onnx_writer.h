/* onnx_writer: small ONNX models, written byte by byte (protobuf, by the field numbers of onnx.proto), so
 * that tests have a model for each case. Include it, behind scratch_directory.h, in one test program's only
 * .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ONNX_WRITER_H
#define OUTRIGGER_ONNX_WRITER_H

#include "object.h"
#include "scratch_directory.h"

struct message {
    uint8_t bytes[4096];
    size_t length;
};

static inline void put(struct message *message, const void *bytes, size_t length)
{
    ck_assert_uint_le(message->length + length, sizeof message->bytes);
    memcpy(message->bytes + message->length, bytes, length);
    message->length += length;
}

static inline void put_varint(struct message *message, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(message, &byte, 1);
        value >>= 7;
    } while (value > 0);
}

static inline void put_number(struct message *message, unsigned field, uint64_t value)
{
    put_varint(message, field << 3);
    put_varint(message, value);
}

static inline void put_bytes(struct message *message, unsigned field, const void *bytes, size_t length)
{
    put_varint(message, field << 3 | 2);
    put_varint(message, length);
    put(message, bytes, length);
}

static inline void put_string(struct message *message, unsigned field, const char *string)
{
    put_bytes(message, field, string, strlen(string));
}

static inline void put_message(struct message *message, unsigned field, const struct message *inner)
{
    put_bytes(message, field, inner->bytes, inner->length);
}

enum {
    FLOAT = 1,
    UINT8,
    INT8,
    UINT16,
    INT16,
    INT32,
    INT64,
    STRING,
    BOOL,
    FLOAT16,
    DOUBLE,
    UINT32,
    UINT64,
    COMPLEX,
    BFLOAT16 = 16
};

/* A model in the making. */
static struct message graph;

enum { NO_SHAPE = -1, ANY = -1 };

/* An input (field 11) or output (12) of the graph: a tensor with these dimensions, or without a shape. */
static inline void add_value(unsigned field, const char *name, uint64_t type, int rank,
                             const int64_t *dimensions)
{
    struct message shape = {0}, tensor = {0}, kind = {0}, value = {0};
    for (int i = 0; i < rank; i++) {
        struct message dimension = {0};
        if (dimensions[i] == ANY)
            put_string(&dimension, 2, i == 0 ? "n" : "m");
        else
            put_number(&dimension, 1, (uint64_t)dimensions[i]);
        put_message(&shape, 1, &dimension);
    }
    put_number(&tensor, 1, type);
    if (rank != NO_SHAPE)
        put_message(&tensor, 2, &shape);
    put_message(&kind, 1, &tensor);
    put_string(&value, 1, name);
    put_message(&value, 2, &kind);
    put_message(&graph, field, &value);
}

#define INPUT(name, type, ...)                                                                               \
    add_value(11, name, type, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})
#define OUTPUT(name, type, ...)                                                                              \
    add_value(12, name, type, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

/* A node; `inputs` are names with a space between them. `keep` becomes the attribute keepdims when it is not
 * -1. */
static inline void add_node(const char *operator, const char * domain, const char *names, const char *output,
                            int keep)
{
    struct message node = {0}, attribute = {0};
    char copy[128];
    text_copy(text_of(names), copy, sizeof copy);
    for (char *name = strtok(copy, " "); name != NULL; name = strtok(NULL, " "))
        put_string(&node, 1, name);
    put_string(&node, 2, output);
    put_string(&node, 4, operator);
    put_string(&node, 7, domain);
    if (keep != -1) {
        put_string(&attribute, 1, "keepdims");
        put_number(&attribute, 3, (uint64_t)keep);
        put_number(&attribute, 20, 2);
        put_message(&node, 5, &attribute);
    }
    put_message(&graph, 1, &node);
}

/* Writes the model that was made to a file and begins the next. */
static inline const char *finish(const char *file)
{
    struct message model = {0}, ours = {0}, theirs = {0};
    put_string(&graph, 2, "test");
    put_number(&ours, 2, 13);
    put_string(&theirs, 1, "ai.onnx.ml");
    put_number(&theirs, 2, 2);
    put_number(&model, 1, 8);
    put_message(&model, 7, &graph);
    put_message(&model, 8, &ours);
    put_message(&model, 8, &theirs);
    const char *path = scratch_path(file);
    FILE *out = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(model.bytes, 1, model.length, out), model.length);
    ck_assert_int_eq(fclose(out), 0);
    graph.length = 0;
    return path;
}

/* A tensor of one float whose data are said to lie at that location. */
static inline struct message external_tensor(const char *location)
{
    struct message tensor = {0}, entry = {0};
    put_string(&entry, 1, "location");
    put_string(&entry, 2, location);
    put_number(&tensor, 1, 1);
    put_number(&tensor, 2, FLOAT);
    put_string(&tensor, 8, "c");
    put_message(&tensor, 13, &entry);
    put_number(&tensor, 14, 1);
    return tensor;
}

/* A model that adds such a tensor to its input of one column. */
static inline const char *onnx_with_weights(const char *location)
{
    struct message tensor = external_tensor(location);
    put_message(&graph, 5, &tensor);
    INPUT("x", FLOAT, ANY, 1);
    OUTPUT("y", FLOAT, ANY, 1);
    add_node("Add", "", "x c", "y", -1);
    return finish("model.onnx");
}

#endif
