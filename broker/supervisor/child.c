/* child: what lies between a service and the kernel: a process, its pidfd, the pipe on which it says ready,
 * the pipe of its stderr.
 *
 * The pidfd tells the death at once and of exactly this process; the pid is waited for only after everything
 * that the process may have started (it has a process group of its own) was killed with it, so that nothing
 * stays behind and no number is used after it was given back.
 *
 * A process that an earlier supervisor started is not our child: nobody tells us its status. All else is as
 * with the others, since the kernel lets us open its ends of both pipes again, through /proc/PID/fd. Its
 * group is killed when it has ended, too: that number goes to nobody else as long as one member lives.
 * SPDX-License-Identifier: MIT */
#include "child.h"

#include "clock.h"
#include "last_words.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CHILD_MAGIC = 0x0c411d00,
    READY_FD = 3 /* of the process: where it says that it is ready */
};

#define REAP_INTERVAL (50 * MILLISECOND)

struct child {
    unsigned magic;
    struct loop *loop;
    struct child_watcher watcher;
    pid_t pid; /* 0: none */
    int pidfd;
    int ready_fd; /* -1: none, or it has been read */
    bool adopted;
    struct worker_token token;            /* of the process */
    char release[PROCESS_RELEASE_BYTES];  /* likewise */
    const struct child_command *starting; /* while it is */
    struct last_words *words;
    uint64_t cpu_us_of_the_dead;
    pid_t buried; /* the number of a group of which something has still to be waited for */
    struct loop_timer reaping;
    int64_t kills_before; /* that its group counts of others: one that could not be made anew */
};

static void forget_ready_fd(struct child *child)
{
    if (child->ready_fd == -1)
        return;
    loop_remove(child->loop, child->ready_fd);
    close(child->ready_fd);
    child->ready_fd = -1;
}

/* What stands behind "ready\n": the release, in a line. Of a process that is ours, but its model may be a
 * program: what cannot be a release is none. */
static void take_release(struct child *child, struct text said)
{
    const char *end = memchr(said.at, '\n', said.length);
    size_t length = end == NULL ? 0 : (size_t)(end - said.at);
    if (length >= sizeof(child->release))
        return;
    for (size_t i = 0; i < length; i++)
        if (said.at[i] <= ' ' || said.at[i] > '~')
            return;
    text_copy((struct text){said.at, length}, child->release, sizeof(child->release));
}

/* The process wrote to descriptor 3, or closed it. Silence is no readiness: then the start-up time passes. */
static void ready_readable(void *self, int fd, uint32_t events)
{
    struct child *child = self;
    char line[6 + PROCESS_RELEASE_BYTES];
    (void)events;
    ssize_t length = read(fd, line, sizeof(line));
    if (length == -1)
        return;
    forget_ready_fd(child);
    bool said = length >= 6 && memcmp(line, "ready\n", 6) == 0;
    if (said)
        take_release(child, (struct text){line + 6, (size_t)length - 6});
    /* While nobody listened an adopted one may have said it to nobody; it closes the pipe in any case. */
    if (said || (length == 0 && child->adopted))
        child->watcher.ready(child->watcher.self);
}

static uint64_t cpu_us(const struct rusage *usage)
{
    return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * UINT64_C(1000000) +
           (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

/* Of the group that was killed: who was a child of the process that led it is ours to wait for when we are
 * process 1 of a container, and nobody's of ours otherwise (ECHILD, at once). The number stays the group's
 * while there is anybody in it. */
static void reap(void *self)
{
    struct child *child = self;
    pid_t reaped;
    do
        reaped = waitpid(-child->buried, NULL, WNOHANG);
    while (reaped > 0);
    if (reaped == 0) /* it is still dying */
        loop_timer_set(child->loop, &child->reaping, loop_now(child->loop) + REAP_INTERVAL, reap, child);
}

/* Kills what there still is of it, takes its status, and closes everything of ours that belonged to it. */
static int bury(struct child *child)
{
    struct rusage usage = {0};
    int status = child->adopted ? CHILD_STATUS_UNKNOWN : 0;
    child_kill(child); /* before the wait: until then the number of the group is ours */
    while (!child->adopted && wait4(child->pid, &status, 0, &usage) == -1 && errno == EINTR)
        continue;
    child->cpu_us_of_the_dead += cpu_us(&usage);
    loop_remove(child->loop, child->pidfd);
    close(child->pidfd);
    child->buried = child->pid;
    loop_timer_cancel(child->loop, &child->reaping);
    reap(child);
    child->pid = 0;
    child->token = (struct worker_token){""};
    child->release[0] = '\0';
    forget_ready_fd(child);
    last_words_close(child->words);
    return status;
}

static void process_ended(void *self, int fd, uint32_t events)
{
    struct child *child = self;
    pid_t pid = child->pid;
    (void)fd;
    (void)events;
    int status = bury(child);
    child->watcher.ended(child->watcher.self, pid, status);
}

/* True for a process whose limits a control group keeps, as far as it can. */
static bool in_group(const struct child_command *command)
{
    if (command->cgroup == NULL)
        return false;
    struct cgroup_powers powers = cgroup_has(command->cgroup);
    return (powers.memory && command->limits.memory_mb > 0) ||
           (powers.cpu && command->limits.cpu_percent > 0) ||
           cgroup_shares_cpu(command->cgroup); /* it may come and go from the background */
}

/* What the process is to keep itself to, as no group does. */
static int64_t own_limit(const struct child_command *command)
{
    bool kept = command->cgroup != NULL && cgroup_has(command->cgroup).memory;
    return kept ? 0 : command->limits.memory_mb * 1024 * 1024;
}

void child_hold(struct child *child, const struct child_command *command)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    if (child->pid == 0 || !in_group(command))
        return;
    if (!cgroup_hold(command->cgroup, command->name, &command->limits, child->pid))
        log_warning("%s: its limits cannot be kept: %s", command->name, strerror(errno));
    child->kills_before = cgroup_kills(command->cgroup, command->name);
}

static void was_born(void *self, pid_t pid)
{
    struct child *child = self;
    child->pid = pid;
    child->adopted = false;
    child_hold(child, child->starting);
    if (child->watcher.born != NULL)
        child->watcher.born(child->watcher.self);
}

bool child_was_full(const struct child *child, const struct child_command *command)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    return in_group(command) && command->limits.memory_mb > 0 &&
           cgroup_kills(command->cgroup, command->name) > child->kills_before;
}

static bool spawn(struct child *child, const struct child_command *command, int ready_fd)
{
    int error_fd = last_words_open(child->words), token_fd = -1;
    if (error_fd == -1)
        return false;
    if (command->has_token) {
        child->token = worker_token_draw();
        token_fd = worker_token_lay(&child->token);
    }
    struct spawn request = {.program = command->path,
                            .arguments = command->arguments,
                            .listen_fd = command->listen_fd,
                            .ready_fd = ready_fd,
                            .error_fd = error_fd,
                            .token_fd = token_fd,
                            .cores = command->cores,
                            .background = command->background,
                            .memory_bytes = own_limit(command),
                            .hidden = command->hidden,
                            .account = command->account,
                            .born = was_born,
                            .self = child};
    child->starting = command;
    bool handed = !command->has_token || token_fd != -1;
    pid_t pid = handed ? process_spawn(&request, &child->pidfd) : -1;
    int error = errno;
    close(error_fd);
    if (token_fd != -1)
        close(token_fd);
    if (pid != -1)
        return true;
    pid_t lost = child->pid;
    child->pid = 0;
    child->token = (struct worker_token){""};
    last_words_close(child->words);
    if (lost != 0 && child->watcher.lost != NULL)
        child->watcher.lost(child->watcher.self, lost);
    errno = error;
    return false;
}

bool child_start(struct child *child, const struct child_command *command)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    ENSURE(child->pid == 0);
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) == -1)
        return false;
    child->ready_fd = ready[0];
    bool started = spawn(child, command, ready[1]);
    int error = errno;
    close(ready[1]);
    if (!started) {
        close(ready[0]);
        child->ready_fd = -1;
        errno = error;
        return false;
    }
    /* These fail only without memory. */
    ENSURE(loop_add(child->loop, child->pidfd, EPOLLIN, process_ended, child) == 0);
    ENSURE(loop_add(child->loop, child->ready_fd, EPOLLIN, ready_readable, child) == 0);
    return true;
}

/* A reading end of the pipe whose writing end is the process's descriptor `fd`; -1 when it is none. */
static int reopen_pipe(pid_t pid, int fd, struct stat *status)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)pid, fd);
    /* Looked at first: opening a device or a terminal may do something. */
    if (stat(path, status) == -1 || !S_ISFIFO(status->st_mode))
        return -1;
    int end = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (end != -1 && fstat(end, status) == 0 && S_ISFIFO(status->st_mode))
        return end;
    if (end != -1)
        close(end);
    return -1;
}

void orphan_reach(struct orphan *orphan)
{
    struct stat status;
    orphan->reached = true;
    orphan->error_fd = reopen_pipe(orphan->pid, STDERR_FILENO, &status);
    orphan->ready_fd = orphan->ready_pipe == 0 ? -1 : reopen_pipe(orphan->pid, READY_FD, &status);
    if (orphan->ready_fd == -1 || status.st_ino == orphan->ready_pipe)
        return;
    close(orphan->ready_fd); /* that one is closed; the number means something else now */
    orphan->ready_fd = -1;
}

bool child_adopt(struct child *child, const struct orphan *orphan)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    ENSURE(child->pid == 0);
    struct orphan reached = *orphan;
    if (!reached.reached)
        orphan_reach(&reached);
    child->adopted = true;
    child->kills_before = 0;
    child->pid = reached.pid;
    child->token = reached.token;
    memcpy(child->release, reached.release, sizeof(child->release));
    child->pidfd = reached.pidfd;
    last_words_adopt(child->words, reached.error_fd);
    ENSURE(loop_add(child->loop, child->pidfd, EPOLLIN, process_ended, child) == 0);
    if (reached.ready_fd == -1)
        return false;
    child->ready_fd = reached.ready_fd;
    ENSURE(loop_add(child->loop, child->ready_fd, EPOLLIN, ready_readable, child) == 0);
    return true;
}

uint64_t child_ready_pipe(const struct child *child)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    struct stat status;
    return child->ready_fd != -1 && fstat(child->ready_fd, &status) == 0 ? status.st_ino : 0;
}

struct worker_token child_token(const struct child *child)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    return child->token;
}

const char *child_release(const struct child *child)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    return child->release;
}

static void tell(const struct child *child, int signal_number)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    if (child->pid != 0)
        pidfd_send_signal(child->pidfd, signal_number, NULL, 0);
}

void child_drain(const struct child *child, const struct child_command *command)
{
    tell(child, command->drain_signal);
}

void child_terminate(const struct child *child)
{
    tell(child, SIGTERM);
}

void child_kill(const struct child *child)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    if (child->pid != 0)
        kill(-child->pid, SIGKILL);
}

pid_t child_pid(const struct child *child)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    return child->pid;
}

void child_usage(const struct child *child, uint64_t *resident_bytes, uint64_t *cpu)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    if (child->pid == 0 || !process_usage(child->pid, resident_bytes, cpu))
        *resident_bytes = *cpu = 0;
    *cpu += child->cpu_us_of_the_dead;
}

void child_last_line(const struct child *child, char *buffer, size_t capacity)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    last_words_line(child->words, buffer, capacity);
}

void child_last_lines(const struct child *child, int lines, char *buffer, size_t capacity)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    last_words_lines(child->words, lines, buffer, capacity);
}

struct child *child_new(struct loop *loop, int error_fd, const struct child_watcher *watcher)
{
    struct child *child = object_alloc(sizeof(*child));
    child->magic = CHILD_MAGIC;
    child->loop = loop;
    child->watcher = *watcher;
    child->pidfd = child->ready_fd = -1;
    child->words = last_words_new(loop, error_fd);
    return child;
}

void child_free(struct child *child)
{
    if (child == NULL)
        return;
    CHECK_OBJECT(child, CHILD_MAGIC);
    if (child->pid != 0)
        bury(child);
    loop_timer_cancel(child->loop, &child->reaping);
    last_words_free(child->words);
    child->magic = 0;
    free(child);
}
