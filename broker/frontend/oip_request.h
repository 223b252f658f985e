/* oip_request: the body of an inference request of the Open Inference Protocol, taken apart: its JSON and the
 * bytes of tensors that stand behind it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_REQUEST_H
#define OUTRIGGER_OIP_REQUEST_H

#include "decode.h"
#include "tensor.h"

/* One input as the request has it. Its values are one of `data` and `binary`. */
struct oip_input {
    struct text name;
    struct text datatype; /* as it is written: of any name */
    uint32_t rank;
    int64_t shape[TENSOR_RANK_MAX];
    size_t elements;    /* that the shape makes */
    yyjson_val *data;   /* an array, nested or flat; NULL: the values are `binary` */
    struct text binary; /* little-endian, row-major */
};

/* One output that the request asks for. */
struct oip_output {
    struct text name;
    uint64_t classes; /* so many of the largest values of each row as "value:index:label"; 0: the tensor */
    bool binary;
};

/* Texts and values are good as long as the body and the decoder's tree are. */
struct oip_request {
    struct text id;                   /* to be told again; `at` NULL: none was given */
    struct text key;                  /* what a route hashes; empty: not given */
    int64_t wanted;                   /* nanoseconds until the answer must be there; 0: not said */
    uint8_t priority;                 /* the wire's: 1 to 9, higher goes first */
    bool binary;                      /* outputs are binary that do not say themselves */
    size_t input_count, output_count; /* no output: all of the model's are wanted */
    struct oip_input inputs[TENSOR_COUNT_MAX];
    struct oip_output outputs[TENSOR_COUNT_MAX];
};

/* Where the JSON of a body ends. */
struct oip_body {
    char *bytes;
    size_t length, capacity; /* of all of it */
    size_t json_length;      /* `length`: there are no tensors behind the JSON */
};

/* What the header Inference-Header-Content-Length says (NULL: there is none) of a body of that length. False
 * when it says nothing that can be: `response` is complete. 0 means that all of the body is one tensor. */
bool oip_header_length(const char *header, size_t body_length, size_t *json_length,
                       struct http_response *response);
/* Reads it; false when anything is wrong: `response` (begun, of a path of the protocol) is complete then.
 * `model` is for the words only. Whether names, datatypes and shapes fit the model is not looked at. */
bool oip_request_read(struct decoder *decoder, const struct oip_body *body, size_t max_depth,
                      struct text model, struct oip_request *request, struct http_response *response);

#endif
