/* online: clients that come at their own times, whether the service is quick or not: requests over kept
 * HTTP/1.1 connections, at random moments, so many a second. What one takes counts from the moment at which
 * it was to begin, so a service that stands still is not spared by clients that wait for it.
 *
 *     online PORT PATH BODY-FILE RATE SECONDS CONNECTIONS    prints {"answered", "failed", "p50", "p90",
 * "p99", "p999", "most"}, times in microseconds. SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, ANSWER_MAX = 1 << 16, REQUEST_MAX = 1 << 16 };

struct connection {
    int fd;
    bool busy;
    int64_t due; /* when its request was to begin */
    char answer[ANSWER_MAX];
    size_t length;
};

static struct connection connections[CONNECTIONS_MAX];
static char request[REQUEST_MAX];
static size_t request_length;
static int64_t *times;
static size_t answered, failed, capacity;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void connect_to(struct connection *connection, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd == -1 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect");
}

static void make_request(const char *path, const char *body_file)
{
    static char body[REQUEST_MAX / 2];
    FILE *file = fopen(body_file, "r");
    if (file == NULL)
        fail(body_file);
    size_t length = fread(body, 1, sizeof body, file);
    fclose(file);
    request_length =
        (size_t)snprintf(request, sizeof request,
                         "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n%.*s",
                         path, length, (int)length, body);
}

static void begin(struct connection *connection, int64_t due)
{
    connection->busy = true;
    connection->due = due;
    connection->length = 0;
    if (write(connection->fd, request, request_length) != (ssize_t)request_length)
        fail("write");
}

/* True when the whole answer is there. */
static bool complete(const struct connection *connection)
{
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *length = end == NULL ? NULL : strcasestr(connection->answer, "\r\ncontent-length:");
    return length != NULL && length < end &&
           connection->length >= (size_t)(end + 4 - connection->answer) + strtoul(length + 17, NULL, 10);
}

static void take(struct connection *connection)
{
    ssize_t count = read(connection->fd, connection->answer + connection->length,
                         sizeof connection->answer - 1 - connection->length);
    if (count <= 0)
        fail("read");
    connection->length += (size_t)count;
    connection->answer[connection->length] = '\0';
    if (!complete(connection))
        return;
    connection->busy = false;
    if (strncmp(connection->answer, "HTTP/1.1 200", 12) != 0)
        failed++;
    else if (answered < capacity)
        times[answered++] = now() - connection->due;
}

static struct connection *find_free(int count)
{
    for (int i = 0; i < count; i++)
        if (!connections[i].busy)
            return &connections[i];
    return NULL;
}

static void wait_until(int64_t until, int count)
{
    struct pollfd polled[CONNECTIONS_MAX];
    for (int i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
    int64_t left = until - now();
    struct timespec timeout = {.tv_nsec = left > 0 ? (long)(left < 999999999 ? left : 999999999) : 0};
    if (ppoll(polled, (nfds_t)count, &timeout, NULL) < 0 && errno != EINTR)
        fail("ppoll");
    for (int i = 0; i < count; i++)
        if (polled[i].revents != 0 && connections[i].busy)
            take(&connections[i]);
        else if (polled[i].revents != 0)
            fail("a connection that is idle");
}

static int ascending(const void *one, const void *other)
{
    int64_t left = *(const int64_t *)one, right = *(const int64_t *)other;
    return (left > right) - (left < right);
}

static double at(double share)
{
    return answered == 0 ? 0 : (double)times[(size_t)((double)(answered - 1) * share)] / 1000;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    double rate = atof(argv[4]), seconds = atof(argv[5]);
    int count = atoi(argv[6]);
    if (count < 1 || count > CONNECTIONS_MAX || rate <= 0)
        return 2;
    capacity = (size_t)(rate * seconds * 2) + 1000;
    times = calloc(capacity, sizeof *times);
    make_request(argv[2], argv[3]);
    for (int i = 0; i < count; i++)
        connect_to(&connections[i], atoi(argv[1]));
    int64_t end = now() + (int64_t)(seconds * 1e9), due = now();
    struct connection *connection;
    srand48(1);
    while (due < end) {
        if (now() >= due && (connection = find_free(count)) != NULL) {
            begin(connection, due);
            due += (int64_t)(-log(1 - drand48()) / rate * 1e9);
        }
        wait_until(find_free(count) == NULL ? due + 1000000000 : due, count);
    }
    for (int i = 0; i < count; i++)
        while (connections[i].busy)
            wait_until(now() + 1000000000, count);
    qsort(times, answered, sizeof *times, ascending);
    printf("{\"answered\":%zu,\"failed\":%zu,\"p50\":%.0f,\"p90\":%.0f,\"p99\":%.0f,\"p999\":%.0f,\"most\":%."
           "0f}\n",
           answered, failed, at(0.5), at(0.9), at(0.99), at(0.999), at(1));
    return 0;
}
