/* docs: the page at /docs, which common/html_page.c puts together. Called by api.c. SPDX-License-Identifier:
 * MIT */
#include "docs.h"

#include "embed.h"
#include "etag.h"
#include "html_page.h"

#include <stdio.h>
#include <stdlib.h>

EMBED(docs_html, "broker/frontend/docs/page.html");
EMBED(docs_css, "broker/frontend/docs/page.css");
EMBED(docs_js, "broker/frontend/docs/page.js");

enum { DOCS_MAGIC = 0x0d0c5001 };

struct docs {
    unsigned magic;
    struct html_page *page;
    char etag[ENTITY_TAG_MAX];
    char policy[HTTP_POLICY_MAX + 1];
};

struct docs *docs_new(void)
{
    const struct html_part parts[] = {{HTML_STYLE, "<style>", EMBEDDED(docs_css)},
                                      {HTML_SCRIPT, "<script type=\"module\">", EMBEDDED(docs_js)}};
    struct docs *docs = object_alloc(sizeof *docs);
    docs->magic = DOCS_MAGIC;
    docs->page = html_page_new(EMBEDDED(docs_html), parts, COUNT_OF(parts));
    entity_tag_make(docs->page->content, docs->etag);
    int length =
        snprintf(docs->policy, sizeof docs->policy,
                 "Content-Security-Policy: %s\r\nReferrer-Policy: no-referrer\r\n", docs->page->policy);
    ENSURE(length > 0 && (size_t)length < sizeof docs->policy);
    return docs;
}

void docs_free(struct docs *docs)
{
    if (docs == NULL)
        return;
    CHECK_OBJECT(docs, DOCS_MAGIC);
    html_page_free(docs->page);
    docs->magic = 0;
    free(docs);
}

void docs_answer(const struct docs *docs, const struct http_request *request, struct http_response *response)
{
    CHECK_OBJECT(docs, DOCS_MAGIC);
    response->content_type = "text/html; charset=utf-8";
    response->policy = docs->policy;
    etag_answer(request, response, docs->etag, docs->page->content);
}
