/* gate: answers for ZeroMQ whether the key of a peer is one of ours (ZAP, ZeroMQ's RFC 27), and counts those
 * who did not come in.
 *
 * The questions come over a socket of their own in the broker's loop: one for each handshake, none for a
 * message, so the way of a request knows nothing of it. Who shows no key, or was not made for ours, is turned
 * away by ZeroMQ before anybody is asked: that is heard from its monitor. Both see strangers, and so what
 * they can make us do is bounded: a look through the list, a counter, a line in the log each second.
 *
 * ZeroMQ asks at the door alone. Whose key is taken out of the list while he is inside keeps his connection,
 * and is barred: the port drops what he sends, and nothing is sent to him. SPDX-License-Identifier: MIT */
#include "gate.h"

#include "clock.h"
#include "config.h"
#include "curve.h"
#include "log.h"
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum {
    GATE_MAGIC = 0x6a7e0001,
    GUARDED_MAX = 2,
    DESCRIPTORS_MAX = 1 << 20, /* that are looked after */
    EVENTS_A_CALL = 256,       /* then others have their turn, whoever knocks */
    QUESTION_FRAMES = 7,
    QUESTION_BYTES = 256 /* of a frame of a question: addresses are the longest */
};
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"

#define CLOSED_FOR SECOND

enum refusal { REFUSED_UNLISTED, REFUSED_BARRED, REFUSED_MECHANISM, REFUSED_KEY, REFUSED_BROKEN, REFUSALS };

/* A guarded socket and what ZeroMQ tells of it. */
struct guarded {
    struct gate *gate;
    void *socket; /* NULL: free */
    void *monitor;
    enum key_door door;
    char endpoint[256]; /* as it is configured */
    char bound[256];    /* as ZeroMQ calls it; "": it is closed for the moment */
    bool *open;         /* by descriptor: a connection that was accepted and has not ended */
    size_t open_count;
    struct loop_timer reopen;
};

struct gate {
    unsigned magic;
    void *zmq_context;
    struct loop *loop;
    char *path; /* of the list */
    struct allow_list *allowed;
    struct allow_list *barred; /* who was taken out of it, each with the doors that were taken from him */
    struct curve_keys keys;    /* until gate_close_ring */
    void *questions;           /* REP */
    struct guarded guarded[GUARDED_MAX];
    size_t descriptors; /* that the process may have */
    struct series *refused[REFUSALS];
    long long logged[REFUSALS]; /* of log_allowed */
};

static const char *door_name(enum key_door door)
{
    return door == KEY_WORKERS ? "workers" : "askers";
}

/* True when this refusal may also be logged. */
static bool count(struct gate *gate, enum refusal refusal)
{
    series_add(gate->refused[refusal], 1);
    return log_allowed(&gate->logged[refusal], 1);
}

/* ---- questions: ZAP ---- */

/* The frames of a question, in their order. */
enum { ZAP_VERSION, ZAP_ID, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM, ZAP_CREDENTIALS };

struct question {
    char bytes[QUESTION_FRAMES][QUESTION_BYTES];
    struct text frames[QUESTION_FRAMES];
    size_t count;
};

/* False when none waits. All frames are taken in any case. */
static bool receive_question(void *socket, struct question *question)
{
    int more = 1;
    size_t length = sizeof more;
    question->count = 0;
    while (more) {
        char *place = question->bytes[question->count < QUESTION_FRAMES ? question->count : 0];
        int got = zmq_recv(socket, place, QUESTION_BYTES, ZMQ_DONTWAIT);
        if (got < 0)
            return false;
        if (question->count < QUESTION_FRAMES)
            question->frames[question->count] =
                (struct text){place, (size_t)got < QUESTION_BYTES ? (size_t)got : QUESTION_BYTES};
        question->count++;
        ENSURE(zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &length) == 0);
    }
    return true;
}

/* Whose key it is, when he may come in here. `key` is filled in, too, when the question has one. */
static const struct allow_entry *judge(const struct gate *gate, const struct question *question,
                                       char key[KEY_LENGTH + 1])
{
    unsigned door = key_door_of(question->frames[ZAP_DOMAIN]);
    struct text bytes = question->frames[ZAP_CREDENTIALS];
    if (!text_is(question->frames[ZAP_MECHANISM], "CURVE") || bytes.length != 32 || door == 0 ||
        zmq_z85_encode(key, (const uint8_t *)bytes.at, bytes.length) == NULL)
        return NULL;
    return allow_find(gate->allowed, key, (enum key_door)door);
}

/* Without what stands before an address of IPv4 at a socket that takes both kinds. */
static struct text plain_address(struct text address)
{
    size_t mapped = strlen("::ffff:");
    if (address.length <= mapped || memcmp(address.at, "::ffff:", mapped) != 0)
        return address;
    return (struct text){address.at + mapped, address.length - mapped};
}

static void send_frame(void *socket, struct text frame, bool more)
{
    zmq_send(socket, frame.at, frame.length, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
}

static void note_answer(struct gate *gate, const struct question *question, const char *key,
                        const struct allow_entry *entry)
{
    struct text door = question->frames[ZAP_DOMAIN];
    struct text address = plain_address(question->frames[ZAP_ADDRESS]);
    if (entry != NULL)
        log_debug("%.*s: the key %.*s... of %s came in from %.*s", (int)door.length, door.at, KEY_SHOWN, key,
                  entry->name, (int)address.length, address.at);
    else if (count(gate, REFUSED_UNLISTED))
        log_warning("%.*s: a peer at %.*s was refused: its key %.*s... is not in broker.curve_allow",
                    (int)door.length, door.at, (int)address.length, address.at, KEY_SHOWN, key);
}

static void answer(struct gate *gate, const struct question *question)
{
    char key[KEY_LENGTH + 1] = "";
    bool whole = question->count == QUESTION_FRAMES;
    const struct allow_entry *entry = whole ? judge(gate, question, key) : NULL;
    send_frame(gate->questions, text_of("1.0"), true);
    send_frame(gate->questions, whole ? question->frames[ZAP_ID] : text_of(""), true);
    send_frame(gate->questions, text_of(entry != NULL ? "200" : "400"), true);
    send_frame(gate->questions, text_of(entry != NULL ? "OK" : "not allowed"), true);
    send_frame(gate->questions, text_of(entry != NULL ? key : ""),
               true); /* the user's id, which gate_key reads */
    send_frame(gate->questions, text_of(""), false);
    if (whole)
        note_answer(gate, question, key, entry);
    else
        count(gate, REFUSED_UNLISTED);
}

static void asked(void *self)
{
    struct gate *gate = self;
    struct question question;
    for (int i = 0; i < EVENTS_A_CALL; i++) {
        if (!receive_question(gate->questions, &question))
            return;
        answer(gate, &question);
        loop_zmq_touch(gate->loop, gate->questions);
    }
}

/* ---- what ZeroMQ refuses itself ---- */

static void note_failure(struct guarded *guarded, unsigned event, uint32_t value)
{
    const char *door = door_name(guarded->door);
    bool at_handshake = event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
    if (at_handshake && value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
        if (count(guarded->gate, REFUSED_MECHANISM))
            log_warning("%s: a peer was refused: it does not speak CURVE", door);
    } else if (at_handshake && value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC) {
        if (count(guarded->gate, REFUSED_KEY))
            log_warning("%s: a peer was refused: what it knows as the broker's public key is another", door);
    } else if (count(guarded->gate, REFUSED_BROKEN)) {
        log_warning("%s: a peer went, or broke the protocol, before it was let in", door);
    }
}

/* ---- connections, let in or not: each has a descriptor ---- */

static void reopen(void *self)
{
    struct guarded *guarded = self;
    size_t length = sizeof guarded->bound;
    if (zmq_bind(guarded->socket, guarded->endpoint) == 0 &&
        zmq_getsockopt(guarded->socket, ZMQ_LAST_ENDPOINT, guarded->bound, &length) == 0) {
        log_info("%s: open again", guarded->endpoint);
        return;
    }
    log_error("%s: cannot be opened again yet: %s", guarded->endpoint, zmq_strerror(errno));
    loop_timer_set(guarded->gate->loop, &guarded->reopen, loop_now(guarded->gate->loop) + CLOSED_FOR, reopen,
                   guarded);
}

/* libzmq aborts the process when it has no descriptor for a local peer; so the network gets no more than half
 * of them. With its endpoint all connections that came in there end. */
static void close_for_a_while(struct guarded *guarded)
{
    log_error("%s: %zu connections at a time: closed for a second, so that those of this host find room",
              guarded->endpoint, guarded->open_count);
    zmq_unbind(guarded->socket, guarded->bound);
    *guarded->bound = '\0';
    memset(guarded->open, 0, guarded->gate->descriptors * sizeof(bool));
    guarded->open_count = 0;
    loop_timer_set(guarded->gate->loop, &guarded->reopen, loop_now(guarded->gate->loop) + CLOSED_FOR, reopen,
                   guarded);
}

static void note_connection(struct guarded *guarded, uint32_t fd, bool open)
{
    struct gate *gate = guarded->gate;
    if (fd >= gate->descriptors || guarded->open[fd] == open)
        return;
    guarded->open[fd] = open;
    guarded->open_count += open ? 1 : (size_t)-1;
    if (guarded->open_count >= gate->descriptors / 2 / GUARDED_MAX && *guarded->bound != '\0')
        close_for_a_while(guarded);
}

static void note_event(struct guarded *guarded, unsigned event, uint32_t value)
{
    if (event == ZMQ_EVENT_ACCEPTED || event == ZMQ_EVENT_DISCONNECTED)
        note_connection(guarded, value, event == ZMQ_EVENT_ACCEPTED);
    else
        note_failure(guarded, event, value);
}

static void watched(void *self)
{
    struct guarded *guarded = self;
    uint8_t event[6]; /* 16 bits: which; 32 bits: its value */
    char address[QUESTION_BYTES];
    for (int i = 0; i < EVENTS_A_CALL; i++) {
        if (zmq_recv(guarded->monitor, event, sizeof event, ZMQ_DONTWAIT) != sizeof event)
            return;
        zmq_recv(guarded->monitor, address, sizeof address, ZMQ_DONTWAIT); /* ours, not the peer's */
        uint16_t number;
        uint32_t value;
        memcpy(&number, event, sizeof number);
        memcpy(&value, event + sizeof number, sizeof value);
        note_event(guarded, number, value);
    }
    loop_zmq_touch(guarded->gate->loop, guarded->monitor);
}

/* The monitor's socket; NULL with errno. */
static void *watch(const struct gate *gate, const struct guarded *guarded)
{
    char endpoint[64];
    const int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
    const int unbounded =
        0; /* else a flood could make ZeroMQ's thread wait for us, at the very end for ever */
    snprintf(endpoint, sizeof endpoint, "inproc://outrigger.gate.%s", door_name(guarded->door));
    if (zmq_socket_monitor(guarded->socket, endpoint, events) != 0)
        return NULL;
    void *monitor = zmq_socket(gate->zmq_context, ZMQ_PAIR);
    if (monitor == NULL || (zmq_setsockopt(monitor, ZMQ_RCVHWM, &unbounded, sizeof unbounded) == 0 &&
                            zmq_connect(monitor, endpoint) == 0))
        return monitor;
    zmq_close(monitor);
    return NULL;
}

/* ZeroMQ's second thread, where there is one: what strangers cost is not the time of our own. */
static int set_thread(const struct gate *gate, void *socket)
{
    const uint64_t second = 2;
    if (zmq_ctx_get(gate->zmq_context, ZMQ_IO_THREADS) < 2)
        return 0;
    return zmq_setsockopt(socket, ZMQ_AFFINITY, &second, sizeof second);
}

static int listen_there(struct gate *gate, struct guarded *guarded)
{
    size_t length = sizeof guarded->bound;
    if (curve_listening(guarded->socket, &gate->keys, door_name(guarded->door)) != 0 ||
        set_thread(gate, guarded->socket) != 0)
        return -1;
    guarded->monitor = watch(gate, guarded);
    if (guarded->monitor == NULL || loop_zmq_add(gate->loop, guarded->monitor, watched, guarded) != 0 ||
        zmq_bind(guarded->socket, guarded->endpoint) != 0)
        return -1;
    return zmq_getsockopt(guarded->socket, ZMQ_LAST_ENDPOINT, guarded->bound, &length);
}

int gate_bind(struct gate *gate, void *socket, enum key_door door, const char *endpoint)
{
    CHECK_OBJECT(gate, GATE_MAGIC);
    struct guarded *guarded = &gate->guarded[door == KEY_WORKERS ? 0 : 1];
    ENSURE(guarded->socket == NULL && *gate->keys.secret_key != '\0');
    *guarded = (struct guarded){.gate = gate, .socket = socket, .door = door};
    guarded->open = object_alloc(gate->descriptors * sizeof(bool));
    text_copy(text_of(endpoint), guarded->endpoint, sizeof guarded->endpoint);
    return listen_there(gate, guarded);
}

void gate_unbind(struct gate *gate, void *socket)
{
    for (size_t i = 0; i < GUARDED_MAX; i++) {
        struct guarded *guarded = &gate->guarded[i];
        if (guarded->socket != socket)
            continue;
        loop_timer_cancel(gate->loop, &guarded->reopen);
        zmq_socket_monitor(socket, NULL, 0);
        if (guarded->monitor != NULL) {
            loop_zmq_remove(gate->loop, guarded->monitor);
            zmq_close(guarded->monitor);
        }
        free(guarded->open);
        *guarded = (struct guarded){0};
    }
}

/* ---- the list ---- */

static unsigned doors_of(const struct allow_list *list, const char *key)
{
    for (size_t i = 0; i < list->count; i++)
        if (key_equal(list->entries[i].key, key))
            return list->entries[i].doors;
    return 0;
}

/* Who was in one of the lists and is not in the new one: with each reload only what the last one took is
 * added, and who is allowed again is barred no more. */
static struct allow_list *find_barred(const struct gate *gate, const struct allow_list *new)
{
    const struct allow_list *const old[] = {gate->allowed, gate->barred};
    struct allow_list *barred = allow_new();
    for (size_t i = 0; i < COUNT_OF(old); i++)
        for (size_t j = 0; j < old[i]->count; j++) {
            struct allow_entry entry = old[i]->entries[j];
            entry.doors |= i == 0 ? doors_of(gate->barred, entry.key) : 0;
            entry.doors &= ~doors_of(new, entry.key);
            if (entry.doors != 0 && doors_of(barred, entry.key) == 0)
                allow_add(barred, &entry);
        }
    return barred;
}

static bool bars_more(const struct allow_list *old, const struct allow_list *new)
{
    for (size_t i = 0; i < new->count; i++)
        if ((new->entries[i].doors & ~doors_of(old, new->entries[i].key)) != 0)
            return true;
    return false;
}

/* The entry of the key, looked for from place *at on, which is that behind it then: lists that are alike cost
 * a look at each. NULL: it has none. */
static const struct allow_entry *find_from(const struct allow_list *list, const char *key, size_t *at)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t place = (*at + i) % list->count;
        if (key_equal(list->entries[place].key, key)) {
            *at = place + 1;
            return &list->entries[place];
        }
    }
    return NULL;
}

static bool changes_serving(const struct allow_list *old, const struct allow_list *new)
{
    size_t at = 0;
    for (size_t i = 0; i < old->count; i++) {
        const struct allow_entry *before = &old->entries[i];
        if ((before->doors & KEY_WORKERS) == 0)
            continue;
        const struct allow_entry *after = find_from(new, before->key, &at);
        if (after == NULL || (after->doors & KEY_WORKERS) == 0 || strcmp(before->models, after->models) != 0)
            return true;
    }
    return false;
}

bool gate_reload(struct gate *gate, struct gate_change *change, char *reason, size_t capacity)
{
    CHECK_OBJECT(gate, GATE_MAGIC);
    *change = (struct gate_change){0};
    struct allow_list *new = allow_read(gate->path, reason, capacity);
    if (new == NULL)
        return false;
    struct allow_list *barred = find_barred(gate, new);
    change->removed = bars_more(gate->barred, barred);
    change->serving = changes_serving(gate->allowed, new);
    log_info("%s: %zu keys are allowed, %zu that were are not any more", gate->path, new->count,
             barred->count);
    allow_free(gate->allowed);
    allow_free(gate->barred);
    gate->allowed = new;
    gate->barred = barred;
    return true;
}

const char *gate_name(const struct gate *gate, const char *key, enum key_door door)
{
    const struct allow_entry *entry = strlen(key) == KEY_LENGTH ? allow_find(gate->allowed, key, door) : NULL;
    return entry == NULL ? "" : entry->name;
}

bool gate_serves(const struct gate *gate, const char *key, struct text model)
{
    const struct allow_entry *entry =
        strlen(key) == KEY_LENGTH ? allow_find(gate->allowed, key, KEY_WORKERS) : NULL;
    return entry != NULL && allow_serves(entry, model);
}

bool gate_bars_message(const struct gate *gate, const void *message, enum key_door door)
{
    const char *key = gate->barred->count > 0 ? gate_key(message) : "";
    return strlen(key) == KEY_LENGTH && (doors_of(gate->barred, key) & door) != 0;
}

void gate_barred(struct gate *gate, const char *key)
{
    if (count(gate, REFUSED_BARRED))
        log_warning("what the key %.*s... sends is dropped: it was taken out of broker.curve_allow",
                    KEY_SHOWN, key);
}

static const char *property(const void *message, const char *name)
{
    const char *value = message == NULL ? NULL : zmq_msg_gets((const zmq_msg_t *)message, name);
    return value == NULL ? "" : value;
}

const char *gate_key(const void *message)
{
    return property(message, "User-Id");
}

const char *gate_address(const void *message)
{
    return plain_address(text_of(property(message, "Peer-Address"))).at;
}

/* ---- life ---- */

static bool open_questions(struct gate *gate)
{
    const int none = 0;
    gate->questions = zmq_socket(gate->zmq_context, ZMQ_REP);
    if (gate->questions != NULL && zmq_setsockopt(gate->questions, ZMQ_LINGER, &none, sizeof none) == 0 &&
        zmq_bind(gate->questions, ZAP_ENDPOINT) == 0 &&
        loop_zmq_add(gate->loop, gate->questions, asked, gate) == 0)
        return true;
    log_error("%s: %s", ZAP_ENDPOINT, zmq_strerror(errno));
    return false;
}

struct gate *gate_new(void *zmq_context, struct loop *loop, const struct config *config,
                      struct metrics *metrics)
{
    static const char *const reasons[REFUSALS] = {[REFUSED_UNLISTED] = "unlisted",
                                                  [REFUSED_BARRED] = "barred",
                                                  [REFUSED_MECHANISM] = "mechanism",
                                                  [REFUSED_KEY] = "key",
                                                  [REFUSED_BROKEN] = "broken"};
    char reason[5120];
    struct gate *gate = object_alloc(sizeof *gate);
    gate->magic = GATE_MAGIC;
    gate->zmq_context = zmq_context;
    gate->loop = loop;
    gate->path = object_strdup(config->broker_curve_allow);
    gate->barred = allow_new();
    gate->descriptors = process_descriptor_limit(0);
    if (gate->descriptors > DESCRIPTORS_MAX)
        gate->descriptors = DESCRIPTORS_MAX;
    for (size_t i = 0; i < REFUSALS; i++)
        gate->refused[i] = metrics_series(metrics, METRIC_CURVE_REFUSED, reasons[i], NULL, NULL);
    gate->allowed = allow_read(gate->path, reason, sizeof reason);
    if (gate->allowed == NULL)
        log_error("broker.curve_allow: %s", reason);
    else if (!curve_broker_keys(config, &gate->keys, reason, sizeof reason))
        log_error("%s", reason);
    else if (open_questions(gate))
        return gate;
    gate_free(gate);
    return NULL;
}

void gate_close_ring(struct gate *gate)
{
    key_wipe(&gate->keys, sizeof gate->keys);
}

void gate_free(struct gate *gate)
{
    if (gate == NULL)
        return;
    CHECK_OBJECT(gate, GATE_MAGIC);
    gate_close_ring(gate);
    if (gate->questions != NULL) {
        loop_zmq_remove(gate->loop, gate->questions);
        zmq_close(gate->questions);
    }
    allow_free(gate->allowed);
    allow_free(gate->barred);
    free(gate->path);
    gate->magic = 0;
    free(gate);
}
