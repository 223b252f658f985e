/* validate_rows: the rows that a version is judged by, of a CSV file, as the tensors that it takes, and what
 * is true of each. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VALIDATE_ROWS_H
#define OUTRIGGER_VALIDATE_ROWS_H

#include "row_file.h"

enum { VALIDATE_REASON_MAX = ROW_FILE_REASON_MAX };

struct validate_rows;

/* Reads the file, at most so many rows, into memory. The first line names the columns: those of the model's
 * features may stand in any order among others; where the model has no names they are all but `target`, which
 * holds the truth. The schema must outlive it. NULL, and `reason` says why. */
struct validate_rows *validate_rows_new(const char *path, const struct schema *schema, const char *target,
                                        size_t most, char reason[VALIDATE_REASON_MAX]);
/* The same of a file that need not tell the truth: `target` is passed over where there is such a column. */
struct validate_rows *validate_rows_untold(const char *path, const struct schema *schema, const char *target,
                                           size_t most, char reason[VALIDATE_REASON_MAX]);
/* The rows that a builder holds, of which nothing is known to be true; takes the builder. */
struct validate_rows *validate_rows_of(struct row_builder *builder);
void validate_rows_free(struct validate_rows *rows); /* NULL is fine */

/* Rows that the model takes. */
size_t validate_rows_count(const struct validate_rows *rows);
/* What is true of one; without blanks around it. */
struct text validate_rows_truth(const struct validate_rows *rows, size_t row);
/* Rows that it does not take, and what was wrong with the first of them ("" when there is none). */
uint64_t validate_rows_refused(const struct validate_rows *rows, const char **first);
/* Values of a row, and those of the first one, as they stand in the file. */
size_t validate_rows_width(const struct validate_rows *rows);
const struct row_value *validate_rows_first(const struct validate_rows *rows);

/* The payload of those rows, in that order; memory for free(). */
uint8_t *validate_rows_payload(const struct validate_rows *rows, const size_t *order, size_t count,
                               size_t *bytes);
/* All of them as tensors; views that are good as long as the rows. Returns how many tensors. */
size_t validate_rows_tensors(const struct validate_rows *rows, struct tensor tensors[TENSOR_COUNT_MAX]);

#endif
