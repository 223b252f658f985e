/* redis_server: a Redis of the test's own, at a socket in the scratch directory. Include it in one test
 * program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REDIS_SERVER_H
#define OUTRIGGER_REDIS_SERVER_H

#include "object.h"
#include "scratch_directory.h"

#include <fcntl.h>
#include <signal.h>
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

static inline void redis_stop(void)
{
    if (redis_pid == 0)
        return;
    kill(redis_pid, SIGKILL);
    waitpid(redis_pid, NULL, 0);
    redis_pid = 0;
}

#endif
