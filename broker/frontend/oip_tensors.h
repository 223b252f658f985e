/* oip_tensors: the inputs of a request of the Open Inference Protocol as the tensors that a model takes.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_TENSORS_H
#define OUTRIGGER_OIP_TENSORS_H

#include "oip_request.h"
#include "schema.h"

/* Made by oip_tensors_measure; points into the request and the schema. */
struct oip_tensors {
    const struct oip_input *inputs[TENSOR_COUNT_MAX]; /* in the order of the schema */
    struct tensor tensors[TENSOR_COUNT_MAX];          /* what they become; `data`: of binary ones */
    size_t count;
    size_t rows;
    bool raw; /* the one input is BYTES without a length in front */
    bool allow_nan;
};

/* Whose inputs they shall be, and how many rows at most. */
struct oip_target {
    const char *model;
    const struct schema *schema;
    size_t max_rows;
};

/* Makes the one input of a body that is nothing but a tensor (one row of it). False: `response` is complete.
 */
bool oip_tensors_raw(const struct oip_target *target, struct text body, struct oip_request *request,
                     struct http_response *response);
/* Checks that names, datatypes, shapes and sizes are the model's. Returns the bytes of the payload; 0: they
 * are not, and `response` is complete. */
size_t oip_tensors_measure(const struct oip_target *target, const struct oip_request *request, bool raw,
                           struct oip_tensors *tensors, struct http_response *response);
/* Writes the payload; `bytes` is what was measured. False when a value is none that the model takes:
 * `response` is complete. */
bool oip_tensors_write(const struct oip_tensors *tensors, uint8_t *payload, size_t bytes,
                       struct http_response *response);

#endif
