/* test_quarantined: the file in which a request is kept. SPDX-License-Identifier: MIT */
#include "protocol.h"
#include "quarantined.h"
#include "suite.h"
#include "wire.h"

#include <stdlib.h>

#define TEXT(literal) ((struct text){literal, sizeof(literal) - 1})

static struct quarantined example(void)
{
    return (struct quarantined){.model = TEXT("m"),
                                .version = TEXT("2"),
                                .tag = TEXT("the-tag"),
                                .cause = TEXT("died"),
                                .time_ms = 1700000000123,
                                .rows = 3,
                                .kills = 2,
                                .payload = TEXT("\x90\x00\xff")};
}

static const char *decode(const uint8_t *bytes, size_t length, struct quarantined *record)
{
    static uint8_t *exact; /* of exactly that size, so that a sanitizer sees a byte too many */
    free(exact);
    exact = object_alloc(length);
    memcpy(exact, bytes, length);
    return quarantined_decode(exact, length, record);
}

START_TEST(what_is_written_is_read)
{
    uint8_t bytes[1024];
    struct quarantined record = example(), again;
    size_t length = quarantined_encode(&record, bytes, sizeof bytes);
    ck_assert_uint_gt(length, 0);
    ck_assert_uint_le(length, quarantined_bound(&record));
    ck_assert_ptr_null(decode(bytes, length, &again));
    ck_assert(text_is(again.model, "m") && text_is(again.version, "2") && text_is(again.tag, "the-tag"));
    ck_assert(text_is(again.cause, "died") && again.time_ms == 1700000000123);
    ck_assert(again.rows == 3 && again.kills == 2);
    ck_assert_uint_eq(again.payload.length, 3);
    ck_assert_mem_eq(again.payload.at, "\x90\x00\xff", 3);
}
END_TEST

START_TEST(every_truncation_and_every_byte_too_many_is_refused)
{
    uint8_t bytes[1024];
    struct quarantined record = example(), again;
    size_t length = quarantined_encode(&record, bytes, sizeof bytes);
    for (size_t cut = 1; cut < length; cut++)
        ck_assert_ptr_nonnull(decode(bytes, cut, &again));
    ck_assert_ptr_nonnull(quarantined_decode("", 0, &again));
    bytes[length] = 0xc0;
    ck_assert_str_eq(decode(bytes, length + 1, &again), "bytes are left over behind the map");
    for (size_t capacity = 0; capacity < length; capacity++)
        ck_assert_uint_eq(quarantined_encode(&record, bytes, capacity), 0);
}
END_TEST

START_TEST(the_longest_fields_fit)
{
    static char name[PROTOCOL_NAME_MAX], text[PROTOCOL_TEXT_MAX];
    memset(name, 'n', sizeof name);
    memset(text, 't', sizeof text);
    struct quarantined record = {.model = {name, sizeof name},
                                 .version = {name, sizeof name},
                                 .tag = {text, sizeof text},
                                 .cause = {text, sizeof text},
                                 .time_ms = UINT64_C(1) << 53,
                                 .rows = PROTOCOL_ROWS_MAX,
                                 .kills = UINT32_MAX};
    struct quarantined again;
    uint8_t bytes[4096];
    ck_assert_uint_le(quarantined_bound(&record), sizeof bytes);
    size_t length = quarantined_encode(&record, bytes, quarantined_bound(&record));
    ck_assert_uint_gt(length, 0);
    ck_assert_ptr_null(decode(bytes, length, &again));
    ck_assert_uint_eq(again.payload.length, 0);
}
END_TEST

/* ---- maps that somebody else wrote ---- */

static struct wire_writer writer;
static uint8_t written[2048];

static void begin(size_t pairs)
{
    wire_writer_begin(&writer, written, sizeof written);
    wire_write_map(&writer, pairs);
}

static void write_uint(const char *key, uint64_t value)
{
    wire_write_str(&writer, key);
    wire_write_uint(&writer, value);
}

static void write_str(const char *key, const char *value)
{
    wire_write_str(&writer, key);
    wire_write_str(&writer, value);
}

/* All keys but `left_out`, in another order than ours. */
static void write_all_but(const char *left_out)
{
    static const char *const texts[][2] = {
        {"cause", "silent"}, {"tag", ""}, {"version", "v"}, {"model", "m"}};
    static const char *const numbers[] = {"kills", "rows", "time_ms", "format"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (strcmp(texts[i][0], left_out) != 0)
            write_str(texts[i][0], texts[i][1]);
    if (strcmp(left_out, "payload") != 0) {
        wire_write_str(&writer, "payload");
        wire_write_bin(&writer, "x", 1);
    }
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (strcmp(numbers[i], left_out) != 0)
            write_uint(numbers[i], 1);
}

static const char *finish(void)
{
    struct quarantined record;
    size_t length = wire_writer_end(&writer);
    ck_assert_uint_gt(length, 0);
    return decode(written, length, &record);
}

START_TEST(keys_may_come_in_any_order_and_with_others)
{
    begin(9);
    write_all_but("");
    ck_assert_ptr_null(finish());
    begin(11);
    write_str("note", "looked at");
    write_all_but("");
    wire_write_str(&writer, "more");
    wire_write_array(&writer, 0);
    ck_assert_ptr_null(finish());
}
END_TEST

START_TEST(each_key_is_there_once)
{
    static const char *const keys[] = {"format", "model", "version", "time_ms", "tag",
                                       "rows",   "kills", "cause",   "payload"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        begin(8);
        write_all_but(keys[i]);
        ck_assert_str_eq(finish(), "a key is missing");
    }
    begin(10);
    write_all_but("");
    write_uint("rows", 1);
    ck_assert_str_eq(finish(), "a key is there twice");
}
END_TEST

static const char *with_uint(const char *key, uint64_t value)
{
    begin(9);
    write_all_but(key);
    write_uint(key, value);
    return finish();
}

static const char *with_str(const char *key, const char *value)
{
    begin(9);
    write_all_but(key);
    write_str(key, value);
    return finish();
}

START_TEST(values_have_bounds)
{
    char long_text[PROTOCOL_TEXT_MAX + 2];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    ck_assert_str_eq(with_uint("format", 2), "format is not 1");
    ck_assert_str_eq(with_uint("format", 0), "format is not 1");
    ck_assert_str_eq(with_uint("rows", 0), "rows is out of bounds");
    ck_assert_str_eq(with_uint("rows", PROTOCOL_ROWS_MAX + 1), "rows is out of bounds");
    ck_assert_ptr_null(with_uint("rows", PROTOCOL_ROWS_MAX));
    ck_assert_ptr_null(with_uint("kills", 0));
    ck_assert_str_eq(with_uint("kills", 1ULL << 32), "kills is out of bounds");
    ck_assert_str_eq(with_uint("time_ms", (1ULL << 53) + 1), "time_ms is out of bounds");
    ck_assert_str_eq(with_uint("payload", 1), "payload is no bin");
    ck_assert_str_eq(with_uint("tag", 1), "tag is no text of at most 512 bytes");
    ck_assert_str_eq(with_str("model", ""), "model is no name");
    ck_assert_str_eq(with_str("model", "../m"), "model is no name");
    ck_assert_str_eq(with_str("version", ".."), "version is no name");
    ck_assert_str_eq(with_str("rows", "1"), "rows is out of bounds");
    ck_assert_str_eq(with_str("tag", long_text), "tag is no text of at most 512 bytes");
    ck_assert_str_eq(with_str("cause", long_text), "cause is no text of at most 512 bytes");
}
END_TEST

START_TEST(what_is_no_map_of_texts_is_refused)
{
    struct quarantined record;
    ck_assert_str_eq(decode((const uint8_t *)"\x90", 1, &record), "it is no msgpack map");
    ck_assert_str_eq(decode((const uint8_t *)"no map", 6, &record), "it is no msgpack map");
    ck_assert_str_eq(decode((const uint8_t *)"\x80", 1, &record), "a key is missing");
    ck_assert_str_eq(decode((const uint8_t *)"\x81\x01\x01", 3, &record),
                     "a key is no text, or the file is cut off");
    ck_assert_str_eq(decode((const uint8_t *)"\x81\xa1x\xc1", 4, &record),
                     "a value cannot be read, or the file is cut off");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_is_written_is_read,
                                  every_truncation_and_every_byte_too_many_is_refused,
                                  the_longest_fields_fit,
                                  keys_may_come_in_any_order_and_with_others,
                                  each_key_is_there_once,
                                  values_have_bounds,
                                  what_is_no_map_of_texts_is_refused};
    return SUITE_RUN("quarantined", NULL, NULL, tests);
}
