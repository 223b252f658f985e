/* history_file: a table of slots, one for the host and each model and version, and a ring of seconds and one
 * of minutes for each slot:
 *
 *     head | names of the slots | totals of the slots | slot 0: 3600 seconds, 1440 minutes | slot 1: ... |
 *
 * A record stands at the place that its time gives it (second modulo 3600), says that time, and is summed up
 * together with the name of its slot. So there is no pointer to a newest record that could be torn off from
 * it, a slot that is given to another model needs no clearing, and whatever a crash leaves half written is no
 * record. The file has holes where nothing happened.
 *
 * It is read and written, not mapped: a full disk is an error then, and no signal; and the pages are the
 * kernel's, not this process's. Both survive a kill -9 alike. Called by history.c. SPDX-License-Identifier:
 * MIT */
#include "history_file.h"

#include "fnv.h"

#include <errno.h>
#include <unistd.h>

enum { VERSION = 1, HEAD_BYTES = 4096, NAMES_BYTES = 192, TOTALS_BYTES = 512 };
static const char head_text[8] = "ORhistry";

_Static_assert(sizeof(struct history_record) == 160, "the layout of the file is that of VERSION 1");
_Static_assert(sizeof(struct history_names) <= NAMES_BYTES, "names have room");
_Static_assert(sizeof(struct history_totals) <= TOTALS_BYTES, "totals have room");

struct head {
    char text[8];
    uint32_t version;
    uint32_t record_bytes;
    uint32_t slots;
    uint32_t seconds;
    uint32_t minutes;
    uint32_t unused;
};

#define NAMES_AT      ((off_t)HEAD_BYTES)
#define TOTALS_AT     (NAMES_AT + (off_t)HISTORY_SLOTS * NAMES_BYTES)
#define RINGS_AT      (TOTALS_AT + (off_t)HISTORY_SLOTS * TOTALS_BYTES)
#define RING_RECORDS  (HISTORY_SECONDS + HISTORY_MINUTES)
#define RINGS_OF_SLOT ((off_t)RING_RECORDS * (off_t)sizeof(struct history_record))

/* ---- bytes ---- */

static bool read_all(const struct history_file *file, void *bytes, size_t length, off_t at)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = pread(file->fd, (char *)bytes + done, length - done, at + (off_t)done);
        if (got == 0 || (got == -1 && errno != EINTR))
            break;
        done += got > 0 ? (size_t)got : 0;
    }
    memset((char *)bytes + done, 0, length - done); /* behind the end of the file there is no record */
    return done == length;
}

static void write_all(struct history_file *file, const void *bytes, size_t length, off_t at)
{
    ssize_t put;
    do
        put = pwrite(file->fd, bytes, length, at);
    while (put == -1 && errno == EINTR);
    if (put != (ssize_t)length)
        file->error = put == -1 ? errno : ENOSPC;
}

/* The sum of the bytes behind `check`, which is the first member. */
static uint64_t check_of(const struct history_names *names, const void *thing, size_t bytes)
{
    return fnv_add(names->check, (const char *)thing + sizeof(uint64_t), bytes - sizeof(uint64_t));
}

static uint64_t check_of_names(const struct history_names *names)
{
    return fnv_add(fnv_add(FNV_START, head_text, sizeof head_text), names->model,
                   sizeof names->model + sizeof names->version);
}

/* ---- head, names, totals ---- */

bool history_file_begin(struct history_file *file)
{
    struct head head;
    struct head expected = {
        "", VERSION, sizeof(struct history_record), HISTORY_SLOTS, HISTORY_SECONDS, HISTORY_MINUTES, 0};
    memcpy(expected.text, head_text, sizeof expected.text);
    if (read_all(file, &head, sizeof head, 0) && memcmp(&head, &expected, sizeof head) == 0)
        return true;
    if (ftruncate(file->fd, 0) == 0)
        write_all(file, &expected, sizeof expected, 0);
    return false;
}

void history_names_set(struct history_names *names, const char *model, const char *version)
{
    *names = (struct history_names){0};
    text_copy(text_of(model), names->model, sizeof names->model);
    text_copy(text_of(version), names->version, sizeof names->version);
    names->check = check_of_names(names);
}

void history_file_write_names(struct history_file *file, size_t slot, const struct history_names *names)
{
    write_all(file, names, sizeof *names, NAMES_AT + (off_t)slot * NAMES_BYTES);
}

bool history_file_read_names(const struct history_file *file, size_t slot, struct history_names *names)
{
    read_all(file, names, sizeof *names, NAMES_AT + (off_t)slot * NAMES_BYTES);
    return names->check == check_of_names(names) && memchr(names->model, '\0', sizeof names->model) != NULL &&
           memchr(names->version, '\0', sizeof names->version) != NULL && names->model[0] != '\0';
}

void history_file_write_totals(struct history_file *file, size_t slot, const struct history_names *names,
                               struct history_totals *totals)
{
    totals->check = check_of(names, totals, sizeof *totals);
    write_all(file, totals, sizeof *totals, TOTALS_AT + (off_t)slot * TOTALS_BYTES);
}

bool history_file_read_totals(const struct history_file *file, size_t slot, const struct history_names *names,
                              struct history_totals *totals)
{
    read_all(file, totals, sizeof *totals, TOTALS_AT + (off_t)slot * TOTALS_BYTES);
    return totals->check == check_of(names, totals, sizeof *totals) && totals->at >= 0;
}

/* ---- records ---- */

static off_t place_of(size_t slot, int64_t at, bool minute)
{
    int64_t record = minute ? HISTORY_SECONDS + at / HISTORY_MINUTE % HISTORY_MINUTES : at % HISTORY_SECONDS;
    return RINGS_AT + (off_t)slot * RINGS_OF_SLOT + (off_t)record * (off_t)sizeof(struct history_record);
}

static bool record_is(const struct history_names *names, const struct history_record *record, int64_t at)
{
    return record->at == at && record->span_ms > 0 && record->span_ms <= HISTORY_SPAN_MAX_MS &&
           record->check == check_of(names, record, sizeof *record);
}

void history_file_write(struct history_file *file, size_t slot, const struct history_names *names,
                        struct history_record *record, bool minute)
{
    record->check = check_of(names, record, sizeof *record);
    write_all(file, record, sizeof *record, place_of(slot, record->at, minute));
}

void history_file_read(const struct history_file *file, size_t slot, const struct history_names *names,
                       int64_t from, size_t count, bool minute, struct history_record *records)
{
    size_t ring = minute ? HISTORY_MINUTES : HISTORY_SECONDS;
    int64_t unit = minute ? HISTORY_MINUTE : 1;
    ENSURE(count <= ring);
    size_t first = (size_t)(from / unit % (int64_t)ring);
    size_t before_end = count < ring - first ? count : ring - first;
    read_all(file, records, before_end * sizeof *records, place_of(slot, from, minute));
    read_all(file, records + before_end, (count - before_end) * sizeof *records, place_of(slot, 0, minute));
    for (size_t i = 0; i < count; i++)
        if (!record_is(names, &records[i], from + (int64_t)i * unit))
            records[i].span_ms = 0;
}
