/* questions: see questions.h. Used by `outrigger profile` (profile_command.c) and `outrigger replay`
 * (replay_command.c, replay_against.c), each of which turns the loop that is in here until it has what it
 * wants.
 *
 * A few requests are under way at a time: enough that a worker need not wait for us, and few enough that
 * clients hardly do. SPDX-License-Identifier: MIT */
#include "questions.h"

#include "clock.h"
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum { ASK_MAGIC = 0x0a5c0001, AT_A_TIME = 4, TRIES_MAX = 200, RETRY_MS = 100 };
#define CATALOG_TIME (10 * SECOND)
#define ANSWER_TIME  (60 * SECOND)

/* One request under way, with what is needed to ask again. */
struct slot {
    struct questions *ask;
    void *context;
    uint8_t *payload;
    size_t bytes;
    uint32_t rows;
    char model[PROTOCOL_NAME_MAX + 1], version[PROTOCOL_NAME_MAX + 1], tag[PROTOCOL_TEXT_MAX + 1];
    int64_t time;
    bool once;
    unsigned tries;
    bool late; /* its time was over once */
    bool busy;
    struct loop_timer again;
};

struct questions {
    unsigned magic;
    struct loop *loop;
    struct metrics *metrics;
    void *zmq;
    struct client *client;
    struct loop_timer deadline;
    char model[PROTOCOL_NAME_MAX + 1], version[PROTOCOL_NAME_MAX + 1];
    struct schema *schema;
    bool looking; /* for the version */
    bool seen;    /* a catalog came */
    bool absent;  /* and it tells of others, and not of what is wanted */
    struct slot slots[AT_A_TIME];
    bool ended; /* there are no more, or it failed */
    bool failed;
    questions_next *next;
    questions_answered *answered;
    void *self;
    char *reason;
};

/* ---- the version ---- */

static bool is_wanted(const struct questions *ask, const struct catalog_entry *entry)
{
    return text_is(entry->model, ask->model) &&
           (*ask->version == '\0' ? entry->stable : text_is(entry->version, ask->version));
}

/* Catalogs come as long as we are connected, whenever anything changes: once the version is known they mean
 * nothing to us, and least of all that the asking is over. */
static void catalog_came(void *self, const struct catalog_entry *entries, size_t count)
{
    struct questions *ask = self;
    const char *wrong;
    if (!ask->looking || ask->schema != NULL)
        return;
    ask->seen = true;
    ask->absent = count > 0; /* a broker that has just begun knows of none yet */
    for (size_t i = 0; i < count && ask->schema == NULL; i++) {
        if (!is_wanted(ask, &entries[i]))
            continue;
        ask->absent = false;
        if (entries[i].schema.length == 0)
            continue;
        text_copy(entries[i].version, ask->version, sizeof ask->version);
        ask->schema = schema_decode((const uint8_t *)entries[i].schema.at, entries[i].schema.length, &wrong);
    }
    if (ask->schema != NULL || ask->absent)
        loop_stop(ask->loop);
}

static void give_up(void *self)
{
    loop_stop(((struct questions *)self)->loop);
}

struct questions *questions_new(const struct config *config)
{
    struct questions *ask = object_alloc(sizeof *ask);
    ask->magic = ASK_MAGIC;
    ask->loop = loop_new();
    ask->metrics = metrics_new(NULL);
    ask->zmq = zmq_ctx_new();
    ENSURE(ask->loop != NULL && ask->metrics != NULL && ask->zmq != NULL);
    ask->client =
        client_new(ask->zmq, ask->loop, config->broker_askers, AT_A_TIME, ask->metrics, catalog_came, ask);
    for (size_t i = 0; i < AT_A_TIME; i++)
        ask->slots[i].ask = ask;
    return ask;
}

void questions_free(struct questions *ask)
{
    if (ask == NULL)
        return;
    CHECK_OBJECT(ask, ASK_MAGIC);
    for (size_t i = 0; i < AT_A_TIME; i++) {
        loop_timer_cancel(ask->loop, &ask->slots[i].again);
        free(ask->slots[i].payload);
        if (ask->slots[i].busy)
            free(ask->slots[i].context);
    }
    loop_timer_cancel(ask->loop, &ask->deadline);
    client_free(ask->client);
    zmq_ctx_term(ask->zmq);
    metrics_free(ask->metrics);
    loop_free(ask->loop);
    schema_free(ask->schema);
    ask->magic = 0;
    free(ask);
}

const struct schema *questions_version(struct questions *ask, const char *model, const char *version,
                                       const char **name, char reason[QUESTIONS_REASON_MAX])
{
    CHECK_OBJECT(ask, ASK_MAGIC);
    text_copy(text_of(model), ask->model, sizeof ask->model);
    text_copy(text_of(version), ask->version, sizeof ask->version);
    loop_timer_set(ask->loop, &ask->deadline, clock_now() + CATALOG_TIME, give_up, ask);
    ask->looking = true;
    loop_run(ask->loop);
    ask->looking = false;
    loop_timer_cancel(ask->loop, &ask->deadline);
    *name = ask->version;
    if (ask->schema != NULL)
        return ask->schema;
    const char *number = version == NULL ? "" : version, *space = version == NULL ? "" : " ";
    if (ask->absent && version == NULL)
        snprintf(reason, QUESTIONS_REASON_MAX, "there is no model %s", model);
    else if (ask->seen)
        snprintf(reason, QUESTIONS_REASON_MAX, "%s %s%sof model %s%s",
                 ask->absent ? "there is no version" : "no version", number, space, model,
                 ask->absent ? "" : " is ready");
    else
        snprintf(reason, QUESTIONS_REASON_MAX, "the broker does not say which models there are");
    return NULL;
}

/* ---- asking ---- */

static void fill(struct slot *slot);

static void fail(struct questions *ask)
{
    ask->ended = ask->failed = true;
    loop_stop(ask->loop);
}

static bool all_answered(const struct questions *ask)
{
    for (size_t i = 0; i < AT_A_TIME; i++)
        if (ask->slots[i].busy)
            return false;
    return true;
}

static bool may_ask_again(const struct slot *slot, const struct client_answer *answer)
{
    return !slot->once && slot->tries < TRIES_MAX &&
           (answer->failure == FAILURE_OVERLOADED || answer->failure == FAILURE_RATE_LIMITED ||
            answer->failure == FAILURE_NOT_READY || (answer->failure == FAILURE_DEADLINE && !slot->late));
}

static void send(void *self);

static void answered(void *self, const struct client_answer *answer)
{
    struct slot *slot = self;
    struct questions *ask = slot->ask;
    if (ask->failed)
        return;
    if (may_ask_again(slot, answer)) {
        int64_t wait_ms = answer->retry_after_ms > 0 && answer->retry_after_ms < 10000
                              ? (int64_t)answer->retry_after_ms
                              : RETRY_MS;
        slot->tries++;
        slot->late = slot->late || answer->failure == FAILURE_DEADLINE;
        loop_timer_set(ask->loop, &slot->again, clock_now() + wait_ms * MILLISECOND, send, slot);
        return;
    }
    slot->busy = false;
    if (!ask->answered(ask->self, slot->context, answer, ask->reason)) {
        fail(ask);
        return;
    }
    fill(slot);
    if (ask->ended && all_answered(ask))
        loop_stop(ask->loop);
}

static void send(void *self)
{
    struct slot *slot = self;
    struct questions *ask = slot->ask;
    struct client_request *request = client_request_new(slot->bytes);
    memcpy(client_request_payload(request), slot->payload, slot->bytes);
    client_send(ask->client, request,
                &(struct client_ask){.model = text_of(slot->model),
                                     .version = text_of(slot->version),
                                     .rows = slot->rows,
                                     .tag = text_of(slot->tag),
                                     .deadline = clock_now() + slot->time},
                answered, slot);
}

static void take_question(struct slot *slot, const struct question *question)
{
    const struct questions *ask = slot->ask;
    bool here = question->model.length > 0, named = question->version.length > 0;
    free(slot->payload);
    slot->payload = object_alloc(question->bytes);
    memcpy(slot->payload, question->payload, question->bytes);
    slot->context = question->context;
    slot->bytes = question->bytes;
    slot->rows = question->rows;
    text_copy(here ? question->model : text_of(ask->model), slot->model, sizeof slot->model);
    text_copy(named ? question->version : text_of(ask->version), slot->version, sizeof slot->version);
    text_copy(question->tag, slot->tag, sizeof slot->tag);
    slot->time = question->time == 0 ? ANSWER_TIME : question->time;
    slot->once = question->once;
    slot->late = false;
    slot->tries = 0;
    slot->busy = true;
}

static void fill(struct slot *slot)
{
    struct questions *ask = slot->ask;
    struct question question = {0};
    if (ask->ended)
        return;
    int next = ask->next(ask->self, &question, ask->reason);
    if (next < 0)
        fail(ask);
    ask->ended = ask->ended || next == 0;
    if (next <= 0)
        return;
    take_question(slot, &question);
    send(slot);
}

bool questions_all(struct questions *ask, questions_next *next, questions_answered *taken, void *self,
                   char reason[QUESTIONS_REASON_MAX])
{
    CHECK_OBJECT(ask, ASK_MAGIC);
    ask->next = next;
    ask->answered = taken;
    ask->self = self;
    ask->reason = reason;
    ask->ended = ask->failed = false;
    for (size_t i = 0; i < AT_A_TIME; i++)
        fill(&ask->slots[i]);
    while (!ask->failed && !all_answered(ask))
        loop_run(ask->loop);
    return !ask->failed;
}
