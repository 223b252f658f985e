/* predictions_reader: reads a file of predictions.c from its beginning or from where it was left, beside its
 * writer, and passes over what is damaged. Called by the collector's truth.c, once a second, for all that
 * frontends write: so what nobody waits for is passed over, too, with a look at its kind.
 * SPDX-License-Identifier: MIT */
#include "predictions.h"

#include "fnv.h"
#include "predictions_record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    READER_MAGIC = 0x09ed1c02,
    READ_AHEAD = 1024 /* records of one read */
};

/* What the file says a number of an ACTUAL record means. */
struct allowed {
    char text[PART_BYTES * ALLOWED_PARTS_MAX];
    uint32_t length;
};

/* What the file says a number of any other record means. */
struct names {
    char text[PART_BYTES * NAME_PARTS_MAX]; /* model NUL version NUL */
    bool looked_at;                         /* since a part of it came: */
    struct text model, version;             /* none: they are no names */
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
    struct names *names;     /* VERSIONS_MAX of them; NULL: none yet */
    struct allowed *allowed; /* ALLOWED_MAX of them; NULL: none yet */
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
    struct names *names = &reader->names[record->version];
    memcpy(names->text + record->flags * PART_BYTES, (const char *)record + 8, PART_BYTES);
    names->looked_at = false;
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

/* A record is one of many that have the same, so that it is good is seen once. */
static void look_at(struct names *names)
{
    size_t bytes = sizeof names->text, length = strnlen(names->text, bytes);
    names->looked_at = true;
    names->model = names->version = (struct text){0};
    if (length == 0 || length >= bytes - 1)
        return;
    struct text model = {names->text, length};
    const char *behind = names->text + length + 1;
    struct text version = {behind, strnlen(behind, bytes - length - 1)};
    if (protocol_name_ok(model) && protocol_name_ok(version))
        names->model = model, names->version = version;
}

static bool find_names(const struct predictions_reader *reader, const struct record *record,
                       struct prediction *prediction)
{
    if (reader->names == NULL || record->version >= VERSIONS_MAX)
        return false;
    struct names *names = &reader->names[record->version];
    if (!names->looked_at)
        look_at(names);
    prediction->model = names->model;
    prediction->version = names->version;
    return names->model.length > 0;
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

/* The next record that `wanted` names, or any with PREDICTION_NAMES, which is none that is told. */
static bool read_next(struct predictions_reader *reader, enum prediction_kind wanted,
                      struct prediction *prediction)
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
        else if ((wanted == PREDICTION_NAMES || record->kind == wanted) &&
                 understand(reader, record, prediction))
            return true;
    }
    return false;
}

bool predictions_read(struct predictions_reader *reader, struct prediction *prediction)
{
    return read_next(reader, PREDICTION_NAMES, prediction);
}

bool predictions_read_actual(struct predictions_reader *reader, struct prediction *prediction)
{
    return read_next(reader, PREDICTION_ACTUAL, prediction);
}
