/* output_form: a row and its prediction as a line of CSV or JSON. Pure.
 *
 * Where rows came from a file of the same kind they stand as they were, with the predictions behind them (a
 * member of a JSON line that is called as one of ours is replaced; the input still has it); else a line has
 * the row's key and its prediction. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_OUTPUT_FORM_H
#define OUTRIGGER_BATCH_OUTPUT_FORM_H

#include "draft.h"
#include "table.h"

enum { OUTPUT_RESULTS = 5 /* prediction, probability, label, model_version, predicted_at */ };

struct output_form {
    const struct table_job *job;
    bool csv, as_it_was;
    char delimiter;
    const char *names[OUTPUT_RESULTS]; /* of what is written; NULL: it is not */
};

/* The job outlives it. */
struct output_form output_form_of(const struct table_job *job);
/* False with `reason`: two values of a line would have one name. */
bool output_form_check(const struct output_form *form, char reason[TABLE_REASON_MAX]);
/* Adds the first line of a file, if it has one that names what is in the others. */
void output_form_head(const struct output_form *form, struct draft *text);
/* Adds the line of a row that has a prediction. */
void output_form_row(const struct output_form *form, const struct chunk *chunk, const struct chunk_row *row,
                     struct draft *text);
/* Adds the line of one that has none: JSON, with the reason. */
void output_form_reject(const struct output_form *form, const struct chunk_row *row, struct draft *text);

#endif
