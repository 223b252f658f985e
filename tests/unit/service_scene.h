/* service_scene: one service whose process is a small shell script, and steps that are taken one after the
 * other on its loop. Nothing waits for time to pass: a script's end, a state, or an event that the test
 * itself sends moves it on. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SERVICE_SCENE_H
#define OUTRIGGER_SERVICE_SCENE_H

#include "clock.h"
#include "scratch_directory.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define READY  "echo ready >&3; exec 3>&-; "
#define SLEEP  "while :; do sleep 600; done"
#define SERVER READY SLEEP

static struct loop *loop;
static struct service *service;
static struct service_patience patience;
static struct child_command command;
static const char *arguments[] = {"/bin/sh", "-c", NULL, NULL};
static int out[2]; /* where the stderr of processes ends up */
static char history[4096];
static int births;
static char ended_how[64];
static pid_t ended_pid;

/* ---- what is told ---- */

static inline void on_born(void *self)
{
    ck_assert_ptr_eq(self, &history);
    ck_assert_int_ne(service_pid(service), 0); /* known before its program runs */
    ck_assert_uint_ne(service_ready_pipe(service), 0);
    births++;
}

static inline void on_ended(void *self, struct service *of, pid_t pid, const char *how)
{
    ck_assert_ptr_eq(self, &history);
    ck_assert_ptr_eq(of, service);
    ck_assert_int_eq(service_pid(of), 0);
    ended_pid = pid;
    snprintf(ended_how, sizeof ended_how, "%s", how);
}

static inline void on_changed(void *self, struct service *of, enum service_state before)
{
    ck_assert_ptr_eq(self, &history);
    size_t length = strlen(history);
    if (length == 0)
        length += (size_t)snprintf(history, sizeof history, "%s", service_state_name(before));
    ck_assert_ptr_nonnull(strstr(history, service_state_name(before)));
    snprintf(history + length, sizeof history - length, " %s", service_state_name(service_state(of)));
}

/* ---- set-up ---- */

static inline void set_up(void)
{
    scratch_make();
    loop = loop_new();
    ck_assert_int_eq(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
    history[0] = ended_how[0] = '\0';
    births = 0;
    ended_pid = 0;
    patience = (struct service_patience){.start_timeout_ms = 60000,
                                         .stop_timeout_ms = 60000,
                                         .drain_timeout_ms = 60000,
                                         .restart_max_ms = 30000,
                                         .storm_count = 10};
    service = NULL;
}

static inline void tear_down(void)
{
    service_free(service);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, dead or alive */
    ck_assert_int_eq(errno, ECHILD);
    loop_free(loop);
    close(out[0]);
    close(out[1]);
    scratch_remove();
}

static inline void make(const char *script)
{
    struct service_watcher watcher = {
        .born = on_born, .ended = on_ended, .changed = on_changed, .self = &history};
    arguments[2] = script;
    command = (struct child_command){.name = "fake.1",
                                     .path = "/bin/sh",
                                     .arguments = arguments,
                                     .listen_fd = -1,
                                     .cores = "",
                                     .drain_signal = SIGUSR1};
    service = service_new(loop, &command, &patience, &watcher, out[1]);
    ck_assert_int_eq(service_state(service), SERVICE_STOPPED);
}

/* ---- one step after the other, on one loop ---- */

struct step {
    bool (*until)(void);
    void (*then)(void); /* NULL: nothing */
};

static const struct step *next_step;

static inline void take_steps(void *self)
{
    (void)self;
    while (next_step->until != NULL && next_step->until()) {
        if (next_step->then != NULL)
            next_step->then();
        next_step++;
    }
    if (next_step->until == NULL)
        loop_stop(loop);
}

static inline void stay_awake(void *self)
{
    loop_timer_set(loop, self, clock_now() + 5 * MILLISECOND, stay_awake, self);
}

/* Runs the loop until every condition has come true, one after the other. */
static inline void walk(const struct step *steps)
{
    static struct loop_timer awake; /* some conditions are about files, not about events */
    awake = (struct loop_timer){0};
    next_step = steps;
    loop_each_turn(loop, take_steps, NULL);
    stay_awake(&awake);
    loop_run(loop);
    loop_timer_cancel(loop, &awake);
}

static inline bool at_once(void)
{
    return true;
}
#define IS(name, state)                                                                                      \
    static inline bool name(void)                                                                            \
    {                                                                                                        \
        return service_state(service) == state;                                                              \
    }
IS(is_stopped, SERVICE_STOPPED)
IS(is_starting, SERVICE_STARTING)
IS(is_running, SERVICE_RUNNING)
IS(is_draining, SERVICE_DRAINING)
IS(is_stopping, SERVICE_STOPPING)
IS(is_waiting, SERVICE_WAITING)
IS(is_failed, SERVICE_FAILED)

#define SEND(name, event)                                                                                    \
    static inline void name(void)                                                                            \
    {                                                                                                        \
        service_event(service, event);                                                                       \
    }
SEND(start, SERVICE_ON_START)
SEND(stop, SERVICE_ON_STOP)
SEND(kill_timeout, SERVICE_ON_KILL_TIMEOUT)
SEND(retry, SERVICE_ON_RETRY)
SEND(hung, SERVICE_ON_HUNG)
SEND(drain, SERVICE_ON_DRAIN)
SEND(restart, SERVICE_ON_RESTART)

static inline void murder(void)
{
    kill(service_pid(service), SIGKILL);
}

static inline bool has_lived_a_second(void)
{
    return service_state(service) == SERVICE_RUNNING && service_uptime_ms(service) >= 1000;
}

static inline bool runs_again(void)
{
    return service_state(service) == SERVICE_RUNNING && service_restarts(service) == 1;
}

/* The script says that it has come to a point by making this file. */
static inline bool file_is_there(void)
{
    return access(scratch_path("there"), F_OK) == 0;
}

static inline char *script_with_file(const char *before, const char *after)
{
    static char script[1024];
    snprintf(script, sizeof script, "%s >%s; %s", before, scratch_path("there"), after);
    return script;
}

/* ---- what it says on stderr ---- */

static char passed_on[1024 * 1024];
static size_t passed_on_length;

static inline bool drained(void)
{
    ssize_t length;
    while ((length = read(out[0], passed_on + passed_on_length, sizeof passed_on - 1 - passed_on_length)) > 0)
        passed_on_length += (size_t)length;
    passed_on[passed_on_length] = '\0';
    return true;
}

#endif
