/* combine: see combine.h. Rows of BYTES have no fixed length, so wherever rows are moved it is first found
 * out where each begins; all else is arithmetic in double, as NumPy's mean of an array of float64 is.
 * SPDX-License-Identifier: MIT */
#include "combine.h"

#include "roles.h"
#include "schema_fields.h"

#include <endian.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LENGTH_PREFIX = 4 /* of an element of BYTES */, NAME_SHOWN = 64 };

static bool same_shapes(const struct tensor *const *given, size_t count, uint32_t first,
                        char error[COMBINE_ERROR_MAX])
{
    for (size_t i = 1; i < count; i++)
        if (given[i]->rank != given[0]->rank || given[i]->datatype != given[0]->datatype ||
            memcmp(given[i]->shape + first, given[0]->shape + first,
                   (given[0]->rank - first) * sizeof given[0]->shape[0]) != 0) {
            snprintf(error, COMBINE_ERROR_MAX, "%.*s and %.*s have different shapes", NAME_SHOWN,
                     given[0]->name.at, NAME_SHOWN, given[i]->name.at);
            return false;
        }
    return true;
}

/* A tensor like that one with memory of its own. */
static struct tensor like(const struct tensor *tensor, size_t bytes)
{
    struct tensor made = *tensor;
    made.bytes = bytes;
    made.data = object_alloc(bytes);
    return made;
}

/* ---- average ---- */

static void store(struct tensor *tensor, size_t index, double value)
{
    uint8_t *data = (uint8_t *)tensor->data;
    float single = (float)value;
    if (tensor->datatype == DATATYPE_FP32)
        memcpy(data + index * sizeof single, &single, sizeof single);
    else
        memcpy(data + index * sizeof value, &value, sizeof value);
}

static double weight_of(const double *weights, size_t i)
{
    return weights == NULL ? 1 : weights[i];
}

static double sum_of(const double *weights, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += weight_of(weights, i);
    return sum;
}

bool combine_average(const struct tensor *const *given, size_t count, const double *weights,
                     struct tensor *result, char error[COMBINE_ERROR_MAX])
{
    if (!same_shapes(given, count, 0, error))
        return false;
    double whole = sum_of(weights, count);
    size_t elements = given[0]->bytes / datatype_bytes(given[0]->datatype);
    *result = like(given[0], given[0]->bytes);
    for (size_t e = 0; e < elements; e++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            if (weight_of(weights, i) > 0) /* what does not count may be no number */
                sum += weight_of(weights, i) * value_float(given[i], e);
        store(result, e, sum / whole);
    }
    return true;
}

/* ---- rows ---- */

static size_t rows_of(const struct tensor *tensor)
{
    return (size_t)tensor->shape[0];
}

/* Where each row begins, and where the last one ends; the caller frees them. */
static size_t *begins_of(const struct tensor *tensor)
{
    size_t rows = rows_of(tensor), fixed = tensor_row_bytes(tensor), elements = 1, at = 0;
    size_t *begins = object_alloc((rows + 1) * sizeof *begins);
    for (uint32_t i = 1; i < tensor->rank; i++)
        elements *= (size_t)tensor->shape[i];
    for (size_t row = 0; row < rows; row++) {
        begins[row] = at;
        at += fixed;
        for (size_t e = 0; tensor->datatype == DATATYPE_BYTES && e < elements; e++) {
            uint32_t length;
            memcpy(&length, tensor->data + at, LENGTH_PREFIX);
            at += LENGTH_PREFIX + le32toh(length);
        }
    }
    begins[rows] = at;
    return begins;
}

bool combine_merge(const struct tensor *const *tensors, size_t count, const struct combine_row *rows,
                   size_t row_count, struct tensor *result, char error[COMBINE_ERROR_MAX])
{
    size_t bytes = 0, at = 0;
    if (!same_shapes(tensors, count, 1, error))
        return false;
    size_t **begins = object_alloc(count * sizeof *begins);
    for (size_t i = 0; i < count; i++)
        begins[i] = begins_of(tensors[i]);
    for (size_t i = 0; i < row_count; i++)
        bytes += begins[rows[i].tensor][rows[i].row + 1] - begins[rows[i].tensor][rows[i].row];
    *result = like(tensors[0], bytes);
    result->shape[0] = (int64_t)row_count;
    for (size_t i = 0; i < row_count; i++) {
        size_t begin = begins[rows[i].tensor][rows[i].row], end = begins[rows[i].tensor][rows[i].row + 1];
        if (end > begin)
            memcpy((uint8_t *)result->data + at, tensors[rows[i].tensor]->data + begin, end - begin);
        at += end - begin;
    }
    for (size_t i = 0; i < count; i++)
        free(begins[i]);
    free(begins);
    return true;
}

struct tensor combine_select(const struct tensor *tensor, const size_t *rows, size_t count)
{
    char error[COMBINE_ERROR_MAX];
    struct tensor result;
    struct combine_row *places = object_alloc(count * sizeof *places);
    for (size_t i = 0; i < count; i++)
        places[i].row = rows[i];
    ENSURE(combine_merge(&tensor, 1, places, count, &result, error));
    free(places);
    return result;
}

/* ---- votes and doubts ---- */

static bool same_label(const struct tensor *one, const size_t *one_begins, const struct tensor *other,
                       const size_t *other_begins, size_t row)
{
    size_t length = one_begins[row + 1] - one_begins[row];
    return length == other_begins[row + 1] - other_begins[row] &&
           memcmp(one->data + one_begins[row], other->data + other_begins[row], length) == 0;
}

/* Which of them has the label that wins the row; *share is how much it has. */
static size_t winner_of(const struct tensor *const *given, size_t *const *begins, size_t count,
                        const double *weights, size_t row, double *share)
{
    size_t winner = 0;
    *share = -1;
    for (size_t i = 0; i < count; i++) {
        double votes = 0;
        for (size_t j = 0; j < count; j++)
            if (same_label(given[i], begins[i], given[j], begins[j], row))
                votes += weight_of(weights, j);
        if (votes > *share) {
            winner = i;
            *share = votes;
        }
    }
    return winner;
}

bool combine_vote(const struct tensor *const *given, size_t count, const double *weights,
                  struct tensor *result, struct tensor *share, char error[COMBINE_ERROR_MAX])
{
    if (!same_shapes(given, count, 0, error))
        return false;
    size_t rows = rows_of(given[0]);
    double whole = sum_of(weights, count);
    size_t **begins = object_alloc(count * sizeof *begins);
    struct combine_row *winners = object_alloc(rows * sizeof *winners);
    *share = (struct tensor){.name = text_of("share"),
                             .datatype = DATATYPE_FP32,
                             .rank = 1,
                             .shape = {(int64_t)rows},
                             .data = object_alloc(rows * sizeof(float)),
                             .bytes = rows * sizeof(float)};
    for (size_t i = 0; i < count; i++)
        begins[i] = begins_of(given[i]);
    for (size_t row = 0; row < rows; row++) {
        double votes;
        winners[row] = (struct combine_row){winner_of(given, begins, count, weights, row, &votes), row};
        store(share, row, votes / whole);
    }
    bool good = combine_merge(given, count, winners, rows, result, error);
    for (size_t i = 0; i < count; i++)
        free(begins[i]);
    free(begins);
    free(winners);
    return good;
}

static double confidence_of(const struct tensor *confidence, size_t columns, size_t row)
{
    double largest = value_float(confidence, row * columns);
    if (columns == 1)
        return fmax(largest, 1 - largest);
    for (size_t i = 1; i < columns; i++)
        largest = fmax(largest, value_float(confidence, row * columns + i));
    return largest;
}

size_t combine_doubts(const struct tensor *confidence, double threshold, size_t *rows)
{
    size_t columns = value_columns(confidence), count = 0;
    double least = schema_number_in(confidence->datatype, threshold); /* 0.9 of FP32 is not below 0.9 */
    for (size_t row = 0; row < rows_of(confidence); row++)
        if (columns == 0 || !(confidence_of(confidence, columns, row) >= least))
            rows[count++] = row;
    return count;
}
