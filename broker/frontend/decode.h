/* decode: the JSON body of a prediction, read and taken apart. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DECODE_H
#define OUTRIGGER_DECODE_H

#include "plain.h"
#include "problem.h"

#include <yyjson.h>

/* The memory that bodies are read into, one after the other: one for each thread. */
struct decoder;
struct decoder *decoder_new(void);
void decoder_free(struct decoder *decoder);

/* What a body says. Texts and values are good until the decoder reads the next body, or decoder_done, and as
 * long as the body's own memory. */
struct decode_body {
    struct text model;         /* empty: not said */
    struct text version;       /* empty: not said */
    struct text key;           /* empty: not said */
    int64_t timeout_ms;        /* 0: not said */
    yyjson_val *rows;          /* the value of "instances" (an array of at least one) or of "features" */
    const struct plain *plain; /* the rows after decode_plain, when `rows` is NULL */
    char version_digits[24];   /* where `version` is when the body has it as a number */
};

/* Reads a body: {"features": ...} or, for a batch, {"instances": [...]}, and "model", "version", "key",
 * "timeout_ms". `bytes` is written to when `capacity` leaves YYJSON_PADDING_SIZE (4) bytes behind `length`;
 * then nothing is copied. False when anything is wrong, with at least one fault: JSON that RFC 8259 does not
 * allow (NaN and infinities do get through to the values, where they have a name), nested deeper than
 * max_depth, a member that is unknown, twice there or of another type. */
bool decode_body(struct decoder *decoder, char *bytes, size_t length, size_t capacity, bool batch,
                 size_t max_depth, struct decode_body *body, struct problem_faults *faults);
/* Reads a batch whose rows are nothing but numbers, and come first, without a tree of them: for a model whose
 * rows may be plain (rows_take_plain). False for any other body and for all that is wrong: then decode_body
 * is to read it, whose bytes are as they were. Accepts nothing that decode_body does not. */
bool decode_plain(struct decoder *decoder, char *bytes, size_t length, size_t capacity, size_t max_depth,
                  struct decode_body *body);
/* Reads any JSON likewise. NULL when there is a fault: what it is stands behind "body". The tree is the
 * decoder's until it reads the next one. */
yyjson_val *decoder_read(struct decoder *decoder, char *bytes, size_t length, size_t capacity,
                         size_t max_depth, struct problem_faults *faults);
/* Gives up the tree of the last body. */
void decoder_done(struct decoder *decoder);

#endif
