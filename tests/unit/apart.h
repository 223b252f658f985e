/* apart: a deed in a process of its own, whose end and last words are looked at. Include it in one test
 * program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_APART_H
#define OUTRIGGER_APART_H

#include "suite.h"

#include <unistd.h>

static char said[4096];

/* Does it in a process of its own; what that says is in `said`. Returns the process's status; it exits 42
 * when it comes to its end. */
static inline int apart(void (*what)(void))
{
    int pipes[2], status;
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], STDERR_FILENO);
        dup2(pipes[1], STDOUT_FILENO); /* as the supervisor does; ours may be a file, which may then grow */
        close(pipes[0]);
        close(pipes[1]);
        what();
        _exit(42);
    }
    close(pipes[1]);
    size_t length = 0;
    for (ssize_t count; (count = read(pipes[0], said + length, sizeof said - 1 - length)) > 0;)
        length += (size_t)count;
    said[length] = '\0';
    close(pipes[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

#endif
