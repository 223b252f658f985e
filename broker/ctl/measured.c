/* measured: see measured.h. Used by `outrigger optimize`. The other side is worker/measuring.c: the engine
 * and the sandbox are those that will serve, and nothing but one socket is between, so that what is measured
 * is the model. Whatever a file does to its worker, the command goes on. SPDX-License-Identifier: MIT */
#include "measured.h"

#include "said.h"

#include "frame.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MEASURED_MAGIC = 0x0a11da10,
    PATIENCE_S = 120 /* for one answer: a file of some hundred megabytes is loaded meanwhile */
};

struct measured {
    unsigned magic;
    pid_t pid;
    int fd;       /* to its standard input, a socket; -1: none */
    int words_fd; /* what it says on standard error */
    struct frame said;
    struct schema *schema;
    uint8_t *asked; /* room for a question with its head */
    size_t room;
};

/* ---- the process ---- */

static int start(struct measured *measured, const char *const *arguments, int other)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    sigaddset(&none, SIGPIPE); /* ignored here, and as usual there */
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, other, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, measured->words_fd, STDERR_FILENO);
    int fault =
        posix_spawn(&measured->pid, arguments[0], &actions, &attributes, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (fault != 0)
        measured->pid = 0;
    return fault;
}

static void end(struct measured *measured)
{
    if (measured->fd != -1)
        close(measured->fd);
    measured->fd = -1;
    if (measured->pid == 0)
        return;
    kill(measured->pid, SIGKILL); /* it owns nothing */
    while (waitpid(measured->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    measured->pid = 0;
}

/* Waits for what comes next; false when it is nothing, and then the worker is ended. */
static bool hear(struct measured *measured, char kind, char reason[MEASURED_REASON_MAX])
{
    if (measured->fd == -1) {
        snprintf(reason, MEASURED_REASON_MAX, "the worker has ended");
        return false;
    }
    if (frame_read(measured->fd, &measured->said)) {
        if (measured->said.kind == kind)
            return true;
        if (measured->said.kind == 'F')
            snprintf(reason, MEASURED_REASON_MAX, "%.*s", (int)measured->said.length,
                     (const char *)measured->said.bytes);
        else
            snprintf(reason, MEASURED_REASON_MAX, "the worker says something that is not known");
        return false;
    }
    bool late = errno == EAGAIN || errno == EWOULDBLOCK;
    end(measured);
    char *words = said_last_line(measured->words_fd);
    if (late)
        snprintf(reason, MEASURED_REASON_MAX, "the worker does not answer within %d s", PATIENCE_S);
    else
        snprintf(reason, MEASURED_REASON_MAX, "%.900s", *words == '\0' ? "the worker has ended" : words);
    free(words);
    return false;
}

/* ---- life ---- */

static bool hear_schema(struct measured *measured, char reason[MEASURED_REASON_MAX])
{
    const char *wrong;
    if (!hear(measured, 'S', reason))
        return false;
    measured->schema = schema_decode(measured->said.bytes, measured->said.length, &wrong);
    if (measured->schema == NULL)
        snprintf(reason, MEASURED_REASON_MAX, "what it takes and gives cannot be read: %s", wrong);
    return measured->schema != NULL;
}

struct measured *measured_new(const struct config *config, const struct model_config *model, const char *file,
                              const char *keys, char reason[MEASURED_REASON_MAX])
{
    struct measured *measured = object_alloc(sizeof *measured);
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    char program[4096];
    int pair[2];
    measured->magic = MEASURED_MAGIC;
    measured->words_fd = said_new();
    ENSURE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    measured->fd = pair[0];
    setsockopt(measured->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(measured->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    snprintf(program, sizeof program, "%s/outrigger-worker", config->binary_directory);
    const char *const arguments[] = {program,
                                     "--measure",
                                     file,
                                     model == NULL ? "" : model->directory,
                                     config->sandbox_mode,
                                     config->sandbox_worker_read,
                                     config->models_directory,
                                     keys,
                                     *config->worker_user == '\0' ? config->user : config->worker_user,
                                     NULL};
    int fault = start(measured, arguments, pair[1]);
    close(pair[1]);
    if (fault != 0)
        snprintf(reason, MEASURED_REASON_MAX, "%.900s: %s", program, strerror(fault));
    if (fault == 0 && hear_schema(measured, reason))
        return measured;
    measured_free(measured);
    return NULL;
}

void measured_free(struct measured *measured)
{
    if (measured == NULL)
        return;
    CHECK_OBJECT(measured, MEASURED_MAGIC);
    end(measured);
    close(measured->words_fd);
    frame_free(&measured->said);
    if (measured->schema != NULL)
        schema_free(measured->schema);
    free(measured->asked);
    measured->magic = 0;
    free(measured);
}

const struct schema *measured_schema(const struct measured *measured)
{
    CHECK_OBJECT(measured, MEASURED_MAGIC);
    return measured->schema;
}

/* ---- questions ---- */

static bool ask(struct measured *measured, char kind, const uint8_t *bytes, size_t length,
                char reason[MEASURED_REASON_MAX])
{
    if (measured->fd != -1 && !frame_write(measured->fd, kind, bytes, length) && errno == EMSGSIZE) {
        snprintf(reason, MEASURED_REASON_MAX, "rows of %zu bytes are too many at a time", length);
        return false;
    }
    return hear(measured, kind, reason); /* who could not be asked has ended, and says why */
}

const uint8_t *measured_ask(struct measured *measured, const uint8_t *payload, size_t bytes, size_t *length,
                            char reason[MEASURED_REASON_MAX])
{
    CHECK_OBJECT(measured, MEASURED_MAGIC);
    if (!ask(measured, 'A', payload, bytes, reason))
        return NULL;
    *length = measured->said.length;
    return measured->said.bytes;
}

int64_t measured_time(struct measured *measured, const uint8_t *payload, size_t bytes, uint32_t milliseconds,
                      char reason[MEASURED_REASON_MAX])
{
    CHECK_OBJECT(measured, MEASURED_MAGIC);
    uint32_t head = htole32(milliseconds);
    uint64_t took;
    if (measured->room < bytes + sizeof head) {
        free(measured->asked);
        measured->room = bytes + sizeof head;
        measured->asked = object_alloc(measured->room);
    }
    memcpy(measured->asked, &head, sizeof head);
    memcpy(measured->asked + sizeof head, payload, bytes);
    if (!ask(measured, 'T', measured->asked, bytes + sizeof head, reason))
        return -1;
    if (measured->said.length != sizeof took) {
        snprintf(reason, MEASURED_REASON_MAX, "the worker tells no time");
        return -1;
    }
    memcpy(&took, measured->said.bytes, sizeof took);
    return (int64_t)le64toh(took);
}
