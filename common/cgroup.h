/* cgroup: memory and CPU limits of single processes, by the kernel's control groups, version 2.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CGROUP_H
#define OUTRIGGER_CGROUP_H

#include "object.h"

#include <sys/types.h>

/* What a process may take; 0: as much as it likes. */
struct cgroup_limits {
    int64_t memory_mb;
    int64_t cpu_percent; /* of one core: 150 is one and a half */
    bool idle;           /* of the processors only what others leave, as with SCHED_IDLE */
};

struct cgroup_powers {
    bool memory;
    bool cpu;
};

/* The folder of our own group, in a buffer of CGROUP_PATH_BYTES; "" where there is no version 2. */
enum { CGROUP_PATH_BYTES = 4096 };
void cgroup_own(char path[CGROUP_PATH_BYTES]);
/* The same from the texts of /proc/self/cgroup and /proc/self/mounts. */
void cgroup_locate(const char *groups, const char *mounts, char path[CGROUP_PATH_BYTES]);

/* Which limits could be kept below that folder: the controller is given to us, we may write there, and it is
 * ours to divide: the root of all groups, delegated to us by systemd, or with no processes but the caller and
 * what it started. */
struct cgroup_powers cgroup_powers(const char *own);

/* Gives a folder that we may divide to that user, who is going to; not the root of all groups. */
void cgroup_give(const char *own, uid_t uid, gid_t gid);

/* Groups below our own, one for each process that is held. */
struct cgroup;
/* Makes ready to hold processes: those of the folder itself move to a group below it, as the kernel wants it
 * before controllers can be handed on, unless it is the root of all groups, where processes may stay. `owner`
 * is what tells us from others who divide the same folder: their groups are not ours. Groups that are left
 * from an earlier one of the same owner, and empty, are removed. Never NULL: one without powers where that is
 * not possible; the log says when the reason are processes of others. */
struct cgroup *cgroup_new(const char *own, const char *owner);
/* Takes back what this one handed on, and our processes with it, when nobody else is there and nobody is held
 * any more; not in the root of all groups. */
void cgroup_free(struct cgroup *cgroup);
struct cgroup_powers cgroup_has(const struct cgroup *cgroup);
/* From now on groups, and not processes, share the processors, which only limits of CPU need. True when that
 * is new to this one, so that who is to be idle must be held anew: within a group SCHED_IDLE means nothing to
 * the other groups. */
bool cgroup_share_cpu(struct cgroup *cgroup);
/* True since then. */
bool cgroup_shares_cpu(const struct cgroup *cgroup);
/* Since then the group of our own processes has the weight of as many as it holds; to be called whenever one
 * was born or has ended. Nothing before. */
void cgroup_weigh(const struct cgroup *cgroup);
/* Puts the process into the group of that name, made anew with these limits, or into the one that it is in.
 * False with errno. */
bool cgroup_hold(const struct cgroup *cgroup, const char *name, const struct cgroup_limits *limits,
                 pid_t pid);
/* How many processes of the group were killed because of its memory, since it was made; 0 for none such. */
int64_t cgroup_kills(const struct cgroup *cgroup, const char *name);
/* Ends what there still is in the group, and removes it. When something is about to end in it, it stays until
 * the name is held again, or until cgroup_free or the next cgroup_new. */
void cgroup_drop(const struct cgroup *cgroup, const char *name);

#endif
