/* desk: where the lanes' threads hand in chunks, and wait until the model has scored them.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_DESK_H
#define OUTRIGGER_BATCH_DESK_H

#include "chunk.h"
#include "loop.h"

struct desk;

/* The scorer's requests go out in the loop's thread, to which all of this but desk_score belongs. NULL with
 * errno when the kernel has no descriptor for it. */
struct desk *desk_new(struct loop *loop, struct scorer *scorer);
/* No lane may wait any more. NULL is fine. */
void desk_free(struct desk *desk);

/* Of a lane: hands in the chunk and waits. True: it is scored (chunk_answered). False, with `reason`: it is
 * not, and will not be. */
bool desk_score(struct desk *desk, struct chunk *chunk, char reason[CHUNK_REASON_MAX]);

#endif
