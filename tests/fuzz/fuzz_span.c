/* fuzz_span: any bytes as a frame of observations: a span among them is read or refused, is the same when it
 * is written and read again, and can be exported. SPDX-License-Identifier: MIT */
#include "otlp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void expect_the_same_again(const struct span *first)
{
    uint8_t again[SPAN_BYTES_MAX];
    struct observation_any any;
    struct span second;
    size_t length = span_encode(first, again, sizeof again);
    ENSURE(length > 0);
    struct wire_reader reader = wire_reader(again, length);
    ENSURE(observation_next(&reader, &any) == NULL && wire_finished(&reader));
    ENSURE(span_decode(&any, &second) == NULL);
    ENSURE(second.start == first->start && second.end == first->end && second.failed == first->failed &&
           second.attribute_count == first->attribute_count && second.link_count == first->link_count);
}

static void export_it(const struct span *span)
{
    struct otlp_bytes bytes = {0};
    const struct otlp_sender sender = {"outrigger", "1", "host"};
    struct otlp_request request = {0};
    char process[SPAN_TEXT_MAX + 1];
    otlp_add_span(&bytes, span);
    otlp_request_begin(&request, &sender);
    otlp_request_add(&request, text_copy(span->process, process, sizeof process), bytes.bytes, bytes.length);
    otlp_request_end(&request);
    ENSURE(request.bytes.length > bytes.length);
    otlp_bytes_free(&bytes);
    otlp_bytes_free(&request.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct wire_reader reader = wire_reader(bytes, length);
    struct observation_any any;
    struct span span;
    (void)otlp_rejected(bytes, length);
    while (!wire_finished(&reader) && observation_next(&reader, &any) == NULL) {
        if (any.kind != OBSERVATION_SPANS || span_decode(&any, &span) != NULL)
            continue;
        expect_the_same_again(&span);
        export_it(&span);
    }
    return 0;
}
