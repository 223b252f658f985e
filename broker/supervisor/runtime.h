/* runtime: the directory of sockets and locks that all processes of one host share.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_RUNTIME_H
#define OUTRIGGER_RUNTIME_H

#include "config.h"

struct runtime;

/* Makes the directories and takes the supervisor's lock, for which it waits up to two seconds. NULL after a
 * logged complaint: there is nothing to be started then. */
struct runtime *runtime_open(const struct config *config);
/* Has the FastCGI listening socket from now on: `fd`, which it takes, or a new one for -1. One that a service
 * manager has made (`managed`) is left where it lies in the end. False after a logged complaint. */
bool runtime_listen(struct runtime *runtime, int fd, bool managed);
/* The FastCGI listening socket, which the frontends inherit. */
int runtime_listen_fd(const struct runtime *runtime);
/* NULL does nothing. Gives the lock back, and leaves the files to the processes that still use them. */
void runtime_abandon(struct runtime *runtime);
/* NULL does nothing. Removes everything that our processes leave in the directory, and gives the lock back.
 * All of them have ended. */
void runtime_close(struct runtime *runtime);

/* The path of a file in the directory, in a buffer of RUNTIME_PATH_BYTES; too long paths were refused with
 * the configuration. Returns `path`. */
enum { RUNTIME_PATH_BYTES = 256 };
char *runtime_path(const struct config *config, const char *name, char *path);

#endif
