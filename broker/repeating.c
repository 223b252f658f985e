/* repeating: requests whose clients gave them a name, so that what is sent again is not computed again.
 *
 * asking.c comes here before the route with those that carry `once` (PROTOCOL.md section 3); all others never
 * do. The first of a name holds it (idempotency.c) for as long as it is under way: another is refused then,
 * and so is one that asks something else, at any time. When it is answered, or refused for what it asks, that
 * is kept and given to whoever sends the same again; when it ends in any other way the name is free.
 *
 * A request that a worker has when its client's time is over, or who gives it up, holds its name until that
 * worker answers or dies: the answer is kept for the client who asks again. Where the model is not
 * idempotent, so are all failures of which nobody knows whether it was computed: who asks again is told the
 * same. What an asker sends a second time over a new connection is not another request: it takes the place of
 * the one that came over the old one.
 *
 * A model's own cache (sharing.c) knows of none of this, and may well have the answer to the first of a name,
 * or join it to an identical one: what it gets is kept here, too. One of several that share a computation
 * gives its name back when its time is over: its place is another's then, and who asks the same again joins
 * them. SPDX-License-Identifier: MIT */
#include "state.h"

/* A worker had the request and may have computed it, wholly or in part, or says nothing of that. Not what a
 * deadline ends while the worker still has it: that is told later. */
static bool may_be_computed(const struct request *request, enum failure failure)
{
    return failure == FAILURE_WORKER_DIED || failure == FAILURE_MODEL_FAILED || failure == FAILURE_INTERNAL ||
           (failure == FAILURE_DEADLINE && request->state == REQUEST_ABANDONED);
}

/* It is answered so as often as it comes: what is wrong with the request itself, and what must not be
 * computed a second time to know more. */
static bool is_final(const struct request *request, enum failure failure)
{
    return failure == FAILURE_NONE || failure == FAILURE_INVALID || failure == FAILURE_TOO_LARGE ||
           failure == FAILURE_POISON ||
           (!request->version->model->idempotent && may_be_computed(request, failure));
}

static struct text once_of(const struct broker *broker, const struct envelope *envelope)
{
    return idempotency_is_on(broker->names) ? envelope->request.once : (struct text){0};
}

/* Labels are names of models that are known. */
static const char *model_label(const struct broker *broker, const struct envelope *envelope)
{
    const struct model *model = model_find(broker->models, envelope->request.model);
    return model == NULL ? "" : model->name;
}

/* ---- answering ---- */

static void replay(struct broker *broker, const struct request_key *key, const struct envelope *asked,
                   const struct limit_rest *rest, const struct idempotency_entry *entry)
{
    struct idempotency_answer answer = idempotency_answer(entry);
    int64_t age = loop_now(broker->loop) - answer.computed_at;
    struct envelope envelope = {.id = key->id};
    if (answer.failure == FAILURE_NONE) {
        envelope.verb = VERB_REPLY;
        envelope.reply.version = answer.version;
        envelope.reply.age_us = age < MICROSECOND ? 1 : (uint64_t)(age / MICROSECOND);
        envelope.reply.replayed = true;
        envelope.reply.tag = answer.tag;
        limiting_tell(rest, &envelope, loop_now(broker->loop));
    } else {
        envelope.verb = VERB_REJECT;
        envelope.reject.failure = answer.failure;
        envelope.reject.message = answer.message;
        envelope.reject.replayed = true;
        envelope.reject.version = answer.version;
    }
    port_post(broker->askers_port, &key->asker, &envelope,
              answer.failure == FAILURE_NONE ? &answer.payload : NULL);
    series_add(
        metrics_series(broker->metrics, METRIC_IDEMPOTENCY_REPLAYED, model_label(broker, asked), NULL, NULL),
        1);
}

static void refuse(struct broker *broker, const struct request_key *key, const struct envelope *asked,
                   enum failure failure, const char *message)
{
    struct envelope envelope = {
        .verb = VERB_REJECT, .id = key->id, .reject = {.failure = failure, .message = text_of(message)}};
    port_post(broker->askers_port, &key->asker, &envelope, NULL);
    series_add(metrics_series(broker->metrics, METRIC_IDEMPOTENCY_CONFLICTS, model_label(broker, asked),
                              failure == FAILURE_KEY_RUNNING ? "running" : "reused", NULL),
               1);
}

/* The asker's ids begin at random and grow: another asker's request has another. */
static bool is_sent_again(const struct envelope *envelope, const struct request *runner)
{
    return envelope->request.again && runner->state != REQUEST_ABANDONED && runner->key.id == envelope->id;
}

/* An answer can be read with its own version's outputs alone. */
static bool has_version(const struct broker *broker, const struct envelope *asked,
                        const struct idempotency_entry *entry)
{
    struct idempotency_answer answer = idempotency_answer(entry);
    struct model *model = model_find(broker->models, asked->request.model);
    return answer.failure != FAILURE_NONE || (model != NULL && model_version(model, answer.version) != NULL);
}

bool repeating_take(struct broker *broker, const struct request_key *key, const struct envelope *envelope,
                    const struct limit_rest *rest)
{
    struct text once = once_of(broker, envelope);
    struct idempotency_entry *entry =
        once.length == 0 ? NULL : idempotency_find(broker->names, once, loop_now(broker->loop));
    if (entry == NULL)
        return false;
    struct request *runner = idempotency_runner(entry);
    if (!idempotency_asks(entry, once))
        refuse(broker, key, envelope, FAILURE_KEY_REUSED,
               "this Idempotency-Key was sent with another request before");
    else if (runner == NULL && !has_version(broker, envelope, entry))
        refuse(broker, key, envelope, FAILURE_KEY_REUSED,
               "the version that answered the request with this Idempotency-Key is not here any more");
    else if (runner == NULL)
        replay(broker, key, envelope, rest, entry);
    else if (is_sent_again(envelope, runner))
        request_rename(broker->requests, runner, key);
    else
        refuse(broker, key, envelope, FAILURE_KEY_RUNNING,
               "the request with this Idempotency-Key is still under way");
    return true;
}

/* ---- the first of a name ---- */

void repeating_begin(struct broker *broker, struct request *request, const struct envelope *envelope)
{
    struct text once = once_of(broker, envelope);
    if (once.length > 0)
        idempotency_run(broker->names, once, envelope->request.tenant, request);
}

void repeating_ended(struct broker *broker, struct request *request, enum failure failure,
                     const struct payload *payload)
{
    if (request->once == NULL || !is_final(request, failure))
        return;
    bool good = failure == FAILURE_NONE;
    struct idempotency_answer answer = {.failure = failure,
                                        .version = text_of(request->version->name),
                                        .tag = text_of(request->tag),
                                        .computed_at = loop_now(broker->loop)};
    if (good) {
        answer.payload = *payload;
    } else {
        answer.message = payload_bytes(payload);
        if (answer.message.length > PROTOCOL_TEXT_MAX)
            answer.message.length = PROTOCOL_TEXT_MAX;
    }
    idempotency_keep(request, &answer, loop_now(broker->loop));
}

void repeating_answered_at_once(struct broker *broker, const struct envelope *envelope,
                                const struct version *version, const struct payload *payload, int64_t age)
{
    struct text once = once_of(broker, envelope);
    if (once.length == 0)
        return;
    struct idempotency_answer answer = {.failure = FAILURE_NONE,
                                        .version = text_of(version->name),
                                        .tag = envelope->request.tag,
                                        .payload = *payload,
                                        .computed_at = loop_now(broker->loop) - age};
    idempotency_keep_at_once(broker->names, once, envelope->request.tenant, &answer, loop_now(broker->loop));
}
