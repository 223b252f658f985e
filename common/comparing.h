/* comparing: how two versions' answers to the same request agree. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COMPARING_H
#define OUTRIGGER_COMPARING_H

#include "observation.h"

/* What two answers to the same request have in common. */
struct agreement {
    size_t rows;
    size_t agreed;   /* rows */
    size_t elements; /* finite numbers on both sides, of which the next two are */
    double sum;      /* of their absolute differences */
    double largest;
};

/* Compares the two answers of an observation whose shadow did not fail. NULL, or why they cannot be compared
 * as a constant part of a sentence. */
const char *comparison_of(const struct observation *observation, struct agreement *agreement);

#endif
