/* log_file: one file for the lines of all processes, which reach us through the pipes of their stderr
 * (last_words.c), and of our own. The supervisor's main.c makes it; report.c publishes what became of bytes.
 *
 * A disk may be slow, and the loop that watches processes must not wait for it: so lines are gathered in
 * memory, and a thread writes them. When there are more than it can write they are lost, and counted; when
 * the file cannot be written, as on a full disk, they go to the stderr that we were started with, and each
 * time the file is tried first. A file that grew is put aside by renaming; where that is refused it grows on,
 * and it is said. One that somebody else has renamed or removed, as logrotate does, is left alone, and a new
 * one is begun within a second; one that somebody has cut (copytruncate) is as short as it is.
 * SPDX-License-Identifier: MIT */
#include "log_file.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOG_FILE_MAGIC = 0x10f11e01,
    BUFFER_BYTES = 1 << 20, /* that wait to be written; as many are being written */
    PATIENCE_MS = 100,      /* for a stderr that is full */
    MODE = 0640             /* who is of the group may read it, as who collects logs is */
};
#define ASIDE_AGAIN (60 * SECOND) /* it was refused: until it is tried again */

struct log_file {
    unsigned magic;
    char *path;
    int64_t most;
    int64_t keep;
    int error_fd;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows, up to the counters */
    pthread_cond_t came;
    char *gathered;
    size_t length;
    bool stopping;
    uint64_t written, unwritten, lost; /* atomic */
    uint64_t told[3];
    /* The thread's own. */
    int fd; /* -1: it is not open */
    int64_t size;
    int64_t looked_at;
    int64_t aside_at; /* not before then; 0: at any time */
    char *writing;
};

static void count(uint64_t *counter, size_t bytes)
{
    __atomic_add_fetch(counter, bytes, __ATOMIC_RELAXED);
}

/* ---- the file ---- */

static void measure(struct log_file *file)
{
    struct stat status;
    file->size = file->fd != -1 && fstat(file->fd, &status) == 0 ? status.st_size : 0;
}

/* One that is there keeps its mode; ours must not depend on the umask, which is for what nobody may read. */
static void open_file(struct log_file *file)
{
    const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
    file->fd = open(file->path, flags | O_CREAT | O_EXCL, MODE);
    if (file->fd != -1)
        (void)fchmod(file->fd, MODE);
    else if (errno == EEXIST)
        file->fd = open(file->path, flags);
    measure(file);
}

static void close_file(struct log_file *file)
{
    if (file->fd != -1)
        close(file->fd);
    file->fd = -1;
}

/* FILE.number; FILE itself for 0. The caller frees. */
static char *numbered(const struct log_file *file, int64_t number)
{
    char *path;
    ENSURE((number == 0 ? asprintf(&path, "%s", file->path)
                        : asprintf(&path, "%s.%" PRId64, file->path, number)) >= 0);
    return path;
}

/* Renames FILE.number - 1. False when that is refused; that it is not there is fine. */
static bool shift(const struct log_file *file, int64_t number)
{
    char *from = numbered(file, number - 1), *to = numbered(file, number);
    bool good = rename(from, to) == 0 || errno == ENOENT;
    if (!good)
        log_error("log.file: %s cannot become %s: %s; it grows beyond log.max_bytes", from, to,
                  strerror(errno));
    free(from);
    free(to);
    return good;
}

static bool drop_file(const struct log_file *file)
{
    bool good = unlink(file->path) == 0 || errno == ENOENT;
    if (!good)
        log_error("log.file: %s cannot be removed: %s; it grows beyond log.max_bytes", file->path,
                  strerror(errno));
    return good;
}

/* FILE.4 becomes FILE.5, ..., FILE becomes FILE.1; the oldest goes. The first that cannot be renamed ends it:
 * what would come in its place is kept. */
static void put_aside(struct log_file *file)
{
    if (clock_now() < file->aside_at)
        return;
    close_file(file);
    bool good = file->keep > 0 || drop_file(file);
    for (int64_t number = file->keep; number > 0 && good; number--)
        good = shift(file, number);
    file->aside_at = good ? 0 : clock_now() + ASIDE_AGAIN;
}

/* Whether so many bytes more are too many, for one that is as long as we think: somebody may have cut it. */
static bool is_too_long(struct log_file *file, size_t length)
{
    if (file->fd == -1 || file->size + (int64_t)length <= file->most)
        return false;
    measure(file);
    return file->size > 0 && file->size + (int64_t)length > file->most;
}

/* Takes back the last bytes, which are no whole line. False when that is refused. */
static bool take_back(struct log_file *file, size_t bytes)
{
    measure(file);
    return file->size < (int64_t)bytes || ftruncate(file->fd, file->size - (int64_t)bytes) == 0;
}

/* At most once a second: is it still the file of that name? */
static void look(struct log_file *file)
{
    struct stat named, ours;
    int64_t now = clock_now();
    if (file->fd == -1 || now - file->looked_at < SECOND)
        return;
    file->looked_at = now;
    if (stat(file->path, &named) != 0 || fstat(file->fd, &ours) != 0 || named.st_dev != ours.st_dev ||
        named.st_ino != ours.st_ino)
        close_file(file);
}

/* All of the bytes, or none: what was written of them is taken back. */
static bool append(struct log_file *file, const char *bytes, size_t length)
{
    size_t done = 0;
    look(file);
    if (is_too_long(file, length))
        put_aside(file);
    if (file->fd == -1)
        open_file(file);
    while (file->fd != -1 && done < length) {
        ssize_t written = write(file->fd, bytes + done, length - done);
        if (written > 0)
            done += (size_t)written;
        else if (written == 0 || errno != EINTR)
            break;
    }
    if (file->fd != -1 && done == length) {
        file->size += (int64_t)length;
        return true;
    }
    if (file->fd != -1 && done > 0 && !take_back(file, done))
        put_aside(file); /* nothing shall go on where a line is torn */
    close_file(file);    /* it may be another that can be written, by the next time */
    return false;
}

/* ---- the thread ---- */

static void write_to_stderr(struct log_file *file, const char *bytes, size_t length)
{
    while (length > 0) {
        struct pollfd out = {.fd = file->error_fd, .events = POLLOUT};
        if (poll(&out, 1, PATIENCE_MS) != 1 || (out.revents & POLLOUT) == 0)
            break;
        ssize_t written = write(file->error_fd, bytes, length < PIPE_BUF ? length : PIPE_BUF);
        if (written <= 0)
            break;
        bytes += written;
        length -= (size_t)written;
        count(&file->unwritten, (size_t)written);
    }
    count(&file->lost, length);
}

/* As many of them, in whole lines, as a file may have at once; all when there is no such place. */
static size_t piece_of(const struct log_file *file, const char *bytes, size_t length)
{
    size_t most = (size_t)file->most / 2;
    if (length <= most)
        return length;
    const char *end = memrchr(bytes, '\n', most);
    return end == NULL ? most : (size_t)(end - bytes) + 1;
}

static void write_all(struct log_file *file, const char *bytes, size_t length)
{
    while (length > 0) {
        size_t piece = piece_of(file, bytes, length);
        if (append(file, bytes, piece))
            count(&file->written, piece);
        else
            write_to_stderr(file, bytes, piece);
        bytes += piece;
        length -= piece;
    }
}

/* What has been gathered; false at the end, when there is nothing any more. */
static bool take(struct log_file *file, size_t *length)
{
    pthread_mutex_lock(&file->mutex);
    while (file->length == 0 && !file->stopping)
        pthread_cond_wait(&file->came, &file->mutex);
    char *taken = file->gathered;
    file->gathered = file->writing;
    file->writing = taken;
    *length = file->length;
    file->length = 0;
    pthread_mutex_unlock(&file->mutex);
    return *length > 0;
}

static void *run(void *self)
{
    struct log_file *file = self;
    size_t length;
    pthread_setname_np(pthread_self(), "log");
    while (take(file, &length))
        write_all(file, file->writing, length);
    return NULL;
}

/* A log_sink. */
static void gather(void *self, const char *bytes, size_t length)
{
    struct log_file *file = self;
    pthread_mutex_lock(&file->mutex);
    bool room = BUFFER_BYTES - file->length >= length;
    if (room) {
        memcpy(file->gathered + file->length, bytes, length);
        file->length += length;
        pthread_cond_signal(&file->came);
    }
    pthread_mutex_unlock(&file->mutex);
    if (!room)
        count(&file->lost, length);
}

/* ---- life ---- */

struct log_file *log_file_new(const struct config *config, int error_fd)
{
    if (*config->log_file == '\0')
        return NULL;
    struct log_file *file = object_alloc(sizeof *file);
    file->magic = LOG_FILE_MAGIC;
    file->path = object_strdup(config->log_file);
    file->most = config->log_max_bytes;
    file->keep = config->log_keep;
    file->error_fd = error_fd;
    file->gathered = object_alloc(BUFFER_BYTES);
    file->writing = object_alloc(BUFFER_BYTES);
    pthread_mutex_init(&file->mutex, NULL);
    pthread_cond_init(&file->came, NULL);
    open_file(file);
    if (file->fd == -1)
        log_error("log.file: %s: %s; lines go to stderr until it can be written", file->path,
                  strerror(errno));
    int error = pthread_create(&file->thread, NULL, run, file);
    if (error == 0) {
        log_divert(gather, file);
        return file;
    }
    log_error("log.file: no thread writes it: %s", strerror(error));
    file->magic = 0;
    close_file(file);
    free(file->gathered);
    free(file->writing);
    free(file->path);
    free(file);
    return NULL;
}

void log_file_free(struct log_file *file)
{
    if (file == NULL)
        return;
    CHECK_OBJECT(file, LOG_FILE_MAGIC);
    pthread_mutex_lock(&file->mutex);
    file->stopping = true;
    pthread_cond_signal(&file->came);
    pthread_mutex_unlock(&file->mutex);
    pthread_join(file->thread, NULL); /* which may have something to say, too */
    log_divert(NULL, NULL);
    write_all(file, file->gathered, file->length);
    close_file(file);
    pthread_cond_destroy(&file->came);
    pthread_mutex_destroy(&file->mutex);
    free(file->gathered);
    free(file->writing);
    free(file->path);
    file->magic = 0;
    free(file);
}

void log_file_measure(struct log_file *file, struct metrics *metrics)
{
    static const char *const labels[] = {"written", "unwritten", "lost"};
    if (file == NULL)
        return;
    CHECK_OBJECT(file, LOG_FILE_MAGIC);
    const uint64_t now[] = {__atomic_load_n(&file->written, __ATOMIC_RELAXED),
                            __atomic_load_n(&file->unwritten, __ATOMIC_RELAXED),
                            __atomic_load_n(&file->lost, __ATOMIC_RELAXED)};
    for (size_t i = 0; i < COUNT_OF(labels); i++) {
        series_add(metrics_series(metrics, METRIC_LOG_BYTES, labels[i], NULL, NULL), now[i] - file->told[i]);
        file->told[i] = now[i];
    }
}
