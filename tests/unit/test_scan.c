/* test_scan: the framing of FastCGI requests: every way in which the bytes may come in pieces, and every
 * record that has no business where it stands. SPDX-License-Identifier: MIT */
#include "scan.h"
#include "suite.h"

#include <stdlib.h>

enum { BEGIN = 1, ABORT = 2, PARAMS = 4, STDIN = 5, GET_VALUES = 9, RESPONDER = 1 };

static const struct scan_limits limits = {.max_params = 100, .max_body = 200};

/* A request under construction. */
static uint8_t bytes[300000];
static size_t length;

static void add(uint8_t type, uint16_t id, size_t content, uint8_t padding)
{
    const uint8_t header[8] = {
        1, type, (uint8_t)(id >> 8), (uint8_t)id, (uint8_t)(content >> 8), (uint8_t)content, padding, 0};
    memcpy(bytes + length, header, sizeof header);
    uint8_t *rest = bytes + length + sizeof header;
    memset(rest, 0, content); /* as PARAMS: parameters with empty names and values */
    memset(rest + content, 0xa5, padding);
    if (type == BEGIN && content > 1)
        rest[1] = RESPONDER;
    length += sizeof header + content + padding;
}

static void begin(void)
{
    length = 0;
    add(BEGIN, 1, 8, 0);
}

/* A request as web servers send it, with padding and several records of each stream. */
static void make_request(void)
{
    begin();
    add(PARAMS, 1, 40, 0);
    add(PARAMS, 1, 23, 1); /* a parameter may go on in the next record */
    add(PARAMS, 1, 1, 0);
    add(PARAMS, 1, 0, 0);
    add(STDIN, 1, 70, 2);
    add(STDIN, 1, 8, 0);
    add(STDIN, 1, 0, 0);
}

static enum scan_result feed_all(void)
{
    struct scan scan = {0};
    return scan_feed(&scan, &limits, bytes, length);
}

START_TEST(a_request_is_complete_with_its_last_byte)
{
    make_request();
    for (size_t cut = 0; cut <= length; cut++) {
        struct scan scan = {0};
        uint8_t *exact = object_alloc(cut); /* so that a sanitizer sees a byte too many */
        memcpy(exact, bytes, cut);
        ck_assert_int_eq(scan_feed(&scan, &limits, exact, cut), cut == length ? SCAN_COMPLETE : SCAN_PARTIAL);
        ck_assert_uint_eq(scan.offset, cut);
        free(exact);
    }
}
END_TEST

/* What a scan of the whole request must have found. */
static void check_found(const struct scan *scan)
{
    ck_assert_uint_eq(scan->request_id, 1);
    ck_assert_uint_eq(scan->params, 64);
    ck_assert_uint_eq(scan->body, 78);
    ck_assert_uint_eq(scan->params_end, 16 + 48 + 32 + 9 + 8);
    ck_assert_uint_eq(scan->offset, length);
}

START_TEST(it_may_come_in_two_pieces_cut_anywhere)
{
    make_request();
    for (size_t cut = 0; cut < length; cut++) {
        struct scan scan = {0};
        ck_assert_int_eq(scan_feed(&scan, &limits, bytes, cut), SCAN_PARTIAL);
        ck_assert_int_eq(scan_feed(&scan, &limits, bytes + cut, length - cut), SCAN_COMPLETE);
        check_found(&scan);
    }
}
END_TEST

START_TEST(it_may_come_in_pieces_of_any_size)
{
    make_request();
    for (size_t piece = 1; piece < 100; piece++) {
        struct scan scan = {0};
        enum scan_result result = SCAN_PARTIAL;
        for (size_t at = 0; at < length; at += piece) {
            ck_assert_int_eq(result, SCAN_PARTIAL);
            ck_assert_int_eq(scan_feed(&scan, &limits, bytes + at, 0), SCAN_PARTIAL);
            result = scan_feed(&scan, &limits, bytes + at, length - at < piece ? length - at : piece);
        }
        ck_assert_int_eq(result, SCAN_COMPLETE);
        check_found(&scan);
    }
}
END_TEST

START_TEST(a_request_may_have_no_body_and_no_parameters)
{
    begin();
    add(PARAMS, 1, 0, 0);
    add(STDIN, 1, 0, 0);
    ck_assert_int_eq(feed_all(), SCAN_COMPLETE);
}
END_TEST

START_TEST(any_record_may_have_padding)
{
    length = 0;
    add(BEGIN, 1, 8, 255);
    add(PARAMS, 1, 1, 255);
    add(PARAMS, 1, 1, 255);
    add(PARAMS, 1, 0, 255);
    size_t params_end = length;
    add(STDIN, 1, 1, 255);
    add(STDIN, 1, 0, 255);
    struct scan scan = {0};
    ck_assert_int_eq(scan_feed(&scan, &limits, bytes, length - 1),
                     SCAN_PARTIAL); /* the padding is part of it */
    ck_assert_int_eq(scan_feed(&scan, &limits, bytes + length - 1, 1), SCAN_COMPLETE);
    ck_assert_uint_eq(scan.params_end, params_end);
}
END_TEST

START_TEST(the_largest_records_are_read)
{
    const struct scan_limits wide = {.max_params = 65534, .max_body = 2 * 65535};
    struct scan scan = {0};
    length = 0;
    add(BEGIN, 65535, 8, 0);
    add(PARAMS, 65535, 65534, 0);
    add(PARAMS, 65535, 0, 0);
    add(STDIN, 65535, 65535, 255);
    add(STDIN, 65535, 65535, 255);
    add(STDIN, 65535, 0, 0);
    ck_assert_int_eq(scan_feed(&scan, &wide, bytes, length), SCAN_COMPLETE);
    ck_assert_uint_eq(scan.body, 2 * 65535);
}
END_TEST

/* ---- refused ---- */

/* The request up to a stage: 0 nothing, 1 BEGIN, 2 some parameters, 3 all of them, 4 some of the body. */
static void make_until(int stage)
{
    length = 0;
    if (stage >= 1)
        add(BEGIN, 7, 8, 0);
    if (stage >= 2)
        add(PARAMS, 7, 10, 6);
    if (stage >= 3)
        add(PARAMS, 7, 0, 0);
    if (stage >= 4)
        add(STDIN, 7, 10, 6);
}

static const uint8_t allowed[] = {BEGIN, PARAMS, PARAMS, STDIN, STDIN};

START_TEST(at_each_stage_one_type_of_record_may_come)
{
    for (int stage = 0; stage < 5; stage++)
        for (unsigned type = 0; type < 256; type++) {
            make_until(stage);
            add((uint8_t)type, 7, 8, 0);
            ck_assert_msg(feed_all() == (type == allowed[stage] ? SCAN_PARTIAL : SCAN_REFUSED),
                          "stage %d, type %u", stage, type);
        }
}
END_TEST

START_TEST(a_record_is_refused_by_its_header_alone)
{
    for (int stage = 0; stage < 5; stage++) {
        make_until(stage);
        add(ABORT, 7, 8, 0);
        length -= 8;
        ck_assert_int_eq(feed_all(), SCAN_REFUSED);
        length -= 1;
        ck_assert_int_eq(feed_all(), SCAN_PARTIAL);
    }
}
END_TEST

START_TEST(all_records_have_the_same_id_and_it_is_not_0)
{
    static const uint16_t ids[] = {0, 6, 8, 0x0700, 0xffff};
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        for (int stage = 0; stage < 5; stage++) {
            make_until(stage);
            add(allowed[stage], ids[i], 8, 0);
            bool first = stage == 0 && ids[i] != 0;
            ck_assert_int_eq(feed_all(), first ? SCAN_PARTIAL : SCAN_REFUSED);
        }
}
END_TEST

START_TEST(management_records_are_refused)
{
    for (int stage = 0; stage < 5; stage++) {
        make_until(stage);
        add(GET_VALUES, 0, 8, 0);
        ck_assert_int_eq(feed_all(), SCAN_REFUSED);
    }
}
END_TEST

START_TEST(other_versions_are_refused)
{
    for (int stage = 0; stage < 5; stage++)
        for (unsigned version = 0; version < 256; version++) {
            make_until(stage);
            size_t at = length;
            add(allowed[stage], 7, 8, 0);
            bytes[at] = (uint8_t)version;
            ck_assert_int_eq(feed_all(), version == 1 ? SCAN_PARTIAL : SCAN_REFUSED);
        }
}
END_TEST

START_TEST(the_beginning_has_eight_bytes)
{
    for (size_t content = 0; content < 20; content++) {
        length = 0;
        add(BEGIN, 1, content, 0);
        ck_assert_int_eq(feed_all(), content == 8 ? SCAN_PARTIAL : SCAN_REFUSED);
    }
}
END_TEST

START_TEST(nothing_may_stand_behind_a_request)
{
    make_request();
    bytes[length++] = 1;
    ck_assert_int_eq(feed_all(), SCAN_REFUSED);
    begin();
    add(PARAMS, 1, 0, 0);
    add(STDIN, 1, 0, 3);
    add(BEGIN, 2, 8, 0); /* another request on the same connection, before the answer */
    ck_assert_int_eq(feed_all(), SCAN_REFUSED);
}
END_TEST

START_TEST(what_is_not_fastcgi_is_refused_at_once)
{
    static const char *const others[] = {"GET / HTTP/1.1\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01",
                                         "\0\0\0\0\0\0\0\0"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct scan scan = {0};
        ck_assert_int_eq(scan_feed(&scan, &limits, (const uint8_t *)others[i], 8), SCAN_REFUSED);
    }
}
END_TEST

START_TEST(another_role_is_refused)
{
    for (unsigned role = 0; role < 0x400; role++)
        for (size_t cut = 8; cut < 11; cut++) {
            struct scan scan = {0};
            begin();
            bytes[8] = (uint8_t)(role >> 8);
            bytes[9] = (uint8_t)role;
            enum scan_result first = scan_feed(&scan, &limits, bytes, cut);
            if (first == SCAN_PARTIAL)
                first = scan_feed(&scan, &limits, bytes + cut, length - cut);
            ck_assert_int_eq(first, role == RESPONDER ? SCAN_PARTIAL : SCAN_REFUSED);
        }
}
END_TEST

/* ---- parameters ---- */

/* A PARAMS record with these contents. */
static void add_params(const char *contents, size_t content_length)
{
    size_t at = length + 8;
    add(PARAMS, 1, content_length, 0);
    memcpy(bytes + at, contents, content_length);
}

/* Contents of PARAMS up to their end, and whether they are whole parameters within the limit. */
static const struct {
    const char *contents;
    size_t length;
    bool good;
} parameters[] = {
    {"\x04\x03NAMEone\x05\x00OTHER", 16, true},
    {"\x00\x00", 2, true},
    {"\x00\x03one", 5, true},
    {"\x80\x00\x00\x04\x03NAMEone", 12, true},
    {"\x04\x80\x00\x00\x03NAMEone", 12, true},
    {"\x80\x00\x00\x04\x80\x00\x00\x03NAMEone", 15, true},
    {"\x80\x00\x00\x00\x80\x00\x00\x00", 8, true},
    {"\x04\x03NAMEon", 8, false},
    {"\x04", 1, false},
    {"\x80\x00\x00", 3, false},
    {"\x80\x00\x00\x04", 4, false},
    {"\x04\x80\x00\x00", 4, false},
    {"\x04\x03NAMEone\x05", 10, false},
    {"\x7f\x7f", 2, false},                 /* more than max_params together */
    {"\xc0\x00\x00\x04\x00NAME", 9, false}, /* every bit of a length counts */
    {"\x81\x00\x00\x04\x00NAME", 9, false},
    {"\x80\x01\x00\x04\x00NAME", 9, false},
    {"\x80\x00\x01\x04\x00NAME", 9, false},
    {"\xff\xff\xff\xff\x00", 5, false},
    {"\x00\xff\xff\xff\xff", 5, false},
    {"\xff\xff\xff\xff\xff\xff\xff\xff", 8, false},
};

START_TEST(parameters_are_whole_and_claim_no_more_than_the_limit)
{
    for (size_t i = 0; i < COUNT_OF(parameters); i++) {
        size_t count = parameters[i].length;
        for (size_t cut = 0; cut <= count; cut++) { /* in one record or two */
            begin();
            if (cut > 0)
                add_params(parameters[i].contents, cut);
            if (cut < count)
                add_params(parameters[i].contents + cut, count - cut);
            add(PARAMS, 1, 0, 0);
            ck_assert_msg(feed_all() == (parameters[i].good ? SCAN_PARTIAL : SCAN_REFUSED), "%zu at %zu", i,
                          cut);
        }
    }
}
END_TEST

START_TEST(parameters_are_read_the_same_byte_by_byte)
{
    for (size_t i = 0; i < COUNT_OF(parameters); i++) {
        struct scan scan = {0};
        enum scan_result result = SCAN_PARTIAL;
        begin();
        add_params(parameters[i].contents, parameters[i].length);
        add(PARAMS, 1, 0, 0);
        for (size_t at = 0; at < length && result == SCAN_PARTIAL; at++)
            result = scan_feed(&scan, &limits, bytes + at, 1);
        ck_assert_int_eq(result, parameters[i].good ? SCAN_PARTIAL : SCAN_REFUSED);
    }
}
END_TEST

START_TEST(a_length_that_claims_too_much_is_refused_at_once)
{
    begin();
    add_params("\xff\xff\xff\xff\x80\x00\x00\x00", 8);
    length -= 1;
    ck_assert_int_eq(feed_all(), SCAN_PARTIAL);
    length += 1;
    ck_assert_int_eq(feed_all(), SCAN_REFUSED);
}
END_TEST

START_TEST(a_long_parameter_goes_over_several_records)
{
    static const struct scan_limits wide = {.max_params = 1 << 20, .max_body = 200};
    static char name[0x12345];
    struct scan scan = {0};
    memset(name, 0xff, sizeof name); /* nothing that could be taken for lengths */
    begin();
    add_params("\x80\x01\x23\x45\x00", 5); /* of the name, and no value */
    add_params(name, 65535);
    add_params(name, sizeof name - 65535);
    add_params("\x04\x03NAMEone", 9);
    add(PARAMS, 1, 0, 0);
    add(STDIN, 1, 0, 0);
    ck_assert_int_eq(scan_feed(&scan, &wide, bytes, length), SCAN_COMPLETE);
}
END_TEST

/* ---- limits ---- */

START_TEST(parameters_have_a_limit)
{
    begin();
    add(PARAMS, 1, limits.max_params - 1, 0);
    add(PARAMS, 1, 1, 255); /* padding does not count */
    ck_assert_int_eq(feed_all(), SCAN_PARTIAL);
    add(PARAMS, 1, 1, 0);
    ck_assert_int_eq(feed_all(), SCAN_REFUSED);
    begin();
    add(PARAMS, 1, limits.max_params + 1, 0);
    length = 16 + 8; /* refused before any of it has come */
    ck_assert_int_eq(feed_all(), SCAN_REFUSED);
}
END_TEST

START_TEST(a_body_above_its_limit_is_read_to_its_end)
{
    for (size_t more = 0; more < 2; more++) {
        struct scan scan = {0};
        begin();
        add(PARAMS, 1, 10, 0);
        add(PARAMS, 1, 0, 0);
        add(STDIN, 1, 100, 0);
        add(STDIN, 1, limits.max_body - 100 + more, 0);
        ck_assert_int_eq(scan_feed(&scan, &limits, bytes, length), SCAN_PARTIAL);
        ck_assert_uint_eq(scan.body, limits.max_body + more);
        length = 0;
        add(STDIN, 1, 0, 0);
        ck_assert_int_eq(scan_feed(&scan, &limits, bytes, length), more ? SCAN_TOO_LARGE : SCAN_COMPLETE);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_request_is_complete_with_its_last_byte,
                                  it_may_come_in_two_pieces_cut_anywhere,
                                  it_may_come_in_pieces_of_any_size,
                                  a_request_may_have_no_body_and_no_parameters,
                                  any_record_may_have_padding,
                                  the_largest_records_are_read,
                                  at_each_stage_one_type_of_record_may_come,
                                  a_record_is_refused_by_its_header_alone,
                                  all_records_have_the_same_id_and_it_is_not_0,
                                  management_records_are_refused,
                                  other_versions_are_refused,
                                  the_beginning_has_eight_bytes,
                                  nothing_may_stand_behind_a_request,
                                  what_is_not_fastcgi_is_refused_at_once,
                                  another_role_is_refused,
                                  parameters_are_whole_and_claim_no_more_than_the_limit,
                                  parameters_are_read_the_same_byte_by_byte,
                                  a_length_that_claims_too_much_is_refused_at_once,
                                  a_long_parameter_goes_over_several_records,
                                  parameters_have_a_limit,
                                  a_body_above_its_limit_is_read_to_its_end};
    return SUITE_RUN("scan", NULL, NULL, tests);
}
