/* test_control: a real listener in a process of its own, and peers of every kind: good, hasty, slow, torn,
 * endless, many, and of the wrong uid.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "control.h"
#include "object.h"
#include "scratch_directory.h"
#include "unix_socket.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { PATIENCE_MS = 60000, BIG_BYTES = 4 * 1024 * 1024 };

static pid_t server;
static char path[256];
static int told[2]; /* the server writes a byte there for each "note" */

/* ---- the server ---- */

static struct control *control;

static void on_command(void *self, yyjson_val *request, yyjson_mut_doc *reply)
{
    struct loop *loop = self;
    const char *command = yyjson_get_str(yyjson_obj_get(request, "command"));
    yyjson_mut_val *root = yyjson_mut_doc_get_root(reply);
    if (strcmp(command, "echo") == 0) {
        yyjson_mut_obj_add_strcpy(reply, root, "text", yyjson_get_str(yyjson_obj_get(request, "text")));
    } else if (strcmp(command, "big") == 0) {
        char *text = object_alloc(BIG_BYTES + 1);
        memset(text, 'b', BIG_BYTES);
        yyjson_mut_obj_add_strcpy(reply, root, "text", text);
        free(text);
    } else if (strcmp(command, "note") == 0) {
        ck_assert_int_eq(write(told[1], "n", 1), 1);
    } else if (strcmp(command, "stop") == 0) {
        loop_stop(loop);
    } else if (strcmp(command, "who") == 0) {
        yyjson_mut_obj_add_sint(reply, root, "uid", control_uid(control));
    } else {
        control_refuse(reply, "no command %s", command);
    }
}

/* Exits 0 when all was freed; a leak is another exit code under the sanitizer. */
static _Noreturn void serve(int ready)
{
    struct loop *loop = loop_new();
    control = control_listen(loop, path, on_command, loop);
    if (control == NULL || control_uid(control) != -1 || write(ready, "r", 1) != 1)
        _exit(2);
    loop_run(loop);
    control_free(control);
    loop_free(loop);
    exit(access(path, F_OK) == -1 ? 0 : 3);
}

static void set_up(void)
{
    int ready[2];
    char byte;
    scratch_make();
    snprintf(path, sizeof path, "%s", scratch_path("control.sock"));
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(told), 0);
    server = fork();
    ck_assert_int_ge(server, 0);
    if (server == 0)
        serve(ready[1]);
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
}

static void tear_down(void)
{
    int status;
    ck_assert_int_eq(control_tell(path, "{\"command\":\"stop\"}"), 0);
    ck_assert_int_eq(waitpid(server, &status, 0), server);
    ck_assert_int_eq(status, 0);
    close(told[0]);
    close(told[1]);
    scratch_remove();
}

/* ---- asking ---- */

static void expect_error(yyjson_doc *answer, const char *error)
{
    ck_assert_msg(answer != NULL, "%s", strerror(errno));
    yyjson_val *root = yyjson_doc_get_root(answer);
    ck_assert(yyjson_is_false(yyjson_obj_get(root, "ok")));
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "error")), error);
    yyjson_doc_free(answer);
}

static void expect_echo(const char *text)
{
    char line[256];
    snprintf(line, sizeof line, "{\"command\":\"echo\",\"text\":\"%s\"}", text);
    yyjson_doc *answer = control_call(path, line, PATIENCE_MS);
    ck_assert_msg(answer != NULL, "%s", strerror(errno));
    yyjson_val *root = yyjson_doc_get_root(answer);
    ck_assert(yyjson_is_true(yyjson_obj_get(root, "ok")));
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "text")), text);
    yyjson_doc_free(answer);
}

START_TEST(a_command_is_answered)
{
    expect_echo("hello");
    expect_echo("\xc3\xa9");
}
END_TEST

START_TEST(who_commands_is_known)
{
    yyjson_doc *answer = control_call(path, "{\"command\":\"who\"}", PATIENCE_MS);
    ck_assert_ptr_nonnull(answer);
    ck_assert_int_eq(yyjson_get_sint(yyjson_obj_get(yyjson_doc_get_root(answer), "uid")), geteuid());
    yyjson_doc_free(answer);
}
END_TEST

START_TEST(a_refusal_says_why)
{
    expect_error(control_call(path, "{\"command\":\"dance\"}", PATIENCE_MS), "no command dance");
}
END_TEST

START_TEST(what_is_no_command_is_refused)
{
    static const char *const objects[] = {
        "{}", "[]", "1", "null", "\"command\"", "{\"command\":1}", "{\"Command\":\"echo\"}"};
    static const char *const nothing[] = {"",     "{",  "{\"command\":\"echo\"", "command", "{} {}",
                                          "\xff", "NaN"};
    for (size_t i = 0; i < COUNT_OF(objects); i++)
        expect_error(control_call(path, objects[i], PATIENCE_MS),
                     "a command is one JSON object with a text \"command\"");
    for (size_t i = 0; i < COUNT_OF(nothing); i++)
        expect_error(control_call(path, nothing[i], PATIENCE_MS),
                     "a command is one JSON object in a line; this is no JSON");
    expect_echo("still there");
}
END_TEST

START_TEST(a_long_answer_comes_whole)
{
    yyjson_doc *answer = control_call(path, "{\"command\":\"big\"}", PATIENCE_MS);
    ck_assert_ptr_nonnull(answer);
    ck_assert_uint_eq(yyjson_get_len(yyjson_obj_get(yyjson_doc_get_root(answer), "text")), BIG_BYTES);
    yyjson_doc_free(answer);
}
END_TEST

START_TEST(telling_does_not_wait)
{
    char byte;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(control_tell(path, "{\"command\":\"note\"}"), 0);
        ck_assert_int_eq(read(told[0], &byte, 1), 1);
    }
    /* Also not for a process that is stopped: the line lies in the socket. */
    kill(server, SIGSTOP);
    ck_assert_int_eq(control_tell(path, "{\"command\":\"note\"}"), 0);
    kill(server, SIGCONT);
    ck_assert_int_eq(read(told[0], &byte, 1), 1);
}
END_TEST

START_TEST(who_does_not_answer_is_not_waited_for_longer)
{
    kill(server, SIGSTOP);
    ck_assert_ptr_null(control_call(path, "{\"command\":\"echo\",\"text\":\"\"}", 20));
    ck_assert_int_eq(errno, ETIMEDOUT);
    kill(server, SIGCONT);
}
END_TEST

START_TEST(nobody_there)
{
    ck_assert_ptr_null(control_call(scratch_path("none"), "{}", PATIENCE_MS));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(control_tell(scratch_path("none"), "{}"), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* ---- answers that break the contract ---- */

/* A listener that answers anything with these bytes and closes. Returns what the asking side's errno was. */
static int errno_of_answer(const void *bytes, size_t length)
{
    int listener = unix_listen(scratch_path("odd"), 0600, (gid_t)-1, 4);
    ck_assert_int_ge(listener, 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        char line[64];
        struct pollfd watch = {.fd = listener, .events = POLLIN};
        poll(&watch, 1, PATIENCE_MS);
        int fd = accept(listener, NULL, NULL);
        ssize_t got = read(fd, line, sizeof line);
        const char *at = bytes;
        while (got > 0 && length > 0 && (got = write(fd, at, length)) > 0) {
            at += got;
            length -= (size_t)got;
        }
        _exit(0);
    }
    errno = 0;
    yyjson_doc *answer = control_call(scratch_path("odd"), "{}", PATIENCE_MS);
    int error = errno;
    ck_assert_ptr_null(answer);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(listener);
    return error;
}

START_TEST(answers_that_are_none)
{
    ck_assert_int_eq(errno_of_answer("", 0), ECONNRESET);
    ck_assert_int_eq(errno_of_answer("{\"ok\":true}", 11), ECONNRESET);
    ck_assert_int_eq(errno_of_answer("hello\n", 6), EBADMSG);
    ck_assert_int_eq(errno_of_answer("\n", 1), EBADMSG);
    size_t length = 17 * 1024 * 1024;
    char *endless = object_alloc(length);
    ck_assert_int_eq(errno_of_answer(endless, length), EMSGSIZE);
    free(endless);
}
END_TEST

/* ---- peers ---- */

static int connect_raw(void)
{
    int fd = unix_connect(path);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        struct pollfd watch = {.fd = fd, .events = POLLOUT};
        ck_assert_int_eq(poll(&watch, 1, PATIENCE_MS), 1);
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        ck_assert_msg(sent > 0 || errno == EAGAIN, "%s", strerror(errno));
        bytes += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
    }
}

/* Reads until the text has come, or (NULL) until the end. */
static void read_until(int fd, const char *text)
{
    char *seen = object_alloc(1024 * 1024);
    size_t length = 0;
    for (;;) {
        struct pollfd watch = {.fd = fd, .events = POLLIN};
        ck_assert_int_eq(poll(&watch, 1, PATIENCE_MS), 1);
        ssize_t got = recv(fd, seen + length, 1024 * 1024 - 1 - length, 0);
        if (got <= 0)
            break;
        length += (size_t)got;
        if (text != NULL && strstr(seen, text) != NULL)
            break;
    }
    ck_assert_msg(text == NULL || strstr(seen, text) != NULL, "got %zu bytes: %.200s", length, seen);
    free(seen);
}

START_TEST(a_line_may_come_byte_by_byte)
{
    static const char line[] = "{\"command\":\"echo\",\"text\":\"slow\"}\n";
    int fd = connect_raw();
    for (size_t i = 0; i < sizeof line - 1; i++)
        write_all(fd, line + i, 1);
    read_until(fd, "slow");
    close(fd);
}
END_TEST

START_TEST(many_lines_may_come_at_once)
{
    static const char lines[] = "{\"command\":\"echo\",\"text\":\"one\"}\nrubbish\n"
                                "{\"command\":\"echo\",\"text\":\"two\"}\n{\"command\":\"ec";
    int fd = connect_raw();
    write_all(fd, lines, sizeof lines - 1);
    read_until(fd, "two");
    write_all(fd, "ho\",\"text\":\"three\"}\n", 20);
    read_until(fd, "three");
    close(fd);
}
END_TEST

/* Asks for more than the socket holds, again and again, before it reads: the listener must serve others
 * meanwhile, and answer all in the end. */
START_TEST(a_peer_that_does_not_read_delays_nobody)
{
    int fd = connect_raw();
    for (int i = 0; i < 3; i++)
        write_all(fd, "{\"command\":\"big\"}\n", 18);
    expect_echo("meanwhile");
    write_all(fd, "{\"command\":\"echo\",\"text\":\"the end\"}\n", 36);
    char chunk[65536];
    size_t bytes = 0;
    bool ended = false;
    while (!ended) {
        struct pollfd watch = {.fd = fd, .events = POLLIN};
        ck_assert_int_eq(poll(&watch, 1, PATIENCE_MS), 1);
        ssize_t got = recv(fd, chunk, sizeof chunk, 0);
        ck_assert_int_gt(got, 0);
        bytes += (size_t)got;
        ended = memmem(chunk, (size_t)got, "the end", 7) != NULL;
    }
    ck_assert_uint_gt(bytes, 3 * (size_t)BIG_BYTES);
    close(fd);
}
END_TEST

START_TEST(a_peer_that_leaves_is_forgotten)
{
    int fd = connect_raw();
    write_all(fd, "{\"command\":\"big\"}\n", 18);
    close(fd); /* with the answer on its way */
    fd = connect_raw();
    write_all(fd, "{\"command\":\"note\"}", 18); /* no end of line: no command */
    shutdown(fd, SHUT_WR);
    read_until(fd, NULL);
    close(fd);
    expect_echo("still there");
    struct pollfd watch = {.fd = told[0], .events = POLLIN};
    ck_assert_int_eq(poll(&watch, 1, 0), 0);
}
END_TEST

START_TEST(an_endless_line_is_refused)
{
    char *line = object_alloc(64 * 1024);
    memset(line, ' ', 64 * 1024);
    int fd = connect_raw();
    write_all(fd, line, 64 * 1024);
    read_until(fd, "the line is longer than 64 KiB");
    read_until(fd, NULL);
    close(fd);
    /* The longest line that is none too long. */
    static const char command[] = "{\"command\":\"echo\",\"text\":\"long\"}";
    memcpy(line, command, sizeof command - 1);
    line[64 * 1024 - 1] = '\n';
    fd = connect_raw();
    write_all(fd, line, 64 * 1024);
    read_until(fd, "\"long\"");
    close(fd);
    free(line);
}
END_TEST

START_TEST(there_is_room_for_64_peers)
{
    int peers[64];
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        peers[i] = connect_raw();
        write_all(peers[i], "{\"command\":\"echo\",\"text\":\"x\"}\n", 30);
        read_until(peers[i], "\"x\"");
    }
    expect_error(control_call(path, "{\"command\":\"echo\",\"text\":\"\"}", PATIENCE_MS),
                 "too many connections");
    close(peers[0]);
    /* The listener sees the closing in its own time. */
    yyjson_doc *answer;
    bool welcome;
    do {
        answer = control_call(path, "{\"command\":\"note\"}", PATIENCE_MS);
        welcome = yyjson_is_true(yyjson_obj_get(yyjson_doc_get_root(answer), "ok"));
        yyjson_doc_free(answer);
    } while (!welcome);
    for (size_t i = 1; i < COUNT_OF(peers); i++)
        close(peers[i]);
}
END_TEST

START_TEST(the_socket_is_ours_alone)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    if (geteuid() != 0) /* only root can be somebody else for a moment */
        return;
    chmod(path, 0666);
    chmod(scratch_directory, 0755);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        yyjson_doc *answer = control_call(path, "{\"command\":\"note\"}", PATIENCE_MS);
        const char *error = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(answer), "error"));
        _exit(error != NULL && strncmp(error, "only root", 9) == 0 ? 0 : 1);
    }
    int child_status;
    ck_assert_int_eq(waitpid(pid, &child_status, 0), pid);
    ck_assert_int_eq(child_status, 0);
    struct pollfd watch = {.fd = told[0], .events = POLLIN};
    expect_echo("still there");
    ck_assert_int_eq(poll(&watch, 1, 0), 0);
}
END_TEST

START_TEST(where_nobody_can_listen)
{
    struct loop *loop = loop_new();
    ck_assert_ptr_null(control_listen(loop, scratch_path("nowhere/socket"), on_command, NULL));
    ck_assert_int_eq(errno, ENOENT);
    control_free(NULL);
    loop_free(loop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    suite_add(suite, "asking", set_up, tear_down,
              (const TTest *const[]){a_command_is_answered, who_commands_is_known, a_refusal_says_why,
                                     what_is_no_command_is_refused, a_long_answer_comes_whole,
                                     telling_does_not_wait, who_does_not_answer_is_not_waited_for_longer,
                                     nobody_there, answers_that_are_none, NULL});
    suite_add(suite, "peers", set_up, tear_down,
              (const TTest *const[]){a_line_may_come_byte_by_byte, many_lines_may_come_at_once,
                                     a_peer_that_does_not_read_delays_nobody, a_peer_that_leaves_is_forgotten,
                                     an_endless_line_is_refused, there_is_room_for_64_peers,
                                     the_socket_is_ours_alone, where_nobody_can_listen, NULL});
    return suite_finish(suite);
}
