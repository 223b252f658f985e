/* optimize_candidate: see optimize_candidate.h. Called by optimize_command.c. How right answers are is what
 * `outrigger validate` makes of them (validate_judging.c). SPDX-License-Identifier: MIT */
#include "optimize_candidate.h"

#include "clock.h"
#include "schema_fields.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    PIECE_ROWS = 1024, /* of a question */
    ALONE_ROWS = 200,
    ROUNDS = 3,
    ROUND_MS = 15
};

const size_t optimize_batches[OPTIMIZE_BATCHES] = {1, 8, 32, 128};

#define REFUSE(reason, ...) (snprintf((reason), OPTIMIZE_REASON_MAX, __VA_ARGS__), false)

bool candidate_open(struct candidate *candidate, const struct config *config,
                    const struct model_config *model, char *file, const char *keys,
                    char reason[OPTIMIZE_REASON_MAX])
{
    struct stat status;
    candidate->file = file;
    candidate->difference = candidate->alone = candidate->share = NAN;
    for (size_t i = 0; i < OPTIMIZE_BATCHES; i++)
        candidate->us[i] = NAN;
    if (stat(file, &status) != 0)
        return REFUSE(reason, "%.900s: %s", file, strerror(errno));
    candidate->bytes = status.st_size;
    candidate->measured = measured_new(config, model, file, keys, reason);
    return candidate->measured != NULL;
}

void candidate_free(struct candidate *candidate)
{
    answers_free(candidate->answers);
    measured_free(candidate->measured);
    free(candidate->file);
    *candidate = (struct candidate){0};
}

/* ---- answers ---- */

static bool ask_piece(struct candidate *candidate, const struct validate_rows *rows, const size_t *order,
                      size_t count, struct answers *answers, char reason[OPTIMIZE_REASON_MAX])
{
    size_t bytes, length;
    uint8_t *payload = validate_rows_payload(rows, order, count, &bytes);
    const uint8_t *said = measured_ask(candidate->measured, payload, bytes, &length, reason);
    free(payload);
    const char *wrong = said == NULL ? NULL : answers_take(answers, order, count, said, length);
    return said != NULL && (wrong == NULL || REFUSE(reason, "an answer cannot be read: %s", wrong));
}

static bool ask(struct candidate *candidate, const struct validate_rows *rows, size_t count, size_t piece,
                struct answers *answers, char reason[OPTIMIZE_REASON_MAX])
{
    size_t *order = object_alloc(piece * sizeof *order);
    bool good = true;
    for (size_t at = 0; good && at < count; at += piece) {
        size_t length = count - at < piece ? count - at : piece;
        for (size_t i = 0; i < length; i++)
            order[i] = at + i;
        good = ask_piece(candidate, rows, order, length, answers, reason);
    }
    free(order);
    return good;
}

bool candidate_answer(struct candidate *candidate, const struct validate_rows *rows,
                      char reason[OPTIMIZE_REASON_MAX])
{
    size_t count = validate_rows_count(rows);
    candidate->answers = answers_new(measured_schema(candidate->measured), count);
    if (!ask(candidate, rows, count, PIECE_ROWS, candidate->answers, reason))
        return false;
    judge_figures(rows, candidate->answers, &candidate->figures);
    return true;
}

double candidate_quality(const struct candidate *candidate)
{
    return candidate->answers->schema->regression ? candidate->figures.r2 : candidate->figures.accuracy;
}

/* ---- comparing ---- */

/* Of probabilities where there are some, else of all numbers; NaN when one is no number and the other is. */
static double largest_difference(const struct answers *one, const struct answers *other, size_t rows)
{
    size_t from = one->columns > 0 ? one->probabilities_at : 0;
    size_t width = one->columns > 0 ? one->columns : one->width;
    double largest = 0;
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = from; i < from + width; i++) {
            double a = one->values[row * one->width + i], b = other->values[row * other->width + i];
            double apart = a == b || (isnan(a) && isnan(b)) ? 0 : fabs(a - b);
            if (isnan(apart))
                return NAN;
            largest = apart > largest ? apart : largest;
        }
    }
    return largest;
}

bool candidate_ask_alone(struct candidate *candidate, const struct validate_rows *rows,
                         char reason[OPTIMIZE_REASON_MAX])
{
    size_t all = validate_rows_count(rows), count = all < ALONE_ROWS ? all : ALONE_ROWS;
    struct answers *alone = answers_new(measured_schema(candidate->measured), all);
    bool good = ask(candidate, rows, count, 1, alone, reason);
    if (good && alone->width == candidate->answers->width)
        candidate->alone = largest_difference(candidate->answers, alone, count);
    answers_free(alone);
    return good;
}

static bool same_outputs(const struct schema *one, const struct schema *other)
{
    bool same = one->output_count == other->output_count;
    for (size_t i = 0; same && i < one->output_count; i++)
        same = strcmp(one->outputs[i].name, other->outputs[i].name) == 0 &&
               one->outputs[i].datatype == other->outputs[i].datatype &&
               one->outputs[i].rank == other->outputs[i].rank;
    return same;
}

static bool predicts_the_same(const struct answered_row *one, const struct answered_row *other)
{
    if (one->label != NULL && other->label != NULL)
        return strcmp(one->label, other->label) == 0;
    return one->prediction == other->prediction || (isnan(one->prediction) && isnan(other->prediction));
}

bool candidate_compare(struct candidate *candidate, const struct candidate *before,
                       char reason[OPTIMIZE_REASON_MAX])
{
    const struct schema *own = measured_schema(candidate->measured);
    const struct schema *others = measured_schema(before->measured);
    const struct answers *answers = candidate->answers, *said = before->answers;
    char how[400];
    if (!schema_same_inputs(own, candidate->name, others, before->name, how, sizeof how))
        return REFUSE(reason, "%s takes other rows: %s", candidate->name, how);
    if (!same_outputs(own, others) || answers->width != said->width || answers->columns != said->columns)
        return REFUSE(reason, "%s gives other outputs", candidate->name);
    candidate->difference = largest_difference(answers, said, answers->rows);
    size_t same = 0;
    for (size_t row = 0; row < answers->rows; row++)
        same += predicts_the_same(&answers->row[row], &said->row[row]);
    if (answers->rows > 0 && !own->regression) /* two numbers are never quite the same */
        candidate->share = (double)same / (double)answers->rows;
    return true;
}

/* ---- time ---- */

/* So many rows; the file's again when it has fewer. */
static uint8_t *batch_of(const struct validate_rows *rows, size_t count, size_t *bytes)
{
    size_t *order = object_alloc(count * sizeof *order), all = validate_rows_count(rows);
    for (size_t i = 0; i < count; i++)
        order[i] = i % all;
    uint8_t *payload = validate_rows_payload(rows, order, count, bytes);
    free(order);
    return payload;
}

static bool time_batch(struct candidate *candidates, size_t count, size_t size, const uint8_t *payload,
                       size_t bytes, char reason[OPTIMIZE_REASON_MAX])
{
    for (size_t i = 0; i < count; i++) {
        int64_t took = measured_time(candidates[i].measured, payload, bytes, ROUND_MS, reason);
        if (took < 0)
            return false;
        double us = (double)took / MICROSECOND / (double)optimize_batches[size];
        candidates[i].us[size] = fmin(us, candidates[i].us[size]); /* of NaN and a number it is the number */
    }
    return true;
}

bool candidates_time(struct candidate *candidates, size_t count, const struct validate_rows *rows,
                     char reason[OPTIMIZE_REASON_MAX])
{
    bool good = true;
    for (size_t size = 0; good && size < OPTIMIZE_BATCHES; size++) {
        size_t bytes;
        uint8_t *payload = batch_of(rows, optimize_batches[size], &bytes);
        for (int round = 0; good && round < ROUNDS; round++)
            good = time_batch(candidates, count, size, payload, bytes, reason);
        free(payload);
    }
    return good;
}
