/* scrape: the collector's HTTP listener, for Prometheus and for browsers. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCRAPE_H
#define OUTRIGGER_SCRAPE_H

#include "pages.h"

struct scrape;

/* Listens at `address`, "HOST:PORT" or "[HOST]:PORT" (port 0: any free one, said in the log), and answers GET
 * and HEAD of what pages.h has. `sources` must live as long. NULL with errno when it cannot listen there
 * (EINVAL: it is no address). */
struct scrape *scrape_new(const char *address, const struct page_sources *sources);
void scrape_free(struct scrape *scrape);

#endif
