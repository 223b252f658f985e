/* redis_server: a Redis of the test's own, at a socket in the scratch directory. Include it in one test
 * program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REDIS_SERVER_H
#define OUTRIGGER_REDIS_SERVER_H

#include "object.h"
#include "scratch_directory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t redis_pid; /* 0: none runs */

static inline const char *redis_setting(void)
{
    static char setting[160];
    snprintf(setting, sizeof setting, "limit.redis=unix://%s/redis.sock", scratch_directory);
    return setting;
}

/* Starts it, empty; it is there when its socket is. `password`: NULL: none. */
static inline void redis_start(const char *password)
{
    char socket[128];
    ck_assert_int_eq(redis_pid, 0);
    snprintf(socket, sizeof socket, "%s/redis.sock", scratch_directory);
    unlink(socket);
    redis_pid = fork();
    ck_assert_int_ge(redis_pid, 0);
    if (redis_pid > 0)
        return;
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    close_range(3, ~0U, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket, "--save", "",
           "--appendonly", "no", "--dir", scratch_directory, password == NULL ? NULL : "--requirepass",
           password, (char *)NULL);
    _exit(127);
}

/* The words of one command, of which the first is told; false at the end of the connection. */
static inline bool redis_read_command(FILE *from, char first[16])
{
    unsigned words, length;
    if (fscanf(from, "*%u\r\n", &words) != 1)
        return false;
    for (unsigned i = 0; i < words; i++) {
        if (fscanf(from, "$%u", &length) != 1 || fgetc(from) != '\r' || fgetc(from) != '\n')
            return false;
        for (unsigned j = 0; j < length; j++) {
            int c = fgetc(from);
            if (i == 0 && j < 15)
                first[j] = (char)c, first[j + 1] = '\0';
        }
        if (fgetc(from) != '\r' || fgetc(from) != '\n')
            return false;
    }
    return true;
}

/* Starts one that is none: it takes one connection and any script, and answers the questions in turn with
 * these lines, without the last end of line; NULL ends them. */
static inline void redis_start_false(const char *const *replies)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_int_eq(redis_pid, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/redis.sock", scratch_directory);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    redis_pid = fork();
    ck_assert_int_ge(redis_pid, 0);
    if (redis_pid > 0) {
        close(listener);
        return;
    }
    int connection = accept(listener, NULL, NULL);
    FILE *from = fdopen(connection, "r");
    for (char first[16]; from != NULL && redis_read_command(from, first);) {
        if (strcmp(first, "SCRIPT") == 0)
            dprintf(connection, "$40\r\n%040d\r\n", 1);
        else if (*replies != NULL)
            dprintf(connection, "%s\r\n", *replies++);
    }
    _exit(0);
}

static inline void redis_stop(void)
{
    if (redis_pid == 0)
        return;
    kill(redis_pid, SIGKILL);
    waitpid(redis_pid, NULL, 0);
    redis_pid = 0;
}

#endif
