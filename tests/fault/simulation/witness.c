/* witness: stands in the broker's doors.
 *
 * The linker gives the broker's calls of port_new, port_send and port_post to the functions here (--wrap),
 * which write down what passes and hand it on to the real port. So every message is seen in the order in
 * which the broker handled it, and each promise of the wire is checked at the moment it is broken: an answer
 * for a request that is not open, a second answer, an answer after CANCEL, an answer that belongs to another.
 *
 * Which books are meant the wrapped functions find out by the port, and inspector.c by the broker; the list
 * of them is the file's own state. SPDX-License-Identifier: MIT */
#include "witness.h"

#include "object.h"
#include "observer.h"
#include "port.h"
#include "report.h"
#include "request.h"
#include "world.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

/* A request that the broker has to answer. */
struct entry {
    struct request_key key;
    uint64_t content; /* of the question */
    bool again;       /* another broker had it, or the one before */
    UT_hash_handle hh;
    struct entry *next_free;
};

/* One of its two doors. */
struct door {
    struct witness *books;
    const struct port *port;
    port_received *received;
    port_refused *refused;
    void *self;
};

struct witness {
    const struct broker *broker;
    struct ledger *ledger;
    struct entry *open;
    struct entry *free;
    struct testimony testimony;
    struct door askers, workers;
    enum failure told; /* by the last answer */
    bool handing_over;
    struct witness *prev, *next;
};

static struct witness *all; /* the last one was opened last */

struct witness *witness_begin(struct ledger *ledger)
{
    struct witness *books = object_alloc(sizeof *books);
    books->ledger = ledger;
    DL_APPEND(all, books);
    return books;
}

void witness_knows(struct witness *books, const struct broker *broker)
{
    books->broker = broker;
}

void witness_hand_over(struct witness *books)
{
    books->handing_over = true;
}

void witness_end(struct witness *books)
{
    struct entry *entry, *next;
    HASH_ITER(hh, books->open, entry, next)
    {
        HASH_DEL(books->open, entry);
        free(entry);
    }
    while (books->free != NULL) {
        next = books->free->next_free;
        free(books->free);
        books->free = next;
    }
    DL_DELETE(all, books);
    free(books);
}

static const struct witness *of_broker(const struct broker *broker)
{
    const struct witness *books = all;
    while (books != NULL && books->broker != broker)
        books = books->next;
    ENSURE(books != NULL);
    return books;
}

static struct witness *of_port(const struct port *port)
{
    struct witness *books = all;
    while (books != NULL && books->askers.port != port && books->workers.port != port)
        books = books->next;
    ENSURE(books != NULL);
    return books;
}

size_t witness_open(const struct broker *broker)
{
    return HASH_COUNT(of_broker(broker)->open);
}

const struct testimony *witness_testimony(const struct broker *broker)
{
    return &of_broker(broker)->testimony;
}

static struct entry *find(const struct witness *books, const struct request_key *key)
{
    struct entry *entry;
    HASH_FIND(hh, books->open, key, sizeof *key, entry);
    return entry;
}

static void close_entry(struct witness *books, struct entry *entry)
{
    HASH_DEL(books->open, entry);
    entry->next_free = books->free;
    books->free = entry;
}

/* ---- in ---- */

static void saw_request(struct witness *books, const struct port_message *message)
{
    struct request_key key = {.id = message->envelope.id, .asker = message->peer};
    if (key.id == 0)
        return; /* refused as BAD_MESSAGE, and counted as such */
    if (find(books, &key) != NULL) {
        books->testimony.again++;
        return;
    }
    if (books->handing_over)
        return;
    struct text payload = payload_bytes(&message->payloads[0]);
    struct question question;
    PROMISE(ledger_read_question(payload.at, payload.length, &question), "a REQUEST was changed on its way");
    struct ask *ask = ledger_find(books->ledger, &question);
    if (ask != NULL && ask->once && ask->computed > 0) {
        books->testimony.again++; /* the answer is on its way to the asker */
        return;
    }
    if (ask != NULL)
        ask->sent++;
    struct entry *entry = books->free;
    if (entry != NULL)
        books->free = entry->next_free;
    else
        entry = malloc(sizeof *entry);
    ENSURE(entry != NULL);
    entry->key = key;
    entry->content = question.content;
    entry->again = message->envelope.request.again;
    HASH_ADD(hh, books->open, key, sizeof entry->key, entry);
    books->testimony.requests++;
}

static void saw_cancel(struct witness *books, const struct port_message *message)
{
    struct request_key key = {.id = message->envelope.id, .asker = message->peer};
    struct entry *entry = find(books, &key);
    if (entry == NULL)
        return;
    close_entry(books, entry);
    books->testimony.cancels++;
}

/* The same request of the same asker, which came over an earlier connection and under a name; NULL: none. */
static struct entry *find_first(const struct witness *books, const struct port_message *message)
{
    const struct envelope *envelope = &message->envelope;
    struct request_key key = {.id = envelope->id, .asker = message->peer};
    struct entry *entry, *next;
    if (envelope->request.once.length == 0 || !envelope->request.again || find(books, &key) != NULL)
        return NULL;
    HASH_ITER(hh, books->open, entry, next)
    {
        if (entry->key.id == envelope->id)
            return entry;
    }
    return NULL;
}

/* A request that was not answered at once has taken the place of the first. */
static void forget_first(struct witness *books, const struct port_message *message, struct entry *first)
{
    struct request_key key = {.id = message->envelope.id, .asker = message->peer};
    if (first == NULL)
        return;
    bool taken = find(books, &key) != NULL;
    PROMISE(taken || books->told != FAILURE_KEY_RUNNING, "request %lu, sent again, is in its own way",
            (unsigned long)first->content);
    if (!taken)
        return;
    close_entry(books, first);
    books->testimony.requests--;
}

static void request_received(struct witness *books, struct port_message *message)
{
    struct entry *first = find_first(books, message);
    saw_request(books, message);
    books->told = FAILURE_NONE;
    books->askers.received(books->askers.self, message);
    forget_first(books, message, first);
}

static void askers_received(void *self, struct port_message *message)
{
    struct witness *books = ((struct door *)self)->books;
    if (!message->hello && message->envelope.verb == VERB_REQUEST) {
        request_received(books, message);
        return;
    }
    if (!message->hello && message->envelope.verb == VERB_CANCEL)
        saw_cancel(books, message);
    books->askers.received(books->askers.self, message);
}

static void workers_received(void *self, struct port_message *message)
{
    const struct door *door = self;
    door->received(door->self, message);
}

static void refused(void *self, const struct peer *peer, const char *complaint)
{
    const struct door *door = self;
    door->refused(door->self, peer, complaint);
}

/* ---- out ---- */

static bool before_routing(const struct envelope *reject)
{
    enum failure failure = reject->reject.failure;
    return failure == FAILURE_UNKNOWN_MODEL || failure == FAILURE_UNKNOWN_VERSION ||
           failure == FAILURE_NOT_READY || failure == FAILURE_STOPPING || failure == FAILURE_RATE_LIMITED ||
           failure == FAILURE_KEY_RUNNING || failure == FAILURE_KEY_REUSED || reject->reject.replayed;
}

static void saw_answer(struct witness *books, const struct peer *peer, const struct envelope *envelope,
                       const struct payload *payload)
{
    struct request_key key = {.id = envelope->id, .asker = *peer};
    struct entry *entry = find(books, &key);
    bool is_reply = envelope->verb == VERB_REPLY;
    books->told = is_reply ? FAILURE_NONE : envelope->reject.failure;
    if (!is_reply && envelope->reject.failure == FAILURE_BAD_MESSAGE)
        return;
    PROMISE(entry != NULL, "%s for a request that is not open", protocol_verb_name(envelope->verb));
    if (is_reply) {
        struct solution solution = {0};
        struct text bytes = payload_bytes(payload);
        PROMISE(bytes.length == sizeof solution, "a REPLY of %zu bytes", bytes.length);
        memcpy(&solution, bytes.at, sizeof solution);
        PROMISE(solution.content == entry->content, "the answer of request %lu goes to request %lu",
                (unsigned long)solution.content, (unsigned long)entry->content);
        *(envelope->reply.replayed ? &books->testimony.unrouted : &books->testimony.replies) += 1;
    } else if (before_routing(envelope)) {
        PROMISE(envelope->reject.failure != FAILURE_RATE_LIMITED || !entry->again,
                "a rate limit refuses request %lu, which a broker had before", (unsigned long)entry->content);
        books->testimony.unrouted++;
    } else {
        books->testimony.rejects++;
    }
    close_entry(books, entry);
}

static void saw_batch(struct witness *books, const struct envelope *envelope, size_t count)
{
    PROMISE(count > 0 && count == envelope->batch.count, "BATCH says %u requests and carries %zu",
            envelope->batch.count, count);
    books->testimony.batches++;
    books->testimony.batch_requests += count;
}

/* Both answers are to the same question. */
static void saw_observation(const struct observation *observation)
{
    struct solution left, right;
    if (observation->failure != FAILURE_NONE) {
        PROMISE(observation->answer.length == 0 && observation->shadow_answer.length == 0,
                "a copy that failed has an answer");
        return;
    }
    PROMISE(observation->answer.length == sizeof left && observation->shadow_answer.length == sizeof right,
            "answers of %zu and %zu bytes are compared", observation->answer.length,
            observation->shadow_answer.length);
    memcpy(&left, observation->answer.at, sizeof left);
    memcpy(&right, observation->shadow_answer.at, sizeof right);
    PROMISE(left.content == right.content, "the answers of requests %lu and %lu are compared",
            (unsigned long)left.content, (unsigned long)right.content);
    PROMISE(observation->version.at != observation->shadow.at, "a version is compared with itself");
}

/* ---- the wrapped functions ---- */

struct port *__real_port_new(void *zmq_context, struct loop *loop, const char *endpoint,
                             int64_t max_frame_bytes, int backlog_messages, port_received *received,
                             port_refused *refused, void *self);
struct port *__wrap_port_new(void *zmq_context, struct loop *loop, const char *endpoint,
                             int64_t max_frame_bytes, int backlog_messages, port_received *received,
                             port_refused *refused, void *self);
bool __real_port_send(struct port *port, const struct peer *peer, const struct envelope *envelope,
                      struct payload *const *payloads, size_t count);
bool __wrap_port_send(struct port *port, const struct peer *peer, const struct envelope *envelope,
                      struct payload *const *payloads, size_t count);
void __real_port_post(struct port *port, const struct peer *peer, const struct envelope *envelope,
                      const struct payload *payload);
void __wrap_port_post(struct port *port, const struct peer *peer, const struct envelope *envelope,
                      const struct payload *payload);

/* Its endpoint tells which of the two doors it is. */
struct port *__wrap_port_new(void *zmq_context, struct loop *loop, const char *endpoint,
                             int64_t max_frame_bytes, int backlog_messages, port_received *received,
                             port_refused *refuses, void *self)
{
    bool is_workers = strstr(endpoint, "workers") != NULL;
    struct witness *books = all->prev;
    struct door *door = is_workers ? &books->workers : &books->askers;
    *door = (struct door){books, NULL, received, refuses, self};
    struct port *port = __real_port_new(zmq_context, loop, endpoint, max_frame_bytes, backlog_messages,
                                        is_workers ? workers_received : askers_received, refused, door);
    door->port = port;
    return port;
}

bool __wrap_port_send(struct port *port, const struct peer *peer, const struct envelope *envelope,
                      struct payload *const *payloads, size_t count)
{
    bool sent = __real_port_send(port, peer, envelope, payloads, count);
    if (sent && envelope->verb == VERB_BATCH)
        saw_batch(of_port(port), envelope, count);
    return sent;
}

void __wrap_port_post(struct port *port, const struct peer *peer, const struct envelope *envelope,
                      const struct payload *payload)
{
    if (envelope->verb == VERB_REPLY || envelope->verb == VERB_REJECT)
        saw_answer(of_port(port), peer, envelope, payload);
    __real_port_post(port, peer, envelope, payload);
}

struct observer *__wrap_observer_new(void *zmq_context, struct loop *loop, const struct config *config);
void __wrap_observer_free(struct observer *observer);
enum observed __wrap_observer_show(struct observer *observer, const struct observation *observation);
enum observed __wrap_observer_put(struct observer *observer, const void *bytes, size_t length);

/* There is no collector, but one that is full now and then. */
struct observer *__wrap_observer_new(void *zmq_context, struct loop *loop, const struct config *config)
{
    (void)zmq_context, (void)loop, (void)config;
    return NULL;
}

void __wrap_observer_free(struct observer *observer)
{
    ENSURE(observer == NULL);
}

/* Nobody traces there. */
enum observed __wrap_observer_put(struct observer *observer, const void *bytes, size_t length)
{
    (void)observer, (void)bytes, (void)length;
    ENSURE(false);
    return OBSERVED_FULL;
}

enum observed __wrap_observer_show(struct observer *observer, const struct observation *observation)
{
    (void)observer;
    saw_observation(observation);
    if (chance_below(world_chance(), 20) == 0)
        return OBSERVED_FULL;
    all->prev->testimony.observed++; /* there are shadows where there is one broker */
    return OBSERVED;
}
