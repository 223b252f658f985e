/* become: another program of ours in place of this one. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BECOME_H
#define OUTRIGGER_BECOME_H

#include "ctl.h"

/* A command line that grows. Zeroed = empty; words are not copied. */
struct become {
    const char **words;
    size_t count, room;
};

void become_add(struct become *become, const char *word);
/* -c and -s, as they were given. */
void become_add_configuration(struct become *become, const struct arguments *arguments);
/* Executes the program of that name (outrigger-supervisor) that lies beside this one, with the words behind
 * it. Returns only when that fails: an exit status, after a complaint. */
int become_run(struct become *become, const char *program);

#endif
