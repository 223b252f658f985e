/* top_terminal: whether there is a terminal to draw on. It is asked first, for newterm leaves memory behind
 * when it fails; and in a file of its own, for <term.h> makes macros of words such as lines and columns.
 * SPDX-License-Identifier: MIT */
#include "top_screen.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool top_terminal_is_known(void)
{
    int fault;
    if (setupterm(NULL, STDOUT_FILENO, &fault) != OK)
        return false;
    del_curterm(cur_term);
    return true;
}
