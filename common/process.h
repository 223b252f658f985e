/* process: what every process of ours does at its start and its end, and what the supervisor needs to start
 * one.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROCESS_H
#define OUTRIGGER_PROCESS_H

#include "object.h"

#include <sys/types.h>

struct account;

/* Bytes of a release's name ("0.1.0"), with the NUL. */
enum { PROCESS_RELEASE_BYTES = 32 };

/* Says "ready\n", and in a second line which release of ours this is, on the descriptor (if it is not -1) and
 * closes it. */
void process_ready(int ready_fd);
/* Raises the soft limit of open files to at least `wanted` (up to the hard limit); returns what it is then.
 */
size_t process_descriptor_limit(size_t wanted);
/* Takes the lock file PATH (made when missing, kept open for the life of the process). Returns its
 * descriptor, -1 with errno EWOULDBLOCK when another process holds it. */
int process_lock(const char *path);
/* Gives it back: removes the file, then closes the descriptor; does nothing for -1. */
void process_unlock(const char *path, int fd);
/* Makes a directory and its parents with that mode for the last; 0 or -1 with errno. Existing is fine. */
int process_make_directory(const char *path, mode_t mode);
/* The start time of a process in clock ticks since boot (/proc/PID/stat field 22): with the pid it names one
 * process for ever. 0 when there is none, or only a zombie. */
uint64_t process_start_time(pid_t pid);
/* True when that process lives; of any start time where `start` is 0. Where /proc does not show it
 * (ProtectProc= of systemd, to who is in a Landlock domain or in a user namespace) it does while there is one
 * of that number. */
bool process_lives(pid_t pid, uint64_t start);
/* The user that it runs as; false when there is none. */
bool process_user(pid_t pid, uid_t *uid);
/* How long it has run, in nanoseconds, to the hundredth of a second; 0 when there is none. */
int64_t process_age(pid_t pid);
/* Resident bytes and CPU microseconds (user + system) of a process; false when there is none. */
bool process_usage(pid_t pid, uint64_t *resident_bytes, uint64_t *cpu_us);

/* Takes a process that was started in the background out of it, with all its threads. False with errno: EPERM
 * without CAP_SYS_NICE or an RLIMIT_NICE of 20 (its nice value, 0), when it stays as it is; or when it goes
 * back again and again. What it has started itself stays in the background. */
bool process_come_forward(pid_t pid);

/* A program to start. Everything that the child has is listed here; all other descriptors are closed. */
struct spawn {
    const char *program;           /* path */
    const char *const *arguments;  /* argv, NULL-terminated */
    int listen_fd;                 /* becomes descriptor 0 (FastCGI's habit), or -1: /dev/null */
    int ready_fd;                  /* becomes descriptor 3, or -1 */
    int token_fd;                  /* becomes descriptor 4, or -1 */
    int error_fd;                  /* becomes descriptors 1 and 2, or -1: inherited */
    const char *cores;             /* "0,2-3": the cores it may run on; NULL or "": all */
    bool background;               /* it computes only when nobody else wants the core */
    int64_t memory_bytes;          /* RLIMIT_DATA; 0: as ours */
    char *const *hidden;           /* variables of our environment that it does not get; NULL: it gets all */
    const struct account *account; /* the user that it becomes (account.h); NULL: ours */
    bool dies_with_us;             /* it gets SIGTERM when our thread ends, however that is */
    /* Called with its pid before the program runs: who must not forget it writes the number down now. When we
     * die before this returns the program never runs. NULL: nobody. */
    void (*born)(void *self, pid_t pid);
    void *self;
};
/* Starts it in a process group of its own, with all signals unblocked and at their default, but SIGPIPE
 * ignored: the death of whoever reads error_fd must not kill those who log there. Returns its pid, *pidfd = a
 * pollable descriptor that the caller closes; -1 with errno (of the exec too). */
pid_t process_spawn(const struct spawn *spawn, int *pidfd);

/* Pins the calling process (all threads that come) to cores "0,2-3"; 0, or -1 with errno. "" does nothing. */
int process_pin(const char *cores);

#endif
