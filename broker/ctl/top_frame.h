/* top_frame: `outrigger top` as lines of text with tones: printed as they are, or drawn on a terminal. Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TOP_FRAME_H
#define OUTRIGGER_TOP_FRAME_H

#include "table.h"
#include "top.h"

enum { TOP_LINE_BYTES = 1024, TOP_SPANS_MAX = 24 };

/* A part of a line that has a tone. */
struct top_span {
    size_t start, length;
    enum tone tone;
};

struct top_line {
    char text[TOP_LINE_BYTES]; /* ASCII alone: what is not is shown as '?' */
    size_t length;
    struct top_span spans[TOP_SPANS_MAX];
    size_t span_count;
    bool bold;
};

/* How it is to be shown. */
struct top_window {
    int width;     /* columns; 0: as many as it takes */
    int height;    /* lines; 0: as many as it takes, and no line of keys */
    size_t scroll; /* rows of the table that are above its first line; see top_frame */
    int64_t interval_ms;
    enum top_sort sort;
    bool help;
};

/* Calls `take` for each line, from the top, never more than the window has. Returns how far the table may be
 * scrolled: a larger `scroll` counts as that much. */
size_t top_frame(const struct top *top, const struct top_window *window,
                 void (*take)(void *self, const struct top_line *line), void *self);

#endif
