/* dashboard_page: see dashboard_page.h. The page is one piece with what it runs: dashboard/page.html,
 * page.css and page.js, and uPlot, which draws (its two files are those that deploy/install-deps brought, as
 * they came). It is packed once for all. SPDX-License-Identifier: MIT */
#include "dashboard_page.h"

#include "clock.h"
#include "dashboard.h"
#include "embed.h"
#include "html_page.h"

#include <stdio.h>
#include <stdlib.h>

EMBED(dashboard_html, "broker/collector/dashboard/page.html");
EMBED(dashboard_css, "broker/collector/dashboard/page.css");
EMBED(dashboard_js, "broker/collector/dashboard/page.js");
EMBED(uplot_css, "build/deps/share/uPlot/uPlot.min.css");
EMBED(uplot_js, "build/deps/share/uPlot/uPlot.iife.min.js");
EMBED(uplot_licence, "build/deps/share/uPlot/LICENSE");

enum { DASHBOARD_PAGE_MAGIC = 0x64700001 };

struct dashboard_page {
    unsigned magic;
    struct html_page *page;
    struct blob *blob;
};

static struct blob *blob_of(struct text content)
{
    char *bytes = object_alloc(content.length);
    memcpy(bytes, content.at, content.length);
    return blob_new(bytes, content.length);
}

struct dashboard_page *dashboard_page_new(void)
{
    const struct html_part parts[] = {{HTML_STYLE, "<style>", EMBEDDED(uplot_css)},
                                      {HTML_STYLE, "<style>", EMBEDDED(dashboard_css)},
                                      {HTML_TEXT, "<pre id=\"licence\">", EMBEDDED(uplot_licence)},
                                      {HTML_SCRIPT, "<script>", EMBEDDED(uplot_js)},
                                      {HTML_SCRIPT, "<script type=\"module\">", EMBEDDED(dashboard_js)}};
    struct dashboard_page *dashboard = object_alloc(sizeof *dashboard);
    dashboard->magic = DASHBOARD_PAGE_MAGIC;
    dashboard->page = html_page_new(EMBEDDED(dashboard_html), parts, COUNT_OF(parts));
    dashboard->blob = blob_of(dashboard->page->content);
    return dashboard;
}

void dashboard_page_free(struct dashboard_page *dashboard)
{
    if (dashboard == NULL)
        return;
    CHECK_OBJECT(dashboard, DASHBOARD_PAGE_MAGIC);
    blob_drop(dashboard->blob);
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
                                      .now_ms = clock_wall() / MILLISECOND};
}

static void show_json(struct page *page, char *text, size_t length)
{
    page->answer.content_type = text_of("application/json");
    page_show_memory(page, text, length);
}

void dashboard_make_now(const struct page_sources *sources, const struct page_request *request,
                        struct page *page)
{
    const struct dashboard_sources ours = sources_of(sources);
    size_t length;
    (void)request;
    char *text = dashboard_now(&ours, &length);
    show_json(page, text, length);
}

void dashboard_make_history(const struct page_sources *sources, const struct page_request *request,
                            struct page *page)
{
    const struct dashboard_sources ours = sources_of(sources);
    size_t length;
    char *text = dashboard_history(&ours, request->query, &length);
    show_json(page, text, length);
}
