/* audit_entry: what one line of the audit log says, before the chain is put in front of it: text that grows.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUDIT_ENTRY_H
#define OUTRIGGER_AUDIT_ENTRY_H

#include "object.h"

/* Zeroed = empty. Owns its memory. */
struct audit_entry {
    char *bytes;
    size_t length;
    size_t capacity;
    int64_t second; /* since 1970, and its text: most entries come in the second of the one before */
    char second_text[20];
};

void audit_entry_free(struct audit_entry *entry);
void audit_entry_clear(struct audit_entry *entry);
/* Adds bytes as they are. */
void audit_entry_raw(struct audit_entry *entry, const char *bytes, size_t length);

/* Empties it and begins with time (nanoseconds since 1970, to the microsecond) and event. Names and the event
 * are constants without anything that JSON escapes. */
void audit_entry_begin(struct audit_entry *entry, int64_t wall, const char *event);
/* A member with a text: valid JSON whatever the bytes are. */
void audit_entry_text(struct audit_entry *entry, const char *name, struct text value);
void audit_entry_number(struct audit_entry *entry, const char *name, uint64_t value);
void audit_entry_flag(struct audit_entry *entry, const char *name, bool value);
/* Ends it: "}" and a newline. */
void audit_entry_end(struct audit_entry *entry);

#endif
