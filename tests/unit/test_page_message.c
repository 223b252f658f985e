/* test_page_message: what is written reads as the same, and what breaks the contract is refused.
 * SPDX-License-Identifier: MIT */
#include "page_message.h"
#include "suite.h"
#include "wire.h"

#include <stdlib.h>

static uint8_t bytes[PAGE_REQUEST_BYTES_MAX];
static char longest[PAGE_QUERY_MAX + 1];

static void set_up(void)
{
    memset(longest, 'x', sizeof longest);
}

static struct page_request example_request(void)
{
    return (struct page_request){.path = text_of("/metrics"),
                                 .query = text_of("a=b"),
                                 .accept = text_of("text/plain"),
                                 .accept_encoding = text_of("gzip"),
                                 .if_none_match = text_of("\"tag\"")};
}

START_TEST(a_question_reads_as_it_was_written)
{
    struct page_request written = example_request(), read;
    uint64_t number;
    size_t length = page_request_encode(&written, UINT64_MAX, bytes, sizeof bytes);
    ck_assert_uint_gt(length, 0);
    ck_assert(page_request_decode(bytes, length, &read, &number));
    ck_assert(number == UINT64_MAX && page_request_equal(&read, &written));
    struct page_request *copy = page_request_copy(&read);
    memset(bytes, 0, sizeof bytes);
    ck_assert(page_request_equal(copy, &written));
    free(copy);
    for (size_t i = 0; i < length; i++) {
        page_request_encode(&written, UINT64_MAX, bytes, sizeof bytes);
        ck_assert(!page_request_decode(bytes, i, &read, &number));
        ck_assert_uint_eq(page_request_encode(&written, UINT64_MAX, bytes, i), 0);
    }
}
END_TEST

START_TEST(every_text_of_a_question_counts)
{
    struct page_request one = example_request();
    for (size_t i = 0; i < 5; i++) {
        struct page_request other = example_request();
        struct text *texts[] = {&other.path, &other.query, &other.accept, &other.accept_encoding,
                                &other.if_none_match};
        texts[i]->length--;
        ck_assert(!page_request_equal(&one, &other));
        *texts[i] = (struct text){NULL, 0};
        ck_assert(!page_request_equal(&one, &other));
    }
}
END_TEST

/* Of headers that are too long nothing is left; a path or a query that is too long is no page's. */
START_TEST(the_longest_question_fits)
{
    struct page_request request = {.path = {longest, PAGE_PATH_MAX},
                                   .query = {longest, PAGE_QUERY_MAX},
                                   .accept = {longest, PAGE_HEADER_MAX},
                                   .accept_encoding = {longest, PAGE_HEADER_MAX},
                                   .if_none_match = {longest, PAGE_HEADER_MAX}};
    struct page_request read;
    uint64_t number;
    ck_assert(page_request_fit(&request) && request.if_none_match.length == PAGE_HEADER_MAX);
    size_t length = page_request_encode(&request, UINT64_MAX, bytes, sizeof bytes);
    ck_assert(page_request_decode(bytes, length, &read, &number) && page_request_equal(&read, &request));
    request.accept.length++;
    ck_assert(page_request_fit(&request) && request.accept.length == 0);
    request.query.length++;
    ck_assert(!page_request_fit(&request));
    request.query.length = 0;
    request.path.length++;
    ck_assert(!page_request_fit(&request));
    length = page_request_encode(&request, 1, bytes, sizeof bytes);
    ck_assert(length > 0 && !page_request_decode(bytes, length, &read, &number));
}
END_TEST

START_TEST(an_answer_reads_as_it_was_written)
{
    struct page_answer written = {.status = 304,
                                  .content_type = {longest, PAGE_HEADER_MAX},
                                  .content_encoding = text_of("gzip"),
                                  .etag = text_of("\"tag\""),
                                  .cache_control = {longest, PAGE_HEADER_MAX},
                                  .content_security_policy = {longest, PAGE_HEADER_MAX}};
    struct page_answer read;
    uint64_t number;
    size_t length = page_answer_encode(&written, UINT64_MAX, bytes, PAGE_ANSWER_BYTES_MAX);
    ck_assert_uint_gt(length, 0);
    for (size_t i = 0; i < length; i++)
        ck_assert(!page_answer_decode(bytes, i, &read, &number));
    ck_assert(page_answer_decode(bytes, length, &read, &number));
    ck_assert(number == UINT64_MAX && read.status == 304 && read.body.length == 0);
    ck_assert(text_is(read.content_encoding, "gzip") && text_is(read.etag, "\"tag\""));
    ck_assert_uint_eq(read.content_security_policy.length, PAGE_HEADER_MAX);
}
END_TEST

START_TEST(what_would_break_a_head_is_refused)
{
    static const char *const bad[] = {"a\r\nSet-Cookie: x", "a\n", "\x7f", "\x01"};
    struct page_answer answer, read;
    uint64_t number;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        answer = (struct page_answer){.status = 200, .cache_control = text_of(bad[i])};
        size_t length = page_answer_encode(&answer, 1, bytes, sizeof bytes);
        ck_assert(!page_answer_decode(bytes, length, &read, &number));
    }
    for (int status = 0; status < 1000; status += 99) {
        answer = (struct page_answer){.status = status};
        size_t length = page_answer_encode(&answer, 1, bytes, sizeof bytes);
        ck_assert_int_eq(page_answer_decode(bytes, length, &read, &number), status >= 100 && status <= 599);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_question_reads_as_it_was_written, every_text_of_a_question_counts,
                                  the_longest_question_fits, an_answer_reads_as_it_was_written,
                                  what_would_break_a_head_is_refused};
    return SUITE_RUN("page_message", set_up, NULL, tests);
}
