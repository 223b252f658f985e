/* fields: what model.conf says of each column, worked out once for a version, so that rows are checked in one
 * pass over their tensors. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FIELDS_H
#define OUTRIGGER_FIELDS_H

#include "layout.h"
#include "problem.h"
#include "schema_fields.h"

/* Read only, once made. */
struct fields;

/* NULL when nothing is said that would refuse a value or stand for one. Points into both, which outlive it.
 */
struct fields *fields_new(const struct schema *schema, const struct layout *layout);
void fields_free(struct fields *fields);

/* ---- one value of a row; `fields` may be NULL in all of these ---- */

/* The value as it is written: a null, or none (NULL), of a column that may be left out is its default, and
 * true and false of a column of type boolean are 1 and 0 where the model takes numbers. */
yyjson_val *fields_settle(const struct fields *fields, size_t column, yyjson_val *value);
/* The default of a column; NULL: it must be there. */
yyjson_val *fields_standard(const struct fields *fields, size_t column);
/* True when it is of type boolean and the model takes numbers there. */
bool fields_boolean(const struct fields *fields, size_t column);
/* True when some column may be left out. */
bool fields_optional(const struct fields *fields);
/* The datatype whose words tell best what the column takes, for one of `datatype`. */
enum datatype fields_datatype(const struct fields *fields, size_t column, enum datatype datatype);
/* What is wrong with an element of the column, of any datatype but BYTES, said in `text`; NULL: nothing. */
const char *fields_fault(const struct fields *fields, size_t column, const uint8_t *element,
                         char text[SCHEMA_FAULT_MAX]);
/* The same of a string. */
const char *fields_text_fault(const struct fields *fields, size_t column, struct text value,
                              char text[SCHEMA_FAULT_MAX]);

/* ---- all values at once ---- */

/* True when every value of the tensors is one that its column may have. They are as layout_tensors makes
 * them: one for each input, in their order; `data` says where each one's elements are. */
bool fields_hold(const struct fields *fields, const struct tensor *tensors, uint8_t *const *data);

/* The same for tensors that came as such, in any order, by the names of the schema's inputs (others are
 * passed over): valid ones (tensors_decode) of the inputs' datatypes and shapes. False when a value is
 * refused, with faults whose fields are "NAME[row]", or "NAME[row][column]" where an input has several
 * columns. */
bool fields_check_values(const struct schema *schema, const struct tensor *tensors, size_t count,
                         struct problem_faults *faults);

#endif
