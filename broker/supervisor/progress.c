/* progress: see progress.h. Commands ask for it again and again until the operation is done; who comes too
 * late, after 64 others, is told that there is no such operation. SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    PROGRESS_MAGIC = 0x9706e55,
    KEPT = 64,
    LINES_MAX = 8192 /* some thousand processes with three lines each; what is more is not told */
};

struct operation {
    uint64_t id; /* 0: none */
    char **lines;
    size_t line_count;
    bool done;
    char *failure;
};

struct progress {
    unsigned magic;
    uint64_t last;
    struct operation operations[KEPT]; /* by number modulo KEPT */
};

static void forget(struct operation *operation)
{
    for (size_t i = 0; i < operation->line_count; i++)
        free(operation->lines[i]);
    free(operation->lines);
    free(operation->failure);
    *operation = (struct operation){0};
}

struct progress *progress_new(void)
{
    struct progress *progress = object_alloc(sizeof(*progress));
    progress->magic = PROGRESS_MAGIC;
    /* Numbers begin at the time of the wall clock in milliseconds: those of an earlier supervisor are below.
     */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    progress->last = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    return progress;
}

void progress_free(struct progress *progress)
{
    if (progress == NULL)
        return;
    CHECK_OBJECT(progress, PROGRESS_MAGIC);
    for (size_t i = 0; i < KEPT; i++)
        forget(&progress->operations[i]);
    progress->magic = 0;
    free(progress);
}

static struct operation *find(const struct progress *progress, uint64_t id)
{
    CHECK_OBJECT(progress, PROGRESS_MAGIC);
    const struct operation *operation = &progress->operations[id % KEPT];
    return id != 0 && operation->id == id ? (struct operation *)(uintptr_t)operation : NULL;
}

uint64_t progress_begin(struct progress *progress)
{
    CHECK_OBJECT(progress, PROGRESS_MAGIC);
    uint64_t id = ++progress->last;
    struct operation *operation = &progress->operations[id % KEPT];
    forget(operation);
    operation->id = id;
    return id;
}

void progress_say(struct progress *progress, uint64_t id, const char *format, ...)
{
    struct operation *operation = find(progress, id);
    va_list arguments;
    if (operation == NULL || operation->line_count == LINES_MAX)
        return;
    operation->lines = realloc(operation->lines, (operation->line_count + 1) * sizeof(char *));
    ENSURE(operation->lines != NULL);
    va_start(arguments, format);
    ENSURE(vasprintf(&operation->lines[operation->line_count++], format, arguments) >= 0);
    va_end(arguments);
}

void progress_end(struct progress *progress, uint64_t id, const char *failure)
{
    struct operation *operation = find(progress, id);
    if (operation == NULL || operation->done)
        return;
    operation->done = true;
    operation->failure = failure == NULL ? NULL : object_strdup(failure);
}

bool progress_look(const struct progress *progress, uint64_t id, struct progress_view *view)
{
    const struct operation *operation = find(progress, id);
    if (operation == NULL)
        return false;
    *view = (struct progress_view){.lines = (const char *const *)operation->lines,
                                   .line_count = operation->line_count,
                                   .done = operation->done,
                                   .failure = operation->failure};
    return true;
}
