/* service: one supervised process as one table, action = actions[state][event].
 *
 * The fleet makes a service for each process that there shall be and sends it START and STOP; all other
 * events come from the process itself (child.c) and from the one timer. Everything that a
 * service ever does stands in the table; each entry is a small named function, and enter() alone changes the
 * state.
 *
 * The rules of starting again: no service starts more often than once a second. Within that, a process that
 * was ready is replaced at once, however it ended. One that ended without having been ready has failed to
 * start: one second's wait, doubled each time, and after storm_count of them in a row the service is called
 * failed and tried at the longest wait.
 *
 * A process that another replaces is not stopped but drained: it may take as long as its work does. Only when
 * drain_timeout_ms is over it is told to stop like any other.
 * SPDX-License-Identifier: MIT */
#include "service.h"

#include "clock.h"
#include "log.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { SERVICE_MAGIC = 0x5e41c3aa };

enum { LAST_LINES = 5 }; /* enough for what an engine complains of, little enough to be read */

/* No service starts twice within this time. */
static const int64_t between_starts = SECOND;

struct service {
    unsigned magic;
    struct loop *loop;
    const struct child_command *command;
    const struct service_patience *patience;
    struct service_watcher watcher;
    enum service_state state;
    bool wanted;     /* the owner's last word: START or STOP */
    bool overdue;    /* this process is being stopped because it has not */
    bool hung;       /* this process was killed because somebody said so */
    int exit_status; /* of the last process, as wait(2) tells it, or CHILD_STATUS_UNKNOWN */
    struct child *child;
    const struct orphan *orphan; /* during ADOPT: the process */
    struct loop_timer timer;     /* the one thing that this state waits for */
    int64_t started_at;          /* monotonic nanoseconds; 0: never yet */
    int64_t failures;            /* failed starts in a row */
    uint64_t starts;
    char cause[1024];
    char last_words[2048];
};

static void timer_fired(void *self);

/* ---- what the rest reads ---- */

const char *service_state_name(enum service_state state)
{
    static const char *const names[] = {
#define X(name, text) [SERVICE_##name] = text,
        SERVICE_STATES(X)
#undef X
    };
    _Static_assert(COUNT_OF(names) == SERVICE_STATE_COUNT, "each state has a name");
    ENSURE(state < SERVICE_STATE_COUNT);
    return names[state];
}

enum service_state service_state(const struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    return service->state;
}

pid_t service_pid(const struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    return child_pid(service->child);
}

uint64_t service_ready_pipe(const struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    return child_ready_pipe(service->child);
}

struct worker_token service_token(const struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    return child_token(service->child);
}

const char *service_release(const struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    return child_release(service->child);
}

int64_t service_uptime_ms(const struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    return child_pid(service->child) == 0 ? 0 : (clock_now() - service->started_at) / MILLISECOND;
}

uint64_t service_restarts(const struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    return service->starts == 0 ? 0 : service->starts - 1;
}

const char *service_cause(const struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    return service->cause;
}

int64_t service_failures(const struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    return service->failures;
}

const char *service_last_words(const struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    return service->last_words;
}

void service_usage(const struct service *service, uint64_t *resident_bytes, uint64_t *cpu_us)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    child_usage(service->child, resident_bytes, cpu_us);
}

void service_hold(struct service *service)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    child_hold(service->child, service->command);
}

/* ---- states and waits ---- */

static void enter(struct service *service, enum service_state state)
{
    enum service_state before = service->state;
    if (state == before)
        return;
    service->state = state;
    char pid[32] = "";
    if (child_pid(service->child) != 0)
        snprintf(pid, sizeof(pid), " (%ld)", (long)child_pid(service->child));
    log_info("%s%s: %s -> %s", service->command->name, pid, service_state_name(before),
             service_state_name(state));
    service->watcher.changed(service->watcher.self, service, before);
}

static void wait_until(struct service *service, int64_t at)
{
    loop_timer_set(service->loop, &service->timer, at, timer_fired, service);
}

static void wait_ms(struct service *service, int64_t milliseconds)
{
    wait_until(service, clock_now() + milliseconds * MILLISECOND);
}

static void timer_fired(void *self)
{
    struct service *service = self;
    static const enum service_event events[SERVICE_STATE_COUNT] = {
        [SERVICE_STARTING] = SERVICE_ON_READY_TIMEOUT, [SERVICE_DRAINING] = SERVICE_ON_DRAIN_TIMEOUT,
        [SERVICE_STOPPING] = SERVICE_ON_KILL_TIMEOUT,  [SERVICE_WAITING] = SERVICE_ON_RETRY,
        [SERVICE_FAILED] = SERVICE_ON_RETRY,
    };
    ENSURE(events[service->state] != SERVICE_ON_START); /* no other state sets the timer */
    service_event(service, events[service->state]);
}

int64_t service_backoff_ms(int64_t failures, int64_t restart_max_ms, uint32_t random)
{
    int64_t wait = 1000;
    for (int64_t i = 1; i < failures && wait < restart_max_ms; i++)
        wait *= 2;
    wait += random % (wait / 4);
    return wait < restart_max_ms ? wait : restart_max_ms;
}

/* Randomness that need not be good: it only keeps services apart. */
static uint32_t some_random(const struct service *service)
{
    uint64_t mixed = ((uint64_t)clock_now() ^ (uintptr_t)service) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 32);
}

/* One more failed start: waits for the next. */
static void back_off(struct service *service)
{
    const struct service_patience *patience = service->patience;
    service->failures++;
    bool storm = service->failures >= patience->storm_count;
    int64_t wait =
        storm ? patience->restart_max_ms
              : service_backoff_ms(service->failures, patience->restart_max_ms, some_random(service));
    log_warning("%s: %s; %lld failed starts, the next in %lld ms", service->command->name, service->cause,
                (long long)service->failures, (long long)wait);
    wait_ms(service, wait);
    enter(service, storm ? SERVICE_FAILED : SERVICE_WAITING);
}

/* ---- the process ---- */

static void describe_end(struct service *service)
{
    char line[800];
    int status = service->exit_status;
    child_last_line(service->child, line, sizeof(line));
    child_last_lines(service->child, LAST_LINES, service->last_words, sizeof(service->last_words));
    const char *colon = line[0] == '\0' ? "" : ": ";
    if (service->overdue)
        snprintf(service->cause, sizeof(service->cause), "not ready within %lld ms%s%s",
                 (long long)service->patience->start_timeout_ms, colon, line);
    else if (service->hung)
        snprintf(service->cause, sizeof(service->cause), "killed because it hung");
    else if (status == CHILD_STATUS_UNKNOWN)
        snprintf(service->cause, sizeof(service->cause), "ended%s%s", colon, line);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        snprintf(service->cause, sizeof(service->cause), "exit 0");
    else if (WIFEXITED(status))
        snprintf(service->cause, sizeof(service->cause), "exit %d%s%s", WEXITSTATUS(status), colon, line);
    else if (WTERMSIG(status) == SIGABRT || WTERMSIG(status) == SIGSYS) /* who aborts has said why, and so has
                                                                           the sandbox */
        snprintf(service->cause, sizeof(service->cause), "killed by signal %d%s%s", WTERMSIG(status), colon,
                 line);
    else
        snprintf(service->cause, sizeof(service->cause), "killed by signal %d", WTERMSIG(status));
}

/* Whoever reads why a worker died must know that it was kept short. */
static void name_limit(struct service *service)
{
    int64_t limit = service->command->limits.memory_mb;
    size_t length = strlen(service->cause);
    bool good = service->exit_status == 0 || service->overdue || service->hung;
    if (limit == 0 || good)
        return;
    if (child_was_full(service->child, service->command))
        snprintf(service->cause, sizeof(service->cause),
                 "killed: it wanted more than limits.memory_mb = %lld", (long long)limit);
    else if (length + 80 < sizeof(service->cause))
        snprintf(service->cause + length, sizeof(service->cause) - length,
                 " (it had limits.memory_mb = %lld)", (long long)limit);
}

static const char *how_it_ended(const struct service *service)
{
    if (service->overdue)
        return "overdue";
    if (service->hung)
        return "hung";
    bool unknown = service->exit_status == CHILD_STATUS_UNKNOWN;
    bool was_told = service->state == SERVICE_DRAINING || service->state == SERVICE_STOPPING;
    if (was_told && (unknown || service->exit_status == 0))
        return "left";
    if (unknown)
        return "unknown";
    return WIFSIGNALED(service->exit_status) ? "signal" : "exit";
}

static void process_born(void *self)
{
    struct service *service = self;
    if (service->watcher.born != NULL)
        service->watcher.born(service->watcher.self);
}

static void process_lost(void *self, pid_t pid)
{
    struct service *service = self;
    if (service->watcher.lost != NULL)
        service->watcher.lost(service->watcher.self, pid);
}

static void process_ready_said(void *self)
{
    service_event(self, SERVICE_ON_READY);
}

static void process_ended(void *self, pid_t pid, int status)
{
    struct service *service = self;
    service->exit_status = status;
    loop_timer_cancel(service->loop, &service->timer);
    describe_end(service);
    name_limit(service);
    service->watcher.ended(service->watcher.self, service, pid, how_it_ended(service));
    service_event(service, SERVICE_ON_EXITED);
}

static void launch(struct service *service)
{
    service->started_at = clock_now();
    service->starts++;
    service->overdue = service->hung = false;
    if (!child_start(service->child, service->command)) {
        snprintf(service->cause, sizeof(service->cause), "cannot start %s: %s", service->command->path,
                 strerror(errno));
        back_off(service);
        return;
    }
    wait_ms(service, service->patience->start_timeout_ms);
    enter(service, SERVICE_STARTING);
}

/* Launches now, or when the last start is a second ago. */
static void launch_soon(struct service *service)
{
    int64_t at = service->starts == 0 ? 0 : service->started_at + between_starts;
    if (at <= clock_now()) {
        launch(service);
        return;
    }
    wait_until(service, at);
    enter(service, SERVICE_WAITING);
}

static void terminate(struct service *service)
{
    child_terminate(service->child);
    wait_ms(service, service->patience->stop_timeout_ms);
    enter(service, SERVICE_STOPPING);
}

/* Asks the process to finish what it has; whether another follows in its place is `wanted`. */
static void ask_to_finish(struct service *service)
{
    child_drain(service->child, service->command);
    wait_ms(service, service->patience->drain_timeout_ms);
    enter(service, SERVICE_DRAINING);
}

/* ---- the actions ---- */

static void ignore(struct service *service)
{
    (void)service;
}

/* From stopped, or from a wait that the owner is tired of: what failed before is forgotten. */
static void start(struct service *service)
{
    service->wanted = true;
    service->failures = 0;
    launch_soon(service);
}

static void be_ready(struct service *service)
{
    loop_timer_cancel(service->loop, &service->timer);
    service->failures = 0;
    enter(service, SERVICE_RUNNING);
}

/* The process ended without having been told to. */
static void died(struct service *service)
{
    if (WIFEXITED(service->exit_status) && WEXITSTATUS(service->exit_status) == SERVICE_EXIT_FOR_GOOD) {
        log_error("%s: %s; it is not started again", service->command->name, service->cause);
        enter(service, SERVICE_FAILED);
    } else if (service->state == SERVICE_RUNNING) {
        log_warning("%s: %s; started again", service->command->name, service->cause);
        launch_soon(service);
    } else {
        back_off(service);
    }
}

static void stop_overdue(struct service *service)
{
    service->overdue = true;
    terminate(service);
}

static void stop(struct service *service)
{
    service->wanted = false;
    terminate(service);
}

/* There is no process: nothing to end but the wait. */
static void give_up(struct service *service)
{
    service->wanted = false;
    loop_timer_cancel(service->loop, &service->timer);
    enter(service, SERVICE_STOPPED);
}

static void adopt(struct service *service)
{
    service->wanted = true;
    if (!child_adopt(service->child, service->orphan)) {
        enter(service, SERVICE_RUNNING);
        return;
    }
    wait_ms(service, service->patience->start_timeout_ms);
    enter(service, SERVICE_STARTING);
}

static void drain(struct service *service)
{
    service->wanted = false;
    ask_to_finish(service);
}

static void drain_and_start(struct service *service)
{
    service->wanted = true;
    ask_to_finish(service);
}

static void want(struct service *service)
{
    service->wanted = true;
}

static void no_longer_want(struct service *service)
{
    service->wanted = false;
}

static void kill_now(struct service *service)
{
    log_warning("%s (%ld): does not end; killed", service->command->name, (long)child_pid(service->child));
    child_kill(service->child);
}

static void kill_hung(struct service *service)
{
    service->hung = true;
    log_warning("%s (%ld): hangs; killed", service->command->name, (long)child_pid(service->child));
    child_kill(service->child);
}

/* The process ended as it was told to: because nobody wants it, because it was not ready in time, or because
 * somebody changed his mind. */
static void ended(struct service *service)
{
    if (!service->wanted)
        enter(service, SERVICE_STOPPED);
    else if (service->overdue)
        back_off(service);
    else
        launch_soon(service);
}

typedef void action(struct service *service);

/* clang-format off */
static action *const actions[][SERVICE_EVENT_COUNT] = {
#define ROW(state, on_start, on_ready, on_exited, on_ready_timeout, on_stop, on_kill_timeout, on_retry,      \
            on_hung, on_adopt, on_drain, on_restart, on_drain_timeout)                                       \
    [SERVICE_##state] = {                                                                                    \
        [SERVICE_ON_START] = on_start, [SERVICE_ON_READY] = on_ready, [SERVICE_ON_EXITED] = on_exited,       \
        [SERVICE_ON_READY_TIMEOUT] = on_ready_timeout, [SERVICE_ON_STOP] = on_stop,                          \
        [SERVICE_ON_KILL_TIMEOUT] = on_kill_timeout, [SERVICE_ON_RETRY] = on_retry,                          \
        [SERVICE_ON_HUNG] = on_hung, [SERVICE_ON_ADOPT] = on_adopt, [SERVICE_ON_DRAIN] = on_drain,           \
        [SERVICE_ON_RESTART] = on_restart, [SERVICE_ON_DRAIN_TIMEOUT] = on_drain_timeout}
    /*            START    READY     EXITED   READY_TIMEOUT  STOP            KILL_TIMEOUT  RETRY    HUNG
                  ADOPT    DRAIN           RESTART           DRAIN_TIMEOUT */
    ROW(STOPPED,  start,   ignore,   ignore,  ignore,        ignore,         ignore,       ignore,  ignore,
                  adopt,   ignore,         ignore,           ignore),
    ROW(STARTING, ignore,  be_ready, died,    stop_overdue,  stop,           ignore,       ignore,  kill_hung,
                  ignore,  stop,           ignore,           ignore),
    ROW(RUNNING,  ignore,  ignore,   died,    ignore,        stop,           ignore,       ignore,  kill_hung,
                  ignore,  drain,          drain_and_start,  ignore),
    ROW(DRAINING, want,    ignore,   ended,   ignore,        stop,           ignore,       ignore,  kill_hung,
                  ignore,  no_longer_want, want,             terminate),
    ROW(STOPPING, want,    ignore,   ended,   ignore,        no_longer_want, kill_now,     ignore,  kill_hung,
                  ignore,  no_longer_want, ignore,           ignore),
    ROW(WAITING,  start,   ignore,   ignore,  ignore,        give_up,        ignore,       launch,  ignore,
                  ignore,  give_up,        ignore,           ignore),
    ROW(FAILED,   start,   ignore,   ignore,  ignore,        give_up,        ignore,       launch,  ignore,
                  ignore,  give_up,        ignore,           ignore),
#undef ROW
};
/* clang-format on */
_Static_assert(COUNT_OF(actions) == SERVICE_STATE_COUNT, "a row for each state");
_Static_assert(SERVICE_EVENT_COUNT == 12, "a column for each event: ROW has as many");

void service_event(struct service *service, enum service_event event)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    ENSURE(event < SERVICE_EVENT_COUNT);
    actions[service->state][event](service);
}

void service_adopt(struct service *service, const struct orphan *orphan, uint64_t restarts)
{
    CHECK_OBJECT(service, SERVICE_MAGIC);
    ENSURE(service->state == SERVICE_STOPPED);
    int64_t age = process_age(orphan->pid);
    service->starts = restarts + 1;
    service->started_at = clock_now() - age;
    service->overdue = service->hung = false;
    service->orphan = orphan;
    service_event(service, SERVICE_ON_ADOPT);
    service->orphan = NULL;
}

/* ---- life ---- */

struct service *service_new(struct loop *loop, const struct child_command *command,
                            const struct service_patience *patience, const struct service_watcher *watcher,
                            int error_fd)
{
    struct service *service = object_alloc(sizeof(*service));
    service->magic = SERVICE_MAGIC;
    service->loop = loop;
    service->command = command;
    service->patience = patience;
    service->watcher = *watcher;
    struct child_watcher ears = {.born = process_born,
                                 .lost = process_lost,
                                 .ready = process_ready_said,
                                 .ended = process_ended,
                                 .self = service};
    service->child = child_new(loop, error_fd, &ears);
    return service;
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    CHECK_OBJECT(service, SERVICE_MAGIC);
    child_free(service->child);
    loop_timer_cancel(service->loop, &service->timer);
    service->magic = 0;
    free(service);
}
