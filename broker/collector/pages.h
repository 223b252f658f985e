/* pages: what the collector shows, by path, whichever door it is asked at: its own HTTP listener (scrape.c)
 * or a frontend (exchange.c). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PAGES_H
#define OUTRIGGER_PAGES_H

#include "blob.h"
#include "entity_tag.h"
#include "exposition.h"
#include "loop.h"
#include "page_message.h"

/* What pages are made of. */
struct page_sources {
    struct loop *loop;
    const struct config *config;
    struct registry *registry;
    struct exposition *exposition;
    struct history *history;
    const struct drift *drift;
    struct dashboard_page *dashboard;
};

/* One answer. Stands still in memory until page_drop: the answer's texts may point into it. */
struct page {
    struct page_answer answer; /* texts: constants, or in `etag` or `blob` */
    struct blob *blob;         /* what the body is; NULL: a constant, or nothing */
    char etag[ENTITY_TAG_MAX];
};

/* Makes a page of the table in pages.c: sets what differs from status 200, "text/plain; charset=utf-8" and
 * "no-store", and the body by one of the page_show functions. */
typedef void page_make(const struct page_sources *sources, const struct page_request *request,
                       struct page *page);

/* Whether there is a page of that path. */
bool pages_has(struct text path);
/* Makes the answer to a GET (or HEAD, whose answer goes without the body): 404 when there is no such page,
 * 304 when the asker has it, packed when the asker takes that. */
void pages_answer(const struct page_sources *sources, const struct page_request *request, struct page *page);
/* Gives up what it holds. */
void page_drop(struct page *page);

/* For a page_make: a constant as the body; memory for free(), which the page takes; a blob, which the page
 * holds from then on, too. */
void page_show(struct page *page, struct text constant);
void page_show_memory(struct page *page, char *bytes, size_t length);
void page_show_blob(struct page *page, struct blob *blob);
/* Gives the page the tag of its body, which must be shown before: it may be kept, and is asked for again. */
void page_tag(struct page *page);

#endif
