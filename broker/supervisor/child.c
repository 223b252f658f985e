/* child: what lies between a service and the kernel: a process, its pidfd, the pipe on which it says ready,
 * the pipe of its stderr.
 *
 * The pidfd tells the death at once and of exactly this process; the pid is waited for only after everything
 * that the process may have started (it has a process group of its own) was killed with it, so that nothing
 * stays behind and no number is used after it was given back.
 * SPDX-License-Identifier: MIT */
#include "child.h"

#include "last_words.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_MAGIC = 0x0c411d00 };

struct child {
    unsigned magic;
    struct loop *loop;
    struct child_watcher watcher;
    pid_t pid; /* 0: none */
    int pidfd;
    int ready_fd; /* -1: none, or it has been read */
    struct last_words *words;
    uint64_t cpu_us_of_the_dead;
};

static void forget_ready_fd(struct child *child)
{
    if (child->ready_fd == -1)
        return;
    loop_remove(child->loop, child->ready_fd);
    close(child->ready_fd);
    child->ready_fd = -1;
}

/* The process wrote to descriptor 3, or closed it. Silence is no readiness: then the start-up time passes. */
static void ready_readable(void *self, int fd, uint32_t events)
{
    struct child *child = self;
    char line[8];
    (void)events;
    ssize_t length = read(fd, line, sizeof(line));
    if (length == -1)
        return;
    forget_ready_fd(child);
    if (length >= 6 && memcmp(line, "ready\n", 6) == 0)
        child->watcher.ready(child->watcher.self);
}

static uint64_t cpu_us(const struct rusage *usage)
{
    return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * UINT64_C(1000000) +
           (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

/* Kills what there still is of it, takes its status, and closes everything of ours that belonged to it. */
static int bury(struct child *child)
{
    struct rusage usage = {0};
    int status = 0;
    child_kill(child); /* before the wait: until then the number of the group is ours */
    while (wait4(child->pid, &status, 0, &usage) == -1 && errno == EINTR)
        continue;
    child->cpu_us_of_the_dead += cpu_us(&usage);
    loop_remove(child->loop, child->pidfd);
    close(child->pidfd);
    child->pid = 0;
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

static bool spawn(struct child *child, const struct child_command *command, int ready_fd)
{
    int error_fd = last_words_open(child->words);
    if (error_fd == -1)
        return false;
    struct spawn request = {.program = command->path,
                            .arguments = command->arguments,
                            .listen_fd = command->listen_fd,
                            .ready_fd = ready_fd,
                            .error_fd = error_fd,
                            .cores = command->cores};
    pid_t pid = process_spawn(&request, &child->pidfd);
    int error = errno;
    close(error_fd);
    if (pid != -1) {
        child->pid = pid;
        return true;
    }
    last_words_close(child->words);
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
    bool started = spawn(child, command, ready[1]);
    int error = errno;
    close(ready[1]);
    if (!started) {
        close(ready[0]);
        errno = error;
        return false;
    }
    child->ready_fd = ready[0];
    /* These fail only without memory. */
    ENSURE(loop_add(child->loop, child->pidfd, EPOLLIN, process_ended, child) == 0);
    ENSURE(loop_add(child->loop, child->ready_fd, EPOLLIN, ready_readable, child) == 0);
    return true;
}

void child_terminate(const struct child *child)
{
    CHECK_OBJECT(child, CHILD_MAGIC);
    if (child->pid != 0)
        kill(child->pid, SIGTERM);
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
    last_words_free(child->words);
    child->magic = 0;
    free(child);
}
