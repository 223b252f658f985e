/* api_once: a request that is there whole, from its beginning to what the API wants next.
 * SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_API_ONCE_H
#define OUTRIGGER_API_ONCE_H

#include "api.h"

static inline enum api_next api_once(struct api *api, struct api_lane *lane,
                                     const struct http_request *request, struct api_call *call,
                                     struct http_response *response)
{
    struct called called;
    enum api_next next = api_begin(api, request, &called, call, response);
    return next == API_HANDLE ? api_handle(api, lane, request, &called, call, response) : next;
}

#endif
