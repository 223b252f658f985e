/* scrape: the collector's HTTP listener for Prometheus. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCRAPE_H
#define OUTRIGGER_SCRAPE_H

#include "exposition.h"
#include "loop.h"

struct scrape;

/* Listens at `address`, "HOST:PORT" or "[HOST]:PORT" (port 0: any free one, said in the log), and answers GET
 * and HEAD of /metrics and /health. NULL with errno when it cannot listen there (EINVAL: it is no address).
 */
struct scrape *scrape_new(struct loop *loop, const char *address, struct exposition *exposition);
void scrape_free(struct scrape *scrape);

#endif
