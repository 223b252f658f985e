/* record: the fields of a CSV record or a form as the row that a model takes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_RECORD_H
#define OUTRIGGER_RECORD_H

#include "csv.h"
#include "fields.h"
#include "layout.h"
#include "problem.h"

enum { RECORD_ABSENT = -1 }; /* as a size_t in field_of: no field is that column */

/* Which fields are which columns. All but field_of is given. */
struct columns {
    const struct layout *layout;
    const struct fields *fields; /* of the same version; NULL: none */
    bool allow_nan;
    size_t width;     /* columns: not 0 */
    size_t given;     /* fields of every record; fewer than columns where some are left out */
    size_t *field_of; /* a column's field; NULL: they stand in the order of the columns. Owned */
};

/* The fields are named: each column once, but those that may be left out, in any order, blanks around a name
 * being no part of it unless it is quoted. False, and nothing is changed, when they are not just the columns'
 * names. */
bool columns_by_name(struct columns *columns, const struct csv_record *names);
/* Why it is false: the unknown, the doubled and the missing ones, as members of `path`. */
void columns_explain(const struct columns *columns, const struct csv_record *names, const char *path,
                     struct problem_faults *faults);
void columns_free(struct columns *columns);

/* Adds the bytes that the row has in each input of BYTES to `bytes`. False when it has not `given` fields, or
 * a string is refused. */
bool record_measure(const struct columns *columns, const struct csv_record *record,
                    size_t bytes[TENSOR_COUNT_MAX]);
/* Writes the row to where data[input] points, and moves that on. `record` has been measured. False when a
 * value is none of its input's datatype: whether it is one that the column may have, the caller asks of all
 * (fields_hold). */
bool record_write(const struct columns *columns, const struct csv_record *record,
                  uint8_t *data[TENSOR_COUNT_MAX]);
/* What is wrong with it, as members of `path`. A record that has a line (not 0) is told with it: "line 17,
 * column age: expected a number, got nothing". */
void record_explain(const struct columns *columns, const struct csv_record *record, const char *path,
                    struct problem_faults *faults);

#endif
