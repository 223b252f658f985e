/* test_port: payloads that are held and payloads that are borrowed, and how messages go through a port in
 * frames. What the broker makes of them is in the suites of the broker. SPDX-License-Identifier: MIT */
#include "letters.h"
#include "port.h"
#include "scratch_directory.h"
#include "suite.h"
#include "train.h"

#include <errno.h>
#include <stdio.h>

enum { LARGE = 100000 };

/* On both sides of each bound: what travels inside, and what is copied to be held. */
static const size_t sizes[] = {0, 1, TRAIN_INSIDE_MAX, TRAIN_INSIDE_MAX + 1, 8192, 8193, LARGE};
static char bytes[LARGE];

/* ---- payloads ---- */

static bool holds(const struct payload *payload, size_t size)
{
    struct text held = payload_bytes(payload);
    return held.length == size && (size == 0 || memcmp(held.at, bytes, size) == 0);
}

static struct payload borrowed(size_t size)
{
    return (struct payload){.bytes = {bytes, size}};
}

START_TEST(a_borrowed_payload_is_copied_when_it_is_kept)
{
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct payload lent = borrowed(sizes[i]), shared = payload_share(&lent), moved = {0};
        ck_assert_ptr_eq(payload_bytes(&lent).at, bytes);
        payload_move(&moved, &lent);
        ck_assert(holds(&moved, sizes[i]) && holds(&shared, sizes[i]));
        ck_assert_ptr_ne(payload_bytes(&moved).at, bytes);
        ck_assert_ptr_ne(payload_bytes(&shared).at, bytes);
        ck_assert_uint_eq(payload_bytes(&lent).length, 0); /* none */
        payload_close(&lent);
        payload_close(&shared);
        payload_close(&moved);
    }
}
END_TEST

START_TEST(a_held_payload_is_the_same_memory_for_all_who_hold_it)
{
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct payload first = payload_new(sizes[i]), moved = {0};
        memset((char *)payload_bytes(&first).at, 'x', sizes[i]);
        const char *at = payload_bytes(&first).at;
        struct payload second = payload_share(&first), third = payload_share(&second);
        payload_move(&moved, &first);
        payload_close(&second);
        ck_assert_ptr_eq(payload_bytes(&third).at, at);
        payload_close(&third);
        ck_assert_ptr_eq(payload_bytes(&moved).at, at);
        ck_assert(holds(&moved, sizes[i]));
        payload_close(&moved);
        payload_close(&moved); /* none: nothing happens */
    }
}
END_TEST

START_TEST(a_payload_is_shortened_in_its_place)
{
    memset(bytes, 'x', sizeof bytes);
    struct payload payload = payload_new(LARGE);
    memset((char *)payload_bytes(&payload).at, 'x', LARGE);
    for (size_t i = COUNT_OF(sizes); i-- > 0;) {
        payload_shorten(&payload, sizes[i]);
        ck_assert(holds(&payload, sizes[i]));
    }
    payload_close(&payload);
}
END_TEST

/* ---- a port and its peer ---- */

static void *context;
static struct port *port;
static struct end peer_end;
static struct peer peer; /* whom the port heard last */
static struct letter *letter;
static size_t received, refused;

/* Posts back what came. */
static void echo(void *self, struct port_message *message)
{
    ck_assert_ptr_eq(self, &received);
    received++;
    peer = message->peer;
    if (!message->hello)
        port_post(port, &peer, &message->envelope, message->count == 0 ? NULL : &message->payloads[0]);
}

static void refuse(void *self, const struct peer *who, const char *complaint)
{
    ck_assert_ptr_eq(self, &received);
    ck_assert(who->length > 0 && complaint != NULL);
    refused++;
}

static void set_up(void)
{
    char endpoint[128];
    scratch_make();
    snprintf(endpoint, sizeof endpoint, "ipc://%s/port.ipc", scratch_directory);
    context = zmq_ctx_new();
    letters_loop = loop_new();
    letter = letter_new();
    memset(bytes, 'x', sizeof bytes);
    port = port_new(context, letters_loop, endpoint, 1 << 20, 1000, echo, refuse, &received);
    ck_assert_ptr_nonnull(port);
    peer_end = end_open(context, ZMQ_DEALER, endpoint);
    WAIT_FOR(
        (end_take(&peer_end, letter), received == 1)); /* the hello, which goes when its socket is used */
}

static void tear_down(void)
{
    letter_free(letter);
    free(letter);
    end_close(&peer_end);
    port_free(port);
    zmq_ctx_term(context);
    loop_free(letters_loop);
    scratch_remove();
}

static struct envelope reply(uint64_t id)
{
    return (struct envelope){.verb = VERB_REPLY, .id = id, .reply = {.version = text_of("1")}};
}

static bool next_letter(void)
{
    port_flush(port);
    return end_take(&peer_end, letter);
}

static void expect_reply(uint64_t id, size_t size)
{
    WAIT_FOR(next_letter());
    ck_assert_uint_eq(letter->envelope.id, id);
    ck_assert_uint_eq(letter_payload(letter, 0).length, size);
    ck_assert(size == 0 || memcmp(letter_payload(letter, 0).at, bytes, size) == 0);
    ck_assert_uint_le(zmq_msg_size(&letter->head), TRAIN_FRAME_MAX);
}

START_TEST(a_payload_of_any_size_passes_in_either_form)
{
    for (int form = 0; form < 2; form++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            struct envelope envelope = reply(1 + i);
            struct text payload = {bytes, sizes[i]};
            peer_end.old_form = form == 1;
            end_send_all(&peer_end, &envelope, &payload, 1);
            expect_reply(1 + i, sizes[i]);
            ck_assert_uint_eq(letter->frame_count, sizes[i] > TRAIN_INSIDE_MAX);
        }
    ck_assert_uint_eq(refused, 0);
}
END_TEST

/* A peer may put more inside than we do. */
START_TEST(a_large_payload_may_travel_inside)
{
    struct train train = {0};
    struct envelope envelope = reply(7);
    train_add(&train, &envelope);
    memset(train_add_payload(&train, LARGE), 'x', LARGE);
    struct text frame = {(const char *)train.bytes, train.length};
    ck_assert(end_send_frames(&peer_end, &frame, 1));
    expect_reply(7, LARGE);
    ck_assert_uint_eq(letter->frame_count, 1);
    train_free(&train);
}
END_TEST

START_TEST(what_is_posted_goes_as_few_frames_of_a_bounded_size)
{
    enum { COUNT = 200, SIZE = 2000 };
    struct payload payload = borrowed(SIZE), large = borrowed(LARGE);
    peer_end.zmq_messages = 0;
    for (uint64_t id = 1; id <= COUNT; id++) {
        struct envelope envelope = reply(id);
        port_post(port, &peer, &envelope, id == COUNT / 2 ? &large : &payload);
    }
    for (uint64_t id = 1; id <= COUNT; id++)
        expect_reply(id, id == COUNT / 2 ? LARGE : SIZE); /* in their order */
    ck_assert_int_ge(peer_end.zmq_messages, COUNT * SIZE / TRAIN_FRAME_MAX);
    ck_assert_int_le(peer_end.zmq_messages, COUNT * SIZE / TRAIN_FRAME_MAX * 2);
}
END_TEST

START_TEST(what_is_sent_has_its_small_payloads_inside_up_to_the_first_large_one)
{
    struct payload small = borrowed(3), large = borrowed(LARGE);
    struct payload *list[] = {&small, &small, &large, &small};
    struct envelope batch = {.verb = VERB_BATCH, .id = 5, .batch = {.count = COUNT_OF(list), .rows = 4}};
    ck_assert(port_send(port, &peer, &batch, list, COUNT_OF(list)));
    WAIT_FOR(next_letter());
    ck_assert_uint_eq(letter->count, COUNT_OF(list));
    ck_assert_uint_eq(letter->frame_count, 2);
    for (size_t i = 0; i < COUNT_OF(list); i++)
        ck_assert(text_is(letter_payload(letter, i), "xxx") ||
                  (i == 2 && letter->payloads[i].length == LARGE));
}
END_TEST

START_TEST(a_message_is_dropped_from_where_it_breaks)
{
    static const char joined[] = "\x93\x01\x03\x07\x93\x01\x03\x08\x01";
    struct text frames[] = {{joined, sizeof joined - 1}, {"\x93\x01\x03\x09", 4}};
    ck_assert(end_send_frames(&peer_end, frames, 2));
    WAIT_FOR(refused == 1);
    ck_assert_uint_eq(received, 3); /* the hello and the two before it broke */
    ck_assert(end_send_frames(&peer_end, (const struct text[]){{"", 0}, {joined, 4}}, 2));
    WAIT_FOR(refused == 2); /* a hello has nothing behind it */
    ck_assert_uint_eq(received, 3);
    ck_assert(end_send_frames(&peer_end, &(const struct text){joined, 4}, 1));
    WAIT_FOR(received == 4);
}
END_TEST

START_TEST(nobody_there_is_told)
{
    const struct peer nobody = {.length = 5, .bytes = {0, 1, 2, 3, 4}};
    struct envelope pong = {.verb = VERB_PONG, .id = 1};
    ck_assert(!port_send(port, &nobody, &pong, NULL, 0));
    ck_assert_int_eq(errno, EHOSTUNREACH);
    port_post(port, &nobody, &pong, NULL);
    port_post(port, &peer, &pong, NULL); /* loses nothing by that */
    WAIT_FOR(next_letter());
    ck_assert_int_eq(letter->envelope.verb, VERB_PONG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("port");
    const TTest *const of_payloads[] = {a_borrowed_payload_is_copied_when_it_is_kept,
                                        a_held_payload_is_the_same_memory_for_all_who_hold_it,
                                        a_payload_is_shortened_in_its_place, NULL};
    const TTest *const of_ports[] = {a_payload_of_any_size_passes_in_either_form,
                                     a_large_payload_may_travel_inside,
                                     what_is_posted_goes_as_few_frames_of_a_bounded_size,
                                     what_is_sent_has_its_small_payloads_inside_up_to_the_first_large_one,
                                     a_message_is_dropped_from_where_it_breaks,
                                     nobody_there_is_told,
                                     NULL};
    suite_add(suite, "payloads", NULL, NULL, of_payloads);
    suite_add(suite, "ports", set_up, tear_down, of_ports);
    return suite_finish(suite);
}
