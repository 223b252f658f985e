/* stream_value: the value of a message, as a row for the model. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STREAM_VALUE_H
#define OUTRIGGER_STREAM_VALUE_H

#include "row_builder.h"
#include "stream_job.h"

enum {
    STREAM_VALUE_MAX = 1 << 20 /* bytes: a row is a few hundred; one of a million numbers does not fit */
};

struct stream_values;

/* For at most `rows_max` rows at a time. The schema outlives it. NULL when the model takes no rows of values,
 * or (raw) takes texts. */
struct stream_values *stream_values_new(const struct schema *schema, enum stream_format format,
                                        size_t rows_max);
void stream_values_free(struct stream_values *values); /* NULL is fine */

enum stream_value_result {
    STREAM_VALUE_ADDED,
    STREAM_VALUE_REFUSED, /* all that is wrong with it is in `faults` */
    STREAM_VALUE_APART    /* it is of another width than the rows before: those go first */
};

/* Any bytes, of which there must be room for one row. */
enum stream_value_result stream_values_add(struct stream_values *values, struct text value,
                                           char faults[ROW_FAULTS_MAX]);
size_t stream_values_rows(const struct stream_values *values);
/* All rows as a payload; good until the next call. */
const uint8_t *stream_values_payload(struct stream_values *values, size_t *bytes);
void stream_values_clear(struct stream_values *values);

#endif
