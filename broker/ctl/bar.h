/* bar: how far a command is, drawn on the terminal of who runs it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BAR_H
#define OUTRIGGER_BAR_H

#include "ctl.h"

struct bar {
    bool shown;
    int percent; /* as it was drawn last; -1: not yet */
};

/* One that is drawn when standard error is a terminal, without --json and --quiet. */
struct bar bar_of(const struct arguments *arguments);
/* 0 to 100. */
void bar_draw(struct bar *bar, int percent);
/* What is said next is on a line of its own, */
void bar_leave(struct bar *bar);
/* or in the bar's place. */
void bar_clear(struct bar *bar);

#endif
