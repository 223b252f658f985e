/* agreement: the answer to {"command":"shadow"} on RUNTIME/collector.sock. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AGREEMENT_H
#define OUTRIGGER_AGREEMENT_H

#include "registry.h"

#include <yyjson.h>

/* Adds "models": [{"model", "stable", "shadow", "copies", "answered", "failed", "dropped", "compared",
 * "agreed", "elements", "largest", "mean"}] for each pair of versions of which there were copies, the oldest
 * first. copies, answered, failed and dropped are requests; compared and agreed are predictions (rows);
 * largest and mean are absolute differences of single numbers. `dropped` is that of all pairs of the same
 * model and shadow. */
void agreement_to_json(const struct registry *registry, yyjson_mut_doc *document, yyjson_mut_val *object);

#endif
