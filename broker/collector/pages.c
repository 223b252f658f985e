/* pages: see pages.h. One row of the table is one path; what a page is about stands with its function. Pages
 * below /outrigger/api/ and /metrics hold data, for which a frontend wants the right `metrics`; the others
 * are everybody's (broker/frontend/calls.c). Called by scrape.c, and for frontends by main.c, whom exchange.c
 * asks. SPDX-License-Identifier: MIT */
#include "pages.h"

#include "accept.h"
#include "dashboard_page.h"
#include "encoding.h"

static void make_health(const struct page_sources *sources, const struct page_request *request,
                        struct page *page)
{
    (void)sources;
    (void)request;
    page_show(page, text_of("healthy\n"));
}

/* OpenMetrics is for those who name it and like it no less than text. */
static enum prometheus_format format_for(struct text accept)
{
    int open = accept_weight(accept, "application/openmetrics-text", true);
    return open > 0 && open >= accept_weight(accept, "text/plain", false) ? PROMETHEUS_OPEN : PROMETHEUS_TEXT;
}

static void make_metrics(const struct page_sources *sources, const struct page_request *request,
                         struct page *page)
{
    enum prometheus_format format = format_for(request->accept);
    page->answer.content_type = text_of(prometheus_type(format));
    page_show_blob(page, exposition_text(sources->exposition, format, loop_now(sources->loop)));
}

static const struct row {
    const char *path;
    page_make *make;
} table[] = {
    {"/metrics", make_metrics},
    {"/health", make_health},
    {"/outrigger/", dashboard_make_page},
    {"/outrigger/api/now", dashboard_make_now},
    {"/outrigger/api/history", dashboard_make_history},
};

/* ---- for the functions of the table ---- */

void page_show(struct page *page, struct text constant)
{
    page->answer.body = constant;
}

void page_show_memory(struct page *page, char *bytes, size_t length)
{
    page->blob = blob_new(bytes, length);
    page->answer.body = blob_text(page->blob);
}

void page_show_blob(struct page *page, struct blob *blob)
{
    page->blob = blob_hold(blob);
    page->answer.body = blob_text(blob);
}

void page_tag(struct page *page)
{
    entity_tag_make(page->answer.body, page->etag);
    page->answer.etag = text_of(page->etag);
    page->answer.cache_control = text_of("no-cache");
}

void page_drop(struct page *page)
{
    blob_drop(page->blob);
    *page = (struct page){0};
}

/* ---- answering ---- */

static const struct row *find(struct text path)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (text_is(path, table[i].path))
            return &table[i];
    return NULL;
}

bool pages_has(struct text path)
{
    return find(path) != NULL;
}

static void make(const struct page_sources *sources, const struct page_request *request, struct page *page)
{
    const struct row *row = find(request->path);
    if (row != NULL) {
        row->make(sources, request, page);
        return;
    }
    page->answer.status = 404;
    page_show(page, text_of("not found; there are /metrics, /health and /outrigger/\n"));
}

static void pack(struct page *page)
{
    struct text packed = blob_packed(page->blob);
    if (packed.length == 0)
        return;
    page->answer.body = packed;
    page->answer.content_encoding = text_of("gzip");
}

void pages_answer(const struct page_sources *sources, const struct page_request *request, struct page *page)
{
    struct page_answer *answer = &page->answer;
    *page = (struct page){.answer = {.status = 200,
                                     .content_type = text_of("text/plain; charset=utf-8"),
                                     .cache_control = text_of("no-store")}};
    make(sources, request, page);
    if (answer->status == 200 && entity_tag_matches(request->if_none_match, answer->etag)) {
        answer->status = 304;
        answer->body = (struct text){NULL, 0};
    } else if (page->blob != NULL && encoding_accepted(request->accept_encoding) == ENCODING_GZIP) {
        pack(page);
    }
}
