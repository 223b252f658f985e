/* chunk: see chunk.h. Texts lie one after the other in blocks that are kept. SPDX-License-Identifier: MIT */
#include "chunk.h"

#include "clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 1 << 16 };

struct chunk_block {
    struct chunk_block *next;
    size_t used, room;
    char bytes[];
};

struct chunk *chunk_new(const struct schema *schema, size_t width, size_t most)
{
    struct chunk *chunk = object_alloc(sizeof *chunk);
    chunk->most = most;
    chunk->builder = row_builder_new(schema, most);
    if (chunk->builder == NULL ||
        (row_builder_width(chunk->builder) == 0 && !row_builder_widen(chunk->builder, width))) {
        chunk_free(chunk);
        return NULL;
    }
    chunk->rows = object_alloc(most * sizeof *chunk->rows);
    chunk->scored = object_alloc(most * sizeof *chunk->scored);
    return chunk;
}

void chunk_free(struct chunk *chunk)
{
    if (chunk == NULL)
        return;
    while (chunk->blocks != NULL) {
        struct chunk_block *next = chunk->blocks->next;
        free(chunk->blocks);
        chunk->blocks = next;
    }
    row_builder_free(chunk->builder);
    free(chunk->rows);
    free(chunk->scored);
    free(chunk);
}

void chunk_clear(struct chunk *chunk)
{
    for (struct chunk_block *block = chunk->blocks; block != NULL; block = block->next)
        block->used = 0;
    row_builder_clear(chunk->builder);
    chunk->count = chunk->rejected = chunk->scored_count = chunk->others = 0;
    chunk->lost = false;
    *chunk->position = '\0';
}

static char *room(struct chunk *chunk, size_t bytes)
{
    struct chunk_block **place = &chunk->blocks;
    while (*place != NULL && (*place)->room - (*place)->used < bytes)
        place = &(*place)->next;
    struct chunk_block *block = *place;
    if (block == NULL) {
        size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = object_alloc(sizeof *block + size);
        block->room = size;
        block->next = chunk->blocks; /* in front: it has the most room */
        chunk->blocks = block;
    }
    char *at = block->bytes + block->used;
    block->used += bytes;
    return at;
}

struct text chunk_keep(struct chunk *chunk, struct text text)
{
    char *at = room(chunk, text.length + 1);
    if (text.length > 0)
        memcpy(at, text.at, text.length);
    at[text.length] = '\0';
    return (struct text){at, text.length};
}

static struct chunk_row *add(struct chunk *chunk, const struct row_value *key, struct text original)
{
    ENSURE(chunk->count < chunk->most);
    chunk_give_way(chunk->count);
    struct chunk_row *row = &chunk->rows[chunk->count++];
    *row = (struct chunk_row){.key = *key, .scored = CHUNK_NO_ROW};
    if (key->kind == ROW_STRING || key->kind == ROW_TEXT)
        row->key.text = chunk_keep(chunk, key->text);
    if (original.length > 0)
        row->original = chunk_keep(chunk, original);
    return row;
}

static void reject(struct chunk *chunk, struct chunk_row *row, const char *reason)
{
    row->reason = chunk_keep(chunk, text_of(reason)).at;
    chunk->rejected++;
}

void chunk_add(struct chunk *chunk, const struct row_value *key, struct text original,
               const struct row_value *values)
{
    char faults[ROW_FAULTS_MAX];
    struct chunk_row *row = add(chunk, key, original);
    uint32_t place = (uint32_t)row_builder_rows(chunk->builder);
    if (row_builder_add(chunk->builder, values, faults))
        row->scored = place;
    else
        reject(chunk, row, faults);
}

void chunk_refuse(struct chunk *chunk, const struct row_value *key, struct text original, const char *reason)
{
    reject(chunk, add(chunk, key, original), reason);
}

static void stamp(struct chunk *chunk)
{
    chunk->predicted_at_us = clock_wall() / MICROSECOND;
    time_t seconds = (time_t)(chunk->predicted_at_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t length = strftime(chunk->predicted_at, sizeof chunk->predicted_at, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(chunk->predicted_at + length, sizeof chunk->predicted_at - length, ".%03dZ",
             (int)(chunk->predicted_at_us / 1000 % 1000));
}

bool chunk_answered(struct chunk *chunk, const struct scored *scored, size_t count,
                    char reason[CHUNK_REASON_MAX])
{
    ENSURE(count == row_builder_rows(chunk->builder));
    for (size_t i = 0; i < count; i++)
        if (scored[i].failure != FAILURE_NONE && !scored_is_reject(scored[i].failure)) {
            snprintf(reason, CHUNK_REASON_MAX, "%s", scored[i].reason);
            return false;
        }
    if (count > 0)
        memcpy(chunk->scored, scored, count * sizeof *scored);
    for (size_t i = 0; i < count; i++)
        if (scored[i].list != NULL)
            chunk->scored[i].list = chunk_keep(chunk, text_of(scored[i].list)).at;
    chunk->scored_count = count;
    stamp(chunk);
    for (size_t i = 0; i < chunk->count; i++) {
        struct chunk_row *row = &chunk->rows[i];
        if (row->scored != CHUNK_NO_ROW && scored[row->scored].failure != FAILURE_NONE)
            reject(chunk, row, scored[row->scored].reason);
    }
    return true;
}

static void round_float(double *number, bool *single)
{
    char text[NUMBER_TEXT_MAX + 1];
    if (*single && isfinite(*number)) {
        text[scored_number(*number, true, text)] = '\0';
        *number = strtod(text, NULL);
    }
    *single = false;
}

void chunk_round_floats(struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->scored_count; i++) {
        round_float(&chunk->scored[i].value, &chunk->scored[i].single);
        round_float(&chunk->scored[i].probability, &chunk->scored[i].probability_single);
    }
}
