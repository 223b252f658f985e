/* dashboard_page: see dashboard_page.h. The page is one piece with what it runs: what lies in dashboard/, its
 * scripts as one, and uPlot, which draws (its two files are those that deploy/install-deps brought, as they
 * came). It is packed once for all. Called through the table in pages.c. SPDX-License-Identifier: MIT */
#include "dashboard_page.h"

#include "clock.h"
#include "dashboard.h"
#include "embed.h"
#include "html_page.h"

#include <stdio.h>
#include <stdlib.h>

EMBED(dashboard_html, "broker/collector/dashboard/page.html");
EMBED(dashboard_css, "broker/collector/dashboard/page.css");
EMBED(elements_js, "broker/collector/dashboard/elements.js");
EMBED(charts_js, "broker/collector/dashboard/charts.js");
EMBED(judge_js, "broker/collector/dashboard/judge.js");
EMBED(dashboard_js, "broker/collector/dashboard/page.js");
EMBED(uplot_css, "build/deps/share/uPlot/uPlot.min.css");
EMBED(uplot_js, "build/deps/share/uPlot/uPlot.iife.min.js");
EMBED(uplot_licence, "build/deps/share/uPlot/LICENSE");

enum { DASHBOARD_PAGE_MAGIC = 0x64700001 };
#define NOW_AGE_MAX (900 * MILLISECOND) /* who asks each second never gets the same one twice */

struct dashboard_page {
    unsigned magic;
    struct html_page *page;
    struct blob *blob;
    struct blob *now; /* what was answered last to who asked how it is; NULL: nobody did */
    int64_t now_made;
};

static struct blob *blob_of(struct text content)
{
    char *bytes = object_alloc(content.length);
    memcpy(bytes, content.at, content.length);
    return blob_new(bytes, content.length);
}

/* What is said in one script is known in those behind it. The caller frees. */
static struct text join(const struct text *pieces, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += pieces[i].length;
    char *bytes = object_alloc(length), *at = bytes;
    for (size_t i = 0; i < count; at += pieces[i++].length)
        memcpy(at, pieces[i].at, pieces[i].length);
    return (struct text){bytes, length};
}

struct dashboard_page *dashboard_page_new(void)
{
    const struct text scripts[] = {EMBEDDED(elements_js), EMBEDDED(charts_js), EMBEDDED(judge_js),
                                   EMBEDDED(dashboard_js)};
    struct text script = join(scripts, COUNT_OF(scripts));
    const struct html_part parts[] = {{HTML_STYLE, "<style>", EMBEDDED(uplot_css)},
                                      {HTML_STYLE, "<style>", EMBEDDED(dashboard_css)},
                                      {HTML_TEXT, "<pre id=\"licence\">", EMBEDDED(uplot_licence)},
                                      {HTML_SCRIPT, "<script>", EMBEDDED(uplot_js)},
                                      {HTML_SCRIPT, "<script type=\"module\">", script}};
    struct dashboard_page *dashboard = object_alloc(sizeof *dashboard);
    dashboard->magic = DASHBOARD_PAGE_MAGIC;
    dashboard->page = html_page_new(EMBEDDED(dashboard_html), parts, COUNT_OF(parts));
    dashboard->blob = blob_of(dashboard->page->content);
    free((char *)(uintptr_t)script.at);
    return dashboard;
}

void dashboard_page_free(struct dashboard_page *dashboard)
{
    if (dashboard == NULL)
        return;
    CHECK_OBJECT(dashboard, DASHBOARD_PAGE_MAGIC);
    blob_drop(dashboard->blob);
    blob_drop(dashboard->now);
    html_page_free(dashboard->page);
    dashboard->magic = 0;
    free(dashboard);
}

void dashboard_make_page(const struct page_sources *sources, const struct page_request *request,
                         struct page *page)
{
    const struct dashboard_page *dashboard = sources->dashboard;
    (void)request;
    CHECK_OBJECT(dashboard, DASHBOARD_PAGE_MAGIC);
    page->answer.content_type = text_of("text/html; charset=utf-8");
    page->answer.content_security_policy = text_of(dashboard->page->policy);
    page_show_blob(page, dashboard->blob);
    page_tag(page);
}

static struct dashboard_sources sources_of(const struct page_sources *sources)
{
    return (struct dashboard_sources){.config = sources->config,
                                      .registry = sources->registry,
                                      .history = sources->history,
                                      .drift = sources->drift,
                                      .now_ms = clock_wall() / MILLISECOND};
}

void dashboard_make_now(const struct page_sources *sources, const struct page_request *request,
                        struct page *page)
{
    struct dashboard_page *dashboard = sources->dashboard;
    int64_t now = loop_now(sources->loop);
    (void)request;
    if (dashboard->now == NULL || now - dashboard->now_made > NOW_AGE_MAX) {
        const struct dashboard_sources ours = sources_of(sources);
        size_t length;
        char *text = dashboard_now(&ours, &length);
        blob_drop(dashboard->now);
        dashboard->now = blob_new(text, length);
        dashboard->now_made = now;
    }
    page->answer.content_type = text_of("application/json");
    page_show_blob(page, dashboard->now);
}

void dashboard_make_history(const struct page_sources *sources, const struct page_request *request,
                            struct page *page)
{
    const struct dashboard_sources ours = sources_of(sources);
    size_t length;
    char *text = dashboard_history(&ours, request->query, &length);
    page->answer.content_type = text_of("application/json");
    page_show_memory(page, text, length);
}
