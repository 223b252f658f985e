/* profile_ask: asks a version of a model that runs, through the broker as every client does.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROFILE_ASK_H
#define OUTRIGGER_PROFILE_ASK_H

#include "client.h"
#include "config.h"
#include "schema.h"

enum { PROFILE_ASK_REASON_MAX = 512 };

struct profile_ask;

/* Connects. Never NULL. */
struct profile_ask *profile_ask_new(const struct config *config);
void profile_ask_free(struct profile_ask *ask); /* NULL is fine */

/* The version of that model that is asked from now on; `version` NULL: the stable one. Waits for the broker
 * to tell of it. NULL, and `reason` says why: it has none that is known. The schema, and *name, are the
 * ask's. */
const struct schema *profile_ask_version(struct profile_ask *ask, const char *model, const char *version,
                                         const char **name, char reason[PROFILE_ASK_REASON_MAX]);

/* Takes an answer, and `context`, which was given with the request. False ends the asking: `reason` is set.
 */
typedef bool profile_answered(void *self, void *context, const struct client_answer *answer,
                              char reason[PROFILE_ASK_REASON_MAX]);
/* Makes the next request: a payload that is copied, its rows, and a context, memory for free() that comes
 * back with the answer and is freed when none comes. 0: there are no more; -1: `reason` is set.
 */
typedef int profile_next(void *self, void **context, const uint8_t **payload, size_t *bytes, uint32_t *rows,
                         char reason[PROFILE_ASK_REASON_MAX]);

/* Asks, some requests at a time, until there are no more and all are answered. A request that the broker has
 * no room for is asked again when it says. False, and `reason` says why it ended. */
bool profile_ask_all(struct profile_ask *ask, profile_next *next, profile_answered *answered, void *self,
                     char reason[PROFILE_ASK_REASON_MAX]);

#endif
