/* hand: see hand.h. Whoever may connect to any host may connect to anything, also to the sockets of other
 * programs on this one: nothing that a sandbox has tells them apart (sandbox.h). So the processes that read
 * what strangers send are not the ones that may.
 *
 * A parent in its sandbox cannot fork any more. For a hand that lasts somebody stays between them who can: it
 * reads nothing, from nobody, begins the hand, hands its parent the end of a socket to it, and waits for its
 * end. Used by the frontend's fetch_hand.c and the collector's
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
#include <sys/wait.h>
#include <unistd.h>

enum { PAUSE_SECONDS = 1 /* before a hand is begun again */ };

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

/* ---- hands that last ---- */

union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static bool give(int to, int fd)
{
    char byte = 0;
    union control control = {.bytes = {0}};
    struct iovec piece = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    return sendmsg(to, &message, MSG_NOSIGNAL) == 1;
}

int hand_next(int from)
{
    char byte;
    int fd = -1;
    union control control;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got;
    do
        got = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
    while (got == -1 && errno == EINTR);
    const struct cmsghdr *head = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

/* Ends when the hand has nothing more to do, or nobody wants one. */
static void tend(int hand)
{
    int status = 0;
    bool wanted = give(HAND_FD, hand);
    close(hand);
    while (waitpid(-1, &status, 0) == -1 && errno == EINTR)
        continue;
    if (!wanted || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        _exit(0);
}

bool hand_begin_lasting(int type, int *fd)
{
    int hand;
    if (!hand_begin(SOCK_SEQPACKET, fd))
        return false;
    signal(SIGCHLD, SIG_DFL);
    while (!hand_begin(type, &hand)) {
        if (hand != -1)
            tend(hand);
        sleep(PAUSE_SECONDS);
    }
    return true;
}

/* ---- rights ---- */

void hand_confine(const struct config *config, const char *parent, const char *what, const char *ca_file)
{
    char *name;
    ENSURE(asprintf(&name, "%s.%s", parent, what) >= 0);
    sandbox_program_enter(sandbox_program_fetcher(config, name, ca_file));
    free(name);
}
