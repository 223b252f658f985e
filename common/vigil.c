/* vigil: see vigil.h. Kept by asker.c.
 *
 * The timer is not moved whenever something comes, which may be very often: it looks when it rings how long
 * ago that was. SPDX-License-Identifier: MIT */
#include "vigil.h"

#include "clock.h"
#include "log.h"
#include "object.h"

#include <stdio.h>
#include <time.h>

#define MINUTE (60 * SECOND)

enum { TIME_BYTES = 32 };

void vigil_words(const struct vigil *vigil, char words[VIGIL_WORDS_MAX])
{
    char what[VIGIL_WORDS_MAX] = "", since[TIME_BYTES];
    time_t seconds = (time_t)(vigil->since_wall / SECOND);
    struct tm parts;
    ENSURE(gmtime_r(&seconds, &parts) != NULL &&
           strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
    vigil->explain(vigil->self, what);
    snprintf(words, VIGIL_WORDS_MAX, "nothing since %s: %.*s", since, VIGIL_WORDS_MAX - 2 * TIME_BYTES, what);
}

static void set_timer(struct vigil *vigil);

static void rang(void *self)
{
    struct vigil *vigil = self;
    char words[VIGIL_WORDS_MAX];
    int64_t now = loop_now(vigil->loop);
    if (vigil->bound > 0 && now - vigil->since >= vigil->bound) {
        vigil->ended(vigil->self);
        return;
    }
    if (now >= vigil->tell_at) {
        vigil_words(vigil, words);
        log_warning("%s", words);
        vigil->told = true;
        vigil->tell_at = now + (vigil->remind > 0 ? vigil->remind : MINUTE);
    }
    set_timer(vigil);
}

static void set_timer(struct vigil *vigil)
{
    int64_t end = vigil->since + vigil->bound;
    bool ends_first = vigil->bound > 0 && end < vigil->tell_at;
    loop_timer_set(vigil->loop, &vigil->timer, ends_first ? end : vigil->tell_at, rang, vigil);
}

bool vigil_note(struct vigil *vigil)
{
    bool told = vigil->told;
    vigil->told = false;
    vigil->since = loop_now(vigil->loop);
    vigil->since_wall = clock_wall();
    vigil->tell_at = vigil->since + (vigil->remind > 0 ? vigil->remind : MINUTE);
    return told;
}

void vigil_begin(struct vigil *vigil)
{
    (void)vigil_note(vigil);
    set_timer(vigil);
}

void vigil_end(struct vigil *vigil)
{
    loop_timer_cancel(vigil->loop, &vigil->timer);
}
