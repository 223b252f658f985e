/* sandbox_policy: who may do what, as tables. For sandbox*.c alone. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_POLICY_H
#define OUTRIGGER_SANDBOX_POLICY_H

#include "sandbox.h"

/* ---- files ---- */

enum sandbox_access { ACCESS_READ = 1, ACCESS_WRITE = 2 };

struct sandbox_place {
    const char *path;
    unsigned access; /* of enum sandbox_access */
};

/* ---- system calls ---- */

enum sandbox_group {
    CALLS_BASE = 1 << 0,     /* memory, threads, time, signals of its own, descriptors that it has */
    CALLS_READ = 1 << 1,     /* opening and looking at files */
    CALLS_WRITE = 1 << 2,    /* making, changing and removing files */
    CALLS_CONNECT = 1 << 3,  /* Unix stream sockets */
    CALLS_LISTEN = 1 << 4,   /* binding them, and accepting */
    CALLS_TCP = 1 << 5,      /* TCP sockets, too */
    CALLS_RESOLVE = 1 << 6,  /* asking name servers */
    CALLS_ANYTHING = 1 << 7, /* everything but a list */
};

struct sandbox_policy {
    const char *word; /* "worker" */
    unsigned groups;
    const struct sandbox_place *places; /* ended by a path NULL */
};

const struct sandbox_policy *sandbox_policy_of(enum sandbox_role role);

/* True for the three words of sandbox.mode. */
bool sandbox_mode_known(const char *mode);

/* The calls of one group that need no look at their arguments, by name, ended by NULL. Names that this
 * system's libseccomp does not know are of another machine or a newer kernel. */
const char *const *sandbox_calls(enum sandbox_group group);
/* A call by path. Landlock says whether it is refused, but where `unguarded`: of those it knows nothing.
 * (Where there is no Landlock the handler says it, which stops a mistake and not an attack.) */
struct sandbox_path_call {
    const char *name;
    signed char directory, path, flags; /* which argument; -1: none */
    bool unguarded;
};

/* Those of CALLS_READ or CALLS_WRITE, ended by a name NULL. */
const struct sandbox_path_call *sandbox_path_calls(enum sandbox_group group);
/* The calls that a process of CALLS_ANYTHING may not. */
const char *const *sandbox_forbidden_calls(void);

#endif
