/* hand: see hand.h. Whoever may connect to any host may connect to anything, also to the sockets of other
 * programs on this one: nothing that a sandbox has tells them apart (sandbox.h). So the processes that read
 * what strangers send are not the ones that may. Used by the frontend's fetch_hand.c and the collector's
 * trace_hand.c. SPDX-License-Identifier: MIT */
#include "hand.h"

#include "object.h"
#include "sandbox_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void keep_only(int fd)
{
    ENSURE(dup2(fd, HAND_FD) != -1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    ENSURE(null != -1 && dup2(null, STDIN_FILENO) != -1);
    (void)close_range(HAND_FD + 1, ~0U, 0);
}

static void become(pid_t parent, int fd)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    keep_only(fd);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        signal(signals[i], SIG_IGN);
}

bool hand_begin(int type, int *fd)
{
    int pair[2];
    pid_t parent = getpid();
    *fd = -1;
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == -1)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        become(parent, pair[1]);
        return true;
    }
    int error = errno;
    close(pair[1]);
    if (pid == -1)
        close(pair[0]);
    else
        *fd = pair[0];
    errno = error;
    return false;
}

void hand_confine(const struct config *config, const char *parent, const char *what)
{
    char *name;
    ENSURE(asprintf(&name, "%s.%s", parent, what) >= 0);
    sandbox_program_enter(sandbox_program_new(config, SANDBOX_FETCHER, name, NULL));
    free(name);
}
