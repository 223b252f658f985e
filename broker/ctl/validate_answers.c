/* validate_answers: see validate_answers.h. Used by `outrigger validate` (validate_asking.c fills them,
 * validate_judging.c judges). What the outputs mean is said by common/roles.h, as everywhere. Pure.
 * SPDX-License-Identifier: MIT */
#include "validate_answers.h"

#include "fnv.h"

#include <math.h>
#include <stdlib.h>
#include <uthash.h>

enum { ANSWERS_MAGIC = 0x0a11da02, NUMBERS_MAX = 1 << 27 /* a gigabyte */ };

/* The texts of classes, each once. */
struct answered_label {
    char *text;
    UT_hash_handle hh;
};

struct answers *answers_new(const struct schema *schema, size_t rows)
{
    struct answers *answers = object_alloc(sizeof *answers);
    answers->magic = ANSWERS_MAGIC;
    answers->schema = schema;
    answers->rows = rows;
    answers->row = object_alloc((rows + 1) * sizeof *answers->row);
    return answers;
}

void answers_free(struct answers *answers)
{
    if (answers == NULL)
        return;
    CHECK_OBJECT(answers, ANSWERS_MAGIC);
    struct answered_label *label, *next;
    HASH_ITER(hh, answers->labels, label, next)
    {
        HASH_DEL(answers->labels, label);
        free(label->text);
        free(label);
    }
    free(answers->values);
    free(answers->row);
    answers->magic = 0;
    free(answers);
}

static const char *keep_label(struct answers *answers, struct text text)
{
    struct answered_label *label;
    HASH_FIND(hh, answers->labels, text.at, text.length, label);
    if (label != NULL)
        return label->text;
    label = object_alloc(sizeof *label);
    label->text = object_alloc(text.length + 1);
    memcpy(label->text, text.at, text.length);
    HASH_ADD_KEYPTR(hh, answers->labels, label->text, text.length, label);
    return label->text;
}

/* ---- one answer ---- */

/* Numbers of a row over all outputs. */
static size_t width_of(const struct tensor *tensors, size_t count)
{
    size_t width = 0;
    for (size_t i = 0; i < count; i++)
        width += tensors[i].datatype == DATATYPE_BYTES ? 0 : value_columns(&tensors[i]);
    return width;
}

/* Where the numbers of an output begin in a row's. */
static size_t place_of(const struct tensor *tensors, const struct tensor *wanted)
{
    return width_of(tensors, (size_t)(wanted - tensors));
}

/* The first answer says what the others must be like, too. */
static const char *take_form(struct answers *answers, const struct tensor *tensors, size_t count,
                             const struct roles *roles)
{
    size_t width = width_of(tensors, count);
    size_t columns = roles->probabilities == NULL ? 0 : value_columns(roles->probabilities);
    enum score_kind score = score_kind_of(roles, answers->schema->regression);
    if (answers->values == NULL) {
        if (width > 0 && answers->rows > NUMBERS_MAX / width)
            return "all rows together have more numbers than are kept at a time; --rows reads fewer rows";
        answers->values = object_alloc((answers->rows * width + 1) * sizeof *answers->values);
        answers->width = width;
        answers->columns = columns;
        answers->score = score;
        if (columns > 0)
            answers->probabilities_at = place_of(tensors, roles->probabilities);
    }
    return answers->width == width && answers->columns == columns && answers->score == score
               ? NULL
               : "it has other outputs than the one before";
}

static void take_numbers(struct answers *answers, const struct tensor *tensor, const size_t *order,
                         size_t count, size_t at)
{
    size_t columns = value_columns(tensor);
    for (size_t row = 0; row < count; row++)
        for (size_t column = 0; column < columns; column++)
            answers->values[order[row] * answers->width + at + column] =
                value_number(tensor, row * columns + column);
}

static void take_texts(struct answers *answers, const struct tensor *tensor, const size_t *order,
                       size_t count, bool is_class)
{
    size_t columns = value_columns(tensor), offset = 0;
    for (size_t row = 0; row < count; row++)
        for (size_t column = 0; column < columns; column++) {
            struct text text = value_bytes(tensor, &offset);
            struct answered_row *answered = &answers->row[order[row]];
            answered->texts = answered->texts * 31 + fnv_of(text);
            if (is_class)
                answered->label = keep_label(answers, text);
        }
}

static void take_prediction(struct answers *answers, const struct roles *roles, const size_t *order,
                            size_t count)
{
    const struct schema *schema = answers->schema;
    uint64_t index;
    for (size_t row = 0; row < count; row++) {
        struct answered_row *answered = &answers->row[order[row]];
        answered->known = true;
        answered->prediction = NAN;
        answered->score = score_of(roles, answers->score, row);
        if (schema->regression)
            answered->prediction = answered->score;
        else if (roles->class != NULL && roles->class->datatype != DATATYPE_BYTES)
            answered->prediction = value_number(roles->class, row);
        else if (roles->class == NULL && roles_class_index(roles, false, row, &index))
            answered->prediction = (double)index;
        if (schema->regression || (roles->class != NULL && roles->class->datatype == DATATYPE_BYTES))
            continue;
        if (roles_class_index(roles, false, row, &index) && index < schema->label_count)
            answered->label = schema->labels[index];
    }
}

const char *answers_take(struct answers *answers, const size_t *order, size_t count, const uint8_t *payload,
                         size_t bytes)
{
    CHECK_OBJECT(answers, ANSWERS_MAGIC);
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t outputs, rows;
    const char *wrong = tensors_decode(payload, bytes, tensors, &outputs, &rows);
    if (wrong != NULL)
        return wrong;
    if (rows != count)
        return "it has another number of rows";
    const struct roles roles = roles_find(tensors, outputs, answers->schema->regression);
    if (!roles_predict(&roles))
        return "its outputs make no prediction";
    wrong = take_form(answers, tensors, outputs, &roles);
    if (wrong != NULL)
        return wrong;
    for (size_t i = 0; i < count; i++) {
        ENSURE(order[i] < answers->rows);
        answers->row[order[i]].texts = 0;
    }
    for (size_t i = 0; i < outputs; i++) {
        if (tensors[i].datatype == DATATYPE_BYTES)
            take_texts(answers, &tensors[i], order, count, &tensors[i] == roles.class);
        else
            take_numbers(answers, &tensors[i], order, count, place_of(tensors, &tensors[i]));
    }
    take_prediction(answers, &roles, order, count);
    return NULL;
}

/* ---- classes ---- */

/* False when the text is no number. */
static bool number_of(struct text text, double *number)
{
    char copy[64], *end;
    if (text.length == 0 || text.length >= sizeof copy)
        return false;
    text_copy(text, copy, sizeof copy);
    *number = strtod(copy, &end);
    return *end == '\0' && isfinite(*number);
}

static bool truth_number(struct text truth, double *number)
{
    if (number_of(truth, number))
        return true;
    *number = text_is(truth, "true") || text_is(truth, "True");
    return *number > 0 || text_is(truth, "false") || text_is(truth, "False");
}

bool answers_is_class(const struct answered_row *row, struct text truth)
{
    double number;
    if (row->label != NULL && text_is(truth, row->label))
        return true;
    return truth_number(truth, &number) && row->prediction == number;
}

static size_t largest_column(const struct answers *answers, size_t row)
{
    size_t largest = 0;
    for (size_t column = 1; column < answers->columns; column++)
        if (answers_probability(answers, row, column) > answers_probability(answers, row, largest))
            largest = column;
    return largest;
}

bool answers_column(const struct answers *answers, struct text truth, size_t *column)
{
    CHECK_OBJECT(answers, ANSWERS_MAGIC);
    const struct schema *schema = answers->schema;
    double number;
    for (*column = 0; *column < schema->label_count && *column < answers->columns; (*column)++)
        if (text_is(truth, schema->labels[*column]))
            return true;
    for (size_t row = 0; row < answers->rows; row++)
        if (answers->row[row].known && answers_is_class(&answers->row[row], truth)) {
            *column = largest_column(answers, row);
            return true;
        }
    if (!truth_number(truth, &number) || number < 0 || number >= (double)answers->columns ||
        number != floor(number))
        return false;
    *column = (size_t)number;
    return true;
}

/* ---- comparing ---- */

/* How far they are apart, in units of the larger, or of 1. */
static double distance(double one, double other)
{
    if (one == other || (isnan(one) && isnan(other)))
        return 0;
    if (!isfinite(one) || !isfinite(other))
        return INFINITY;
    return fabs(one - other) / fmax(1, fmax(fabs(one), fabs(other)));
}

size_t answers_differ(const struct answers *one, const struct answers *other, double tolerance, size_t *first,
                      double *largest)
{
    CHECK_OBJECT(one, ANSWERS_MAGIC);
    CHECK_OBJECT(other, ANSWERS_MAGIC);
    size_t count = 0;
    *largest = 0;
    for (size_t row = 0; row < one->rows && row < other->rows; row++) {
        if (!one->row[row].known || !other->row[row].known)
            continue;
        bool differs = one->row[row].texts != other->row[row].texts || one->width != other->width;
        for (size_t i = 0; i < one->width && one->width == other->width; i++) {
            double apart = distance(one->values[row * one->width + i], other->values[row * one->width + i]);
            differs = differs || apart > tolerance;
            *largest = fmax(*largest, apart);
        }
        *first = differs && count == 0 ? row : *first;
        count += differs;
    }
    return count;
}

bool answers_finite(const struct answers *answers, size_t row)
{
    CHECK_OBJECT(answers, ANSWERS_MAGIC);
    bool finite = true;
    for (size_t i = 0; i < answers->width; i++)
        finite = finite && isfinite(answers->values[row * answers->width + i]);
    return finite;
}
