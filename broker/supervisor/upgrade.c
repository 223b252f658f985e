/* upgrade: see upgrade.h. Files of another release were put in the place of ours; `outrigger upgrade` says
 * so.
 *
 * The supervisor changes its program and stays the same process (execve), so whoever watches it, a service
 * manager or a container, sees nothing, and its children stay its children. All else happens as after a death
 * of the supervisor: the next one reads the ledger, adopts what runs, takes the listening socket from a
 * frontend, and replaces what is of another release one after the other (heritage.c, turnover.c). What is not
 * in a file is lost with the memory, and nothing that matters is.
 *
 * A program that then refuses to start would leave everything without a supervisor, so it is tried before.
 * Rights that were given up do not come back: a supervisor that root started can go on as its user, but can
 * not reach into workers of another one (descent.c). report.c refuses that; the service manager does it then.
 *
 * SPDX-License-Identifier: MIT */
#include "upgrade.h"

#include "clock.h"
#include "log.h"
#include "process.h"
#include "said.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* A configuration is read in milliseconds; names of users may be asked for over a network. */
#define TRY_PATIENCE (10 * SECOND)

enum { ARGUMENTS_BESIDE_SETTINGS = 7 }; /* program, -c, FILE, -n, NAME, --dry-run, NULL */

/* Our command line, without the descriptor for "ready", which has been said. The caller frees the array. */
static const char **arguments_of(const struct plan_basis *basis, const char *program, bool dry_run)
{
    const struct options *options = basis->options;
    size_t count = 0;
    const char **arguments =
        object_alloc((2 * options->setting_count + ARGUMENTS_BESIDE_SETTINGS) * sizeof(*arguments));
    arguments[count++] = program;
    if (options->config_file != NULL) {
        arguments[count++] = "-c";
        arguments[count++] = options->config_file;
    }
    for (size_t i = 0; i < options->setting_count; i++) {
        arguments[count++] = "-s";
        arguments[count++] = options->settings[i];
    }
    arguments[count++] = "-n";
    arguments[count++] = options->name;
    if (dry_run)
        arguments[count++] = "--dry-run";
    return arguments;
}

static char *program_path(const struct plan_basis *basis)
{
    char *path;
    ENSURE(asprintf(&path, "%s/outrigger-supervisor", basis->config->binary_directory) >= 0);
    return path;
}

/* Returns its status as wait(2) tells it, or -1 when it was ended because it took too long. */
static int hear_out(pid_t pid, int pidfd)
{
    int status = 0;
    int64_t deadline = clock_now() + TRY_PATIENCE;
    struct pollfd watch = {.fd = pidfd, .events = POLLIN};
    int ended;
    do {
        int64_t left = (deadline - clock_now()) / MILLISECOND; /* negative would be without an end */
        ended = poll(&watch, 1, left < 0 ? 0 : (int)left);
    } while (ended == -1 && errno == EINTR);
    if (ended != 1)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        continue;
    return ended == 1 ? status : -1;
}

bool upgrade_try(const struct plan_basis *basis, char *reason, size_t capacity)
{
    int pidfd, said = said_new(), status = -1;
    char *path = program_path(basis);
    const char **arguments = arguments_of(basis, path, true);
    struct spawn request = {.program = path,
                            .arguments = arguments,
                            .listen_fd = -1,
                            .ready_fd = -1,
                            .token_fd = -1,
                            .error_fd = said};
    pid_t pid = process_spawn(&request, &pidfd);
    if (pid == -1) {
        snprintf(reason, capacity, "%s: %s", path, strerror(errno));
    } else {
        status = hear_out(pid, pidfd);
        close(pidfd);
    }
    if (pid != -1 && status != 0) {
        char *line = said_last_line(said);
        snprintf(reason, capacity, "%s --dry-run %s: %s", path, status == -1 ? "does not end" : "refuses",
                 line);
        free(line);
    }
    close(said);
    free(arguments);
    free(path);
    return status == 0;
}

char **upgrade_remember(void)
{
    size_t count = 0;
    while (environ != NULL && environ[count] != NULL)
        count++;
    char **environment = object_alloc((count + 1) * sizeof(*environment));
    for (size_t i = 0; i < count; i++)
        environment[i] = object_strdup(environ[i]);
    return environment;
}

void upgrade_forget(char **environment)
{
    for (char **variable = environment; *variable != NULL; variable++)
        free(*variable);
    free(environment);
}

/* Where a service manager made the listening socket, the next program expects it where this one got it; all
 * else in our hands closes by itself. */
static void hand_on_socket(int listen_fd, char *const *environment)
{
    enum { FIRST_HANDED = 3 };
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, "LISTEN_FDS=", 11) == 0 && listen_fd != -1) {
            if (listen_fd == FIRST_HANDED)
                fcntl(listen_fd, F_SETFD, 0);
            else
                dup2(listen_fd, FIRST_HANDED);
        }
}

void upgrade_become(const struct plan_basis *basis, char **environment)
{
    char *path = program_path(basis);
    const char **arguments = arguments_of(basis, path, false);
    log_info("becomes %s; what runs goes on", path);
    hand_on_socket(basis->listen_fd, environment);
    execve(path, (char *const *)arguments, environment);
    log_error("%s: %s", path, strerror(errno));
    _exit(1);
}
