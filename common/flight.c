/* flight: see flight.h.
 *
 *     head, a page | records of 512 bytes, a ring | bytes of payloads, a ring
 *
 * A record has the hash of all its other bytes in it. It is written with a sequence of 0 first and its own at
 * last, and whoever reads makes a copy and then the hash: so one that is half written, whenever its writer
 * died, is no entry. A payload has its hash in its record likewise, and a place that is counted on without
 * end, whose remainder is its place in the ring; how far the ring is taken stands in the head before anything
 * is written over.
 *
 * The next process of the name goes on behind the largest sequence that it finds. The file is reserved whole,
 * for a write to a mapped hole of a full file system would be a SIGBUS. A reader copies, and maps nothing:
 * whatever becomes of the file meanwhile costs it nothing but entries. SPDX-License-Identifier: MIT */
#include "flight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    FLIGHT_MAGIC = 0x0f119001,
    READER_MAGIC = 0x0f119002,
    HEAD_BYTES = 4096,
    LAYOUT = 1 /* grows with any change to the structs below */
};
#define FILE_MAGIC "OUTRFLIT"
#define COUNT_MAX                                                                                            \
    ((uint64_t)INT64_MAX) /* of what is counted without end: never reached, so no sum overflows */

struct head {
    char magic[8];
    uint32_t layout, record_bytes;
    uint64_t records, payload_bytes;
    uint64_t payload_end; /* atomic: all bytes of payloads that were ever begun; at most COUNT_MAX */
};
_Static_assert(sizeof(struct head) <= HEAD_BYTES, "the head has a page");

/* Its texts, one behind the other, and how long each is. */
enum { TEXT_ID, TEXT_CALL, TEXT_KIND, TEXT_MODEL, TEXT_VERSION, TEXTS };
static const size_t text_bytes_max[TEXTS] = {
    [TEXT_ID] = FLIGHT_ID_BYTES,      [TEXT_CALL] = FLIGHT_WORD_BYTES,    [TEXT_KIND] = FLIGHT_WORD_BYTES,
    [TEXT_MODEL] = PROTOCOL_NAME_MAX, [TEXT_VERSION] = PROTOCOL_NAME_MAX,
};
enum { TEXT_BYTES = 400 };
_Static_assert((int)FLIGHT_ID_BYTES + 2 * (int)FLIGHT_WORD_BYTES + 2 * (int)PROTOCOL_NAME_MAX <=
                   (int)TEXT_BYTES,
               "the longest texts fit");

struct record {
    uint64_t sequence; /* atomic: 0 while it is written */
    uint64_t check;    /* of all that follows up to the end of the texts, and of the sequence */
    int64_t at_ns;
    uint64_t bytes_in, bytes_out, hash;
    uint64_t payload_at, payload_hash;
    uint32_t payload_length, rows, batch_rows, total_us, queue_us, compute_us;
    uint16_t status;
    uint8_t hashed, lengths[TEXTS];
    uint8_t trace[FLIGHT_TRACE_BYTES];
    char texts[TEXT_BYTES];
};
_Static_assert(sizeof(struct record) == 512, "no padding that a compiler chooses");

struct flight {
    unsigned magic;
    int fd;
    size_t bytes;
    struct head *head;
    struct record *records;
    uint8_t *payloads;
    /* As they were when it was opened, whatever becomes of the file. */
    uint64_t record_count, payload_bytes;
    uint64_t payload_end; /* as in the head */
    uint64_t sequence;    /* of the last entry */
};

struct flight_reader {
    unsigned magic;
    int fd;
    struct head head;
    struct record *records; /* a copy */
    size_t record_count;
};

uint64_t flight_hash(const void *bytes, size_t length)
{
    return XXH3_64bits(bytes, length);
}

/* Of the first bytes of its texts. */
static uint64_t check_of(const struct record *record, uint64_t sequence, size_t text_bytes)
{
    const size_t from = offsetof(struct record, at_ns), to = offsetof(struct record, texts) + text_bytes;
    return XXH3_64bits_withSeed((const char *)record + from, to - from, sequence);
}

static size_t bytes_of(size_t records, size_t payload_bytes)
{
    return HEAD_BYTES + records * sizeof(struct record) + payload_bytes;
}

/* ---- opening ---- */

static bool is_ours(const struct head *head, size_t records, size_t payload_bytes)
{
    return memcmp(head->magic, FILE_MAGIC, sizeof head->magic) == 0 && head->layout == LAYOUT &&
           head->record_bytes == sizeof(struct record) && head->records == records &&
           head->payload_bytes == payload_bytes && head->payload_end <= COUNT_MAX;
}

/* The file, locked; -1 with errno, EWOULDBLOCK when somebody else writes it. */
static int open_locked(const char *directory, const char *name, const char *suffix, char **path)
{
    ENSURE(asprintf(path, "%s/%s%s", directory, name, suffix) >= 0);
    int fd = open(*path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1 || (flock(fd, LOCK_EX | LOCK_NB) == 0 && fchmod(fd, 0600) == 0))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* A file of another size or layout is emptied: a reader sees that it is none. */
static bool prepare(struct flight *flight, size_t records, size_t payload_bytes)
{
    struct stat status;
    struct head head = {0};
    size_t bytes = bytes_of(records, payload_bytes);
    int fd = flight->fd;
    if (fstat(fd, &status) != 0)
        return false;
    if ((size_t)status.st_size == bytes && pread(fd, &head, sizeof head, 0) == sizeof head &&
        is_ours(&head, records, payload_bytes)) {
        flight->payload_end = head.payload_end;
        return true;
    }
    head = (struct head){.layout = LAYOUT,
                         .record_bytes = sizeof(struct record),
                         .records = records,
                         .payload_bytes = payload_bytes};
    memcpy(head.magic, FILE_MAGIC, sizeof head.magic);
    if (ftruncate(fd, 0) != 0 || (errno = posix_fallocate(fd, 0, (off_t)bytes)) != 0)
        return false;
    return pwrite(fd, &head, sizeof head, 0) == sizeof head;
}

static bool map(struct flight *flight, size_t records, size_t payload_bytes)
{
    flight->bytes = bytes_of(records, payload_bytes);
    uint8_t *bytes = mmap(NULL, flight->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, flight->fd, 0);
    if (bytes == MAP_FAILED)
        return false;
    flight->head = (struct head *)(void *)bytes;
    flight->records = (struct record *)(void *)(bytes + HEAD_BYTES);
    flight->payloads = bytes + HEAD_BYTES + records * sizeof(struct record);
    flight->record_count = records;
    flight->payload_bytes = payload_bytes;
    return true;
}

static bool is_whole(const struct record *record)
{
    size_t sum = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        if (record->lengths[i] > text_bytes_max[i])
            return false;
        sum += record->lengths[i];
    }
    return record->sequence != 0 && record->sequence < COUNT_MAX &&
           record->check == check_of(record, record->sequence, sum);
}

static void find_last(struct flight *flight)
{
    for (size_t i = 0; i < flight->record_count; i++)
        if (flight->records[i].sequence > flight->sequence && is_whole(&flight->records[i]))
            flight->sequence = flight->records[i].sequence;
}

struct flight *flight_new(const char *directory, const char *name, size_t records, size_t payload_bytes)
{
    char *path;
    ENSURE(records > 0 && records <= FLIGHT_RECORDS_MAX);
    struct flight *flight = object_alloc(sizeof *flight);
    flight->magic = FLIGHT_MAGIC;
    flight->fd = open_locked(directory, name, "", &path);
    if (flight->fd == -1 && errno == EWOULDBLOCK) {
        free(path);
        flight->fd = open_locked(directory, name, ".2", &path);
    }
    free(path);
    if (flight->fd != -1 && prepare(flight, records, payload_bytes) && map(flight, records, payload_bytes)) {
        find_last(flight);
        return flight;
    }
    int error = errno;
    flight_free(flight);
    errno = error;
    return NULL;
}

void flight_free(struct flight *flight)
{
    if (flight == NULL)
        return;
    CHECK_OBJECT(flight, FLIGHT_MAGIC);
    if (flight->head != NULL)
        munmap(flight->head, flight->bytes);
    if (flight->fd != -1)
        close(flight->fd);
    flight->magic = 0;
    free(flight);
}

/* ---- writing ---- */

void flight_keep(struct flight *flight, const void *payload, size_t bytes, struct flight_entry *entry)
{
    CHECK_OBJECT(flight, FLIGHT_MAGIC);
    uint64_t ring = flight->payload_bytes, at = flight->payload_end;
    if (bytes == 0 || bytes > ring / 4 || bytes > FLIGHT_PAYLOAD_MAX)
        return;
    if (at % ring + bytes > ring) /* a payload is in one piece */
        at += ring - at % ring;
    flight->payload_end = at + bytes;
    __atomic_store_n(&flight->head->payload_end, flight->payload_end, __ATOMIC_RELEASE);
    memcpy(flight->payloads + at % ring, payload, bytes);
    entry->payload_at = at;
    entry->payload_length = (uint32_t)bytes;
    entry->payload_hash = flight_hash(payload, bytes);
}

/* Puts the text behind those before it, cut; returns where it ends. */
static size_t put(struct record *record, int which, struct text text, size_t at)
{
    size_t length = text.length < text_bytes_max[which] ? text.length : text_bytes_max[which];
    if (length > 0)
        memcpy(record->texts + at, text.at, length);
    record->lengths[which] = (uint8_t)length;
    return at + length;
}

void flight_add(struct flight *flight, const struct flight_entry *entry, const struct flight_texts *texts)
{
    CHECK_OBJECT(flight, FLIGHT_MAGIC);
    uint64_t sequence = ++flight->sequence;
    struct record *record = &flight->records[sequence % flight->record_count];
    __atomic_store_n(&record->sequence, 0, __ATOMIC_RELAXED);
    record->at_ns = entry->at_ns;
    record->bytes_in = entry->bytes_in;
    record->bytes_out = entry->bytes_out;
    record->hash = entry->hash;
    record->hashed = entry->hashed;
    record->payload_at = entry->payload_at;
    record->payload_hash = entry->payload_hash;
    record->payload_length = entry->payload_length;
    record->rows = entry->rows;
    record->batch_rows = entry->batch_rows;
    record->total_us = entry->total_us;
    record->queue_us = entry->queue_us;
    record->compute_us = entry->compute_us;
    record->status = entry->status;
    memcpy(record->trace, entry->trace, sizeof record->trace);
    size_t end = put(record, TEXT_ID, texts->id, 0);
    end = put(record, TEXT_CALL, texts->call, end);
    end = put(record, TEXT_KIND, texts->kind, end);
    end = put(record, TEXT_MODEL, texts->model, end);
    end = put(record, TEXT_VERSION, texts->version, end);
    record->check = check_of(record, sequence, end);
    __atomic_store_n(&record->sequence, sequence, __ATOMIC_RELEASE);
}

/* ---- reading ---- */

static bool read_at(int fd, void *bytes, size_t length, size_t at)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(fd, (char *)bytes + done, length - done, (off_t)(at + done));
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static bool read_head(struct flight_reader *reader)
{
    struct head *head = &reader->head;
    return reader->fd != -1 && read_at(reader->fd, head, sizeof *head, 0) && head->records > 0 &&
           head->records <= FLIGHT_RECORDS_MAX && head->payload_bytes <= INT64_MAX / 2 &&
           is_ours(head, head->records, head->payload_bytes);
}

struct flight_reader *flight_reader_of(int fd)
{
    struct flight_reader *reader = object_alloc(sizeof *reader);
    reader->magic = READER_MAGIC;
    reader->fd = fd;
    if (read_head(reader))
        return reader;
    flight_reader_free(reader);
    errno = EINVAL;
    return NULL;
}

struct flight_reader *flight_reader_new(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    return fd == -1 ? NULL : flight_reader_of(fd);
}

void flight_reader_free(struct flight_reader *reader)
{
    if (reader == NULL)
        return;
    CHECK_OBJECT(reader, READER_MAGIC);
    free(reader->records);
    if (reader->fd != -1)
        close(reader->fd);
    reader->magic = 0;
    free(reader);
}

/* No more than the file has: its head may say anything. */
static size_t count_records(const struct flight_reader *reader)
{
    struct stat status;
    if (fstat(reader->fd, &status) != 0 || status.st_size < HEAD_BYTES)
        return 0;
    size_t there = (size_t)(status.st_size - HEAD_BYTES) / sizeof(struct record);
    return there < reader->head.records ? there : (size_t)reader->head.records;
}

size_t flight_look(struct flight_reader *reader)
{
    CHECK_OBJECT(reader, READER_MAGIC);
    free(reader->records);
    reader->records = NULL;
    reader->record_count = read_head(reader) ? count_records(reader) : 0;
    size_t bytes = reader->record_count * sizeof *reader->records;
    if (bytes == 0)
        return 0;
    reader->records = object_alloc(bytes);
    if (!read_at(reader->fd, reader->records, bytes, HEAD_BYTES))
        reader->record_count = 0;
    return reader->record_count;
}

/* What is no printable ASCII is shown as '?': no text of ours is. Returns where the next one begins. */
static const char *take(char *text, const struct record *record, int which, const char *place)
{
    size_t length = record->lengths[which];
    for (size_t i = 0; i < length; i++)
        text[i] = place[i] > ' ' && place[i] <= '~' ? place[i] : '?';
    text[length] = '\0';
    return place + length;
}

bool flight_read(const struct flight_reader *reader, size_t index, struct flight_entry *entry)
{
    CHECK_OBJECT(reader, READER_MAGIC);
    if (index >= reader->record_count || !is_whole(&reader->records[index]))
        return false;
    const struct record *record = &reader->records[index];
    *entry = (struct flight_entry){.sequence = record->sequence,
                                   .at_ns = record->at_ns,
                                   .status = record->status,
                                   .hashed = record->hashed != 0,
                                   .rows = record->rows,
                                   .batch_rows = record->batch_rows,
                                   .total_us = record->total_us,
                                   .queue_us = record->queue_us,
                                   .compute_us = record->compute_us,
                                   .bytes_in = record->bytes_in,
                                   .bytes_out = record->bytes_out,
                                   .hash = record->hash,
                                   .payload_at = record->payload_at,
                                   .payload_hash = record->payload_hash,
                                   .payload_length = record->payload_length};
    memcpy(entry->trace, record->trace, sizeof entry->trace);
    const char *place = take(entry->id, record, TEXT_ID, record->texts);
    place = take(entry->call, record, TEXT_CALL, place);
    place = take(entry->kind, record, TEXT_KIND, place);
    place = take(entry->model, record, TEXT_MODEL, place);
    take(entry->version, record, TEXT_VERSION, place);
    return true;
}

uint8_t *flight_payload(const struct flight_reader *reader, const struct flight_entry *entry)
{
    CHECK_OBJECT(reader, READER_MAGIC);
    uint64_t ring = reader->head.payload_bytes;
    if (entry->payload_length == 0 || entry->payload_length > FLIGHT_PAYLOAD_MAX ||
        entry->payload_length > ring || entry->payload_at % ring + entry->payload_length > ring)
        return NULL;
    struct stat status;
    size_t at = bytes_of((size_t)reader->head.records, 0) + (size_t)(entry->payload_at % ring);
    if (fstat(reader->fd, &status) != 0 || at + entry->payload_length > (size_t)status.st_size)
        return NULL;
    uint8_t *payload = object_alloc(entry->payload_length);
    if (read_at(reader->fd, payload, entry->payload_length, at) &&
        flight_hash(payload, entry->payload_length) == entry->payload_hash)
        return payload;
    free(payload);
    return NULL;
}
