/* sharing: requests that need no computation of their own: those that were asked before, and those that are
 * asked by another at the same moment.
 *
 * asking.c comes here between the route and the queue, when the model has a cache (cache.c). An answer that
 * is kept is sent at once. A question that is in flight is followed: its leader is computed, and asking.c
 * answers the followers together with it. Nobody loses by following. Its own deadline and its cancel hold;
 * where the leader waits in the queue it waits on the best terms of all who wait for it; and what ends the
 * leader alone gives its place to the next of them.
 *
 * Who could not be answered in time is refused at once like any other. That is decided by when its leader
 * will be answered, as it was reckoned when the leader came in, or by how the request would stand in the
 * queue itself, as the leader gets that place when it is the better one: who is in time by either may follow.
 * Once the leader is with a worker, or was, nothing waits before it, and nobody who follows is refused.
 * SPDX-License-Identifier: MIT */
#include "state.h"

/* Each gets the name and the deadline of the other; place, payload and history stay. */
static void change_places(struct broker *broker, struct request *left, struct request *right)
{
    int64_t at = left->deadline.at;
    request_swap(broker->requests, left, right);
    idempotency_swap(left, right);
    heap_set(&broker->deadlines, &left->deadline, right->deadline.at);
    heap_set(&broker->deadlines, &right->deadline, at);
}

struct request *sharing_hand_over(struct broker *broker, struct request *request)
{
    struct request *heir = cache_follower(request);
    if (heir == NULL)
        return request;
    cache_leave(heir);
    change_places(broker, request, heir);
    return heir;
}

/* The leader waits in the queue with the highest priority, the earliest deadline and as the tenant that has
 * the least before it, of all who wait for it. One that was with a worker before stands in front already. */
static void improve_place(struct broker *broker, struct request *leader, struct request *follower)
{
    struct queue *queue = &leader->version->queue;
    if (leader->state != REQUEST_QUEUED || leader->sent_at != 0)
        return;
    bool higher = follower->priority > leader->priority;
    bool sooner = follower->deadline.at < leader->deadline.at;
    if (!higher && !sooner && follower->tenant == leader->tenant)
        return;
    queue_remove(queue, leader);
    if (higher)
        leader->priority = follower->priority;
    if (queue_rows_ahead(queue, follower->tenant, leader->priority, leader->rows) <
        queue_rows_ahead(queue, leader->tenant, leader->priority, leader->rows))
        leader->tenant = follower->tenant;
    if (sooner)
        change_places(broker, leader, follower);
    queue_push(queue, leader);
    broker_wake(broker, leader->version); /* it may have come before one who waits for a worker for itself */
}

/* When the request would be answered that follows this leader. */
static int64_t expected_at(const struct request *leader, int64_t now, int64_t needed)
{
    if (leader->state != REQUEST_QUEUED || leader->sent_at != 0)
        return now;
    return leader->expected_at < now + needed ? leader->expected_at : now + needed;
}

/* False when there is no room, or it would be too late: asking.c will find the same, and say so. */
static bool follow(struct broker *broker, const struct request_key *key, const struct envelope *envelope,
                   struct version *version, const struct limit_rest *rest, struct cache_entry *entry)
{
    if (request_count(broker->requests) >= (size_t)broker->config->broker_max_requests)
        return false; /* what the table has beyond that is for other models */
    int64_t now = loop_now(broker->loop), left = (int64_t)envelope->request.time_left_us * MICROSECOND;
    int64_t at = expected_at(cache_leader(entry), now, asking_time_needed(version, envelope));
    if (at > now + left)
        return false;
    struct request *request = request_new(broker->requests, key);
    if (request == NULL)
        return false;
    asking_begin(broker, request, envelope, version, rest);
    request->state = REQUEST_FOLLOWING;
    struct request *leader = cache_join(entry, request);
    leader->expected_at = at < leader->expected_at ? at : leader->expected_at;
    improve_place(broker, leader, request);
    return true;
}

bool sharing_take(struct broker *broker, const struct request_key *key, const struct port_message *message,
                  struct version *version, const struct limit_rest *rest, struct cache_key *digest)
{
    struct cache *cache = version->model->cache;
    struct text question = payload_bytes(&message->payloads[0]);
    int64_t now = loop_now(broker->loop), age;
    struct payload answer;
    *digest = cache_key(cache, version->name, question);
    struct cache_entry *entry = cache_find(cache, digest, version, question, now);
    if (entry == NULL)
        return false;
    if (!cache_answer(entry, now, &answer, &age))
        return follow(broker, key, &message->envelope, version, rest, entry);
    struct envelope envelope = {.reply = {.age_us = age < MICROSECOND ? 1 : (uint64_t)(age / MICROSECOND)}};
    asking_send_reply(broker, key, version, rest, &envelope, &answer);
    repeating_answered_at_once(broker, &message->envelope, version, &answer, age);
    figures_shared(&version->figures);
    executions_shared(&version->executions, 0);
    payload_close(&answer);
    return true;
}
