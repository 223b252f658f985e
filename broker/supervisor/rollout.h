/* rollout: new versions of models take over step by step, watched, or not at all. SPDX-License-Identifier:
 * MIT */
#ifndef OUTRIGGER_ROLLOUT_H
#define OUTRIGGER_ROLLOUT_H

#include "audit.h"
#include "metrics.h"
#include "rollout_record.h"

enum rollout_version { ROLLOUT_VERSION_LOADING, ROLLOUT_VERSION_READY, ROLLOUT_VERSION_FAILED };

enum rollout_act { ROLLOUT_ACT_DONE, ROLLOUT_ACT_UNDER_WAY, ROLLOUT_ACT_REFUSED };

/* What roll-outs can do, and see. Whatever may be refused returns false and a reason. All of them outlive the
 * roll-outs. */
struct rollout_hands {
    void *self;
    /* Begins to run the version; a version that runs already goes on. */
    bool (*load)(void *self, const char *model, const char *version, char *reason, size_t capacity);
    /* How far it is, and why not further ("": nobody says). */
    enum rollout_version (*version)(void *self, const char *model, const char *version, char *reason,
                                    size_t capacity);
    /* What takes the requests that no route leads elsewhere; NULL: nothing does, or there is no such model.
     */
    const char *(*stable)(void *self, const char *model);
    /* Copies, the caller's to free: the route that holds, and what the operator said (NULL: nothing). */
    struct route *(*route)(void *self, const char *model);
    struct route *(*said)(void *self, const char *model);
    /* Makes the broker follow that route, NULL: what model.conf says, as if the operator had said it. While
     * it is under way it is to be said again with each look. */
    enum rollout_act (*set_route)(void *self, const char *model, const struct route *route, char *reason,
                                  size_t capacity);
    /* Makes that version, which is the stable one, stay it, whatever comes into the repository. */
    bool (*pin)(void *self, const char *model, const char *version, char *reason, size_t capacity);
    /* Makes the version the stable one, sooner or later. */
    bool (*promote)(void *self, const char *model, const char *version, char *reason, size_t capacity);
    /* The broker's figures, the caller's to free; NULL: it does not answer. */
    yyjson_doc *(*figures)(void *self);
    /* Answers of the version that were compared with the stable one's, and how many agreed, ever. False:
     * nobody knows. */
    bool (*agreement)(void *self, const char *model, const char *version, struct judged_share *share);
    /* Likewise answers whose truth is known, and how many were right. NULL: nobody measures that. */
    bool (*accuracy)(void *self, const char *model, const char *version, struct judged_share *share);
};

struct rollouts;

/* Goes on with what stands in the file at `path`. What is wrong there is logged, and the file is kept beside
 * it as PATH.broken. Never NULL. */
struct rollouts *rollouts_new(const char *path, const struct rollout_hands *hands, struct audit *audit,
                              struct metrics *metrics);
void rollouts_free(struct rollouts *rollouts);

/* Looks at each roll-out and does what is to be done. To be called about twice a second; `now` is monotonic
 * nanoseconds. */
void rollouts_look(struct rollouts *rollouts, int64_t now);
/* True when one is under way; of that model, unless it is NULL. */
bool rollouts_active(const struct rollouts *rollouts, const char *model);

/* The commands. `request` is the control socket's; false and a reason when they are refused. */
bool rollouts_begin(struct rollouts *rollouts, yyjson_val *request, char *reason, size_t capacity);
bool rollouts_pause(struct rollouts *rollouts, const char *model, char *reason, size_t capacity);
bool rollouts_resume(struct rollouts *rollouts, const char *model, char *reason, size_t capacity);
bool rollouts_abort(struct rollouts *rollouts, const char *model, char *reason, size_t capacity);
/* Adds "rollouts": [...] to the root of the reply: of that model, or of all (NULL); the last one of each. */
void rollouts_status(const struct rollouts *rollouts, const char *model, yyjson_mut_doc *reply);

#endif
