/* html_page: one page, in one piece, that loads nothing from elsewhere. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HTML_PAGE_H
#define OUTRIGGER_HTML_PAGE_H

#include "object.h"

enum { HTML_PAGE_POLICY_MAX = 512 /* with its terminator */ };

/* What is put into a page. */
enum html_part_kind { HTML_STYLE, HTML_SCRIPT, HTML_TEXT /* as it is: without "<" and "&" */ };
struct html_part {
    enum html_part_kind kind;
    const char *mark; /* it goes behind the first of these after the part before it: "<style>" */
    struct text content;
};

/* Read only, once made. */
struct html_page {
    struct text content;               /* the page's own */
    char policy[HTML_PAGE_POLICY_MAX]; /* the value of its Content-Security-Policy */
};
/* Puts the parts into `html`, in which their marks stand in this order. */
struct html_page *html_page_new(struct text html, const struct html_part *parts, size_t count);
void html_page_free(struct html_page *page); /* NULL is fine */

#endif
