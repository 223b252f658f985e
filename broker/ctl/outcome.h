/* outcome: what came of a request, for people. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OUTCOME_H
#define OUTRIGGER_OUTCOME_H

#include "client.h"

#include <stdio.h>
#include <yyjson.h>

/* Prints a text of unknown origin: control characters as '?'. */
void outcome_print_text(struct text text, FILE *out);

/* Prints who answered after how long (`took`, nanoseconds) and the first values of each tensor, or why there
 * is no answer. True when there is one. */
bool outcome_print(const struct client_answer *answer, int64_t took, FILE *out);

/* The same for programs, into the root object of `document`: "version", "milliseconds" and "tensors", each
 * with its first values; or "ok": false, "error", "failure" and "status". */
bool outcome_add(const struct client_answer *answer, int64_t took, yyjson_mut_doc *document);

#endif
