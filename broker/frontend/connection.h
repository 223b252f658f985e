/* connection: the web servers' connections to one frontend process. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CONNECTION_H
#define OUTRIGGER_CONNECTION_H

#include "api.h"
#include "errands.h"
#include "lane.h"
#include "loop.h"
#include "stats.h"

struct connections;

/* What they work with; all of it lives longer than they do. */
struct connections_context {
    struct loop *loop;
    const struct config *config;
    struct metrics *metrics;
    struct api *api;
    struct client *client;
    struct stats_exposition *exposition;
    struct errands *errands;
    struct lane *lane;
};

/* Accepts at listen_fd, a listening socket that is set to non-blocking here. */
struct connections *connections_new(const struct connections_context *context, int listen_fd);
void connections_free(struct connections *connections);
/* Who asks is known now, or is not to be found out: the requests that wait for it are tried again. The
 * connections as a loop_call's self; on the loop's thread. */
void connections_settled(void *connections);
/* Accepts no more, closes idle ones, finishes what is under way; `drained` is called when none is left. */
void connections_drain(struct connections *connections, loop_call *drained, void *self);

#endif
