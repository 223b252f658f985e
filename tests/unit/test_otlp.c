/* test_otlp: spans as protobuf, byte by byte, as OpenTelemetry's definitions have it; a real decoder reads
 * them in tests/process/test_traces.py. SPDX-License-Identifier: MIT */
#include "otlp.h"
#include "suite.h"

static struct otlp_bytes bytes;
static struct otlp_request request;
static const struct otlp_sender sender = {"s", "v", "h"};

static void tear_down(void)
{
    otlp_bytes_free(&bytes);
    otlp_bytes_free(&request.bytes);
}

static struct span plain(void)
{
    struct span span = {.kind = SPAN_INTERNAL, .name = text_of("n"), .start = 1, .end = 0x0203, .flags = 1};
    memset(span.trace, 0xaa, sizeof span.trace);
    memset(span.id, 0xbb, sizeof span.id);
    return span;
}

#define SIXTEEN    "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
#define EIGHT      "\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb"
#define PLAIN_HEAD "\x0a\x10" SIXTEEN "\x12\x08" EIGHT
#define PLAIN_TIMES                                                                                          \
    "\x39\x01\x00\x00\x00\x00\x00\x00\x00"                                                                   \
    "\x41\x03\x02\x00\x00\x00\x00\x00\x00"
/* Field 16 as fixed32: the flag, and that it is known whether the parent is remote. */
#define FLAGS "\x85\x01\x01\x01\x00\x00"

static void expect(const struct otlp_bytes *found, const char *expected, size_t length)
{
    ck_assert_uint_eq(found->length, length);
    ck_assert_mem_eq(found->bytes, expected, length);
}
#define EXPECT(found, literal) expect(found, literal, sizeof(literal) - 1)

START_TEST(a_plain_span)
{
    struct span span = plain();
    otlp_add_span(&bytes, &span);
    EXPECT(&bytes, PLAIN_HEAD "\x2a\x01n\x30\x01" PLAIN_TIMES FLAGS);
}
END_TEST

START_TEST(a_span_with_all_that_there_is)
{
    struct span span = plain();
    uint8_t link[SPAN_LINK_BYTES];
    memset(link, 0xaa, TRACE_ID_BYTES);
    memset(link + TRACE_ID_BYTES, 0xbb, TRACE_SPAN_BYTES);
    memset(span.parent, 0xbb, sizeof span.parent);
    span.has_parent = span.remote_parent = span.failed = true;
    span.state = text_of("a=1");
    span.message = text_of("no");
    span.links = link;
    span.link_count = 1;
    span.links_left_out = 300;
    span_add_text(&span, "k", text_of("v"));
    span_add_number(&span, "n", -1);
    otlp_add_span(&bytes, &span);
    EXPECT(&bytes,
           PLAIN_HEAD "\x1a\x03"
                      "a=1\x22\x08" EIGHT "\x2a\x01n\x30\x01" PLAIN_TIMES "\x4a\x08\x0a\x01k\x12\x03\x0a\x01v"
                      "\x4a\x10\x0a\x01n\x12\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                      "\x6a\x1c\x0a\x10" SIXTEEN "\x12\x08" EIGHT "\x70\xac\x02\x7a\x06\x12\x02no\x18\x02"
                      "\x85\x01\x01\x03\x00\x00");
}
END_TEST

START_TEST(texts_become_utf8)
{
    struct span span = plain();
    span.name = text_of("\xff\xc3\xa4\xc3");
    otlp_add_span(&bytes, &span);
    EXPECT(&bytes, PLAIN_HEAD "\x2a\x04?\xc3\xa4?\x30\x01" PLAIN_TIMES FLAGS);
}
END_TEST

#define RESOURCE(process)                                                                                    \
    "\x0a\x60"                                                                                               \
    "\x0a\x13\x0a\x0cservice.name\x12\x03\x0a\x01s"                                                          \
    "\x0a\x16\x0a\x0fservice.version\x12\x03\x0a\x01v"                                                       \
    "\x0a\x1f\x0a\x13service.instance.id\x12\x08\x0a\x06" process                                            \
    "\x0a\x10\x0a\x09host.name\x12\x03\x0a\x01h"

START_TEST(spans_of_a_process_share_a_resource)
{
    otlp_request_begin(&request, &sender);
    otlp_request_add(&request, "broker", "one", 3);
    otlp_request_add(&request, "broker", "two", 3);
    otlp_request_add(&request, "worker", "six", 3);
    otlp_request_end(&request);
    EXPECT(
        &request.bytes,
        "\x0a\x7e" RESOURCE("broker") "\x12\x1a\x0a\x0e\x0a\x09outrigger\x12\x01v\x12\x03one\x12\x03two"
                                      "\x0a\x79" RESOURCE(
                                          "worker") "\x12\x15\x0a\x0e\x0a\x09outrigger\x12\x01v\x12\x03six");
    otlp_request_begin(&request, &sender);
    otlp_request_end(&request);
    ck_assert_uint_eq(request.bytes.length, 0);
}
END_TEST

START_TEST(what_was_rejected_is_read_of_the_answer)
{
    static const struct {
        const char *answer;
        size_t length;
        uint64_t rejected;
    } cases[] = {
#define ANSWER(literal, rejected) {literal, sizeof(literal) - 1, rejected}
        ANSWER("", 0),
        ANSWER("\x0a\x00", 0),
        ANSWER("\x0a\x02\x08\x05", 5),
        ANSWER("\x0a\x05\x08\xac\x02\x12\x00", 300),
        ANSWER("\x12\x01x\x0a\x04\x12\x00\x08\x05", 5),
        ANSWER("\x0a\x05\x08\x05", 0),
        ANSWER("\x0a\x02\x08\xff", 0),
        ANSWER("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x08\x05", 0),
        ANSWER("{\"partialSuccess\":{}}", 0),
        ANSWER("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0), /* less than none */
        ANSWER("\x09\x01\x02\x03\x04\x05\x06\x07\x08\x0d\x01\x02\x03\x04\x08\x01\x0a\x02\x08\x07", 7),
#undef ANSWER
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_msg(otlp_rejected(cases[i].answer, cases[i].length) == cases[i].rejected, "case %zu", i);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {a_plain_span, a_span_with_all_that_there_is, texts_become_utf8,
                            spans_of_a_process_share_a_resource, what_was_rejected_is_read_of_the_answer};
    return SUITE_RUN("otlp", NULL, tear_down, tests);
}
