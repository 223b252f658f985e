/* test_encoding: what headers say of packed bodies, and bodies packed and unpacked: every cut, every limit.
 * SPDX-License-Identifier: MIT */
#include "compression.h"
#include "http.h"
#include "suite.h"

enum { SIZE = 20000 };

static struct output out;
static char plain[SIZE];

static void set_up(void)
{
    out = (struct output){0};
    for (size_t i = 0; i < SIZE; i++)
        plain[i] = (char)("0123456789,.[]-e"[i * i % 13]);
}

static void tear_down(void)
{
    output_free(&out);
}

/* ---- headers ---- */

START_TEST(content_encodings_are_named)
{
    ck_assert_int_eq(encoding_of((struct text){NULL, 0}), ENCODING_IDENTITY);
    ck_assert_int_eq(encoding_of(text_of("")), ENCODING_IDENTITY);
    ck_assert_int_eq(encoding_of(text_of("Identity")), ENCODING_IDENTITY);
    ck_assert_int_eq(encoding_of(text_of("gzip")), ENCODING_GZIP);
    ck_assert_int_eq(encoding_of(text_of("X-GZip")), ENCODING_GZIP);
    ck_assert_int_eq(encoding_of(text_of("DEFLATE")), ENCODING_DEFLATE);
    ck_assert_int_eq(encoding_of(text_of("gzip, gzip")), ENCODING_UNKNOWN);
    ck_assert_int_eq(encoding_of(text_of("br")), ENCODING_UNKNOWN);
    ck_assert_str_eq(encoding_name(ENCODING_GZIP), "gzip");
    ck_assert_str_eq(encoding_name(ENCODING_DEFLATE), "deflate");
    ck_assert_ptr_null(encoding_name(ENCODING_IDENTITY));
    ck_assert_ptr_null(encoding_name(ENCODING_UNKNOWN));
}
END_TEST

START_TEST(the_encoding_that_is_liked_best_is_taken)
{
    static const struct {
        const char *header;
        enum encoding encoding;
    } cases[] = {
        {"", ENCODING_IDENTITY},
        {"br", ENCODING_IDENTITY},
        {"identity", ENCODING_IDENTITY},
        {"gzip", ENCODING_GZIP},
        {" gzip ", ENCODING_GZIP},
        {"GZIP;q=0.001", ENCODING_GZIP},
        {"gzip;q=0", ENCODING_IDENTITY},
        {"gzip;q=0.0, deflate;q=0.000", ENCODING_IDENTITY},
        {"deflate, gzip", ENCODING_GZIP},
        {"deflate;q=0.8, gzip;q=0.79", ENCODING_DEFLATE},
        {"deflate ; q=1, gzip\t;\tq=0.999", ENCODING_DEFLATE},
        {"br;q=1,deflate;q=0.1,*;q=0", ENCODING_DEFLATE},
        {"*", ENCODING_GZIP},
        {"*;q=0.5,gzip;q=0", ENCODING_DEFLATE},
        {"*;q=0", ENCODING_IDENTITY},
        {"gzip;q=x", ENCODING_IDENTITY},
        {"gzip;q=", ENCODING_IDENTITY},
        {"gzip;level=9", ENCODING_IDENTITY},
        {"gzip;q=7", ENCODING_GZIP},
        {",,;,gzip,,", ENCODING_GZIP},
        {"gzip;q=0.5;q=1", ENCODING_IDENTITY},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_msg(encoding_accepted(text_of(cases[i].header)) == cases[i].encoding, "%s",
                      cases[i].header);
}
END_TEST

/* ---- bodies ---- */

/* What `length` bytes of `plain` are, packed; the caller frees. */
static struct output packed(enum encoding encoding, size_t length)
{
    struct output body = {0};
    output_add(&body, plain, length);
    ck_assert(compression_pack(encoding, &body));
    ck_assert_uint_lt(body.length, length);
    return body;
}

static const enum encoding both[] = {ENCODING_GZIP, ENCODING_DEFLATE};

START_TEST(what_is_packed_is_unpacked_within_its_limit)
{
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct output body = packed(both[i], SIZE);
        for (size_t more = 0; more < 3; more++) {
            ck_assert_int_eq(compression_unpack(both[i], body.bytes, body.length, SIZE + more, &out),
                             UNPACKED_WELL);
            ck_assert_uint_eq(out.length, SIZE);
            ck_assert_mem_eq(out.bytes, plain, SIZE);
            ck_assert_uint_ge(out.capacity, out.length + HTTP_BODY_PADDING);
        }
        for (size_t limit = 0; limit < SIZE; limit += limit < 70 ? 1 : 1999) {
            ck_assert_int_eq(compression_unpack(both[i], body.bytes, body.length, limit, &out),
                             UNPACKED_TOO_LARGE);
            ck_assert_uint_le(out.length, limit + 1);
        }
        output_free(&body);
    }
}
END_TEST

START_TEST(a_body_that_is_cut_changed_or_longer_is_broken)
{
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct output body = packed(both[i], 3000);
        for (size_t length = 0; length < body.length; length++)
            ck_assert_int_eq(compression_unpack(both[i], body.bytes, length, SIZE, &out), UNPACKED_BROKEN);
        body.bytes[body.length - 1] ^= 1; /* of the checksum, or the length */
        ck_assert_int_eq(compression_unpack(both[i], body.bytes, body.length, SIZE, &out), UNPACKED_BROKEN);
        body.bytes[body.length - 1] ^= 1;
        ck_assert_int_eq(compression_unpack(both[1 - i], body.bytes, body.length, SIZE, &out),
                         UNPACKED_BROKEN);
        output_add_char(&body, 'x');
        ck_assert_int_eq(compression_unpack(both[i], body.bytes, body.length, SIZE, &out), UNPACKED_BROKEN);
        output_free(&body);
    }
    ck_assert_int_eq(compression_unpack(ENCODING_DEFLATE, plain, SIZE, SIZE, &out), UNPACKED_BROKEN);
}
END_TEST

START_TEST(gzip_may_have_several_members)
{
    struct output body = packed(ENCODING_GZIP, 3000), second = packed(ENCODING_GZIP, 2000);
    output_add(&body, second.bytes, second.length);
    ck_assert_int_eq(compression_unpack(ENCODING_GZIP, body.bytes, body.length, 5000, &out), UNPACKED_WELL);
    ck_assert_uint_eq(out.length, 5000);
    ck_assert_mem_eq(out.bytes + 3000, plain, 2000);
    ck_assert_int_eq(compression_unpack(ENCODING_GZIP, body.bytes, body.length, 4999, &out),
                     UNPACKED_TOO_LARGE);
    output_free(&body);
    output_free(&second);
}
END_TEST

START_TEST(a_bomb_takes_no_more_memory_than_its_limit)
{
    enum { BOMB = 64 << 20, LIMIT = 1 << 20 };
    struct output body = {.bytes = calloc(1, BOMB), .length = BOMB, .capacity = BOMB};
    ck_assert(compression_pack(ENCODING_GZIP, &body));
    ck_assert_uint_lt(body.length, BOMB / 200);
    ck_assert_int_eq(compression_unpack(ENCODING_GZIP, body.bytes, body.length, LIMIT, &out),
                     UNPACKED_TOO_LARGE);
    ck_assert_uint_lt(out.capacity, 3 * LIMIT);
    output_free(&body);
}
END_TEST

START_TEST(what_becomes_no_smaller_stays_as_it_is)
{
    struct output body = {0};
    output_add_string(&body, "{\"a\":1}");
    ck_assert(!compression_pack(ENCODING_GZIP, &body));
    ck_assert_uint_eq(body.length, 7);
    ck_assert_mem_eq(body.bytes, "{\"a\":1}", 7);
    output_free(&body);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        content_encodings_are_named,
        the_encoding_that_is_liked_best_is_taken,
        what_is_packed_is_unpacked_within_its_limit,
        a_body_that_is_cut_changed_or_longer_is_broken,
        gzip_may_have_several_members,
        a_bomb_takes_no_more_memory_than_its_limit,
        what_becomes_no_smaller_stays_as_it_is,
    };
    return SUITE_RUN("encoding", set_up, tear_down, tests);
}
