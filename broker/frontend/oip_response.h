/* oip_response: what a model gave, as the answer of the Open Inference Protocol.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_RESPONSE_H
#define OUTRIGGER_OIP_RESPONSE_H

#include "http.h"
#include "schema.h"

/* What a request wants to be answered: kept from the request to its answer. One piece of memory: free() takes
 * all of it. */
struct oip_wish {
    struct text id; /* `at` NULL: none was given */
    bool binary;    /* all outputs: where `count` is 0 */
    size_t count;   /* outputs that were named; 0: all are wanted */
    struct oip_wished {
        size_t output; /* its place in the schema */
        uint32_t classes;
        bool binary;
    } * outputs;
};

/* True when all that is wanted are tensors as bytes. */
bool oip_wish_is_binary(const struct oip_wish *wish);

struct oip_answer {
    const struct oip_wish *wish;
    const struct schema *asked;     /* what `wish` counts by */
    const struct schema *answering; /* labels: of the version that answered */
    size_t rows;                    /* that were asked */
    struct text model, version;
};

/* Makes the response of the payload. NULL, or what is wrong with the payload (a constant); the response's
 * body is then unspecified. */
const char *oip_response_write(const struct oip_answer *answer, const uint8_t *payload, size_t bytes,
                               struct http_response *response);

#endif
