/* cell: a value that came as text, of a CSV table or a form, as one element of a tensor.
 *
 * Numbers are those of JSON, and a "+" may stand in front of one and blanks around it. An empty text, or one
 * of blanks, is a missing value: NaN where the model allows that, else refused. BOOL takes true, false (in
 * any case), 0 and 1. A text's next byte must be none that a number has (csv_text), for numbers are read up
 * to such a byte. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CELL_H
#define OUTRIGGER_CELL_H

#include "decimal.h"
#include "tensor.h"

enum { CELL_TEXT_MAX = 160 };

struct cell {
    struct text text;
    bool quoted; /* an empty string and not a missing one */
};

/* Writes the value as element_write does (any datatype but BYTES). False when it is refused. */
bool cell_write(enum datatype datatype, struct text text, bool allow_nan, uint8_t *place);
/* The same for FP32, which is what most cells are. */
static inline bool cell_write_float(struct text text, bool allow_nan, uint8_t *place)
{
    float value;
    if (decimal_read(text.at, &value) != text.at + text.length)
        return cell_write(DATATYPE_FP32, text, allow_nan, place);
    memcpy(place, &value, sizeof value);
    return true;
}
/* The text may be an element of BYTES: it is UTF-8, as a string of JSON is, and not missing (where NaN is
 * allowed, a missing one is empty). */
bool cell_is_string(struct cell cell, bool allow_nan);
/* It is a number, or a word of BOOL for that datatype: no name of a column, if it can be helped. */
bool cell_is_value(enum datatype datatype, struct text text);
/* Why it is refused, as an element or as a string: "expected a number, got \"abc\"". Returns `words`; NULL:
 * it is not refused. */
const char *cell_explain(enum datatype datatype, struct cell cell, bool allow_nan, char words[CELL_TEXT_MAX]);

/* True when it is a word for a column of type boolean: true, false, on or off, in any case; then *truth is
 * which.
 */
bool cell_read_truth(struct text text, bool *truth);

#endif
