/* rollout_state: what rollout.c (how a roll-out goes on) and rollouts.c (all of them) share; nobody else
 * includes this. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROLLOUT_STATE_H
#define OUTRIGGER_ROLLOUT_STATE_H

#include "rollout.h"

enum { ROLLOUTS_MAGIC = 0x0a0110e5 };

struct rollouts {
    unsigned magic;
    char *path;
    struct rollout_hands hands;
    struct audit *audit;
    struct metrics *metrics;
    struct rollout *first; /* one for each model that ever had one */
    bool changed;          /* since the file was written */
    yyjson_doc *figures;   /* of this look; NULL: not asked for, or no answer */
    bool asked;
};

/* Writes the file. */
void rollouts_save(struct rollouts *rollouts);

/* Sets the sentence that says how it is. */
void rollout_say(struct rollout *rollout, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes down what was decided, everywhere: in the record, the audit log, the log, the counters. The file is
 * written before anything follows. */
void rollout_decide(struct rollouts *rollouts, struct rollout *rollout, const char *what);
/* Ends it. Nothing has moved: only the record changes. Else the route goes back at once. */
void rollout_go_back(struct rollouts *rollouts, struct rollout *rollout, enum rollout_state ending);
/* The figures since the step began, of both versions, for people and for the audit log. */
void rollout_add_figures(yyjson_mut_doc *document, yyjson_mut_val *object, const struct rollout *rollout);
/* The gauges: its share, and when it was rolled back. */
void rollout_show(const struct rollouts *rollouts, const struct rollout *rollout);
/* Of ROUTE_WHOLE. */
static inline double rollout_percent(uint32_t weight)
{
    return weight * 100.0 / ROUTE_WHOLE;
}

#endif
