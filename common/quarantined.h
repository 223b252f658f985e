/* quarantined: the file in which a request is kept that workers died of. Pure. The broker writes it,
 * `outrigger replay` reads it; any msgpack tool shows what it holds. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_QUARANTINED_H
#define OUTRIGGER_QUARANTINED_H

#include "object.h"

/* Where these files lie below state_directory, and how their names end. The names sort by age. */
#define QUARANTINE_FOLDER "quarantine"
#define QUARANTINE_SUFFIX ".request"

/* What such a file says: a msgpack map with these names as keys, and `format` = 1. */
struct quarantined {
    struct text model;
    struct text version;
    struct text tag;   /* the request id that people saw; may be empty */
    struct text cause; /* how the last of the workers ended: "died", "overdue", "silent", "wrong" */
    uint64_t time_ms;  /* when it was refused, milliseconds since 1970 */
    uint32_t rows;
    uint32_t kills;      /* workers that died of it alone */
    struct text payload; /* tensors, PROTOCOL.md section 6 */
};

/* Bytes that quarantined_encode writes at most. */
size_t quarantined_bound(const struct quarantined *record);
/* Returns the length, 0 when it does not fit. */
size_t quarantined_encode(const struct quarantined *record, void *bytes, size_t capacity);
/* Reads a whole file; the texts are views of `bytes`. Unknown keys are passed over. Returns NULL, or what is
 * wrong. */
const char *quarantined_decode(const void *bytes, size_t length, struct quarantined *record);

#endif
