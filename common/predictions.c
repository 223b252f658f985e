/* predictions: two files of records of one size (predictions_record.h) for each writing process.
 *
 * Records are only added, so a crash costs those that had not been written, and a reader needs no lock: it
 * reads what is there and comes back. When a file is full the other is emptied and goes on; so between half
 * and all of the configured number is there at any time, and the disk used is bounded. Writes are gathered: a
 * prediction costs copying 64 bytes, and one system call for some dozens.
 *
 * A file that is begun anew is never quite empty: of one that was, ext4 writes all that came after to the
 * disk when it is closed, in the time of who closes it, and that of the disk. Left alone the kernel writes
 * each page every half a minute, and of two files that were full within that most pages never.
 * SPDX-License-Identifier: MIT */
#include "predictions.h"

#include "fnv.h"
#include "predictions_record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PREDICTIONS_MAGIC = 0x09ed1c01,
    FILES = 2,
    GATHERED_MAX =
        256, /* records of one write: what a write costs beside its bytes is the dearest part of a record */
    RECORDS_MIN = 1024 /* of one file: a reader comes once a second */
};

uint64_t prediction_request(struct text id)
{
    return fnv_of(id);
}

uint64_t prediction_label(struct text name)
{
    return fnv_of(name);
}

struct predictions {
    unsigned magic;
    pthread_mutex_t lock;
    char *base; /* DIRECTORY/PROCESS */
    int fd;     /* of the file that is written; -1: it could not be opened */
    unsigned which;
    size_t records_each;
    size_t written; /* records in the file */
    uint64_t generation;
    uint64_t versions[VERSIONS_MAX]; /* hashes of those that the file names */
    size_t version_count;
    struct {
        bool known;
        uint16_t number;
        char model[PROTOCOL_NAME_MAX + 1], version[PROTOCOL_NAME_MAX + 1];
    } last;                                                /* the one that was written of last */
    char allowed[ALLOWED_MAX][PREDICTION_ALLOWED_MAX + 1]; /* number 1 first */
    size_t allowed_count, allowed_next;                    /* how many have a number; who is given one next */
    struct record gathered[GATHERED_MAX];
    size_t gathered_count;
};

static char *path_of(const char *base, unsigned which)
{
    char *path;
    ENSURE(asprintf(&path, "%s.%u", base, which) != -1);
    return path;
}

/* What has a number in the file is told again. */
static void forget_numbers(struct predictions *predictions)
{
    predictions->version_count = 0;
    predictions->last.known = false;
    predictions->allowed_count = predictions->allowed_next = 0;
}

/* The file, with nothing in it but a record that says so, or nothing at all when the disk is full; -1 with
 * errno. */
static int open_anew(const char *base, unsigned which, uint64_t generation)
{
    const struct record nothing = {.generation = generation};
    char *path = path_of(base, which);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), error = errno;
    free(path);
    if (fd != -1) {
        bool begun = pwrite(fd, &nothing, sizeof nothing, 0) == (ssize_t)sizeof nothing;
        if (ftruncate(fd, begun ? (off_t)sizeof nothing : 0) == 0)
            return fd;
        error = errno;
        close(fd);
    }
    errno = error;
    return -1;
}

/* Begins the file, whatever was in it. */
static bool begin_file(struct predictions *predictions, unsigned which)
{
    ENSURE(getrandom(&predictions->generation, sizeof predictions->generation, 0) ==
           sizeof predictions->generation);
    int fd = open_anew(predictions->base, which, predictions->generation), error = errno;
    if (predictions->fd != -1)
        close(predictions->fd);
    predictions->fd = fd;
    predictions->which = which;
    predictions->written = 1;
    forget_numbers(predictions);
    errno = error;
    return fd != -1;
}

static bool is_newer(const struct stat *one, const struct stat *other)
{
    const struct timespec *left = &one->st_mtim, *right = &other->st_mtim;
    if (left->tv_sec != right->tv_sec)
        return left->tv_sec > right->tv_sec;
    if (left->tv_nsec != right->tv_nsec)
        return left->tv_nsec > right->tv_nsec;
    return one->st_size < other->st_size; /* in one tick of the clock: the other is full */
}

/* The file that was written last is kept; the other, older one is begun anew. */
static unsigned older_of(const char *base)
{
    struct stat found[FILES] = {0};
    for (unsigned i = 0; i < FILES; i++) {
        char *path = path_of(base, i);
        if (stat(path, &found[i]) != 0)
            found[i] = (struct stat){0};
        free(path);
    }
    return is_newer(&found[0], &found[1]);
}

struct predictions *predictions_new(const char *directory, const char *process, size_t records)
{
    struct predictions *predictions = object_alloc(sizeof *predictions);
    predictions->magic = PREDICTIONS_MAGIC;
    predictions->fd = -1;
    predictions->records_each = records / FILES < RECORDS_MIN ? RECORDS_MIN : records / FILES;
    ENSURE(asprintf(&predictions->base, "%s/%s", directory, process) != -1);
    ENSURE(pthread_mutex_init(&predictions->lock, NULL) == 0);
    if (begin_file(predictions, older_of(predictions->base)))
        return predictions;
    int error = errno;
    predictions_free(predictions);
    errno = error;
    return NULL;
}

/* What is cut off in the middle of a record would shift all that follow. */
static bool write_whole(int fd, const void *bytes, size_t length)
{
    off_t before = lseek(fd, 0, SEEK_END);
    if (write(fd, bytes, length) == (ssize_t)length)
        return true;
    return before != -1 && ftruncate(fd, before) == 0 && false;
}

static bool flush(struct predictions *predictions)
{
    size_t count = predictions->gathered_count;
    predictions->gathered_count = 0;
    if (count == 0)
        return true;
    if (predictions->fd == -1) { /* what has gathered says that it is of another file */
        begin_file(predictions, predictions->which);
        return false;
    }
    if (!write_whole(predictions->fd, predictions->gathered, count * sizeof predictions->gathered[0])) {
        forget_numbers(predictions); /* what they are may be among what was lost */
        return false;
    }
    predictions->written += count;
    return predictions->written + GATHERED_MAX <= predictions->records_each ||
           begin_file(predictions, !predictions->which);
}

/* There is room for it. */
static void add_record(struct predictions *predictions, struct record record)
{
    ENSURE(predictions->gathered_count < GATHERED_MAX);
    record.generation = predictions->generation;
    predictions->gathered[predictions->gathered_count++] = record;
}

static void add_parts(struct predictions *predictions, enum prediction_kind kind, uint16_t number,
                      const char *bytes, size_t length)
{
    for (size_t part = 0; part * PART_BYTES < length; part++) {
        struct record record = {
            .kind = (uint8_t)kind, .flags = (uint8_t)part, .version = number, .row = (uint32_t)length};
        size_t rest = length - part * PART_BYTES;
        memcpy((char *)&record + 8, bytes + part * PART_BYTES, rest < PART_BYTES ? rest : PART_BYTES);
        add_record(predictions, record);
    }
}

static void name_version(struct predictions *predictions, const struct prediction *prediction,
                         uint16_t number)
{
    char names[NAME_BYTES] = {0};
    size_t length = prediction->model.length + 1 + prediction->version.length;
    memcpy(names, prediction->model.at, prediction->model.length);
    memcpy(names + prediction->model.length + 1, prediction->version.at, prediction->version.length);
    add_parts(predictions, PREDICTION_NAMES, number, names, length + 1);
}

/* The number by which the file calls the version, which it is told first; false: it has too many. */
static bool find_number(struct predictions *predictions, const struct prediction *prediction,
                        uint16_t *number)
{
    uint64_t key = fnv_add(fnv_of(prediction->model), prediction->version.at, prediction->version.length);
    size_t i = 0;
    while (i < predictions->version_count && predictions->versions[i] != key)
        i++;
    if (i == VERSIONS_MAX)
        return false;
    *number = (uint16_t)i;
    if (i < predictions->version_count)
        return true;
    predictions->versions[predictions->version_count++] = key;
    name_version(predictions, prediction, *number);
    return true;
}

/* Likewise; most are of the version that the one before was of. */
static bool number_of(struct predictions *predictions, const struct prediction *prediction, uint16_t *number)
{
    if (predictions->last.known && text_is(prediction->model, predictions->last.model) &&
        text_is(prediction->version, predictions->last.version)) {
        *number = predictions->last.number;
        return true;
    }
    if (!find_number(predictions, prediction, number))
        return false;
    text_copy(prediction->model, predictions->last.model, sizeof predictions->last.model);
    text_copy(prediction->version, predictions->last.version, sizeof predictions->last.version);
    predictions->last.number = *number;
    predictions->last.known = true;
    return true;
}

/* The number by which the file calls this list of models; false: it is longer than lists are. */
static bool number_of_allowed(struct predictions *predictions, struct text allowed, uint16_t *number)
{
    size_t i = 0;
    *number = 0;
    if (allowed.length == 0)
        return true;
    if (allowed.length > PREDICTION_ALLOWED_MAX)
        return false;
    while (i < predictions->allowed_count && !text_is(allowed, predictions->allowed[i]))
        i++;
    *number = (uint16_t)(i + 1);
    if (i < predictions->allowed_count)
        return true;
    i = predictions->allowed_next;
    predictions->allowed_next = (i + 1) % ALLOWED_MAX;
    if (predictions->allowed_count < ALLOWED_MAX)
        predictions->allowed_count++;
    *number = (uint16_t)(i + 1);
    text_copy(allowed, predictions->allowed[i], sizeof predictions->allowed[i]);
    add_parts(predictions, PREDICTION_ALLOWED, *number, allowed.at, allowed.length);
    return true;
}

static struct record record_of(const struct prediction *prediction)
{
    struct record record = {.kind = (uint8_t)prediction->kind,
                            .flags = (uint8_t)prediction->flags,
                            .row = prediction->row,
                            .request = prediction->request,
                            .at_ms = prediction->at_ms,
                            .first = prediction->value,
                            .second = prediction->probability,
                            .third = prediction->label,
                            .fourth = prediction->positive};
    if (prediction->kind == PREDICTION_ACTUAL) {
        record.first = prediction->actual;
        record.third = prediction->actual_label;
        record.fourth = prediction->allowed.length == 0 ? 0 : fnv_of(prediction->allowed);
    } else if (prediction->kind == PREDICTION_JOINED) {
        /* Right or wrong is a flag; of the numbers those that the figures are made of are kept. */
        memcpy(&record.third, &prediction->actual, sizeof record.third);
        record.fourth = 0;
    }
    return record;
}

/* As many as the rest of what gathers has room for, or all; *taken says how many. What their number means
 * stands in the same file, before them. */
static bool add_some(struct predictions *predictions, const struct prediction *list, size_t count,
                     size_t *taken)
{
    uint16_t number = 0;
    bool good = predictions->gathered_count + ALLOWED_PARTS_MAX < GATHERED_MAX || flush(predictions);
    if (list->kind == PREDICTION_ACTUAL)
        good = number_of_allowed(predictions, list->allowed, &number) && good;
    else
        good = number_of(predictions, list, &number) && good;
    size_t room = GATHERED_MAX - predictions->gathered_count;
    *taken = count < room ? count : room;
    for (size_t i = 0; good && i < *taken; i++) {
        struct record record = record_of(&list[i]);
        record.version = number;
        add_record(predictions, record);
    }
    return good;
}

bool predictions_add(struct predictions *predictions, const struct prediction *list, size_t count)
{
    CHECK_OBJECT(predictions, PREDICTIONS_MAGIC);
    bool good = true;
    pthread_mutex_lock(&predictions->lock);
    for (size_t taken; count > 0; list += taken, count -= taken)
        good = add_some(predictions, list, count, &taken) && good;
    pthread_mutex_unlock(&predictions->lock);
    return good;
}

bool predictions_flush(struct predictions *predictions)
{
    CHECK_OBJECT(predictions, PREDICTIONS_MAGIC);
    pthread_mutex_lock(&predictions->lock);
    bool good = flush(predictions);
    pthread_mutex_unlock(&predictions->lock);
    return good;
}

void predictions_free(struct predictions *predictions)
{
    if (predictions == NULL)
        return;
    CHECK_OBJECT(predictions, PREDICTIONS_MAGIC);
    flush(predictions);
    if (predictions->fd != -1)
        close(predictions->fd);
    pthread_mutex_destroy(&predictions->lock);
    free(predictions->base);
    predictions->magic = 0;
    free(predictions);
}
