/* golden_expected: what the model answered to a golden request against what the request expects.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_GOLDEN_EXPECTED_H
#define OUTRIGGER_GOLDEN_EXPECTED_H

#include "golden_request.h"

/* A float may be absolute + relative * |expected| away from what is expected. */
struct golden_tolerance {
    double absolute;
    double relative;
};

/* NULL, or what is wrong with the object "expected" whatever the model answers. */
const char *golden_expected_fault(yyjson_val *expected);

/* True when the answer (a tensors payload of a model with this schema) is as expected; else `complaint` names
 * the first value that is not: "output probabilities[0][1]: expected 0.98, got 0.71 (tolerance 1e-05)". */
bool golden_expected_met(yyjson_val *expected, const struct golden_tolerance *tolerance,
                         const struct schema *schema, const uint8_t *answer, size_t bytes,
                         char complaint[GOLDEN_TEXT_MAX]);

#endif
