/* record: the fields of a CSV record or a form as the row that a model takes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_RECORD_H
#define OUTRIGGER_RECORD_H

#include "csv.h"
#include "layout.h"
#include "problem.h"

/* Which fields are which columns. `layout`, `allow_nan` and `width` are given. */
struct columns {
    const struct layout *layout;
    bool allow_nan;
    size_t width;     /* fields of every record, and columns: not 0 */
    size_t *field_of; /* a column's field; NULL: they stand in the order of the columns. Owned */
};

/* The fields are named: each column once, in any order, blanks around a name being no part of it unless it is
 * quoted. False, and nothing is changed, when they are not just the columns' names. */
bool columns_by_name(struct columns *columns, const struct csv_record *names);
/* Why it is false: the unknown, the doubled and the missing ones, as members of `path`. */
void columns_explain(const struct columns *columns, const struct csv_record *names, const char *path,
                     struct problem_faults *faults);
void columns_free(struct columns *columns);

/* Adds the bytes that the row has in each input of BYTES to `bytes`. False when it has not `width` fields, or
 * a string is refused. */
bool record_measure(const struct columns *columns, const struct csv_record *record,
                    size_t bytes[TENSOR_COUNT_MAX]);
/* Writes the row to where data[input] points, and moves that on. `record` has been measured. False when a
 * value is refused. */
bool record_write(const struct columns *columns, const struct csv_record *record,
                  uint8_t *data[TENSOR_COUNT_MAX]);
/* What is wrong with it, as members of `path`. A record that has a line (not 0) is told with it: "line 17,
 * column age: expected a number, got nothing". */
void record_explain(const struct columns *columns, const struct csv_record *record, const char *path,
                    struct problem_faults *faults);

#endif
