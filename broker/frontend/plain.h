/* plain: a batch's rows of numbers, in JSON or CSV, read from the text straight into floats.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PLAIN_H
#define OUTRIGGER_PLAIN_H

#include "object.h"

/* Rows of the same width. Zeroed = empty. Owns its memory, which is kept for the next ones. */
struct plain {
    float *values; /* row by row */
    size_t rows, width;
    size_t capacity; /* values that there is memory for */
};

/* Reads {"instances": [[1, 2.5], [3, 4]] at the beginning of a text that a NUL ends, where all rows have the
 * same number of values, one or more, and every value is a finite FP32: the very one that the tree of the
 * same text gives (element_write_floats). Returns the length of what was read and of the white space behind
 * it; 0 when the text is anything else, right or wrong. */
size_t plain_read(struct plain *plain, const char *text, size_t length);
/* Reads lines of CSV, each of `width` numbers and nothing else, up to the end of a text that a NUL ends: the
 * very floats that cell_write makes. `column_of` says where a line's fields stand in the row; NULL: where
 * they stand in the line. False when the text is anything else, right or wrong, or has no line. */
bool plain_read_lines(struct plain *plain, const char *text, size_t length, size_t width,
                      const size_t *column_of);
/* Gives the memory back if it is more than is kept between two bodies. */
void plain_done(struct plain *plain);
void plain_free(struct plain *plain);

#endif
