/* secret: what nobody else may know (a shared key, a password), as the configuration refers to it: never the
 * value itself, which then would stand in files and command lines. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SECRET_H
#define OUTRIGGER_SECRET_H

#include "object.h"

enum { SECRET_MAX = 4096 /* bytes of one */ };

struct secret;

/* `reference` is one of
 *   credential:NAME   the file NAME in $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=)
 *   env:NAME          the environment variable NAME, which is taken out of the environment
 *   file:PATH, PATH   a file that belongs to us or root and is closed to others (mode 0640 or less)
 * One newline at the end is no part of it. The memory is locked and left out of core dumps where the system
 * lets us. NULL with `reason` (which never holds the value): no such thing, empty, longer than SECRET_MAX,
 * open to others. */
struct secret *secret_read(const char *reference, char *reason, size_t capacity);
/* The same for who only looks whether it is there, and starts the one who needs it: a variable stays in the
 * environment. */
struct secret *secret_peek(const char *reference, char *reason, size_t capacity);
/* Its bytes, good until secret_free. */
struct text secret_text(const struct secret *secret);
/* Overwrites and frees it; NULL is fine. */
void secret_free(struct secret *secret);

#endif
