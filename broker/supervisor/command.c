/* command: the names, programs and arguments of processes.
 *
 * All of our programs share one command line (options.h). A worker in Python is outrigger-worker as a library
 * in an interpreter: what runs is the interpreter, with the script and the library in front of the same
 * command line. SPDX-License-Identifier: MIT */
#include "command.h"

#include "hidden.h"
#include "pipeline.h"
#include "plan.h"
#include "stamp.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The program, a script and a library, and what options_parse knows but for the settings: -c, -n, -r, -m, -V,
 * -t. */
enum { ARGUMENTS_BESIDE_SETTINGS = 15 };

static char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *pattern, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, pattern);
    ENSURE(vasprintf(&text, pattern, arguments) >= 0);
    va_end(arguments);
    return text;
}

const char *role_name(enum role role)
{
    static const char *const names[] = {[ROLE_COLLECTOR] = "collector",
                                        [ROLE_BROKER] = "broker",
                                        [ROLE_WORKER] = "worker",
                                        [ROLE_FRONTEND] = "frontend"};
    _Static_assert(COUNT_OF(names) == ROLE_COUNT, "each role has a name");
    ENSURE(role < ROLE_COUNT);
    return names[role];
}

bool role_find(const char *name, enum role *role)
{
    for (*role = 0; *role < ROLE_COUNT; (*role)++)
        if (name != NULL && strcmp(name, role_name(*role)) == 0)
            return true;
    return false;
}

char *plan_fixed(const struct config *config)
{
    const char *user = config->user, *workers = config->worker_user;
    return format("runtime_directory=%s\nmodels_directory=%s\nbinary_directory=%s\nfrontend.socket=%s\n"
                  "broker.askers=%s\nbroker.workers=%s\n%s%s%s%s%s%s",
                  config->runtime_directory, config->models_directory, config->binary_directory,
                  config->frontend_socket, config->broker_askers, config->broker_workers,
                  *user == '\0' ? "" : "user=", user, *user == '\0' ? "" : "\n",
                  *workers == '\0' ? "" : "worker.user=", workers, *workers == '\0' ? "" : "\n");
}

/* ---- command lines ---- */

/* A file that lies beside the programs, in the first of these places (ended by NULL) in which it is; the
 * first place is also what is named when it is nowhere. */
static char *beside(const struct config *config, const char *const *places, const char *file)
{
    for (size_t i = 0; places[i] != NULL; i++) {
        char *path = format("%s/%s/%s", config->binary_directory, places[i], file);
        if (access(path, R_OK) == 0)
            return path;
        free(path);
    }
    return format("%s/%s/%s", config->binary_directory, places[0], file);
}

/* Of an installation, or of a source tree (a sanitizer's build is one folder deeper). */
static char *python_worker(const struct config *config)
{
    static const char *const places[] = {"../lib/outrigger/python", "../../worker/python",
                                         "../../../worker/python", NULL};
    return beside(config, places, "outrigger_worker.py");
}

/* The worker that it loads: beside it, or in a build. */
static char *python_library(const struct config *config)
{
    static const char *const places[] = {"../lib/outrigger/python", "../python", NULL};
    return beside(config, places, "outrigger_worker.so");
}

/* The program, and what stands before the command line that all share. Returns how many arguments. */
static size_t begin_arguments(struct command *command, const struct config *config,
                              const struct plan_version *version, char **arguments)
{
    bool python = version != NULL && version->python != NULL;
    command->path = python ? object_strdup(version->python)
                           : format("%s/outrigger-%s", config->binary_directory, role_name(command->role));
    arguments[0] = object_strdup(command->path);
    if (!python)
        return 1;
    arguments[1] = python_worker(config);
    arguments[2] = python_library(config);
    return 3;
}

/* A pipeline is no program of its model's maker, and asks at the broker's askers' endpoint, which workers'
 * user cannot: so it is of the user of all else. */
static bool is_pipeline(const struct command *command)
{
    return pipeline_is_file(command->file);
}

static void add_arguments(struct command *command, const struct plan_basis *basis,
                          const struct plan_version *version)
{
    const struct options *options = basis->options;
    char **arguments =
        object_alloc((2 * options->setting_count + ARGUMENTS_BESIDE_SETTINGS + 1) * sizeof(char *));
    size_t count = begin_arguments(command, basis->config, version, arguments);
    if (options->config_file != NULL) {
        arguments[count++] = object_strdup("-c");
        arguments[count++] = object_strdup(options->config_file);
    }
    for (size_t i = 0; i < options->setting_count; i++) {
        arguments[count++] = object_strdup("-s");
        arguments[count++] = object_strdup(options->settings[i]);
    }
    if (is_pipeline(command)) {
        arguments[count++] = object_strdup("-s");
        arguments[count++] = object_strdup("worker.user=");
    }
    const char *rest[] = {"-n", command->name,    "-r", "3", "-m", command->model,
                          "-V", command->version, "-t", "4"};
    for (size_t i = 0; i < (command->role == ROLE_WORKER ? COUNT_OF(rest) : 4); i++)
        arguments[count++] = object_strdup(rest[i]);
    command->arguments = arguments;
}

char *command_name(enum role role, int number, const struct plan_version *version)
{
    if (role == ROLE_WORKER)
        return format("worker.%s.%s.%d", version->model->name, version->version, number);
    if (role == ROLE_FRONTEND)
        return format("frontend.%d", number);
    return object_strdup(role_name(role));
}

void command_complete(struct command *command, const struct plan_basis *basis)
{
    bool edge = command->role == ROLE_FRONTEND || command->role == ROLE_BROKER;
    hidden_free(command->hidden);
    command->hidden = hidden_variables(basis->config, command->role);
    command->listen_fd = command->role == ROLE_FRONTEND ? basis->listen_fd : -1;
    command->account = command->role == ROLE_WORKER && !is_pipeline(command) ? basis->workers : NULL;
    /* Their SIGTERM means the end within two seconds, whatever is open. */
    command->drain_signal = edge ? SIGUSR1 : SIGTERM;
    /* A worker finds out how heavy its model is and pins itself; the collector may sleep anywhere. */
    command->cores = edge ? basis->placement.light : command->own_cores == NULL ? "" : command->own_cores;
}

void command_limit(struct command *command, const struct plan_version *version)
{
    free(command->own_cores);
    command->own_cores = object_strdup(version->model->cores);
    command->limits = version->model->limits;
    command->cores = command->own_cores;
}

struct command *command_new(const struct plan_basis *basis, enum role role, int number,
                            const struct plan_version *version)
{
    struct command *command = object_alloc(sizeof(*command));
    command->role = role;
    command->number = number;
    command->name = command_name(role, number, version);
    command->model = object_strdup(version == NULL ? "" : version->model->name);
    command->version = object_strdup(version == NULL ? "" : version->version);
    command->file = object_strdup(version == NULL || version->file == NULL ? "" : version->file);
    command->stamp = object_strdup(version == NULL ? "" : version->stamp);
    command->background = version != NULL && version->background;
    command_complete(command, basis);
    if (version != NULL)
        command_limit(command, version);
    add_arguments(command, basis, version);
    return command;
}

void command_free(struct command *command)
{
    if (command == NULL)
        return;
    for (char **argument = command->arguments; argument != NULL && *argument != NULL; argument++)
        free(*argument);
    free(command->arguments);
    free(command->name);
    free(command->model);
    free(command->version);
    free(command->file);
    free(command->stamp);
    free(command->own_cores);
    free(command->path);
    hidden_free(command->hidden);
    free(command);
}

bool command_equals(const struct command *left, const struct command *right)
{
    if (left->role != right->role || strcmp(left->path, right->path) != 0 ||
        strcmp(left->file, right->file) != 0)
        return false;
    char **a = left->arguments;
    char **b = right->arguments;
    for (; *a != NULL && *b != NULL; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return *a == NULL && *b == NULL;
}

bool command_serves(const struct command *command, const struct plan_version *version)
{
    return command->background == version->background && command_could_serve(command, version);
}

bool command_could_serve(const struct command *command, const struct plan_version *version)
{
    return command->role == ROLE_WORKER && strcmp(command->model, version->model->name) == 0 &&
           strcmp(command->version, version->version) == 0 &&
           strcmp(command->file, version->file == NULL ? "" : version->file) == 0 &&
           stamp_fits(command->stamp, version->stamp);
}
