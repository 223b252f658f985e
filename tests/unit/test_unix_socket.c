/* test_unix_socket: sockets at a path: their modes and what they replace, who listens there, and which cannot
 * be. SPDX-License-Identifier: MIT */
#include "unix_socket.h"

#include "scratch_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

START_TEST(a_socket_has_its_mode_and_replaces_what_was_there)
{
    const char *path = scratch_file("socket", "an old file");
    umask(077);
    int first = unix_listen(path, 0660, getgid(), 16);
    ck_assert_int_ge(first, 0);
    ck_assert_uint_eq(scratch_mode(path), 0660);
    ck_assert_int_eq(access(scratch_path("socket~"), F_OK), -1);
    ck_assert_int_eq(fcntl(first, F_GETFD), FD_CLOEXEC);
    int second = unix_listen(path, 0600, (gid_t)-1, 16);
    ck_assert_int_ge(second, 0);
    close(first);
    int client = unix_connect(path);
    ck_assert_int_ge(client, 0);
    close(client);
    close(second);
    ck_assert_int_eq(unix_connect(path), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
}
END_TEST

START_TEST(a_socket_is_opened_to_its_group)
{
    const char *path = scratch_path("socket");
    int fd = unix_listen(path, 0600, (gid_t)-1, 16);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(unix_open_to_group(path), 0);
    ck_assert_uint_eq(scratch_mode(path), 0660);
    close(fd);
    unlink(path);
    ck_assert_int_eq(unix_open_to_group(path), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(sockets_that_cannot_be)
{
    char path[120];
    ck_assert_int_eq(unix_connect(""), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(unix_listen("", 0600, (gid_t)-1, 1), -1);
    ck_assert_int_eq(unix_connect(scratch_path("none")), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(unix_listen(scratch_path("nowhere/socket"), 0600, (gid_t)-1, 1), -1);
    ck_assert_int_eq(errno, ENOENT);
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[108] = '\0'; /* one more than fits with the terminator */
    ck_assert_int_eq(unix_connect(path), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    path[107] = '\0'; /* fits, but not with the temporary name's last letter */
    ck_assert_int_eq(unix_listen(path, 0600, (gid_t)-1, 1), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    ck_assert_int_eq(mkdir(scratch_path("folder"), 0700), 0);
    ck_assert_int_eq(unix_listen(scratch_path("folder"), 0600, (gid_t)-1, 1), -1);
    ck_assert_int_eq(access(scratch_path("folder~"), F_OK), -1);
}
END_TEST

START_TEST(who_listens_where)
{
    char path[256];
    snprintf(path, sizeof path, "%s", scratch_path("listening"));
    int fd = unix_listen(path, 0600, (gid_t)-1, 4);
    ck_assert(unix_listens_at(fd, path));
    ck_assert(!unix_listens_at(fd, scratch_path("other")));
    ck_assert(!unix_listens_at(-1, path));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(!unix_listens_at(fd, path));
    close(open(path, O_CREAT | O_WRONLY, 0600));
    ck_assert(!unix_listens_at(fd, path));
    close(fd);
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ck_assert(!unix_listens_at(fds[0], path));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_socket_has_its_mode_and_replaces_what_was_there,
                                  a_socket_is_opened_to_its_group, who_listens_where, sockets_that_cannot_be};
    return SUITE_RUN("unix_socket", scratch_make, scratch_remove, tests);
}
