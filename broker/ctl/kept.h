/* kept: the requests that workers died of, as the broker left them in state_directory/quarantine.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_KEPT_H
#define OUTRIGGER_KEPT_H

#include "config.h"
#include "quarantined.h"

#include <yyjson.h>

/* One file, read whole. */
struct kept {
    uint8_t *bytes;
    size_t length;
    struct quarantined record; /* views of the bytes */
};

/* Reads a path, or a name in the quarantine. False, and `reason` says what is wrong; there is nothing to free
 * then. */
bool kept_read(const struct config *config, const char *name, struct kept *kept, char *reason,
               size_t capacity);
void kept_free(struct kept *kept);

/* Prints a table of what is there, the oldest first, "nothing" when there is nothing. Files that cannot be
 * read are named on stderr. False when there was one, or the folder cannot be read. */
bool kept_list(const struct config *config, FILE *out, bool coloured);

/* The same as an array "requests" in the root object of `document`. */
bool kept_add_list(const struct config *config, yyjson_mut_doc *document);
/* What the record says, but for its bytes, into `object`. */
void kept_add(const struct quarantined *record, yyjson_mut_doc *document, yyjson_mut_val *object);

/* "2026-01-31 12:00:00" (UTC) in a buffer of KEPT_TIME_BYTES. */
enum { KEPT_TIME_BYTES = 32 };
const char *kept_time(uint64_t time_ms, char *buffer);

#endif
