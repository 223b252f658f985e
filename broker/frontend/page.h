/* page: calls that the collector answers: its metrics and its dashboard. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PAGE_H
#define OUTRIGGER_PAGE_H

#include "api.h"

/* Makes the call's question, call->page: API_PAGE; or the response, which is complete then: API_RESPOND. */
enum api_next page_ask(const struct http_request *request, struct api_call *call,
                       struct http_response *response);

#endif
