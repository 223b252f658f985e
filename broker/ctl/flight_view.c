/* flight_view: see flight_view.h. Used by `outrigger flight` and `outrigger replay --against`.
 *
 * Frontends write while this reads, and may be started again: each look opens what files there are. A file
 * may also begin anew, with another number of entries or after it was removed: its sequences begin at 1
 * again, and what was seen of it means nothing any more. SPDX-License-Identifier: MIT */
#include "flight_view.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { VIEW_MAGIC = 0x0f119003, FILES_MAX = 256 };

struct file {
    char *name;
    struct flight_reader *reader; /* NULL: it could not be read the last time */
    uint64_t seen;                /* the largest sequence that was there; 0: none */
    int64_t seen_at_ns;           /* and when that was */
};

struct flight_view {
    unsigned magic;
    char *directory;
    struct file files[FILES_MAX];
    size_t count;
};

/* An entry that is wanted: where it is. */
struct place {
    int64_t at_ns;
    uint64_t sequence;
    size_t file, index;
};

struct flight_view *flight_view_new(const struct config *config)
{
    struct flight_view *view = object_alloc(sizeof *view);
    view->magic = VIEW_MAGIC;
    ENSURE(asprintf(&view->directory, "%s/flight", config->runtime_directory) >= 0);
    DIR *folder = opendir(view->directory);
    int error = errno;
    if (folder != NULL) {
        closedir(folder);
        return view;
    }
    flight_view_free(view);
    errno = error;
    return NULL;
}

void flight_view_free(struct flight_view *view)
{
    if (view == NULL)
        return;
    CHECK_OBJECT(view, VIEW_MAGIC);
    for (size_t i = 0; i < view->count; i++) {
        flight_reader_free(view->files[i].reader);
        free(view->files[i].name);
    }
    free(view->directory);
    view->magic = 0;
    free(view);
}

/* ---- files ---- */

static struct file *file_of(struct flight_view *view, const char *name)
{
    for (size_t i = 0; i < view->count; i++)
        if (strcmp(view->files[i].name, name) == 0)
            return &view->files[i];
    if (view->count == FILES_MAX)
        return NULL;
    struct file *file = &view->files[view->count++];
    file->name = object_strdup(name);
    return file;
}

static void open_file(struct flight_view *view, const char *name)
{
    struct file *file = file_of(view, name);
    char *path;
    if (file == NULL)
        return;
    ENSURE(asprintf(&path, "%s/%s", view->directory, name) >= 0);
    flight_reader_free(file->reader);
    file->reader = flight_reader_new(path);
    free(path);
}

static void open_files(struct flight_view *view)
{
    DIR *folder = opendir(view->directory);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            open_file(view, entry->d_name);
    if (folder != NULL)
        closedir(folder);
}

/* ---- entries ---- */

bool flight_status_ok(const char *status)
{
    return strlen(status) == 3 && status[0] >= '1' && status[0] <= '5' &&
           (strcmp(status + 1, "xx") == 0 || strspn(status + 1, "0123456789") == 2);
}

static bool has_status(const struct flight_entry *entry, const char *status)
{
    char text[8];
    snprintf(text, sizeof text, "%03u", entry->status);
    return strncmp(text, status, status[1] == 'x' ? 1 : 3) == 0;
}

static bool is_wanted(const struct flight_entry *entry, const struct flight_filter *filter)
{
    return (filter->model == NULL || strcmp(entry->model, filter->model) == 0) &&
           (filter->status == NULL || has_status(entry, filter->status)) &&
           entry->total_us >= filter->slow_us && (!filter->with_payload || entry->payload_length > 0);
}

/* What the last entry of a file is, and whether the one that was the last before is still what it was. */
struct last {
    uint64_t sequence; /* 0: there is none */
    int64_t at_ns;
    bool another; /* of the sequence that was seen last */
};

static struct last last_of(const struct file *file, size_t records)
{
    struct flight_entry entry;
    struct last last = {0};
    for (size_t i = 0; i < records; i++) {
        if (!flight_read(file->reader, i, &entry))
            continue;
        last.another = last.another || (entry.sequence == file->seen && entry.at_ns != file->seen_at_ns);
        if (entry.sequence > last.sequence)
            last.sequence = entry.sequence, last.at_ns = entry.at_ns;
    }
    return last;
}

/* Adds the places of those that are wanted. */
static void find(struct file *file, size_t number, const struct flight_filter *filter, struct place **places,
                 size_t *count)
{
    struct flight_entry entry;
    size_t records = flight_look(file->reader);
    const struct last last = last_of(file, records);
    if (last.sequence == 0)
        return;
    if (last.another || last.sequence < file->seen)
        file->seen = 0;
    *places = realloc(*places, (*count + records) * sizeof **places);
    ENSURE(*places != NULL);
    for (size_t i = 0; i < records; i++)
        if (flight_read(file->reader, i, &entry) && is_wanted(&entry, filter) &&
            (!filter->unseen || entry.sequence > file->seen))
            (*places)[(*count)++] = (struct place){entry.at_ns, entry.sequence, number, i};
    file->seen = last.sequence;
    file->seen_at_ns = last.at_ns;
}

static int by_time(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns ? -1 : 1;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

struct flight_found *flight_view_read(struct flight_view *view, const struct flight_filter *filter,
                                      size_t *count)
{
    CHECK_OBJECT(view, VIEW_MAGIC);
    struct place *places = NULL;
    size_t all = 0, from;
    open_files(view);
    for (size_t i = 0; i < view->count; i++)
        if (view->files[i].reader != NULL)
            find(&view->files[i], i, filter, &places, &all);
    if (all > 0)
        qsort(places, all, sizeof *places, by_time);
    from = filter->last > 0 && all > filter->last ? all - filter->last : 0;
    *count = all - from;
    struct flight_found *found = object_alloc((*count + 1) * sizeof *found);
    for (size_t i = 0; i < *count; i++) {
        const struct place *place = &places[from + i];
        found[i].process = view->files[place->file].name;
        found[i].file = place->file;
        ENSURE(flight_read(view->files[place->file].reader, place->index,
                           &found[i].entry)); /* of the same copy */
    }
    free(places);
    return found;
}

uint8_t *flight_view_payload(const struct flight_view *view, const struct flight_found *found)
{
    CHECK_OBJECT(view, VIEW_MAGIC);
    return flight_payload(view->files[found->file].reader, &found->entry);
}
