/* test_sandbox: what a worker must not do, and when a sandbox is not entered. SPDX-License-Identifier: MIT */
#include "sandbox_gate.h"
#include "sandbox_scene.h"

#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/uio.h>

static void expect_stop(attempt *what, const char *text)
{
    expect_killed(what, text);
    ck_assert_msg(strstr(said, text) != NULL && strstr(said, " and was stopped") != NULL, "%s: %s", text,
                  said);
    ck_assert_msg(strstr(said, "sandbox: the worker worker.m.1.1 called ") != NULL, "%s", said);
}

/* ---- what a worker must not ---- */

static void *const low = (void *)0x10000; /* where the sealed page is */

ATTEMPT(opens_secret, open(secret, O_RDONLY))
ATTEMPT(opens_etc, open("/etc/passwd", O_RDONLY))
ATTEMPT(lists_root, open("/", O_RDONLY | O_DIRECTORY))
ATTEMPT(writes_model, open(model, O_WRONLY))
ATTEMPT(cuts_model, open(model, O_RDONLY | O_TRUNC))
ATTEMPT(cuts_model_oddly, open(model, O_ACCMODE | O_TRUNC))
ATTEMPT(cuts_model_openat2,
        syscall(SYS_openat2, AT_FDCWD, model, &(struct open_how){.flags = O_TRUNC}, sizeof(struct open_how)))
/* As who knows the way past the handler would. */
ATTEMPT(cuts_model_past, gate_call(SYS_openat, AT_FDCWD, (long)model, O_TRUNC, 0, 0))
ATTEMPT(cuts_model_oddly_past, gate_call(SYS_openat, AT_FDCWD, (long)model, O_ACCMODE | O_TRUNC, 0, 0))
ATTEMPT(cuts_model_openat2_past,
        gate_call(SYS_openat2, AT_FDCWD, (long)model, (long)&(struct open_how){.flags = O_TRUNC},
                  sizeof(struct open_how), 0))
ATTEMPT(truncates_past, gate_call(SYS_truncate, (long)model, 0, 0, 0, 0))
ATTEMPT(makes_file, open(fresh, O_WRONLY | O_CREAT, 0600))
ATTEMPT(removes, unlink(model))
ATTEMPT(removes_at, unlinkat(AT_FDCWD, model, 0))
ATTEMPT(renames, rename(model, fresh))
ATTEMPT(makes_folder, mkdir(fresh, 0700))
ATTEMPT(links, link(secret, fresh))
ATTEMPT(links_by_name, symlink(secret, fresh))
ATTEMPT(changes_mode, chmod(model, 0777))
ATTEMPT(changes_owner, chown(model, 1, 1))
ATTEMPT(changes_folder, chdir("/"))
ATTEMPT(pairs_of_datagrams, socketpair(AF_UNIX, SOCK_DGRAM, 0, (int[2]){0}))
ATTEMPT(pins_its_parent, sched_setaffinity(getppid(), sizeof(cpu_set_t), &(cpu_set_t){0}))
ATTEMPT(slows_its_parent, sched_setscheduler(getppid(), SCHED_IDLE, &(struct sched_param){0}))
ATTEMPT(tcp, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
ATTEMPT(tcp6, socket(AF_INET6, SOCK_STREAM, 0))
ATTEMPT(netlink, socket(AF_NETLINK, SOCK_RAW, 0))
ATTEMPT(datagrams, socket(AF_UNIX, SOCK_DGRAM, 0))
ATTEMPT(listens, listen(0, 1))
ATTEMPT(accepts, accept4(0, NULL, NULL, 0))
ATTEMPT(forks, fork())
ATTEMPT(kills, kill(getppid(), SIGKILL))
ATTEMPT(kills_all, kill(-1, 0))
ATTEMPT(traces, ptrace(PTRACE_TRACEME, 0, NULL, NULL))
ATTEMPT(writes_memory, process_vm_writev(getpid(), NULL, 0, NULL, 0, 0))
ATTEMPT(reads_memory, process_vm_readv(getppid(), NULL, 0, NULL, 0, 0))
ATTEMPT(takes_the_signal, (signal(SIGSYS, SIG_IGN), 0))
ATTEMPT(opens_the_page, mprotect(low, 4096, PROT_READ | PROT_WRITE))
ATTEMPT(takes_the_page_away, munmap(NULL, 1UL << 30))
ATTEMPT(covers_the_page,
        (mmap(low, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), 0))
ATTEMPT(covers_it_from_below,
        (mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), 0))
ATTEMPT(moves_onto_the_page,
        (mremap((void *)0x7f0000000000, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, low), 0))
ATTEMPT(forgets_the_page, madvise(low, 4096, MADV_DONTNEED))
ATTEMPT(dumps, prctl(PR_SET_DUMPABLE, 1))
ATTEMPT(filters, prctl(PR_SET_SECCOMP, 2, NULL))
ATTEMPT(raises_limits, setrlimit(RLIMIT_NOFILE, &(struct rlimit){1 << 20, 1 << 20}))
ATTEMPT(types, ioctl(0, TIOCSTI, "x"))
ATTEMPT(signals_by_descriptor, fcntl(0, F_SETOWN, 1))
ATTEMPT(leases, fcntl(0, F_SETLEASE, F_RDLCK))
ATTEMPT(makes_memory_files, memfd_create("m", 0))
ATTEMPT(shares_memory, shmget(IPC_PRIVATE, 4096, 0600))
ATTEMPT(rings, (int)syscall(SYS_io_uring_setup, 1, NULL))
ATTEMPT(programs_the_kernel, (int)syscall(SYS_bpf, 0, NULL, 0))
ATTEMPT(asks_for_keys, (int)syscall(SYS_keyctl, 0, 0))
ATTEMPT(unshares, unshare(CLONE_NEWUSER))
ATTEMPT(handles_faults, (int)syscall(SYS_userfaultfd, 0))
ATTEMPT(counts, (int)syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0))
ATTEMPT(is_urgent, sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){1}))
ATTEMPT(is_somebody_else, setuid(1))
ATTEMPT(is_no_call, (int)syscall(999))

static void spawns(void)
{
    pid_t pid;
    char name[] = "true", *const arguments[] = {name, NULL};
    posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ);
}

static void connects_beside(void) /* a path that begins as the listed one does */
{
    struct sockaddr_un address;
    char path[200];
    snprintf(path, sizeof path, "%s2", endpoint + 6);
    int fd = local_socket(path, &address);
    (void)!connect(fd, (struct sockaddr *)&address, sizeof address);
}

static void sends_to_an_address(void)
{
    struct sockaddr_un address;
    int pair[2], fd = local_socket(fresh, &address);
    ENSURE(close(fd) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    (void)!sendto(pair[0], "x", 1, 0, (struct sockaddr *)&address, sizeof address);
}

static void binds(void)
{
    struct sockaddr_un address;
    int fd = local_socket(fresh, &address);
    (void)!bind(fd, (struct sockaddr *)&address, sizeof address);
}

START_TEST(a_worker_is_stopped_and_the_call_named)
{
    char secret_text[256], path_text[256];
    snprintf(secret_text, sizeof secret_text, "openat(\\\"%s\\\", O_RDONLY)", secret);
    snprintf(path_text, sizeof path_text, "openat(\\\"%s\\\", O_WRONLY|O_CREAT)", fresh);
    const struct {
        attempt *what;
        const char *text;
    } attempts[] = {
        {opens_secret, secret_text},
        {opens_etc, "openat(\\\"/etc/passwd\\\", O_RDONLY)"},
        {lists_root, "openat(\\\"/\\\", O_RDONLY)"},
        {writes_model, "O_WRONLY)"},
        {cuts_model, "O_RDONLY|O_TRUNC)"},
        {cuts_model_oddly, "O_ACCMODE|O_TRUNC)"},
        {cuts_model_openat2, "O_RDONLY|O_TRUNC)"},
        {cuts_model_past, "O_RDONLY|O_TRUNC)"},
        {cuts_model_oddly_past, "O_ACCMODE|O_TRUNC)"},
        {cuts_model_openat2_past, "O_RDONLY|O_TRUNC)"},
        {truncates_past, "truncate("},
        {makes_file, path_text},
        {removes, "unlink("},
        {removes_at, "unlinkat("},
        {renames, "rename("},
        {makes_folder, "mkdir("},
        {links, "link("},
        {links_by_name, "symlink("},
        {changes_mode, "chmod("},
        {changes_owner, "chown("},
        {truncates, "truncate("},
        {changes_folder, "chdir("},
        {pairs_of_datagrams, "socketpair(AF_UNIX, SOCK_DGRAM)"},
        {sends_to_an_address, "sendto("},
        {pins_its_parent, "sched_setaffinity("},
        {slows_its_parent, "sched_setscheduler("},
        {tcp, "socket(AF_INET, SOCK_STREAM)"},
        {tcp6, "socket(AF_INET6, SOCK_STREAM)"},
        {udp, "socket(AF_INET, SOCK_DGRAM)"},
        {netlink, "socket(16, SOCK_RAW)"},
        {datagrams, "socket(AF_UNIX, SOCK_DGRAM)"},
        {connects_elsewhere, "connect(\\\"/run/supervisor.sock\\\")"},
        {connects_beside, "connect("},
        {binds, "bind("},
        {listens, "listen("},
        {accepts, "accept4("},
        {executes, "execve(\\\"/bin/true\\\")"},
        {forks, "clone() for a new process"},
        {spawns, "clone() for a new process"},
        {kills, "kill("},
        {kills_all, "kill("},
        {traces, "ptrace("},
        {writes_memory, "process_vm_writev("},
        {reads_memory, "process_vm_readv("},
        {takes_the_signal, "rt_sigaction("},
        {opens_the_page, "mprotect("},
        {takes_the_page_away, "munmap("},
        {covers_the_page, "mmap("},
        {covers_it_from_below, "mmap("},
        {moves_onto_the_page, "mremap("},
        {forgets_the_page, "madvise("},
        {dumps, "prctl("},
        {filters, "prctl("},
        {raises_limits, "prlimit64("},
        {types, "ioctl("},
        {signals_by_descriptor, "fcntl("},
        {leases, "fcntl("},
        {makes_memory_files, "memfd_create("},
        {shares_memory, "shmget("},
        {rings, "io_uring_setup("},
        {programs_the_kernel, "bpf("},
        {asks_for_keys, "keyctl("},
        {mounts, "mount("},
        {unshares, "unshare("},
        {handles_faults, "userfaultfd("},
        {counts, "perf_event_open("},
        {is_urgent, "sched_setscheduler("},
        {is_somebody_else, "setuid("},
        {is_no_call, "system call 999"},
    };
    for (size_t i = 0; i < COUNT_OF(attempts); i++)
        expect_stop(attempts[i].what, attempts[i].text);
    struct stat status;
    ck_assert_int_eq(stat(model, &status), 0);
    ck_assert_int_eq(status.st_size, 5);
}
END_TEST

/* ---- links ---- */

static char link_out[160];

static void follows_a_link_out(void)
{
    int fd = open(link_out, O_RDONLY);
    ENSURE(fd == -1 && errno == EACCES); /* where nobody is stopped */
}

START_TEST(a_link_out_of_the_folder_leads_nowhere)
{
    snprintf(link_out, sizeof link_out, "%s/link", folder);
    ck_assert_int_eq(symlink(secret, link_out), 0);
    if (SANITIZED)
        expect_end(follows_a_link_out, "link");
    else
        expect_stop(follows_a_link_out, "/link\\\", O_RDONLY)");
}
END_TEST

/* ---- a kernel that has less ---- */

START_TEST(without_landlock_calls_are_still_named)
{
    if (SANITIZED)
        return;
    hide_landlock(); /* each test is a process of its own */
    ck_assert_int_eq(sandbox_powers().landlock, 0);
    expect_stop(opens_secret, "O_RDONLY)");
    ck_assert_ptr_nonnull(strstr(said, "sandbox: this kernel has no Landlock"));
    expect_stop(makes_file, "O_WRONLY|O_CREAT)");
    expect_stop(executes, "execve(");
    expect_end(reads_its_model, "reads");
}
END_TEST

/* ---- entering ---- */

static void *sleeps(void *self)
{
    pause();
    return self;
}

START_TEST(threads_that_would_keep_their_rights_are_noticed)
{
    char reason[256];
    pthread_t thread;
    if (SANITIZED)
        return;
    ck_assert_int_eq(pthread_create(&thread, NULL, sleeps, NULL), 0);
    ck_assert(!sandbox_enter(&sandbox, reason, sizeof reason));
    ck_assert_str_eq(reason, "there are threads already, which would keep their rights");
}
END_TEST

START_TEST(an_endpoint_that_is_none_is_said)
{
    char reason[256];
    sandbox_may_reach(&sandbox, "inproc://x");
    ck_assert(!sandbox_enter(&sandbox, reason, sizeof reason));
    ck_assert_str_eq(reason, "inproc://x: no endpoint");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox");
    TCase *group = suite_group(suite, "all", set_up, scratch_remove);
    if (!SANITIZED)
        tcase_add_test(group, a_worker_is_stopped_and_the_call_named);
    const TTest *tests[] = {a_link_out_of_the_folder_leads_nowhere, without_landlock_calls_are_still_named,
                            threads_that_would_keep_their_rights_are_noticed,
                            an_endpoint_that_is_none_is_said};
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_test(group, tests[i]);
    return suite_finish(suite);
}
