/* test_train: messages in frames, in every form that PROTOCOL.md section 2 allows, and in none other.
 * SPDX-License-Identifier: MIT */
#include "suite.h"
#include "train.h"

#include <stdlib.h>

enum { FRAMES_MAX = 2000, MESSAGES_MAX = 4 };

/* A ZeroMQ message. */
static struct text frames[FRAMES_MAX];
static size_t frame_count, frame_at;

/* What was read of it. */
static struct envelope envelopes[MESSAGES_MAX];
static struct text payloads[MESSAGES_MAX][PROTOCOL_COUNT_MAX];
static size_t counts[MESSAGES_MAX], message_count;

static struct train train;

static void tear_down(void)
{
    train_free(&train);
}

static bool next_frame(void *self, struct text *frame)
{
    ck_assert_ptr_eq(self, frames);
    if (frame_at == frame_count)
        return false;
    *frame = frames[frame_at++];
    return true;
}

/* Reads the ZeroMQ message. NULL, or what is wrong with it from somewhere on. */
static const char *read_all(void)
{
    const char *complaint = NULL;
    message_count = frame_at = 0;
    while (complaint == NULL && frame_at < frame_count) {
        struct train_reader reader = train_reader(frames[frame_at++], next_frame, frames);
        do {
            ck_assert_uint_lt(message_count, MESSAGES_MAX);
            complaint = train_read(&reader, &envelopes[message_count], payloads[message_count],
                                   &counts[message_count]);
            message_count += complaint == NULL;
        } while (complaint == NULL && !train_ended(&reader));
    }
    return complaint;
}

static void set_frames(const struct text *list, size_t count)
{
    memcpy(frames, list, count * sizeof *list);
    frame_count = count;
}

#define FRAME(literal)                                                                                       \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }

/* RESULT of batch 9 with two payloads, CANCEL of request 7. */
#define RESULT_9 "\x96\x01\x21\x09\x02\x07\xc4\x00"
#define CANCEL_7 "\x93\x01\x02\x07"

static const struct envelope result_9 = {
    .verb = VERB_RESULT, .id = 9, .result = {.count = 2, .compute_us = 7}};
static const struct envelope cancel_7 = {.verb = VERB_CANCEL, .id = 7};

static void add_payload(struct text payload)
{
    ck_assert(train_takes(&train, payload.length));
    uint8_t *place = train_add_payload(&train, payload.length);
    if (payload.length > 0)
        memcpy(place, payload.at, payload.length);
}

static void expect_result(size_t index, const char *first, const char *second)
{
    ck_assert_uint_lt(index, message_count);
    ck_assert_int_eq(envelopes[index].verb, VERB_RESULT);
    ck_assert_uint_eq(envelopes[index].id, 9);
    ck_assert_uint_eq(counts[index], 2);
    ck_assert(text_is(payloads[index][0], first));
    ck_assert(text_is(payloads[index][1], second));
}

static void expect_cancel(size_t index)
{
    ck_assert_uint_lt(index, message_count);
    ck_assert_int_eq(envelopes[index].verb, VERB_CANCEL);
    ck_assert_uint_eq(envelopes[index].id, 7);
    ck_assert_uint_eq(counts[index], 0);
}

/* ---- the forms ---- */

START_TEST(the_wire_does_not_change)
{
    const char expected[] = RESULT_9 "\xc4\x03"
                                     "one\xc4\x00" CANCEL_7;
    train_add(&train, &result_9);
    add_payload(text_of("one"));
    add_payload(text_of(""));
    train_add(&train, &cancel_7);
    ck_assert_uint_eq(train.length, sizeof expected - 1);
    ck_assert_mem_eq(train.bytes, expected, train.length);
}
END_TEST

START_TEST(every_form_reads_the_same)
{
    static const struct {
        struct text frames[5];
        size_t count;
    } forms[] = {
        {{FRAME(RESULT_9 "\xc4\x03"
                         "one\xc4\x00" CANCEL_7)},
         1},
        {{FRAME(RESULT_9 "\xc5\x00\x03"
                         "one\xc6\x00\x00\x00\x00"),
          FRAME(CANCEL_7)},
         2},
        {{FRAME(RESULT_9 "\xc4\x03"
                         "one"),
          FRAME(""), FRAME(CANCEL_7)},
         3},
        {{FRAME(RESULT_9), FRAME("one"), FRAME(""), FRAME(CANCEL_7)}, 4},
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        set_frames(forms[i].frames, forms[i].count);
        ck_assert_ptr_null(read_all());
        ck_assert_uint_eq(message_count, 2);
        expect_result(0, "one", "");
        expect_cancel(1);
    }
    set_frames((const struct text[]){FRAME(CANCEL_7 RESULT_9), FRAME("1"), FRAME("2")}, 3);
    ck_assert_ptr_null(read_all());
    expect_cancel(0);
    expect_result(1, "1", "2");
}
END_TEST

START_TEST(payloads_are_views)
{
    set_frames((const struct text[]){FRAME(RESULT_9 "\xc4\x01"
                                                    "1"),
                                     FRAME("2")},
               2);
    ck_assert_ptr_null(read_all());
    ck_assert_ptr_eq(payloads[0][0].at, frames[0].at + frames[0].length - 1);
    ck_assert_ptr_eq(payloads[0][1].at, frames[1].at);
}
END_TEST

/* ---- what is refused ---- */

/* A copy of exactly that many bytes, so that a sanitizer sees one that is read behind them. */
static struct text exactly(const char *bytes, size_t length)
{
    char *copy = malloc(length + (length == 0));
    memcpy(copy, bytes, length);
    return (struct text){copy, length};
}

START_TEST(every_truncation_is_refused_from_there_on)
{
    static const char whole[] = RESULT_9 "\xc4\x03"
                                         "one\xc5\x00\x02"
                                         "to" CANCEL_7;
    size_t first = sizeof whole - sizeof CANCEL_7, all = sizeof whole - 1;
    for (size_t length = 0; length <= all; length++) {
        struct text cut = exactly(whole, length);
        set_frames(&cut, 1);
        const char *complaint = read_all();
        ck_assert_uint_eq(message_count, (length >= first) + (length == all));
        ck_assert((complaint == NULL) == (length == first || length == all));
        if (length >= first)
            expect_result(0, "one", "to");
        free((char *)cut.at);
    }
}
END_TEST

START_TEST(frames_that_are_missing_are_refused)
{
    const struct text list[] = {FRAME(RESULT_9), FRAME("one"), FRAME("two")};
    for (size_t count = 1; count < 3; count++) {
        set_frames(list, count);
        ck_assert_str_eq(read_all(), "payloads are missing");
        ck_assert_uint_eq(message_count, 0);
    }
}
END_TEST

START_TEST(a_payload_inside_is_bin_and_nothing_else)
{
    const struct text others[] = {
        FRAME("\xa1x"), FRAME("\xd9\x01x"), FRAME("\x01"), FRAME("\x90"), FRAME("\x80"),
        FRAME("\xc0"),  FRAME("\xc1"),      FRAME("\xc3"), FRAME("\xcb"), FRAME("\xc7\x01\x01\x01"),
        FRAME("\xff"),  FRAME(CANCEL_7)};
    char bytes[64];
    for (size_t i = 0; i < COUNT_OF(others); i++)
        for (size_t position = 0; position < 2; position++) {
            size_t length = sizeof RESULT_9 - 1;
            memcpy(bytes, RESULT_9, length);
            if (position == 1) {
                memcpy(bytes + length, "\xc4\x01x", 3);
                length += 3;
            }
            memcpy(bytes + length, others[i].at, others[i].length);
            set_frames((const struct text[]){{bytes, length + others[i].length}, FRAME("a"), FRAME("b")}, 3);
            ck_assert_ptr_nonnull(read_all());
            ck_assert_uint_eq(message_count, 0);
        }
}
END_TEST

START_TEST(no_claim_of_length_is_believed)
{
    const struct text claims[] = {FRAME(RESULT_9 "\xc4\xff"
                                                 "x"),
                                  FRAME(RESULT_9 "\xc5\xff\xff"
                                                 "x"),
                                  FRAME(RESULT_9 "\xc6\xff\xff\xff\xff"
                                                 "x")};
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        struct text frame = exactly(claims[i].at, claims[i].length);
        set_frames(&frame, 1);
        ck_assert_ptr_nonnull(read_all());
        ck_assert_uint_eq(message_count, 0);
        free((char *)frame.at);
    }
}
END_TEST

START_TEST(bytes_left_over_begin_another_message_or_are_refused)
{
    set_frames((const struct text[]){FRAME(CANCEL_7 "\x01")}, 1);
    ck_assert_str_eq(read_all(), "the envelope is no array");
    ck_assert_uint_eq(message_count, 1);
    set_frames((const struct text[]){FRAME(CANCEL_7), FRAME("")}, 2);
    ck_assert_ptr_nonnull(read_all());
    ck_assert_uint_eq(message_count, 1);
}
END_TEST

START_TEST(an_envelope_has_its_bound_inside_a_frame_too)
{
    /* REJECT with a message of more bytes than an envelope may have, behind which enough bytes follow */
    static char bytes[6000] = "\x96\x01\x11\x07\x05\x00\xda\x10\x00";
    set_frames((const struct text[]){{bytes, sizeof bytes}}, 1);
    ck_assert_str_eq(read_all(), "REJECT: message is no text of at most 512 bytes");
}
END_TEST

/* ---- the bounds of a writer ---- */

static char zeros[TRAIN_INSIDE_MAX + 1];

START_TEST(payloads_up_to_a_bound_travel_inside)
{
    const size_t sizes[] = {0, 1, 255, 256, 4095, TRAIN_INSIDE_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        train_clear(&train);
        train_add(&train, &result_9);
        add_payload((struct text){zeros, sizes[i]});
        add_payload((struct text){zeros, sizes[i]});
        set_frames((const struct text[]){{(const char *)train.bytes, train.length}}, 1);
        ck_assert_ptr_null(read_all());
        ck_assert_uint_eq(message_count, 1);
        ck_assert_uint_eq(payloads[0][0].length, sizes[i]);
        ck_assert_uint_eq(payloads[0][1].length, sizes[i]);
    }
    ck_assert(!train_takes(&train, TRAIN_INSIDE_MAX + 1));
}
END_TEST

START_TEST(a_frame_is_full_before_it_is_too_long)
{
    char text[PROTOCOL_TEXT_MAX];
    memset(text, 't', sizeof text);
    struct envelope longest = {
        .verb = VERB_REQUEST,
        .id = UINT64_MAX,
        .request = {.rows = PROTOCOL_ROWS_MAX, .tenant = UINT64_MAX, .key = {text, sizeof text}}};
    longest.request.tag = longest.request.key;
    size_t messages = 0;
    for (; !train_full(&train); messages++) {
        train_add(&train, &longest);
        add_payload((struct text){zeros, TRAIN_INSIDE_MAX});
    }
    ck_assert_uint_gt(messages, 10);
    ck_assert_uint_le(train.length, TRAIN_FRAME_MAX);
    const uint8_t *memory = train.bytes;
    train_clear(&train);
    ck_assert(!train_full(&train));
    train_add(&train, &cancel_7);
    ck_assert_ptr_eq(train.bytes, memory); /* it is used again */
}
END_TEST

START_TEST(the_payloads_of_one_message_do_not_overflow_a_frame)
{
    struct envelope batch = {
        .verb = VERB_BATCH, .id = 1, .batch = {.count = PROTOCOL_COUNT_MAX, .rows = PROTOCOL_COUNT_MAX}};
    size_t inside = 0;
    train_add(&train, &batch);
    for (; inside < PROTOCOL_COUNT_MAX && train_takes(&train, TRAIN_INSIDE_MAX); inside++)
        add_payload((struct text){zeros, TRAIN_INSIDE_MAX});
    ck_assert(inside > 10 && inside < PROTOCOL_COUNT_MAX);
    ck_assert_uint_le(train.length, TRAIN_FRAME_MAX);
    frames[0] = (struct text){(const char *)train.bytes, train.length};
    frame_count = 1 + PROTOCOL_COUNT_MAX - inside;
    for (size_t i = 1; i < frame_count; i++)
        frames[i] = (struct text){zeros, TRAIN_INSIDE_MAX};
    ck_assert_ptr_null(read_all());
    ck_assert_uint_eq(counts[0], PROTOCOL_COUNT_MAX);
    ck_assert_uint_eq(frame_at, frame_count);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_wire_does_not_change,
                                  every_form_reads_the_same,
                                  payloads_are_views,
                                  every_truncation_is_refused_from_there_on,
                                  frames_that_are_missing_are_refused,
                                  a_payload_inside_is_bin_and_nothing_else,
                                  no_claim_of_length_is_believed,
                                  bytes_left_over_begin_another_message_or_are_refused,
                                  an_envelope_has_its_bound_inside_a_frame_too,
                                  payloads_up_to_a_bound_travel_inside,
                                  a_frame_is_full_before_it_is_too_long,
                                  the_payloads_of_one_message_do_not_overflow_a_frame};
    return SUITE_RUN("train", NULL, tear_down, tests);
}
