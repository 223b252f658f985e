/* limit_keys: the limits that keys have of their own. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LIMIT_KEYS_H
#define OUTRIGGER_LIMIT_KEYS_H

#include "limit.h"

/* Those of a file of keys (common/api_key.h). */
struct limit_keys;

/* The file need not be there, now or ever. Nothing is read yet. */
struct limit_keys *limit_keys_new(const char *path);
void limit_keys_free(struct limit_keys *keys);
/* Reads the file again if it has changed. True when what is known has changed: rules that were found before
 * are gone. A file that cannot be read as it should is told of in the log, and what was known holds. */
bool limit_keys_look(struct limit_keys *keys);
/* What the key of that tenant has of its own; NULL: nothing. */
const struct limit_rule *limit_keys_find(const struct limit_keys *keys, uint64_t tenant);
/* How many keys have limits of their own. */
size_t limit_keys_count(const struct limit_keys *keys);
/* Rules of keys are made of their own numbers and of these, for what they do not say. Before the first look.
 */
void limit_keys_usual(struct limit_keys *keys, double requests_per_s, double rows_per_s, double burst_s);

#endif
