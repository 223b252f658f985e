/* docs: the page at /docs, on which people read about the models and try them. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_DOCS_H
#define OUTRIGGER_DOCS_H

#include "http.h"

/* Read only, once made. */
struct docs;
struct docs *docs_new(void);
void docs_free(struct docs *docs);
/* Makes `response` (begun already) the page, or 304. */
void docs_answer(const struct docs *docs, const struct http_request *request, struct http_response *response);

#endif
