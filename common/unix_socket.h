/* unix_socket: listening at a path and connecting to one. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_UNIX_SOCKET_H
#define OUTRIGGER_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

/* Listens at `path` with that mode and, unless `group` is (gid_t)-1, that group. What stood there is replaced
 * in one step: who connects finds the old socket or the new one that listens already, never none. Returns a
 * descriptor (close-on-exec, nonblocking), -1 with errno. The caller unlinks the path in the end. */
int unix_listen(const char *path, mode_t mode, gid_t group, int backlog);

/* Opens a socket that was made at `path` to the group that its folder gave it. 0, or -1 with errno. */
int unix_open_to_group(const char *path);

/* True when the descriptor is a socket that unix_listen, or a service manager, made for this path, it listens
 * still, and a socket lies at the path. */
bool unix_listens_at(int fd, const char *path);

/* Connects; never waits (a full backlog is EAGAIN). Returns a descriptor (close-on-exec, nonblocking), -1
 * with errno. */
int unix_connect(const char *path);

#endif
