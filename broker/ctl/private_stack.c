/* private_stack: see private_stack.h. Used by `outrigger validate` (validate_command.c).
 *
 * What is validated is to be what will serve: the same worker in the same sandbox, with its golden requests,
 * its limits and its interpreter, behind the same broker. All of that is the supervisor's to start; so it is
 * a whole Outrigger that is started here, whose configuration is a file that we write: what is about models
 * and workers as it is, nothing that others could see (a listening address, a log, secrets). What the
 * operator would say to it stands in its deployments.json: this version takes the traffic, all other models
 * are unloaded. When we die, of whatever, it ends (process.h, dies_with_us). SPDX-License-Identifier: MIT */
#include "private_stack.h"

#include "folder.h"

#include "account.h"
#include "clock.h"
#include "control.h"
#include "deployments.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STACK_MAGIC = 0x0a11da04,
    PATH_BYTES = 512,
    LOOK_MS = 20,        /* between two looks */
    ANSWER_MS = 2000,    /* for an answer of its control socket */
    STOP_MS = 15000,     /* more than it allows its own processes */
    LAST_WORDS_MAX = 400 /* bytes */
};

struct private_stack {
    unsigned magic;
    char directory[PATH_BYTES]; /* "": none was made */
    struct config *config;
    pid_t pid; /* 0: there is no process */
    int pidfd, log_fd;
};

static bool refuse(char reason[PRIVATE_REASON_MAX], const char *what)
{
    snprintf(reason, PRIVATE_REASON_MAX, "%.700s: %s", what, strerror(errno));
    return false;
}

static char *path_of(const struct private_stack *stack, const char *name, char path[PATH_BYTES + 64])
{
    snprintf(path, PATH_BYTES + 64, "%s/%s", stack->directory, name);
    return path;
}

/* ---- its configuration ---- */

/* What it has of ours: all about models and their workers. */
static bool is_handed_on(const char *section, const char *name)
{
    static const char *const sections[] = {"worker", "sandbox", "signing"};
    static const char *const names[] = {
        "models_directory",  "binary_directory", "python",          "core_dumps", "user",
        "max_message_bytes", "max_queue_bytes",  "start_timeout_ms"};
    bool of_users = strcmp(name, "user") == 0;
    if (of_users && geteuid() != 0)
        return false; /* there is nobody else that we could become */
    if (strncmp(name, "curve_", 6) == 0)
        return false;
    for (size_t i = 0; i < COUNT_OF(sections); i++)
        if (strcmp(section, sections[i]) == 0)
            return true;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++)
        fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    fputs("\";\n", out);
}

static void open_section(FILE *out, const char **open, const char *section)
{
    if (strcmp(*open, section) == 0)
        return;
    if (**open != '\0')
        fputs("};\n", out);
    if (*section != '\0')
        fprintf(out, "%s = {\n", section);
    *open = section;
}

/* True when it is something that nobody outside may see of it, or see to. */
static const char *own_value(const char *section, const char *name)
{
    static const struct {
        const char *section, *name, *value;
    } own[] = {
        {"", "run_as_root", "true"},      {"", "placement", "\"none\""},   {"frontend", "processes", "1"},
        {"auth", "required", "false"},    {"collector", "listen", "\"\""}, {"feedback", "keep", "0"},
        {"drift", "rows_per_s", "0"},     {"flight", "requests", "0"},     {"audit", "access", "\"none\""},
        {"supervisor", "watch", "false"}, {"supervisor", "gate", "false"}};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (strcmp(own[i].section, section) == 0 && strcmp(own[i].name, name) == 0)
            return own[i].value;
    return NULL;
}

static void put_configuration(const struct private_stack *stack, const struct config *config, FILE *out)
{
    const char *open = "", *value;
    fprintf(out, "runtime_directory = \"%s/run\";\nstate_directory = \"%s/state\";\n", stack->directory,
            stack->directory);
#define ROW(section, name, put)                                                                              \
    if ((value = own_value(#section, #name)) != NULL || is_handed_on(#section, #name)) {                     \
        open_section(out, &open, #section);                                                                  \
        fprintf(out, "%s = ", #name);                                                                        \
        if (value != NULL)                                                                                   \
            fprintf(out, "%s;\n", value);                                                                    \
        else                                                                                                 \
            put;                                                                                             \
    }
#define INTEGER(section, name, ...)                                                                          \
    ROW(section, name, fprintf(out, "%lldL;\n", (long long)config->CONFIG_NAME(section, name)))
#define STRING(section, name, ...) ROW(section, name, put_text(out, config->CONFIG_NAME(section, name)))
#include "parameters.def"
#undef INTEGER
#undef STRING
#undef ROW
    open_section(out, &open, "");
}

/* ---- its directories ---- */

static bool write_file(const char *path, const struct private_stack *stack, const struct config *config,
                       char reason[PRIVATE_REASON_MAX])
{
    FILE *out = fopen(path, "wex");
    if (out == NULL)
        return refuse(reason, path);
    put_configuration(stack, config, out);
    bool good = fflush(out) == 0 && fchmod(fileno(out), 0644) == 0;
    if (!good)
        refuse(reason, path);
    fclose(out);
    return good;
}

/* What the operator would say. */
static struct deployments *say(const struct model_list *models, const char *model, const char *version,
                               const char *other)
{
    struct deployments *said = object_alloc(sizeof *said);
    for (size_t i = 0; i < models->count; i++) {
        const struct model_config *config = models->models[i];
        struct deployment *deployment = deployments_require(said, config->name);
        deployment->stopped = strcmp(config->name, model) != 0;
        if (deployment->stopped)
            continue;
        deployment_say(&deployment->stable, version);
        deployment->instances = 1;
        deployment->route = route_new();
        for (size_t v = 0; v < config->versions.count; v++) {
            const char *name = config->versions.names[v];
            bool wanted = other != NULL && strcmp(name, other) == 0;
            if (strcmp(name, version) != 0)
                deployment_list(wanted ? &deployment->loaded : &deployment->unloaded, name);
        }
    }
    return said;
}

static bool write_deployments(const struct private_stack *stack, const struct deployments *said,
                              char reason[PRIVATE_REASON_MAX])
{
    char path[PATH_BYTES + 64];
    return deployments_write(path_of(stack, "state/deployments.json", path), said) == 0 ||
           refuse(reason, path);
}

/* As root with a user to become: what lies in its state directory must be that user's. */
static bool give_away(const struct private_stack *stack, const struct config *config,
                      char reason[PRIVATE_REASON_MAX])
{
    static const char *const names[] = {"state", "state/deployments.json"};
    char path[PATH_BYTES + 64];
    struct account *service = geteuid() == 0 && *config->user != '\0' ? account_of_service(config) : NULL;
    bool good = true;
    for (size_t i = 0; service != NULL && good && i < COUNT_OF(names); i++)
        good =
            lchown(path_of(stack, names[i], path), service->uid, service->gid) == 0 || refuse(reason, path);
    account_free(service);
    return good;
}

static bool make_directories(struct private_stack *stack, char reason[PRIVATE_REASON_MAX])
{
    const char *temporary = getenv("TMPDIR");
    char path[PATH_BYTES + 64];
    snprintf(stack->directory, sizeof stack->directory, "%s/outrigger-validate.XXXXXX",
             temporary == NULL || *temporary != '/' || strlen(temporary) > 60 ? "/tmp" : temporary);
    if (mkdtemp(stack->directory) == NULL) {
        refuse(reason, stack->directory);
        stack->directory[0] = '\0';
        return false;
    }
    /* Who knows the name may search it: processes of other users are to reach their sockets. */
    return (chmod(stack->directory, 0711) == 0 && mkdir(path_of(stack, "state", path), 0750) == 0) ||
           refuse(reason, stack->directory);
}

/* ---- its life ---- */

static bool start(struct private_stack *stack, char reason[PRIVATE_REASON_MAX])
{
    char program[PATH_MAX + 64], configuration[PATH_BYTES + 64], log[PATH_BYTES + 64];
    snprintf(program, sizeof program, "%s/outrigger-supervisor", stack->config->binary_directory);
    const char *arguments[] = {program, "-c", path_of(stack, "outrigger.conf", configuration), NULL};
    stack->log_fd = open(path_of(stack, "log", log), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0600);
    if (stack->log_fd == -1)
        return refuse(reason, log);
    const struct spawn spawn = {.program = program,
                                .arguments = arguments,
                                .listen_fd = -1,
                                .ready_fd = -1,
                                .token_fd = -1,
                                .error_fd = stack->log_fd,
                                .dies_with_us = true};
    stack->pid = process_spawn(&spawn, &stack->pidfd);
    if (stack->pid == -1) {
        stack->pid = 0;
        return refuse(reason, program);
    }
    return true;
}

/* Takes `said`. */
static bool begin(struct private_stack *stack, const struct config *config, struct deployments *said,
                  char reason[PRIVATE_REASON_MAX])
{
    char path[PATH_BYTES + 64];
    struct config_errors errors = {0};
    bool good = make_directories(stack, reason) &&
                write_file(path_of(stack, "outrigger.conf", path), stack, config, reason) &&
                write_deployments(stack, said, reason) && give_away(stack, config, reason);
    deployments_free(said);
    if (!good)
        return false;
    stack->config = config_load(path, NULL, 0, &errors);
    if (stack->config == NULL) {
        snprintf(reason, PRIVATE_REASON_MAX, "%.*s", (int)strcspn(errors.text, "\n"), errors.text);
        return false;
    }
    return start(stack, reason);
}

struct private_stack *private_stack_new(const struct config *config, const struct model_list *models,
                                        const char *model, const char *version, const char *other,
                                        char reason[PRIVATE_REASON_MAX])
{
    struct private_stack *stack = object_alloc(sizeof *stack);
    stack->magic = STACK_MAGIC;
    stack->pidfd = stack->log_fd = -1;
    if (begin(stack, config, say(models, model, version, other), reason))
        return stack;
    private_stack_free(stack);
    return NULL;
}

/* True when it has ended within so many milliseconds. */
static bool has_ended(const struct private_stack *stack, int ms)
{
    struct pollfd ended = {.fd = stack->pidfd, .events = POLLIN};
    return poll(&ended, 1, ms) > 0;
}

void private_stack_free(struct private_stack *stack)
{
    if (stack == NULL)
        return;
    CHECK_OBJECT(stack, STACK_MAGIC);
    if (stack->pid != 0) {
        kill(stack->pid, SIGTERM);
        if (!has_ended(stack, STOP_MS))
            kill(stack->pid, SIGKILL);
        waitpid(stack->pid, NULL, 0);
    }
    if (stack->pidfd != -1)
        close(stack->pidfd);
    if (stack->log_fd != -1)
        close(stack->log_fd);
    if (*stack->directory != '\0')
        folder_remove(stack->directory);
    config_free(stack->config);
    stack->magic = 0;
    free(stack);
}

const struct config *private_stack_config(const struct private_stack *stack)
{
    CHECK_OBJECT(stack, STACK_MAGIC);
    return stack->config;
}

/* ---- waiting ---- */

/* The last line of its log that says error, or else the last one. */
static void last_words(const struct private_stack *stack, char reason[PRIVATE_REASON_MAX])
{
    char text[8192];
    struct stat status;
    off_t from = fstat(stack->log_fd, &status) == 0 && status.st_size > (off_t)sizeof text - 1
                     ? status.st_size - (off_t)sizeof text + 1
                     : 0;
    ssize_t length = pread(stack->log_fd, text, sizeof text - 1, from);
    text[length > 0 ? length : 0] = '\0';
    const char *words = "it said nothing", *field = "\"message\":\"";
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        char *message = strstr(line, field);
        if (message != NULL && strstr(line, "\"level\":\"error\"") != NULL)
            words = message + strlen(field);
        else if (message == NULL && *line != '\0')
            words = line;
    }
    snprintf(reason, PRIVATE_REASON_MAX, "the private supervisor ended: %.*s",
             (int)(strlen(words) < LAST_WORDS_MAX ? strlen(words) : LAST_WORDS_MAX), words);
}

enum look { LOOK_AGAIN, LOOK_SERVES, LOOK_FAILED };

static enum look look_at(yyjson_val *process, const char *version, char reason[PRIVATE_REASON_MAX])
{
    const char *state = yyjson_get_str(yyjson_obj_get(process, "state"));
    const char *cause = yyjson_get_str(yyjson_obj_get(process, "cause"));
    if (!yyjson_equals_str(yyjson_obj_get(process, "kind"), "worker") ||
        !yyjson_equals_str(yyjson_obj_get(process, "version"), version) || state == NULL)
        return LOOK_AGAIN;
    if (strcmp(state, "running") == 0)
        return LOOK_SERVES;
    if (cause == NULL || *cause == '\0')
        return LOOK_AGAIN;
    snprintf(reason, PRIVATE_REASON_MAX, "%s", cause);
    return LOOK_FAILED;
}

static enum look look(const struct private_stack *stack, const char *version, char reason[PRIVATE_REASON_MAX])
{
    char path[PATH_BYTES + 64];
    enum look seen = LOOK_AGAIN;
    size_t index, count;
    yyjson_val *process;
    yyjson_doc *status =
        control_call(path_of(stack, "run/supervisor.sock", path), "{\"command\":\"status\"}", ANSWER_MS);
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(status), "processes"), index, count, process)
    {
        if (seen == LOOK_AGAIN)
            seen = look_at(process, version, reason);
    }
    yyjson_doc_free(status);
    return seen;
}

/* Somebody wants us to end; signals are blocked, as the loop that is to come wants them. */
static bool is_interrupted(void)
{
    sigset_t waiting;
    return sigpending(&waiting) == 0 &&
           (sigismember(&waiting, SIGINT) == 1 || sigismember(&waiting, SIGTERM) == 1);
}

bool private_stack_wait(struct private_stack *stack, const char *version, int64_t wait, bool *refused,
                        char reason[PRIVATE_REASON_MAX])
{
    CHECK_OBJECT(stack, STACK_MAGIC);
    int64_t until = clock_now() + wait;
    *refused = false;
    snprintf(reason, PRIVATE_REASON_MAX, "it is not served in time");
    while (clock_now() < until && !is_interrupted()) {
        if (has_ended(stack, LOOK_MS)) {
            last_words(stack, reason);
            return false;
        }
        enum look seen = look(stack, version, reason);
        *refused = seen == LOOK_FAILED;
        if (seen != LOOK_AGAIN)
            return seen == LOOK_SERVES;
    }
    if (is_interrupted())
        snprintf(reason, PRIVATE_REASON_MAX, "interrupted");
    return false;
}
