/* key_uses: when each API key was last used. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_KEY_USES_H
#define OUTRIGGER_KEY_USES_H

#include "object.h"

/* What is told is at most so old, in seconds: a key that is used all the time is written down so seldom. */
enum { KEY_USES_EVERY_S = 60 };

/* A file in state_directory, of 256 KB, that all frontends of a host map: what is noted outlasts them. */
struct key_uses;
/* Makes the file if need be. NULL with errno. */
struct key_uses *key_uses_open(const char *path);
/* What the file says at this moment; it need not be there. NULL when there is none that can be read. */
struct key_uses *key_uses_read(const char *path);
void key_uses_free(struct key_uses *uses); /* NULL is fine; the file stays */

/* The key whose api_key_tenant that is was used at `second` (since 1970), which is about now. Any thread and
 * process, never waits. */
void key_uses_note(struct key_uses *uses, uint64_t tenant, int64_t second);
/* When it was, up to KEY_USES_EVERY_S earlier than the last time; 0: never, or it is forgotten. */
int64_t key_uses_last(const struct key_uses *uses, uint64_t tenant);

#endif
