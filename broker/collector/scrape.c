/* scrape: libmicrohttpd inside the loop.
 *
 * libmicrohttpd brings its own epoll descriptor, which the loop watches like any other; so there is no thread
 * and no lock, and a scraper that reads slowly holds a connection and nothing else. The text is shared: each
 * connection holds a reference to the response that was made of one text, not a copy of its own. The
 * listening socket is ours, so that a complaint can say what is wrong. SPDX-License-Identifier: MIT */
#include "scrape.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    SCRAPE_MAGIC = 0x73630001,
    CONNECTIONS_MAX = 16,     /* scrapers are few; each slow one may hold a text of its own, some MB */
    SILENT_SECONDS = 5,       /* a connection without progress is closed */
    CONNECTION_BYTES = 16384, /* for the request's head; longer ones are answered 431 */
    BACKLOG = 64,
    HOST_BYTES = 256
};

struct scrape {
    unsigned magic;
    struct loop *loop;
    struct exposition *exposition;
    struct MHD_Daemon *daemon;
    int epoll_fd; /* the daemon's */
    struct loop_timer timer;
    struct MHD_Response *text; /* of the generation; NULL: none yet */
    uint64_t generation;
};

/* ---- answering ---- */

static enum MHD_Result answer_short(struct MHD_Connection *connection, unsigned status, const char *body,
                                    const char *allow)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
    if (allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* Makes the response of the newest text, once for each text. */
static void renew_text(struct scrape *scrape)
{
    size_t length;
    uint64_t generation;
    const char *text = exposition_text(scrape->exposition, loop_now(scrape->loop), &length, &generation);
    if (generation == scrape->generation)
        return;
    if (scrape->text != NULL)
        MHD_destroy_response(scrape->text); /* connections that still send it have references of their own */
    scrape->text = MHD_create_response_from_buffer(length, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    scrape->generation = generation;
    if (scrape->text != NULL)
        MHD_add_response_header(scrape->text, MHD_HTTP_HEADER_CONTENT_TYPE,
                                "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result answer_text(struct scrape *scrape, struct MHD_Connection *connection)
{
    renew_text(scrape);
    return scrape->text == NULL ? MHD_NO : MHD_queue_response(connection, MHD_HTTP_OK, scrape->text);
}

static enum MHD_Result answer_request(struct scrape *scrape, struct MHD_Connection *connection,
                                      const char *path, const char *method)
{
    bool metrics = strcmp(path, "/metrics") == 0;
    if (!metrics && strcmp(path, "/health") != 0)
        return answer_short(connection, MHD_HTTP_NOT_FOUND, "not found; there are /metrics and /health\n",
                            NULL);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_short(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n", "GET, HEAD");
    if (metrics)
        return answer_text(scrape, connection);
    return answer_short(connection, MHD_HTTP_OK, "healthy\n", NULL);
}

/* libmicrohttpd calls this once with the head (`*request` is NULL then), once for each piece of a body, and
 * once at the end, when an answer may be given. Bodies are passed over. */
static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_bytes, void **request)
{
    (void)version;
    (void)body;
    if (*request == NULL) {
        *request = self;
        return MHD_YES;
    }
    if (*body_bytes > 0) {
        *body_bytes = 0;
        return MHD_YES;
    }
    return answer_request(self, connection, path, method);
}

/* ---- in the loop ---- */

static unsigned connection_count(struct scrape *scrape)
{
    return MHD_get_daemon_info(scrape->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

/* At its limit of connections libmicrohttpd stops watching the listening socket, and watches it again only at
 * the beginning of a run. So a run that ended connections must be followed by another, or nobody would come
 * in any more. */
static void run(void *self)
{
    struct scrape *scrape = self;
    MHD_UNSIGNED_LONG_LONG milliseconds;
    unsigned before;
    do {
        before = connection_count(scrape);
        MHD_run(scrape->daemon);
    } while (connection_count(scrape) < before);
    loop_timer_cancel(scrape->loop, &scrape->timer);
    if (MHD_get_timeout(scrape->daemon, &milliseconds) == MHD_YES)
        loop_timer_set(scrape->loop, &scrape->timer, clock_now() + (int64_t)milliseconds * MILLISECOND, run,
                       scrape);
}

static void on_ready(void *self, int fd, uint32_t events)
{
    (void)fd;
    (void)events;
    run(self);
}

/* ---- listening ---- */

/* Takes "HOST:PORT" or "[HOST]:PORT" apart; false when it is neither. */
static bool split_address(const char *address, char host[HOST_BYTES], const char **port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || colon[1] == '\0')
        return false;
    struct text name = {.at = address, .length = (size_t)(colon - address)};
    if (name.at[0] == '[' && name.at[name.length - 1] == ']') {
        name.at++;
        name.length -= 2;
    }
    if (name.length == 0 || name.length >= HOST_BYTES)
        return false;
    text_copy(name, host, HOST_BYTES);
    *port = colon + 1;
    return true;
}

/* A listening socket at one of the addresses that the name stands for; -1 with errno. */
static int listen_at(const struct addrinfo *address)
{
    int yes = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_listener(const char *address)
{
    char host[HOST_BYTES];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    errno = EINVAL;
    if (!split_address(address, host, &port) || getaddrinfo(host, port, &hints, &found) != 0) {
        errno = EINVAL;
        return -1;
    }
    int fd = listen_at(found);
    int error = errno;
    freeaddrinfo(found);
    errno = error;
    return fd;
}

static void log_address(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char host[HOST_BYTES];
    char port[16];
    if (getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
        getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        log_info(strchr(host, ':') == NULL ? "metrics at http://%s:%s/metrics"
                                           : "metrics at http://[%s]:%s/metrics",
                 host, port);
}

/* ---- life ---- */

static bool start_daemon(struct scrape *scrape, int listener)
{
    scrape->daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, scrape, MHD_OPTION_LISTEN_SOCKET, listener,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENT_SECONDS,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (scrape->daemon == NULL) {
        errno = ENOMEM;
        return false;
    }
    scrape->epoll_fd = MHD_get_daemon_info(scrape->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return loop_add(scrape->loop, scrape->epoll_fd, EPOLLIN, on_ready, scrape) == 0;
}

struct scrape *scrape_new(struct loop *loop, const char *address, struct exposition *exposition)
{
    int listener = open_listener(address);
    if (listener == -1)
        return NULL;
    struct scrape *scrape = object_alloc(sizeof *scrape);
    scrape->magic = SCRAPE_MAGIC;
    scrape->loop = loop;
    scrape->exposition = exposition;
    if (start_daemon(scrape, listener)) {
        log_address(listener);
        return scrape;
    }
    int error = errno;
    if (scrape->daemon == NULL)
        close(listener); /* else the daemon closes it */
    scrape_free(scrape);
    errno = error;
    return NULL;
}

void scrape_free(struct scrape *scrape)
{
    if (scrape == NULL)
        return;
    CHECK_OBJECT(scrape, SCRAPE_MAGIC);
    loop_timer_cancel(scrape->loop, &scrape->timer);
    if (scrape->daemon != NULL) {
        loop_remove(scrape->loop, scrape->epoll_fd);
        MHD_stop_daemon(scrape->daemon);
    }
    if (scrape->text != NULL)
        MHD_destroy_response(scrape->text);
    scrape->magic = 0;
    free(scrape);
}
