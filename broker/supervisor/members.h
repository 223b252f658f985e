/* members: the processes that there are, and which of them the plan still wants. Used by fleet.c alone.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MEMBERS_H
#define OUTRIGGER_MEMBERS_H

#include "fleet.h"
#include "ledger.h"

struct vetting;

/* One process of the fleet. */
struct member {
    struct members *members;
    struct command *command;
    struct child_command view; /* of the command, for the service */
    struct service *service;
    bool leaving;                /* another has been started to take its place: it does not count any more */
    bool retiring;               /* nobody wants it any more: stopped, then removed */
    int64_t handover_until;      /* it works off what waits for it, at most until then; 0: it is wanted */
    const char *how;             /* its last process ended */
    char origin[128];            /* where it comes from when it was not simply wanted: "adopted"; "" */
    int64_t no_recycling_before; /* monotonic ns: what was tried lately failed */
    bool was_known;              /* the broker has known its present process */
    bool missing;                /* when it was last looked for, the broker did not know it */
    int64_t missing_ms;          /* and had not for so long */
    unsigned limit_percent;      /* of the limits of its recycling, so that not all reach theirs at once */
    struct member *prev;
    struct member *next;
};

struct members {
    struct member *first; /* the others by `next`, in the order of their start */
    const struct fleet_setup *setup;
    const struct service_patience *patience;
    bool changed;    /* since the fleet last looked */
    loop_call *born; /* a process was made, and must be written down; with `self` */
    void *self;
    struct cgroup *cgroup;         /* where limits of workers are kept; NULL: none has any yet */
    bool broker_was_ready;         /* at least once */
    pid_t missing_from;            /* the broker that members are missing from */
    const struct vetting *vetting; /* NULL: there is no gate */
};

/* Adds and starts, or retires, so that `wanted` processes of the role (and of the version, for workers) are
 * there. */
void members_have(struct members *members, enum role role, const struct plan_version *version,
                  int64_t wanted);
/* Adds and starts those that lack, and leaves those that are too many. */
void members_have_at_least(struct members *members, enum role role, const struct plan_version *version,
                           int64_t wanted);
/* Those in the background that serve this version, which is in the background no more, come forward as they
 * are, where the kernel lets us; the others another takes the place of, as of a version that has changed. One
 * in Python may have started processes, which would stay behind: it is replaced. */
void members_come_forward(struct members *members, const struct plan_version *version);
/* Adds and starts one more that shall take the place of `old`, which does not count any more from now on.
 * `version` is NULL but for workers. */
struct member *members_succeed(struct members *members, struct member *old,
                               const struct plan_version *version, const char *cause);
/* The process of an earlier supervisor; takes its command and its pidfd out of the ledger. */
struct member *members_adopt(struct members *members, struct ledger_process *process);
/* Tells the broker which workers there are, and their tokens. `question`: it has asked, with that number; 0:
 * it has not. */
void members_introduce(const struct members *members, uint64_t question);
/* The broker must not wait for a process that is gone. */
void members_tell_of_death(const struct members *members, pid_t pid);
/* Workers of that version do not start, for that reason; `all`: none of them. */
void members_tell_fault(const struct members *members, const char *model, const char *version, bool all,
                        const char *reason);
/* The same for every worker that has failed to start, for a broker that knows of none. */
void members_tell_failures(const struct members *members);
/* The one with the highest number; NULL. */
struct member *members_highest(const struct members *members, const struct plan_version *version);
/* How many fit the plan; with `running` only those that have said ready. */
int64_t members_count(const struct members *members, enum role role, const struct plan_version *version,
                      bool running);
/* How many workers of the version have said ready, whatever files they were started from. */
int64_t members_running(const struct members *members, const char *model, const char *version);
/* True when it is of that role and version, and neither on its way out nor replaced. */
bool member_fits(const struct member *member, enum role role, const struct plan_version *version);
/* True for a worker that has said ready. */
bool member_serves(const struct member *member);

/* Asks it to finish what it has, as another does its work; members_remove_retired frees it then. */
void member_drain(struct member *member);
/* "worker.sum.2.1 (123)", in a buffer of MEMBER_TITLE_BYTES. */
enum { MEMBER_TITLE_BYTES = 320 };
const char *member_title(const struct member *member, char *buffer);
/* Stops it; members_remove_retired frees it when its process has ended. */
void member_retire(struct member *member);
void members_remove_retired(struct members *members);
void members_free_all(struct members *members);

#endif
