/* sandbox_scene: a process with what a sandbox gives it, and attempts that are made in one: each in a process
 * of its own, whose end and last line are looked at. With a sanitizer seccomp is left out, and what it would
 * stop with it. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_SCENE_H
#define OUTRIGGER_SANDBOX_SCENE_H

#include "apart.h"
#include "sandbox.h"
#include "scratch_directory.h"
#include "suite.h"

#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

static inline void set_up(void)
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

static attempt *attempted;

static inline void attempt_inside(void)
{
    char reason[256] = "";
    if (!sandbox_enter(&sandbox, reason, sizeof reason)) {
        fprintf(stderr, "%s", reason);
        _exit(1);
    }
    attempted();
}

/* Makes the attempt in the sandbox, apart. Returns the process's status. */
static inline int try(attempt *what)
{
    attempted = what;
    return apart(attempt_inside);
}

static inline void expect_end(attempt *what, const char *name)
{
    int status = try(what);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "%s: status %x: %s", name, status, said);
}

static inline void expect_killed(attempt *what, const char *name)
{
    int status = try(what);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: status %x: %s", name, status, said);
}

/* ---- attempts of several suites ---- */

#define ATTEMPT(name, ...)                                                                                   \
    static inline void name(void)                                                                            \
    {                                                                                                        \
        (void)!(__VA_ARGS__);                                                                                \
    }

ATTEMPT(udp, socket(AF_INET, SOCK_DGRAM, 0))
ATTEMPT(executes, execl("/bin/true", "true", NULL))
ATTEMPT(truncates, truncate(model, 0))
ATTEMPT(mounts, mount("none", "/mnt", "tmpfs", 0, NULL))

static inline int local_socket(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    text_copy(text_of(path), address->sun_path, sizeof address->sun_path);
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static inline void connects_elsewhere(void)
{
    struct sockaddr_un address;
    int fd = local_socket("/run/supervisor.sock", &address);
    (void)!connect(fd, (struct sockaddr *)&address, sizeof address);
}

static inline void reads_its_model(void)
{
    char text[8] = "";
    int fd = open(model, O_RDONLY);
    ENSURE(fd != -1 && read(fd, text, 5) == 5 && strcmp(text, "model") == 0);
    ENSURE(open("/no/such/file", O_RDONLY) == -1 && errno == ENOENT);
    struct open_how how = {.flags = O_RDONLY}; /* hides what it wants; who uses it goes on with openat */
    ENSURE(SANITIZED || (syscall(SYS_openat2, AT_FDCWD, model, &how, sizeof how) == -1 && errno == ENOSYS));
    ENSURE(open("/proc/self/maps", O_RDONLY) != -1 && open("/dev/null", O_WRONLY) != -1);
}

/* The kernel answers as one without Landlock. */
static inline void hide_landlock(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    ENSURE(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), 444, 0) == 0 && seccomp_load(filter) == 0);
    seccomp_release(filter);
}

#endif
