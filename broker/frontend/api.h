/* api: the calls of the service, from a whole HTTP request to what is asked of the broker, and from its
 * answer to the HTTP response. The seam between the connections (which know nothing of models) and the
 * models.
 *
 *     loop's thread or a lane's                 loop's thread
 *     api_begin  -> API_HANDLE
 *     api_handle -> API_RESPOND ..............> api_count, write the response, api_call_end
 *                -> API_PAGE .................> ask the collector for call.page; api_page, then as above
 *                -> API_WAIT .................> keep the request; api_begin again, or api_refuse
 *                -> API_ASK ..................> api_call_take, client_send; api_answer, then as above
 *                -> API_ERRAND ...............> errands_send of api_call_errand; api_errand_done, which may
 *                                               want another errand; then as above
 *
 * Threads: api_begin, api_handle (each thread with a lane of its own), api_answer and api_refuse may run in
 * any thread; they share nothing that changes but the pointer to the catalog, which a lock guards.
 * api_catalog, api_asks, api_count and api_gone are for the loop's thread alone. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_API_H
#define OUTRIGGER_API_H

#include "audited.h"
#include "auth.h"
#include "calls.h"
#include "catalog.h"
#include "client.h"
#include "config.h"
#include "http.h"
#include "page_message.h"
#include "recorder.h"
#include "steering.h"

#include <yyjson.h>

struct errand;
struct tracer;
struct once;
struct oip_wish;
struct oip_task;
struct sampling;
struct taken;

struct api;

/* What the API needs to know; what it points to must live as long as the API. */
struct api_context {
    const struct config *config;
    struct metrics *metrics;
    struct predictions *predictions;      /* NULL: none are kept */
    struct audit_log *audit;              /* NULL: none is kept */
    struct sampling *sampling;            /* NULL: no rows are shown for drift */
    struct recorder *recorder;            /* NULL: no requests are recorded */
    bool (*broker_connected)(void *self); /* asked for /ready */
    void *self;
    struct tracer *tracer; /* NULL: nobody traces */
    struct auth *auth;     /* NULL: nobody is asked who it is, and everybody may do everything */
};
struct api *api_new(const struct api_context *context);
void api_free(struct api *api);
const struct config *api_config(const struct api *api);

/* A CATALOG came: a client_catalog, with the API as `self`. */
void api_catalog(void *api, const struct catalog_entry *entries, size_t count);
/* A CATALOG came, and what requests for the required models need is known (catalog_complete). */
bool api_complete(const struct api *api);

/* The memory that one thread works in: the tree of a body's JSON, mostly. One for the loop's thread, one for
 * each thread of the side lane. */
struct api_lane;
struct api_lane *api_lane_new(void);
void api_lane_free(struct api_lane *lane);

enum api_next {
    API_RESPOND, /* the response is complete */
    API_HANDLE,  /* nothing stands against it: api_handle */
    API_ASK,     /* send `request` with `ask` to the broker, then api_answer */
    API_PAGE,    /* ask the collector for `page`, then api_page */
    API_WAIT,    /* who asks is being found out: handle the same request again when that is settled */
    API_ERRAND   /* ask another process what api_call_errand says, then api_errand_done */
};

/* What traces and the log tell of a call, beside what its owner knows. */
struct calling {
    enum http_method method;
    const char *pattern; /* of the path (calls.h); NULL: not known, or none */
    size_t bytes;        /* of the body */
    int64_t sent_at;     /* to the broker, monotonic nanoseconds; 0: it was not */
    uint64_t queue_us, compute_us;
    uint32_t batch_rows;
    bool kept;   /* its answer was computed before */
    char *state; /* the client's tracestate, of a recorded trace; NULL: none */
};

/* One call under way. Embedded by its owner; zero it once, before the first use. Between api_begin and
 * api_call_end it stands still in memory: `ask` points into it. */
struct api_call {
    enum call call;
    struct client_request *request; /* API_ASK: the tensors, filled in; the call's until api_call_take */
    struct client_ask ask;          /* API_ASK: what to send with it */

    struct identity identity; /* who asks; others may read it from api_begin to api_call_end */

    /* What the answer needs later; nobody else's. */
    struct catalog *catalog;
    struct predictions *predictions;
    const struct catalog_model *model;     /* NULL: none was found */
    const struct catalog_version *version; /* the one whose schema the input was checked against */
    int64_t received;                      /* monotonic nanoseconds */
    int64_t duration; /* nanoseconds from then to the answer, or to the end; 0: it has none yet */
    bool told;        /* counted, and told of */
    bool want_timing;
    struct oip_wish *wish;       /* of the Open Inference Protocol: what an inference wants; NULL otherwise */
    struct page_request *page;   /* API_PAGE: what is asked; NULL otherwise */
    struct api_page_head *shown; /* what the response's head says of a page; NULL otherwise */
    struct oip_task *task;       /* API_ERRAND: what is asked, and what for; NULL otherwise */
    struct taken *taken;         /* of its rows, for drift; NULL: none */
    struct once *once;           /* of a request with an Idempotency-Key: once.h; NULL otherwise */
    enum steered steered;        /* what a header did to the choice of the version */
    char asked_version[PROTOCOL_NAME_MAX + 1];
    char answered_version[PROTOCOL_NAME_MAX + 1];
    char key[PROTOCOL_TEXT_MAX + 1];
    char id[HTTP_ID_MAX + 1];
    struct trace_context trace; /* the request's; sampled: exemplars may name it */
    struct calling calling;     /* what is told of it when it has ended */
    struct recorder_note recorded;
    struct audited_note note; /* for the audit log */
};

/* Begins with a request: who asks, and may it? `response` is begun here. The body may still be packed;
 * nothing of it is looked at. API_HANDLE (then `called` is what api_handle wants), API_RESPOND or API_WAIT.
 */
enum api_next api_begin(struct api *api, const struct http_request *request, struct called *called,
                        struct api_call *call, struct http_response *response);
/* After API_HANDLE: handles a request that is there whole (http_request_read, body, received). */
enum api_next api_handle(struct api *api, struct api_lane *lane, const struct http_request *request,
                         const struct called *called, struct api_call *call, struct http_response *response);
/* After API_ASK, before api_call_take, in the loop's thread: takes what is to be known of the request later,
 * whose inputs are gone when it is answered. */
void api_asks(struct api *api, struct api_call *call);
/* The filled request, for client_send, which owns it from then on. */
struct client_request *api_call_take(struct api_call *call);
/* The broker's answer, or its failure, becomes the response that api_begin began. */
void api_answer(struct api_call *call, const struct client_answer *answer, struct http_response *response);
/* True when api_answer does little more than copy the payload: no more than keeping it for another thread. */
bool api_answer_is_copy(const struct api_call *call);
/* The collector's page becomes the response; NULL: it gave none. */
void api_page(struct api_call *call, const struct page_answer *page, struct http_response *response);
/* What an errand of the call is now: for errands_send. */
const struct errand *api_call_errand(const struct api_call *call);
/* It was answered (NULL: not in time). API_ERRAND: there is another; API_RESPOND: the response is complete.
 */
enum api_next api_errand_done(struct api *api, struct api_call *call, yyjson_val *answer,
                              struct http_response *response);
/* Counts the finished call, and tells of it (audit log, trace, access line, flight recorder): once, when the
 * response is complete. */
void api_count(struct api *api, struct api_call *call, const struct http_response *response);
/* Who asked has gone before there was an answer: tells of that, if the call was begun and nothing was told of
 * it yet. */
void api_gone(struct api *api, struct api_call *call, struct http_response *response);
/* The version that answered, which the route may have chosen; if none did, the one that was asked; "": that
 * is not known. */
static inline const char *api_call_version(const struct api_call *call)
{
    if (*call->answered_version != '\0')
        return call->answered_version;
    return call->version == NULL ? "" : call->version->name;
}
/* Gives up what the call holds; `call` may be used for the next one. Does nothing when there is nothing. */
void api_call_end(struct api_call *call);

/* The response to a request that never came in whole or could not be read: 408, 413, 503 and so on, with
 * `detail` for people. */
void api_refuse(const struct http_request *request, struct api_call *call, struct http_response *response,
                int status, const char *detail);
/* The same request's address and size, for the audit log. */
void api_note(struct api *api, const struct http_request *request, struct api_call *call);

#endif
