/* repeating_scene: the real broker, two askers that give their requests names, and a worker. Include it in
 * one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REPEATING_SCENE_H
#define OUTRIGGER_REPEATING_SCENE_H

#include "askers_scene.h"

/* A request of the name that asks `payload`: the test changes what it wants. */
static inline struct envelope named(uint64_t id, char name, const char *payload)
{
    static char once[PROTOCOL_ONCE_BYTES];
    memset(once, name, sizeof once / 2);
    memset(once + sizeof once / 2, 0, sizeof once / 2);
    memcpy(once + sizeof once / 2, payload, strlen(payload));
    struct envelope request = scene_request(id);
    request.request.once = (struct text){once, sizeof once};
    request.request.tag = text_of("first");
    return request;
}

static inline void ask(struct end *end, uint64_t id, char name, const char *payload)
{
    struct envelope request = named(id, name, payload);
    end_send(end, &request, payload);
}

static inline void ask_within(struct end *end, uint64_t id, char name, const char *payload,
                              uint64_t microseconds)
{
    struct envelope request = named(id, name, payload);
    request.request.time_left_us = microseconds;
    end_send(end, &request, payload);
}

static inline void ask_again(struct end *end, uint64_t id, char name, const char *payload)
{
    struct envelope request = named(id, name, payload);
    request.request.again = true;
    end_send(end, &request, payload);
}

/* The first of the name k waits for "q" with the worker; returns the batch. */
static inline uint64_t first_asks(void)
{
    ask(asker, 1, 'k', "q");
    return scene_expect_batch(worker, "q");
}

static inline void expect_replay(struct end *end, uint64_t id, const char *payload)
{
    scene_expect_reply(end, id, payload);
    const struct envelope *reply = &scene_letter->envelope;
    ck_assert(reply->reply.replayed && reply->reply.age_us >= 1 && text_is(reply->reply.version, "1"));
    ck_assert(reply->reply.batch_rows == 0 && reply->reply.compute_us == 0 && reply->reply.queue_us == 0);
}

static inline uint64_t replayed(void)
{
    return scene_counter(METRIC_IDEMPOTENCY_REPLAYED, "m", NULL, NULL);
}

static inline uint64_t conflicts(const char *reason)
{
    return scene_counter(METRIC_IDEMPOTENCY_CONFLICTS, "m", reason, NULL);
}

#endif
