/* row_builder: values of rows, column after column, as the tensors that a model takes, by its schema. The
 * words and the rules are those of the front door. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROW_BUILDER_H
#define OUTRIGGER_ROW_BUILDER_H

#include "layout.h"
#include "schema.h"

enum { ROW_FAULTS_MAX = 512 };

enum row_value_kind {
    ROW_MISSING, /* a NULL, or no such column: the default, NaN where the model takes that, or a fault */
    ROW_TEXT,    /* `text`, of which a value is read as of CSV (cell.h: mind the byte behind it) */
    ROW_STRING,  /* `text`, a string of JSON or of a database: no number, whatever it holds */
    ROW_NUMBER,
    ROW_INTEGER,
    ROW_TRUTH
};

struct row_value {
    enum row_value_kind kind;
    bool quoted; /* ROW_TEXT: an empty one is a string, and not missing */
    union {
        struct text text;
        double number;
        int64_t integer;
        bool truth;
    };
};

/* Each thread has its own. */
struct row_builder;

/* For at most `rows_max` rows at a time, whose memory comes as it is needed. The schema must outlive it. NULL
 * when the inputs cannot be given as rows of values. */
struct row_builder *row_builder_new(const struct schema *schema, size_t rows_max);
void row_builder_free(struct row_builder *builder); /* NULL is fine */

/* The names of the columns, and which column has a name (layout_find). */
const struct layout *row_builder_layout(const struct row_builder *builder);
/* Values of a row; 0 for a model that takes any number, until row_builder_widen. */
size_t row_builder_width(const struct row_builder *builder);
/* For a model that takes any number of values: so many from now on. False: it takes another number, or there
 * are rows already. */
bool row_builder_widen(struct row_builder *builder, size_t width);
/* True when a row may have nothing in that column. */
bool row_builder_optional(const struct row_builder *builder, size_t column);

/* Adds a row of row_builder_width values, of which there must be room for one. False, and nothing is added,
 * when the model does not take it: all that is wrong, "age: 130 is above the maximum 120; plan: is missing",
 * cut at what fits; a column without a name is "column 3". */
bool row_builder_add(struct row_builder *builder, const struct row_value *values,
                     char faults[ROW_FAULTS_MAX]);
size_t row_builder_rows(const struct row_builder *builder);
bool row_builder_full(const struct row_builder *builder);
/* Takes the last row out again, which there must be. */
void row_builder_drop(struct row_builder *builder);
/* All rows; the memory is kept. */
void row_builder_clear(struct row_builder *builder);

/* The payload (PROTOCOL.md section 6) of rows [from, to), at least one. Good until the next call that changes
 * the builder, or of this. */
const uint8_t *row_builder_payload(struct row_builder *builder, size_t from, size_t to, size_t *bytes);

#endif
