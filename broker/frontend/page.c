/* page: what a client said is handed to the collector, which has the pages and packs them, and what it
 * answers is handed back: neither side parses the other's. api.h has the order of the calls.
 * Called by api.c. SPDX-License-Identifier: MIT */
#include "page.h"

#include "problem.h"

#include <stdio.h>

/* A response points to these as long as it is written. */
struct api_page_head {
    char content_type[PAGE_HEADER_MAX + 1];
    char cache_control[PAGE_HEADER_MAX + 1];
    char policy[HTTP_POLICY_MAX + 1];
};

enum api_next page_ask(const struct http_request *request, struct api_call *call,
                       struct http_response *response)
{
    struct page_request page = {.path = {request->path, request->path_length},
                                .query = request->query,
                                .accept = request->accept,
                                .accept_encoding = request->accept_encoding,
                                .if_none_match = text_of(http_request_header(request, "If-None-Match"))};
    if (text_is(page.path, "/outrigger")) { /* what the page asks for is relative to the folder */
        problem_status(response, 308, "it is at /outrigger/");
        http_response_add_header(response, "Location", "/outrigger/");
        return API_RESPOND;
    }
    if (!page_request_fit(&page)) {
        problem_status(response, 414, "the query is too long");
        return API_RESPOND;
    }
    call->page = page_request_copy(&page);
    return API_PAGE;
}

/* A page with a policy of its own may be looked at, so nobody is told where from. */
static const char *policy_of(const struct page_answer *page, struct api_page_head *head)
{
    struct text policy = page->content_security_policy;
    if (policy.length == 0)
        return NULL;
    int length = snprintf(head->policy, sizeof head->policy,
                          "Content-Security-Policy: %.*s\r\nReferrer-Policy: no-referrer\r\n",
                          (int)policy.length, policy.at);
    ENSURE(length > 0 && (size_t)length < sizeof head->policy);
    return head->policy;
}

static void show(struct api_call *call, const struct page_answer *page, struct http_response *response)
{
    char etag[PAGE_HEADER_MAX + 1];
    struct api_page_head *head = object_alloc(sizeof *head);
    call->shown = head;
    response->status = page->status;
    response->content_type = text_copy(page->content_type, head->content_type, sizeof head->content_type);
    if (page->cache_control.length > 0)
        response->cache_control =
            text_copy(page->cache_control, head->cache_control, sizeof head->cache_control);
    response->policy = policy_of(page, head);
    if (page->etag.length > 0)
        http_response_add_header(response, "ETag", text_copy(page->etag, etag, sizeof etag));
    http_response_add_header(response, "Vary", "Accept, Accept-Encoding");
    response->encoding = encoding_of(page->content_encoding);
    output_add(&response->body, page->body.at, page->body.length);
}

void api_page(struct api_call *call, const struct page_answer *page, struct http_response *response)
{
    if (page == NULL) {
        problem_status(response, 503, "the collector does not answer at the moment");
        response->retry_after = 1;
    } else if (page->status == 404) {
        problem_status(response, 404, "there is nothing at this path");
    } else {
        show(call, page, response);
    }
}
