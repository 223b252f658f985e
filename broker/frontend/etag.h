/* etag: answers that a client may keep, and asks again whether they still hold (RFC 9110 section 8.8.3 and
 * 13). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ETAG_H
#define OUTRIGGER_ETAG_H

#include "entity_tag.h"
#include "http.h"

/* Makes `response` (begun already) that content, or 304 without one when the client has it. It is to be asked
 * again each time (Cache-Control: no-cache). */
void etag_answer(const struct http_request *request, struct http_response *response, const char *etag,
                 struct text content);

#endif
