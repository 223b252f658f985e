/* nearest: what somebody who mistyped a word most likely meant. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_NEAREST_H
#define OUTRIGGER_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/* Letters to insert, delete or replace to make `b` of `a` (Levenshtein). Words are looked at up to 64 bytes.
 */
size_t nearest_distance(const char *a, const char *b);

/* True when the distance is small enough for the words to be the same one mistyped: at most half of the
 * longer. */
bool nearest_plausible(const char *a, const char *b);

#endif
