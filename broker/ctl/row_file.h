/* row_file: the rows of a CSV file, by the names of a model's columns, one after the other into a
 * row_builder. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROW_FILE_H
#define OUTRIGGER_ROW_FILE_H

#include "csv.h"
#include "row_builder.h"

enum { ROW_FILE_REASON_MAX = 512 };

struct row_file;

/* Opens the file and reads its first line, which names the columns: those of the model's features may stand
 * in any order among others. Where the model has no names they are all but `apart`, in order, and a first
 * line that holds a number is a row.
 *
 * `apart` is a column that is no feature, such as the truth or a score; NULL: there is none. `needed`: it
 * must be there. A builder whose width is not known yet is widened; it must outlive the file (NULL: the model
 * takes no rows of values). NULL, and `reason` says why. */
struct row_file *row_file_new(const char *path, struct row_builder *builder, const char *apart, bool needed,
                              char reason[ROW_FILE_REASON_MAX]);
void row_file_free(struct row_file *file); /* NULL is fine */

/* The next row that the model takes: CSV_RECORD, and it is the builder's last one, which must have room.
 * Those that it does not take are passed over and counted. CSV_END: there are no more; CSV_WRONG: it is no
 * CSV, or cannot be read: `reason`. */
enum csv_result row_file_next(struct row_file *file, char reason[ROW_FILE_REASON_MAX]);

/* Of the row that row_file_next gave, until the next call: */
const struct row_value *row_file_values(const struct row_file *file);
/* What stands in the column `apart`, without blanks around it; "" when there is no such column. */
struct text row_file_apart(const struct row_file *file);
/* Passes it over as well: it is taken out of the builder. */
void row_file_refuse(struct row_file *file, const char *why);

/* Rows passed over, and what was wrong with the first of them ("" when there is none). */
uint64_t row_file_refused(const struct row_file *file, const char **first);
/* How much of the file is read, 0 to 1. */
double row_file_progress(const struct row_file *file);

#endif
