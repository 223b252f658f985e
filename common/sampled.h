/* sampled: some of the rows that a version answered, as STATS.md section 8 puts them on the wire (kind 3).
 * Pure: no memory of its own, safe on any bytes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SAMPLED_H
#define OUTRIGGER_SAMPLED_H

#include "observation.h"
#include "score.h"

enum { SAMPLED_ROWS_MAX = 1024 /* of one observation */, SAMPLED_BYTES_MAX = 1 << 19 /* of its inputs */ };

/* Texts are views. */
struct sampled {
    struct text model;
    struct text version; /* that answered */
    enum score_kind score_kind;
    uint32_t rows;
    struct text inputs;   /* tensors: of these rows alone */
    const double *scores; /* one for each row */
};

/* Bytes that it needs at most. */
size_t sampled_bound(const struct sampled *sampled);
/* Writes one, at least sampled_bound bytes being there; returns its length. */
size_t sampled_encode(const struct sampled *sampled, uint8_t *bytes, size_t capacity);
/* Looks into one of OBSERVATION_ROWS; the scores are put into `scores`. NULL, or what is wrong with it as a
 * constant part of a sentence. */
const char *sampled_read(const struct observation_any *any, struct sampled *sampled,
                         double scores[SAMPLED_ROWS_MAX]);

#endif
