/* top_screen: `outrigger top` on a terminal, with ncurses, which stands in top_screen.c and top_terminal.c
 * alone.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TOP_SCREEN_H
#define OUTRIGGER_TOP_SCREEN_H

#include "top.h"

/* Looks again, and returns what there is now; top_screen_run frees it with top_free. */
typedef struct top *top_look_again(void *self);

/* Shows what `look` sees every interval_ms until q is pressed. Returns false when the terminal cannot be
 * driven. */
bool top_screen_run(top_look_again *look, void *self, int64_t interval_ms);

/* True when the terminal on stdout is one that ncurses can drive. */
bool top_terminal_is_known(void);

#endif
