/* exposition: the Prometheus text, made when somebody asks. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXPOSITION_H
#define OUTRIGGER_EXPOSITION_H

#include "registry.h"

struct exposition;

/* `registry` must live as long. */
struct exposition *exposition_new(const struct registry *registry);
void exposition_free(struct exposition *exposition);

/* The text as of `now` (monotonic nanoseconds) or at most 100 ms before; good until the next call.
 * *generation differs from that of any other text, and is never 0. */
const char *exposition_text(struct exposition *exposition, int64_t now, size_t *length, uint64_t *generation);

#endif
