/* profile_table: the rows of a CSV file as the tensors that a model takes, by its schema: what a frontend
 * would make of them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROFILE_TABLE_H
#define OUTRIGGER_PROFILE_TABLE_H

#include "row_file.h"

enum { PROFILE_ROWS_AT_A_TIME = 64, PROFILE_REASON_MAX = ROW_FILE_REASON_MAX };

struct profile_table;

/* Opens the file and reads its first line (row_file_new). `score`: the name of a column of scores; NULL:
 * there is none. The schema must outlive it. NULL, and `reason` says why. */
struct profile_table *profile_table_new(const char *path, const struct schema *schema, const char *score,
                                        char reason[PROFILE_REASON_MAX]);
void profile_table_free(struct profile_table *table); /* NULL is fine */

/* Rows of at most PROFILE_ROWS_AT_A_TIME, as a payload of tensors that is good until the next call. */
struct profile_rows {
    const uint8_t *payload;
    size_t bytes;
    size_t rows;    /* 0: there are no more */
    double *scores; /* of the column; NULL: there is none */
};
/* The next rows, `most` of them at most; rows that are not what the model takes are passed over and counted.
 * False when the file is no CSV, or cannot be read: `reason`. */
bool profile_table_next(struct profile_table *table, size_t most, struct profile_rows *rows,
                        char reason[PROFILE_REASON_MAX]);

const struct layout *profile_table_layout(const struct profile_table *table);
/* Columns of a row. */
size_t profile_table_width(const struct profile_table *table);
/* Rows passed over, and what was wrong with the first of them ("" when there is none). */
uint64_t profile_table_refused(const struct profile_table *table, const char **first);
/* How much of the file is read, 0 to 1. */
double profile_table_progress(const struct profile_table *table);

#endif
