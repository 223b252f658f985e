/* played_broker: what a broker says to askers, for the tests that play one: in the test's own loop
 * (asker_scene, connection_scene, client_scene), or on a thread of its own (threaded_broker).
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PLAYED_BROKER_H
#define OUTRIGGER_PLAYED_BROKER_H

#include "example_answer.h"
#include "letters.h"
#include "schema.h"

static inline void played_pong(struct end *broker, uint64_t id, uint64_t epoch)
{
    end_send(broker, &(struct envelope){.verb = VERB_PONG, .id = id, .pong = {.epoch = epoch}}, NULL);
}

/* A version that is ready; `schema` as READY brings it. */
static inline struct catalog_entry played_entry(const char *model, const char *version, bool stable,
                                                struct text schema)
{
    return (struct catalog_entry){.model = text_of(model),
                                  .version = text_of(version),
                                  .state = CATALOG_READY,
                                  .workers = 1,
                                  .stable = stable,
                                  .schema = schema};
}

static inline void played_catalog(struct end *broker, const struct catalog_entry *entries, size_t count)
{
    struct text *payloads = object_alloc((count + 1) * sizeof *payloads);
    for (size_t i = 0; i < count; i++) {
        size_t room = catalog_entry_bound(&entries[i]);
        uint8_t *bytes = object_alloc(room);
        payloads[i] = (struct text){(const char *)bytes, catalog_entry_encode(&entries[i], bytes, room)};
    }
    end_send_all(broker,
                 &(struct envelope){.verb = VERB_CATALOG, .id = 1, .catalog = {.count = (uint32_t)count}},
                 payloads, count);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)payloads[i].at);
    free(payloads);
}

/* A REPLY of a classifier of two classes: of each row its class, and the probabilities of both. */
static inline void played_classes(struct end *broker, const struct envelope *reply, const int64_t *classes,
                                  const float (*probabilities)[2], size_t rows)
{
    size_t length;
    uint8_t *payload = example_answer(classes, probabilities[0], rows, 2, &length);
    end_send_all(broker, reply, &(struct text){(const char *)payload, length}, 1);
    free(payload);
}

static inline void played_reject(struct end *broker, uint64_t id, enum failure failure,
                                 uint64_t retry_after_ms, const char *message)
{
    end_send(
        broker,
        &(struct envelope){
            .verb = VERB_REJECT,
            .id = id,
            .reject = {.failure = failure, .retry_after_ms = retry_after_ms, .message = text_of(message)}},
        NULL);
}

#endif
