/* askers: who is there on the askers' side, and what they are told beside their answers.
 *
 * An asker is a connection that said hello or PING. It hears of every change of the catalog: what models and
 * versions there are, how each is doing, what it takes. And for a moment after we met it is remembered what
 * it was answered, where that may be computed once only. Requests and answers themselves are asking.c's.
 * SPDX-License-Identifier: MIT */
#include "state.h"

#include <stdlib.h>

/* Who hear of each change of the catalog; more are served, but get it with each PING only. */
enum { ASKERS_MAX = 1024 };
/* Who has not said PING for so long makes room when there is none: most that ever came are gone. */
#define ASKER_SILENCE (10 * SECOND)

/* How long a new broker waits for workers before it tells that there are none. */
#define CATALOG_WAIT SECOND

/* An asker that meets us sends again what is open, as soon as it reads that we are there: also what it has
 * sent us just before that, and we may have answered since. So long, and so many answers, are remembered
 * where nothing may be computed twice. */
#define SENT_AGAIN_WITHIN (2 * SECOND)
enum { ANSWERED_MAX = 1024 };

/* Somebody who said hello or PING. */
struct asker {
    struct peer peer;
    int64_t met_at, heard_at;
    uint64_t *answered; /* the ids of such requests, a ring of ANSWERED_MAX; NULL: none yet */
    size_t answered_count;
    UT_hash_handle hh;
};

/* ---- who they are ---- */

static struct asker *find_asker(const struct broker *broker, const struct peer *peer)
{
    struct asker *asker;
    HASH_FIND(hh, broker->askers, peer, sizeof *peer, asker);
    return asker;
}

static void forget_asker(struct broker *broker, struct asker *asker)
{
    HASH_DEL(broker->askers, asker);
    free(asker->answered);
    free(asker);
}

/* NULL when there is no room. */
static struct asker *add_asker(struct broker *broker, const struct peer *peer)
{
    struct asker *asker, *next;
    if (HASH_COUNT(broker->askers) >= ASKERS_MAX)
        HASH_ITER(hh, broker->askers, asker, next)
        {
            if (loop_now(broker->loop) - asker->heard_at >= ASKER_SILENCE)
                forget_asker(broker, asker);
        }
    if (HASH_COUNT(broker->askers) >= ASKERS_MAX)
        return NULL;
    asker = object_alloc(sizeof *asker);
    asker->peer = *peer;
    asker->met_at = loop_now(broker->loop);
    HASH_ADD(hh, broker->askers, peer, sizeof asker->peer, asker);
    return asker;
}

/* ---- what they were answered ---- */

void askers_remember(struct broker *broker, const struct request_key *key, const struct model *model)
{
    struct asker *asker = model->idempotent ? NULL : find_asker(broker, &key->asker);
    if (asker == NULL || loop_now(broker->loop) - asker->met_at > SENT_AGAIN_WITHIN)
        return;
    if (asker->answered == NULL)
        asker->answered = object_alloc(ANSWERED_MAX * sizeof *asker->answered);
    asker->answered[asker->answered_count++ % ANSWERED_MAX] = key->id;
}

bool askers_were_answered(const struct broker *broker, const struct request_key *key)
{
    const struct asker *asker = find_asker(broker, &key->asker);
    if (asker == NULL || asker->answered == NULL ||
        loop_now(broker->loop) - asker->met_at > 2 * SENT_AGAIN_WITHIN)
        return false;
    for (size_t i = 0; i < ANSWERED_MAX; i++)
        if (asker->answered[i] == key->id)
            return true;
    return false;
}

/* ---- the catalog ---- */

static struct payload encode_entry(const struct version *version, const struct model *model)
{
    struct catalog_entry entry = {.model = text_of(model->name),
                                  .required = model->config == NULL || model->config->required != 0};
    if (version != NULL) {
        entry.version = text_of(version->name);
        entry.state = version_state(version);
        entry.workers = (uint32_t)version->worker_count;
        entry.stable = model->stable == version;
        entry.schema = (struct text){(const char *)version->schema, version->schema_length};
        entry.reason = text_of(version_reason(version));
        if (entry.stable)
            entry.route = (struct text){model->route_text, model->route_text_length};
    }
    struct payload payload = payload_new(catalog_entry_bound(&entry));
    struct text room = payload_bytes(&payload);
    size_t length = catalog_entry_encode(&entry, (uint8_t *)room.at, room.length);
    ENSURE(length > 0);
    payload_shorten(&payload, length);
    return payload;
}

static size_t encode_catalog(struct broker *broker, struct payload *entries, size_t capacity)
{
    size_t count = 0;
    for (struct model *model = model_first(broker->models); model != NULL; model = model->next) {
        if (model->versions == NULL && count < capacity)
            entries[count++] = encode_entry(NULL, model);
        for (struct version *version = model->versions; version != NULL && count < capacity;
             version = version->next)
            entries[count++] = encode_entry(version, model);
    }
    return count;
}

/* To one peer, or (NULL) to all askers; those who are not there any more are forgotten. */
static void send_catalog(struct broker *broker, const struct peer *only)
{
    struct payload *entries = object_alloc(PROTOCOL_COUNT_MAX * sizeof *entries);
    struct payload *pointers[PROTOCOL_COUNT_MAX];
    size_t count = encode_catalog(broker, entries, PROTOCOL_COUNT_MAX);
    for (size_t i = 0; i < count; i++)
        pointers[i] = &entries[i];
    struct envelope envelope = {
        .verb = VERB_CATALOG, .id = broker->catalog_number, .catalog = {.count = (uint32_t)count}};
    struct asker *asker, *next;
    if (only != NULL)
        port_send(broker->askers_port, only, &envelope, pointers, count);
    else
        HASH_ITER(hh, broker->askers, asker, next)
        {
            if (!port_send(broker->askers_port, &asker->peer, &envelope, pointers, count))
                forget_asker(broker, asker);
        }
    for (size_t i = 0; i < count; i++)
        payload_close(&entries[i]);
    free(entries);
}

/* Askers of the broker that died still know the schemas that it told. A catalog without them, in the moment
 * before the workers have registered again, would make frontends refuse what they could have sent. */
bool askers_catalog_ready(struct broker *broker)
{
    if (broker->catalog_told || loop_now(broker->loop) - broker->started_at >= CATALOG_WAIT)
        return broker->catalog_told = true;
    for (struct model *model = model_first(broker->models); model != NULL; model = model->next)
        if (model->stable != NULL && model->stable->schema == NULL)
            return false;
    return broker->catalog_told = true;
}

void askers_publish_catalog(struct broker *broker)
{
    broker->catalog_number++;
    broker->catalog_changed = false;
    if (broker->askers != NULL)
        send_catalog(broker, NULL);
}

/* ---- they come and go ---- */

void askers_greet(struct broker *broker, const struct peer *peer, uint64_t id)
{
    struct envelope pong = {.verb = VERB_PONG, .id = id, .pong = {.epoch = broker->epoch}};
    if (!port_send(broker->askers_port, peer, &pong, NULL, 0))
        return;
    struct asker *asker = find_asker(broker, peer);
    bool is_new = asker == NULL;
    if (is_new)
        asker = add_asker(broker, peer);
    if (asker != NULL)
        asker->heard_at = loop_now(broker->loop);
    if (is_new && (asker == NULL || askers_catalog_ready(broker)))
        send_catalog(broker, peer);
    else if (is_new)
        broker->catalog_changed = true; /* it is sent when it is ready */
}

/* Who may still be here says PING within a second, and is met anew. */
void askers_bar(struct broker *broker)
{
    struct asker *asker, *next;
    HASH_ITER(hh, broker->askers, asker, next)
    {
        if (asker->peer.remote)
            forget_asker(broker, asker);
    }
}

void askers_free(struct broker *broker)
{
    struct asker *asker, *next;
    HASH_ITER(hh, broker->askers, asker, next)
    {
        forget_asker(broker, asker);
    }
}
