/* onnx_references: see onnx_references.h. A tensor of an ONNX model may say that its data lie in another
 * file. What an engine then opens is decided by the model, and engines have been wrong about it more than
 * once (CVE-2022-25882, CVE-2024-27318; ONNX Runtime 1.21 follows a path out of the folder). So this file
 * looks first.
 *
 * It walks the protobuf message (onnx.proto) only where tensors can be, by one table. It may refuse what the
 * engine would read, but must not pass over what the engine would find: groups, which nobody writes, are
 * therefore refused, and a field that comes twice is looked at twice. SPDX-License-Identifier: MIT */
#include "onnx_references.h"

#include "mapped_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 100 }; /* of messages in messages; protobuf's own readers stop there, too */

enum message { MODEL, TRAINING, FUNCTION, GRAPH, NODE, ATTRIBUTE, SPARSE_TENSOR, TENSOR, EXTERNAL_DATA };

/* Which field of a message holds which other one. */
static const struct {
    enum message outer;
    uint64_t field;
    enum message inner;
} fields[] = {
    {MODEL, 7, GRAPH},
    {MODEL, 20, TRAINING},
    {MODEL, 25, FUNCTION},
    {TRAINING, 1, GRAPH},
    {TRAINING, 2, GRAPH},
    {FUNCTION, 7, NODE},
    {FUNCTION, 11, ATTRIBUTE},
    {GRAPH, 1, NODE},
    {GRAPH, 5, TENSOR},
    {GRAPH, 15, SPARSE_TENSOR},
    {NODE, 5, ATTRIBUTE},
    {ATTRIBUTE, 5, TENSOR},
    {ATTRIBUTE, 6, GRAPH},
    {ATTRIBUTE, 10, TENSOR},
    {ATTRIBUTE, 11, GRAPH},
    {ATTRIBUTE, 22, SPARSE_TENSOR},
    {ATTRIBUTE, 23, SPARSE_TENSOR},
    {SPARSE_TENSOR, 1, TENSOR},
    {SPARSE_TENSOR, 2, TENSOR},
    {TENSOR, 13, EXTERNAL_DATA},
};

/* The bytes of one message that are still to be read. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

struct search {
    onnx_location *found;
    void *self;
};

static bool read_varint(struct cursor *cursor, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
        uint8_t byte = *cursor->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool skip(struct cursor *cursor, uint64_t bytes)
{
    if (bytes > (uint64_t)(cursor->end - cursor->at))
        return false;
    cursor->at += bytes;
    return true;
}

/* One field: its number, and its content where it has one (at is NULL otherwise). */
static bool read_field(struct cursor *cursor, uint64_t *field, struct cursor *content)
{
    enum { VARINT, FIXED64, BYTES, FIXED32 = 5 };
    uint64_t tag, value;
    if (!read_varint(cursor, &tag))
        return false;
    *field = tag >> 3;
    *content = (struct cursor){NULL, NULL};
    switch (tag & 7) {
    case VARINT:
        return read_varint(cursor, &value);
    case FIXED64:
        return skip(cursor, 8);
    case FIXED32:
        return skip(cursor, 4);
    case BYTES:
        if (!read_varint(cursor, &value))
            return false;
        content->at = cursor->at;
        if (!skip(cursor, value))
            return false;
        content->end = cursor->at;
        return true;
    default:
        return false;
    }
}

static bool is_location(struct cursor key)
{
    return text_is((struct text){(const char *)key.at, (size_t)(key.end - key.at)}, "location");
}

/* {key = 1, value = 2}, in any order. */
static bool walk_external_data(const struct search *search, struct cursor cursor)
{
    struct cursor content, key = {NULL, NULL}, value = {NULL, NULL};
    uint64_t field;
    while (cursor.at < cursor.end) {
        if (!read_field(&cursor, &field, &content))
            return false;
        if (field == 1 && content.at != NULL)
            key = content;
        if (field == 2 && content.at != NULL)
            value = content;
    }
    return key.at == NULL || !is_location(key) ||
           search->found(search->self, (struct text){(const char *)value.at, (size_t)(value.end - value.at)});
}

static bool walk(const struct search *search, enum message message, struct cursor cursor, int depth)
{
    struct cursor content;
    uint64_t field;
    if (message == EXTERNAL_DATA)
        return walk_external_data(search, cursor);
    if (depth > DEPTH_MAX)
        return false;
    while (cursor.at < cursor.end) {
        if (!read_field(&cursor, &field, &content))
            return false;
        for (size_t i = 0; i < COUNT_OF(fields) && content.at != NULL; i++)
            if (fields[i].outer == message && fields[i].field == field &&
                !walk(search, fields[i].inner, content, depth + 1))
                return false;
    }
    return true;
}

bool onnx_references_find(const uint8_t *bytes, size_t length, onnx_location *found, void *self)
{
    const struct search search = {found, self};
    return walk(&search, MODEL, (struct cursor){bytes, bytes + length}, 0);
}

/* ---- a model file and its folder ---- */

struct folder {
    const char *model; /* path of the model file */
    char *error;
    size_t error_size;
};

/* The folder of the model file with a slash behind it; false when it cannot be found. */
static bool real_folder(const char *model, char *folder)
{
    char path[PATH_MAX];
    const char *slash = strrchr(model, '/');
    struct text directory = slash == NULL ? text_of(".") : (struct text){model, (size_t)(slash - model) + 1};
    text_copy(directory, path, sizeof path);
    if (directory.length >= sizeof path || realpath(path, folder) == NULL || strlen(folder) + 1 >= PATH_MAX)
        return false;
    strcat(folder, "/");
    return true;
}

/* True for a regular file in the folder, whatever links lead to it. */
static bool lies_in(const char *model, const char *location)
{
    char folder[PATH_MAX], path[2 * PATH_MAX], target[PATH_MAX];
    struct stat status;
    if (location[0] == '/' || strlen(location) >= PATH_MAX || !real_folder(model, folder))
        return false;
    snprintf(path, sizeof path, "%s%s", folder, location);
    return realpath(path, target) != NULL && strncmp(target, folder, strlen(folder)) == 0 &&
           stat(target, &status) == 0 && S_ISREG(status.st_mode);
}

static bool allow(void *self, struct text location)
{
    const struct folder *folder = self;
    char name[PATH_MAX];
    text_copy(location, name, sizeof name);
    if (strlen(name) == location.length && lies_in(folder->model, name))
        return true;
    for (char *at = name; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    snprintf(folder->error, folder->error_size, "it refers to %.200s, which is no file in its folder", name);
    return false;
}

bool onnx_references_stay(const char *path, char *error, size_t error_size)
{
    struct folder folder = {path, error, error_size};
    size_t length;
    uint8_t *bytes = mapped_file(path, &length);
    if (bytes == NULL) {
        snprintf(error, error_size, "%s", strerror(errno));
        return false;
    }
    snprintf(error, error_size, "it is no ONNX model, or is cut off");
    bool stay = onnx_references_find(bytes, length, allow, &folder);
    munmap(bytes, length);
    return stay;
}
