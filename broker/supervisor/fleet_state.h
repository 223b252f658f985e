/* fleet_state: what the files fleet*.c share; nobody else includes it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FLEET_STATE_H
#define OUTRIGGER_FLEET_STATE_H

#include "broker_view.h"
#include "deploy.h"
#include "members.h"
#include "progress.h"
#include "repository.h"
#include "scaling.h"
#include "served.h"
#include "turnover.h"
#include "vetting.h"

enum { FLEET_MAGIC = 0x0f1ee700 };

/* What the broker does not know yet. */
enum news { NEWS_NONE, NEWS_ROUTES, NEWS_REPOSITORY };

struct fleet {
    unsigned magic;
    struct fleet_setup setup;
    struct config *config; /* what setup.basis.config is since the first reload; NULL: the caller's */
    char *fixed;           /* plan_fixed of it, for the ledger */
    struct plan *plan;
    struct service_patience patience;
    struct members members;
    struct progress *progress;
    struct deploy *deploy;
    struct repository *repository; /* NULL: it is not watched */
    struct loop_timer rescan;
    int64_t rescan_after; /* ns from a change to the reading */
    uint64_t complaints;  /* of the last reading, as a hash: they are not said again and again */
    enum news news;
    pid_t told_broker; /* the broker that fleet_greet_broker has told */
    bool ready_said;
    bool stopping;
    bool hurried;    /* stopping, and told a second time */
    bool look_again; /* reconciling left something open that no event will tell of */
    struct loop_timer look;
    struct loop_timer recycle;
    struct broker_view *view; /* forgotten after each reconciling */
    struct served *served;
    struct turnover *turnover;
    struct vetting *vetting;
    bool tell_refusals; /* to the broker */
    struct scaling *scaling;
    struct loop_timer scale;
};

/* As the configuration says. */
void fleet_set_patience(struct fleet *fleet, const struct config *config);
/* The operator has said something else, or traffic has moved: the plan follows. */
void fleet_decide(struct fleet *fleet);
/* The numbers of workers follow the load; what is wanted of them is done at the end of the turn. */
void fleet_scale(struct fleet *fleet);
/* Tells the broker what it does not know yet and waits for its answer: an old worker that is stopped before
 * the routes have moved would leave its queue to nobody. A broker that is away reads all when it starts. */
void fleet_tell_broker(struct fleet *fleet);
/* Tells a broker that has come of models that were unloaded or refused, which it cannot know of. True when
 * one has. */
bool fleet_greet_broker(struct fleet *fleet);
/* Tells the broker of the versions that did not pass their validation. */
void fleet_tell_refusals(struct fleet *fleet);
/* Begins or ends to watch the repository, as the configuration says. */
void fleet_watch(struct fleet *fleet);
/* Logs what was complained of at a reading; the same is said once. */
void fleet_log_complaints(struct fleet *fleet, struct config_errors *errors);
/* Reads the repository when something in this plan may be complete, though nothing more changes. */
void fleet_schedule_rescan(struct fleet *fleet, const struct plan *plan);

#endif
