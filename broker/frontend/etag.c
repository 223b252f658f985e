/* etag: see etag.h. Called by docs.c and openapi.c. SPDX-License-Identifier: MIT */
#include "etag.h"

void etag_answer(const struct http_request *request, struct http_response *response, const char *etag,
                 struct text content)
{
    const char *known = http_request_header(request, "If-None-Match");
    response->cache_control = "no-cache";
    http_response_add_header(response, "ETag", etag);
    if (known != NULL && entity_tag_matches(text_of(known), text_of(etag)))
        response->status = 304;
    else
        output_add(&response->body, content.at, content.length);
}
