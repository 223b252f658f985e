/* world: virtual time, and the loops of all simulated processes on it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_WORLD_H
#define OUTRIGGER_WORLD_H

#include "chance.h"
#include "loop.h"

#include <stddef.h>

/* Time begins (at one second); everything random follows the seed. Once in the life of a process. */
void world_begin(uint64_t seed);
/* Virtual time in nanoseconds: what clock_now() says in everything that is linked here. */
int64_t world_now(void);
struct chance *world_chance(void);

/* One turn of the loop that wakes next; virtual time moves on to it. NULL when no loop waits for anything. */
struct loop *world_step(void);
uint64_t world_turns(void);
/* Equal for two runs that did the same in the same order. */
uint64_t world_digest(void);

/* ---- what the simulation may do with a loop, beside loop.h ---- */

/* Like SIGSTOP until then (virtual ns): no turn. */
void loop_pause(struct loop *loop, int64_t until);
bool loop_paused(const struct loop *loop);
/* Called at the beginning of the loop's next turn, which is soon: something from outside the simulated
 * network. At most 64 wait. Forgotten when the loop is freed. */
void loop_interrupt(struct loop *loop, loop_call *call, void *self);
/* False: the process is busy with something else than its sockets, and does not wake for what arrives. */
void loop_listen(struct loop *loop, bool listens);
bool loop_stopped(const struct loop *loop);
/* The network says that a message is under way to one of the loop's sockets. */
void loop_expect(struct loop *loop);

#endif
