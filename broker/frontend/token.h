/* token: bearer tokens (RFC 6750) of an issuer elsewhere: who has one, and what it allows.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TOKEN_H
#define OUTRIGGER_TOKEN_H

#include "config.h"
#include "identity.h"
#include "loop.h"

struct tokens;

struct tokens_context {
    const struct config *config; /* token.*; lives as long */
    struct loop *loop;
    loop_call *settled; /* on the loop's thread: requests that wait (TOKEN_PENDING) may be tried again */
    loop_call *lost;    /* likewise: nobody can be asked any more */
    void *self;
    int fetch_fd; /* of fetch_hand_start for this configuration; belongs to the tokens that come of it */
};

/* NULL with an empty reason: no tokens are configured. NULL with a reason: the keys or a secret cannot be
 * read. On the loop's thread. */
struct tokens *tokens_new(const struct tokens_context *context, char *reason, size_t capacity);
/* Nobody may ask any more. NULL is fine. */
void tokens_free(struct tokens *tokens);

/* The token_check of the tokens, which are its `self`. */
token_check tokens_check;

#endif
