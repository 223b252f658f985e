/* introduction: tells the broker which workers there are, and what each shows to be believed.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_INTRODUCTION_H
#define OUTRIGGER_INTRODUCTION_H

#include "object.h"
#include "worker_token.h"

#include <sys/types.h>

struct introduction;

/* To the broker whose control socket is at that path, which lives as long. `question`: it was asked, with
 * that number; 0: it was not. Never NULL. */
struct introduction *introduction_new(const char *path, uint64_t question);
/* A worker's process; one without a token is passed over, as nobody would know it by that. */
void introduction_add(struct introduction *introduction, const struct worker_token *token, const char *model,
                      const char *version, pid_t pid);
/* Says what has not been said yet, and frees it. Who was asked says so behind the last, when it knows that
 * the broker has heard of all: that waits for its answers, for a fifth of a second each at most. Otherwise
 * nobody waits: a broker that is away, or misses something, asks when somebody comes whom it does not know.
 */
void introduction_end(struct introduction *introduction);

#endif
