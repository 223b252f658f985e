/* sandbox_policy: see sandbox_policy.h.
 *
 * The lists are wider than what strace shows of one machine: glibc chooses other calls on other kernels and
 * in other versions (stat or newfstatat or statx, epoll_wait or epoll_pwait2, futex or futex_waitv), and
 * engines choose by processor and load. What is in them does no harm to anybody else: reading where Landlock
 * allows it, and what a process does to itself. What is not in them is what this is for: executing, forking,
 * tracing, signals to others, other sockets, changing files, the kernel's own doors. SPDX-License-Identifier:
 * MIT */
#include "sandbox_policy.h"

#include "object.h"

/* ---- files ---- */

/* What libraries look at: their own files, the time zone and the language, the processor and how much of it
 * this machine may have. None of it is secret. */
#define PLACES_OF_LIBRARIES                                                                                  \
    {"/lib", ACCESS_READ}, {"/lib64", ACCESS_READ}, {"/usr/lib", ACCESS_READ}, {"/usr/lib64", ACCESS_READ},  \
        {"/usr/local/lib", ACCESS_READ}, {"/etc/ld.so.cache", ACCESS_READ},                                  \
        {"/etc/ld.so.preload", ACCESS_READ}, {"/etc/localtime", ACCESS_READ},                                \
        {"/usr/share/zoneinfo", ACCESS_READ}, {"/usr/share/locale", ACCESS_READ},                            \
        {"/etc/nsswitch.conf", ACCESS_READ}, {"/etc/protocols", ACCESS_READ},                                \
        {"/etc/services", ACCESS_READ}, {"/etc/ssl/openssl.cnf", ACCESS_READ}, {"/proc/self", ACCESS_READ},  \
        {"/proc/cpuinfo", ACCESS_READ}, {"/proc/meminfo", ACCESS_READ}, {"/proc/stat", ACCESS_READ},         \
        {"/proc/sys/vm", ACCESS_READ}, {"/proc/sys/kernel", ACCESS_READ}, {"/proc/sys/crypto", ACCESS_READ}, \
        {"/proc/sys/net", ACCESS_READ}, {"/sys/devices", ACCESS_READ}, {"/sys/bus", ACCESS_READ},            \
        {"/sys/class", ACCESS_READ}, {"/sys/kernel/mm", ACCESS_READ},                                        \
        {"/sys/fs/cgroup/cpu.max", ACCESS_READ}, {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", ACCESS_READ},       \
        {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", ACCESS_READ}, {"/dev/null", ACCESS_READ | ACCESS_WRITE},    \
        {"/dev/zero", ACCESS_READ}, {"/dev/random", ACCESS_READ},                                            \
    {                                                                                                        \
        "/dev/urandom", ACCESS_READ                                                                          \
    }

static const struct sandbox_place libraries[] = {PLACES_OF_LIBRARIES, {NULL, 0}};

/* Packages of Python may lie in folders of their own; sys.path names the others. */
static const struct sandbox_place python_libraries[] = {
    PLACES_OF_LIBRARIES, {"/usr/share/python3", ACCESS_READ}, {"/etc/python3", ACCESS_READ}, {NULL, 0}};

/* What getaddrinfo and TLS read. The broker's and the frontend's alone. */
static const struct sandbox_place network_libraries[] = {PLACES_OF_LIBRARIES,
                                                         {"/etc/resolv.conf", ACCESS_READ},
                                                         {"/run/systemd/resolve", ACCESS_READ},
                                                         {"/etc/hosts", ACCESS_READ},
                                                         {"/etc/host.conf", ACCESS_READ},
                                                         {"/etc/gai.conf", ACCESS_READ},
                                                         {"/etc/passwd", ACCESS_READ},
                                                         {"/etc/group", ACCESS_READ},
                                                         {"/etc/ssl", ACCESS_READ},
                                                         {"/etc/pki", ACCESS_READ},
                                                         {"/etc/ca-certificates", ACCESS_READ},
                                                         {"/usr/share/ca-certificates", ACCESS_READ},
                                                         {"/usr/local/share/ca-certificates", ACCESS_READ},
                                                         {NULL, 0}};

static const struct sandbox_policy policies[] = {
    [SANDBOX_WORKER] = {"worker", CALLS_BASE | CALLS_READ | CALLS_CONNECT, libraries},
    [SANDBOX_PYTHON_WORKER] = {"worker", CALLS_BASE | CALLS_READ | CALLS_CONNECT, python_libraries},
    [SANDBOX_FRONTEND] = {"frontend", CALLS_BASE | CALLS_READ | CALLS_WRITE | CALLS_CONNECT | CALLS_LISTEN,
                          network_libraries},
    [SANDBOX_FETCHER] = {"fetcher", CALLS_BASE | CALLS_READ | CALLS_CONNECT | CALLS_LISTEN,
                         network_libraries},
    [SANDBOX_BROKER] = {"broker", CALLS_BASE | CALLS_READ | CALLS_WRITE | CALLS_CONNECT | CALLS_LISTEN,
                        network_libraries},
    [SANDBOX_COLLECTOR] = {"collector", CALLS_BASE | CALLS_READ | CALLS_WRITE | CALLS_CONNECT | CALLS_LISTEN,
                           libraries},
    [SANDBOX_SUPERVISOR] = {"supervisor", CALLS_ANYTHING, NULL},
};
_Static_assert(COUNT_OF(policies) == SANDBOX_ROLES, "each role has a policy");

const struct sandbox_policy *sandbox_policy_of(enum sandbox_role role)
{
    ENSURE(role < SANDBOX_ROLES);
    return &policies[role];
}

bool sandbox_mode_known(const char *mode)
{
    return strcmp(mode, "on") == 0 || strcmp(mode, "log") == 0 || strcmp(mode, "off") == 0;
}

/* ---- system calls ---- */

static const char *const base[] = {
    /* descriptors that it has */
    "read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "pwritev", "lseek", "close",
    "close_range", "dup", "dup2", "dup3", "pipe", "pipe2", "poll", "ppoll", "select", "pselect6",
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
    "signalfd4", "timerfd_create", "timerfd_settime", "timerfd_gettime",
    /* memory; what could touch the sealed page is in sandbox_filter.c */
    "brk", "mincore", "msync", "mlock", "mlock2", "munlock", "membarrier", "get_mempolicy", "set_mempolicy",
    "mbind",
    /* threads */
    "futex", "futex_waitv", "futex_wait", "futex_wake", "futex_requeue", "set_robust_list", "get_robust_list",
    "rseq", "set_tid_address", "arch_prctl", "sched_yield", "sched_getaffinity", "sched_getparam",
    "sched_getscheduler", "sched_getattr", "sched_get_priority_max", "sched_get_priority_min", "getcpu",
    "exit", "exit_group",
    /* signals of its own; setting them is in sandbox_filter.c */
    "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack", "pause",
    "restart_syscall",
    /* time, chance, and what it is */
    "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time", "getitimer",
    "getrandom", "getpid", "gettid", "getppid", "getpgrp", "getpgid", "getsid", "getuid", "geteuid", "getgid",
    "getegid", "getgroups", "getresuid", "getresgid", "capget", "uname", "sysinfo", "times", "getrusage",
    "getrlimit", "getpriority", "getcwd", "umask", NULL};

static const char *const reading[] = {"stat",      "fstat",      "lstat",    "newfstatat", "statx",
                                      "statfs",    "fstatfs",    "access",   "faccessat",  "faccessat2",
                                      "readlink",  "readlinkat", "getdents", "getdents64", "fadvise64",
                                      "readahead", NULL};

static const char *const writing[] = {
    "ftruncate", "fallocate", "fsync", "fdatasync", "sync_file_range", "sendfile", "copy_file_range",
    "fchmod",    "fchown",    "flock", NULL};

static const char *const connecting[] = {"recvfrom",    "recvmsg",    "recvmmsg",   "shutdown", "getsockname",
                                         "getpeername", "getsockopt", "setsockopt", NULL};

static const char *const listening[] = {"bind", "listen", "accept", "accept4", NULL};

static const char *const nothing[] = {NULL};

const char *const *sandbox_calls(enum sandbox_group group)
{
    switch (group) {
    case CALLS_BASE:
        return base;
    case CALLS_READ:
        return reading;
    case CALLS_WRITE:
        return writing;
    case CALLS_CONNECT:
        return connecting;
    case CALLS_LISTEN:
        return listening;
    case CALLS_TCP:
    case CALLS_RESOLVE:
    case CALLS_ANYTHING:
        break;
    }
    return nothing;
}

static const struct sandbox_path_call path_reading[] = {
    {"open", -1, 0, 1, false}, {"openat", 0, 1, 2, false}, {"openat2", 0, 1, -1, false}, {0}};

/* Not truncate, of which Landlock knows from version 3 only: who may write a file can open it. */
static const struct sandbox_path_call path_writing[] = {
    {"creat", -1, 0, -1, false},    {"unlink", -1, 0, -1, false},
    {"unlinkat", 0, 1, -1, false},  {"rename", -1, 0, -1, false},
    {"renameat", 0, 1, -1, false},  {"renameat2", 0, 1, -1, false},
    {"mkdir", -1, 0, -1, false},    {"mkdirat", 0, 1, -1, false},
    {"rmdir", -1, 0, -1, false},    {"link", -1, 1, -1, false},
    {"linkat", 2, 3, -1, false},    {"symlink", -1, 1, -1, false},
    {"symlinkat", 1, 2, -1, false}, {"chmod", -1, 0, -1, true},
    {"fchmodat", 0, 1, -1, true},   {"chown", -1, 0, -1, true},
    {"lchown", -1, 0, -1, true},    {"fchownat", 0, 1, -1, true},
    {"utimensat", 0, 1, -1, true},  {0}};

static const struct sandbox_path_call path_nothing[] = {{0}};

const struct sandbox_path_call *sandbox_path_calls(enum sandbox_group group)
{
    return group == CALLS_READ ? path_reading : group == CALLS_WRITE ? path_writing : path_nothing;
}

/* The kernel's own doors, and other processes. Who starts processes cannot do with a list of what is allowed:
 * a child may be any program. */
static const char *const forbidden[] = {"acct",
                                        "add_key",
                                        "adjtimex",
                                        "bpf",
                                        "chroot",
                                        "clock_adjtime",
                                        "clock_settime",
                                        "create_module",
                                        "delete_module",
                                        "finit_module",
                                        "fsconfig",
                                        "fsmount",
                                        "fsopen",
                                        "fspick",
                                        "init_module",
                                        "io_uring_enter",
                                        "io_uring_register",
                                        "io_uring_setup",
                                        "ioperm",
                                        "iopl",
                                        "kcmp",
                                        "kexec_file_load",
                                        "kexec_load",
                                        "keyctl",
                                        "mount",
                                        "mount_setattr",
                                        "move_mount",
                                        "move_pages",
                                        "name_to_handle_at",
                                        "open_by_handle_at",
                                        "open_tree",
                                        "perf_event_open",
                                        "pivot_root",
                                        "process_madvise",
                                        "process_vm_writev",
                                        "quotactl",
                                        "quotactl_fd",
                                        "reboot",
                                        "request_key",
                                        "setdomainname",
                                        "sethostname",
                                        "setns",
                                        "settimeofday",
                                        "swapoff",
                                        "swapon",
                                        "syslog",
                                        "umount",
                                        "umount2",
                                        "unshare",
                                        "userfaultfd",
                                        "vhangup",
#if !defined(__SANITIZE_ADDRESS__)
                                        "ptrace", /* the leak checker of a child needs it */
#endif
                                        NULL};

const char *const *sandbox_forbidden_calls(void)
{
    return forbidden;
}
