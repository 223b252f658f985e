/* predictions_record: what stands in the files of predictions.h. A file is records of 64 bytes, little-endian
 * as all our machines are:
 *
 *     0  kind (1), flags (1), version number (2), row (4)
 *     8  request      16 at_ms
 *     24 value | actual (ACTUAL)      32 probability | actual (JOINED)
 *     40 label | actual_label         48 positive | hash of what is allowed (ACTUAL)
 *     56 generation of the file
 *   a NAMES record: kind, part (1), version number, then 48 bytes of "model NUL version" from byte 8 on
 *   an ALLOWED record: kind, part (1), number, length of the whole (4), then 48 bytes of it
 *   the first record of a file: nothing but the generation
 *
 * In an ACTUAL record the version number is that of the models that who said it may use: 0, as in files from
 * before there was such a thing, for all. Such a number is given anew when there are too many; it is what the
 * file said last.
 *
 * The generation, a random number of each beginning of a file, stands in every record: whoever reads while
 * the file is begun anew sees at once that what he reads is of another one. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PREDICTIONS_RECORD_H
#define OUTRIGGER_PREDICTIONS_RECORD_H

#include "predictions.h"

enum {
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

#endif
