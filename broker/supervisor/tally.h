/* tally: what the broker counted of a version, as the judge needs it. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TALLY_H
#define OUTRIGGER_TALLY_H

#include "judge.h"

#include <yyjson.h>

/* Reads the counts of one version from the broker's answer to "figures"; zeros for one that it does not know.
 * False when that is no such answer. *epoch tells which broker counted. */
bool tally_read(yyjson_val *answer, const char *model, const char *version, uint64_t *epoch,
                struct judged *judged);
/* sum += now - before. What has become less, which it never should, counts as nothing. */
void tally_gather(struct judged *sum, const struct judged *now, const struct judged *before);
/* As they stand in a file: {"answered", "errors", "unserved", "latency_ns": [[bound, count], ...]}. */
void tally_to_json(const struct judged *judged, yyjson_mut_doc *document, yyjson_mut_val *object);
/* What is missing or no number is 0. */
void tally_from_json(yyjson_val *object, struct judged *judged);

#endif
