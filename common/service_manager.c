/* service_manager: see service_manager.h. The supervisor has one, and a worker that is a service of its own
 * (outrigger-worker@.service); their main.c take it first of all.
 *
 * Whoever is told, by NOTIFY_SOCKET, is a datagram socket that is connected here and written to later: a
 * worker in its sandbox may write to what is open, and neither make a socket nor send to an address.
 * SPDX-License-Identifier: MIT */
#include "service_manager.h"

#include "clock.h"
#include "loop.h"
#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    SERVICE_MANAGER_MAGIC = 0x5e4b1c01,
    FIRST_SOCKET = 3, /* where sockets are handed over */
    AGAIN_MS = 20,    /* until what was not taken is said again */
    SOCKETS_MAX = 64,
    SAID_MAX = 512
};

struct service_manager {
    unsigned magic;
    int fd;            /* connected to who is told; -1: nobody */
    int64_t every;     /* a sign of life is due each so many ns; 0: none is */
    int sockets;       /* handed over, from FIRST_SOCKET on */
    struct loop *loop; /* NULL: not watched */
    struct loop_timer life, again;
    char unsaid[SAID_MAX]; /* what it had no room for; it may be busy for a while, and wait for just that */
};

/* The value of a variable, which is in the environment no more; false: it is not there, is no number, or is
 * out of bounds. */
static bool take_number(const char *name, int64_t most, int64_t *number)
{
    const char *text = getenv(name);
    char *end;
    errno = 0;
    *number = text == NULL || *text < '0' || *text > '9' ? -1 : strtoll(text, &end, 10);
    bool good = *number >= 0 && *end == '\0' && errno == 0 && *number <= most;
    unsetenv(name);
    return good;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path == NULL ? 0 : strlen(path);
    if (length < 2 || length >= sizeof address.sun_path || (*path != '/' && *path != '@'))
        return -1;
    memcpy(address.sun_path, path, length);
    if (*path == '@') /* an abstract name: no file's, and its length counts */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd != -1 && connect(fd, (struct sockaddr *)&address,
                            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) == -1) {
        close(fd);
        fd = -1;
    }
    return fd;
}

struct service_manager *service_manager_take(void)
{
    struct service_manager *manager = object_alloc(sizeof *manager);
    int64_t us, pid, count;
    *manager = (struct service_manager){.magic = SERVICE_MANAGER_MAGIC};
    manager->fd = connect_to(getenv("NOTIFY_SOCKET"));
    unsetenv("NOTIFY_SOCKET");
    bool asked = take_number("WATCHDOG_USEC", INT64_MAX / MICROSECOND, &us) && us > 0;
    bool ours = getenv("WATCHDOG_PID") == NULL;
    ours = (take_number("WATCHDOG_PID", INT32_MAX, &pid) && pid == getpid()) || ours;
    if (asked && ours)
        manager->every = us * MICROSECOND / 2;
    bool handed = take_number("LISTEN_FDS", SOCKETS_MAX, &count);
    if (take_number("LISTEN_PID", INT32_MAX, &pid) && pid == getpid() && handed)
        manager->sockets = (int)count;
    unsetenv("LISTEN_FDNAMES");
    for (int i = 0; i < manager->sockets; i++)
        (void)fcntl(FIRST_SOCKET + i, F_SETFD, FD_CLOEXEC);
    return manager;
}

bool service_manager_is_there(const struct service_manager *manager)
{
    CHECK_OBJECT(manager, SERVICE_MANAGER_MAGIC);
    return manager->fd != -1;
}

/* False: it has no room just now. Whoever is gone for good misses it. */
static bool send_text(const struct service_manager *manager, const char *text)
{
    return write(manager->fd, text, strlen(text)) != -1 || (errno != EAGAIN && errno != ENOBUFS);
}

static void say_again(void *self)
{
    struct service_manager *manager = self;
    if (*manager->unsaid == '\0' || send_text(manager, manager->unsaid))
        manager->unsaid[0] = '\0';
    else
        loop_timer_set(manager->loop, &manager->again, clock_now() + AGAIN_MS * MILLISECOND, say_again,
                       manager);
}

/* Several assignments are one text as well, in their order; what there is no room for is older than the rest.
 */
static void keep(struct service_manager *manager, const char *text)
{
    size_t length = strlen(manager->unsaid), more = strlen(text) + 1;
    if (length + 1 + more > sizeof manager->unsaid)
        length = 0;
    else if (length > 0)
        manager->unsaid[length++] = '\n';
    memcpy(manager->unsaid + length, text, more);
}

void service_manager_say(struct service_manager *manager, const char *format, ...)
{
    char text[SAID_MAX];
    va_list arguments;
    CHECK_OBJECT(manager, SERVICE_MANAGER_MAGIC);
    if (manager->fd == -1)
        return;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ENSURE(length > 0 && length < SAID_MAX);
    if (*manager->unsaid == '\0' && send_text(manager, text))
        return;
    keep(manager, text);
    if (manager->loop != NULL)
        say_again(manager);
}

static void sign_of_life(void *self)
{
    struct service_manager *manager = self;
    (void)send_text(manager, "WATCHDOG=1"); /* the next one is due soon */
    loop_timer_set(manager->loop, &manager->life, clock_now() + manager->every, sign_of_life, manager);
}

void service_manager_watch(struct service_manager *manager, struct loop *loop)
{
    CHECK_OBJECT(manager, SERVICE_MANAGER_MAGIC);
    if (manager->loop != NULL) {
        loop_timer_cancel(manager->loop, &manager->life);
        loop_timer_cancel(manager->loop, &manager->again);
    }
    manager->loop = loop;
    if (loop == NULL || manager->fd == -1)
        return;
    say_again(manager);
    if (manager->every > 0)
        sign_of_life(manager);
}

void service_manager_free(struct service_manager *manager)
{
    if (manager == NULL)
        return;
    CHECK_OBJECT(manager, SERVICE_MANAGER_MAGIC);
    service_manager_watch(manager, NULL);
    if (manager->fd != -1)
        close(manager->fd);
    manager->magic = 0;
    free(manager);
}

int service_manager_socket(struct service_manager *manager, const char *path)
{
    CHECK_OBJECT(manager, SERVICE_MANAGER_MAGIC);
    for (int fd = FIRST_SOCKET; fd < FIRST_SOCKET + manager->sockets; fd++) {
        int flags = unix_listens_at(fd, path) ? fcntl(fd, F_GETFL) : -1;
        if (flags != -1 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
            return fd;
    }
    return -1;
}
