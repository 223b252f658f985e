/* hand: a process that does for its parent what that one may not do itself. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HAND_H
#define OUTRIGGER_HAND_H

#include "config.h"

enum { HAND_FD = 3 /* the hand's end of the socket to its parent */ };

/* Forks. In the hand it returns true: it has the parent's stdout and stderr, an empty stdin, and HAND_FD, its
 * end of a socket of that type (SOCK_SEQPACKET, SOCK_STREAM); signals that are meant for the parent do not
 * reach it, and it ends when the parent does. In the parent it returns false: *fd is the other end, or -1
 * with errno. To be called before there is anything that the hand shall not have. */
bool hand_begin(int type, int *fd);

/* The same, for a hand that is begun again, after a second, when it ends by something else than _exit(0). In
 * the parent *fd is the end of a socket that hand_next takes from. */
bool hand_begin_lasting(int type, int *fd);
/* In the parent: waits for the hand that was begun next, the first one at first; the end of the socket to it.
 * -1: there is none any more. */
int hand_next(int fd);

/* In the hand: gives up all rights but that to connect to others, and to read `ca_file` ("": none). It is
 * called like its parent and `what`: frontend.1.fetch. */
void hand_confine(const struct config *config, const char *parent, const char *what, const char *ca_file);

#endif
