/* vigil: nobody waits in silence: while something is waited for, it says so now and then (a warning: since
 * when, and for what), and ends the waiting where a bound was given. All of it belongs to the thread of the
 * loop. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VIGIL_H
#define OUTRIGGER_VIGIL_H

#include "loop.h"

enum { VIGIL_WORDS_MAX = 512 };

/* What is waited for, as a sentence's end: "no broker answers at ipc://...". */
typedef void vigil_explain(void *self, char words[VIGIL_WORDS_MAX]);

/* A part of whoever waits, who fills in the first five members. */
struct vigil {
    struct loop *loop;
    int64_t remind; /* ns between two reminders; 0: a minute */
    int64_t bound;  /* ns after which `ended` is called; 0: never */
    vigil_explain *explain;
    loop_call *ended; /* once; may be NULL without a bound */
    void *self;       /* of both */
    /* Its own. */
    struct loop_timer timer;
    int64_t since, since_wall; /* monotonic, and by the clock of people; ns */
    int64_t tell_at;
    bool told;
};

/* Something is waited for from now on. */
void vigil_begin(struct vigil *vigil);
/* Some of it came; the rest is waited for from now on. Cheap. True when it was told that nothing did. */
bool vigil_note(struct vigil *vigil);
/* Nothing is waited for any more. */
void vigil_end(struct vigil *vigil);
/* "nothing since 2026-11-28T18:20:50Z: no broker answers at ..." */
void vigil_words(const struct vigil *vigil, char words[VIGIL_WORDS_MAX]);

#endif
