/* asker: see asker.h.
 *
 * A request keeps its payload until it is answered for good: it is asked as often as need be, each time with
 * a deadline of its own, and waits in between on a timer of its own. How many are open is the only bound, so
 * a broker that is full or away makes the job stand still, and costs nothing. The catalog, which the broker
 * tells whenever it changes, says what a version takes; what versions said is kept, for answers of one may
 * come after the next one is asked.
 *
 * A deadline that passes may have three causes. The broker is away, or clients leave no worker to jobs: that
 * passes, and is waited for, with more time each. Or the request itself takes so long: then what was asked
 * later is answered all the same, as the broker hands out the requests of one tenant in their order. That one
 * is given up after a few times; and one of several rows in any case, since fewer may be quick enough.
 * SPDX-License-Identifier: MIT */
#include "asker.h"

#include "clock.h"
#include "log.h"
#include "schema_fields.h"
#include "sha256.h"

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
    uint8_t trace[PROTOCOL_TRACE_BYTES];
    size_t trace_bytes;
    int64_t wait;     /* before it is asked again, when nobody says */
    uint64_t number;  /* when it was asked last: 1, 2, ... over all requests */
    unsigned late;    /* deadlines that passed though the broker was there */
    int64_t patience; /* the next try's deadline, from when it is asked */
    client_answered *answered;
    void *owner;
    struct question *prev, *next;
};

/* A version that is or was asked. */
struct version {
    char name[PROTOCOL_NAME_MAX + 1];
    struct schema *schema;
    struct version *next;
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
    bool follow;
    char model[PROTOCOL_NAME_MAX + 1];
    char wanted[PROTOCOL_NAME_MAX + 1]; /* "": the stable one */
    struct version *versions;           /* the one that is asked first */
    bool waiting;                       /* asker_version runs the loop */
    struct loop_timer patience;
    char why_not[ASKER_REASON_MAX]; /* the version is not there, as the last catalog has it */
    struct question *open;
    size_t count;
    uint64_t retries;
    uint64_t asked;    /* the last one's number, */
    uint64_t answered; /* and the highest that was answered, with whatever */
    struct loop_timer end;
    bool stopped, freed;
    struct series *in_flight;
    struct series *again[FAILURE_KEY_REUSED + 1]; /* retries, by failure */
};

/* ---- which version ---- */

static bool is_wanted(const struct asker *asker, const struct catalog_entry *entry)
{
    return text_is(entry->model, asker->model) &&
           (*asker->wanted == '\0' ? entry->stable : text_is(entry->version, asker->wanted));
}

/* "1, 2": the versions of the model, or else the models that there are. */
static size_t list_names(const struct asker *asker, const struct catalog_entry *entries, size_t count,
                         bool versions, char list[SHOWN_MAX])
{
    size_t length = 0, listed = 0;
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        struct text name = versions ? entries[i].version : entries[i].model;
        bool repeated = !versions && i > 0 && name.length == entries[i - 1].model.length &&
                        memcmp(name.at, entries[i - 1].model.at, name.length) == 0;
        if (name.length == 0 || repeated || (versions && !text_is(entries[i].model, asker->model)))
            continue;
        if (length + name.length + sizeof ", ..." > SHOWN_MAX) {
            snprintf(list + length, SHOWN_MAX - length, ", ...");
            return listed;
        }
        length += (size_t)snprintf(list + length, SHOWN_MAX - length, "%s%.*s", listed > 0 ? ", " : "",
                                   (int)name.length, name.at);
        listed++;
    }
    return listed;
}

static bool has_model(const struct asker *asker, const struct catalog_entry *entries, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || text_is(entries[i].model, asker->model);
    return any;
}

/* Why there is no version to ask; `entry` is the one that is wanted, or NULL. */
static void explain(struct asker *asker, const struct catalog_entry *entry,
                    const struct catalog_entry *entries, size_t count)
{
    char list[SHOWN_MAX];
    bool model = has_model(asker, entries, count);
    size_t listed = list_names(asker, entries, count, model, list);
    if (!model)
        snprintf(asker->why_not, sizeof asker->why_not, "there is no model %s; there %s %s", asker->model,
                 listed == 1 ? "is" : "are", listed == 0 ? "none" : list);
    else if (entry == NULL && *asker->wanted != '\0')
        snprintf(asker->why_not, sizeof asker->why_not, "model %s has no version %s; it has %s", asker->model,
                 asker->wanted, listed == 0 ? "none" : list);
    else if (entry == NULL || entry->version.length == 0)
        snprintf(asker->why_not, sizeof asker->why_not, "model %s has no version that takes requests",
                 asker->model);
    else
        snprintf(
            asker->why_not, sizeof asker->why_not, "version %.*s of model %s is not ready%s%.*s",
            (int)entry->version.length, entry->version.at, asker->model, entry->reason.length > 0 ? ": " : "",
            (int)(entry->reason.length < SHOWN_MAX ? entry->reason.length : SHOWN_MAX), entry->reason.at);
}

static void add_version(struct asker *asker, const struct catalog_entry *entry, struct schema *schema)
{
    struct version *version = object_alloc(sizeof *version);
    text_copy(entry->version, version->name, sizeof version->name);
    version->schema = schema;
    LL_PREPEND(asker->versions, version);
}

/* Another version is the stable one now. What it takes must be what rows are made for. */
static void go_over(struct asker *asker, const struct catalog_entry *entry)
{
    char how[ASKER_REASON_MAX], name[PROTOCOL_NAME_MAX + 1];
    const char *wrong;
    struct version *known;
    LL_FOREACH(asker->versions, known)
    if (text_is(entry->version, known->name)) {
        LL_DELETE(asker->versions, known);
        LL_PREPEND(asker->versions, known);
        return;
    }
    struct schema *schema = schema_decode((const uint8_t *)entry->schema.at, entry->schema.length, &wrong);
    text_copy(entry->version, name, sizeof name);
    if (schema != NULL &&
        schema_same_inputs(asker->versions->schema, asker->versions->name, schema, name, how, sizeof how)) {
        log_info("version %s of model %s is asked from now on", name, asker->model);
        add_version(asker, entry, schema);
        return;
    }
    log_warning("version %s of model %s is still asked, as %s takes other rows: %s", asker->versions->name,
                asker->model, name, schema == NULL ? wrong : how);
    schema_free(schema);
}

static void take_first(struct asker *asker, const struct catalog_entry *entry)
{
    const char *wrong;
    struct schema *schema = schema_decode((const uint8_t *)entry->schema.at, entry->schema.length, &wrong);
    if (schema == NULL) {
        snprintf(asker->why_not, sizeof asker->why_not,
                 "what version %.*s of model %s takes is unreadable: %s", (int)entry->version.length,
                 entry->version.at, asker->model, wrong);
        return;
    }
    add_version(asker, entry, schema);
    if (asker->waiting)
        loop_stop(asker->loop);
}

static void catalog_came(void *self, const struct catalog_entry *entries, size_t count)
{
    struct asker *asker = self;
    const struct catalog_entry *found = NULL;
    for (size_t i = 0; i < count && *asker->model != '\0' && found == NULL; i++)
        if (is_wanted(asker, &entries[i]))
            found = &entries[i];
    if (asker->versions == NULL && (found == NULL || found->schema.length == 0))
        explain(asker, found, entries, count);
    else if (asker->versions == NULL)
        take_first(asker, found);
    else if (asker->follow && *asker->wanted == '\0' && found != NULL && found->schema.length > 0 &&
             !text_is(found->version, asker->versions->name))
        go_over(asker, found);
}

static void lose_patience(void *self)
{
    loop_stop(((struct asker *)self)->loop);
}

const struct schema *asker_version(struct asker *asker, const char *model, const char *version, int64_t wait,
                                   char reason[ASKER_REASON_MAX])
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    ENSURE(asker->versions == NULL);
    text_copy(text_of(model), asker->model, sizeof asker->model);
    text_copy(text_of(version), asker->wanted, sizeof asker->wanted);
    asker->waiting = true;
    loop_timer_set(asker->loop, &asker->patience, clock_now() + wait, lose_patience, asker);
    loop_run(asker->loop);
    loop_timer_cancel(asker->loop, &asker->patience);
    asker->waiting = false;
    if (asker->versions != NULL)
        return asker->versions->schema;
    snprintf(reason, ASKER_REASON_MAX, "%s", asker->why_not);
    return NULL;
}

const char *asker_version_name(const struct asker *asker)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    return asker->versions == NULL ? "" : asker->versions->name;
}

const struct schema *asker_schema(const struct asker *asker, struct text name)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    const struct version *version, *first = NULL;
    LL_FOREACH(asker->versions, version)
    {
        first = version;
        if (text_is(name, version->name))
            return version->schema;
    }
    return first == NULL ? NULL : first->schema;
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
    asker->follow = context->follow;
    snprintf(asker->why_not, sizeof asker->why_not, "no broker answers at %s", asker->endpoint);
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
    while (asker->versions != NULL) {
        struct version *version = asker->versions;
        LL_DELETE(asker->versions, version);
        schema_free(version->schema);
        free(version);
    }
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
    loop_timer_set(asker->loop, &question->again, clock_now() + wait, ask, question);
}

/* A deadline passed while the broker was there. True when asking again is of no use. */
static bool is_too_slow(struct question *question)
{
    struct asker *asker = question->asker;
    bool overtaken = asker->answered > question->number;
    question->late++;
    if (!overtaken && question->patience < PATIENCE_MAX * asker->deadline)
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
             (double)question->asker->deadline / (double)SECOND, question->late);
    finish(question, &(struct client_answer){.failure = FAILURE_DEADLINE, .message = text_of(words)});
}

static void answered(void *self, const struct client_answer *answer)
{
    struct question *question = self;
    struct asker *asker = question->asker;
    question->request = NULL;
    if (asker->freed)
        return;
    if (!may_ask_again(answer->failure)) {
        if (question->number > asker->answered)
            asker->answered = question->number;
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
    client_send(asker->client, question->request,
                &(struct client_ask){.model = text_of(asker->model),
                                     .version = text_of(asker->versions->name),
                                     .rows = question->rows,
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
        finish(question, &(struct client_answer){.failure = FAILURE_CANCELLED,
                                                 .message = text_of("the job is stopping")});
    }
}

void asker_stop(struct asker *asker)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    asker->stopped = true;
    loop_timer_set(asker->loop, &asker->end, loop_now(asker->loop), end_all, asker);
}

void asker_send(struct asker *asker, uint8_t *payload, size_t bytes, uint32_t rows, struct text trace,
                client_answered *answer, void *owner)
{
    CHECK_OBJECT(asker, ASKER_MAGIC);
    ENSURE(asker->versions != NULL && asker_room(asker) && trace.length <= PROTOCOL_TRACE_BYTES);
    struct question *question = object_alloc(sizeof *question);
    question->asker = asker;
    question->payload = payload;
    question->bytes = bytes;
    question->rows = rows;
    question->trace_bytes = trace.length;
    if (trace.length > 0)
        memcpy(question->trace, trace.at, trace.length);
    question->wait = WAIT_FIRST;
    question->patience = asker->deadline;
    question->answered = answer;
    question->owner = owner;
    DL_APPEND(asker->open, question);
    asker->count++;
    series_set(asker->in_flight, (int64_t)asker->count);
    if (asker->stopped)
        asker_stop(asker);
    else if (bytes > asker->bytes_max)
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
