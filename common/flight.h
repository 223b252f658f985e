/* flight: the last requests of a process, in a file of its own that survives its kill -9: what was asked,
 * what became of it and how long it took, and where the policy says so the tensors that were asked.
 *
 * The file is a mapping, RUNTIME/flight/NAME: who writes an entry writes memory. Written by frontends, read
 * by `outrigger flight` and `outrigger replay --against`. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FLIGHT_H
#define OUTRIGGER_FLIGHT_H

#include "protocol.h"

enum {
    FLIGHT_ID_BYTES = 64, /* of a request id */
    FLIGHT_WORD_BYTES = 24,
    FLIGHT_TRACE_BYTES = 16,
    FLIGHT_RECORDS_MAX = 1 << 20,
    FLIGHT_PAYLOAD_MAX = 256 << 10 /* bytes: copying and hashing more would hold up a loop's thread */
};

/* One request. Texts are terminated. */
struct flight_entry {
    uint64_t sequence; /* 1, 2, ... in the life of the file; set by flight_add */
    int64_t at_ns;     /* since 1970: when it was answered */
    char id[FLIGHT_ID_BYTES + 1];
    uint8_t trace[FLIGHT_TRACE_BYTES]; /* zeros: none */
    char call[FLIGHT_WORD_BYTES + 1];
    char kind[FLIGHT_WORD_BYTES + 1]; /* of failure; "": it succeeded */
    char model[PROTOCOL_NAME_MAX + 1];
    char version[PROTOCOL_NAME_MAX + 1]; /* that answered, else that was asked; "": not known */
    uint16_t status;
    bool hashed;
    uint32_t rows, batch_rows;
    uint32_t total_us, queue_us, compute_us;
    uint64_t bytes_in, bytes_out; /* of the bodies: as it came, and as it was before we packed it */
    uint64_t hash;                /* XXH3 of the body that came, unpacked, when `hashed` */
    /* The tensors, when payload_length > 0: for flight_payload. */
    uint64_t payload_at, payload_hash;
    uint32_t payload_length;
};

/* The texts of an entry where they are; what is longer than there is room for is cut. */
struct flight_texts {
    struct text id, call, kind, model, version;
};

/* XXH3 of 64 bits. */
uint64_t flight_hash(const void *bytes, size_t length);

/* ---- writing: one thread ---- */

struct flight;

/* Goes on with the file `name` in `directory`, which must be there, if it has so many records and bytes for
 * payloads, else begins it anew, mode 0600. While another process writes it (a predecessor that drains) it is
 * `name`.2. NULL with errno. */
struct flight *flight_new(const char *directory, const char *name, size_t records, size_t payload_bytes);
/* The file stays. NULL is fine. */
void flight_free(struct flight *flight);

/* Copies a payload into the ring, over the oldest, and sets payload_* of the entry. Nothing, when it is
 * larger than FLIGHT_PAYLOAD_MAX or than a quarter of the ring. */
void flight_keep(struct flight *flight, const void *payload, size_t bytes, struct flight_entry *entry);
/* Adds the entry, over the oldest, with those texts; its own are not looked at. */
void flight_add(struct flight *flight, const struct flight_entry *entry, const struct flight_texts *texts);

/* ---- reading: any process, while it is written or after ---- */

struct flight_reader;

/* Opens one file. NULL with errno; EINVAL: it is none that this build reads. */
struct flight_reader *flight_reader_new(const char *path);
/* The same for a descriptor, which is the reader's in any case. */
struct flight_reader *flight_reader_of(int fd);
void flight_reader_free(struct flight_reader *reader); /* NULL is fine */
/* Reads what is there now. Returns how many records there is room for; an index of them is for flight_read.
 */
size_t flight_look(struct flight_reader *reader);
/* False when there is no entry at that index, or one that was torn when its writer died, or is being written.
 * Entries are in no order; their sequences are. */
bool flight_read(const struct flight_reader *reader, size_t index, struct flight_entry *entry);
/* The tensors of an entry, which the caller frees; NULL: they were not kept, or have been written over. */
uint8_t *flight_payload(const struct flight_reader *reader, const struct flight_entry *entry);

#endif
