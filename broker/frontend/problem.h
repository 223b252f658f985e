/* problem: what a client is told when something is wrong, as application/problem+json (RFC 9457).
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROBLEM_H
#define OUTRIGGER_PROBLEM_H

#include "http.h"
#include "protocol.h"

enum {
    PROBLEM_FAULTS_MAX = 20, /* listed of one request: enough to mend it, small enough to send */
    PROBLEM_FIELD_MAX = 96,
    PROBLEM_MESSAGE_MAX = 192,
    PROBLEM_REASON_MAX = 512
};

/* What is wrong with the fields of one request, at most PROBLEM_FAULTS_MAX of it. Zeroed (or count = 0) =
 * nothing. */
struct problem_faults {
    size_t count;
    struct problem_fault {
        char field[PROBLEM_FIELD_MAX];     /* "instances[17][3]" */
        char message[PROBLEM_MESSAGE_MAX]; /* "expected a number, got a string" */
        const char *reason;                /* more words, behind a colon; NULL: none */
    } list[PROBLEM_FAULTS_MAX];
};

/* True when no further fault is listed: the caller may stop looking. */
bool problem_faults_full(const struct problem_faults *faults);
/* Adds one (nothing when full); field and message are cut at their sizes. */
void problem_fault(struct problem_faults *faults, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a reason to the last one listed; not copied, cut at PROBLEM_REASON_MAX bytes. "" adds nothing. */
void problem_fault_reason(struct problem_faults *faults, const char *reason);

/* Makes `response` (begun already) the problem with that status. */
void problem_status(struct http_response *response, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a kind of failure, whose status and label it takes. */
void problem_kind(struct http_response *response, enum failure failure, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with a list of at least one fault; the first is the detail, too. */
void problem_faults(struct http_response *response, enum failure failure,
                    const struct problem_faults *faults);
/* What came back from the broker: `message` is handed on for those kinds whose messages are written for
 * clients, and replaced by a sentence of ours for the others, since an engine's may tell of files and memory.
 * retry_after_ms 0: not said. */
void problem_failure(struct http_response *response, enum failure failure, struct text message,
                     uint64_t retry_after_ms);

/* The same in words of the caller's, with 503 and Retry-After whatever the kind. */
void problem_unavailable(struct http_response *response, enum failure failure, const char *detail,
                         uint64_t retry_after_ms);

/* The same for a request that a rate limit refused (429): the headers say which one, in the words of the
 * IETF's draft ietf-httpapi-ratelimit-headers. `limit` is a word, as "key"; empty: not said. */
void problem_rate_limited(struct http_response *response, struct text message, uint64_t retry_after_ms,
                          struct text limit, uint64_t quota, uint64_t window_s);

#endif
