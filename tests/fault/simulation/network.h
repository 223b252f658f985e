/* network: ZeroMQ's ROUTER and DEALER as far as ours use them, in memory and on virtual time.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_NETWORK_H
#define OUTRIGGER_NETWORK_H

#include "loop.h"

/* The context of zmq_socket. One at a time. */
void *network_new(void);
/* All sockets must have been closed. */
void network_free(void *network);

/* The functions of zmq.h that common/client.c and broker/port.c call are implemented as well. */

/* When the next message for this socket is there (virtual ns); INT64_MAX: none is under way. */
int64_t network_arrival(const void *socket);
/* From now on who loses a connection notices that much later: its peer says nothing, as a host that is lost.
 * 0: soon. */
void network_be_silent(void *network, int64_t silence);
/* Whose turn it is when something arrives; NULL: nobody's. */
void network_attach(void *socket, struct loop *loop);

/* kill -9 of the process: nothing goes out of its sockets any more but what the kernel had already, nothing
 * comes in. They must still be closed. */
void network_kill(void *network, const struct loop *process);
/* The connections of a process's DEALERs break, for no fault of anybody; both sides notice after a while, and
 * what is under way then is lost in part. They connect again. */
void network_cut(void *network, const struct loop *process);

#endif
