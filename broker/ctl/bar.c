/* bar: see bar.h. Used by the commands that ask for many rows: `outrigger profile` (profile_command.c), which
 * leaves its bar to be seen, and `outrigger validate` (validate_command.c), whose table takes its place.
 * SPDX-License-Identifier: MIT */
#include "bar.h"

#include <stdio.h>
#include <unistd.h>

enum { WIDTH = 30, AROUND = 10 /* columns of the rest of the line */ };

struct bar bar_of(const struct arguments *arguments)
{
    return (struct bar){.shown = !arguments->json && !arguments_has(arguments, OPTION_QUIET) &&
                                 isatty(STDERR_FILENO) == 1,
                        .percent = -1};
}

void bar_draw(struct bar *bar, int percent)
{
    if (!bar->shown || percent == bar->percent)
        return;
    bar->percent = percent;
    fprintf(stderr, "\r[");
    for (int i = 0; i < WIDTH; i++)
        fputc(i * 100 < percent * WIDTH ? '=' : ' ', stderr);
    fprintf(stderr, "] %3d %%", percent);
    fflush(stderr);
}

void bar_leave(struct bar *bar)
{
    if (bar->percent >= 0)
        fputc('\n', stderr);
}

void bar_clear(struct bar *bar)
{
    if (bar->percent >= 0)
        fprintf(stderr, "\r%*s\r", WIDTH + AROUND, "");
}
