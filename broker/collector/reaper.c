/* reaper: the files in RUNTIME/stats, and when a process counts as ended.
 *
 * A silent process may be dead, stopped for a while, or (in a container of its own, with process numbers of
 * its own) alive where we cannot see it. It is retired when it is silent *and* no process with its pid and
 * start time is there. If it speaks again after all, the registry takes that as a new base line: nothing is
 * counted twice.
 *
 * The order of work makes a kill -9 of ourselves harmless at any point: the page is read into the registry,
 * then the sums are written to the disk together with the name of the process, then the page is removed. A
 * page whose process is known as retired is only removed.
 *
 * Pages of processes that we never heard (they died while no collector was there) are noticed, then judged
 * like silent ones. Run by main.c, with each interval. SPDX-License-Identifier: MIT */
#include "reaper.h"

#include "log.h"
#include "path.h"
#include "process.h"
#include "retired.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { REAPER_MAGIC = 0x72650001, COMPLAINT_SECONDS = 60 };

struct reaper {
    unsigned magic;
    struct registry *registry;
    char *directory;
    char *sums;          /* the file */
    uint64_t sums_count; /* processes that were retired when it was written */
    int64_t now;
    long long complained;
};

static bool is_alive(const struct registry_process *process)
{
    return process->start != 0 && process_lives((pid_t)process->pid, process->start);
}

/* ---- burying a process ---- */

/* The last snapshot of a dead process from the page that it left; NULL when there is none of it. */
static uint8_t *last_words(const struct reaper *reaper, const struct registry_process *process,
                           size_t *length)
{
    char file[SNAPSHOT_TOPIC_BYTES];
    struct snapshot names = {
        .kind = text_of(process->kind), .name = text_of(process->name), .pid = process->pid};
    snapshot_topic(&names, file);
    char *path = path_in(reaper->directory, file);
    uint32_t pid;
    uint64_t start;
    uint8_t *bytes = NULL;
    if (metrics_page_owner(path, &pid, &start) && pid == process->pid && start == process->start)
        bytes = metrics_page_snapshot(path, process->kind, process->name, length);
    free(path);
    return bytes;
}

static void bury_dead(void *self, const struct registry_process *process)
{
    struct reaper *reaper = self;
    size_t length;
    struct snapshot snapshot;
    if (is_alive(process))
        return;
    uint8_t *bytes = last_words(reaper, process, &length);
    if (bytes != NULL && snapshot_decode(bytes, length, &snapshot) == NULL)
        registry_take(reaper->registry, &snapshot, reaper->now);
    free(bytes);
    registry_retire(reaper->registry, process);
    log_debug("%s %s (pid %u) ended; what it counted is kept", process->kind, process->name, process->pid);
}

/* True when the sums on the disk are those in memory. */
static bool keep_sums(struct reaper *reaper)
{
    uint64_t retired = registry_counts(reaper->registry).retired;
    if (retired == reaper->sums_count)
        return true;
    if (retired_save(reaper->registry, reaper->sums) == -1) {
        if (log_allowed(&reaper->complained, COMPLAINT_SECONDS))
            log_error("%s: %s; a restart of the collector would lose what ended processes counted",
                      reaper->sums, strerror(errno));
        return false;
    }
    reaper->sums_count = retired;
    return true;
}

/* ---- the pages in the directory ---- */

/* Takes KIND.NAME.PID apart. */
static bool parse_file_name(const char *file, struct registry_process *process)
{
    const char *name = strchr(file, '.');
    const char *pid = strrchr(file, '.');
    if (name == NULL || name == pid)
        return false;
    struct text kind = {.at = file, .length = (size_t)(name - file)};
    struct text middle = {.at = name + 1, .length = (size_t)(pid - name - 1)};
    char *end;
    errno = 0;
    unsigned long number = strtoul(pid + 1, &end, 10);
    if (!snapshot_name_ok(kind, SNAPSHOT_KIND_MAX) || !snapshot_name_ok(middle, SNAPSHOT_NAME_MAX) ||
        pid[1] < '0' || pid[1] > '9' || *end != '\0' || errno != 0 || number > INT32_MAX)
        return false;
    text_copy(kind, process->kind, sizeof process->kind);
    text_copy(middle, process->name, sizeof process->name);
    process->pid = (uint32_t)number;
    return true;
}

/* A file named like a page that this build cannot read, of another build then: it goes with its process. */
static void remove_foreign_page(const char *path, const struct registry_process *process)
{
    if (process_lives((pid_t)process->pid, 0))
        return;
    log_warning("%s is no page of counters that this version can read: removed", path);
    unlink(path);
}

/* Removes the page of a retired process; makes a dead one known that was never heard. */
static void look_at_page(struct reaper *reaper, const char *path, struct registry_process *process)
{
    uint32_t pid;
    if (!metrics_page_owner(path, &pid, &process->start) || pid != process->pid)
        remove_foreign_page(path, process);
    else if (registry_is_retired(reaper->registry, process))
        unlink(path);
    else if (!is_alive(process))
        registry_notice(reaper->registry, process, reaper->now);
}

typedef void visit_page(struct reaper *reaper, const char *path, struct registry_process *process);

static void each_page(struct reaper *reaper, visit_page *visit)
{
    DIR *directory = opendir(reaper->directory);
    if (directory == NULL)
        return;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        struct registry_process process = {0};
        if (!parse_file_name(entry->d_name, &process))
            continue;
        char *path = path_in(reaper->directory, entry->d_name);
        visit(reaper, path, &process);
        free(path);
    }
    closedir(directory);
}

void reaper_run(struct reaper *reaper, int64_t now)
{
    CHECK_OBJECT(reaper, REAPER_MAGIC);
    reaper->now = now;
    registry_check(reaper->registry, now, bury_dead, reaper);
    if (keep_sums(reaper))
        each_page(reaper, look_at_page);
}

/* ---- life ---- */

static void remove_dead_page(struct reaper *reaper, const char *path, struct registry_process *process)
{
    (void)reaper;
    if (!process_lives((pid_t)process->pid, 0))
        unlink(path);
}

static void note_serving(void *self, const struct registry_process *process, uint64_t sequence)
{
    (void)sequence;
    bool *serving = self;
    *serving = *serving || (strcmp(process->kind, "supervisor") != 0 && is_alive(process));
}

bool reaper_finish(struct reaper *reaper)
{
    CHECK_OBJECT(reaper, REAPER_MAGIC);
    bool serving = false;
    registry_each_process(reaper->registry, note_serving, &serving);
    if (serving) {
        keep_sums(reaper);
        return false;
    }
    each_page(reaper, remove_dead_page);
    unlink(reaper->sums);
    return true;
}

struct reaper *reaper_new(struct registry *registry, const char *directory)
{
    struct reaper *reaper = object_alloc(sizeof *reaper);
    reaper->magic = REAPER_MAGIC;
    reaper->registry = registry;
    reaper->directory = object_strdup(directory);
    reaper->sums = path_in(reaper->directory, "retired");
    const char *wrong = retired_load(registry, reaper->sums);
    if (wrong != NULL)
        log_warning("%s: %s; what ended processes counted is lost", reaper->sums, wrong);
    reaper->sums_count = registry_counts(registry).retired;
    return reaper;
}

void reaper_free(struct reaper *reaper)
{
    if (reaper == NULL)
        return;
    CHECK_OBJECT(reaper, REAPER_MAGIC);
    free(reaper->directory);
    free(reaper->sums);
    reaper->magic = 0;
    free(reaper);
}
