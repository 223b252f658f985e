/* ahead: ZeroMQ messages that are taken from a DEALER whole, before any of them is handled.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AHEAD_H
#define OUTRIGGER_AHEAD_H

#include "object.h"

enum { AHEAD_MAX = 64 }; /* messages that are taken before the first of them is handled */

struct ahead;
/* Of this socket, which must not be received from by others. */
struct ahead *ahead_new(void *socket);
void ahead_free(struct ahead *ahead);

/* Takes what waits, as long as there are fewer than AHEAD_MAX messages. Returns how many there are. */
size_t ahead_take(struct ahead *ahead);

/* Begins the oldest of them: *frame = its first frame. Views of frames are good until it is ended. False when
 * there is none. */
bool ahead_begin(struct ahead *ahead, struct text *frame);
/* The next frame of the message that was begun; false when it has no more. The train_next_frame of train.h.
 */
bool ahead_next(void *ahead, struct text *frame);
/* Ends the message that was begun, whatever of it was looked at. */
void ahead_end(struct ahead *ahead);

#endif
