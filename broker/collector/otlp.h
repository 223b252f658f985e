/* otlp: spans as the protobuf of OTLP/HTTP (opentelemetry-proto 1.x, ExportTraceServiceRequest). Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OTLP_H
#define OUTRIGGER_OTLP_H

#include "span.h"

/* Bytes that grow. Zeroed = none. */
struct otlp_bytes {
    uint8_t *bytes;
    size_t length, capacity;
};
void otlp_bytes_free(struct otlp_bytes *bytes);

/* Adds the fields of a Span, without what would stand before it in the message that it is part of. */
void otlp_add_span(struct otlp_bytes *bytes, const struct span *span);

/* Who sends: attributes of every Resource. */
struct otlp_sender {
    const char *service, *version, *host;
};

/* A request: begun, filled with what otlp_add_span made, ended. Spans of one process that follow each other
 * share a Resource. */
struct otlp_request {
    struct otlp_bytes bytes;
    const struct otlp_sender *sender;
    size_t resource, scope; /* where they began */
    const char *process;    /* whose they are; NULL: none was begun. A view until the next span, or the end */
};
/* `bytes` of what was written before is used again. */
void otlp_request_begin(struct otlp_request *request, const struct otlp_sender *sender);
void otlp_request_add(struct otlp_request *request, const char *process, const void *span, size_t length);
void otlp_request_end(struct otlp_request *request);

/* What the answer to a request says of spans that the receiver did not take: partial_success of an
 * ExportTraceServiceResponse. 0: it took all, or the bytes are no such message. */
uint64_t otlp_rejected(const void *answer, size_t length);

#endif
