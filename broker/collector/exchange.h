/* exchange: the collector's ZeroMQ sockets: snapshots in, the same snapshots out (STATS.md section 1), pages
 * for who asks (section 9), and observations in (section 8). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXCHANGE_H
#define OUTRIGGER_EXCHANGE_H

#include "pages.h"

struct exchange;

/* Why a message is refused, with the label of its counter. */
#define EXCHANGE_REFUSALS(X)                                                                                 \
    X(NONE, "none")                                                                                          \
    X(FRAMES, "frames")     /* not as many as it should have */                                              \
    X(SIZE, "size")         /* the body is longer than STATS.md allows */                                    \
    X(CONTRACT, "contract") /* the body breaks STATS.md */                                                   \
    X(TOPIC, "topic")       /* the topic is not the one that the body asks for */                            \
    X(STALE, "stale")       /* older than what was taken before */                                           \
    X(FULL, "full")         /* no room for one more process */

enum exchange_refusal {
#define X(name, label) EXCHANGE_##name,
    EXCHANGE_REFUSALS(X)
#undef X
        EXCHANGE_REFUSAL_COUNT
};
/* "frames" */
const char *exchange_refusal_label(enum exchange_refusal refusal);

/* What the exchange asks its owner. */
struct exchange_owner {
    void *self;
    /* A snapshot came. EXCHANGE_NONE: taken; the exchange then passes it on to the subscribers. */
    enum exchange_refusal (*take)(void *self, struct text topic, struct text body);
    /* The exchange refused a message by itself. */
    void (*refused)(void *self, enum exchange_refusal refusal);
    /* Makes a page; the exchange drops it. */
    void (*page)(void *self, const struct page_request *request, struct page *page);
};

/* Binds the four sockets in `runtime_directory`; the caller holds the collector's lock, since binding takes
 * an ipc path away from whoever has it. NULL with errno of ZeroMQ. */
struct exchange *exchange_new(void *zmq_context, struct loop *loop, const char *runtime_directory,
                              const struct exchange_owner *owner);
/* The socket that observations come from. The exchange does not read it: who does has stopped before
 * exchange_free. */
void *exchange_observations(struct exchange *exchange);
/* Closes the sockets and removes their files. */
void exchange_free(struct exchange *exchange);

/* Takes all snapshots that wait, up to a bound: call it before judging who is silent, since a collector that
 * was itself stopped for a while finds its timers due before it has read anything. */
void exchange_receive(struct exchange *exchange);
/* How many topics somebody listens to. */
size_t exchange_subscriptions(const struct exchange *exchange);
/* Passes a snapshot on to the subscribers; for the collector's own. */
void exchange_publish(struct exchange *exchange, struct text topic, struct text body);

#endif
