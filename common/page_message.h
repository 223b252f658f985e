/* page_message: a question for a page of the collector's, and its answer, as STATS.md section 9 puts them on
 * the wire. Pure: no sockets, safe on any bytes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PAGE_MESSAGE_H
#define OUTRIGGER_PAGE_MESSAGE_H

#include "object.h"

enum {
    PAGE_MESSAGE_VERSION = 1,
    PAGE_PATH_MAX = 1024,  /* bytes of a path */
    PAGE_QUERY_MAX = 2048, /* bytes of what is behind its "?" */
    PAGE_HEADER_MAX = 512, /* bytes of a header's value, in a question or an answer */
    PAGE_REQUEST_BYTES_MAX = PAGE_PATH_MAX + PAGE_QUERY_MAX + 3 * PAGE_HEADER_MAX + 64,
    PAGE_ANSWER_BYTES_MAX = 5 * PAGE_HEADER_MAX + 64 /* of its envelope; the body is a frame of its own */
};

/* What is asked. Texts are views; an empty one was not said. */
struct page_request {
    struct text path;  /* decoded, "/metrics" */
    struct text query; /* raw, without the "?" */
    struct text accept;
    struct text accept_encoding;
    struct text if_none_match;
};

/* What is answered. Texts are views; an empty one is not to be said. */
struct page_answer {
    int status; /* 200, 304, 404, ... */
    struct text content_type;
    struct text content_encoding; /* "gzip" or nothing */
    struct text etag;
    struct text cache_control;
    struct text content_security_policy;
    struct text body;
};

/* Cuts what is longer than the bounds away: of headers all of it, since half a header says something else.
 * False when the path or the query is too long: there is no such page. */
bool page_request_fit(struct page_request *request);
bool page_request_equal(const struct page_request *one, const struct page_request *other);
/* A copy in one piece of memory, for free(). */
struct page_request *page_request_copy(const struct page_request *request);

/* Write one (its texts within their bounds) with a number that its answer bears; return the length, 0 when
 * `capacity` is too small, which PAGE_REQUEST_BYTES_MAX and PAGE_ANSWER_BYTES_MAX never are. */
size_t page_request_encode(const struct page_request *request, uint64_t number, void *bytes, size_t capacity);
size_t page_answer_encode(const struct page_answer *answer, uint64_t number, void *bytes, size_t capacity);
/* Read one: all of the bytes, or nothing. False when they are none. The body is the caller's to set. */
bool page_request_decode(const void *bytes, size_t length, struct page_request *request, uint64_t *number);
bool page_answer_decode(const void *bytes, size_t length, struct page_answer *answer, uint64_t *number);

#endif
