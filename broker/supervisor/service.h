/* service: one supervised process: started, watched, started again, stopped. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SERVICE_H
#define OUTRIGGER_SERVICE_H

#include "child.h"

/* The states, as `outrigger status` shows them. */
#define SERVICE_STATES(X)                                                                                    \
    X(STOPPED, "stopped")   /* no process, and none is wanted */                                             \
    X(STARTING, "starting") /* a process that has not said ready */                                          \
    X(RUNNING, "running")                                                                                    \
    X(DRAINING, "draining") /* a process that was asked to finish what it has, and end */                    \
    X(STOPPING, "stopping") /* a process that was told to end */                                             \
    X(WAITING, "waiting")   /* no process; the next start has its time */                                    \
    X(FAILED, "failed") /* as waiting, after many failed starts; or for good, if the process asked for it */

#define SERVICE_EVENTS(X)                                                                                    \
    X(START)         /* somebody wants it to run */                                                          \
    X(READY)         /* the process said ready */                                                            \
    X(EXITED)        /* the process ended, for whatever reason */                                            \
    X(READY_TIMEOUT) /* it has not said ready in time */                                                     \
    X(STOP)          /* nobody wants it any more */                                                          \
    X(KILL_TIMEOUT)  /* it was told to end and has not, or shall not have the time */                        \
    X(RETRY)         /* the time of the next start has come */                                               \
    X(HUNG)          /* somebody who knows says that it computes without end */                              \
    X(ADOPT)         /* there is a process already: an earlier supervisor started it */                      \
    X(DRAIN)         /* another does its work from now on */                                                 \
    X(RESTART)       /* a new process in its place, when it has finished what it has */                      \
    X(DRAIN_TIMEOUT) /* it has not finished in time */

enum service_state {
#define X(name, text) SERVICE_##name,
    SERVICE_STATES(X)
#undef X
        SERVICE_STATE_COUNT
};

enum service_event {
#define X(name) SERVICE_ON_##name,
    SERVICE_EVENTS(X)
#undef X
        SERVICE_EVENT_COUNT
};

enum { SERVICE_EXIT_FOR_GOOD = 125 }; /* the exit code by which a process asks not to be started again */

/* How long is waited for what; as outrigger.conf's supervisor section. */
struct service_patience {
    int64_t start_timeout_ms;
    int64_t stop_timeout_ms;
    int64_t drain_timeout_ms;
    int64_t restart_max_ms;
    int64_t storm_count;
};

struct service;

/* Who is told. No call may free the service. */
struct service_watcher {
    /* A process was made; its program runs when this returns. May be NULL. */
    void (*born)(void *self);
    /* It ended before its program ran. May be NULL. */
    void (*lost)(void *self, pid_t pid);
    /* The process ended; called before anything is done about it. `how` is "exit", "signal", "overdue",
     * "hung", "left" (as it was asked to, with all that it had finished) or "unknown" (an adopted one). */
    void (*ended)(void *self, struct service *service, pid_t pid, const char *how);
    void (*changed)(void *self, struct service *service, enum service_state before);
    void *self;
};

/* Stopped at first. `patience` is read at each use, so that it may change; `error_fd` is where the process's
 * stderr goes on to. Never NULL. */
struct service *service_new(struct loop *loop, const struct child_command *command,
                            const struct service_patience *patience, const struct service_watcher *watcher,
                            int error_fd);
/* Kills the process if there is one. */
void service_free(struct service *service);

/* Takes over a process that an earlier supervisor started, which it had restarted so often. The service is
 * stopped. */
void service_adopt(struct service *service, const struct orphan *orphan, uint64_t restarts);

/* Makes the service do what its table says for this event in its state. START, STOP, KILL_TIMEOUT (after
 * STOP: now), HUNG, DRAIN and RESTART are the owner's; ADOPT is service_adopt's; the others come from the
 * process and the clock. */
void service_event(struct service *service, enum service_event event);

enum service_state service_state(const struct service *service);
const char *service_state_name(enum service_state state);
pid_t service_pid(const struct service *service);                 /* 0: no process */
uint64_t service_ready_pipe(const struct service *service);       /* see child_ready_pipe */
struct worker_token service_token(const struct service *service); /* see child_token */
const char *service_release(const struct service *service);       /* see child_release */
int64_t service_uptime_ms(const struct service *service);
uint64_t service_restarts(const struct service *service);
/* Why the last process ended, or could not be started: "exit 1: cannot read x", "killed by signal 9"; "" at
 * first. */
const char *service_cause(const struct service *service);
/* How many starts in a row have failed, up to now; 0 once the process has said ready. */
int64_t service_failures(const struct service *service);
/* The last lines on stderr of the last process that ended, with newlines between them; "" at first. */
const char *service_last_words(const struct service *service);
/* Puts the process that there is where the limits in its command are kept; nothing without one. */
void service_hold(struct service *service);
/* Resident bytes of the process, CPU time of it and of all before it. */
void service_usage(const struct service *service, uint64_t *resident_bytes, uint64_t *cpu_us);

/* How long to wait before the start that follows `failures` failed ones in a row (at least 1): one second,
 * doubled with each, a quarter of that at random on top so that many do not start as one, never above the
 * maximum. */
int64_t service_backoff_ms(int64_t failures, int64_t restart_max_ms, uint32_t random);

#endif
