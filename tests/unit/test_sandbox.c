/* test_sandbox: what is left of a process's rights: each attempt is made in a process of its own, and its end
 * and its last line are looked at. With a sanitizer seccomp is left out, and what it would stop with it.
 * SPDX-License-Identifier: MIT */
#include "sandbox.h"
#include "sandbox_gate.h"
#include "sandbox_policy.h"
#include "scratch_directory.h"
#include "suite.h"

#include "object.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

typedef void attempt(void);

static struct sandbox sandbox;
static char endpoint[128], page[128], model[128], secret[128], folder[128], fresh[160];

static void set_up(void)
{
    scratch_make();
    snprintf(endpoint, sizeof endpoint, "ipc://%s/broker.ipc", scratch_directory);
    snprintf(page, sizeof page, "%s", scratch_file("page", "counters"));
    snprintf(folder, sizeof folder, "%s", scratch_folder("model"));
    snprintf(model, sizeof model, "%s", scratch_file("model/model.so", "model"));
    snprintf(secret, sizeof secret, "%s", scratch_file("secret", "secret"));
    snprintf(fresh, sizeof fresh, "%s/fresh", folder);
    sandbox = (struct sandbox){.role = SANDBOX_WORKER, .mode = "on", .name = "worker.m.1.1", .remove = page};
    sandbox_may_read(&sandbox, folder);
    sandbox_may_reach(&sandbox, endpoint);
}

/* Makes the attempt in the sandbox. Returns the process's status; what it said is in `said`. It exits 42 when
 * it comes to its end. */
static char said[4096];

static int try(attempt *what)
{
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char reason[256] = "";
        dup2(pipes[1], STDERR_FILENO);
        dup2(pipes[1], STDOUT_FILENO); /* as the supervisor does; ours may be a file, which may then grow */
        close(pipes[0]);
        close(pipes[1]);
        if (!sandbox_enter(&sandbox, reason, sizeof reason)) {
            fprintf(stderr, "%s", reason);
            _exit(1);
        }
        what();
        _exit(42);
    }
    close(pipes[1]);
    size_t length = 0;
    for (ssize_t count; (count = read(pipes[0], said + length, sizeof said - 1 - length)) > 0;)
        length += (size_t)count;
    said[length] = '\0';
    close(pipes[0]);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void expect_end(attempt *what, const char *name)
{
    int status = try(what);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "%s: status %x: %s", name, status, said);
}

static void expect_stop(attempt *what, const char *text)
{
    int status = try(what);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: status %x: %s", text, status, said);
    ck_assert_msg(strstr(said, text) != NULL && strstr(said, " and was stopped") != NULL, "%s: %s", text,
                  said);
    ck_assert_msg(strstr(said, "sandbox: the worker worker.m.1.1 called ") != NULL, "%s", said);
}

/* ---- what a worker must not ---- */

static void *const low = (void *)0x10000; /* where the sealed page is */

#define ATTEMPT(name, ...)                                                                                   \
    static void name(void)                                                                                   \
    {                                                                                                        \
        (void)!(__VA_ARGS__);                                                                                \
    }

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
ATTEMPT(truncates, truncate(model, 0))
ATTEMPT(changes_folder, chdir("/"))
ATTEMPT(pairs_of_datagrams, socketpair(AF_UNIX, SOCK_DGRAM, 0, (int[2]){0}))
ATTEMPT(pins_its_parent, sched_setaffinity(getppid(), sizeof(cpu_set_t), &(cpu_set_t){0}))
ATTEMPT(slows_its_parent, sched_setscheduler(getppid(), SCHED_IDLE, &(struct sched_param){0}))
ATTEMPT(tcp, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
ATTEMPT(tcp6, socket(AF_INET6, SOCK_STREAM, 0))
ATTEMPT(udp, socket(AF_INET, SOCK_DGRAM, 0))
ATTEMPT(netlink, socket(AF_NETLINK, SOCK_RAW, 0))
ATTEMPT(datagrams, socket(AF_UNIX, SOCK_DGRAM, 0))
ATTEMPT(listens, listen(0, 1))
ATTEMPT(accepts, accept4(0, NULL, NULL, 0))
ATTEMPT(executes, execl("/bin/true", "true", NULL))
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
ATTEMPT(mounts, mount("none", "/mnt", "tmpfs", 0, NULL))
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

static int local_socket(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    text_copy(text_of(path), address->sun_path, sizeof address->sun_path);
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static void connects_elsewhere(void)
{
    struct sockaddr_un address;
    int fd = local_socket("/run/supervisor.sock", &address);
    (void)!connect(fd, (struct sockaddr *)&address, sizeof address);
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

/* ---- what it may ---- */

static void reads_its_model(void)
{
    char text[8] = "";
    int fd = open(model, O_RDONLY);
    ENSURE(fd != -1 && read(fd, text, 5) == 5 && strcmp(text, "model") == 0);
    ENSURE(open("/no/such/file", O_RDONLY) == -1 && errno == ENOENT);
    struct open_how how = {.flags = O_RDONLY}; /* hides what it wants; who uses it goes on with openat */
    ENSURE(SANITIZED || (syscall(SYS_openat2, AT_FDCWD, model, &how, sizeof how) == -1 && errno == ENOSYS));
    ENSURE(open("/proc/self/maps", O_RDONLY) != -1 && open("/dev/null", O_WRONLY) != -1);
}

static void *does_nothing(void *self)
{
    return self;
}

static void computes(void)
{
    pthread_t thread;
    ENSURE(pthread_create(&thread, NULL, does_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    char *memory = malloc(64 << 20);
    memset(memory, 1, 64 << 20);
    char *larger = realloc(memory, 128 << 20);
    ENSURE(larger != NULL && larger[1] == 1);
    free(larger);
    ENSURE(SANITIZED || (syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS));
    struct open_how how = {.flags = O_RDONLY};
    ENSURE(SANITIZED || (syscall(SYS_openat2, AT_FDCWD, model, &how, sizeof how) == -1 && errno == ENOSYS));
    cpu_set_t cores;
    ENSURE(pthread_getaffinity_np(pthread_self(), sizeof cores, &cores) == 0);
    ENSURE(pthread_setaffinity_np(pthread_self(), sizeof cores, &cores) == 0);
    ENSURE(pthread_setschedparam(pthread_self(), SCHED_OTHER, &(struct sched_param){0}) == 0);
    int null = open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ENSURE(null != -1 && write(null, "x", 1) == 1 && close(null) == 0);
}

static void keeps_its_signals(void)
{
    sigset_t set, before;
    sigfillset(&set);
    ENSURE(pthread_sigmask(SIG_SETMASK, &set, &before) == 0 && sigismember(&before, SIGTERM) == 0);
    ENSURE(pthread_sigmask(SIG_SETMASK, NULL, &set) == 0);
    ENSURE(sigismember(&set, SIGTERM) == 1 && (SANITIZED || sigismember(&set, SIGSYS) == 0));
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    ENSURE(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0 && pthread_sigmask(SIG_BLOCK, NULL, &before) == 0);
    ENSURE(sigismember(&before, SIGTERM) == 0 && sigismember(&before, SIGINT) == 1);
}

static void connects(void)
{
    sigset_t all;
    struct sockaddr_un address;
    sigfillset(&all); /* as ZeroMQ's threads do */
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    int fd = local_socket(endpoint + 6, &address);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path));
    ENSURE(connect(fd, (struct sockaddr *)&address, length) == 0);
    close(fd);
    fd = local_socket(endpoint + 6, &address);
    ENSURE(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
}

static void removes_its_page(void)
{
    ENSURE(unlink(page) == 0);
    ENSURE(unlink(page) == -1 && errno == ENOENT);
}

static void writes_no_files_and_gains_no_rights(void)
{
    struct rlimit limit;
    ENSURE(getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_max == 0);
    ENSURE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void aborts(void)
{
    abort();
}

static void says_no(void) /* where a file's own rights forbid, it is the caller's error */
{
    ENSURE(open(model, O_RDONLY) == -1 && errno == EACCES);
}

START_TEST(a_worker_does_what_serving_needs)
{
    struct sockaddr_un address;
    int listener = local_socket(endpoint + 6, &address);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    expect_end(reads_its_model, "reads");
    expect_end(computes, "computes");
    expect_end(keeps_its_signals, "signals");
    expect_end(connects, "connects");
    expect_end(removes_its_page, "removes");
    expect_end(writes_no_files_and_gains_no_rights, "limits");
    int status = try(aborts);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x: %s", status, said);
    close(listener);
}
END_TEST

START_TEST(rights_of_the_file_are_an_error_and_no_end)
{
    ck_assert_int_eq(chmod(model, 0), 0);
    if (geteuid() == 0 && (chmod(scratch_directory, 0711) != 0 || chmod(folder, 0755) != 0))
        ck_abort();
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(1);
        _exit(WEXITSTATUS(try(says_no)));
    }
    int status;
    waitpid(pid, &status, 0);
    ck_assert_int_eq(WEXITSTATUS(status), 42);
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

/* ---- the others ---- */

static void writes_where_it_may(void)
{
    char path[200];
    snprintf(path, sizeof path, "%s/new", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    ENSURE(fd != -1 && write(fd, "x", 1) == 1 && fsync(fd) == 0 && ftruncate(fd, 0) == 0);
    ENSURE(open(path, O_RDWR | O_TRUNC) != -1 && creat(path, 0600) != -1);
    ENSURE(rename(path, fresh) == 0 && chmod(fresh, 0640) == 0 && unlink(fresh) == 0);
    ENSURE(mkdir(fresh, 0700) == 0 && rmdir(fresh) == 0);
    struct sockaddr_un address;
    int listener = local_socket(fresh, &address);
    ENSURE(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
}

static void reads_and_does_not_cut(void)
{
    int fd = open(secret, O_RDONLY | O_CLOEXEC);
    struct stat status;
    ENSURE(open(secret, O_RDONLY | O_TRUNC) == -1 && errno == EACCES);
    ENSURE(open(secret, O_WRONLY | O_TRUNC) == -1 && errno == EACCES);
    ENSURE(open(secret, O_RDWR | O_TRUNC) == -1 && errno == EACCES);
    ENSURE(creat(secret, 0600) == -1 && errno == EACCES);
    ENSURE(fd != -1 && fstat(fd, &status) == 0 && status.st_size == 6);
}

static void goes_on_without_a_file(void)
{
    ENSURE(open(secret, O_RDONLY) == -1 && errno == EACCES);
    ENSURE(SANITIZED ||
           (open(model, O_RDONLY | O_TRUNC) == -1 && errno == EACCES)); /* POSIX does not know it */
    ENSURE(unlink(secret) == -1 && errno == EACCES);
    ENSURE(SANITIZED || (chmod(secret, 0777) == -1 && errno == EACCES));
}

START_TEST(a_broker_writes_in_its_folders_alone)
{
    sandbox = (struct sandbox){.role = SANDBOX_BROKER, .mode = "on", .name = "worker.m.1.1", .listens = true};
    sandbox_may_write(&sandbox, folder);
    expect_end(writes_where_it_may, "writes");
    expect_end(goes_on_without_a_file, "refused");
    if (SANITIZED)
        return;
    ck_assert_ptr_nonnull(strstr(said, "sandbox: the broker worker.m.1.1 called openat("));
    ck_assert_ptr_nonnull(strstr(said, " and was refused it"));
    int status = try(executes);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x: %s", status, said);
    status = try(udp);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x: %s", status, said);
    status = try(truncates);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x: %s", status, said);
    sandbox_may_read(&sandbox, secret);
    expect_end(reads_and_does_not_cut, "cuts");
    sandbox.network_out = true;
    expect_end(udp, "udp");
}
END_TEST

static void connects_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ENSURE(fd != -1 && connect(fd, (struct sockaddr *)&address, sizeof address) == -1 &&
           errno == ECONNREFUSED);
}

/* The C library asks for a cache of names first, whether there is one or not. */
static void looks_up_a_name(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    struct sockaddr_un address;
    int fd = local_socket("/var/run/nscd/socket", &address);
    ENSURE(connect(fd, (struct sockaddr *)&address, sizeof address) == -1 && (SANITIZED || errno == EACCES));
    ENSURE(getaddrinfo("localhost", "1", &hints, &found) == 0);
    freeaddrinfo(found);
}

static void sends_before_it_connects(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(2)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)!sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&address, sizeof address);
}

START_TEST(the_network_is_for_who_asks_for_it)
{
    sandbox = (struct sandbox){.role = SANDBOX_FRONTEND, .mode = "on", .name = "f", .network_out = true};
    expect_end(connects_anywhere, "out");
    expect_end(looks_up_a_name, "name");
    if (SANITIZED)
        return;
    ck_assert_msg(strstr(said, "sandbox:") == NULL, "%s", said);
    sandbox.network_out = false;
    int status = try(connects_elsewhere);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x: %s", status, said);
    status = try(connects_anywhere);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x: %s", status, said);
    sandbox_may_reach(&sandbox, "tcp://127.0.0.1:1");
    expect_end(connects_anywhere, "listed");
    status = try(sends_before_it_connects);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x: %s", status, said);
}
END_TEST

static void starts_others(void)
{
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    ENSURE(waitpid(pid, &status, 0) == pid && status == 0);
}

START_TEST(a_supervisor_starts_others_and_keeps_off_the_kernel)
{
    sandbox = (struct sandbox){.role = SANDBOX_SUPERVISOR, .mode = "on", .name = "supervisor"};
    expect_end(starts_others, "starts");
    if (SANITIZED)
        return;
    int status = try(mounts);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x: %s", status, said);
    ck_assert_ptr_nonnull(strstr(said, "sandbox: the supervisor supervisor called mount("));
}
END_TEST

static const struct sandbox_user only = {65534, 65534, 0};

static bool is_refused(long result)
{
    return result == -1 && errno == EPERM;
}

static void becomes_others(void)
{
    const gid_t disk = 6;
    ENSURE(is_refused(setuid(0)) && is_refused(setreuid(0, 0)) && is_refused(setresuid(0, 0, 0)) &&
           is_refused(setresuid(only.uid, 0, only.uid)) && is_refused(setresuid(-1, -1, 1)));
    ENSURE(is_refused(setgid(0)) && is_refused(setregid(6, 6)) && is_refused(setresgid(6, 6, 6)) &&
           is_refused(setresgid(only.gid, only.gid, 6)) && is_refused(setgroups(1, &disk)));
    ENSURE(is_refused(syscall(SYS_setfsuid, 0)) && is_refused(syscall(SYS_setfsgid, 0)));
    ENSURE(is_refused(syscall(SYS_setresuid, only.uid | INT64_C(1) << 32, only.uid, only.uid)));
    ENSURE(is_refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)));
    ENSURE(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
    starts_others();
    if (geteuid() == 0)
        ENSURE(setgroups(0, NULL) == 0 && setresgid(only.gid, only.gid, only.gid) == 0 &&
               setresuid(only.uid, only.uid, only.uid) == 0);
}

START_TEST(a_supervisor_becomes_one_user_and_no_other)
{
    sandbox =
        (struct sandbox){.role = SANDBOX_SUPERVISOR, .mode = "on", .name = "supervisor", .becomes = &only};
    if (!SANITIZED)
        expect_end(becomes_others, "others");
}
END_TEST

/* ---- a kernel that has less ---- */

/* As one without Landlock answers. */
static void hide_landlock(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    ENSURE(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), 444, 0) == 0 && seccomp_load(filter) == 0);
    seccomp_release(filter);
}

static void makes_all_folders_of_a_path(void)
{
    ENSURE(mkdir("/tmp", 0700) == -1 && errno == EEXIST && mkdir(scratch_directory, 0700) == -1 &&
           errno == EEXIST);
    ENSURE(mkdir(fresh, 0700) == 0 && mkdir(fresh, 0700) == -1 && errno == EEXIST && rmdir(fresh) == 0);
}

static void makes_a_folder_elsewhere(void)
{
    char path[160];
    snprintf(path, sizeof path, "%s/elsewhere", scratch_directory);
    ENSURE(mkdir(path, 0700) == -1 && errno == EACCES && access(path, F_OK) == -1);
}

START_TEST(folders_that_exist_are_no_attempt)
{
    sandbox = (struct sandbox){.role = SANDBOX_BROKER, .mode = "on", .name = "b"};
    sandbox_may_write(&sandbox, folder);
    expect_end(makes_all_folders_of_a_path, "folders");
    ck_assert_ptr_null(strstr(said, "mkdir("));
    expect_end(makes_a_folder_elsewhere, "elsewhere");
    if (SANITIZED)
        return;
    hide_landlock();
    expect_end(makes_all_folders_of_a_path, "folders without Landlock");
    ck_assert_ptr_null(strstr(said, "mkdir("));
    expect_end(makes_a_folder_elsewhere, "elsewhere without Landlock");
    ck_assert_ptr_nonnull(strstr(said, "mkdir("));
}
END_TEST

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

/* ---- modes ---- */

static void does_much(void)
{
    ENSURE(open(secret, O_RDONLY) != -1 && open(model, O_RDONLY) != -1);
    ENSURE(open(fresh, O_WRONLY | O_CREAT, 0600) != -1 && unlink(fresh) == 0);
    ENSURE(socket(AF_INET, SOCK_STREAM, 0) != -1);
    starts_others();
}

START_TEST(log_names_what_would_be_refused_and_lets_it)
{
    sandbox.mode = "log";
    expect_end(does_much, "log");
    if (SANITIZED)
        return;
    static const char *const named[] = {"secret\\\", O_RDONLY): with",
                                        "fresh\\\", O_WRONLY|O_CREAT): with",
                                        "unlink(",
                                        "socket(AF_INET, SOCK_STREAM): with",
                                        "clone() for a new process: with",
                                        "execve(\\\"/bin/true\\\"): with"};
    for (size_t i = 0; i < COUNT_OF(named); i++)
        ck_assert_msg(strstr(said, named[i]) != NULL, "%s: %s", named[i], said);
    ck_assert_ptr_null(strstr(said, "model.so"));
}
END_TEST

START_TEST(off_is_off)
{
    sandbox.mode = "off";
    expect_end(does_much, "off");
    ck_assert_str_eq(said, "");
    ck_assert(sandbox_mode_known("on") && sandbox_mode_known("log") && sandbox_mode_known("off"));
    ck_assert(!sandbox_mode_known("") && !sandbox_mode_known("On"));
}
END_TEST

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
    const TTest *tests[] = {
        a_worker_does_what_serving_needs,
        rights_of_the_file_are_an_error_and_no_end,
        a_link_out_of_the_folder_leads_nowhere,
        a_broker_writes_in_its_folders_alone,
        the_network_is_for_who_asks_for_it,
        a_supervisor_starts_others_and_keeps_off_the_kernel,
        a_supervisor_becomes_one_user_and_no_other,
        without_landlock_calls_are_still_named,
        folders_that_exist_are_no_attempt,
        log_names_what_would_be_refused_and_lets_it,
        off_is_off,
        threads_that_would_keep_their_rights_are_noticed,
        an_endpoint_that_is_none_is_said,
    };
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_test(group, tests[i]);
    return suite_finish(suite);
}
