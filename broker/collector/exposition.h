/* exposition: the Prometheus text in its formats, made when somebody asks. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXPOSITION_H
#define OUTRIGGER_EXPOSITION_H

#include "blob.h"
#include "prometheus.h"

#include <stdio.h>

struct exposition;

/* `registry` must live as long. `triton`: with Triton's names for our sums, too. */
struct exposition *exposition_new(const struct registry *registry, bool triton);
void exposition_free(struct exposition *exposition);
/* Has `more` write what is not in the registry, behind all that is; `open`: as OpenMetrics. */
void exposition_more(struct exposition *exposition, void (*more)(void *self, FILE *out, bool open),
                     void *self);

/* The text as of `now` (monotonic nanoseconds) or at most 100 ms before; good until the next call, or as long
 * as the caller holds it. */
struct blob *exposition_text(struct exposition *exposition, enum prometheus_format format, int64_t now);

#endif
