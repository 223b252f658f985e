/* process: see process.h. Two halves: what a process of ours does for itself (ready, limits, lock,
 * directories, cores), and what the supervisor does to others (start them, look at them).
 *
 * Between fork and exec the child calls async-signal-safe functions only, since the parent has threads
 * (ZeroMQ's); so everything that needs memory or parsing is done before the fork, and a failure in the child
 * comes back to the parent as an errno through a pipe that a successful exec closes.
 * SPDX-License-Identifier: MIT */
#include "process.h"

#include "account.h"
#include "clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- for itself ---- */

void process_ready(int ready_fd)
{
    if (ready_fd == -1)
        return;
    static const char said[] = "ready\n" OUTRIGGER_VERSION "\n";
    /* In one piece: a supervisor of an earlier release reads the first line alone. When nobody reads any
     * more, nobody needs to know. */
    (void)!write(ready_fd, said, sizeof(said) - 1);
    close(ready_fd);
}

size_t process_descriptor_limit(size_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return 0;
    rlim_t target = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (target > limit.rlim_cur) {
        rlim_t before = limit.rlim_cur;
        limit.rlim_cur = target;
        if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
            limit.rlim_cur = before;
    }
    return limit.rlim_cur;
}

/* True when `fd` is still the file at `path`: a holder that ended removes its lock file, and whoever opened
 * it just before would hold a lock on a file that nobody else can find. */
static bool same_file(int fd, const char *path)
{
    struct stat held;
    struct stat named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

int process_lock(const char *path)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd == -1)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
            int error = errno;
            close(fd);
            errno = error;
            return -1;
        }
        if (same_file(fd, path))
            return fd;
        close(fd);
    }
}

void process_unlock(const char *path, int fd)
{
    if (fd == -1)
        return;
    unlink(path);
    close(fd);
}

/* The umask may have taken rights away that the caller wants. Not of what a link leads to, by which somebody
 * who can write the folder above has replaced it since. */
static int set_mode(const char *path, mode_t mode)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int changed = fd == -1 ? -1 : fchmod(fd, mode);
    int error = errno;
    if (fd != -1)
        close(fd);
    errno = error;
    return changed;
}

static int make_one_directory(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0)
        return set_mode(path, mode);
    struct stat status;
    if (errno == EEXIST && stat(path, &status) == 0 && !S_ISDIR(status.st_mode))
        errno = ENOTDIR;
    return errno == EEXIST ? 0 : -1;
}

int process_make_directory(const char *path, mode_t mode)
{
    char copy[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(copy)) {
        errno = length == 0 ? ENOENT : ENAMETOOLONG;
        return -1;
    }
    while (length > 1 && path[length - 1] == '/')
        length--;
    text_copy((struct text){path, length}, copy, sizeof(copy));
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (make_one_directory(copy, 0755) == -1)
            return -1;
        *slash = '/';
    }
    return make_one_directory(copy, mode);
}

/* Reads "0,2-3" into a set. False when it is no such list. */
static bool parse_cores(const char *cores, cpu_set_t *set)
{
    CPU_ZERO(set);
    for (const char *at = cores;;) {
        char *end;
        if (*at < '0' || *at > '9')
            return false;
        unsigned long first = strtoul(at, &end, 10);
        unsigned long last = first;
        if (*end == '-' && end[1] >= '0' && end[1] <= '9')
            last = strtoul(end + 1, &end, 10);
        if (last < first || last >= CPU_SETSIZE)
            return false;
        for (unsigned long core = first; core <= last; core++)
            CPU_SET(core, set);
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        at = end + 1;
    }
}

int process_pin(const char *cores)
{
    cpu_set_t set;
    if (cores[0] == '\0')
        return 0;
    if (!parse_cores(cores, &set)) {
        errno = EINVAL;
        return -1;
    }
    return sched_setaffinity(0, sizeof(set), &set);
}

/* ---- looking at others ---- */

/* What we want of /proc/PID/stat; its man page numbers the fields. */
struct process_stat {
    char state;                /* field 3 */
    unsigned long long user;   /* field 14, clock ticks */
    unsigned long long system; /* field 15, clock ticks */
    unsigned long long start;  /* field 22, clock ticks since boot */
};

static bool read_proc(pid_t pid, const char *name, char *buffer, size_t capacity)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t length = read(fd, buffer, capacity - 1);
    close(fd);
    if (length <= 0)
        return false;
    buffer[length] = '\0';
    return true;
}

static bool read_stat(pid_t pid, struct process_stat *stat)
{
    char line[1024];
    if (!read_proc(pid, "stat", line, sizeof(line)))
        return false;
    /* Field 2 is the program's name in brackets and may itself hold brackets and spaces: start behind the
     * last. */
    const char *rest = strrchr(line, ')');
    return rest != NULL &&
           sscanf(rest + 1,
                  " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
                  &stat->state, &stat->user, &stat->system, &stat->start) == 4;
}

uint64_t process_start_time(pid_t pid)
{
    struct process_stat stat;
    if (!read_stat(pid, &stat) || stat.state == 'Z' || stat.state == 'X')
        return 0;
    return stat.start;
}

bool process_lives(pid_t pid, uint64_t start)
{
    struct process_stat stat;
    if (!read_stat(pid, &stat))
        return pid > 0 && getpgid(pid) != -1;
    return stat.state != 'Z' && stat.state != 'X' && (start == 0 || stat.start == start);
}

bool process_user(pid_t pid, uid_t *uid)
{
    char text[4096];
    unsigned effective;
    if (!read_proc(pid, "status", text, sizeof(text)))
        return false;
    const char *line = strstr(text, "\nUid:");
    if (line == NULL || sscanf(line, "\nUid: %*u %u", &effective) != 1)
        return false;
    *uid = effective;
    return true;
}

int64_t process_age(pid_t pid)
{
    uint64_t start = process_start_time(pid);
    struct timespec now; /* of the clock that the kernel counts start times by, which goes on in suspend */
    if (start == 0 || clock_gettime(CLOCK_BOOTTIME, &now) == -1)
        return 0;
    int64_t age = now.tv_sec * SECOND + now.tv_nsec - (int64_t)start * (SECOND / sysconf(_SC_CLK_TCK));
    return age < 0 ? 0 : age;
}

bool process_usage(pid_t pid, uint64_t *resident_bytes, uint64_t *cpu_us)
{
    struct process_stat stat;
    char line[256];
    unsigned long long pages;
    if (!read_stat(pid, &stat) || !read_proc(pid, "statm", line, sizeof(line)) ||
        sscanf(line, "%*u %llu", &pages) != 1)
        return false;
    *resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    *cpu_us = (stat.user + stat.system) * (UINT64_C(1000000) / (uint64_t)sysconf(_SC_CLK_TCK));
    return true;
}

/* ---- starting others ---- */

enum {
    READY_FD = 3,   /* where a child says that it is ready */
    TOKEN_FD = 4,   /* from where it reads its token */
    PARKING_FD = 16 /* copies of the wanted descriptors are parked from here on, out of the way of 0 to 4 */
};

/* All that the child needs, made ready by the parent. */
struct launch {
    const struct spawn *spawn;
    cpu_set_t cores;
    bool pinned;
    int failure_fd; /* close-on-exec; takes the errno of what went wrong */
    int consent[2]; /* a pipe: its writer says that the child may go on */
};

/* A copy of `fd` above PARKING_FD, or of /dev/null for -1. Returns -1 with errno. */
static int park(int fd)
{
    int null = -1;
    if (fd == -1)
        fd = null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int parked = fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, PARKING_FD);
    if (null != -1)
        close(null);
    return parked;
}

static int place_descriptors(const struct spawn *spawn)
{
    int input = park(spawn->listen_fd);
    int ready = spawn->ready_fd == -1 ? -1 : park(spawn->ready_fd);
    int error = spawn->error_fd == -1 ? -1 : park(spawn->error_fd);
    int token = spawn->token_fd == -1 ? -1 : park(spawn->token_fd);
    if (input == -1 || (spawn->ready_fd != -1 && ready == -1) || (spawn->error_fd != -1 && error == -1) ||
        (spawn->token_fd != -1 && token == -1))
        return -1;
    /* Marked, not closed: the pipe that reports failures must last until exec. What is put in its place below
     * is not marked. */
    if (close_range(READY_FD, ~0U, CLOSE_RANGE_CLOEXEC) == -1)
        return -1;
    /* What it prints goes where its errors go: with our own output a child could end it for us all. */
    bool placed = dup2(input, 0) != -1 && (error == -1 || (dup2(error, 1) != -1 && dup2(error, 2) != -1)) &&
                  (ready == -1 || dup2(ready, READY_FD) != -1) &&
                  (token == -1 || dup2(token, TOKEN_FD) != -1);
    return placed ? 0 : -1;
}

static void reset_signals(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &usual, NULL); /* refuses SIGKILL, SIGSTOP and libc's own two, which is fine */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_of(const char *variable, char *const *names)
{
    for (; *names != NULL; names++) {
        size_t length = strlen(*names);
        if (strncmp(variable, *names, length) == 0 && variable[length] == '=')
            return true;
    }
    return false;
}

/* In the child, whose environment is a copy of its own. */
static void hide(char *const *names)
{
    char **kept = environ;
    for (char **variable = environ; *variable != NULL; variable++)
        if (!is_of(*variable, names))
            *kept++ = *variable;
    *kept = NULL;
}

/* In the child; returns only when something failed. */
static void become(const struct launch *launch)
{
    const struct spawn *spawn = launch->spawn;
    if (setpgid(0, 0) == -1 || place_descriptors(spawn) == -1)
        return;
    if (launch->pinned && sched_setaffinity(0, sizeof(launch->cores), &launch->cores) == -1)
        return;
    struct rlimit memory = {(rlim_t)spawn->memory_bytes, (rlim_t)spawn->memory_bytes};
    if (spawn->memory_bytes > 0 && setrlimit(RLIMIT_DATA, &memory) == -1)
        return;
    reset_signals();
    /* A request wakes a dozen threads in a row, most of them on one core. A waker that is pre-empted by each
     * thread that it wakes hands on one message at a time; one that goes on until it sleeps hands on all it
     * has. Measured at 64 connections that halves the CPU of a request. */
    sched_setscheduler(0, spawn->background ? SCHED_IDLE : SCHED_BATCH, &(struct sched_param){0});
    if (spawn->hidden != NULL && environ != NULL)
        hide(spawn->hidden);
    if (spawn->account != NULL && account_assume(spawn->account) == -1)
        return;
    if (spawn->dies_with_us && prctl(PR_SET_PDEATHSIG, SIGTERM) == -1)
        return;
    execv(spawn->program, (char *const *)spawn->arguments);
}

/* Waits until the parent has written down who we are. False when it died before it had. */
static bool has_consent(const struct launch *launch)
{
    char byte;
    ssize_t length;
    close(launch->consent[1]); /* or its end would never come */
    do
        length = read(launch->consent[0], &byte, 1);
    while (length == -1 && errno == EINTR);
    return length == 1;
}

static _Noreturn void run_child(const struct launch *launch)
{
    if (!has_consent(launch))
        _exit(127);
    /* The failure pipe must not lie where place_descriptors puts its own. */
    int failure_fd = fcntl(launch->failure_fd, F_DUPFD_CLOEXEC, PARKING_FD);
    if (failure_fd != -1) {
        become(launch);
        int error = errno;
        (void)!write(failure_fd, &error, sizeof(error));
    }
    _exit(127);
}

/* What the child reported: 0 when exec closed the pipe, else its errno. */
static int read_failure(int fd)
{
    int error = 0;
    ssize_t length;
    do
        length = read(fd, &error, sizeof(error));
    while (length == -1 && errno == EINTR);
    return length == (ssize_t)sizeof(error) ? error : 0;
}

static pid_t fork_with_signals_blocked(const struct launch *launch)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    /* Otherwise a signal in the child would run a handler of the parent's before reset_signals. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        run_child(launch);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

/* Lets the child go on, and waits until it has become the program. Returns 0, or the errno of what went
 * wrong. */
static int see_off(const struct launch *launch, pid_t pid, int failure_fd)
{
    const struct spawn *spawn = launch->spawn;
    close(launch->failure_fd);
    close(launch->consent[0]);
    if (spawn->born != NULL)
        spawn->born(spawn->self, pid);
    (void)!write(launch->consent[1], "", 1); /* a child that is gone already reports nothing below */
    return read_failure(failure_fd);
}

pid_t process_spawn(const struct spawn *spawn, int *pidfd)
{
    struct launch launch = {.spawn = spawn, .pinned = spawn->cores != NULL && spawn->cores[0] != '\0'};
    int pipe_fds[2];
    if (launch.pinned && !parse_cores(spawn->cores, &launch.cores)) {
        errno = EINVAL;
        return -1;
    }
    if (pipe2(pipe_fds, O_CLOEXEC) == -1)
        return -1;
    if (pipe2(launch.consent, O_CLOEXEC) == -1) {
        int error = errno;
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        errno = error;
        return -1;
    }
    launch.failure_fd = pipe_fds[1];
    pid_t pid = fork_with_signals_blocked(&launch);
    int error = pid == -1 ? errno : see_off(&launch, pid, pipe_fds[0]);
    if (pid == -1) {
        close(launch.failure_fd);
        close(launch.consent[0]);
    }
    close(launch.consent[1]);
    close(pipe_fds[0]);
    if (pid != -1 && error == 0) {
        *pidfd = pidfd_open(pid, 0); /* close-on-exec by itself; the pid is ours until we wait for it */
        if (*pidfd != -1)
            return pid;
        error = errno;
        kill(pid, SIGKILL);
    }
    if (pid != -1)
        waitpid(pid, NULL, 0);
    errno = error;
    return -1;
}

/* ---- background ---- */

/* Brings one thread forward. 1: it was in the background; 0: it was not, or is gone; -1 with errno. */
static int bring_forward(pid_t thread)
{
    if (sched_getscheduler(thread) != SCHED_IDLE)
        return 0;
    if (sched_setscheduler(thread, SCHED_BATCH, &(struct sched_param){0}) == 0)
        return 1;
    return errno == ESRCH ? 0 : -1;
}

/* How many threads were in the background; -1 with errno. */
static int bring_all_forward(const char *folder)
{
    DIR *threads = opendir(folder);
    int found = 0, moved = 0, error = 0;
    for (struct dirent *entry; threads != NULL && (entry = readdir(threads)) != NULL && moved >= 0;) {
        moved = entry->d_name[0] == '.' ? 0 : bring_forward((pid_t)strtol(entry->d_name, NULL, 10));
        error = errno;
        found += moved > 0;
    }
    if (threads == NULL)
        return -1;
    closedir(threads);
    errno = error;
    return moved < 0 ? -1 : found;
}

bool process_come_forward(pid_t pid)
{
    enum { ROUNDS_MAX = 10 }; /* a program could put itself back for ever */
    char folder[64];
    int found = 1;
    snprintf(folder, sizeof folder, "/proc/%ld/task", (long)pid);
    /* Until there is none: one that was in the background may just have started one more. */
    for (int round = 0; round < ROUNDS_MAX && found > 0; round++)
        found = bring_all_forward(folder);
    return found == 0;
}
