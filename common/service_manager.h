/* service_manager: what systemd, or who speaks as it does, gives to a service that it starts, and is told by
 * it. The protocols are those of sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3), which ask for a
 * datagram and a few variables, and for no library. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SERVICE_MANAGER_H
#define OUTRIGGER_SERVICE_MANAGER_H

#include "object.h"

struct loop;
struct service_manager;

/* Takes what there is out of the environment, so that no child takes it for its own, and connects: what is
 * said later needs no rights. Before threads, and before the sandbox. Never NULL: without a service manager
 * all of this does nothing. */
struct service_manager *service_manager_take(void);
void service_manager_free(struct service_manager *manager);

/* Whether somebody listens. */
bool service_manager_is_there(const struct service_manager *manager);
/* Tells it assignments, parted by newlines, as "READY=1\nSTATUS=all is well". Never waits: what it has no
 * room for is said again until it has, as long as the loop below runs. */
void service_manager_say(struct service_manager *manager, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* From now on the loop says in time that the process lives, if that is asked for (WatchdogSec=): one that is
 * stuck does not; and says what there was no room for. NULL: no more, as must be said before the loop is
 * freed. */
void service_manager_watch(struct service_manager *manager, struct loop *loop);

/* The listening Unix socket at `path` that it has made for this service (outrigger.socket), nonblocking and
 * close-on-exec: the caller's from now on. -1: there is none. */
int service_manager_socket(struct service_manager *manager, const char *path);

#endif
