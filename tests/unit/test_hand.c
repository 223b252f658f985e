/* test_hand: a process that does something for its parent, ends with it, and is begun again when it is one
 * that lasts. SPDX-License-Identifier: MIT */
#include "hand.h"

#include "suite.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Tells its pid, and then what it has: its end of the socket works until the other one is closed. */
static _Noreturn void echo(void)
{
    char byte;
    pid_t pid = getpid();
    if (send(HAND_FD, &pid, sizeof pid, 0) != sizeof pid)
        _exit(1);
    while (recv(HAND_FD, &byte, 1, 0) == 1)
        if (send(HAND_FD, &byte, 1, 0) != 1)
            _exit(1);
    _exit(0);
}

static pid_t pid_of(int fd)
{
    pid_t pid;
    ck_assert_int_eq(recv(fd, &pid, sizeof pid, MSG_WAITALL), sizeof pid);
    return pid;
}

static void expect_echo(int fd)
{
    char byte = 0;
    ck_assert_int_eq(send(fd, "x", 1, 0), 1);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 'x');
}

START_TEST(a_hand_does_what_it_is_told_and_ends_with_its_socket)
{
    int fd, status;
    if (hand_begin(SOCK_STREAM, &fd))
        echo();
    pid_t pid = pid_of(fd);
    expect_echo(fd);
    close(fd);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

/* Our parent, the collector's main say, waits for no children. */
START_TEST(a_hand_that_lasts_is_begun_again)
{
    int fd;
    signal(SIGCHLD, SIG_IGN);
    if (hand_begin_lasting(SOCK_STREAM, &fd))
        echo();
    int first = hand_next(fd);
    ck_assert_int_ne(first, -1);
    pid_t pid = pid_of(first);
    expect_echo(first);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    int second = hand_next(fd);
    ck_assert_int_ne(second, -1);
    ck_assert_int_ne(pid_of(second), pid);
    expect_echo(second);
    char byte;
    ck_assert_int_le(recv(first, &byte, 1, 0), 0);
    close(second);
    ck_assert_int_eq(hand_next(fd), -1); /* it has nothing more to do */
    close(first);
    close(fd);
}
END_TEST

START_TEST(nobody_waits_for_a_hand_that_will_not_come)
{
    int fd;
    if (hand_begin_lasting(SOCK_STREAM, &fd))
        echo();
    ck_assert_int_eq(shutdown(fd, SHUT_RDWR), 0);
    int first = hand_next(fd); /* it may be on its way already */
    if (first != -1)
        ck_assert_int_eq(hand_next(fd), -1);
    close(first);
    close(fd);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_hand_does_what_it_is_told_and_ends_with_its_socket,
                                  a_hand_that_lasts_is_begun_again,
                                  nobody_waits_for_a_hand_that_will_not_come};
    return SUITE_RUN("hand", NULL, NULL, tests);
}
