/* stub_broker: a broker of one model, on a thread of its own, for what turns a loop that a test cannot turn.
 * Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STUB_BROKER_H
#define OUTRIGGER_STUB_BROKER_H

#include "played_broker.h"
#include "suite.h"

#include <pthread.h>

enum { STUB_VERSIONS_MAX = 4 };

/* Answers one REQUEST, by stub_reply and its like; called on the stub's thread. */
struct stub_broker;
typedef void stub_answer(struct stub_broker *stub, const struct letter *request);

struct stub_broker {
    char endpoint[128];
    const char *model;
    const char *versions[STUB_VERSIONS_MAX]; /* the first is stable; NULL behind the last */
    const struct schema *schema;             /* of each; NULL: none is known */
    stub_answer *answer;
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

static inline void stub_catalog(struct stub_broker *stub)
{
    struct catalog_entry entries[STUB_VERSIONS_MAX];
    size_t count = 0, length = 0;
    uint8_t *schema = stub->schema == NULL ? NULL : schema_encode(stub->schema, &length);
    for (; count < STUB_VERSIONS_MAX && stub->versions[count] != NULL; count++)
        entries[count] = played_entry(stub->model, stub->versions[count], count == 0,
                                      (struct text){(const char *)schema, length});
    played_catalog(&stub->end, entries, count);
    free(schema);
}

static inline void stub_reply(struct stub_broker *stub, const struct letter *request, struct text payload)
{
    const struct envelope reply = {.verb = VERB_REPLY,
                                   .id = request->envelope.id,
                                   .reply = {.version = request->envelope.request.version}};
    end_send_all(&stub->end, &reply, &payload, 1);
}

static inline void stub_reject(struct stub_broker *stub, const struct letter *request, enum failure failure,
                               const char *message)
{
    played_reject(&stub->end, request->envelope.id, failure, 0, message);
}

/* ---- its life ---- */

static inline void stub_hear(struct stub_broker *stub)
{
    const struct letter *letter = stub->letter;
    if (letter->hello) {
        played_pong(&stub->end, 0, 7);
        stub_catalog(stub);
    } else if (letter->envelope.verb == VERB_REQUEST) {
        stub->requests++;
        stub->answer(stub, letter);
    }
}

static inline void *stub_run(void *self)
{
    struct stub_broker *stub = self;
    stub->letter = letter_new();
    while (!__atomic_load_n(&stub->ended, __ATOMIC_ACQUIRE)) {
        zmq_pollitem_t readable = {.socket = stub->end.socket, .events = ZMQ_POLLIN};
        zmq_poll(&readable, 1, 1);
        while (end_take(&stub->end, stub->letter))
            stub_hear(stub);
    }
    letter_free(stub->letter);
    free(stub->letter);
    end_close(&stub->end);
    return NULL;
}

/* Begins; `stub` must stay where it is. */
static inline void stub_start(struct stub_broker *stub)
{
    stub->context = zmq_ctx_new();
    stub->end = end_open(stub->context, ZMQ_ROUTER, stub->endpoint);
    stub->end.peer_may_go = true; /* the test's own thread ends whenever it has seen enough */
    ck_assert_int_eq(pthread_create(&stub->thread, NULL, stub_run, stub), 0);
}

/* Ends it; what it has counted may be looked at then. */
static inline void stub_stop(struct stub_broker *stub)
{
    __atomic_store_n(&stub->ended, true, __ATOMIC_RELEASE);
    pthread_join(stub->thread, NULL);
    zmq_ctx_term(stub->context);
}

#endif
