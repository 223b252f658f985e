/* table_jsonl: rows of a file of JSON lines, in its order: each an object of features by name, or an array of
 * values by place, or an object that has such an array as its member `features`, which is what rows of arrays
 * become when they are scored. A line that is none is refused, and the next one is read.
 * SPDX-License-Identifier: MIT */
#include "element.h"
#include "reading_file.h"
#include "table.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { SOURCE_MAGIC = 0x0150e001, PIECE_BYTES = 1 << 18, LINE_BYTES_MAX = 16 << 20, POOL_BYTES = 1 << 16 };

struct source {
    unsigned magic;
    const struct table_job *job;
    struct reading_file *file;
    char *bytes; /* read and not yet taken: [from, to) */
    size_t from, to, room;
    bool ended;
    uint64_t rows, lines;   /* that were taken */
    _Atomic uint64_t taken; /* bytes of them */
    struct row_value *values;
    char *pool; /* memory of the usual document */
};

#define COMPLAIN(reason, ...) (snprintf((reason), TABLE_REASON_MAX, __VA_ARGS__), false)

/* ---- life ---- */

static void source_close(void *self)
{
    struct source *source = self;
    CHECK_OBJECT(source, SOURCE_MAGIC);
    reading_free(source->file);
    free(source->bytes);
    free(source->values);
    free(source->pool);
    source->magic = 0;
    free(source);
}

static void *source_open(const struct table_job *job, enum table_part part, char reason[TABLE_REASON_MAX])
{
    ENSURE(part == TABLE_SOURCE);
    struct source *source = object_alloc(sizeof *source);
    source->magic = SOURCE_MAGIC;
    source->job = job;
    source->room = 2 * PIECE_BYTES;
    source->bytes = object_alloc(source->room + 1);
    source->values = object_alloc(job->width * sizeof *source->values);
    source->pool = object_alloc(POOL_BYTES);
    source->file = reading_open(job->from->at, job->from->packed, job->stopping, job->self, reason);
    if (source->file != NULL)
        return source;
    source_close(source);
    return NULL;
}

static struct table_head source_head(void *self)
{
    return (struct table_head){.key = ((struct source *)self)->job->from->key};
}

static double source_part_read(void *self)
{
    struct source *source = self;
    return reading_part(source->file, atomic_load_explicit(&source->taken, memory_order_relaxed));
}

/* ---- lines ---- */

static bool feed(struct source *source, char *reason)
{
    char words[READING_REASON_MAX];
    if (source->from > 0) {
        memmove(source->bytes, source->bytes + source->from, source->to - source->from);
        source->to -= source->from;
        source->from = 0;
    }
    if (source->to > LINE_BYTES_MAX)
        return COMPLAIN(reason, "%s: line %" PRIu64 " is longer than %d MiB", source->job->from->at,
                        source->lines + 1, LINE_BYTES_MAX >> 20);
    if (source->room - source->to < PIECE_BYTES) {
        source->bytes = realloc(source->bytes, 2 * source->room + 1);
        ENSURE(source->bytes != NULL);
        source->room *= 2;
    }
    ssize_t length = reading_read(source->file, source->bytes + source->to, PIECE_BYTES, words);
    if (length < 0)
        return table_fault(source->job->from, words, reason);
    source->to += (size_t)length;
    source->ended = length == 0;
    return true;
}

/* 1: there is one; 0: there are no more; -1 with `reason`. */
static int next_line(struct source *source, struct text *line, char *reason)
{
    size_t looked = 0; /* bytes of the line that hold no end */
    for (;;) {
        const char *begin = source->bytes + source->from;
        size_t left = source->to - source->from;
        const char *end = memchr(begin + looked, '\n', left - looked);
        if (end != NULL || (source->ended && left > 0)) {
            size_t length = end == NULL ? left : (size_t)(end - begin);
            *line = (struct text){begin, length};
            source->from += length + (end != NULL);
            source->lines++;
            return 1;
        }
        if (source->ended)
            return 0;
        looked = left;
        if (!feed(source, reason))
            return -1;
    }
}

/* Without blanks and the CR of a line's end. */
static struct text trimmed(struct text line)
{
    if (line.length > 0 && line.at[line.length - 1] == '\r')
        line.length--;
    return text_trim(line);
}

/* ---- rows ---- */

/* False when it is an array or an object. */
static bool read_value(yyjson_val *json, struct row_value *value)
{
    if (json == NULL || yyjson_is_null(json))
        *value = (struct row_value){.kind = ROW_MISSING};
    else if (yyjson_is_str(json))
        *value = (struct row_value){.kind = ROW_STRING, .text = {yyjson_get_str(json), yyjson_get_len(json)}};
    else if (yyjson_is_bool(json))
        *value = (struct row_value){.kind = ROW_TRUTH, .truth = yyjson_get_bool(json)};
    else if (yyjson_is_sint(json) || (yyjson_is_uint(json) && yyjson_get_uint(json) <= INT64_MAX))
        *value = (struct row_value){.kind = ROW_INTEGER, .integer = yyjson_get_sint(json)};
    else if (yyjson_is_num(json))
        *value = (struct row_value){.kind = ROW_NUMBER, .number = yyjson_get_num(json)};
    else
        return false;
    return true;
}

static bool by_name(struct source *source, yyjson_val *root, char *fault)
{
    const struct table_job *job = source->job;
    yyjson_obj_iter members = yyjson_obj_iter_with(root);
    if (job->columns == NULL)
        return COMPLAIN(fault, "expected an array, or an object that has one as its \"features\", as the "
                               "model's features have no names");
    for (size_t i = 0; i < job->width; i++) {
        yyjson_val *value = yyjson_obj_iter_get(&members, job->columns[i]);
        if (!read_value(value, &source->values[i]))
            return COMPLAIN(fault, "%s: expected a value, got %s", job->columns[i], element_kind(value));
    }
    return true;
}

static bool by_place(struct source *source, yyjson_val *list, char *fault)
{
    size_t width = source->job->width, at, most;
    yyjson_val *value;
    if (yyjson_arr_size(list) != width)
        return COMPLAIN(fault, "expected %zu values, got %zu", width, yyjson_arr_size(list));
    yyjson_arr_foreach(list, at, most, value) if (!read_value(value, &source->values[at])) return COMPLAIN(
        fault, "value %zu: expected a value, got %s", at + 1, element_kind(value));
    return true;
}

/* The number of the row, or what the member that `key` names holds. */
static bool read_key(struct source *source, yyjson_val *root, struct row_value *key, char *fault)
{
    const char *name = source->job->from->key;
    struct row_value value;
    if (name == NULL)
        return true;
    if (!read_value(yyjson_obj_get(root, name), &value) || value.kind == ROW_MISSING ||
        value.kind == ROW_TRUTH)
        return COMPLAIN(fault, "%s: expected a string or a number, as it is the key", name);
    *key = value;
    return true;
}

static bool read_row(struct source *source, yyjson_val *root, struct row_value *key, char *fault)
{
    yyjson_val *list = yyjson_is_arr(root) ? root : yyjson_obj_get(root, "features");
    if (yyjson_is_arr(list))
        return read_key(source, root, key, fault) && by_place(source, list, fault);
    if (yyjson_is_obj(root))
        return read_key(source, root, key, fault) && by_name(source, root, fault);
    return COMPLAIN(fault, "expected an object or an array, got %s", element_kind(root));
}

static void add_line(struct source *source, struct chunk *chunk, struct text line)
{
    struct row_value key = {.kind = ROW_INTEGER, .integer = (int64_t)++source->rows};
    char fault[TABLE_REASON_MAX];
    yyjson_alc memory, *usual = yyjson_alc_pool_init(&memory, source->pool, POOL_BYTES) ? &memory : NULL;
    yyjson_read_err error;
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)line.at, line.length, 0, usual, &error);
    if (document == NULL && usual != NULL && error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        document = yyjson_read_opts((char *)(uintptr_t)line.at, line.length, 0, NULL, &error);
    if (document == NULL) {
        snprintf(fault, sizeof fault, "line %" PRIu64 ": it is no JSON: %s at byte %zu", source->lines,
                 error.msg, error.pos + 1);
        chunk_refuse(chunk, &key, line, fault);
        return;
    }
    if (read_row(source, yyjson_doc_get_root(document), &key, fault))
        chunk_add(chunk, &key, line, source->values);
    else
        chunk_refuse(chunk, &key, line, fault);
    yyjson_doc_free(document);
}

static enum table_taken source_take(void *self, unsigned lane, struct chunk *chunk, size_t most,
                                    char reason[TABLE_REASON_MAX])
{
    struct source *source = self;
    struct text line;
    int there = 1;
    (void)lane;
    while (chunk->count < most && (there = next_line(source, &line, reason)) == 1) {
        line = trimmed(line);
        if (line.length > 0)
            add_line(source, chunk, line);
    }
    if (there < 0)
        return TABLE_STOPPED;
    uint64_t offset = reading_offset(source->file) - (source->to - source->from);
    atomic_store_explicit(&source->taken, offset, memory_order_relaxed);
    snprintf(chunk->position, sizeof chunk->position, "%" PRIu64 " %" PRIu64 " %" PRIu64, offset,
             source->rows, source->lines);
    return chunk->count > 0 ? TABLE_ROWS : TABLE_END;
}

static bool source_seek(void *self, const char *position, char reason[TABLE_REASON_MAX])
{
    struct source *source = self;
    uint64_t offset;
    char words[READING_REASON_MAX];
    if (sscanf(position, "%" SCNu64 " %" SCNu64 " %" SCNu64, &offset, &source->rows, &source->lines) != 3)
        return COMPLAIN(reason, "\"%.60s\" is no position in a file of JSON lines", position);
    source->from = source->to = 0;
    source->ended = false;
    return reading_seek(source->file, offset, words) || table_fault(source->job->from, words, reason);
}

const struct table table_jsonl = {.open = source_open,
                                  .head = source_head,
                                  .part_read = source_part_read,
                                  .take = source_take,
                                  .seek = source_seek,
                                  .close = source_close};
