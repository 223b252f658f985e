/* limiting: the rate limits on the way of a request, between the askers' port and asking.c.
 *
 * Which limits a request has is gathered here: those of its key (its own, of keys.json, or the usual ones),
 * of its client's address and of its model. limit.c counts them, or limit_redis.c together with other hosts:
 * then the request waits here, for limit.redis_timeout_ms at most, with its payload and under its own
 * deadline. What Redis lets through is counted here, too, so that a host that has to decide for itself goes
 * on from there and not from a rest. Who is refused is told at once, by which limit, and costs nothing
 * further.
 *
 * Not counted: what a broker has had before (`again`), copies for a shadow version, and models that are not
 * known. All else counts, also what is answered from the cache or refused afterwards for want of room.
 * SPDX-License-Identifier: MIT */
#include "state.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOK_EVERY (500 * MILLISECOND)

enum { MESSAGE_MAX = 240 };

/* A request of which Redis has been asked. */
struct waiting {
    struct request_key key;
    struct broker *broker;
    struct limit_question *question;
    struct envelope envelope; /* its texts point into `texts` */
    struct payload payload;
    size_t bytes; /* of it */
    int64_t arrived_at, deadline;
    UT_hash_handle hh;
    char texts[];
};

/* ---- which limits ---- */

/* Counts are per model that is known: no label comes from outside. */
static struct model *model_of(struct broker *broker, const struct envelope *envelope)
{
    return model_find(broker->models, envelope->request.model);
}

static void list_limits(const struct limiting *limiting, const struct model *model,
                        const struct envelope *envelope, struct limit_list *list)
{
    uint64_t tenant = envelope->request.tenant;
    uint32_t rows = envelope->request.rows;
    const struct limit_rule *own = tenant == 0 ? NULL : limit_keys_find(limiting->keys, tenant);
    list->count = 0;
    limit_list_add(list, LIMIT_OF_KEY, tenant, own != NULL ? own : &limiting->key, rows);
    limit_list_add(list, LIMIT_OF_ADDRESS, envelope->request.address, &limiting->address, rows);
    limit_list_add(list, LIMIT_OF_MODEL, model->limit_number, &model->limit, rows);
}

/* ---- refusing ---- */

static void count_refusal(struct broker *broker, struct model *model, const struct limit *limit)
{
    struct series **series = &model->limited[limit->of][limit->in];
    if (*series == NULL)
        *series = metrics_series(broker->metrics, METRIC_RATE_LIMITED, model->name,
                                 limit_name(limit->of, limit->in), NULL);
    series_add(*series, 1);
    model->limited_count++;
}

/* "the limit of the API key is 100 requests a second, 200 at once" */
static void describe(const struct limit *limit, char text[MESSAGE_MAX])
{
    static const char *const subjects[] = {
        [LIMIT_OF_KEY] = "API key", [LIMIT_OF_ADDRESS] = "client's address", [LIMIT_OF_MODEL] = "model"};
    snprintf(text, MESSAGE_MAX, "the limit of the %s is %.10g %s a second, %" PRIu64 " at once",
             subjects[limit->of], (double)limit->rate.per_1000s / 1000,
             limit->in == LIMIT_IN_ROWS ? "rows" : "requests", limit->rate.burst);
}

static void refuse(struct broker *broker, struct model *model, const struct request_key *key,
                   const struct limit *limit, int64_t wait)
{
    char text[MESSAGE_MAX];
    struct envelope envelope = {.verb = VERB_REJECT, .id = key->id};
    describe(limit, text);
    count_refusal(broker, model, limit);
    envelope.reject.failure = FAILURE_RATE_LIMITED;
    envelope.reject.retry_after_ms = (uint64_t)((wait + MILLISECOND - 1) / MILLISECOND);
    envelope.reject.message = text_of(text);
    envelope.reject.limit = text_of(limit_name(limit->of, limit->in));
    envelope.reject.quota = limit->rate.burst;
    envelope.reject.window_s = limit_window_s(&limit->rate);
    port_post(broker->askers_port, &key->asker, &envelope, NULL);
}

/* It could never come in, however long it waited. */
static void refuse_for_ever(struct broker *broker, struct model *model, const struct request_key *key,
                            const struct limit *limit)
{
    char text[MESSAGE_MAX], message[MESSAGE_MAX + 64];
    struct envelope envelope = {.verb = VERB_REJECT, .id = key->id};
    describe(limit, text);
    count_refusal(broker, model, limit);
    snprintf(message, sizeof message, "the request has %" PRIu64 " rows: %s", limit->cells, text);
    envelope.reject.failure = FAILURE_TOO_LARGE;
    envelope.reject.message = text_of(message);
    port_post(broker->askers_port, &key->asker, &envelope, NULL);
}

/* ---- telling ---- */

void limiting_tell(const struct limit_rest *rest, struct envelope *envelope, int64_t now)
{
    envelope->reply.limit = (struct text){0};
    if (rest->name == NULL)
        return;
    envelope->reply.limit = text_of(rest->name);
    envelope->reply.quota = rest->quota;
    envelope->reply.window_s = rest->window_s;
    envelope->reply.left = rest->left;
    envelope->reply.whole_s =
        rest->whole_at <= now ? 0 : (uint64_t)((rest->whole_at - now + SECOND - 1) / SECOND);
}

/* ---- deciding here ---- */

static bool decide(struct broker *broker, struct model *model, const struct request_key *key,
                   const struct limit_list *list, enum limit_by by, struct limit_rest *rest)
{
    int64_t wait;
    series_add(broker->limiting.by[by], 1);
    const struct limit *refuses =
        limits_take(broker->limiting.states, list, loop_now(broker->loop), &wait, rest);
    if (refuses != NULL)
        refuse(broker, model, key, refuses, wait);
    return refuses == NULL;
}

/* ---- waiting for Redis ---- */

static struct waiting *find(const struct broker *broker, const struct request_key *key)
{
    struct waiting *waiting = NULL;
    if (broker->limiting.waiting != NULL)
        HASH_FIND(hh, broker->limiting.waiting, key, sizeof *key, waiting);
    return waiting;
}

bool limiting_has(const struct broker *broker, const struct request_key *key)
{
    return find(broker, key) != NULL;
}

static void copy_text(struct text *text, char **place)
{
    if (text->length > 0)
        memcpy(*place, text->at, text->length);
    text->at = *place;
    *place += text->length;
}

static struct waiting *new_waiting(struct broker *broker, struct port_message *message,
                                   const struct request_key *key)
{
    const struct envelope *envelope = &message->envelope;
    struct waiting *waiting =
        object_alloc(sizeof *waiting + envelope->request.model.length + envelope->request.version.length +
                     envelope->request.key.length + envelope->request.tag.length +
                     envelope->request.once.length + envelope->request.trace.length);
    waiting->key = *key;
    waiting->broker = broker;
    waiting->arrived_at = loop_now(broker->loop);
    waiting->deadline = waiting->arrived_at + (int64_t)envelope->request.time_left_us * MICROSECOND;
    waiting->envelope = *envelope;
    char *place = waiting->texts;
    copy_text(&waiting->envelope.request.model, &place);
    copy_text(&waiting->envelope.request.version, &place);
    copy_text(&waiting->envelope.request.key, &place);
    copy_text(&waiting->envelope.request.tag, &place);
    copy_text(&waiting->envelope.request.once, &place);
    copy_text(&waiting->envelope.request.trace, &place);
    payload_move(&waiting->payload, &message->payloads[0]);
    waiting->bytes = payload_bytes(&waiting->payload).length;
    broker->limiting.waiting_bytes += waiting->bytes;
    HASH_ADD(hh, broker->limiting.waiting, key, sizeof waiting->key, waiting);
    return waiting;
}

static void free_waiting(struct waiting *waiting)
{
    struct limiting *limiting = &waiting->broker->limiting;
    HASH_DEL(limiting->waiting, waiting);
    limiting->waiting_bytes -= waiting->bytes;
    payload_close(&waiting->payload);
    free(waiting);
}

/* It goes on with the time that is left. */
static void take_in(struct waiting *waiting, const struct limit_rest *rest)
{
    struct broker *broker = waiting->broker;
    int64_t left = waiting->deadline - loop_now(broker->loop);
    struct port_message message = {
        .peer = waiting->key.asker, .envelope = waiting->envelope, .payloads = &waiting->payload, .count = 1};
    message.envelope.request.time_left_us = left > 0 ? (uint64_t)(left / MICROSECOND) : 0;
    asking_take_in(broker, &message, &waiting->key, rest);
}

static void answered(void *self, const struct limit_answer *answer)
{
    struct waiting *waiting = self;
    struct broker *broker = waiting->broker;
    struct model *model = model_of(broker, &waiting->envelope);
    bool lets = answer->verdict == LIMIT_GRANTED;
    struct limit_rest rest = answer->rest, here;
    if (model == NULL)
        lets = true; /* it went meanwhile: asking.c says so */
    else if (answer->verdict == LIMIT_UNKNOWN)
        lets = decide(broker, model, &waiting->key, answer->list, answer->by, &rest);
    else
        series_add(broker->limiting.by[answer->by], 1);
    if (answer->verdict == LIMIT_GRANTED)
        limits_count(broker->limiting.states, answer->list, loop_now(broker->loop), &here);
    if (model != NULL && answer->verdict == LIMIT_REFUSED)
        refuse(broker, model, &waiting->key, answer->refuses, answer->wait);
    if (lets)
        take_in(waiting, &rest);
    free_waiting(waiting);
}

/* What waits is bounded as what is queued; over the bound nobody waits. */
static bool has_room(const struct broker *broker, size_t bytes)
{
    return HASH_COUNT(broker->limiting.waiting) < (size_t)broker->config->broker_max_requests &&
           broker->limiting.waiting_bytes + bytes <= (size_t)broker->config->broker_max_queue_bytes;
}

/* False, with the reason in *by, when Redis cannot be asked. */
static bool ask_redis(struct broker *broker, struct port_message *message, const struct request_key *key,
                      const struct limit_list *list, enum limit_by *by)
{
    struct limit_redis *redis = broker->limiting.redis;
    *by = LIMIT_BY_FULL;
    if (!has_room(broker, payload_bytes(&message->payloads[0]).length) || !limit_redis_ready(redis, by))
        return false;
    struct waiting *waiting = new_waiting(broker, message, key);
    waiting->question = limit_redis_ask(redis, list, waiting->deadline, answered, waiting);
    if (waiting->question != NULL)
        return true;
    payload_move(&message->payloads[0], &waiting->payload);
    free_waiting(waiting);
    *by = LIMIT_BY_AWAY;
    return false;
}

bool limiting_lets(struct broker *broker, struct port_message *message, const struct request_key *key,
                   struct limit_rest *rest)
{
    struct limit_list list;
    enum limit_by by = LIMIT_BY_BROKER;
    struct model *model = model_of(broker, &message->envelope);
    if (model == NULL)
        return true; /* asking.c says so */
    list_limits(&broker->limiting, model, &message->envelope, &list);
    if (list.count == 0)
        return true;
    const struct limit *never = limit_list_never(&list);
    if (never != NULL) {
        refuse_for_ever(broker, model, key, never);
        return false;
    }
    if (broker->limiting.redis != NULL && ask_redis(broker, message, key, &list, &by))
        return false;
    return decide(broker, model, key, &list, by, rest);
}

bool limiting_cancel(struct broker *broker, const struct request_key *key)
{
    struct waiting *waiting = find(broker, key);
    if (waiting == NULL)
        return false;
    const struct model *model = model_of(broker, &waiting->envelope);
    enum failure reason =
        asking_reason_of_cancel(waiting->arrived_at, waiting->deadline, loop_now(broker->loop));
    if (model != NULL && model->stable != NULL)
        asking_count_failure(broker, model->stable, reason);
    limit_redis_forget(broker->limiting.redis, waiting->question);
    free_waiting(waiting);
    return true;
}

void limiting_leave(struct broker *broker, bool tell)
{
    struct waiting *waiting, *next;
    HASH_ITER(hh, broker->limiting.waiting, waiting, next)
    {
        if (tell)
            asking_turn_away(broker, &waiting->key);
        limit_redis_forget(broker->limiting.redis, waiting->question);
        free_waiting(waiting);
    }
}

/* ---- which limits there are ---- */

void limiting_settle(struct broker *broker)
{
    const struct limiting *limiting = &broker->limiting;
    broker->limited = limit_rule_limits(&limiting->key) || limit_rule_limits(&limiting->address) ||
                      limit_keys_count(limiting->keys) > 0;
    for (const struct model *model = model_first(broker->models); model != NULL; model = model->next)
        broker->limited |= limit_rule_limits(&model->limit);
}

void limiting_look(struct broker *broker)
{
    struct limiting *limiting = &broker->limiting;
    if (loop_now(broker->loop) - limiting->looked_at < LOOK_EVERY)
        return;
    limiting->looked_at = loop_now(broker->loop);
    if (limit_keys_look(limiting->keys))
        limiting_settle(broker);
}

/* ---- life ---- */

static struct limit_keys *new_keys(const struct config *config)
{
    struct limit_keys *keys = limit_keys_new(config->auth_keys_file);
    limit_keys_usual(keys, (double)config->limit_key_requests_per_s, (double)config->limit_key_rows_per_s,
                     (double)config->limit_key_burst_s);
    return keys;
}

bool limiting_begin(struct broker *broker)
{
    static const char *const labels[] = {
#define X(name, label) [LIMIT_BY_##name] = label,
        LIMIT_DECIDERS(X)
#undef X
    };
    struct limiting *limiting = &broker->limiting;
    const struct config *config = broker->config;
    limiting->states = limits_new(config, broker->metrics);
    limiting->keys = new_keys(config);
    limiting->key = limit_rule((double)config->limit_key_requests_per_s, (double)config->limit_key_rows_per_s,
                               (double)config->limit_key_burst_s);
    limiting->address =
        limit_rule((double)config->limit_address_requests_per_s, (double)config->limit_address_rows_per_s,
                   (double)config->limit_address_burst_s);
    for (size_t i = 0; i < LIMIT_BY_COUNT; i++)
        limiting->by[i] = metrics_series(broker->metrics, METRIC_LIMIT_DECISIONS, labels[i], NULL, NULL);
    limit_keys_look(limiting->keys);
    limiting->looked_at = loop_now(broker->loop);
    limiting_settle(broker);
    if (*config->limit_redis == '\0')
        return true;
    limiting->redis = limit_redis_new(broker->loop, config, broker->metrics);
    return limiting->redis != NULL;
}

void limiting_free(struct broker *broker)
{
    limiting_leave(broker, false);
    limit_redis_free(broker->limiting.redis);
    limit_keys_free(broker->limiting.keys);
    limits_free(broker->limiting.states);
}
