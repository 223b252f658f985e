/* retired: the sums of ended processes in a file, so that they outlive the collector.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_RETIRED_H
#define OUTRIGGER_RETIRED_H

#include "registry.h"

/* Writes what the registry knows of retired processes to `path`, by writing another file and renaming it. 0,
 * or -1 with errno; then the old file stands. */
int retired_save(const struct registry *registry, const char *path);

/* Reads it into a new registry. NULL (also when there is no such file), or what is wrong as a constant
 * sentence part; the registry has then nothing of it. */
const char *retired_load(struct registry *registry, const char *path);

/* The two halves without the file, for tests. The caller frees the bytes. */
uint8_t *retired_encode(const struct registry *registry, size_t *length);
const char *retired_decode(struct registry *registry, const uint8_t *bytes, size_t length);

#endif
