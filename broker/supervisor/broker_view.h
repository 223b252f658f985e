/* broker_view: what the broker knows, as it says itself. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BROKER_VIEW_H
#define OUTRIGGER_BROKER_VIEW_H

#include "config.h"
#include "scale.h"

#include <sys/types.h>

/* The broker's answer to "status", asked at the first question and again at the first after
 * broker_view_forget. A broker that does not answer within 200 ms knows no workers and holds no requests. */
struct broker_view;
struct broker_view *broker_view_new(const struct config *config);
void broker_view_forget(struct broker_view *view);
void broker_view_free(struct broker_view *view);

/* True when it has answered. */
bool broker_view_answers(struct broker_view *view);
/* The workers of this version that have registered, without those of other hosts (unmanaged). */
int64_t broker_view_workers(struct broker_view *view, const char *model, const char *version);
/* True when the worker of this host with that pid has registered. */
bool broker_view_knows(struct broker_view *view, pid_t pid);
/* The requests that the worker with that pid has answered since it registered. */
int64_t broker_view_answered(struct broker_view *view, pid_t pid);
/* The requests that are queued for this version, or in the hands of its workers. */
int64_t broker_view_open(struct broker_view *view, const char *model, const char *version);

/* One version that the broker knows. */
struct broker_view_version {
    const char *model, *version, *digest; /* which files its workers have; "": not said */
    bool stable;
    int64_t workers; /* also those of other hosts */
};
/* Visits each, if the broker has been asked since broker_view_forget: does not ask by itself. */
typedef void broker_view_visit(void *self, const struct broker_view_version *version);
void broker_view_each(const struct broker_view *view, broker_view_visit *visit, void *self);

/* False when the broker knows that two versions of a model take different inputs; `how` (cut at `capacity`)
 * says what differs. Asked anew each time. True when it does not know, or does not answer. */
bool broker_view_same_inputs(struct broker_view *view, const char *model, const char *one, const char *other,
                             char *how, size_t capacity);

/* What the broker says of the load of a version; false when it says nothing. `now`, `running` and `room` are
 * the caller's. */
bool broker_view_load(struct broker_view *view, const char *model, const char *version,
                      struct scale_seen *seen);

#endif
