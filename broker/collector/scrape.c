/* scrape: libmicrohttpd inside the loop.
 *
 * libmicrohttpd brings its own epoll descriptor, which the loop watches like any other; so there is no thread
 * and no lock, and a scraper that reads slowly holds a connection and a page that others share. The listening
 * socket is ours, so that a complaint can say what is wrong. Started by main.c, whose loop it runs in.
 * SPDX-License-Identifier: MIT */
#include "scrape.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
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
    const struct page_sources *sources;
    struct MHD_Daemon *daemon;
    int epoll_fd; /* the daemon's */
    struct loop_timer timer;
    struct MHD_Connection *connections[CONNECTIONS_MAX]; /* those that are open; NULL: a free place */
};

/* One request under way. */
struct visit {
    bool begun; /* its head has been there */
    char query[];
};

/* ---- answering ---- */

static void add_header(struct MHD_Response *response, const char *name, struct text value)
{
    char line[PAGE_HEADER_MAX + 1];
    if (value.length > 0)
        MHD_add_response_header(response, name, text_copy(value, line, sizeof line));
}

static void drop_blob(void *blob)
{
    blob_drop(blob);
}

/* Connections that send the same page hold its one blob, not copies. */
static struct MHD_Response *response_of(const struct page *page)
{
    struct text body = page->answer.body;
    struct MHD_Response *response;
    if (page->blob == NULL)
        return MHD_create_response_from_buffer(body.length, (void *)(uintptr_t)body.at,
                                               MHD_RESPMEM_MUST_COPY);
    response = MHD_create_response_from_buffer_with_free_callback_cls(body.length, (void *)(uintptr_t)body.at,
                                                                      drop_blob, blob_hold(page->blob));
    if (response == NULL)
        blob_drop(page->blob);
    return response;
}

static enum MHD_Result respond(struct MHD_Connection *connection, const struct page *page)
{
    const struct page_answer *answer = &page->answer;
    struct MHD_Response *response = response_of(page);
    if (response == NULL)
        return MHD_NO;
    add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    add_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, answer->content_encoding);
    add_header(response, MHD_HTTP_HEADER_ETAG, answer->etag);
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, answer->cache_control);
    add_header(response, "Content-Security-Policy", answer->content_security_policy);
    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (answer->status == 405)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static struct text header_of(struct MHD_Connection *connection, const char *name)
{
    return text_of(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name));
}

static enum MHD_Result answer_request(struct scrape *scrape, struct MHD_Connection *connection,
                                      const char *path, const char *method, const char *query)
{
    struct page page;
    struct page_request request = {.path = text_of(path),
                                   .query = text_of(query),
                                   .accept = header_of(connection, MHD_HTTP_HEADER_ACCEPT),
                                   .accept_encoding = header_of(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING),
                                   .if_none_match = header_of(connection, MHD_HTTP_HEADER_IF_NONE_MATCH)};
    if (!page_request_fit(&request))
        request.path = (struct text){NULL, 0};
    bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (reads || !pages_has(request.path))
        pages_answer(scrape->sources, &request, &page);
    else
        page = (struct page){.answer = {.status = 405,
                                        .content_type = text_of("text/plain; charset=utf-8"),
                                        .body = text_of("GET and HEAD only\n")}};
    enum MHD_Result result = respond(connection, &page);
    page_drop(&page);
    return result;
}

/* libmicrohttpd calls this first of all. */
static void *on_uri(void *self, const char *uri, struct MHD_Connection *connection)
{
    (void)self;
    (void)connection;
    const char *query = strchr(uri, '?');
    size_t length = query == NULL ? 0 : strlen(++query);
    struct visit *visit = object_alloc(sizeof *visit + length + 1);
    if (length > 0)
        memcpy(visit->query, query, length);
    return visit;
}

static void on_end(void *self, struct MHD_Connection *connection, void **visit,
                   enum MHD_RequestTerminationCode code)
{
    (void)self;
    (void)connection;
    (void)code;
    free(*visit);
    *visit = NULL;
}

/* libmicrohttpd calls this once with the head, once for each piece of a body, and once at the end, when an
 * answer may be given. Bodies are passed over. */
static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_bytes, void **request)
{
    struct visit *visit = *request;
    (void)version;
    (void)body;
    if (!visit->begun) {
        visit->begun = true;
        return MHD_YES;
    }
    if (*body_bytes > 0) {
        *body_bytes = 0;
        return MHD_YES;
    }
    return answer_request(self, connection, path, method, visit->query);
}

/* ---- connections ---- */

/* Puts one in the place of another. */
static void replace(struct scrape *scrape, const struct MHD_Connection *old, struct MHD_Connection *new)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (scrape->connections[i] == old) {
            scrape->connections[i] = new;
            return;
        }
}

static void on_connection(void *self, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    (void)context;
    bool begins = code == MHD_CONNECTION_NOTIFY_STARTED;
    replace(self, begins ? NULL : connection, begins ? connection : NULL);
}

/* Who has said something that we have not read is not silent: it is we who are late, stopped or without a
 * processor. libmicrohttpd would close the connection before it reads. */
static void forgive(struct scrape *scrape)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct MHD_Connection *connection = scrape->connections[i];
        int bytes = 0;
        if (connection == NULL ||
            ioctl(MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
                  FIONREAD, &bytes) == -1 ||
            bytes == 0)
            continue;
        /* From none it begins anew. */
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)SILENT_SECONDS);
    }
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
    forgive(scrape);
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
                         MHD_OPTION_URI_LOG_CALLBACK, on_uri, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, scrape, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENT_SECONDS,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (scrape->daemon == NULL) {
        errno = ENOMEM;
        return false;
    }
    scrape->epoll_fd = MHD_get_daemon_info(scrape->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return loop_add(scrape->loop, scrape->epoll_fd, EPOLLIN, on_ready, scrape) == 0;
}

struct scrape *scrape_new(const char *address, const struct page_sources *sources)
{
    int listener = open_listener(address);
    if (listener == -1)
        return NULL;
    struct scrape *scrape = object_alloc(sizeof *scrape);
    scrape->magic = SCRAPE_MAGIC;
    scrape->loop = sources->loop;
    scrape->sources = sources;
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
    scrape->magic = 0;
    free(scrape);
}
