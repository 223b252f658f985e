/* inspect: the engines are the worker's, so a model is looked at in a worker process: whatever a broken
 * model file does to it, `outrigger check` goes on with the next. SPDX-License-Identifier: MIT */
#include "inspect.h"

#include "said.h"

#include "clock.h"
#include "object.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOAD_TIMEOUT_MS = 60000,       /* as supervisor.start_timeout_ms by default */
    OUTPUT_BYTES_MAX = 1024 * 1024 /* a schema has a few lines; more is not read */
};

/* ---- the process ---- */

static int start(const char *const *arguments, int out, int error, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
    int fault = posix_spawn(pid, arguments[0], &actions, NULL, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return fault;
}

/* The exit status as of waitpid; kills the process and returns -1 when the time is over. */
static int wait_for(pid_t pid)
{
    int status = -1, handle = pidfd_open(pid, 0);
    struct pollfd ended = {.fd = handle, .events = POLLIN};
    int64_t deadline = clock_now() + LOAD_TIMEOUT_MS * MILLISECOND, left;
    int count = 0;
    while (count <= 0 && (left = deadline - clock_now()) > 0) {
        count = poll(&ended, 1, (int)(left / MILLISECOND) + 1);
        if (count < 0 && errno != EINTR)
            break;
    }
    if (count <= 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (handle >= 0)
        close(handle);
    return count <= 0 ? -1 : status;
}

/* The line without the file's name before it, which the reader knows. */
static const char *without_name(const char *line, const char *file)
{
    size_t length = strlen(file);
    return strncmp(line, file, length) == 0 && strncmp(line + length, ": ", 2) == 0 ? line + length + 2
                                                                                    : line;
}

static void say_end(int status, const char *file, int error, char *reason, size_t capacity)
{
    char *last = said_last_line(error);
    const char *line = without_name(last, file);
    if (status == -1)
        snprintf(reason, capacity, "is not loaded within %d s", LOAD_TIMEOUT_MS / 1000);
    else if (WIFSIGNALED(status))
        snprintf(reason, capacity, "the worker that loads it is killed by signal %d%s%s", WTERMSIG(status),
                 *line == '\0' ? "" : ": ", line);
    else if (*line != '\0')
        snprintf(reason, capacity, "%s", line);
    else
        snprintf(reason, capacity, "the worker that loads it exits %d", WEXITSTATUS(status));
    free(last);
}

static yyjson_doc *read_description(int fd, char *reason, size_t capacity)
{
    char *text = said_text(fd, OUTPUT_BYTES_MAX);
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    free(text);
    if (yyjson_is_arr(yyjson_obj_get(root, "inputs")) && yyjson_is_arr(yyjson_obj_get(root, "outputs")))
        return document;
    snprintf(reason, capacity, "the worker that loads it describes it in no known form");
    yyjson_doc_free(document);
    return NULL;
}

/* Of a model: that of its folder. */
static const char *name_of(const char *folder)
{
    const char *slash = strrchr(folder, '/');
    return slash == NULL ? folder : slash + 1;
}

yyjson_doc *inspect_model(const struct config *config, const char *file, const char *folder, char *reason,
                          size_t capacity)
{
    char *program = path_in(config->binary_directory, "outrigger-worker");
    const char *const arguments[] = {program,
                                     "--describe",
                                     file,
                                     folder,
                                     config->sandbox_mode,
                                     config->sandbox_worker_read,
                                     config->models_directory,
                                     config_signing_keys(config, name_of(folder)),
                                     *config->worker_user == '\0' ? config->user : config->worker_user,
                                     NULL};
    yyjson_doc *document = NULL;
    pid_t pid;
    int out = said_new(), error = said_new();
    int fault = start(arguments, out, error, &pid);
    int status = fault == 0 ? wait_for(pid) : 0;
    if (fault != 0) {
        snprintf(reason, capacity, "%s: %s", program, strerror(fault));
    } else if (status == 0) {
        document = read_description(out, reason, capacity);
    } else {
        say_end(status, file, error, reason, capacity);
    }
    close(out);
    close(error);
    free(program);
    return document;
}

/* ---- what it says ---- */

static void print_shape(yyjson_val *shape, FILE *out)
{
    size_t i, count;
    yyjson_val *dimension;
    fputc('[', out);
    yyjson_arr_foreach(shape, i, count, dimension)
    {
        fprintf(out, "%s%" PRId64, i == 0 ? "" : ",", yyjson_get_sint(dimension));
    }
    fputc(']', out);
}

void inspect_print_tensors(yyjson_val *tensors, FILE *out)
{
    size_t i, count;
    yyjson_val *tensor;
    yyjson_arr_foreach(tensors, i, count, tensor)
    {
        const char *name = yyjson_get_str(yyjson_obj_get(tensor, "name"));
        const char *datatype = yyjson_get_str(yyjson_obj_get(tensor, "datatype"));
        fprintf(out, "%s%s %s", i == 0 ? "" : ", ", name == NULL ? "?" : name,
                datatype == NULL ? "?" : datatype);
        print_shape(yyjson_obj_get(tensor, "shape"), out);
    }
}
