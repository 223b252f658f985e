/* exposition: the Prometheus text, made when somebody asks. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXPOSITION_H
#define OUTRIGGER_EXPOSITION_H

#include "blob.h"
#include "registry.h"

struct exposition;

/* `registry` must live as long. */
struct exposition *exposition_new(const struct registry *registry);
void exposition_free(struct exposition *exposition);

/* The text as of `now` (monotonic nanoseconds) or at most 100 ms before; good until the next call, or as long
 * as the caller holds it. */
struct blob *exposition_text(struct exposition *exposition, int64_t now);

#endif
