/* fuzz_page_message: any bytes as a question for a page and as the envelope of its answer: what is accepted
 * lies inside them, within its bounds, and reads as the same when it is written again.
 * SPDX-License-Identifier: MIT */
#include "page_message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void expect_inside(const uint8_t *bytes, size_t length, struct text text, size_t bound)
{
    ENSURE(text.length <= bound);
    ENSURE(text.length == 0 ||
           ((const uint8_t *)text.at >= bytes && (const uint8_t *)text.at + text.length <= bytes + length));
}

static void try_request(const uint8_t *bytes, size_t length)
{
    struct page_request first, second;
    uint64_t number, again;
    uint8_t written[PAGE_REQUEST_BYTES_MAX];
    if (!page_request_decode(bytes, length, &first, &number))
        return;
    expect_inside(bytes, length, first.path, PAGE_PATH_MAX);
    expect_inside(bytes, length, first.query, PAGE_QUERY_MAX);
    expect_inside(bytes, length, first.if_none_match, PAGE_HEADER_MAX);
    size_t count = page_request_encode(&first, number, written, sizeof written);
    ENSURE(count > 0 && page_request_decode(written, count, &second, &again));
    ENSURE(again == number && page_request_equal(&first, &second));
    struct page_request *copy = page_request_copy(&first);
    ENSURE(page_request_equal(&first, copy) && page_request_fit(copy));
    free(copy);
}

static void try_answer(const uint8_t *bytes, size_t length)
{
    struct page_answer first, second;
    uint64_t number, again;
    uint8_t written[PAGE_ANSWER_BYTES_MAX];
    if (!page_answer_decode(bytes, length, &first, &number))
        return;
    expect_inside(bytes, length, first.content_type, PAGE_HEADER_MAX);
    expect_inside(bytes, length, first.content_security_policy, PAGE_HEADER_MAX);
    size_t count = page_answer_encode(&first, number, written, sizeof written);
    ENSURE(count > 0 && page_answer_decode(written, count, &second, &again));
    ENSURE(again == number && second.status == first.status && second.etag.length == first.etag.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    try_request(bytes, length);
    try_answer(bytes, length);
    return 0;
}
