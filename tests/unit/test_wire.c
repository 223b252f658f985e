/* test_wire: msgpack read strictly. Every type byte, every truncation, every bound; what is written is
 * compared with fixed bytes and read back. SPDX-License-Identifier: MIT */
#include "suite.h"
#include "wire.h"

#include <math.h>
#include <stdlib.h>

static uint8_t bytes[4096];
static struct wire_writer writer;

static void set_up(void)
{
    memset(bytes, 0, sizeof bytes);
    wire_writer_begin(&writer, bytes, sizeof bytes);
}

/* A reader of what the writer wrote so far. */
static struct wire_reader written(void)
{
    return wire_reader(bytes, wire_writer_end(&writer));
}

/* A reader of a string literal's bytes. */
#define READER(literal) wire_reader(literal, sizeof(literal) - 1)

/* ---- reading, one function for all: what a type byte may be read as ---- */

enum kind { ARRAY, MAP, UINT, INT, BOOL, DOUBLE, STR, BIN, SKIP, KINDS };

static bool read_as(enum kind kind, struct wire_reader *reader)
{
    uint32_t count;
    uint64_t number;
    int64_t integer;
    bool truth;
    double real;
    struct text text;
    switch (kind) {
    case ARRAY:
        return wire_read_array(reader, &count);
    case MAP:
        return wire_read_map(reader, &count);
    case UINT:
        return wire_read_uint(reader, UINT64_MAX, &number);
    case INT:
        return wire_read_int(reader, &integer);
    case BOOL:
        return wire_read_bool(reader, &truth);
    case DOUBLE:
        return wire_read_double(reader, &real);
    case STR:
        return wire_read_str(reader, SIZE_MAX, &text);
    case BIN:
        return wire_read_bin(reader, SIZE_MAX, &text);
    default:
        return wire_skip(reader);
    }
}

/* The MessagePack specification's table of first bytes: may this byte begin that kind? */
static bool belongs(uint8_t type, enum kind kind)
{
    bool is_array = (type >= 0x90 && type <= 0x9f) || type == 0xdc || type == 0xdd;
    bool is_map = (type >= 0x80 && type <= 0x8f) || type == 0xde || type == 0xdf;
    bool is_uint = type <= 0x7f || (type >= 0xcc && type <= 0xcf);
    bool is_int = is_uint || type >= 0xe0 || (type >= 0xd0 && type <= 0xd3);
    bool is_str = (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb);
    bool is_bin = type >= 0xc4 && type <= 0xc6;
    bool is_bool = type == 0xc2 || type == 0xc3;
    bool is_real = type == 0xca || type == 0xcb;
    const bool table[KINDS] = {[ARRAY] = is_array,
                               [MAP] = is_map,
                               [UINT] = is_uint,
                               [INT] = is_int,
                               [BOOL] = is_bool,
                               [DOUBLE] = is_int || is_real,
                               [STR] = is_str,
                               [BIN] = is_bin,
                               [SKIP] = is_array || is_map || is_int || is_str || is_bin || is_bool ||
                                        is_real || type == 0xc0};
    return table[kind];
}

START_TEST(every_type_byte_is_read_as_what_it_is)
{
    for (unsigned type = 0; type < 256; type++) {
        for (enum kind kind = 0; kind < KINDS; kind++) {
            uint8_t element[64] = {
                (uint8_t)type}; /* behind it zeros: empty contents, the number 0, elements 0 */
            struct wire_reader reader = wire_reader(element, sizeof element);
            ck_assert_msg(read_as(kind, &reader) == belongs((uint8_t)type, kind), "type %02x as kind %d",
                          type, kind);
            ck_assert(reader.failed != belongs((uint8_t)type, kind));
        }
    }
}
END_TEST

START_TEST(nothing_is_read_from_nothing)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct wire_reader reader = wire_reader(NULL, 0);
        ck_assert(wire_finished(&reader));
        ck_assert(!read_as(kind, &reader));
        ck_assert(!wire_finished(&reader));
    }
}
END_TEST

START_TEST(a_failed_reader_stays_failed_and_does_not_move)
{
    struct wire_reader reader = READER("\xc0\x01");
    uint64_t number;
    ck_assert(!wire_read_uint(&reader, UINT64_MAX, &number));
    const uint8_t *at = reader.at;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        ck_assert(!read_as(kind, &reader));
        ck_assert_ptr_eq(reader.at, at);
    }
    ck_assert(!wire_finished(&reader));
}
END_TEST

/* ---- numbers ---- */

static const uint64_t unsigned_numbers[] = {
    0,          1,          0x7f,       0x80,      0xff,       0x100,      0xffff,      0x10000,
    0xffffffff, 1ULL << 32, 1ULL << 53, INT64_MAX, 1ULL << 63, UINT64_MAX, 0x123456789, 4096};
static const int64_t signed_numbers[] = {0,         1,         127,
                                         128,       -1,        -32,
                                         -33,       -128,      -129,
                                         INT16_MIN, INT16_MAX, INT16_MIN - 1,
                                         INT32_MIN, INT32_MAX, -(INT64_C(1) << 40),
                                         INT64_MIN, INT64_MAX};

START_TEST(unsigned_numbers_come_back)
{
    for (size_t i = 0; i < COUNT_OF(unsigned_numbers); i++) {
        uint64_t expected = unsigned_numbers[i], number = 0;
        set_up();
        wire_write_uint(&writer, expected);
        struct wire_reader reader = written();
        ck_assert(wire_read_uint(&reader, expected, &number) && wire_finished(&reader));
        ck_assert_uint_eq(number, expected);
        if (expected > 0) {
            reader = written();
            ck_assert(!wire_read_uint(&reader, expected - 1, &number));
        }
        for (size_t length = 0; length < wire_writer_end(&writer); length++) {
            reader = wire_reader(bytes, length);
            ck_assert(!wire_read_uint(&reader, UINT64_MAX, &number));
        }
    }
}
END_TEST

START_TEST(signed_numbers_come_back)
{
    for (size_t i = 0; i < COUNT_OF(signed_numbers); i++) {
        int64_t number = 0;
        set_up();
        wire_write_int(&writer, signed_numbers[i]);
        struct wire_reader reader = written();
        ck_assert(wire_read_int(&reader, &number) && wire_finished(&reader));
        ck_assert_int_eq(number, signed_numbers[i]);
        uint64_t natural;
        reader = written();
        ck_assert(wire_read_uint(&reader, UINT64_MAX, &natural) == (signed_numbers[i] >= 0));
        for (size_t length = 0; length < wire_writer_end(&writer); length++) {
            reader = wire_reader(bytes, length);
            ck_assert(!wire_read_int(&reader, &number));
        }
    }
}
END_TEST

START_TEST(a_number_may_be_wider_than_it_needs)
{
    const struct wire_reader wide[] = {READER("\x07"),
                                       READER("\xcc\x07"),
                                       READER("\xcd\x00\x07"),
                                       READER("\xce\x00\x00\x00\x07"),
                                       READER("\xcf\x00\x00\x00\x00\x00\x00\x00\x07"),
                                       READER("\xd0\x07"),
                                       READER("\xd1\x00\x07"),
                                       READER("\xd2\x00\x00\x00\x07"),
                                       READER("\xd3\x00\x00\x00\x00\x00\x00\x00\x07")};
    for (size_t i = 0; i < COUNT_OF(wide); i++) {
        struct wire_reader reader = wide[i];
        int64_t integer;
        ck_assert(wire_read_int(&reader, &integer) && wire_finished(&reader));
        ck_assert_int_eq(integer, 7);
        reader = wide[i];
        uint64_t number;
        ck_assert(wire_read_uint(&reader, 7, &number) ==
                  (i < 5)); /* the signed types are no unsigned number */
    }
}
END_TEST

START_TEST(an_unsigned_number_above_int64_is_no_signed_one)
{
    struct wire_reader reader = READER("\xcf\x80\x00\x00\x00\x00\x00\x00\x00");
    int64_t number;
    ck_assert(!wire_read_int(&reader, &number));
    double real;
    reader = READER("\xcf\x80\x00\x00\x00\x00\x00\x00\x00");
    ck_assert(!wire_read_double(&reader, &real));
}
END_TEST

START_TEST(doubles_come_back_bit_by_bit)
{
    const double numbers[] = {0, -0.0, 1.5, -1e308, 5e-324, INFINITY, -INFINITY, NAN, 0.1};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        double number = 0;
        set_up();
        wire_write_double(&writer, numbers[i]);
        struct wire_reader reader = written();
        ck_assert(wire_read_double(&reader, &number) && wire_finished(&reader));
        ck_assert_mem_eq(&number, &numbers[i], sizeof number);
        for (size_t length = 0; length < 9; length++) {
            reader = wire_reader(bytes, length);
            ck_assert(!wire_read_double(&reader, &number));
        }
    }
    double number;
    struct wire_reader single = READER("\xca\x3f\xc0\x00\x00");
    ck_assert(wire_read_double(&single, &number) && number == 1.5);
    single = READER("\xca\x3f\xc0\x00");
    ck_assert(!wire_read_double(&single, &number));
    struct wire_reader integer = READER("\xd1\xff\x00");
    ck_assert(wire_read_double(&integer, &number) && number == -256);
}
END_TEST

START_TEST(truths_come_back)
{
    bool yes = false, no = true;
    wire_write_bool(&writer, true);
    wire_write_bool(&writer, false);
    struct wire_reader reader = written();
    ck_assert(wire_read_bool(&reader, &yes) && wire_read_bool(&reader, &no) && wire_finished(&reader));
    ck_assert(yes && !no);
}
END_TEST

/* ---- contents ---- */

START_TEST(strings_and_bins_come_back_at_every_width)
{
    const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
    char *content = malloc(70000);
    uint8_t *room = malloc(70000);
    memset(content, 'x', 70000);
    for (size_t i = 0; i < COUNT_OF(lengths) * 2; i++) {
        struct text expected = {content, lengths[i / 2]}, text;
        bool is_bin = i % 2 == 1;
        wire_writer_begin(&writer, room, 70000);
        if (is_bin)
            wire_write_bin(&writer, expected.at, expected.length);
        else
            wire_write_text(&writer, expected);
        size_t length = wire_writer_end(&writer);
        struct wire_reader reader = wire_reader(room, length);
        ck_assert(is_bin ? wire_read_bin(&reader, expected.length, &text)
                         : wire_read_str(&reader, expected.length, &text));
        ck_assert(wire_finished(&reader) && text.length == expected.length);
        ck_assert_mem_eq(text.at, expected.at, text.length);
        for (size_t cut = 0; cut<length; cut += length> 1000 && cut > 8 && cut + 8 < length ? 997 : 1) {
            reader = wire_reader(room, cut);
            ck_assert(!(is_bin ? wire_read_bin(&reader, SIZE_MAX, &text)
                               : wire_read_str(&reader, SIZE_MAX, &text)));
        }
        reader = wire_reader(room, length);
        ck_assert(expected.length == 0 || !(is_bin ? wire_read_bin(&reader, expected.length - 1, &text)
                                                   : wire_read_str(&reader, expected.length - 1, &text)));
    }
    free(content);
    free(room);
}
END_TEST

START_TEST(claims_of_more_than_is_there_are_refused)
{
    const struct wire_reader claims[] = {READER("\xdb\xff\xff\xff\xff"),
                                         READER("\xc6\xff\xff\xff\xff"),
                                         READER("\xdd\xff\xff\xff\xff"),
                                         READER("\xdf\xff\xff\xff\xff"),
                                         READER("\xdd\x00\x00\x00\x01"),
                                         READER("\xdc\x00\x02\x00"),
                                         READER("\xdf\x00\x00\x00\x01\x00"),
                                         READER("\xde\x00\x01\x00"),
                                         READER("\x91"),
                                         READER("\x81\x00"),
                                         READER("\xa1"),
                                         READER("\xd9\x01"),
                                         READER("\xdc"),
                                         READER("\xdd\x00\x00\x00"),
                                         READER("\xde\x00"),
                                         READER("\xdf\x00")};
    for (size_t i = 0; i < COUNT_OF(claims); i++)
        for (enum kind kind = 0; kind < KINDS; kind++) {
            struct wire_reader reader = claims[i];
            ck_assert(!read_as(kind, &reader));
        }
}
END_TEST

START_TEST(arrays_and_maps_come_back_at_every_width)
{
    const size_t counts[] = {0, 1, 15, 16, 65535, 65536};
    uint8_t *room = calloc(1, 200000); /* zeros are elements, too */
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        uint32_t count;
        wire_writer_begin(&writer, room, 10);
        wire_write_array(&writer, counts[i]);
        struct wire_reader reader = wire_reader(room, wire_writer_end(&writer) + counts[i]);
        ck_assert(wire_read_array(&reader, &count) && count == counts[i]);
        ck_assert_uint_eq((size_t)(reader.end - reader.at), counts[i]);
        wire_writer_begin(&writer, room, 10);
        wire_write_map(&writer, counts[i]);
        reader = wire_reader(room, wire_writer_end(&writer) + 2 * counts[i]);
        ck_assert(wire_read_map(&reader, &count) && count == counts[i]);
        ck_assert_uint_eq((size_t)(reader.end - reader.at), 2 * counts[i]);
        memset(room, 0, 10);
    }
    free(room);
}
END_TEST

/* ---- skipping ---- */

START_TEST(skip_passes_over_one_element_whatever_it_holds)
{
    const struct wire_reader elements[] = {READER("\x00"),
                                           READER("\xff"),
                                           READER("\xc0"),
                                           READER("\xc3"),
                                           READER("\xca....") /* float */,
                                           READER("\xcb........"),
                                           READER("\xcc."),
                                           READER("\xcd.."),
                                           READER("\xce...."),
                                           READER("\xcf........"),
                                           READER("\xd0."),
                                           READER("\xd1.."),
                                           READER("\xd2...."),
                                           READER("\xd3........"),
                                           READER("\xa3"
                                                  "abc"),
                                           READER("\xd9\x03"
                                                  "abc"),
                                           READER("\xda\x00\x03"
                                                  "abc"),
                                           READER("\xdb\x00\x00\x00\x03"
                                                  "abc"),
                                           READER("\xc4\x03"
                                                  "abc"),
                                           READER("\xc5\x00\x03"
                                                  "abc"),
                                           READER("\xc6\x00\x00\x00\x03"
                                                  "abc"),
                                           READER("\x92\x01\xa1x"),
                                           READER("\xdc\x00\x02\x01\x91\x02"),
                                           READER("\xdd\x00\x00\x00\x01\xc0"),
                                           READER("\x81\xa1x\x82\x01\x02\x03\x90"),
                                           READER("\xde\x00\x01\x01\x02"),
                                           READER("\xdf\x00\x00\x00\x01\x01\x02")};
    for (size_t i = 0; i < COUNT_OF(elements); i++) {
        struct wire_reader reader = elements[i];
        ck_assert_msg(wire_skip(&reader) && wire_finished(&reader), "element %zu", i);
        for (const uint8_t *end = elements[i].at; end < elements[i].end; end++) {
            reader = wire_reader(elements[i].at, (size_t)(end - elements[i].at));
            ck_assert_msg(!wire_skip(&reader), "element %zu cut", i);
        }
    }
}
END_TEST

START_TEST(skip_refuses_extension_types)
{
    const uint8_t types[] = {0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8};
    for (size_t i = 0; i < sizeof types; i++) {
        uint8_t element[32] = {types[i]};
        struct wire_reader reader = wire_reader(element, sizeof element);
        ck_assert(!wire_skip(&reader));
        uint8_t nested[33] = {0x91, types[i]};
        reader = wire_reader(nested, sizeof nested);
        ck_assert(!wire_skip(&reader));
    }
}
END_TEST

START_TEST(skip_is_bounded_in_depth)
{
    uint8_t nested[100000];
    for (int map = 0; map < 2; map++) {
        memset(nested, map ? 0x81 : 0x91, sizeof nested);
        if (map) /* each value is the next map, each key 0 */
            for (size_t i = 1; i < sizeof nested; i += 2)
                nested[i] = 0;
        size_t step = map ? 2 : 1;
        nested[32 * step] = 0x07; /* 32 levels, and a number in the innermost */
        struct wire_reader reader = wire_reader(nested, 32 * step + 1);
        ck_assert(wire_skip(&reader) && wire_finished(&reader));
        nested[32 * step] = map ? 0x81 : 0x91;
        nested[33 * step] = 0x07;
        reader = wire_reader(nested, 33 * step + 1);
        ck_assert(!wire_skip(&reader));
        nested[33 * step] = map ? 0x81 : 0x91;
        reader = wire_reader(nested, sizeof nested);
        ck_assert(!wire_skip(&reader));
    }
}
END_TEST

/* ---- writing ---- */

static void write_some_of_everything(struct wire_writer *to)
{
    wire_write_array(to, 9);
    wire_write_map(to, 1);
    wire_write_str(to, "key");
    wire_write_bin(to, "\x01\x02", 2);
    wire_write_uint(to, 300);
    wire_write_int(to, -5);
    wire_write_bool(to, true);
    wire_write_bool(to, false);
    wire_write_double(to, 1.5);
    wire_write_text(to, (struct text){0});
    wire_write_bin(to, NULL, 0);
    wire_write_str(to, NULL);
}

static const uint8_t some_of_everything[] = "\x99\x81\xa3key\xc4\x02\x01\x02\xcd\x01\x2c\xfb\xc3\xc2\xcb\x3f"
                                            "\xf8\x00\x00\x00\x00\x00\x00\xa0\xc4\x00\xa0";

START_TEST(what_is_written_does_not_change)
{
    write_some_of_everything(&writer);
    ck_assert_uint_eq(wire_writer_end(&writer), sizeof some_of_everything - 1);
    ck_assert_mem_eq(bytes, some_of_everything, sizeof some_of_everything - 1);
}
END_TEST

START_TEST(what_does_not_fit_is_an_overflow_at_any_size)
{
    size_t needed = sizeof some_of_everything - 1;
    for (size_t capacity = 0; capacity <= needed + 1; capacity++) {
        memset(bytes, 0xee, sizeof bytes);
        wire_writer_begin(&writer, bytes, capacity);
        write_some_of_everything(&writer);
        ck_assert_uint_eq(wire_writer_end(&writer), capacity >= needed ? needed : 0);
        for (size_t i = capacity; i < capacity + 16; i++)
            ck_assert_uint_eq(bytes[i], 0xee);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_type_byte_is_read_as_what_it_is,
                                  nothing_is_read_from_nothing,
                                  a_failed_reader_stays_failed_and_does_not_move,
                                  unsigned_numbers_come_back,
                                  signed_numbers_come_back,
                                  a_number_may_be_wider_than_it_needs,
                                  an_unsigned_number_above_int64_is_no_signed_one,
                                  doubles_come_back_bit_by_bit,
                                  truths_come_back,
                                  strings_and_bins_come_back_at_every_width,
                                  claims_of_more_than_is_there_are_refused,
                                  arrays_and_maps_come_back_at_every_width,
                                  skip_passes_over_one_element_whatever_it_holds,
                                  skip_refuses_extension_types,
                                  skip_is_bounded_in_depth,
                                  what_is_written_does_not_change,
                                  what_does_not_fit_is_an_overflow_at_any_size};
    return SUITE_RUN("wire", set_up, NULL, tests);
}
