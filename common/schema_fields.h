/* schema_fields: what the columns of a row may be (struct schema_field): on the wire, checked for
 * contradictions, and put into words when a value is none of them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCHEMA_FIELDS_H
#define OUTRIGGER_SCHEMA_FIELDS_H

#include "schema.h"
#include "wire.h"

#include <yyjson.h>

enum {
    SCHEMA_ALLOWED_MAX = 1024,      /* values of one column */
    SCHEMA_VALUE_MAX = 512,         /* bytes of one of them, of a default, of a column's name */
    SCHEMA_FIELD_TEXT_MAX = 1024,   /* bytes of a column's description */
    SCHEMA_FAULT_MAX = 160,         /* bytes of what is wrong with a value, in words */
    SCHEMA_CONTRADICTION_MAX = 256, /* bytes of what is wrong with a field */
    SCHEMA_NUMBER_MAX = 32          /* bytes of a number as text */
};

/* "number", "integer", "boolean", "string"; "" for SCHEMA_ANY. */
const char *schema_type_name(enum schema_type type);
/* False when there is no such type. */
bool schema_type_parse(struct text name, enum schema_type *type);
/* The type that is said, or else the one that bounds, allowed values and default make it; SCHEMA_ANY: none.
 */
enum schema_type schema_field_type(const struct schema_field *field);

/* A copy in memory of its own. */
struct schema_field *schema_fields_copy(const struct schema_field *fields, size_t count);
/* `fields` may be NULL. */
void schema_fields_free(struct schema_field *fields, size_t count);

/* The shortest text that reads back as this number; with `single`, as this float. Returns `text`. */
char *schema_number_text(double number, bool single, char text[SCHEMA_NUMBER_MAX]);
/* The number as it is in the datatype: a bound of 0.1 is another number in FP32. */
double schema_number_in(enum datatype datatype, double number);

/* What is wrong with a number of the column, which is in the datatype already: "130 is above the maximum
 * 120", in `words`. NULL: nothing; NaN, which stands for a missing value where it is allowed, is never wrong.
 */
const char *schema_field_number_fault(const struct schema_field *field, enum datatype datatype, double number,
                                      char words[SCHEMA_FAULT_MAX]);
/* The same of a string. */
const char *schema_field_text_fault(const struct schema_field *field, struct text text,
                                    char words[SCHEMA_FAULT_MAX]);

/* What a column may be, in words: "integer, 18 to 120; else 40" (its default), cut at `capacity`; "" when
 * nothing but its name is said. Returns `text`. */
char *schema_field_words(const struct schema_field *field, char *text, size_t capacity);

/* False when what is said of a column contradicts itself, whatever the model is: *member ("minimum",
 * "allowed", ...) and `complaint` say what. */
bool schema_field_consistent(const struct schema_field *field, const char **member,
                             char complaint[SCHEMA_CONTRADICTION_MAX]);
/* NULL when schema->fields (if there are any) go together with the features and the datatypes of the inputs.
 * Else a constant complaint, with *at being the column, or feature_count when it is about them all. */
const char *schema_fields_misfit(const struct schema *schema, size_t *at);

/* False when a row that fits one schema may not fit the other, or means something else: `how` (cut at
 * `capacity`) says what the first difference is, calling them by those names. Descriptions do not count. */
bool schema_same_inputs(const struct schema *one, const char *one_name, const struct schema *other,
                        const char *other_name, char *how, size_t capacity);

/* All is the same, descriptions and names, too. */
bool schema_fields_equal(const struct schema_field *one, const struct schema_field *other, size_t count);
/* The value as JSON would have brought it; a view of it. */
yyjson_val schema_value_json(const struct schema_value *value);

/* ---- on the wire: PROTOCOL.md section 7 ---- */

/* Bytes that suffice for schema_fields_write. */
size_t schema_fields_bound(const struct schema_field *fields, size_t count);
void schema_fields_write(struct wire_writer *writer, const struct schema_field *fields, size_t count);
/* Reads exactly `count` fields. NULL, and *fields is the caller's; or a constant complaint. Each is
 * consistent. */
const char *schema_fields_read(struct wire_reader *reader, size_t count, struct schema_field **fields);

#endif
