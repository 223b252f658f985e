/* etag: answers that a client may keep, and asks again whether they still hold (RFC 9110 section 8.8.3 and
 * 13). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ETAG_H
#define OUTRIGGER_ETAG_H

#include "http.h"

enum { ETAG_MAX = 35 /* 32 hexadecimal digits, quotes, terminator */ };

/* The entity tag of a content: equal contents have equal ones, in every process and after every restart. */
void etag_make(struct text content, char etag[ETAG_MAX]);
/* True when If-None-Match, a list or *, has that tag, weak or strong (a web server that compresses makes it
 * weak). */
bool etag_matches(const char *if_none_match, const char *etag);
/* Makes `response` (begun already) that content, or 304 without one when the client has it. It is to be asked
 * again each time (Cache-Control: no-cache). */
void etag_answer(const struct http_request *request, struct http_response *response, const char *etag,
                 struct text content);

#endif
