/* executions: cumulative sums, so that two looks at them give the rates and means of the time between.
 *
 * Beside figures.h, whose counts are for judging a version; these are for clients that measure. What is
 * neither queue nor engine is the way to the worker and back with all that both ends do to a batch; it is
 * told as one, since neither clock knows where one half ends. SPDX-License-Identifier: MIT */
#include "executions.h"

#include "clock.h"

#include <stdlib.h>

_Static_assert((EXECUTIONS_SIZES_MAX & (EXECUTIONS_SIZES_MAX - 1)) == 0, "slots are found by a mask");

static uint64_t not_negative(int64_t nanoseconds)
{
    return nanoseconds < 0 ? 0 : (uint64_t)nanoseconds;
}

static void add(struct executions_part *part, int64_t nanoseconds)
{
    part->count++;
    part->ns += not_negative(nanoseconds);
}

void executions_answered(struct executions *executions, uint32_t rows, int64_t queued, int64_t away,
                         int64_t computed)
{
    executions->rows += rows;
    add(&executions->none, not_negative(queued) + not_negative(away > computed ? away : computed));
    add(&executions->computed, computed);
    executions->queued_ns += not_negative(queued);
    executions->handed_ns += not_negative(away - computed);
}

void executions_shared(struct executions *executions, int64_t took)
{
    add(&executions->none, took);
    add(&executions->shared, took);
}

void executions_failed(struct executions *executions, int64_t took)
{
    add(&executions->failed, took);
}

/* The slot of that size, or a free one; NULL: all are taken by others. */
static struct executions_size *slot_of(struct executions_size *sizes, uint32_t rows)
{
    for (uint32_t probe = 0; probe < EXECUTIONS_SIZES_MAX; probe++) {
        struct executions_size *size = &sizes[(rows + probe) & (EXECUTIONS_SIZES_MAX - 1)];
        if (size->rows == rows || size->rows == 0)
            return size;
    }
    return NULL;
}

void executions_batch(struct executions *executions, uint32_t rows, int64_t away, int64_t computed,
                      int64_t now)
{
    executions->batches++;
    executions->last_ms = now / MILLISECOND;
    if (executions->sizes == NULL)
        executions->sizes = object_alloc(EXECUTIONS_SIZES_MAX * sizeof *executions->sizes);
    struct executions_size *size = slot_of(executions->sizes, rows);
    if (size == NULL)
        return;
    size->rows = rows;
    size->count++;
    size->handed_ns += not_negative(away - computed);
    size->computed_ns += not_negative(computed);
}

static void add_part(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, uint64_t count,
                     uint64_t nanoseconds)
{
    yyjson_mut_val *part = yyjson_mut_obj_add_arr(document, object, name);
    yyjson_mut_arr_add_uint(document, part, count);
    yyjson_mut_arr_add_uint(document, part, nanoseconds);
}

static void add_sizes(const struct executions *executions, yyjson_mut_doc *document, yyjson_mut_val *list)
{
    for (size_t i = 0; executions->sizes != NULL && i < EXECUTIONS_SIZES_MAX; i++) {
        const struct executions_size *size = &executions->sizes[i];
        if (size->rows == 0)
            continue;
        yyjson_mut_val *entry = yyjson_mut_arr_add_arr(document, list);
        yyjson_mut_arr_add_uint(document, entry, size->rows);
        yyjson_mut_arr_add_uint(document, entry, size->count);
        yyjson_mut_arr_add_uint(document, entry, size->handed_ns);
        yyjson_mut_arr_add_uint(document, entry, size->computed_ns);
    }
}

void executions_to_json(const struct executions *executions, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    uint64_t count = executions->computed.count;
    yyjson_mut_obj_add_sint(document, object, "last_ms", executions->last_ms);
    yyjson_mut_obj_add_uint(document, object, "rows", executions->rows);
    yyjson_mut_obj_add_uint(document, object, "batches", executions->batches);
    add_part(document, object, "success", executions->none.count, executions->none.ns);
    add_part(document, object, "fail", executions->failed.count, executions->failed.ns);
    add_part(document, object, "shared", executions->shared.count, executions->shared.ns);
    add_part(document, object, "queue", count, executions->queued_ns);
    add_part(document, object, "handed", count, executions->handed_ns);
    add_part(document, object, "computed", count, executions->computed.ns);
    add_sizes(executions, document, yyjson_mut_obj_add_arr(document, object, "sizes"));
}

void executions_free(struct executions *executions)
{
    free(executions->sizes);
    *executions = (struct executions){0};
}
