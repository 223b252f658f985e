/* threaded_broker: a broker of one model, on a thread of its own, for what turns a loop that a test cannot
 * turn. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_THREADED_BROKER_H
#define OUTRIGGER_THREADED_BROKER_H

#include "played_broker.h"
#include "suite.h"

#include <pthread.h>

enum { THREADED_VERSIONS_MAX = 4 };

/* Answers one REQUEST, by threaded_reply and its like; called on the broker's thread. */
struct threaded_broker;
typedef void threaded_answer(struct threaded_broker *broker, const struct letter *request);

struct threaded_broker {
    char endpoint[128];
    const char *model;
    const char *versions[THREADED_VERSIONS_MAX]; /* the first is stable; NULL behind the last */
    const struct schema *schema;                 /* of each; NULL: none is known */
    threaded_answer *answer;
    void *self; /* the answer's */
    unsigned requests;
    /* Its own. */
    void *context;
    pthread_t thread;
    bool ended; /* atomic */
    struct end end;
    struct letter *letter;
};

/* ---- what it says ---- */

static inline void threaded_catalog(struct threaded_broker *broker)
{
    struct catalog_entry entries[THREADED_VERSIONS_MAX];
    size_t count = 0, length = 0;
    uint8_t *schema = broker->schema == NULL ? NULL : schema_encode(broker->schema, &length);
    for (; count < THREADED_VERSIONS_MAX && broker->versions[count] != NULL; count++)
        entries[count] = played_entry(broker->model, broker->versions[count], count == 0,
                                      (struct text){(const char *)schema, length});
    played_catalog(&broker->end, entries, count);
    free(schema);
}

static inline void threaded_reply(struct threaded_broker *broker, const struct letter *request,
                                  struct text payload)
{
    const struct envelope reply = {.verb = VERB_REPLY,
                                   .id = request->envelope.id,
                                   .reply = {.version = request->envelope.request.version}};
    end_send_all(&broker->end, &reply, &payload, 1);
}

static inline void threaded_reject(struct threaded_broker *broker, const struct letter *request,
                                   enum failure failure, const char *message)
{
    played_reject(&broker->end, request->envelope.id, failure, 0, message);
}

/* ---- its life ---- */

static inline void threaded_hear(struct threaded_broker *broker)
{
    const struct letter *letter = broker->letter;
    if (letter->hello) {
        played_pong(&broker->end, 0, 7);
        threaded_catalog(broker);
    } else if (letter->envelope.verb == VERB_REQUEST) {
        broker->requests++;
        broker->answer(broker, letter);
    }
}

static inline void *threaded_run(void *self)
{
    struct threaded_broker *broker = self;
    broker->letter = letter_new();
    while (!__atomic_load_n(&broker->ended, __ATOMIC_ACQUIRE)) {
        zmq_pollitem_t readable = {.socket = broker->end.socket, .events = ZMQ_POLLIN};
        zmq_poll(&readable, 1, 1);
        while (end_take(&broker->end, broker->letter))
            threaded_hear(broker);
    }
    letter_free(broker->letter);
    free(broker->letter);
    end_close(&broker->end);
    return NULL;
}

/* Begins; `broker` must stay where it is. */
static inline void threaded_start(struct threaded_broker *broker)
{
    broker->context = zmq_ctx_new();
    broker->end = end_open(broker->context, ZMQ_ROUTER, broker->endpoint);
    broker->end.peer_may_go = true; /* the test's own thread ends whenever it has seen enough */
    ck_assert_int_eq(pthread_create(&broker->thread, NULL, threaded_run, broker), 0);
}

/* Ends it; what it has counted may be looked at then. */
static inline void threaded_stop(struct threaded_broker *broker)
{
    __atomic_store_n(&broker->ended, true, __ATOMIC_RELEASE);
    pthread_join(broker->thread, NULL);
    zmq_ctx_term(broker->context);
}

#endif
