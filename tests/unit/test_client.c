/* test_client: the asking side against a ROUTER that plays the broker: answers, deadlines, cancels, and a
 * broker that goes and comes back. SPDX-License-Identifier: MIT */
#include "client.h"
#include "letters.h"
#include "scratch_directory.h"
#include "suite.h"

#include <pthread.h>

enum { WINDOW = 1000 };

static void *context;
static struct metrics *metrics;
static struct client *client;
static struct end broker;
static struct letter *letter;
static char endpoint[128];

/* What `answered` was told, by request. */
struct asked {
    struct client_request *request;
    int answers;
    enum failure failure;
    char message[128], version[64], payload[64]; /* the payload cut */
    size_t payload_bytes;
    char payload_end; /* its last byte */
    char limit[16];
    uint64_t retry_after_ms, queue_us, compute_us, quota, window_s, left, whole_s;
    uint32_t batch_rows;
    uint64_t age_us;
    bool replayed;
    char tag[16];
};

static struct asked asked[WINDOW];

/* What `catalog` was told. */
static int catalogs;
static size_t catalog_count;
static char catalog_first[64];

static void on_catalog(void *self, const struct catalog_entry *entries, size_t count)
{
    ck_assert_ptr_eq(self, &catalogs);
    catalogs++;
    catalog_count = count;
    if (count > 0)
        text_copy(entries[0].model, catalog_first, sizeof catalog_first);
}

static void on_answer(void *owner, const struct client_answer *answer)
{
    struct asked *one = owner;
    one->answers++;
    one->failure = answer->failure;
    text_copy(answer->message, one->message, sizeof one->message);
    text_copy(answer->version, one->version, sizeof one->version);
    text_copy((struct text){(const char *)answer->payload, answer->payload_bytes}, one->payload,
              sizeof one->payload);
    one->payload_bytes = answer->payload_bytes;
    if (answer->payload_bytes > 0)
        one->payload_end = (char)answer->payload[answer->payload_bytes - 1];
    one->retry_after_ms = answer->retry_after_ms;
    one->queue_us = answer->queue_us;
    one->compute_us = answer->compute_us;
    one->batch_rows = answer->batch_rows;
    one->age_us = answer->age_us;
    text_copy(answer->limit, one->limit, sizeof one->limit);
    one->replayed = answer->replayed;
    text_copy(answer->tag, one->tag, sizeof one->tag);
    one->quota = answer->quota;
    one->window_s = answer->window_s;
    one->left = answer->left;
    one->whole_s = answer->whole_s;
}

static uint64_t counter(enum metric metric, const char *label)
{
    return metrics_series(metrics, metric, label, NULL, NULL)->value;
}

static void open_client(size_t window)
{
    client = client_new(context, letters_loop, endpoint, window, metrics, on_catalog, &catalogs);
}

static void name_endpoint(const char *name)
{
    snprintf(endpoint, sizeof endpoint, "ipc://%s/%s", scratch_directory, name);
}

/* Another client in the place of the first. That one goes in ZeroMQ's own time, and could still say hello
 * where it was connected to: so they do not share that. */
static void reopen_client(size_t window)
{
    client_free(client);
    loop_free(letters_loop);
    letters_loop = loop_new();
    name_endpoint("again.ipc");
    open_client(window);
}

static void set_up(void)
{
    scratch_make();
    name_endpoint("askers.ipc");
    context = zmq_ctx_new();
    letters_loop = loop_new();
    metrics = metrics_new(NULL);
    letter = letter_new();
    open_client(WINDOW);
}

static void tear_down(void)
{
    client_free(client);
    letter_free(letter);
    free(letter);
    end_close(&broker);
    zmq_ctx_term(context);
    loop_free(letters_loop);
    metrics_free(metrics);
    scratch_remove();
}

/* ---- the broker's part ---- */

static void pong(uint64_t id, uint64_t epoch)
{
    end_send(&broker, &(struct envelope){.verb = VERB_PONG, .id = id, .pong = {.epoch = epoch}}, NULL);
}

/* Binds, waits for the client's hello and answers it. */
static void start_broker(uint64_t epoch)
{
    broker = end_open(context, ZMQ_ROUTER, endpoint);
    WAIT_FOR(end_take(&broker, letter));
    ck_assert(letter->hello);
    pong(0, epoch);
}

static void reply(uint64_t id, const char *payload)
{
    struct envelope envelope = {
        .verb = VERB_REPLY,
        .id = id,
        .reply = {.version = text_of("3"), .queue_us = 11, .compute_us = 22, .batch_rows = 33, .age_us = 44}};
    end_send(&broker, &envelope, payload);
}

static void reject(uint64_t id, enum failure failure, uint64_t retry_after_ms, const char *message)
{
    struct envelope envelope = {
        .verb = VERB_REJECT, .id = id, .reject = {failure, retry_after_ms, text_of(message)}};
    end_send(&broker, &envelope, NULL);
}

/* Waits for the next REQUEST and returns its id. */
static uint64_t next_request(void)
{
    WAIT_FOR(end_take_verb(&broker, letter, VERB_REQUEST));
    return letter->envelope.id;
}

/* ---- the asker's part ---- */

static void ask_this(size_t index, int64_t time, uint64_t tenant, struct text payload)
{
    struct client_ask ask = {.model = text_of("m"),
                             .version = text_of("1"),
                             .rows = 7,
                             .deadline = clock_now() + time,
                             .priority = 4,
                             .tenant = tenant,
                             .address = 4711,
                             .key = text_of("key"),
                             .tag = text_of("tag")};
    asked[index].request = client_request_new(payload.length);
    memcpy(client_request_payload(asked[index].request), payload.at, payload.length);
    client_send(client, asked[index].request, &ask, on_answer, &asked[index]);
}

static void ask_with(size_t index, int64_t time, uint64_t tenant)
{
    char payload[16];
    int length = snprintf(payload, sizeof payload, "%zu", index);
    ask_this(index, time, tenant, (struct text){payload, (size_t)length});
}

static void ask_for(size_t index, int64_t time)
{
    ask_with(index, time, 0);
}

static void ask_as(size_t index, uint64_t tenant)
{
    ask_with(index, 30 * SECOND, tenant);
}

static void ask(size_t index)
{
    ask_for(index, 30 * SECOND);
}

/* ---- the plain way ---- */

START_TEST(the_hello_is_answered_and_the_client_is_connected)
{
    turn_loop();
    ck_assert(!client_connected(client));
    start_broker(1);
    WAIT_FOR(client_connected(client));
    ck_assert_uint_eq(client_in_flight(client), 0);
    ck_assert(!client_full(client, 0));
}
END_TEST

START_TEST(a_request_goes_out_as_it_was_asked)
{
    start_broker(1);
    ask(0);
    uint64_t id = next_request();
    const struct envelope *e = &letter->envelope;
    ck_assert_uint_ne(id, 0);
    ck_assert(text_is(e->request.model, "m") && text_is(e->request.version, "1"));
    ck_assert(text_is(e->request.key, "key") && text_is(e->request.tag, "tag"));
    ck_assert(e->request.rows == 7 && e->request.priority == 4);
    ck_assert(e->request.address == 4711 && !e->request.again);
    ck_assert_uint_le(e->request.time_left_us, 30 * SECOND / MICROSECOND);
    ck_assert_uint_gt(e->request.time_left_us, 0);
    ck_assert(text_is(letter_payload(letter, 0), "0"));
    ck_assert_uint_eq(client_in_flight(client), 1);
    ck_assert_int_eq(asked[0].answers, 0);
}
END_TEST

START_TEST(a_reply_is_the_answer)
{
    start_broker(1);
    ask(0);
    reply(next_request(), "tensors");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_NONE);
    ck_assert_str_eq(asked[0].payload, "tensors");
    ck_assert_str_eq(asked[0].version, "3");
    ck_assert(asked[0].queue_us == 11 && asked[0].compute_us == 22 && asked[0].batch_rows == 33 &&
              asked[0].age_us == 44);
    ck_assert_uint_eq(client_in_flight(client), 0);
}
END_TEST

/* What the client says of a request that may come again goes to the broker, also to the next one. */
START_TEST(once_is_told_and_so_is_a_replay)
{
    static const char once[PROTOCOL_ONCE_BYTES] = "two digests";
    start_broker(1);
    for (size_t i = 0; i < 2; i++) {
        struct client_ask wanted = {.model = text_of("m"),
                                    .rows = 1,
                                    .deadline = clock_now() + 30 * SECOND,
                                    .once = {once, sizeof once}};
        asked[i].request = client_request_new(0);
        client_send(client, asked[i].request, &wanted, on_answer, &asked[i]);
        uint64_t id = next_request();
        ck_assert(text_is(letter->envelope.request.model, "m"));
        ck_assert_uint_eq(letter->envelope.request.once.length, sizeof once);
        ck_assert_mem_eq(letter->envelope.request.once.at, once, sizeof once);
        struct envelope envelope = {
            .verb = VERB_REPLY,
            .id = id,
            .reply = {.version = text_of("3"), .age_us = 44, .replayed = true, .tag = text_of("r0")}};
        if (i == 1)
            envelope = (struct envelope){
                .verb = VERB_REJECT, .id = id, .reject = {.failure = FAILURE_INVALID, .replayed = true}};
        end_send(&broker, &envelope, "");
        WAIT_FOR(asked[i].answers == 1);
        ck_assert(asked[i].replayed);
        ck_assert_str_eq(asked[i].tag, i == 0 ? "r0" : "");
    }
}
END_TEST

START_TEST(a_rate_limit_is_told)
{
    start_broker(1);
    ask(0);
    struct envelope envelope = {.verb = VERB_REJECT,
                                .id = next_request(),
                                .reject = {.failure = FAILURE_RATE_LIMITED,
                                           .retry_after_ms = 12,
                                           .limit = text_of("key"),
                                           .quota = 100,
                                           .window_s = 60}};
    end_send(&broker, &envelope, NULL);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_RATE_LIMITED);
    ck_assert_str_eq(asked[0].limit, "key");
    ck_assert(asked[0].retry_after_ms == 12 && asked[0].quota == 100 && asked[0].window_s == 60);
}
END_TEST

START_TEST(a_reply_tells_of_a_rate_limit)
{
    start_broker(1);
    ask(0);
    struct envelope envelope = {.verb = VERB_REPLY,
                                .id = next_request(),
                                .reply = {.version = text_of("3"),
                                          .limit = text_of("key"),
                                          .quota = 100,
                                          .window_s = 60,
                                          .left = 40,
                                          .whole_s = 36}};
    end_send(&broker, &envelope, "payload");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_NONE);
    ck_assert_str_eq(asked[0].limit, "key");
    ck_assert(asked[0].quota == 100 && asked[0].window_s == 60 && asked[0].left == 40 &&
              asked[0].whole_s == 36);
}
END_TEST

START_TEST(a_reject_is_the_answer)
{
    start_broker(1);
    ask(0);
    reject(next_request(), FAILURE_OVERLOADED, 250, "the model's queue is full");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_OVERLOADED);
    ck_assert_uint_eq(asked[0].retry_after_ms, 250);
    ck_assert_str_eq(asked[0].message, "the model's queue is full");
}
END_TEST

static void ask_optional(void)
{
    struct client_ask ask = {.model = text_of("m"),
                             .version = text_of("1"),
                             .version_optional = true,
                             .rows = 1,
                             .deadline = clock_now() + 30 * SECOND};
    client_send(client, client_request_new(0), &ask, on_answer, &asked[0]);
}

/* A rule's version may be gone by the time that its request is there. */
START_TEST(an_optional_version_that_is_not_there_is_left_out)
{
    static const enum failure failures[] = {FAILURE_UNKNOWN_VERSION, FAILURE_NOT_READY};
    start_broker(1);
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        asked[0].answers = 0;
        ask_optional();
        uint64_t first = next_request();
        ck_assert(text_is(letter->envelope.request.version, "1"));
        reject(first, failures[i], 1000, "no");
        uint64_t second = next_request();
        ck_assert_uint_ne(first, second); /* the broker may remember the first as answered */
        ck_assert(letter->envelope.request.again);
        ck_assert_uint_eq(letter->envelope.request.version.length, 0);
        ck_assert_int_eq(asked[0].answers, 0);
        reply(first, "late");
        reply(second, "tensors");
        WAIT_FOR(asked[0].answers == 1);
        ck_assert_str_eq(asked[0].payload, "tensors");
        ck_assert_uint_eq(client_in_flight(client), 0);
    }
}
END_TEST

/* The next message that is no PING. */
static const struct envelope *next_message(void)
{
    do {
        WAIT_FOR(end_take(&broker, letter));
    } while (!letter->hello && letter->envelope.verb == VERB_PING);
    return &letter->envelope;
}

/* The broker refuses what came before its hello was read; what is sent again because of that may find the
 * version there. Both must not be computed. */
START_TEST(what_went_out_twice_is_taken_back_before_it_is_asked_otherwise)
{
    start_broker(1);
    ask_optional();
    uint64_t first = next_request();
    reject(first, FAILURE_UNKNOWN_VERSION, 0, "no");
    const struct envelope *second = next_message();
    ck_assert_int_eq(second->verb, VERB_REQUEST); /* it went out once: there is nothing to take back */
    reply(second->id, "tensors");
    WAIT_FOR(asked[0].answers == 1);
    ask_optional();
    first = next_request();
    pong(0, 1);
    ck_assert_uint_eq(next_request(), first);
    reject(first, FAILURE_UNKNOWN_VERSION, 0, "no");
    const struct envelope *cancel = next_message();
    ck_assert_int_eq(cancel->verb, VERB_CANCEL);
    ck_assert_uint_eq(cancel->id, first);
    const struct envelope *other = next_message();
    ck_assert_int_eq(other->verb, VERB_REQUEST);
    ck_assert_uint_ne(other->id, first);
    ck_assert_uint_eq(other->request.version.length, 0);
    reply(first, "of the version");
    reply(other->id, "of any");
    WAIT_FOR(asked[0].answers == 2);
    ck_assert_str_eq(asked[0].payload, "of any");
}
END_TEST

START_TEST(an_optional_version_is_left_out_once_and_for_nothing_else)
{
    start_broker(1);
    ask_optional();
    reject(next_request(), FAILURE_NOT_READY, 0, "no");
    reject(next_request(), FAILURE_NOT_READY, 0, "no worker at all");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_str_eq(asked[0].message, "no worker at all");
    ask_optional();
    reject(next_request(), FAILURE_OVERLOADED, 0, "full");
    WAIT_FOR(asked[0].answers == 2);
    ck_assert_int_eq(asked[0].failure, FAILURE_OVERLOADED);
    ask(1); /* of a version that is no wish */
    reject(next_request(), FAILURE_UNKNOWN_VERSION, 0, "no");
    WAIT_FOR(asked[1].answers == 1);
    ck_assert_int_eq(asked[1].failure, FAILURE_UNKNOWN_VERSION);
}
END_TEST

/* The broker dies between the two: the next gets it as it is then. */
START_TEST(an_optional_version_that_was_left_out_stays_so)
{
    start_broker(1);
    ask_optional();
    reject(next_request(), FAILURE_NOT_READY, 0, "no");
    next_request();
    end_close(&broker);
    start_broker(2);
    uint64_t again = next_request();
    ck_assert_uint_eq(letter->envelope.request.version.length, 0);
    reply(again, "tensors");
    WAIT_FOR(asked[0].answers == 1);
}
END_TEST

START_TEST(answers_find_their_requests_in_any_order)
{
    uint64_t ids[3];
    start_broker(1);
    for (size_t i = 0; i < 3; i++)
        ask(i);
    for (size_t i = 0; i < 3; i++)
        ids[i] = next_request();
    reply(ids[2], "two");
    reply(ids[0], "zero");
    reject(ids[1], FAILURE_INVALID, 0, "one");
    WAIT_FOR(asked[0].answers + asked[1].answers + asked[2].answers == 3);
    ck_assert_str_eq(asked[0].payload, "zero");
    ck_assert_str_eq(asked[1].message, "one");
    ck_assert_str_eq(asked[2].payload, "two");
}
END_TEST

START_TEST(texts_of_any_length_are_kept)
{
    char model[PROTOCOL_NAME_MAX + 1], key[PROTOCOL_TEXT_MAX + 1];
    memset(model, 'm', sizeof model);
    memset(key, 'k', sizeof key);
    struct client_ask ask = {.model = {model, PROTOCOL_NAME_MAX},
                             .rows = 1,
                             .deadline = clock_now() + 30 * SECOND,
                             .key = {key, PROTOCOL_TEXT_MAX}};
    client_send(client, client_request_new(0), &ask, on_answer, &asked[0]);
    memset(model, 0, sizeof model); /* while it waits for the broker */
    memset(key, 0, sizeof key);
    start_broker(1);
    reply(next_request(), "");
    const struct envelope *e = &letter->envelope;
    ck_assert(e->request.model.length == PROTOCOL_NAME_MAX && e->request.key.length == PROTOCOL_TEXT_MAX);
    ck_assert(e->request.model.at[127] == 'm' && e->request.key.at[511] == 'k');
    ck_assert(e->request.version.length == 0 && e->request.tag.length == 0);
    WAIT_FOR(asked[0].answers == 1);
}
END_TEST

START_TEST(the_catalog_is_handed_on)
{
    uint8_t bytes[2][256] = {0};
    struct text frames[2];
    start_broker(1);
    for (size_t i = 0; i < 2; i++) {
        struct catalog_entry entry = {.model = text_of(i == 0 ? "first" : "second")};
        frames[i] =
            (struct text){(const char *)bytes[i], catalog_entry_encode(&entry, bytes[i], sizeof bytes[i])};
    }
    struct envelope envelope = {.verb = VERB_CATALOG, .id = 1, .catalog = {.count = 2}};
    end_send_all(&broker, &envelope, frames, 2);
    WAIT_FOR(catalogs == 1);
    ck_assert_uint_eq(catalog_count, 2);
    ck_assert_str_eq(catalog_first, "first");
    envelope.catalog.count = 0;
    end_send_all(&broker, &envelope, NULL, 0);
    WAIT_FOR(catalogs == 2);
    ck_assert_uint_eq(catalog_count, 0);
    frames[1].length--; /* one entry of two is broken: none is told */
    envelope.catalog.count = 2;
    end_send_all(&broker, &envelope, frames, 2);
    WAIT_FOR(counter(METRIC_BAD_MESSAGES, "asker") == 1);
    ck_assert_int_eq(catalogs, 2);
}
END_TEST

/* ---- many at once ---- */

START_TEST(what_a_turn_gathers_goes_as_few_messages)
{
    start_broker(1);
    WAIT_FOR(client_connected(client));
    broker.zmq_messages = 0;
    for (size_t i = 0; i < 600; i++)
        ask(i);
    uint64_t first = next_request();
    for (size_t i = 1; i < 600; i++) {
        char expected[16];
        ck_assert_uint_eq(next_request(), first + i); /* in the order of asking, each with its own payload */
        snprintf(expected, sizeof expected, "%zu", i);
        ck_assert(text_is(letter_payload(letter, 0), expected));
    }
    ck_assert_int_le(broker.zmq_messages, 5); /* three trains, and perhaps a ping */
    for (size_t i = 0; i < 600; i++)
        reply(first + i, "x");
    WAIT_FOR(client_in_flight(client) == 0);
    for (size_t i = 0; i < 600; i++)
        ck_assert_int_eq(asked[i].answers, 1);
}
END_TEST

/* Small ones travel with others inside a frame, a large one is a frame and ends the message; the answers
 * come in either form. */
START_TEST(payloads_of_any_size_go_and_come)
{
    static char bytes[100000];
    static const size_t sizes[] = {1, 4096, 4097, 1, sizeof bytes, 4096};
    start_broker(1);
    for (int form = 0; form < 2; form++) {
        uint64_t ids[COUNT_OF(sizes)];
        broker.zmq_messages = 0;
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            memset(bytes, (int)('a' + i), sizeof bytes);
            ask_this(i, 30 * SECOND, 0, (struct text){bytes, sizes[i]});
        }
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            ids[i] = next_request();
            struct text payload = letter_payload(letter, 0);
            ck_assert_uint_eq(payload.length, sizes[i]);
            ck_assert(payload.at[0] == (char)('a' + i) && payload.at[sizes[i] - 1] == (char)('a' + i));
            ck_assert_uint_eq(letter->frame_count, sizes[i] > TRAIN_INSIDE_MAX);
        }
        ck_assert_int_le(broker.zmq_messages, 4); /* up to each large one, the last, and perhaps a ping */
        broker.old_form = form == 1;
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            struct envelope envelope = {.verb = VERB_REPLY, .id = ids[i], .reply = {.version = text_of("3")}};
            struct text payload = {bytes, sizes[i]};
            bytes[sizes[i] - 1] = (char)('A' + i);
            end_send_all(&broker, &envelope, &payload, 1);
            WAIT_FOR(asked[i].answers == form + 1);
            ck_assert_uint_eq(asked[i].payload_bytes, sizes[i]);
            ck_assert_int_eq(asked[i].payload_end, (char)('A' + i));
        }
    }
}
END_TEST

START_TEST(several_answers_come_in_one_frame_up_to_the_first_that_is_broken)
{
    struct train train = {0};
    uint64_t ids[3];
    start_broker(1);
    for (size_t i = 0; i < 3; i++)
        ask(i);
    for (size_t i = 0; i < 3; i++)
        ids[i] = next_request();
    for (size_t i = 0; i < 3; i++) {
        struct envelope envelope = {.verb = VERB_REPLY, .id = ids[i], .reply = {.version = text_of("1")}};
        train_add(&train, &envelope);
        *train_add_payload(&train, 1) = (uint8_t)('a' + i);
    }
    struct text frame = {(const char *)train.bytes, train.length - 1};
    ck_assert(end_send_frames(&broker, &frame, 1)); /* the last payload is cut off */
    WAIT_FOR(counter(METRIC_BAD_MESSAGES, "asker") == 1);
    ck_assert(asked[0].answers == 1 && asked[1].answers == 1 && asked[2].answers == 0);
    ck_assert(text_is(text_of(asked[0].payload), "a") && text_is(text_of(asked[1].payload), "b"));
    reply(ids[2], "x"); /* the next message is read again */
    WAIT_FOR(asked[2].answers == 1);
    train_free(&train);
}
END_TEST

/* The frames of a REPLY, at frames[0] and [1]. */
static void reply_frames(uint64_t id, uint8_t *room, struct text *frames)
{
    struct envelope envelope = {.verb = VERB_REPLY, .id = id, .reply = {.version = text_of("1")}};
    size_t length = protocol_encode(&envelope, room, PROTOCOL_ENVELOPE_MAX);
    frames[0] = (struct text){(const char *)room, length};
    frames[1] = text_of("x");
}

START_TEST(several_answers_come_in_one_message_up_to_the_first_that_is_broken)
{
    static uint8_t room[3][PROTOCOL_ENVELOPE_MAX];
    uint64_t ids[3];
    struct text frames[7];
    start_broker(1);
    for (size_t i = 0; i < 3; i++)
        ask(i);
    for (size_t i = 0; i < 3; i++)
        ids[i] = next_request();
    reply_frames(ids[0], room[0], &frames[0]);
    reply_frames(ids[1], room[1], &frames[2]);
    frames[4] = text_of("rubbish");
    reply_frames(ids[2], room[2], &frames[5]);
    ck_assert(end_send_frames(&broker, frames, 7));
    WAIT_FOR(counter(METRIC_BAD_MESSAGES, "asker") == 1);
    ck_assert(asked[0].answers == 1 && asked[1].answers == 1 && asked[2].answers == 0);
    reply(ids[2], "x"); /* the next message is read again */
    WAIT_FOR(asked[2].answers == 1);
}
END_TEST

START_TEST(the_window_is_a_bound)
{
    reopen_client(2);
    start_broker(1);
    ask(0);
    ask(1);
    ck_assert(client_full(client, 0));
    ask(2);
    ck_assert_int_eq(asked[2].answers, 1); /* at once */
    ck_assert_int_eq(asked[2].failure, FAILURE_OVERLOADED);
    ck_assert_uint_gt(asked[2].retry_after_ms, 0);
    reply(next_request(), "x");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert(!client_full(client, 0));
    ask(3);
    next_request();
    reply(next_request(), "x");
    WAIT_FOR(asked[3].answers == 1);
    ck_assert_int_eq(asked[1].answers, 0);
}
END_TEST

START_TEST(a_quarter_more_is_for_those_below_their_share)
{
    reopen_client(8);
    start_broker(1);
    for (size_t i = 0; i < 8; i++)
        ask_as(i, 1);
    ck_assert(client_full(client, 1));
    ck_assert(!client_full(client, 2) && !client_overwhelmed(client));
    ask_as(8, 1);
    ck_assert_int_eq(asked[8].answers, 1); /* at once */
    ask_as(9, 2);
    ask_as(10, 2);
    ck_assert_int_eq(asked[9].answers + asked[10].answers, 0);
    ck_assert(client_full(client, 2) && client_full(client, 3) && client_overwhelmed(client));
    reply(next_request(), "x");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert(client_full(client, 1)); /* the reserve is not for it */
    ck_assert(!client_full(client, 2) && !client_full(client, 3));
}
END_TEST

/* ---- the end of waiting ---- */

START_TEST(a_deadline_ends_the_waiting_and_a_late_answer_is_dropped)
{
    start_broker(1);
    ask_for(0, 20 * MILLISECOND);
    uint64_t id = next_request();
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_DEADLINE);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL)); /* nobody should compute it any more */
    ck_assert_uint_eq(letter->envelope.id, id);
    reply(id, "late");
    WAIT_FOR(counter(METRIC_CLIENT_LATE, NULL) == 1);
    reject(id, FAILURE_DEADLINE, 0, "late, too");
    WAIT_FOR(counter(METRIC_CLIENT_LATE, NULL) == 2);
    ck_assert_int_eq(asked[0].answers, 1);
}
END_TEST

START_TEST(a_deadline_that_is_over_is_one)
{
    start_broker(1);
    ask_for(0, -SECOND);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_DEADLINE);
}
END_TEST

START_TEST(a_deadline_passes_without_any_broker)
{
    ask_for(0, 20 * MILLISECOND);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_DEADLINE);
    ck_assert_uint_eq(client_in_flight(client), 0);
}
END_TEST

START_TEST(a_cancel_is_told_and_not_answered)
{
    start_broker(1);
    ask(0);
    uint64_t id = next_request();
    client_cancel(client, asked[0].request);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL));
    ck_assert_uint_eq(letter->envelope.id, id);
    reply(id, "late");
    WAIT_FOR(counter(METRIC_CLIENT_LATE, NULL) == 1);
    ck_assert_int_eq(asked[0].answers, 0);
    ck_assert_uint_eq(client_in_flight(client), 0);
}
END_TEST

START_TEST(what_was_not_sent_is_cancelled_in_silence)
{
    ask(0);
    ask(1);
    turn_loop();
    client_cancel(client, asked[0].request);
    start_broker(1);
    next_request(); /* only the second */
    ck_assert(text_is(letter_payload(letter, 0), "1"));
    ask(2);
    next_request(); /* no CANCEL was in between: end_take_verb would have passed over it, so look at all */
    ck_assert(text_is(letter_payload(letter, 0), "2"));
    while (end_take(&broker, letter))
        ck_assert_int_ne(letter->envelope.verb, VERB_CANCEL);
    ck_assert_int_eq(asked[0].answers, 0);
}
END_TEST

START_TEST(the_end_of_the_client_answers_what_is_open)
{
    start_broker(1);
    ask(0);
    next_request();
    ask(1); /* not sent yet */
    client_free(client);
    client = NULL;
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(asked[i].answers, 1);
        ck_assert_int_eq(asked[i].failure, FAILURE_STOPPING);
    }
}
END_TEST

/* ---- a broker that goes and comes back ---- */

START_TEST(what_waits_for_the_first_broker_is_sent_when_it_comes)
{
    ask(0);
    ask(1);
    turn_loop();
    start_broker(1);
    uint64_t first = next_request();
    ck_assert_uint_eq(next_request(), first + 1);
    ck_assert_uint_eq(counter(METRIC_CLIENT_RESENT, NULL), 0); /* it is the first time */
}
END_TEST

START_TEST(a_new_broker_gets_what_is_open_exactly_once)
{
    uint64_t ids[3], left[2];
    start_broker(1);
    for (size_t i = 0; i < 3; i++)
        ask(i);
    for (size_t i = 0; i < 3; i++) {
        ids[i] = next_request();
        if (i > 0)
            left[i - 1] = letter->envelope.request.time_left_us;
    }
    reply(ids[0], "answered before");
    WAIT_FOR(asked[0].answers == 1);
    end_close(&broker);
    for (int i = 0; i < 10; i++) /* it is away for some turns */
        turn_loop();
    start_broker(2);
    for (size_t i = 1; i < 3; i++) {
        ck_assert_uint_eq(next_request(), ids[i]); /* the same ids, the oldest first, less time */
        ck_assert_uint_lt(letter->envelope.request.time_left_us, left[i - 1]);
        ck_assert(letter->envelope.request.again); /* no rate limit counts it twice */
        ck_assert(text_is(letter_payload(letter, 0), i == 1 ? "1" : "2"));
    }
    reply(ids[2], "after");
    reply(ids[1], "after");
    WAIT_FOR(asked[1].answers == 1 && asked[2].answers == 1);
    ask(3); /* a mark: what comes before it is all that came */
    next_request();
    ck_assert(text_is(letter_payload(letter, 0), "3"));
    ck_assert_uint_eq(counter(METRIC_CLIENT_RESENT, NULL), 2);
    ck_assert_uint_eq(counter(METRIC_CLIENT_LATE, NULL), 0);
}
END_TEST

/* A broker that is told to end refuses what comes in the meantime: its successor is a moment away. */
START_TEST(what_a_stopping_broker_refuses_is_kept_for_the_next)
{
    start_broker(1);
    ask(0);
    uint64_t id = next_request();
    reject(id, FAILURE_STOPPING, 1000, "the broker is stopping");
    ask(1); /* a mark: when it is answered the refusal was read */
    reply(next_request(), "still answered");
    WAIT_FOR(asked[1].answers == 1);
    ck_assert_int_eq(asked[0].answers, 0);
    ck_assert_uint_eq(client_in_flight(client), 1);
    end_close(&broker);
    start_broker(2);
    ck_assert_uint_eq(next_request(), id);
    reply(id, "by the next");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_NONE);
    ck_assert_str_eq(asked[0].payload, "by the next");
}
END_TEST

static int turns;

static void count_turn(void *self)
{
    (void)self;
    turns++;
}

START_TEST(a_broker_that_is_away_costs_no_time_and_deadlines_pass)
{
    start_broker(1);
    ask(0);
    next_request();
    end_close(&broker);
    loop_each_turn(letters_loop, count_turn, NULL);
    ask_for(1, 30 * MILLISECOND);
    turns = 0;
    WAIT_FOR(asked[1].answers == 1);
    ck_assert_int_eq(asked[1].failure, FAILURE_DEADLINE);
    ck_assert_int_lt(turns,
                     1000); /* some for each millisecond; a loop that tries again at once makes millions */
    ask(2);
    start_broker(2);
    for (bool seen[3] = {false};
         !seen[0] || !seen[2];) { /* the new one may go before the hello is answered */
        next_request();
        seen[letter_payload(letter, 0).at[0] - '0'] = true;
        ck_assert(!seen[1]); /* it is over */
    }
}
END_TEST

START_TEST(another_hello_of_the_same_broker_counts_as_well)
{
    start_broker(1);
    ask(0);
    uint64_t id = next_request();
    pong(0, 1); /* the way to it broke, it did not */
    ck_assert_uint_eq(next_request(), id);
    pong(5, 1); /* the answer to a PING: nothing is sent again */
    ask(1);
    ck_assert_uint_eq(next_request(), id + 1);
}
END_TEST

START_TEST(silence_is_noticed)
{
    start_broker(1);
    WAIT_FOR(client_connected(client));
    for (int i = 0; i < 2; i++) {
        WAIT_FOR(end_take_verb(&broker, letter, VERB_PING));
        pong(letter->envelope.id, 1);
    }
    ck_assert(client_connected(client));
    WAIT_FOR(!client_connected(client)); /* three pings are not answered */
    pong(7, 1);
    WAIT_FOR(client_connected(client));
}
END_TEST

/* ---- what a broker never sends ---- */

START_TEST(messages_that_break_the_protocol_are_counted_and_harmless)
{
    start_broker(1);
    ask(0);
    uint64_t id = next_request(), bad = 0;
    struct text rubbish[] = {text_of("rubbish")};
    ck_assert(end_send_frames(&broker, rubbish, 1));
    bad++;
    WAIT_FOR(counter(METRIC_BAD_MESSAGES, "asker") == bad);
    end_send(&broker, &(struct envelope){.verb = VERB_PING, .id = 1}, NULL);
    bad++;
    WAIT_FOR(counter(METRIC_BAD_MESSAGES, "asker") == bad);
    uint8_t room[PROTOCOL_ENVELOPE_MAX];
    struct text frames[2];
    reply_frames(id, room, frames);
    ck_assert(end_send_frames(&broker, frames, 1)); /* REPLY without its payload */
    bad++;
    WAIT_FOR(counter(METRIC_BAD_MESSAGES, "asker") == bad);
    struct text empty = {0};
    ck_assert(end_send_frames(&broker, &empty, 1)); /* a hello: nothing wrong */
    ck_assert_int_eq(asked[0].answers, 0);
    reply(id, "x");
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_uint_eq(counter(METRIC_BAD_MESSAGES, "asker"), bad);
}
END_TEST

/* ---- other threads ---- */

static void *fill(void *self)
{
    struct client_request *request = client_request_new(4);
    memcpy(client_request_payload(request), "lane", 4);
    *(struct client_request **)self = request;
    return NULL;
}

START_TEST(a_request_may_be_made_in_another_thread)
{
    pthread_t thread;
    struct client_request *request;
    start_broker(1);
    ck_assert_int_eq(pthread_create(&thread, NULL, fill, &request), 0);
    pthread_join(thread, NULL);
    struct client_ask ask = {.rows = 1, .deadline = clock_now() + 30 * SECOND};
    client_send(client, request, &ask, on_answer, &asked[0]);
    reply(next_request(), "x");
    ck_assert(text_is(letter_payload(letter, 0), "lane"));
    WAIT_FOR(asked[0].answers == 1);
}
END_TEST

START_TEST(a_request_may_be_thrown_away)
{
    client_request_discard(client_request_new(100000));
    client_request_discard(NULL);
    client_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_hello_is_answered_and_the_client_is_connected,
                                  a_request_goes_out_as_it_was_asked,
                                  a_reply_is_the_answer,
                                  a_reject_is_the_answer,
                                  once_is_told_and_so_is_a_replay,
                                  a_rate_limit_is_told,
                                  a_reply_tells_of_a_rate_limit,
                                  an_optional_version_that_is_not_there_is_left_out,
                                  what_went_out_twice_is_taken_back_before_it_is_asked_otherwise,
                                  an_optional_version_is_left_out_once_and_for_nothing_else,
                                  an_optional_version_that_was_left_out_stays_so,
                                  answers_find_their_requests_in_any_order,
                                  texts_of_any_length_are_kept,
                                  the_catalog_is_handed_on,
                                  what_a_turn_gathers_goes_as_few_messages,
                                  payloads_of_any_size_go_and_come,
                                  several_answers_come_in_one_frame_up_to_the_first_that_is_broken,
                                  several_answers_come_in_one_message_up_to_the_first_that_is_broken,
                                  the_window_is_a_bound,
                                  a_quarter_more_is_for_those_below_their_share,
                                  a_deadline_ends_the_waiting_and_a_late_answer_is_dropped,
                                  a_deadline_that_is_over_is_one,
                                  a_deadline_passes_without_any_broker,
                                  a_cancel_is_told_and_not_answered,
                                  what_was_not_sent_is_cancelled_in_silence,
                                  the_end_of_the_client_answers_what_is_open,
                                  what_waits_for_the_first_broker_is_sent_when_it_comes,
                                  a_new_broker_gets_what_is_open_exactly_once,
                                  what_a_stopping_broker_refuses_is_kept_for_the_next,
                                  a_broker_that_is_away_costs_no_time_and_deadlines_pass,
                                  another_hello_of_the_same_broker_counts_as_well,
                                  silence_is_noticed,
                                  messages_that_break_the_protocol_are_counted_and_harmless,
                                  a_request_may_be_made_in_another_thread,
                                  a_request_may_be_thrown_away};
    return SUITE_RUN("client", set_up, tear_down, tests);
}
