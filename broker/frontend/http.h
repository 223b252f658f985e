/* http: one HTTP request, made from the CGI parameters that a web server sends, and one response, made into
 * the CGI header block that it expects (RFC 3875). Pure: no sockets, no FastCGI library.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HTTP_H
#define OUTRIGGER_HTTP_H

#include "encoding.h"
#include "output.h"
#include "trace_context.h"

enum {
    HTTP_PATH_MAX = 1024,  /* bytes of a decoded path; the longest of ours has two names of 128 */
    HTTP_ID_MAX = 64,      /* bytes of a request id */
    HTTP_BODY_PADDING = 4, /* bytes behind a body that the reader of JSON wants to be able to write to */
    HTTP_HEADER_MAX = 64,  /* bytes of a header's name that is looked for */
    HTTP_LIMIT_MAX = 32,   /* bytes of the name of a rate limit */
    HTTP_EXTRA_MAX = 512,  /* bytes of further header lines of a response; all that an answer has fit */
    HTTP_POLICY_MAX = 600, /* bytes of those that a page has */
    HTTP_HEAD_MAX = 1632   /* bytes that http_response_head never exceeds */
};

#define HTTP_METHODS(X)                                                                                      \
    X(GET)                                                                                                   \
    X(HEAD)                                                                                                  \
    X(POST)                                                                                                  \
    X(PUT)                                                                                                   \
    X(PATCH)                                                                                                 \
    X(DELETE)                                                                                                \
    X(OPTIONS)

enum http_method {
    HTTP_OTHER,
#define X(name) HTTP_##name,
    HTTP_METHODS(X)
#undef X
};

/* Where request ids come from that the client does not give, and the lots of requests: one for each process,
 * owned by its main. */
struct http_ids {
    uint64_t lots;       /* the state of a generator */
    uint64_t chance[64]; /* from the kernel: whoever knows one id shall not know the next */
    size_t left;         /* of them */
    struct trace_ids trace;
    struct trace_sampling sampling; /* zeroed by http_ids_init: no trace is recorded */
};
void http_ids_init(struct http_ids *ids);
/* "POST"; "_OTHER" for what is none of them. */
const char *http_method_name(enum http_method method);

/* One request. Text members are views of the parameters, which must live as long as they are used. `received`
 * and the body are the caller's to fill in, after http_request_read. */
struct http_request {
    enum http_method method;
    int fault_status;         /* 0, or the status (400, 414) of a request that is wrong already */
    const char *fault;        /* why; a constant sentence */
    char path[HTTP_PATH_MAX]; /* decoded once, checked, terminated */
    size_t path_length;
    struct text query;            /* behind the "?", raw */
    struct text content_type;     /* empty: not said */
    struct text content_encoding; /* empty: not said */
    struct text accept;           /* likewise */
    struct text accept_encoding;  /* likewise */
    int64_t content_length;       /* bytes; -1: not said */
    char id[HTTP_ID_MAX +
            1]; /* X-Request-Id when it is 1 to 64 of A-Z a-z 0-9 . _ -; else 16 hexadecimal digits of ours */
    uint64_t lot;               /* a random number for this request */
    struct trace_context trace; /* the client's trace, when it names one, or a new one */
    struct text trace_state;    /* of the client's, if it is recorded; empty: none, or not valid */
    bool traced;                /* somebody traces here: the broker is told of it */
    uint64_t
        tenant; /* who asks, by a hash of the API key (X-API-Key, else Authorization); 0: none was shown */
    const char *api_key;        /* the first X-API-Key; NULL: there is none */
    const char *authorization;  /* the first Authorization; NULL likewise */
    unsigned credential_count;  /* how many of both headers there are */
    const char *remote_address; /* REMOTE_ADDR, the web server's peer; NULL: not said */
    const char
        *forwarded_for; /* the last X-Forwarded-For, which the nearest proxy wrote; NULL: there is none */
    const char *idempotency_key;    /* the first Idempotency-Key; NULL: there is none */
    unsigned idempotency_key_count; /* how many there are */
    bool forwarded; /* there is one, or Forwarded: a proxy, or somebody who plays one, has passed it on */
    char *const *parameters; /* what it was made of */
    bool want_timing; /* the request says `Prefer: server-timing` (RFC 7240): answer with Server-Timing */

    int64_t received;     /* when it was there whole; monotonic nanoseconds */
    char *body;           /* is written to while it is read */
    size_t body_length;   /* bytes */
    size_t body_capacity; /* body_length + HTTP_BODY_PADDING or more: the body is read without a copy */
};

/* Makes the request of a NULL-terminated list of "NAME=value" (what FCGX_Request.envp is). What is wrong
 * stands in fault_status; id and method are right even then. */
void http_request_read(struct http_request *request, char *const *parameters, struct http_ids *ids);

/* The value of the parameter of that name; NULL when there is none. The first of a name counts. */
const char *http_request_parameter(const struct http_request *request, const char *name);
/* The value of the header of that name (letters, digits and -, at most 64; in any case); NULL likewise. */
const char *http_request_header(const struct http_request *request, const char *name);
/* A hash of a text, the same in every process; never 0. What `tenant` is of an API key. */
uint64_t http_hash(const char *text);

/* One response. Zeroed = empty. */
struct http_response {
    int status;
    const char *content_type; /* constant */
    const char *kind;     /* constant, NULL: success; the label of what went wrong (protocol.h's failures) */
    const char *allow;    /* constant, NULL: no such header */
    uint64_t retry_after; /* seconds, at least; http_spread says what is written; 0: no such header */
    uint64_t lot;         /* the request's */
    const char *cache_control; /* constant, NULL: no-store */
    const char *policy; /* header lines of a page, each ended by CR LF; at most HTTP_POLICY_MAX bytes */
    char extra[HTTP_EXTRA_MAX]; /* further header lines, each ended by CR LF */
    char id[HTTP_ID_MAX + 1];   /* X-Request-Id */
    bool oip;                   /* to a path of the Open Inference Protocol: problems are written its way */
    uint64_t json_bytes;        /* of the body that are JSON, where tensors follow; 0: all, no such header */
    enum encoding accepted;     /* what the client takes it in */
    enum encoding encoding;     /* what it is in */
    bool head_only;             /* the answer to HEAD: write the head, keep the body */
    struct output body;
};

/* Empties it for the answer to `request`: its id, our traceparent where the client gave one or the trace is
 * recorded, HEAD or not. The body's memory is kept. */
void http_response_begin(struct http_response *response, const struct http_request *request);
void http_response_free(struct http_response *response);
/* How many bytes of its body are written. */
static inline size_t http_response_bytes(const struct http_response *response)
{
    return response->head_only ? 0 : response->body.length;
}
/* Adds "name: value" to the further header lines; left out when there is no room. `value` holds no CR or LF.
 */
void http_response_add_header(struct http_response *response, const char *name, const char *value);
/* A rate limit as clients are told of it: so much of the quota in window_s seconds is left. */
struct http_limit {
    struct text name; /* letters and _, at most HTTP_LIMIT_MAX; empty: nothing is told */
    uint64_t quota, window_s, left;
    uint64_t reset_s; /* until there is more of it: all, or as much as was asked for where that is not left */
};
/* RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers-10. */
void http_response_add_limit(struct http_response *response, const struct http_limit *limit);
/* Writes the CGI header block, Content-Length and all, with the empty line that ends it. Returns its length;
 * `head` has room for HTTP_HEAD_MAX bytes. The body is to be sent after it unless head_only. */
size_t http_response_head(const struct http_response *response, char head[HTTP_HEAD_MAX]);

/* What Retry-After says where it must be at least so many seconds: up to a fourth, or a second, more, by the
 * lot. Those who were refused together do not come back together. */
uint64_t http_spread(uint64_t seconds, uint64_t lot);

/* "Not Found"; "Error" for a status that we never send. */
const char *http_reason(int status);

#endif
