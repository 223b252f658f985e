/* predictions: two files of records of one size for each writing process.
 *
 * Records are only added, so a crash costs those that had not been written, and a reader needs no lock: it
 * reads what is there and comes back. When a file is full the other is emptied and goes on; so between half
 * and all of the configured number is there at any time, and the disk used is bounded. Writes are gathered: a
 * prediction costs copying 64 bytes, and one system call for some dozens.
 *
 *   record, 64 bytes, little-endian as all our machines are:
 *     0  kind (1), flags (1), version number (2), row (4)
 *     8  request      16 at_ms
 *     24 value | actual (ACTUAL)      32 probability | actual (JOINED)
 *     40 label | actual_label         48 positive | hash of what is allowed (ACTUAL)
 *     56 generation of the file
 *   a NAMES record: kind, part (1), version number, then 48 bytes of "model NUL version" from byte 8 on
 *   an ALLOWED record: kind, part (1), number, length of the whole (4), then 48 bytes of it
 *
 * In an ACTUAL record the version number is that of the models that who said it may use: 0, as in files from
 * before there was such a thing, for all. Such a number is given anew when there are too many; it is what the
 * file said last.
 *
 * The generation, a random number of each beginning of a file, stands in every record: whoever reads while
 * the file is begun anew sees at once that what he reads is of another one. SPDX-License-Identifier: MIT */
#include "predictions.h"

#include "fnv.h"

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
    READER_MAGIC = 0x09ed1c02,
    FILES = 2,
    GATHERED_MAX =
        256, /* records of one write: what a write costs beside its bytes is the dearest part of a record */
    RECORDS_MIN = 1024,  /* of one file: a reader comes once a second */
    READ_AHEAD = 1024,   /* records of one read */
    VERSIONS_MAX = 1024, /* that one file names; of more nothing is kept */
    ALLOWED_MAX = 64     /* lists of models that have a number at a time */
};
enum {
    PART_BYTES = 48,
    NAME_BYTES = 2 * (PROTOCOL_NAME_MAX + 1),
    NAME_PARTS_MAX = 6,
    ALLOWED_PARTS_MAX = 11
};
_Static_assert(PART_BYTES *NAME_PARTS_MAX >= NAME_BYTES, "two names fit");
_Static_assert(PART_BYTES *ALLOWED_PARTS_MAX >= PREDICTION_ALLOWED_MAX, "a list of models fits");
_Static_assert((int)ALLOWED_PARTS_MAX > (int)NAME_PARTS_MAX, "whoever has room for it has room for names");

struct record {
    uint8_t kind;
    uint8_t flags;    /* of NAMES and ALLOWED: the part */
    uint16_t version; /* number */
    uint32_t row;     /* of ALLOWED: the length of the whole */
    uint64_t request;
    int64_t at_ms;
    double first, second;
    uint64_t third, fourth;
    uint64_t generation;
};
_Static_assert(sizeof(struct record) == PREDICTION_BYTES, "no padding");

uint64_t prediction_request(struct text id)
{
    return fnv_of(id);
}

uint64_t prediction_label(struct text name)
{
    return fnv_of(name);
}

/* ---- writing ---- */

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
    predictions->allowed_count = predictions->allowed_next = 0;
}

/* Empties the file and begins it. */
static bool begin_file(struct predictions *predictions, unsigned which)
{
    char *path = path_of(predictions->base, which);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    int error = errno;
    free(path);
    if (predictions->fd != -1)
        close(predictions->fd);
    predictions->fd = fd;
    predictions->which = which;
    predictions->written = 0;
    forget_numbers(predictions);
    ENSURE(getrandom(&predictions->generation, sizeof predictions->generation, 0) ==
           sizeof predictions->generation);
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
static bool number_of(struct predictions *predictions, const struct prediction *prediction, uint16_t *number)
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

/* ---- reading ---- */

/* What the file says a number of an ACTUAL record means. */
struct allowed {
    char text[PART_BYTES * ALLOWED_PARTS_MAX];
    uint32_t length;
};

struct predictions_reader {
    unsigned magic;
    char *path;
    int fd;
    off_t offset;        /* of what is read next */
    bool begun;          /* something was read: */
    uint64_t generation; /* of the file so far */
    struct record ahead[READ_AHEAD];
    size_t at, count;
    char (*names)[PART_BYTES * NAME_PARTS_MAX]; /* VERSIONS_MAX of them; NULL: none yet */
    struct allowed *allowed;                    /* ALLOWED_MAX of them; NULL: none yet */
};

struct predictions_reader *predictions_reader_new(const char *path)
{
    struct predictions_reader *reader = object_alloc(sizeof *reader);
    reader->magic = READER_MAGIC;
    reader->path = object_strdup(path);
    reader->fd = -1;
    return reader;
}

void predictions_reader_free(struct predictions_reader *reader)
{
    if (reader == NULL)
        return;
    CHECK_OBJECT(reader, READER_MAGIC);
    if (reader->fd != -1)
        close(reader->fd);
    free(reader->path);
    free(reader->names);
    free(reader->allowed);
    reader->magic = 0;
    free(reader);
}

void predictions_rewind(struct predictions_reader *reader)
{
    CHECK_OBJECT(reader, READER_MAGIC);
    reader->offset = 0;
    reader->at = reader->count = 0;
    reader->begun = false;
}

static bool fill(struct predictions_reader *reader)
{
    struct stat found;
    if (reader->fd == -1)
        reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC);
    if (reader->fd == -1)
        return false;
    if (fstat(reader->fd, &found) == 0 && found.st_size < reader->offset)
        predictions_rewind(reader); /* it was emptied */
    ssize_t length = pread(reader->fd, reader->ahead, sizeof reader->ahead, reader->offset);
    reader->at = 0;
    reader->count = length < 0 ? 0 : (size_t)length / sizeof reader->ahead[0];
    return reader->count > 0;
}

static void keep_name(struct predictions_reader *reader, const struct record *record)
{
    if (record->version >= VERSIONS_MAX || record->flags >= NAME_PARTS_MAX)
        return;
    if (reader->names == NULL)
        reader->names = object_alloc(VERSIONS_MAX * sizeof *reader->names);
    memcpy(reader->names[record->version] + record->flags * PART_BYTES, (const char *)record + 8, PART_BYTES);
}

static void keep_allowed(struct predictions_reader *reader, const struct record *record)
{
    size_t number = record->version, part = record->flags;
    if (number == 0 || number > ALLOWED_MAX || record->row > PREDICTION_ALLOWED_MAX ||
        part * PART_BYTES >= record->row)
        return;
    if (reader->allowed == NULL)
        reader->allowed = object_alloc(ALLOWED_MAX * sizeof *reader->allowed);
    struct allowed *allowed = &reader->allowed[number - 1];
    allowed->length = record->row;
    memcpy(allowed->text + part * PART_BYTES, (const char *)record + 8, PART_BYTES);
}

/* False when a part of it was damaged: nobody can say what it allowed. */
static bool find_allowed(const struct predictions_reader *reader, const struct record *record,
                         struct prediction *prediction)
{
    size_t number = record->version;
    if (number == 0)
        return record->fourth == 0;
    if (reader->allowed == NULL || number > ALLOWED_MAX)
        return false;
    const struct allowed *allowed = &reader->allowed[number - 1];
    prediction->allowed = (struct text){allowed->text, allowed->length};
    return record->fourth == fnv_of(prediction->allowed);
}

static bool find_names(const struct predictions_reader *reader, const struct record *record,
                       struct prediction *prediction)
{
    if (reader->names == NULL || record->version >= VERSIONS_MAX)
        return false;
    const char *names = reader->names[record->version];
    size_t bytes = sizeof reader->names[0], length = strnlen(names, bytes);
    if (length == 0 || length >= bytes - 1)
        return false;
    prediction->model = (struct text){names, length};
    prediction->version = (struct text){names + length + 1, strnlen(names + length + 1, bytes - length - 1)};
    return protocol_name_ok(prediction->model) && protocol_name_ok(prediction->version);
}

/* False for what is no record of ours. */
static bool understand(const struct predictions_reader *reader, const struct record *record,
                       struct prediction *prediction)
{
    *prediction = (struct prediction){.kind = (enum prediction_kind)record->kind,
                                      .flags = record->flags,
                                      .request = record->request,
                                      .row = record->row,
                                      .at_ms = record->at_ms,
                                      .value = record->first,
                                      .probability = record->second,
                                      .label = record->third,
                                      .positive = record->fourth};
    switch (record->kind) {
    case PREDICTION_ANSWERED:
        return find_names(reader, record, prediction);
    case PREDICTION_ACTUAL:
        prediction->actual = record->first;
        prediction->actual_label = record->third;
        return find_allowed(reader, record, prediction);
    case PREDICTION_JOINED:
        memcpy(&prediction->actual, &record->third, sizeof prediction->actual);
        return find_names(reader, record, prediction);
    default:
        return false;
    }
}

/* True when the file was emptied, and has grown beyond where we were: then it is read from its beginning. */
static bool begun_anew(struct predictions_reader *reader)
{
    struct record first;
    if (pread(reader->fd, &first, sizeof first, 0) != (ssize_t)sizeof first ||
        first.generation == reader->generation)
        return false;
    predictions_rewind(reader);
    return true;
}

static void forget_meanings(struct predictions_reader *reader)
{
    if (reader->names != NULL)
        memset(reader->names, 0, VERSIONS_MAX * sizeof *reader->names);
    if (reader->allowed != NULL)
        memset(reader->allowed, 0, ALLOWED_MAX * sizeof *reader->allowed);
}

/* The next record as it stands; NULL: there is none. */
static const struct record *next_record(struct predictions_reader *reader)
{
    if (reader->at == reader->count && !fill(reader))
        return NULL;
    const struct record *record = &reader->ahead[reader->at];
    bool other = reader->begun && record->generation != reader->generation;
    if (other && begun_anew(reader))
        return fill(reader) ? next_record(reader) : NULL;
    if (!reader->begun) {
        reader->begun = true;
        reader->generation = record->generation;
        forget_meanings(reader);
    }
    reader->at++;
    reader->offset += (off_t)sizeof *record;
    return record;
}

bool predictions_read(struct predictions_reader *reader, struct prediction *prediction)
{
    CHECK_OBJECT(reader, READER_MAGIC);
    const struct record *record;
    while ((record = next_record(reader)) != NULL) {
        if (record->generation != reader->generation)
            continue; /* damaged */
        if (record->kind == PREDICTION_NAMES)
            keep_name(reader, record);
        else if (record->kind == PREDICTION_ALLOWED)
            keep_allowed(reader, record);
        else if (understand(reader, record, prediction))
            return true;
    }
    return false;
}
