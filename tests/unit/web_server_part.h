/* web_server_part: what a web server does at a frontend's socket, in the thread of the loop: it connects,
 * sends a request in whatever pieces, and waits for the answer. Include it in one test program's only .c.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_WEB_SERVER_PART_H
#define OUTRIGGER_WEB_SERVER_PART_H

#include "connection.h"
#include "fastcgi.h"
#include "letters.h"
#include "repository.h"
#include "suite.h"

#include <sys/un.h>

static struct metrics *metrics;
static struct connections *connections;
static int listen_fd;
static struct fastcgi_request request;
static struct fastcgi_answer answer;

static inline void address(struct sockaddr_un *to)
{
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(to->sun_path, sizeof to->sun_path, "%s/f.sock", scratch_directory);
}

static inline int listen_here(void)
{
    struct sockaddr_un here;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address(&here);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&here, sizeof here), 0);
    ck_assert_int_eq(listen(fd, 512), 0);
    return fd;
}

static inline int connect_here(void)
{
    struct sockaddr_un there;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address(&there);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&there, sizeof there), 0);
    return fd;
}

/* Sends as it is taken, while the loop turns. */
static inline void send_bytes(int fd, const uint8_t *bytes, size_t length)
{
    size_t sent = 0;
    for (int64_t limit = clock_now() + 30 * SECOND; sent < length;) {
        ssize_t count = send(fd, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (count > 0)
            sent += (size_t)count;
        else
            turn_loop();
        ck_assert(clock_now() < limit);
    }
}

static inline void send_request(int fd)
{
    fastcgi_next(&answer);
    send_bytes(fd, request.bytes, request.length);
}

/* Waits for the whole answer with this status. */
static inline void expect_status(int fd, int status)
{
    char head[32];
    snprintf(head, sizeof head, "Status: %d", status);
    WAIT_FOR(fastcgi_read(&answer, fd));
    ck_assert_msg(strncmp(answer.text, head, strlen(head)) == 0, "%s", answer.text);
    ck_assert(answer.ended);
}

static inline void expect_closed(int fd)
{
    WAIT_FOR(fastcgi_read(&answer, fd) && answer.closed);
    answer.closed = false;
    close(fd);
}

static inline uint64_t refused(const char *reason)
{
    return metrics_series(metrics, METRIC_CONNECTIONS_REFUSED, reason, NULL, NULL)->value;
}

static inline uint64_t open_connections(void)
{
    return metrics_series(metrics, METRIC_CONNECTIONS, NULL, NULL, NULL)->value;
}

#endif
