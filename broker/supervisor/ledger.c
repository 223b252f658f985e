/* ledger: RUNTIME/processes.json.
 *
 * A supervisor that is killed leaves its processes running, and they go on serving; the next supervisor must
 * know each of them, to adopt it or to end it: never may a second set stand beside the first. So the file is
 * written before the program of a new process runs (process_spawn waits for it), and again with each change,
 * by write and rename. A pid alone may belong to somebody else by then, so each is kept with its start time,
 * and all with the number that the kernel draws at each boot; what was read once is held by a pidfd.
 *
 * The tokens of workers stand in it, so that they go on being believed: it is for us alone, and no worker's
 * sandbox lets it read here.
 *
 * What is not written down is what the kernel knows better: whether the process has said ready (it closes the
 * pipe on which it does), and how long it has run.
 * SPDX-License-Identifier: MIT */
#include "ledger.h"

#include "clock.h"
#include "log.h"
#include "process.h"
#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

enum {
    BOOT_ID_BYTES = 64,
    PROCESSES_MAX = 65536, /* more than any host has of ours; the file is ours, but who knows */
    ARGUMENTS_MAX = 4096
};

static char *boot_id(char *buffer)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    buffer[0] = '\0';
    if (file != NULL) {
        if (fgets(buffer, BOOT_ID_BYTES, file) != NULL)
            buffer[strcspn(buffer, "\n")] = '\0';
        fclose(file);
    }
    return buffer;
}

/* ---- writing ---- */

static void describe_one(yyjson_mut_doc *document, yyjson_mut_val *process, const struct ledger_entry *entry)
{
    const struct command *command = entry->command;
    yyjson_mut_obj_add_str(document, process, "name", command->name);
    yyjson_mut_obj_add_uint(document, process, "pid", (uint64_t)entry->pid);
    yyjson_mut_obj_add_uint(document, process, "start", process_start_time(entry->pid));
    yyjson_mut_obj_add_uint(document, process, "ready_pipe", entry->ready_pipe);
    yyjson_mut_obj_add_uint(document, process, "restarts", entry->restarts);
    if (entry->token.text[0] != '\0')
        yyjson_mut_obj_add_str(document, process, "token", entry->token.text);
    if (entry->release != NULL && *entry->release != '\0')
        yyjson_mut_obj_add_str(document, process, "release", entry->release);
    yyjson_mut_obj_add_bool(document, process, "retiring", entry->retiring);
    yyjson_mut_obj_add_str(document, process, "role", role_name(command->role));
    yyjson_mut_obj_add_int(document, process, "number", command->number);
    yyjson_mut_obj_add_str(document, process, "model", command->model);
    yyjson_mut_obj_add_str(document, process, "version", command->version);
    yyjson_mut_obj_add_str(document, process, "file", command->file);
    yyjson_mut_obj_add_str(document, process, "stamp", command->stamp);
    yyjson_mut_obj_add_bool(document, process, "background", command->background);
    yyjson_mut_obj_add_str(document, process, "path", command->path);
    yyjson_mut_val *arguments = yyjson_mut_obj_add_arr(document, process, "arguments");
    for (char **argument = command->arguments; *argument != NULL; argument++)
        yyjson_mut_arr_add_str(document, arguments, *argument);
}

/* False after a complaint. */
static bool write_file(const char *path, const yyjson_mut_doc *document)
{
    yyjson_write_err error = {0};
    unlink(path); /* what a killed one left may be open to others */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd == -1 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        log_error("%s: %s", path, strerror(errno));
        if (fd != -1)
            close(fd);
        return false;
    }
    bool written = yyjson_mut_write_fp(
        file, document, YYJSON_WRITE_PRETTY | YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL, &error);
    if (fclose(file) == 0 && written)
        return true;
    log_error("%s: %s", path, written ? strerror(errno) : error.msg);
    return false;
}

void ledger_write(const char *path, const char *fixed, const struct ledger_entry *entries, size_t count)
{
    char boot[BOOT_ID_BYTES], temporary[512];
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    ENSURE(document != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_strcpy(document, root, "boot", boot_id(boot));
    yyjson_mut_obj_add_str(document, root, "fixed", fixed);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, "processes");
    for (size_t i = 0; i < count; i++)
        describe_one(document, yyjson_mut_arr_add_obj(document, list), &entries[i]);
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    /* No fsync: after a crash of the machine there are no processes that it could name. */
    if (write_file(temporary, document) && rename(temporary, path) == -1)
        log_error("%s: %s", path, strerror(errno));
    yyjson_mut_doc_free(document);
}

/* ---- reading ---- */

/* A member that is a whole number up to `maximum`; false when it is not. */
static bool number_in(yyjson_val *object, const char *name, uint64_t maximum, uint64_t *number)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    *number = yyjson_get_uint(value);
    return yyjson_is_uint(value) && *number <= maximum;
}

/* A copy of a text member, which the caller frees; NULL when it is none. */
static char *text_in(yyjson_val *object, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, name));
    return text == NULL ? NULL : object_strdup(text);
}

/* A pidfd of the process if it still is the one that was written down; -1. */
static int still_there(uint64_t pid, uint64_t start)
{
    if (pid < 2 || start == 0)
        return -1;
    int pidfd = pidfd_open((pid_t)pid, 0);
    /* Asked after opening: the descriptor and the answer are about the same process then. */
    if (pidfd != -1 && process_start_time((pid_t)pid) == start)
        return pidfd;
    if (pidfd != -1)
        close(pidfd);
    return -1;
}

static char **read_arguments(yyjson_val *list)
{
    size_t index, count;
    yyjson_val *value;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0 || yyjson_arr_size(list) > ARGUMENTS_MAX)
        return NULL;
    yyjson_arr_foreach(list, index, count, value)
    {
        if (!yyjson_is_str(value))
            return NULL;
    }
    char **arguments = object_alloc((yyjson_arr_size(list) + 1) * sizeof(*arguments));
    yyjson_arr_foreach(list, index, count, value)
    {
        arguments[index] = object_strdup(yyjson_get_str(value));
    }
    return arguments;
}

/* The command of an entry; NULL when it is none of ours. */
static struct command *read_command(yyjson_val *process)
{
    struct command *command = object_alloc(sizeof(*command));
    uint64_t number = 0;
    command->name = text_in(process, "name");
    command->model = text_in(process, "model");
    command->version = text_in(process, "version");
    command->file = text_in(process, "file");
    command->stamp = text_in(process, "stamp");
    if (command->stamp == NULL) /* a supervisor that knew none wrote it */
        command->stamp = object_strdup("");
    command->background = yyjson_get_bool(yyjson_obj_get(process, "background"));
    command->path = text_in(process, "path");
    command->arguments = read_arguments(yyjson_obj_get(process, "arguments"));
    command->cores = "";
    command->listen_fd = -1;
    bool whole = number_in(process, "number", INT32_MAX, &number) &&
                 role_find(yyjson_get_str(yyjson_obj_get(process, "role")), &command->role) &&
                 command->name != NULL && command->model != NULL && command->version != NULL &&
                 command->file != NULL && command->path != NULL && command->arguments != NULL;
    command->number = (int)number;
    if (whole)
        return command;
    command_free(command);
    return NULL;
}

static struct text text_of_member(yyjson_val *value)
{
    return (struct text){yyjson_get_str(value), yyjson_get_len(value)};
}

/* What we may know of the process of another user only as long as we have root's rights. */
static void look_into(struct ledger_process *process)
{
    char link[64];
    struct stat program;
    orphan_reach(&process->orphan);
    snprintf(link, sizeof(link), "/proc/%ld/exe", (long)process->orphan.pid);
    if (stat(link, &program) == -1)
        return;
    process->device = program.st_dev;
    process->inode = program.st_ino;
}

/* The file is its user's to write, and what stands in it is ended with root's rights: so nobody else's
 * process is, whatever it says. One that ended just now is nobody's. */
static bool is_ours(struct ledger_process *process, const struct account *workers)
{
    process->stranger = process_user(process->orphan.pid, &process->uid) && process->uid != geteuid() &&
                        (workers == NULL || process->uid != workers->uid);
    return !process->stranger;
}

static bool read_one(yyjson_val *entry, const struct account *workers, struct ledger_process *process)
{
    uint64_t pid, start;
    *process = (struct ledger_process){.orphan.pidfd = -1};
    if (!number_in(entry, "pid", INT32_MAX, &pid) || !number_in(entry, "start", UINT64_MAX, &start) ||
        !number_in(entry, "ready_pipe", UINT64_MAX, &process->orphan.ready_pipe) ||
        !number_in(entry, "restarts", UINT32_MAX, &process->restarts))
        return false;
    process->command = read_command(entry);
    if (process->command == NULL)
        return false;
    process->retiring = yyjson_get_bool(yyjson_obj_get(entry, "retiring"));
    process->orphan.token = worker_token_read(text_of_member(yyjson_obj_get(entry, "token")));
    const char *release = yyjson_get_str(yyjson_obj_get(entry, "release"));
    snprintf(process->orphan.release, sizeof(process->orphan.release), "%s", release == NULL ? "" : release);
    process->orphan.pid = (pid_t)pid;
    process->orphan.pidfd = still_there(pid, start);
    if (process->orphan.pidfd == -1)
        return true;
    if (is_ours(process, workers)) {
        look_into(process);
        return true;
    }
    close(process->orphan.pidfd);
    process->orphan.pidfd = -1;
    process->ended = true; /* for us */
    return true;
}

static void read_processes(struct ledger *ledger, const char *path, const struct account *workers,
                           yyjson_val *list)
{
    size_t index, count;
    yyjson_val *entry;
    if (yyjson_arr_size(list) > PROCESSES_MAX)
        return;
    ledger->processes = object_alloc(yyjson_arr_size(list) * sizeof(*ledger->processes));
    yyjson_arr_foreach(list, index, count, entry)
    {
        if (read_one(entry, workers, &ledger->processes[ledger->count]))
            ledger->count++;
        else
            log_warning("%s: entry %zu is none of a process", path, index + 1);
    }
}

struct ledger *ledger_read(const char *path, const struct account *workers)
{
    char boot[BOOT_ID_BYTES];
    yyjson_read_err error = {0};
    struct ledger *ledger = object_alloc(sizeof(*ledger));
    yyjson_doc *document = yyjson_read_file(path, YYJSON_READ_ALLOW_INVALID_UNICODE, NULL, &error);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *list = yyjson_obj_get(root, "processes");
    bool ours = yyjson_is_arr(list) && yyjson_equals_str(yyjson_obj_get(root, "boot"), boot_id(boot));
    if (document == NULL && error.code != YYJSON_READ_ERROR_FILE_OPEN)
        log_warning("%s: %s; what an earlier supervisor left is not known", path, error.msg);
    ledger->fixed = ours ? text_in(root, "fixed") : NULL;
    if (ledger->fixed == NULL)
        ledger->fixed = object_strdup("");
    if (ours)
        read_processes(ledger, path, workers, list);
    yyjson_doc_free(document);
    return ledger;
}

static void name_stranger(const struct ledger_process *process)
{
    char number[16];
    const struct passwd *entry = getpwuid(process->uid);
    snprintf(number, sizeof(number), "%u", (unsigned)process->uid);
    log_error("%s (%ld) of an earlier supervisor runs as the user %s, as which none of ours does: end it "
              "(kill %ld), or set user and worker.user as they were",
              process->command->name, (long)process->orphan.pid, entry == NULL ? number : entry->pw_name,
              (long)process->orphan.pid);
}

bool ledger_has_strangers(const struct ledger *ledger)
{
    bool found = false;
    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->processes[i].stranger)
            name_stranger(&ledger->processes[i]);
        found = found || ledger->processes[i].stranger;
    }
    return found;
}

static void close_pipes(struct orphan *orphan)
{
    if (orphan->reached && orphan->error_fd != -1)
        close(orphan->error_fd);
    if (orphan->reached && orphan->ready_fd != -1)
        close(orphan->ready_fd);
    orphan->reached = false;
}

void ledger_free(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    for (size_t i = 0; i < ledger->count; i++) {
        close_pipes(&ledger->processes[i].orphan);
        if (ledger->processes[i].orphan.pidfd != -1)
            close(ledger->processes[i].orphan.pidfd);
        command_free(ledger->processes[i].command);
    }
    free(ledger->processes);
    free(ledger->fixed);
    free(ledger);
}

/* ---- ending what was left ---- */

/* True when all of them have ended by the deadline. */
static bool wait_for_all(const int *pidfds, size_t count, int64_t deadline)
{
    for (size_t i = 0; i < count; i++) {
        struct pollfd watch = {.fd = pidfds[i], .events = POLLIN};
        int64_t left = (deadline - clock_now()) / MILLISECOND;
        while (poll(&watch, 1, left < 0 ? 0 : (int)left) == -1 && errno == EINTR)
            left = (deadline - clock_now()) / MILLISECOND;
        if (watch.revents == 0)
            return false;
    }
    return true;
}

static void send_all(const int *pidfds, size_t count, int signal_number)
{
    for (size_t i = 0; i < count; i++)
        pidfd_send_signal(pidfds[i], signal_number, NULL, 0);
}

/* Ends those that are frontends, or that are none. */
static size_t end_processes(struct ledger *ledger, bool frontends, const char *why, int64_t stop_timeout_ms)
{
    size_t count = 0;
    int *pidfds = object_alloc((ledger->count + 1) * sizeof(*pidfds));
    for (size_t i = 0; i < ledger->count; i++) {
        struct ledger_process *process = &ledger->processes[i];
        if (process->orphan.pidfd == -1 || (process->command->role == ROLE_FRONTEND) != frontends)
            continue;
        log_warning("%s (%ld) was left by an earlier supervisor; it is replaced: %s", process->command->name,
                    (long)process->orphan.pid, why);
        pidfds[count++] = process->orphan.pidfd;
        process->orphan.pidfd = -1;
        close_pipes(&process->orphan);
        process->ended = true;
    }
    send_all(pidfds, count, SIGTERM);
    if (!wait_for_all(pidfds, count, clock_now() + stop_timeout_ms * MILLISECOND)) {
        send_all(pidfds, count, SIGKILL);
        wait_for_all(pidfds, count, clock_now() + SECOND); /* the kernel's own time */
    }
    for (size_t i = 0; i < count; i++)
        close(pidfds[i]);
    free(pidfds);
    return count;
}

size_t ledger_end(struct ledger *ledger, const char *why, int64_t stop_timeout_ms)
{
    size_t count = end_processes(ledger, true, why, stop_timeout_ms);
    return count + end_processes(ledger, false, why, stop_timeout_ms);
}

/* ---- the listening socket ---- */

int ledger_listen_fd(const struct ledger *ledger, const char *path)
{
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_process *process = &ledger->processes[i];
        if (process->orphan.pidfd == -1 || process->command->role != ROLE_FRONTEND)
            continue;
        int fd = pidfd_getfd(process->orphan.pidfd, 0, 0); /* close-on-exec by itself */
        if (fd != -1 && unix_listens_at(fd, path))
            return fd;
        if (fd == -1)
            log_warning("%s (%ld): its listening socket cannot be had: %s", process->command->name,
                        (long)process->orphan.pid, strerror(errno));
        else
            close(fd);
    }
    return -1;
}

/* By its name in /proc, which asks for less than to take it. */
bool ledger_listens_at(const struct ledger *ledger, int fd)
{
    char path[64], own[64], theirs[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, own, sizeof own);
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_process *process = &ledger->processes[i];
        if (process->orphan.pidfd == -1 || process->command->role != ROLE_FRONTEND)
            continue;
        snprintf(path, sizeof path, "/proc/%ld/fd/0", (long)process->orphan.pid);
        if (length > 0 && readlink(path, theirs, sizeof theirs) == length &&
            memcmp(own, theirs, (size_t)length) == 0)
            return true;
    }
    return false;
}
