/* test_sandbox_allows: what programs may do in their sandboxes, each by its role, and where theirs ends.
 * SPDX-License-Identifier: MIT */
#include "sandbox_policy.h"
#include "sandbox_scene.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* ---- workers ---- */

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

static void refuses_bad_pointers(void)
{
    keeps_its_signals();
    errno = 0;
    ENSURE(syscall(SYS_rt_sigprocmask, SIG_SETMASK, 8L, 0L, 8L) == -1 && errno == EFAULT);
}

/* Seccomp profiles of containers forbid it: containerd's of Debian 12. */
static void forbid_process_vm_readv(void)
{
    scmp_filter_ctx profile = seccomp_init(SCMP_ACT_ALLOW);
    ENSURE(profile != NULL &&
           seccomp_rule_add(profile, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(process_vm_readv), 0) == 0 &&
           seccomp_load(profile) == 0);
    seccomp_release(profile);
    attempt_inside();
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

START_TEST(a_container_may_forbid_to_read_memory)
{
    attempted = refuses_bad_pointers;
    int status = apart(forbid_process_vm_readv);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "%x: %s", status, said);
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
    expect_killed(executes, "executes");
    expect_killed(udp, "udp");
    expect_killed(truncates, "truncates");
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
    sandbox = (struct sandbox){.role = SANDBOX_FETCHER, .mode = "on", .name = "f", .network_out = true};
    expect_end(connects_anywhere, "out");
    expect_end(looks_up_a_name, "name");
    if (SANITIZED)
        return;
    ck_assert_msg(strstr(said, "sandbox:") == NULL, "%s", said);
    sandbox.network_out = false;
    expect_killed(connects_elsewhere, "connects_elsewhere");
    expect_killed(connects_anywhere, "connects_anywhere");
    sandbox_may_reach(&sandbox, "tcp://127.0.0.1:1");
    expect_end(connects_anywhere, "listed");
    expect_killed(sends_before_it_connects, "sends_before_it_connects");
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
    expect_killed(mounts, "mounts");
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

/* ---- folders that are there ---- */

static void makes_all_folders_of_a_path(void)
{
    ENSURE(mkdir("/tmp", 0700) == -1 && errno == EEXIST && mkdir(scratch_directory, 0700) == -1 &&
           errno == EEXIST);
    ENSURE(mkdir(fresh, 0700) == 0);
    ENSURE(mkdir(fresh, 0700) == -1 && errno == EEXIST && rmdir(fresh) == 0);
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

int main(void)
{
    const TTest *tests[] = {a_worker_does_what_serving_needs,
                            a_container_may_forbid_to_read_memory,
                            rights_of_the_file_are_an_error_and_no_end,
                            a_broker_writes_in_its_folders_alone,
                            the_network_is_for_who_asks_for_it,
                            a_supervisor_starts_others_and_keeps_off_the_kernel,
                            a_supervisor_becomes_one_user_and_no_other,
                            folders_that_exist_are_no_attempt,
                            log_names_what_would_be_refused_and_lets_it,
                            off_is_off};
    return SUITE_RUN("sandbox_allows", set_up, scratch_remove, tests);
}
