/* test_client: the asking side against a ROUTER that plays the broker: what goes out as it was asked, what
 * comes back, and what a broker never sends. SPDX-License-Identifier: MIT */
#include "client_scene.h"

#include <pthread.h>

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
                                    .once = {once, sizeof once},
                                    .trace = {once, PROTOCOL_TRACE_BYTES}};
        asked[i].request = client_request_new(0);
        client_send(client, asked[i].request, &wanted, on_answer, &asked[i]);
        uint64_t id = next_request();
        ck_assert(text_is(letter->envelope.request.model, "m"));
        ck_assert_uint_eq(letter->envelope.request.once.length, sizeof once);
        ck_assert_mem_eq(letter->envelope.request.once.at, once, sizeof once);
        ck_assert_uint_eq(letter->envelope.request.trace.length, PROTOCOL_TRACE_BYTES);
        ck_assert_mem_eq(letter->envelope.request.trace.at, once, PROTOCOL_TRACE_BYTES);
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
    ask_many(3, ids);
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
                                  once_is_told_and_so_is_a_replay,
                                  a_rate_limit_is_told,
                                  a_reply_tells_of_a_rate_limit,
                                  a_reject_is_the_answer,
                                  an_optional_version_that_is_not_there_is_left_out,
                                  what_went_out_twice_is_taken_back_before_it_is_asked_otherwise,
                                  an_optional_version_is_left_out_once_and_for_nothing_else,
                                  an_optional_version_that_was_left_out_stays_so,
                                  answers_find_their_requests_in_any_order,
                                  texts_of_any_length_are_kept,
                                  the_catalog_is_handed_on,
                                  messages_that_break_the_protocol_are_counted_and_harmless,
                                  a_request_may_be_made_in_another_thread,
                                  a_request_may_be_thrown_away};
    return SUITE_RUN("client", set_up, tear_down, tests);
}
