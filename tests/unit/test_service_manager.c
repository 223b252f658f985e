/* test_service_manager: what a service manager gives is taken, once, and what is said reaches it.
 * SPDX-License-Identifier: MIT */
#include "service_manager.h"

#include "clock.h"
#include "loop.h"
#include "scratch_directory.h"
#include "unix_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct service_manager *manager;

static void set_up(void)
{
    scratch_make();
    manager = NULL;
}

static void tear_down(void)
{
    service_manager_free(manager);
    scratch_remove();
}

/* Listens as a service manager does; its name goes into NOTIFY_SOCKET. */
static int listen_for_words(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    memcpy(address.sun_path, name, length);
    if (*name == '@')
        address.sun_path[0] = '\0';
    ck_assert_int_eq(
        bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
        0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static void expect(int fd, const char *text)
{
    char said[256];
    ssize_t length = recv(fd, said, sizeof said - 1, MSG_DONTWAIT);
    ck_assert_int_ge(length, 0);
    said[length] = '\0';
    ck_assert_str_eq(said, text);
}

START_TEST(without_one_nothing_happens)
{
    manager = service_manager_take();
    ck_assert(!service_manager_is_there(manager));
    service_manager_say(manager, "READY=1");
    ck_assert_int_eq(service_manager_socket(manager, scratch_path("socket")), -1);
}
END_TEST

START_TEST(what_is_said_reaches_it)
{
    char name[64];
    snprintf(name, sizeof name, "@outrigger-test-%d", (int)getpid());
    const char *const names[] = {scratch_path("notify"), name};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        int fd = listen_for_words(names[i]);
        manager = service_manager_take();
        ck_assert_ptr_null(getenv("NOTIFY_SOCKET")); /* no child takes it for its own */
        ck_assert(service_manager_is_there(manager));
        service_manager_say(manager, "READY=1\nSTATUS=%d models", 7);
        expect(fd, "READY=1\nSTATUS=7 models");
        service_manager_free(manager);
        manager = NULL;
        close(fd);
    }
}
END_TEST

START_TEST(names_that_are_none_are_nobody)
{
    char long_name[256];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = {"", "/", "relative", "/no/such/socket", "vsock:2:1", long_name};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        manager = service_manager_take();
        ck_assert_msg(!service_manager_is_there(manager), "%s", names[i]);
        service_manager_say(manager, "READY=1");
        service_manager_free(manager);
        manager = NULL;
    }
}
END_TEST

static void stop(void *self)
{
    loop_stop(self);
}

/* Two signs of life, and the loop that runs says them. */
START_TEST(signs_of_life_come_in_time)
{
    int fd = listen_for_words(scratch_path("notify"));
    struct loop *loop = loop_new();
    struct loop_timer end = {0};
    setenv("WATCHDOG_USEC", "20000", 1);
    manager = service_manager_take();
    ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
    service_manager_watch(manager, loop);
    loop_timer_set(loop, &end, clock_now() + 15 * MILLISECOND, stop, loop);
    loop_run(loop);
    expect(fd, "WATCHDOG=1");
    expect(fd, "WATCHDOG=1");
    service_manager_watch(manager, NULL);
    loop_free(loop);
    close(fd);
}
END_TEST

/* It may have no room for a while: what matters is said until it has. */
START_TEST(nothing_that_is_said_is_lost)
{
    int fd = listen_for_words(scratch_path("notify")), fill;
    struct loop *loop = loop_new();
    struct loop_timer end = {0};
    char said[256];
    manager = service_manager_take();
    service_manager_watch(manager, loop);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, scratch_path("notify"));
    fill = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(connect(fill, (struct sockaddr *)&address, sizeof address), 0);
    while (write(fill, "x", 1) == 1)
        ;
    service_manager_say(manager, "STATUS=starting");
    service_manager_say(manager, "READY=1");
    while (recv(fd, said, sizeof said, MSG_DONTWAIT) == 1)
        ;
    loop_timer_set(loop, &end, clock_now() + 100 * MILLISECOND, stop, loop);
    loop_run(loop);
    expect(fd, "STATUS=starting\nREADY=1");
    service_manager_watch(manager, NULL);
    loop_free(loop);
    close(fill);
    close(fd);
}
END_TEST

/* The watchdog, or the sockets, of another process are not ours. */
START_TEST(what_is_for_somebody_else_is_left)
{
    int fd = listen_for_words(scratch_path("notify"));
    struct loop *loop = loop_new();
    char byte;
    setenv("WATCHDOG_USEC", "20000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    setenv("LISTEN_FDS", "4", 1);
    setenv("LISTEN_PID", "1", 1);
    manager = service_manager_take();
    service_manager_watch(manager, loop);
    ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(service_manager_socket(manager, scratch_path("socket")), -1);
    ck_assert_ptr_null(getenv("LISTEN_FDS"));
    ck_assert_ptr_null(getenv("LISTEN_PID"));
    service_manager_watch(manager, NULL);
    loop_free(loop);
    close(fd);
}
END_TEST

START_TEST(the_socket_is_found_by_its_path)
{
    char path[256], number[16];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(path, sizeof path, "%s", scratch_path("frontend.sock"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), notify = open("/dev/null", O_RDONLY);
    strcpy(address.sun_path, path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    /* The second of two, as they are handed over; what the test had there is put aside. */
    int kept[] = {fcntl(3, F_DUPFD_CLOEXEC, 16), fcntl(4, F_DUPFD_CLOEXEC, 16)};
    int parked = fcntl(fd, F_DUPFD_CLOEXEC, 16);
    dup2(notify, 3);
    dup2(parked, 4);
    snprintf(number, sizeof number, "%d", (int)getpid());
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_PID", number, 1);
    manager = service_manager_take();
    ck_assert_int_eq(service_manager_socket(manager, scratch_path("other")), -1);
    ck_assert_int_eq(service_manager_socket(manager, path), 4);
    ck_assert_int_eq(fcntl(4, F_GETFD), FD_CLOEXEC);
    ck_assert((fcntl(4, F_GETFL) & O_NONBLOCK) != 0);
    for (int i = 0; i < 2; i++)
        if (kept[i] != -1)
            dup2(kept[i], 3 + i);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {without_one_nothing_happens,    what_is_said_reaches_it,
                                  names_that_are_none_are_nobody, signs_of_life_come_in_time,
                                  nothing_that_is_said_is_lost,   what_is_for_somebody_else_is_left,
                                  the_socket_is_found_by_its_path};
    return SUITE_RUN("service_manager", set_up, tear_down, tests);
}
