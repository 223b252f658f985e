/* html_page: see html_page.h.
 *
 * A page, its style and its scripts are embedded and put together when a program starts: one request fetches
 * all of it. The page may run and wear what it brought, and nothing else: its policy (Content Security
 * Policy) names its styles and its scripts by the SHA-256 of each, computed here from the bytes that are
 * sent, so no list can be out of date; nothing else may be loaded, from nowhere, and it may talk to the host
 * that it came from alone. 'self' for a script of its own path would have let in whatever else that host
 * serves. Called by the frontend's docs.c and the collector's dashboard_page.c.
 * SPDX-License-Identifier: MIT */
#include "html_page.h"

#include "sha256.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum { HASH_MAX = 48 /* base64 of 32 bytes, terminator */ };

static void write_hash(FILE *out, struct text content)
{
    uint8_t digest[SHA256_BYTES];
    unsigned char text[HASH_MAX];
    struct sha256_sum sum = sha256_begin();
    sha256_add_bytes(&sum, content.at, content.length);
    sha256_end(&sum, digest);
    EVP_EncodeBlock(text, digest, sizeof digest);
    fprintf(out, " 'sha256-%s'", (const char *)text);
}

static void write_hashes(FILE *out, enum html_part_kind kind, const struct html_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].kind == kind)
            write_hash(out, parts[i].content);
}

static void set_policy(struct html_page *page, const struct html_part *parts, size_t count)
{
    FILE *out = fmemopen(page->policy, sizeof page->policy, "w");
    ENSURE(out != NULL);
    fputs("default-src 'none'; script-src", out);
    write_hashes(out, HTML_SCRIPT, parts, count);
    fputs("; style-src", out);
    write_hashes(out, HTML_STYLE, parts, count);
    fputs("; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
          "require-trusted-types-for 'script'",
          out);
    ENSURE(fclose(out) == 0 && strstr(page->policy, "for 'script'") != NULL);
}

/* Writes up to the end of the mark and then what belongs there. Returns what of the page is left. */
static struct text put_in(FILE *out, struct text rest, const struct html_part *part)
{
    const char *at = memmem(rest.at, rest.length, part->mark, strlen(part->mark));
    ENSURE(at != NULL);
    size_t length = (size_t)(at - rest.at) + strlen(part->mark);
    fwrite(rest.at, 1, length, out);
    fwrite(part->content.at, 1, part->content.length, out);
    return (struct text){rest.at + length, rest.length - length};
}

struct html_page *html_page_new(struct text html, const struct html_part *parts, size_t count)
{
    struct html_page *page = object_alloc(sizeof *page);
    char *content;
    FILE *out = open_memstream(&content, &page->content.length);
    ENSURE(out != NULL);
    for (size_t i = 0; i < count; i++)
        html = put_in(out, html, &parts[i]);
    fwrite(html.at, 1, html.length, out);
    ENSURE(fclose(out) == 0);
    page->content.at = content;
    set_policy(page, parts, count);
    return page;
}

void html_page_free(struct html_page *page)
{
    if (page == NULL)
        return;
    free((void *)(uintptr_t)page->content.at);
    free(page);
}
