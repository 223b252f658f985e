/* scale: how many workers a version shall have, from what its workers did lately. Nothing but arithmetic on
 * times that are given to it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCALE_H
#define OUTRIGGER_SCALE_H

#include "object.h"

enum { SCALE_WORKERS_MAX = 256 };

/* What model.conf says (section scaling); times in ns. */
struct scale_rule {
    int64_t target_wait;
    int64_t up_percent;
    int64_t down_percent;
    int64_t down_after;
    int64_t idle;
};

/* What there is at one look. */
struct scale_seen {
    int64_t now;     /* monotonic ns */
    int64_t running; /* workers of ours that have said ready */
    int64_t workers; /* that the broker has, those of other hosts, too */
    int64_t busy;    /* ns that all of them have computed since the broker began */
    int64_t wait;    /* ns until what waits now gets to a worker */
    int64_t open;    /* requests that wait, or are being computed */
    bool known;      /* the broker knows what the version takes; a worker must run once for that */
    int64_t room;    /* workers more that there are cores for */
};

/* What is remembered of one version. */
struct scale_pilot {
    int64_t target;
    int64_t min, max;
    int64_t seen_at, busy, wait; /* at the look before; seen_at 0: there was none */
    int64_t idle_since;          /* 0: it is not idle */
    int64_t low_since;           /* 0: it is busy enough */
    double peak;                 /* of the demand since then */
    double high_demand;          /* of the looks that called for more, together */
    int high_looks;
    struct {
        int64_t at; /* 0: never */
        double demand;
    } too_few[SCALE_WORKERS_MAX + 1]; /* when so many workers were not enough, and for how much */
};

/* Takes other bounds; the target follows into them. */
void scale_bound(struct scale_pilot *pilot, int64_t min, int64_t max);
/* Looks once; returns the target. */
int64_t scale_look(struct scale_pilot *pilot, const struct scale_rule *rule, const struct scale_seen *seen);
/* Somebody waits for the version: it has one worker at least. True when it had none. */
bool scale_wake(struct scale_pilot *pilot);

#endif
