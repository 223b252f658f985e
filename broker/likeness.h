/* likeness: whether two versions of a model take the same inputs. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LIKENESS_H
#define OUTRIGGER_LIKENESS_H

#include "model.h"

/* False when what a row for one version is may be none for the other, by what their workers said: `how` (cut
 * at `capacity`) says what differs. True also while it is not known of one of them. */
bool likeness_of_inputs(const struct version *one, const struct version *other, char *how, size_t capacity);

#endif
