/* test_trace_context: traceparent and tracestate with the cases of W3C's own test suite for Trace Context,
 * the decision which traces are recorded, and the way over the wire. SPDX-License-Identifier: MIT */
#include "suite.h"
#include "trace_context.h"

#include <stdio.h>
#include <stdlib.h>

#define TRACE  "12345678901234567890123456789012"
#define PARENT "1234567890123456"
#define GOOD   "00-" TRACE "-" PARENT "-01"

static struct trace_ids ids;
static struct trace_context context;

static void set_up(void)
{
    trace_ids_init(&ids);
}

/* "TRACE" of what the context says now. */
static const char *trace_text(void)
{
    static char text[2 * TRACE_ID_BYTES + 1];
    trace_id_text(context.id, text);
    return text;
}

static const char *whole_text(void)
{
    static char text[TRACE_PARENT_TEXT + 1];
    trace_context_text(&context, text);
    return text;
}

static void begin(const char *parent)
{
    trace_context_begin(&context, parent, &ids, &(struct trace_sampling){0});
}

START_TEST(a_valid_parent_is_gone_on_with)
{
    static const char *const parents[] = {
        GOOD,
        "00-" TRACE "-" PARENT "-00",
        "00-" TRACE "-" PARENT "-ff",
        "cc-" TRACE "-" PARENT "-01",
        "cc-" TRACE "-" PARENT "-01-what-the-future-will-be-like",
        " " GOOD,
        "\t" GOOD,
        GOOD " ",
        GOOD "\t",
        "\t " GOOD " \t",
    };
    for (size_t i = 0; i < COUNT_OF(parents); i++) {
        begin(parents[i]);
        ck_assert_msg(context.has_parent, "%s", parents[i]);
        ck_assert_str_eq(trace_text(), TRACE);
        ck_assert_mem_eq(context.parent, "\x12\x34\x56\x78\x90\x12\x34\x56", TRACE_SPAN_BYTES);
        ck_assert_mem_ne(context.span, context.parent, TRACE_SPAN_BYTES);
        ck_assert(!trace_sampled(&context));
    }
}
END_TEST

START_TEST(anything_else_begins_a_new_trace)
{
    static const char *const others[] = {
        NULL,
        "",
        "garbage",
        GOOD ".",
        GOOD "-what-the-future-will-be-like",
        "cc-" TRACE "-" PARENT "-01.what-the-future-will-be-like",
        "ff-" TRACE "-" PARENT "-01",
        ".0-" TRACE "-" PARENT "-01",
        "0.-" TRACE "-" PARENT "-01",
        "000-" TRACE "-" PARENT "-01",
        "0000-" TRACE "-" PARENT "-01",
        "0-" TRACE "-" PARENT "-01",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-.2345678901234567890123456789012-" PARENT "-01",
        "00-1234567890123456789012345678901.-" PARENT "-01",
        "00-123456789012345678901234567890123-" PARENT "-01",
        "00-1234567890123456789012345678901-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-" TRACE "-.234567890123456-01",
        "00-" TRACE "-123456789012345.-01",
        "00-" TRACE "-12345678901234567-01",
        "00-" TRACE "-123456789012345-01",
        "00-" TRACE "-" PARENT "-.0",
        "00-" TRACE "-" PARENT "-0.",
        "00-" TRACE "-" PARENT "-001",
        "00-" TRACE "-" PARENT "-1",
        "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
        GOOD "," GOOD, /* two headers, as web servers join them */
    };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        begin(others[i]);
        ck_assert_msg(!context.has_parent, "%s", others[i]);
        ck_assert_str_ne(trace_text(), TRACE);
        ck_assert_int_eq(context.flags, TRACE_RANDOM);
        ck_assert_uint_eq(strspn(whole_text() + 3, "0123456789abcdef"), 32);
    }
    char cut[sizeof GOOD];
    for (size_t length = 0; length < sizeof GOOD - 1; length++) {
        snprintf(cut, sizeof cut, "%.*s", (int)length, GOOD);
        begin(cut);
        ck_assert(!context.has_parent);
    }
}
END_TEST

START_TEST(what_is_written_is_read_again)
{
    begin(NULL);
    struct trace_context ours = context;
    begin(whole_text());
    ck_assert(context.has_parent);
    ck_assert_mem_eq(context.id, ours.id, TRACE_ID_BYTES);
    ck_assert_mem_eq(context.parent, ours.span, TRACE_SPAN_BYTES);
    ck_assert_int_eq(context.flags, TRACE_RANDOM);
}
END_TEST

static int compare_ids(const void *one, const void *other)
{
    return memcmp(one, other, TRACE_ID_BYTES);
}

START_TEST(ids_are_unique)
{
    enum { COUNT = 20000 };
    uint8_t(*made)[TRACE_ID_BYTES] = calloc(COUNT, sizeof *made);
    struct trace_ids others;
    trace_ids_init(&others);
    ck_assert(others.high != ids.high && others.low != ids.low);
    for (int i = 0; i < COUNT; i++) {
        trace_context_begin(&context, NULL, i % 2 == 0 ? &ids : &others, &(struct trace_sampling){0});
        memcpy(made[i], context.id, TRACE_ID_BYTES);
    }
    qsort(made, COUNT, sizeof *made, compare_ids);
    for (int i = 1; i < COUNT; i++)
        ck_assert_mem_ne(made[i - 1], made[i], TRACE_ID_BYTES);
    free(made);
}
END_TEST

/* ---- which traces are recorded ---- */

static int count_sampled(uint64_t ratio_ppm, int count)
{
    const struct trace_sampling sampling = trace_sampling_of(ratio_ppm, false);
    int sampled = 0;
    for (int i = 0; i < count; i++) {
        trace_context_begin(&context, NULL, &ids, &sampling);
        sampled += trace_sampled(&context);
    }
    return sampled;
}

/* With a seed of its own the count is the same each time; 1 % of 100,000 has a deviation of 31. */
START_TEST(the_ratio_is_kept)
{
    ids = (struct trace_ids){.high = 1, .low = 2};
    ck_assert_int_eq(count_sampled(0, 10000), 0);
    ck_assert_int_eq(count_sampled(1000000, 10000), 10000);
    ck_assert_int_eq(count_sampled(UINT64_MAX, 10000), 10000);
    int hundredth = count_sampled(10000, 100000);
    ck_assert_int_gt(hundredth, 850);
    ck_assert_int_lt(hundredth, 1150);
    int half = count_sampled(500000, 10000);
    ck_assert_int_gt(half, 4700);
    ck_assert_int_lt(half, 5300);
}
END_TEST

/* Thresholds of OpenTelemetry's probability sampling: 1 in 4 is 0xc0000000000000. */
START_TEST(the_low_56_bits_of_the_id_decide)
{
    static const struct {
        uint64_t ratio_ppm;
        const char *id;
        bool sampled;
    } cases[] = {
        {250000, "ffffffffffffffffffc0000000000000", true},
        {250000, "000000000000000000c0000000000000", true},
        {250000, "ffffffffffffffffffbfffffffffffff", false},
        {250000, "000000000000000001bfffffffffffff", false},
        {500000, "00000000000000000080000000000000", true},
        {500000, "0000000000000000007fffffffffffff", false},
        {1000000, "00000000000000010000000000000000", true},
        {0, "ffffffffffffffffffffffffffffffff", false},
    };
    char parent[64];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct trace_sampling sampling = trace_sampling_of(cases[i].ratio_ppm, false);
        for (int flags = 0; flags < 4; flags++) {
            snprintf(parent, sizeof parent, "00-%s-" PARENT "-0%d", cases[i].id, flags);
            trace_context_begin(&context, parent, &ids, &sampling);
            ck_assert_msg(trace_sampled(&context) == cases[i].sampled, "%s", parent);
            ck_assert_int_eq(context.flags & TRACE_RANDOM, flags & TRACE_RANDOM);
        }
    }
}
END_TEST

START_TEST(a_parent_decides_only_when_it_is_trusted)
{
    const struct trace_sampling trusting = trace_sampling_of(0, true), off = {.trust_parent = true};
    trace_context_begin(&context, GOOD, &ids, &trusting);
    ck_assert(trace_sampled(&context));
    trace_context_begin(&context, "00-" TRACE "-" PARENT "-00", &ids, &trusting);
    ck_assert(!trace_sampled(&context));
    trace_context_begin(&context, GOOD, &ids, &off);
    ck_assert(!trace_sampled(&context));
}
END_TEST

/* How many of so many traces whose ids say so are recorded. */
static uint64_t count_named(uint64_t ratio_ppm, bool trust, uint64_t count)
{
    const struct trace_sampling sampling = trace_sampling_of(ratio_ppm, trust);
    uint64_t sampled = 0, limited = 0;
    for (uint64_t i = 0; i < count; i++) {
        trace_context_begin(&context, "00-ffffffffffffffffffffffffffffffff-" PARENT "-01", &ids, &sampling);
        sampled += trace_sampled(&context);
        limited += context.limited;
    }
    ck_assert_uint_eq(sampled + limited, count);
    return sampled;
}

/* A second may end meanwhile, and then another. */
START_TEST(clients_cannot_choose_to_be_recorded_more_often_than_chance_would)
{
    enum { COUNT = 10000 };
    uint64_t sampled = count_named(10000, false, COUNT); /* 2 % are 200 */
    ck_assert_uint_ge(sampled, 2 * COUNT / 100);
    ck_assert_uint_le(sampled, COUNT / 2);
    ck_assert_uint_eq(count_named(1000000, false, COUNT), COUNT); /* nothing is gained by it */
    ck_assert_uint_eq(count_named(10000, true, COUNT), COUNT);    /* they are trusted */
    for (int i = 0; i < COUNT; i++) {                             /* our own are not among them */
        trace_context_begin(&context, NULL, &ids, &(struct trace_sampling){.on = true});
        ck_assert(trace_sampled(&context) && !context.limited);
    }
}
END_TEST

/* Whoever names traces with ids by chance has the share of them recorded, however many they are. */
START_TEST(traces_that_are_named_by_chance_are_recorded_as_often)
{
    const struct trace_sampling sampling = trace_sampling_of(200000, false);
    int sampled = 0;
    ids = (struct trace_ids){.high = 1, .low = 2};
    for (int i = 0; i < 10000; i++) {
        struct trace_context client;
        char parent[TRACE_PARENT_TEXT + 1];
        trace_context_begin(&client, NULL, &ids, &sampling);
        trace_context_text(&client, parent);
        trace_context_begin(&context, parent, &ids, &sampling);
        ck_assert_int_eq(trace_sampled(&context), trace_sampled(&client));
        sampled += trace_sampled(&context);
    }
    ck_assert_int_gt(sampled, 1500);
}
END_TEST

/* ---- the wire ---- */

START_TEST(what_goes_to_the_broker_is_read_there)
{
    uint8_t read[TRACE_WIRE_BYTES], sent[TRACE_WIRE_BYTES];
    const struct text wire = {(const char *)sent, sizeof sent};
    const struct trace_sampling all = trace_sampling_of(1000000, false);
    trace_context_begin(&context, GOOD, &ids, &all);
    ck_assert(trace_wire_read(trace_context_wire(&context), read));
    ck_assert_mem_eq(read, context.id, TRACE_ID_BYTES);
    ck_assert_mem_eq(read + TRACE_ID_BYTES, context.span, TRACE_SPAN_BYTES);
    ck_assert_int_eq(read[TRACE_WIRE_BYTES - 1], TRACE_SAMPLED);
    ck_assert(!trace_wire_read((struct text){(const char *)read, TRACE_WIRE_BYTES - 1}, read));
    ck_assert(!trace_wire_read((struct text){0}, read));
    memcpy(sent, trace_context_wire(&context).at, sizeof sent);
    sent[TRACE_WIRE_BYTES - 1] = 0xfe;
    ck_assert(trace_wire_read(wire, read));
    ck_assert_int_eq(read[TRACE_WIRE_BYTES - 1], TRACE_RANDOM);
    memset(sent + TRACE_ID_BYTES, 0, TRACE_SPAN_BYTES);
    ck_assert(!trace_wire_read(wire, read));
    memset(sent, 0, TRACE_ID_BYTES);
    sent[TRACE_ID_BYTES] = 1;
    ck_assert(!trace_wire_read(wire, read));
}
END_TEST

/* ---- tracestate ---- */

#define KEY "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
#define VALUE                                                                                                \
    " !\"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
#define TEN(t) t "1=1," t "2=2," t "3=3," t "4=4," t "5=5," t "6=6," t "7=7," t "8=8," t "9=9," t "0=0"

START_TEST(a_valid_tracestate_is_kept)
{
    static const struct {
        const char *value, *kept;
    } cases[] = {
        {"foo=1,bar=2", "foo=1,bar=2"},
        {"foo=1,", "foo=1,"}, /* the second header was empty */
        {",foo=1", ",foo=1"},
        {"foo=1,bar=2,rojo=1,congo=2,baz=3", "foo=1,bar=2,rojo=1,congo=2,baz=3"},
        {KEY "=" VALUE, KEY "=" VALUE},
        {KEY "@a-z0-9_-*/=" VALUE, KEY "@a-z0-9_-*/=" VALUE},
        {"0tenant@system=1", "0tenant@system=1"},
        {"foo=1 \t , \t bar=2, \t baz=3", "foo=1 \t , \t bar=2, \t baz=3"},
        {"\t foo=1 \t", "foo=1"},
        {TEN("a") "," TEN("b") "," TEN("c") ",d1=1,d2=2", TEN("a") "," TEN("b") "," TEN("c") ",d1=1,d2=2"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_msg(text_is(trace_state(cases[i].value), cases[i].kept), "%s", cases[i].value);
}
END_TEST

START_TEST(any_other_is_not)
{
    static const char *const others[] = {
        "",
        "foo=1,foo=1",
        "foo=1,foo=2",
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "foo@=1,bar=2",
        "@foo=1,bar=2",
        "foo@@bar=1,bar=2",
        "foo@bar@baz=1,bar=2",
        "foo",
        "foo=",
        "=1",
        "foo=1=2",
        "foo=\x7f",
        "foo=\xc3\xa4",
        "_foo=1",
        "foo=1\r\nX: y",
        TEN("a") "," TEN("b") "," TEN("c") ",d1=1,d2=2,d3=3",
    };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ck_assert_msg(trace_state(others[i]).length == 0, "%s", others[i]);
}
END_TEST

/* foo=AAA... of that many bytes; the caller frees it. */
static char *long_state(size_t key, size_t value)
{
    char *text = object_alloc(key + value + 2);
    memset(text, 'a', key);
    text[key] = '=';
    memset(text + key + 1, 'z', value);
    return text;
}

START_TEST(lengths_are_bounded)
{
    static const struct {
        size_t key, value;
        bool kept;
    } cases[] = {{256, 255, true},
                 {256, 256, false} /* 513 bytes in all */,
                 {257, 1, false},
                 {1, 256, true},
                 {1, 257, false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *text = long_state(cases[i].key, cases[i].value);
        ck_assert((trace_state(text).length > 0) == cases[i].kept);
        free(text);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {a_valid_parent_is_gone_on_with,
                            anything_else_begins_a_new_trace,
                            what_is_written_is_read_again,
                            ids_are_unique,
                            the_ratio_is_kept,
                            the_low_56_bits_of_the_id_decide,
                            a_parent_decides_only_when_it_is_trusted,
                            clients_cannot_choose_to_be_recorded_more_often_than_chance_would,
                            traces_that_are_named_by_chance_are_recorded_as_often,
                            what_goes_to_the_broker_is_read_there,
                            a_valid_tracestate_is_kept,
                            any_other_is_not,
                            lengths_are_bounded};
    return SUITE_RUN("trace_context", set_up, NULL, tests);
}
