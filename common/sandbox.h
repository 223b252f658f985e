/* sandbox: the rights that a program gives up when its set-up is done and before it looks at anything that
 * comes from outside: a request, a message, a model file.
 *
 *   no_new_privs   nothing that is executed gains rights
 *   rlimits        nothing written where nothing is to be, no more descriptors than at the start
 *   Landlock       files: only the listed ones; TCP: only the listed ports. Paths are what it knows of
 *   seccomp        system calls: only the listed ones. Numbers are what it knows of
 *
 * Neither of the two knows the address of a Unix socket, so a process that may connect at all could ask the
 * supervisor's. What may be connected to therefore stands on a page that nobody can write (sandbox_sealed.h).
 * Who connects to any host (network_out) is told by the address's family alone, which seccomp does not see:
 * there the handler keeps off the sockets of others, and that stops a mistake and not an attack. So it is for
 * a process that does nothing else and reads nothing of strangers (frontend/fetch_hand.c).
 *
 * A call that is refused ends the process, and one line names it:
 *     sandbox: the worker worker.churn.3.1 called openat("/etc/shadow", O_RDONLY) and was stopped
 * Where a file is refused to a program that is no model's, it gets EACCES and goes on, and the line says so:
 * a broker whose new model.conf is a link into nowhere shall not take the service with it. So does Python,
 * whose libraries try out what they can have.
 *
 * All of it is for one thread that becomes many: threads that there are already would keep their rights.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_H
#define OUTRIGGER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sandbox_role {
    SANDBOX_WORKER,
    SANDBOX_PYTHON_WORKER,
    SANDBOX_FRONTEND,
    SANDBOX_FETCHER,
    SANDBOX_BROKER,
    SANDBOX_COLLECTOR,
    SANDBOX_SUPERVISOR,
    SANDBOX_ROLES
};

enum { SANDBOX_PATHS_MAX = 64, SANDBOX_PEERS_MAX = 8 };

/* A user, with so many groups beside its own. */
struct sandbox_user {
    uid_t uid;
    gid_t gid;
    size_t groups;
};

/* What one process may do beside what every one of its role may (sandbox_policy.c). The texts must live until
 * sandbox_enter returns. */
struct sandbox {
    enum sandbox_role role;
    const char *mode; /* sandbox.mode: "on"; "log": nothing is refused, and what would be is logged; "off" */
    const char *name; /* the process's, for the line */
    const char *read[SANDBOX_PATHS_MAX];  /* files, and folders with all below them */
    const char *write[SANDBOX_PATHS_MAX]; /* the same, to read, write, make and remove in */
    const char *peers[SANDBOX_PEERS_MAX]; /* endpoints to connect to: ipc://PATH or tcp://ADDRESS:PORT */
    const char *remove;    /* the one file that it removes at its end where it may write nothing */
    bool listens;          /* binds sockets after sandbox_enter, too */
    bool lists_interfaces; /* as ZeroMQ does when it binds to TCP */
    bool network_out;      /* connects to any host by TCP, and resolves names */
    const struct sandbox_user *becomes; /* the supervisor: its children become that user, and nobody another
                                           one; NULL: what the kernel allows */
};

/* Adds to a list; NULL, "" and what is there already are passed over, what has no room ends the process. */
void sandbox_may_read(struct sandbox *sandbox, const char *path);
void sandbox_may_write(struct sandbox *sandbox, const char *path);
void sandbox_may_reach(struct sandbox *sandbox, const char *endpoint);

/* Gives the rights up. What this kernel has not is said in the log and goes without. False with `reason` when
 * what it has does not work; then the process must end. */
bool sandbox_enter(const struct sandbox *sandbox, char *reason, size_t capacity);
/* The same; ends the process after a complaint with a status that lets the supervisor try again. */
void sandbox_enter_or_exit(const struct sandbox *sandbox);

/* What the kernel offers. */
struct sandbox_powers {
    int landlock; /* the version of its interface; 0: none */
    bool seccomp;
    bool notify; /* mode "log" can name calls */
};
struct sandbox_powers sandbox_powers(void);

#endif
