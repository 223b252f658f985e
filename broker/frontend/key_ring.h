/* key_ring: the API keys of this moment. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_KEY_RING_H
#define OUTRIGGER_KEY_RING_H

#include "identity.h"
#include "key_uses.h"
#include "loop.h"
#include "metrics.h"

struct key_ring;
/* Reads the file, and with a loop looks twice a second whether it is another. What is wrong with it is
 * logged: then the keys are what they were, none at the beginning. `metrics` may be NULL. What is opened is
 * noted in `uses` (NULL: nowhere), which stays the caller's. Never NULL. */
struct key_ring *key_ring_new(const char *path, struct key_uses *uses, struct loop *loop,
                              struct metrics *metrics);
void key_ring_free(struct key_ring *ring);
/* Reads the file now if it is another; what the loop does by itself. The loop's thread alone. */
void key_ring_look(struct key_ring *ring);

/* NULL, and `identity` is whose key it is, when the text is a key that is good at `second` (since 1970); else
 * why not, a constant. Takes as long for a key that has expired, or was revoked or never there. Any thread.
 */
const char *key_ring_open(struct key_ring *ring, struct text text, int64_t second, struct identity *identity);

#endif
