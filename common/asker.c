/* asker: see asker.h.
 *
 * A request keeps its payload until it is answered for good: it is asked as often as need be, each time with
 * a deadline of its own, and waits in between on a timer of its own. How many are open is the only bound, so
 * a broker that is full or away makes the job stand still, and costs nothing.
 *
 * A deadline that passes may have three causes. The broker is away, or clients leave no worker to jobs: that
 * passes, and is waited for, with more time each. Or the request itself takes so long: then what was asked
 * later is answered all the same, as the broker hands out the requests of one tenant in their order. That one
 * is given up after a few times; and one of several rows in any case, since fewer may be quick enough.
 *
 * While nothing is answered a vigil says so, and ends the waiting where the caller has set a bound.
 * SPDX-License-Identifier: MIT */
#include "asker.h"

#include "asked_version.h"
#include "clock.h"
#include "log.h"
#include "sha256.h"
#include "vigil.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    ASKER_MAGIC = 0x0a5c0101,
    SHOWN_MAX = 160, /* bytes of a list of names, or of words of others */
    LATE_MAX = 3,    /* deadlines that one request may miss */
    PATIENCE_MAX = 8 /* times the deadline */
};

#define WAIT_FIRST (50 * MILLISECOND)
#define WAIT_MOST  (2 * SECOND)
#define TOLD_MOST  (10 * SECOND) /* of what the broker says: it may have more room sooner */

/* A request that is open. */
struct question {
    struct asker *asker;
    struct loop_timer again;
    struct client_request *request; /* the client has it; NULL: it waits to be asked again */
    uint8_t *payload;
    size_t bytes;
    uint32_t rows;
    char model[PROTOCOL_NAME_MAX + 1], version[PROTOCOL_NAME_MAX + 1]; /* "": the asker's */
    char tag[PROTOCOL_TEXT_MAX + 1];
    uint8_t trace[PROTOCOL_TRACE_BYTES];
    size_t trace_bytes;
    bool once;
    int64_t wait;     /* before it is asked again, when nobody says */
    uint64_t number;  /* when it was asked last: 1, 2, ... over all requests */
    unsigned late;    /* deadlines that passed though the broker was there */
    int64_t deadline; /* of a try, as it was asked for, */
    int64_t patience; /* and the next one's, from when it is asked */
    client_answered *answered;
    void *owner;
    struct question *prev, *next;
};

struct asker {
    unsigned magic;
    struct loop *loop;
    struct client *client;
    struct metrics *metrics;
    char endpoint[SHOWN_MAX];
    char tenant_name[METRICS_LABEL_BYTES];
    uint64_t tenant;
    uint8_t priority;
    int64_t deadline;
    size_t at_a_time, bytes_max; /* bytes of a payload */
    struct asked_version *version;
    bool hasty;
    bool waiting; /* asker_version runs the loop */
    struct loop_timer patience;
    int64_t give_up;
    struct vigil vigil;   /* while something is open, or asker_version waits */
    enum failure refused; /* why something was asked again since the last answer; FAILURE_NONE: nothing was */
    char refused_words[SHOWN_MAX];
    struct question *open;
    size_t count;
    uint64_t retries;
    uint64_t asked;    /* the last one's number, */
    uint64_t answered; /* and the highest that was answered, with whatever */
    struct loop_timer end;
    bool stopped, gave_up, freed;
    char end_words[VIGIL_WORDS_MAX]; /* what is answered then */
    struct series *in_flight;
    struct series *again[FAILURE_KEY_REUSED + 1]; /* retries, by failure */
};

static void catalog_came(void *self, const struct catalog_entry *entries, size_t count)
{
    struct asker *asker = self;
    enum asked_version_news news = asked_version_take(asker->version, entries, count);
    if (asker->waiting && (news == ASKED_VERSION_FOUND || (news == ASKED_VERSION_UNKNOWN && asker->hasty)))
        loop_stop(asker->loop);
}

static void lose_patience(void *self)
{
    loop_stop(((struct asker *)self)->loop);
}

static void no_version(const struct asker *asker, char reason[ASKER_REASON_MAX])
{
    const char *why = asked_version_why_not(asker->version);
    if (!client_connected(asker->client))
        snprintf(reason, ASKER_REASON_MAX, "no broker answers at %s", asker->endpoint);
    else if (*why == '\0')
        snprintf(reason, ASKER_REASON_MAX, "the broker at %s does not say which models there are",
                 asker->endpoint);
    else
        snprintf(reason, ASKER_REASON_MAX, "%s", why);
}

static void explain_waiting(void *self, char words[VIGIL_WORDS_MAX])
{
    const struct asker *asker = self;
    if (asker->waiting || !client_connected(asker->client))
        no_version(asker, words);
    else
        snprintf(words, VIGIL_WORDS_MAX, "%zu requests wait, and the broker at %s says %s%s%s", asker->count,
                 asker->endpoint, asker->refused == FAILURE_NONE ? "nothing" : failure_label(asker->refused),
                 *asker->refused_words == '\0' ? "" : ": ", asker->refused_words);
}

static void end_later(struct asker *asker);

static void waited_too_long(void *self)
{
    struct asker *asker = self;
    asker->gave_up = true;
    vigil_words(&asker->vigil, asker->end_words);
    end_later(asker);
}

static void note_answer(struct asker *asker)
{
    if (vigil_note(&asker->vigil))
        log_info("the broker at %s answers again", asker->endpoint);
    asker->refused = FAILURE_NONE;
    asker->refused_words[0] = '\0';
}

const struct schema *asker_version(struct asker *asker, const char *model, const char *version, int64_t wait,
                                   char reason[ASKER_REASON_MAX])
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    asked_version_want(asker->version, model, version);
    asker->waiting = true;
    asker->vigil.bound = 0; /* `wait` is it */
    loop_timer_set(asker->loop, &asker->patience, clock_now() + wait, lose_patience, asker);
    vigil_begin(&asker->vigil);
    loop_run(asker->loop);
    vigil_end(&asker->vigil);
    loop_timer_cancel(asker->loop, &asker->patience);
    asker->vigil.bound = asker->give_up;
    asker->waiting = false;
    const struct schema *schema = asker_schema(asker, text_of(""));
    if (schema == NULL)
        no_version(asker, reason);
    return schema;
}

const char *asker_version_name(const struct asker *asker)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    return asked_version_name(asker->version);
}

const struct schema *asker_schema(const struct asker *asker, struct text name)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    return asked_version_schema(asker->version, name);
}

bool asker_connected(const struct asker *asker)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    return client_connected(asker->client);
}

/* ---- life ---- */

/* As a frontend's identity_tenant: a hash that no other name can be chosen to have. */
static uint64_t tenant_of(const char *name)
{
    uint8_t digest[SHA256_BYTES];
    uint64_t tenant;
    struct sha256_sum sum = sha256_begin();
    sha256_add_text(&sum, text_of("job"));
    sha256_add_text(&sum, text_of(name));
    sha256_end(&sum, digest);
    memcpy(&tenant, digest, sizeof tenant);
    return tenant == 0 ? 1 : tenant;
}

struct asker *asker_new(const struct asker_context *context)
{
    struct asker *asker = object_alloc(sizeof *asker);
    ENSURE(context->at_a_time > 0 && context->deadline > 0 && context->priority <= PROTOCOL_PRIORITY_MAX);
    asker->magic = ASKER_MAGIC;
    asker->loop = context->loop;
    asker->metrics = context->metrics;
    text_copy(text_of(context->config->broker_askers), asker->endpoint, sizeof asker->endpoint);
    asker->bytes_max = (size_t)context->config->broker_max_message_bytes;
    text_copy(text_of(context->tenant), asker->tenant_name, sizeof asker->tenant_name);
    asker->tenant = tenant_of(context->tenant);
    asker->priority = context->priority;
    asker->deadline = context->deadline;
    asker->at_a_time = context->at_a_time;
    asker->version = asked_version_new(context->follow);
    asker->hasty = context->hasty;
    asker->give_up = context->give_up;
    asker->vigil = (struct vigil){.loop = context->loop,
                                  .remind = context->remind,
                                  .bound = context->give_up,
                                  .explain = explain_waiting,
                                  .ended = waited_too_long,
                                  .self = asker};
    asker->in_flight = metrics_series(context->metrics, METRIC_JOB_IN_FLIGHT, asker->tenant_name, NULL, NULL);
    asker->client = client_new(context->zmq, context->loop, context->config->broker_askers,
                               context->at_a_time, context->metrics, catalog_came, asker);
    return asker;
}

static void forget(struct asker *asker, struct question *question)
{
    DL_DELETE(asker->open, question);
    asker->count--;
    series_set(asker->in_flight, (int64_t)asker->count);
    loop_timer_cancel(asker->loop, &question->again);
    if (asker->open == NULL)
        vigil_end(&asker->vigil);
    free(question->payload);
    free(question);
}

void asker_free(struct asker *asker)
{
    if (asker == NULL)
        return;
    CHECK_OBJECT(asker, ASKER_MAGIC);
    asker->freed = true;
    client_free(asker->client); /* answers what it has: to deaf ears */
    while (asker->open != NULL)
        forget(asker, asker->open);
    loop_timer_cancel(asker->loop, &asker->end);
    asked_version_free(asker->version);
    asker->magic = 0;
    free(asker);
}

/* ---- asking ---- */

static bool may_ask_again(enum failure failure)
{
    return failure == FAILURE_OVERLOADED || failure == FAILURE_RATE_LIMITED || failure == FAILURE_NOT_READY ||
           failure == FAILURE_DEADLINE || failure == FAILURE_STOPPING;
}

static void count_retry(struct asker *asker, enum failure failure)
{
    if (asker->again[failure] == NULL)
        asker->again[failure] = metrics_series(asker->metrics, METRIC_JOB_RETRIES, asker->tenant_name,
                                               failure_label(failure), NULL);
    series_add(asker->again[failure], 1);
    asker->retries++;
}

/* Its memory goes first: who is told may send the next one. */
static void finish(struct question *question, const struct client_answer *answer)
{
    client_answered *answered = question->answered;
    void *owner = question->owner;
    forget(question->asker, question);
    answered(owner, answer);
}

static void ask(void *self);

static void wait_for_room(struct question *question, const struct client_answer *answer)
{
    struct asker *asker = question->asker;
    int64_t wait = question->wait;
    if (answer->retry_after_ms > 0)
        wait = answer->retry_after_ms < TOLD_MOST / MILLISECOND
                   ? (int64_t)answer->retry_after_ms * MILLISECOND
                   : TOLD_MOST;
    else
        question->wait = wait * 2 < WAIT_MOST ? wait * 2 : WAIT_MOST;
    count_retry(asker, answer->failure);
    asker->refused = answer->failure;
    text_copy(answer->message, asker->refused_words, sizeof asker->refused_words);
    loop_timer_set(asker->loop, &question->again, clock_now() + wait, ask, question);
}

/* A deadline passed while the broker was there. True when asking again is of no use. */
static bool is_too_slow(struct question *question)
{
    struct asker *asker = question->asker;
    bool overtaken = asker->answered > question->number;
    question->late++;
    if (!overtaken && question->patience < PATIENCE_MAX * question->deadline)
        question->patience *= 2;
    if (question->late < LATE_MAX || (question->rows == 1 && !overtaken)) {
        log_warning("%u rows were not answered in time: they are asked again", question->rows);
        return false;
    }
    return true;
}

static void give_up(struct question *question)
{
    char words[SHOWN_MAX];
    snprintf(words, sizeof words, "not answered within %.3g s, %u times",
             (double)question->deadline / (double)SECOND, question->late);
    finish(question, &(struct client_answer){.failure = FAILURE_DEADLINE, .message = text_of(words)});
}

static void answered(void *self, const struct client_answer *answer)
{
    struct question *question = self;
    struct asker *asker = question->asker;
    question->request = NULL;
    if (asker->freed)
        return;
    if (question->once || !may_ask_again(answer->failure)) {
        if (question->number > asker->answered)
            asker->answered = question->number;
        note_answer(asker);
        finish(question, answer);
        return;
    }
    if (answer->failure == FAILURE_DEADLINE && client_connected(asker->client) && is_too_slow(question))
        give_up(question);
    else if (!asker->stopped)
        wait_for_room(question, answer);
}

static void ask(void *self)
{
    struct question *question = self;
    struct asker *asker = question->asker;
    question->number = ++asker->asked;
    question->request = client_request_new(question->bytes);
    memcpy(client_request_payload(question->request), question->payload, question->bytes);
    const char *version = *question->version != '\0' ? question->version : asker_version_name(asker);
    client_send(
        asker->client, question->request,
        &(struct client_ask){.model = text_of(*question->model != '\0' ? question->model
                                                                       : asked_version_model(asker->version)),
                             .version = text_of(version),
                             .rows = question->rows,
                             .tag = text_of(question->tag),
                             .deadline = clock_now() + question->patience,
                             .priority = asker->priority,
                             .tenant = asker->tenant,
                             .trace = {(const char *)question->trace, question->trace_bytes}},
        answered, question);
}

static void refuse(void *self)
{
    struct question *question = self;
    char words[SHOWN_MAX];
    snprintf(words, sizeof words, "a request of %zu bytes: broker.max_message_bytes is %zu", question->bytes,
             question->asker->bytes_max);
    finish(question, &(struct client_answer){.failure = FAILURE_TOO_LARGE, .message = text_of(words)});
}

/* Whoever is told may send more, which ends in the next turn. */
static void end_all(void *self)
{
    struct asker *asker = self;
    for (size_t left = asker->count; left > 0; left--) {
        struct question *question = asker->open;
        if (question->request != NULL)
            client_cancel(asker->client, question->request);
        finish(question,
               &(struct client_answer){.failure = asker->gave_up ? FAILURE_NOT_READY : FAILURE_CANCELLED,
                                       .message = text_of(asker->end_words)});
    }
}

static void end_later(struct asker *asker)
{
    asker->stopped = true;
    loop_timer_set(asker->loop, &asker->end, loop_now(asker->loop), end_all, asker);
}

void asker_stop(struct asker *asker)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    if (!asker->stopped)
        snprintf(asker->end_words, sizeof asker->end_words, "the job is stopping");
    end_later(asker);
}

bool asker_gave_up(const struct asker *asker)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    return asker->gave_up;
}

void asker_send(struct asker *asker, uint8_t *payload, size_t bytes, const struct asker_ask *what,
                client_answered *answer, void *owner)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    ENSURE(asker_room(asker) && what->trace.length <= PROTOCOL_TRACE_BYTES);
    struct question *question = object_alloc(sizeof *question);
    question->asker = asker;
    question->payload = payload;
    question->bytes = bytes;
    question->rows = what->rows;
    text_copy(what->model, question->model, sizeof question->model);
    text_copy(what->version, question->version, sizeof question->version);
    text_copy(what->tag, question->tag, sizeof question->tag);
    question->trace_bytes = what->trace.length;
    if (what->trace.length > 0)
        memcpy(question->trace, what->trace.at, what->trace.length);
    question->once = what->once;
    question->wait = WAIT_FIRST;
    question->deadline = question->patience = what->deadline > 0 ? what->deadline : asker->deadline;
    question->answered = answer;
    question->owner = owner;
    DL_APPEND(asker->open, question);
    asker->count++;
    series_set(asker->in_flight, (int64_t)asker->count);
    if (asker->stopped) {
        end_later(asker);
        return;
    }
    if (asker->count == 1)
        vigil_begin(&asker->vigil);
    if (bytes > asker->bytes_max)
        loop_timer_set(asker->loop, &question->again, loop_now(asker->loop), refuse, question);
    else
        ask(question);
}

bool asker_room(const struct asker *asker)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    return asker->count < asker->at_a_time;
}

size_t asker_open(const struct asker *asker)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    return asker->count;
}

uint64_t asker_retries(const struct asker *asker)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    return asker->retries;
}
