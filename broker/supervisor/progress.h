/* progress: what was asked of the supervisor, and how far it is with it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROGRESS_H
#define OUTRIGGER_PROGRESS_H

#include "object.h"

/* The last 64 operations. */
struct progress;
struct progress *progress_new(void);
void progress_free(struct progress *progress);

/* Begins one; returns its number, which no other has, of no other supervisor of this host either. */
uint64_t progress_begin(struct progress *progress);
/* One more line of what was done. A number that is not known any more is passed over, here and below. */
void progress_say(struct progress *progress, uint64_t id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* It is over; `failure` is why it was given up, NULL: it was not. The first word counts. */
void progress_end(struct progress *progress, uint64_t id, const char *failure);

struct progress_view {
    const char *const *lines; /* what was done, in words */
    size_t line_count;
    bool done;
    const char *failure; /* NULL: none */
};
/* False when the number is not known. The view is good until anything else is called. */
bool progress_look(const struct progress *progress, uint64_t id, struct progress_view *view);

#endif
