/* optimize_tool: see optimize_tool.h. Called by optimize_command.c. Whoever runs the command runs the tool:
 * it reads a model that the operator has, and writes where the operator may. SPDX-License-Identifier: MIT */
#include "optimize_tool.h"

#include "said.h"

#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 24, SAID_MAX = 65536 };

/* Of an installation, or of a source tree (a sanitizer's build is one folder deeper). Memory for free(). */
static char *find_tool(const struct config *config)
{
    static const char *const places[] = {"../lib/outrigger/python/tools", "../../worker/python/tools",
                                         "../../../worker/python/tools"};
    char *path = NULL;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        free(path);
        ENSURE(asprintf(&path, "%s/%s/optimize.py", config->binary_directory, places[i]) >= 0);
        if (access(path, R_OK) == 0)
            break;
    }
    return path;
}

/* The exit status as of waitpid, or -1 with errno. */
static int run(const char *const *words, int out, int error)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
    int fault = posix_spawn(&pid, words[0], &actions, NULL, (char *const *)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (fault == 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    errno = fault;
    return fault == 0 ? status : -1;
}

static void take_last_line(int fd, char *reason, size_t capacity)
{
    char *line = said_last_line(fd);
    snprintf(reason, capacity, "%s", *line == '\0' ? "it said nothing" : line);
    free(line);
}

/* Whether it exits with 0. What it says on standard output is left in `out`. */
static bool succeeds(const char *const *words, int out, char *reason, size_t capacity)
{
    int error = said_new();
    int status = run(words, out, error);
    if (status == -1)
        snprintf(reason, capacity, "%s: %s", words[0], strerror(errno));
    else if (WIFSIGNALED(status))
        snprintf(reason, capacity, "%s was killed by signal %d", words[0], WTERMSIG(status));
    else if (status != 0)
        take_last_line(error, reason, capacity);
    close(error);
    return status == 0;
}

bool optimize_program(const char *const *words, char *reason, size_t capacity)
{
    int out = said_new();
    bool good = succeeds(words, out, reason, capacity);
    close(out);
    return good;
}

yyjson_doc *optimize_tool(const struct config *config, const char *python, const char *const *words,
                          char *reason, size_t capacity)
{
    const char *all[WORDS_MAX + 3] = {python, NULL};
    char *tool = find_tool(config);
    int out = said_new();
    all[1] = tool;
    for (size_t i = 0; words[i] != NULL; i++) {
        ENSURE(i < WORDS_MAX);
        all[i + 2] = words[i];
    }
    yyjson_doc *document = NULL;
    if (succeeds(all, out, reason, capacity)) {
        char *text = said_text(out, SAID_MAX);
        document = yyjson_read(text, strlen(text), 0);
        if (document == NULL)
            snprintf(reason, capacity, "%s: what it prints is no JSON", tool);
        free(text);
    }
    close(out);
    free(tool);
    return document;
}
