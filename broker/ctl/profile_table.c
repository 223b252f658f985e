/* profile_table: see profile_table.h. Used by `outrigger profile` (profile_command.c).
 *
 * On top of row_file.c, which finds the columns and passes over what the model does not take: the rows come
 * some at a time, so that the file may be as large as it likes. SPDX-License-Identifier: MIT */
#include "profile_table.h"

#include "cell.h"

#include <math.h>
#include <stdlib.h>

enum { TABLE_MAGIC = 0x0c5f0001 };

struct profile_table {
    unsigned magic;
    struct row_builder *builder;
    struct row_file *file;
    bool scored; /* there is a column of scores */
    bool ended;
    double scores[PROFILE_ROWS_AT_A_TIME];
};

struct profile_table *profile_table_new(const char *path, const struct schema *schema, const char *score,
                                        char reason[PROFILE_REASON_MAX])
{
    struct profile_table *table = object_alloc(sizeof *table);
    table->magic = TABLE_MAGIC;
    table->scored = score != NULL;
    table->builder = row_builder_new(schema, PROFILE_ROWS_AT_A_TIME);
    table->file = row_file_new(path, table->builder, score, score != NULL, reason);
    if (table->file != NULL)
        return table;
    profile_table_free(table);
    return NULL;
}

void profile_table_free(struct profile_table *table)
{
    if (table == NULL)
        return;
    CHECK_OBJECT(table, TABLE_MAGIC);
    row_file_free(table->file);
    row_builder_free(table->builder);
    table->magic = 0;
    free(table);
}

/* A row without a score is passed over. */
static bool take_score(struct profile_table *table, double *score)
{
    *score = NAN;
    if (!table->scored || cell_write(DATATYPE_FP64, row_file_apart(table->file), true, (uint8_t *)score))
        return true;
    row_file_refuse(table->file, "the score is no number");
    return false;
}

bool profile_table_next(struct profile_table *table, size_t most, struct profile_rows *rows,
                        char reason[PROFILE_REASON_MAX])
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    most = most < PROFILE_ROWS_AT_A_TIME ? most : PROFILE_ROWS_AT_A_TIME;
    *rows = (struct profile_rows){0};
    row_builder_clear(table->builder);
    while (rows->rows < most && !table->ended) {
        enum csv_result result = row_file_next(table->file, reason);
        if (result == CSV_WRONG)
            return false;
        if (result == CSV_END)
            table->ended = true;
        else
            rows->rows += take_score(table, &table->scores[rows->rows]);
    }
    if (rows->rows == 0)
        return true;
    rows->payload = row_builder_payload(table->builder, 0, rows->rows, &rows->bytes);
    rows->scores = table->scored ? table->scores : NULL;
    return true;
}

const struct layout *profile_table_layout(const struct profile_table *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    return row_builder_layout(table->builder);
}

size_t profile_table_width(const struct profile_table *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    return row_builder_width(table->builder);
}

uint64_t profile_table_refused(const struct profile_table *table, const char **first)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    return row_file_refused(table->file, first);
}

double profile_table_progress(const struct profile_table *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    return row_file_progress(table->file);
}
