/* worker_token: what a worker shows to the broker, so that it is believed to be what its supervisor started:
 * one model and one version. A secret of one process: the supervisor draws it, tells it to the broker over
 * the control socket, and hands it to the worker in a pipe. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_WORKER_TOKEN_H
#define OUTRIGGER_WORKER_TOKEN_H

#include "object.h"

enum { WORKER_TOKEN_LENGTH = 64 }; /* hexadecimal digits: 256 bits, which nobody guesses */

/* With its terminator; "" is none. */
struct worker_token {
    char text[WORKER_TOKEN_LENGTH + 1];
};

/* Draws a new one. */
struct worker_token worker_token_draw(void);
/* True for text that may be one. */
bool worker_token_ok(struct text text);
/* One in text that may be one; none otherwise. */
struct worker_token worker_token_read(struct text text);
/* A close-on-exec descriptor from which it can be read once; the caller closes it. -1 with errno. */
int worker_token_lay(const struct worker_token *token);
/* Reads it from such a descriptor, and closes that. False, and none in *token, when there is none to read. */
bool worker_token_take(int fd, struct worker_token *token);

#endif
