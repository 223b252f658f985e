/* docs: one page, in one piece.
 *
 * docs/page.html, page.css and page.js are embedded and put together when the frontend starts: one request
 * fetches all of it. The page may run and wear what it brought, and nothing else: its policy (Content
 * Security Policy) names its style and its script by the SHA-256 of each, computed here from the bytes that
 * are sent, so no list can be out of date; nothing else may be loaded, from nowhere, and it may talk to the
 * host that it came from alone. 'self' for a script of its own path would have let in whatever else that host
 * serves. Called by api.c. SPDX-License-Identifier: MIT */
#include "docs.h"

#include "embed.h"
#include "etag.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

EMBED(docs_html, "broker/frontend/docs/page.html");
EMBED(docs_css, "broker/frontend/docs/page.css");
EMBED(docs_js, "broker/frontend/docs/page.js");

enum { DOCS_MAGIC = 0x0d0c5001, HASH_MAX = 48 /* base64 of 32 bytes, terminator */ };

struct docs {
    unsigned magic;
    struct output page;
    char etag[ENTITY_TAG_MAX];
    char policy[HTTP_POLICY_MAX + 1];
};

/* Copies up to the end of the mark and then what belongs there. Returns what of the page is left. */
static struct text put_in(struct output *page, struct text rest, const char *mark, struct text content)
{
    const char *at = memmem(rest.at, rest.length, mark, strlen(mark));
    ENSURE(at != NULL);
    size_t length = (size_t)(at - rest.at) + strlen(mark);
    output_add(page, rest.at, length);
    output_add(page, content.at, content.length);
    return (struct text){rest.at + length, rest.length - length};
}

static void hash(struct text content, char text[HASH_MAX])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)content.at, content.length, digest);
    EVP_EncodeBlock((unsigned char *)text, digest, sizeof digest);
}

static void set_policy(struct docs *docs)
{
    char style[HASH_MAX], script[HASH_MAX];
    hash(EMBEDDED(docs_css), style);
    hash(EMBEDDED(docs_js), script);
    int length = snprintf(docs->policy, sizeof docs->policy,
                          "Content-Security-Policy: default-src 'none'; script-src 'sha256-%s'; "
                          "style-src 'sha256-%s'; connect-src 'self'; img-src data:; base-uri 'none'; "
                          "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'\r\n"
                          "Referrer-Policy: no-referrer\r\n",
                          script, style);
    ENSURE(length > 0 && (size_t)length < sizeof docs->policy);
}

struct docs *docs_new(void)
{
    struct docs *docs = object_alloc(sizeof *docs);
    docs->magic = DOCS_MAGIC;
    struct text rest = put_in(&docs->page, EMBEDDED(docs_html), "<style>", EMBEDDED(docs_css));
    rest = put_in(&docs->page, rest, "<script type=\"module\">", EMBEDDED(docs_js));
    output_add(&docs->page, rest.at, rest.length);
    entity_tag_make((struct text){docs->page.bytes, docs->page.length}, docs->etag);
    set_policy(docs);
    return docs;
}

void docs_free(struct docs *docs)
{
    if (docs == NULL)
        return;
    CHECK_OBJECT(docs, DOCS_MAGIC);
    output_free(&docs->page);
    docs->magic = 0;
    free(docs);
}

void docs_answer(const struct docs *docs, const struct http_request *request, struct http_response *response)
{
    CHECK_OBJECT(docs, DOCS_MAGIC);
    response->content_type = "text/html; charset=utf-8";
    response->policy = docs->policy;
    etag_answer(request, response, docs->etag, (struct text){docs->page.bytes, docs->page.length});
}
