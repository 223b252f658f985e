/* complete: what may stand where a shell's cursor is. Pure, but for the names of models, which a source
 * gives. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COMPLETE_H
#define OUTRIGGER_COMPLETE_H

#include "ctl.h"

/* Takes a candidate and what it means ("" when that is plain). */
typedef void complete_take(void *self, const char *candidate, const char *meaning);

/* Where the names of models are asked for: the configuration that the command line names so far. */
struct complete_place {
    const char *config_file; /* NULL: none */
    const char *const *settings;
    size_t setting_count;
};

struct complete_source {
    /* Gives every model, or, with `model`, every version of that one. */
    void (*each)(void *self, const struct complete_place *place, const char *model, complete_take *take,
                 void *taker);
    void *self;
};

/* Gives each candidate for the last of the words ("" when it is yet to be begun); the words are those behind
 * "outrigger". Returns true when a path may stand there: then there are no candidates, and the shell
 * completes it. */
bool complete(const char *const *words, size_t count, const struct complete_source *source,
              complete_take *take, void *taker);

#endif
