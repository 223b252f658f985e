/* scorer: rows in, predictions out: on top of an asker, for jobs. All of it belongs to the thread of the
 * loop. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCORER_H
#define OUTRIGGER_SCORER_H

#include "asker.h"
#include "number.h"

enum { SCORED_REASON_MAX = 160, SCORED_LABEL_MAX = 128 };

/* What came of one row: prediction, probability and label are those that POST /api/v1/batch-predict gives for
 * it. */
struct scored {
    enum failure failure; /* FAILURE_NONE, or `reason` says why there is no prediction */
    bool is_class;        /* `value` is a class, and no number of a regression */
    bool is_truth;        /* `value` is 0 or 1, for false and true: the class is BOOL */
    bool is_whole;        /* `value` is of an integer datatype */
    bool single;          /* `value` is a float (FP32 or shorter), whose shortest text is a float's */
    bool probability_single;
    bool has_label;
    double value; /* the class's index or number, or the number; NaN where the class is only a name, or the
                     model gave NaN, or there is a list */
    double probability; /* of the positive class of two; of the predicted one of more; NaN: there is none */
    /* The prediction where it is several values, labels that hold (is_whole) or a vector, as JSON has it:
     * "[1,0,1]"; good until scorer_done returns. NULL: it is one. */
    const char *list;
    const char *version;            /* who answered; "" on failure; good until scorer_free */
    char label[SCORED_LABEL_MAX];   /* of the class, cut; "" unless has_label */
    char reason[SCORED_REASON_MAX]; /* cut; "" on success */
};

/* Rows as a payload of tensors, as row_builder makes it. Copied. */
struct rows_payload {
    const uint8_t *bytes;
    size_t length;
    size_t rows;
    struct text trace; /* empty, or PROTOCOL_TRACE_BYTES */
};

struct scorer;

/* A request has at most `rows_a_request` rows, and fewer where a row takes long to compute, so that jobs are
 * in nobody's way; at most 16 times as many rows are asked for at a time, for which the asker should have
 * room, as that may be as many requests. The asker outlives it, and asker_version was called. */
struct scorer *scorer_new(struct asker *asker, size_t rows_a_request);
/* NULL is fine. Chunks that are not done are forgotten, and not told: then the asker is freed before. */
void scorer_free(struct scorer *scorer);

/* The chunk's rows are scored, in their order; good during the call. It may submit more. */
typedef void scorer_done(void *owner, const struct scored *rows, size_t count);
/* Scores them. What is refused for its content (invalid, poison), or fails in the engine three times, or
 * takes too long, is halved until the single rows at fault are known; the others are scored. `done` is called
 * once, and never before this returns. */
void scorer_submit(struct scorer *scorer, const struct rows_payload *rows, scorer_done *done, void *owner);
/* False while there is more to ask than may be asked at a time. */
bool scorer_room(const struct scorer *scorer);
/* Chunks that are not done. */
size_t scorer_open(const struct scorer *scorer);

/* True when a row's failure is its own, so that asking again is of no use and others may go on; false when it
 * is about the job (the version is gone, the asker was stopped). */
bool scored_is_reject(enum failure failure);

/* A value or probability as JSON has it in an answer: "0.1", "null" for NaN; `single` as in struct scored.
 * Returns the length; no terminator. */
size_t scored_number(double number, bool single, char text[NUMBER_TEXT_MAX]);
/* The prediction as JSON has it: 1, true, 0.25. Not for a class that is only a name, nor for a list. */
size_t scored_value(const struct scored *row, char text[NUMBER_TEXT_MAX]);

#endif
