/* quarantine: writes what killed workers to files of its own, for `outrigger replay` and for whoever mends
 * the engine.
 *
 * losing.c hands over a request that it refuses for good. The writing is done by a thread, since an fsync
 * takes as long as the disk likes, up to seconds, and the broker's loop must not wait for it. The thread is
 * the only one that touches the files; between the two stands a short list, bounded like the quarantine
 * itself. A file appears whole or not at all: written under another name, synced, renamed. When there is no
 * room the oldest go. SPDX-License-Identifier: MIT */
#include "quarantine.h"

#include "clock.h"
#include "log.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

enum {
    QUARANTINE_MAGIC = 0x0904a401,
    WAITING_MAX = 64, /* requests that may wait for the thread; each has cost several workers, so few come */
    FILES_MAX = 4096, /* more small files than that are no help to anybody, and slow to list */
    NAME_BYTES = 64
};

#define UNFINISHED_SUFFIX ".new"

/* One request on its way to a file. */
struct kept {
    char *model, *version, *tag, *cause;
    struct quarantined record; /* with views of these */
    struct payload payload;
    size_t bytes;
    struct kept *prev, *next;
};

struct quarantine {
    unsigned magic;
    char *directory;
    uint64_t max_bytes;
    pthread_t thread;
    uint64_t last_stamp; /* of a file's name, microseconds since 1970; the thread's own */

    pthread_mutex_t mutex; /* of all that follows */
    pthread_cond_t changed;
    struct kept *waiting; /* oldest first */
    size_t waiting_count;
    uint64_t waiting_bytes;
    struct quarantine_counts counts;
    bool stopping;
};

/* ---- what waits ---- */

static char *copy(struct text *text)
{
    char *string = object_alloc(text->length + 1);
    text_copy(*text, string, text->length + 1);
    *text = (struct text){string, text->length};
    return string;
}

static struct kept *kept_new(const struct quarantined *record, struct payload *payload, size_t bytes)
{
    struct kept *kept = object_alloc(sizeof *kept);
    kept->record = *record;
    kept->model = copy(&kept->record.model);
    kept->version = copy(&kept->record.version);
    kept->tag = copy(&kept->record.tag);
    kept->cause = copy(&kept->record.cause);
    kept->bytes = bytes;
    payload_move(&kept->payload, payload);
    kept->record.payload = payload_bytes(&kept->payload);
    return kept;
}

static void kept_free(struct kept *kept)
{
    payload_close(&kept->payload);
    free(kept->model);
    free(kept->version);
    free(kept->tag);
    free(kept->cause);
    free(kept);
}

/* ---- the files; errno tells what went wrong ---- */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);
    return length > end && strcmp(name + length - end, suffix) == 0;
}

static int is_kept(const struct dirent *entry)
{
    return has_suffix(entry->d_name, QUARANTINE_SUFFIX);
}

static int is_unfinished(const struct dirent *entry)
{
    return has_suffix(entry->d_name, QUARANTINE_SUFFIX UNFINISHED_SUFFIX);
}

/* Removes the oldest files until `bytes` more have room. */
static void make_room(int directory, uint64_t bytes, uint64_t max_bytes)
{
    struct dirent **entries;
    uint64_t total = bytes;
    int count = scandirat(directory, ".", &entries, is_kept, alphasort);
    if (count < 0)
        return;                     /* the write that follows says what is wrong here */
    for (int i = count; i-- > 0;) { /* from the youngest to the oldest */
        struct stat status = {0};
        if (fstatat(directory, entries[i]->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            total += (uint64_t)status.st_size;
        if (total > max_bytes || count - i >= FILES_MAX)
            unlinkat(directory, entries[i]->d_name, 0);
        free(entries[i]);
    }
    free(entries);
}

/* What a broker that was killed while it wrote has left. */
static void remove_unfinished(int directory)
{
    struct dirent **entries;
    int count = scandirat(directory, ".", &entries, is_unfinished, alphasort);
    for (int i = 0; i < count; i++) {
        unlinkat(directory, entries[i]->d_name, 0);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static int open_directory(const struct quarantine *quarantine)
{
    if (process_make_directory(quarantine->directory, 0700) != 0)
        return -1;
    return open(quarantine->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return fsync(fd) == 0;
}

/* Writes `name` whole, or leaves nothing. */
static bool write_file(int directory, const char *name, const uint8_t *bytes, size_t length)
{
    char unfinished[NAME_BYTES + sizeof UNFINISHED_SUFFIX];
    snprintf(unfinished, sizeof unfinished, "%s" UNFINISHED_SUFFIX, name);
    int fd = openat(directory, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = write_all(fd, bytes, length);
    int error = errno;
    close(fd);
    if (good && renameat(directory, unfinished, directory, name) == 0)
        return fsync(directory) == 0;
    error = good ? errno : error;
    unlinkat(directory, unfinished, 0);
    errno = error;
    return false;
}

/* Names sort by age, also when the clock was set back while we run. */
static void make_name(struct quarantine *quarantine, char name[NAME_BYTES])
{
    uint64_t stamp = (uint64_t)(clock_wall() / MICROSECOND);
    if (stamp <= quarantine->last_stamp)
        stamp = quarantine->last_stamp + 1;
    quarantine->last_stamp = stamp;
    time_t seconds = (time_t)(stamp / 1000000);
    struct tm utc;
    char date[32];
    gmtime_r(&seconds, &utc);
    strftime(date, sizeof date, "%Y%m%dT%H%M%S", &utc);
    snprintf(name, NAME_BYTES, "%s.%06uZ" QUARANTINE_SUFFIX, date, (unsigned)(stamp % 1000000));
}

static bool store(struct quarantine *quarantine, const struct kept *kept)
{
    char name[NAME_BYTES];
    int directory = open_directory(quarantine);
    size_t capacity = quarantined_bound(&kept->record);
    uint8_t *bytes = object_alloc(capacity);
    size_t length = quarantined_encode(&kept->record, bytes, capacity);
    ENSURE(length > 0);
    make_name(quarantine, name);
    if (directory >= 0)
        make_room(directory, length, quarantine->max_bytes);
    bool good = directory >= 0 && write_file(directory, name, bytes, length);
    if (good)
        log_write(LOG_WARNING, kept->tag, "%s %s: a request that workers died of is kept as %s/%s",
                  kept->model, kept->version, quarantine->directory, name);
    else
        log_write(LOG_ERROR, kept->tag, "%s %s: a request that workers died of cannot be kept in %s: %s",
                  kept->model, kept->version, quarantine->directory, strerror(errno));
    if (directory >= 0)
        close(directory);
    free(bytes);
    return good;
}

/* ---- the thread ---- */

/* The next one to write, still on the list so that it counts as waiting; NULL: stop. */
static struct kept *next_waiting(struct quarantine *quarantine)
{
    while (quarantine->waiting == NULL && !quarantine->stopping)
        pthread_cond_wait(&quarantine->changed, &quarantine->mutex);
    return quarantine->waiting;
}

static void *write_what_comes(void *self)
{
    struct quarantine *quarantine = self;
    int directory = open(quarantine->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0) {
        remove_unfinished(directory);
        close(directory);
    }
    struct kept *kept;
    pthread_mutex_lock(&quarantine->mutex);
    while ((kept = next_waiting(quarantine)) != NULL) {
        pthread_mutex_unlock(&quarantine->mutex);
        bool good = store(quarantine, kept);
        pthread_mutex_lock(&quarantine->mutex);
        DL_DELETE(quarantine->waiting, kept);
        quarantine->waiting_count--;
        quarantine->waiting_bytes -= kept->bytes;
        quarantine->counts.kept += good;
        quarantine->counts.failed += !good;
        kept_free(kept);
    }
    pthread_mutex_unlock(&quarantine->mutex);
    return NULL;
}

/* ---- the broker's side ---- */

struct quarantine *quarantine_new(const struct config *config)
{
    if (config->broker_max_quarantine_bytes == 0)
        return NULL;
    struct quarantine *quarantine = object_alloc(sizeof *quarantine);
    quarantine->magic = QUARANTINE_MAGIC;
    quarantine->max_bytes = (uint64_t)config->broker_max_quarantine_bytes;
    ENSURE(asprintf(&quarantine->directory, "%s/" QUARANTINE_FOLDER, config->state_directory) >= 0);
    pthread_mutex_init(&quarantine->mutex, NULL);
    pthread_cond_init(&quarantine->changed, NULL);
    int error = pthread_create(&quarantine->thread, NULL, write_what_comes, quarantine);
    if (error == 0)
        return quarantine;
    log_error("requests that workers die of are not kept: %s", strerror(error));
    free(quarantine->directory);
    free(quarantine);
    return NULL;
}

void quarantine_free(struct quarantine *quarantine)
{
    if (quarantine == NULL)
        return;
    CHECK_OBJECT(quarantine, QUARANTINE_MAGIC);
    pthread_mutex_lock(&quarantine->mutex);
    quarantine->stopping = true;
    pthread_cond_signal(&quarantine->changed);
    pthread_mutex_unlock(&quarantine->mutex);
    pthread_join(quarantine->thread, NULL);
    pthread_cond_destroy(&quarantine->changed);
    pthread_mutex_destroy(&quarantine->mutex);
    free(quarantine->directory);
    quarantine->magic = 0;
    free(quarantine);
}

void quarantine_keep(struct quarantine *quarantine, const struct quarantined *record, struct payload *payload)
{
    if (quarantine == NULL)
        return;
    CHECK_OBJECT(quarantine, QUARANTINE_MAGIC);
    struct quarantined whole = *record;
    whole.payload = payload_bytes(payload);
    size_t bytes = quarantined_bound(&whole);
    pthread_mutex_lock(&quarantine->mutex);
    bool room =
        quarantine->waiting_count < WAITING_MAX && quarantine->waiting_bytes + bytes <= quarantine->max_bytes;
    if (room) {
        struct kept *kept = kept_new(record, payload, bytes);
        DL_APPEND(quarantine->waiting, kept);
        quarantine->waiting_count++;
        quarantine->waiting_bytes += bytes;
        pthread_cond_signal(&quarantine->changed);
    } else {
        quarantine->counts.dropped++;
    }
    pthread_mutex_unlock(&quarantine->mutex);
    if (!room)
        log_error("a request of %zu bytes that workers died of is not kept: no room", whole.payload.length);
}

struct quarantine_counts quarantine_counts(struct quarantine *quarantine)
{
    if (quarantine == NULL)
        return (struct quarantine_counts){0};
    CHECK_OBJECT(quarantine, QUARANTINE_MAGIC);
    pthread_mutex_lock(&quarantine->mutex);
    struct quarantine_counts counts = quarantine->counts;
    pthread_mutex_unlock(&quarantine->mutex);
    return counts;
}
