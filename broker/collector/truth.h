/* truth: joins what was predicted with what turned out to be true. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TRUTH_H
#define OUTRIGGER_TRUTH_H

#include "accuracy.h"
#include "config.h"

struct truth;

/* Reads STATE/predictions, where frontends write (predictions.h), and keeps there what it has joined; begins
 * with what was joined before. NULL, after a complaint, when the folder cannot be made, or when nothing is to
 * be kept (feedback.keep = 0). What it is given must outlive it. */
struct truth *truth_new(const struct config *config, struct metrics *metrics, struct accuracy *accuracy);
void truth_free(struct truth *truth); /* NULL is fine */

/* Reads what has come since the last time, and joins. Once a second, say. `now_ms`: since 1970. */
void truth_look(struct truth *truth, int64_t now_ms);

#endif
