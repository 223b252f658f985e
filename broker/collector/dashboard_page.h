/* dashboard_page: the page at /outrigger/, and what it asks for below /outrigger/api/.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DASHBOARD_PAGE_H
#define OUTRIGGER_DASHBOARD_PAGE_H

#include "pages.h"

/* The page itself, and what was told last of how it is: of the same second it is told to all who ask. */
struct dashboard_page;
struct dashboard_page *dashboard_page_new(void);
void dashboard_page_free(struct dashboard_page *dashboard); /* NULL is fine */

/* Rows of the table in pages.c. */
page_make dashboard_make_page;
page_make dashboard_make_now;
page_make dashboard_make_history;

#endif
