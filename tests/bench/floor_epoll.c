/* floor_epoll: libfcgi called on ready descriptors from one event loop, the fastest that it was ever seen:
 * what is left when nothing is computed and nobody is asked.
 *
 * Descriptors are watched for bytes, and libfcgi reads the request where some have come. The rest of a
 * request that comes in pieces is waited for with all the others waiting too: fine for a benchmark whose
 * requests fit one write, and only there. SPDX-License-Identifier: MIT */
#include "floor.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        perror("watch");
        exit(1);
    }
}

/* libfcgi closes the descriptor unless the connection is kept, and so ends the watching. */
static void serve(int fd)
{
    FCGX_Request request;
    FCGX_InitRequest(&request, -1, 0); /* no socket to accept from: it must not wait for another peer */
    request.ipcFd = fd;
    request.keepConnection = 1; /* or FCGX_Accept_r would close the descriptor first */
    request.detached = 1;       /* or closing would wait up to 2 s for the peer */
    if (FCGX_Accept_r(&request) == 0)
        floor_answer(&request);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    int listening = floor_listen(argc, argv);
    int epoll = epoll_create1(0);
    watch(epoll, listening);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listening)
                watch(epoll, accept4(listening, NULL, NULL, SOCK_CLOEXEC));
            else
                serve(events[i].data.fd);
        }
    }
}
