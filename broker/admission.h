/* admission: the workers that the supervisor has announced, and those who wait because it has not yet. Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ADMISSION_H
#define OUTRIGGER_ADMISSION_H

#include "pool.h"
#include "worker_token.h"

enum {
    ADMISSION_MAX = 4 * POOL_WORKERS_MAX, /* announced ones: those of whom nobody says that they ended, too */
    ADMISSION_WAITING_MAX = POOL_WORKERS_MAX
};

/* What a worker says that it is, or the supervisor of a process that it has started. */
struct claim {
    struct worker_token token;
    char model[PROTOCOL_NAME_MAX + 1];
    char version[PROTOCOL_NAME_MAX + 1];
    uint32_t pid;
};

/* The supervisor's word. */
struct pass {
    uint64_t number; /* never 0, and never given to another */
    struct claim claim;
    struct peer holder; /* who came in with it last; length 0: nobody yet */
    UT_hash_handle hh;  /* by token */
};

/* Somebody whose token is not known. */
struct knocker {
    struct peer peer;
    struct claim claim;
    uint64_t question; /* the first that was asked since it came; 0: none yet */
    UT_hash_handle hh; /* by peer */
};

struct admission;
/* Whether somebody who is there has come in with the pass. */
typedef bool admission_is_held(void *self, const struct pass *pass);
struct admission *admission_new(admission_is_held *is_held, void *self);
void admission_free(struct admission *admission);

/* ---- passes ---- */

/* A process was started. One of that token is replaced. When there are ADMISSION_MAX those
 * that nobody holds are forgotten before: who is asked again tells them anew. */
void admission_announce(struct admission *admission, const struct claim *claim);
/* NULL: nobody has announced it. */
struct pass *admission_find(struct admission *admission, const struct worker_token *token);
/* Those of a process that has ended. */
void admission_forget_pid(struct admission *admission, uint32_t pid);
/* The one with that number, when it is still there. */
void admission_forget(struct admission *admission, uint64_t number);
size_t admission_count(const struct admission *admission);

/* ---- who waits ---- */

/* Puts somebody with an unknown token on the list, once. Nobody is kept longer than there is room: who waits
 * says READY again by itself. */
void admission_wait(struct admission *admission, const struct peer *peer, const struct claim *claim);
size_t admission_waiting(const struct admission *admission);
/* The supervisor is asked: returns the number of the question, which is that of all who wait and have none.
 */
uint64_t admission_ask(struct admission *admission);
/* Takes one who waits and whose token is known by now off the list, into *knocker. False: there is none. */
bool admission_next_known(struct admission *admission, struct knocker *knocker);
/* Likewise one whose token is not known though this question, or a later one, was answered. */
bool admission_next_unknown(struct admission *admission, uint64_t answered, struct knocker *knocker);

#endif
