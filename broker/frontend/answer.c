/* answer: which output is what, and how it is printed.
 *
 * A model's outputs have names that each tool chooses for itself, so what they mean is told by their datatype
 * and shape:
 *
 *     class          the first integer, BOOL or BYTES output with one value a row
 *     probabilities  the first float output with two or more columns (classification)
 *     score          the first float output with one value a row
 *
 *     {"prediction": ...}       regression: the score, or else the class (an integer is a number, too), or
 * else the row of a float output with two or more columns. Classification: the class; without one, the index
 * of the largest probability; without those, 1 when the score is 0.5 or more, else 0
 *     {"probability": ...}      two classes: of the positive one (index 1). With a score alone: the score
 *     {"probabilities": [...]}  of all classes
 *     {"label": ...}            the schema's label of an integer prediction, when it has one
 *     {"outputs": {...}}        whatever output none of the above used, as nested arrays by name
 *
 * A batch has "predictions", "probabilities" (one row each; with a score alone one number each), "labels" and
 * "outputs", every list in the order of the instances. NaN and infinities become null. A BOOL class is true
 * or false.
 *
 * Everything is written straight into the response's buffer. Called by api.c for each answer, perhaps in a
 * thread of the side lane. SPDX-License-Identifier: MIT */
#include "answer.h"

#include "number.h"

#include <math.h>
#include <stdlib.h>

/* One payload taken apart. */
struct outputs {
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count;
    size_t rows;
    const struct tensor *class;         /* NULL: none */
    const struct tensor *probabilities; /* NULL: none */
    const struct tensor *score;         /* NULL: none */
};

static bool is_float(const struct tensor *tensor)
{
    return tensor->datatype == DATATYPE_FP32 || tensor->datatype == DATATYPE_FP64 ||
           tensor->datatype == DATATYPE_FP16;
}

/* Values of each row; 0 when there are none. */
static size_t columns_of(const struct tensor *tensor)
{
    size_t columns = 1;
    for (uint32_t i = 1; i < tensor->rank; i++)
        columns *= (size_t)tensor->shape[i];
    return columns;
}

static bool one_a_row(const struct tensor *tensor)
{
    return tensor->rank == 1 || (tensor->rank == 2 && tensor->shape[1] == 1);
}

static void find_roles(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++) {
        const struct tensor *tensor = &outputs->tensors[i];
        bool one = one_a_row(tensor);
        if (one && !is_float(tensor) && outputs->class == NULL)
            outputs->class = tensor;
        else if (one && is_float(tensor) && outputs->score == NULL)
            outputs->score = tensor;
        else if (is_float(tensor) && tensor->rank == 2 && tensor->shape[1] > 1 &&
                 outputs->probabilities == NULL)
            outputs->probabilities = tensor;
    }
}

/* Keeps only the roles that the prediction is made of; the other outputs then appear under "outputs". */
static void settle_roles(struct outputs *outputs, bool regression)
{
    if (!regression && (outputs->class != NULL || outputs->probabilities != NULL))
        outputs->score = NULL;
    if (regression && outputs->score != NULL)
        outputs->class = NULL;
    if (regression && (outputs->score != NULL || outputs->class != NULL))
        outputs->probabilities = NULL;
}

/* ---- single values ---- */

static double float_at(const struct tensor *tensor, size_t index)
{
    ENSURE(tensor != NULL);
    if (tensor->datatype == DATATYPE_FP32) {
        float value;
        memcpy(&value, tensor->data + index * sizeof value, sizeof value);
        return (double)value;
    }
    if (tensor->datatype == DATATYPE_FP64) {
        double value;
        memcpy(&value, tensor->data + index * sizeof value, sizeof value);
        return value;
    }
    uint16_t half;
    memcpy(&half, tensor->data + index * sizeof half, sizeof half);
    return (double)number_from_half(half);
}

static bool is_signed(enum datatype datatype)
{
    return datatype >= DATATYPE_INT8 && datatype <= DATATYPE_INT64;
}

/* The bits of an integer element; sign-extended for signed datatypes. */
static uint64_t integer_at(const struct tensor *tensor, size_t index)
{
    size_t size = datatype_bytes(tensor->datatype);
    uint64_t bits = 0;
    memcpy(&bits, tensor->data + index * size, size);
    unsigned unused = 64 - (unsigned)size * 8;
    if (is_signed(tensor->datatype))
        return (uint64_t)((int64_t)(bits << unused) >> unused);
    return bits;
}

static void add_float(struct output *out, double value, enum datatype datatype)
{
    char *place = output_room(out, NUMBER_TEXT_MAX);
    out->length += datatype == DATATYPE_FP64 ? number_write_double(value, place)
                                             : number_write_float((float)value, place);
}

/* A reader of elements one after the other: BYTES can be read in no other way. */
struct cursor {
    const struct tensor *tensor;
    size_t index;
    size_t offset; /* BYTES only */
};

static struct text next_string(struct cursor *cursor)
{
    uint32_t length;
    memcpy(&length, cursor->tensor->data + cursor->offset, sizeof length);
    struct text text = {(const char *)cursor->tensor->data + cursor->offset + sizeof length, length};
    cursor->offset += sizeof length + length;
    return text;
}

static void add_next(struct output *out, struct cursor *cursor)
{
    const struct tensor *tensor = cursor->tensor;
    size_t index = cursor->index++;
    if (tensor->datatype == DATATYPE_BYTES)
        output_add_json(out, next_string(cursor));
    else if (is_float(tensor))
        add_float(out, float_at(tensor, index), tensor->datatype);
    else if (tensor->datatype == DATATYPE_BOOL)
        output_add_string(out, tensor->data[index] != 0 ? "true" : "false");
    else if (is_signed(tensor->datatype))
        output_add_integer(out, (int64_t)integer_at(tensor, index));
    else
        output_add_unsigned(out, integer_at(tensor, index));
}

/* [1.0,2.0,...]: the loop that large answers spend their time in. */
static void add_float_row(struct output *out, const struct tensor *tensor, size_t first, size_t count)
{
    char *place = output_room(out, count * (NUMBER_TEXT_MAX + 1) + 2);
    char *at = place;
    *at++ = '[';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *at++ = ',';
        double value = float_at(tensor, first + i);
        at += tensor->datatype == DATATYPE_FP64 ? number_write_double(value, at)
                                                : number_write_float((float)value, at);
    }
    *at++ = ']';
    out->length += (size_t)(at - place);
}

/* ---- what is predicted ---- */

static size_t largest(const struct tensor *probabilities, size_t row)
{
    size_t columns = (size_t)probabilities->shape[1];
    size_t best = 0;
    for (size_t i = 1; i < columns; i++)
        if (float_at(probabilities, row * columns + i) > float_at(probabilities, row * columns + best))
            best = i;
    return best;
}

/* The index of the predicted class, when the prediction is one. */
static bool class_index(const struct outputs *outputs, bool regression, size_t row, uint64_t *index)
{
    if (regression || (outputs->class != NULL && outputs->class->datatype == DATATYPE_BYTES))
        return false;
    if (outputs->class != NULL)
        *index = integer_at(outputs->class, row); /* a negative one is out of every range */
    else if (outputs->probabilities != NULL)
        *index = largest(outputs->probabilities, row);
    else
        *index = float_at(outputs->score, row) >= 0.5;
    return true;
}

static void add_prediction(struct output *out, const struct outputs *outputs, bool regression, size_t row,
                           struct cursor *class)
{
    uint64_t index;
    if (outputs->class != NULL)
        add_next(out, class);
    else if (class_index(outputs, regression, row, &index))
        output_add_unsigned(out, index);
    else if (outputs->score != NULL)
        add_float(out, float_at(outputs->score, row), outputs->score->datatype);
    else
        add_float_row(out, outputs->probabilities, row * columns_of(outputs->probabilities),
                      columns_of(outputs->probabilities));
}

static bool has_prediction(const struct outputs *outputs)
{
    return outputs->class != NULL || outputs->probabilities != NULL || outputs->score != NULL;
}

static bool has_labels(const struct answer *answer, const struct outputs *outputs)
{
    return answer->schema->label_count > 0 && !answer->schema->regression &&
           (outputs->class == NULL || outputs->class->datatype != DATATYPE_BYTES);
}

/* Where a label stands in what is written; length 0: nowhere yet. */
struct place {
    size_t at, length;
};

/* There are many rows and few labels: each is made JSON once, and then copied from where it stands. */
static void add_label(struct output *out, const char *label, struct place *place)
{
    if (place->length > 0) {
        char *end = output_room(out, place->length);
        memcpy(end, out->bytes + place->at, place->length);
        out->length += place->length;
        return;
    }
    place->at = out->length;
    output_add_json(out, text_of(label));
    place->length = out->length - place->at;
}

/* The label of each row's class, or null. */
static void add_labels(struct output *out, const struct answer *answer, const struct outputs *outputs)
{
    size_t count = answer->schema->label_count;
    struct place *places = object_alloc(count * sizeof *places);
    for (size_t row = 0; row < outputs->rows; row++) {
        uint64_t index;
        output_add_char(out, row == 0 ? '[' : ',');
        if (class_index(outputs, false, row, &index) && index < count)
            add_label(out, answer->schema->labels[index], &places[index]);
        else
            output_add_string(out, "null");
    }
    output_add_char(out, ']');
    free(places);
}

/* ---- members ---- */

/* The comma, unless it is the first, the name and the colon. */
static void add_name(struct output *out, const char *name)
{
    if (out->bytes[out->length - 1] != '{')
        output_add_char(out, ',');
    output_add_char(out, '"');
    output_add_string(out, name);
    output_add(out, "\":", 2);
}

static void add_single(struct output *out, const struct answer *answer, const struct outputs *outputs)
{
    bool regression = answer->schema->regression;
    struct cursor class = {.tensor = outputs->class};
    add_name(out, "prediction");
    add_prediction(out, outputs, regression, 0, &class);
    if (regression)
        return;
    const struct tensor *probabilities = outputs->probabilities;
    if (probabilities != NULL && probabilities->shape[1] == 2) {
        add_name(out, "probability");
        add_float(out, float_at(probabilities, 1), probabilities->datatype);
    } else if (probabilities == NULL && outputs->score != NULL) {
        add_name(out, "probability");
        add_float(out, float_at(outputs->score, 0), outputs->score->datatype);
    }
    if (probabilities != NULL) {
        add_name(out, "probabilities");
        add_float_row(out, probabilities, 0, columns_of(probabilities));
    }
    uint64_t index;
    if (has_labels(answer, outputs) && class_index(outputs, false, 0, &index) &&
        index < answer->schema->label_count) {
        add_name(out, "label");
        output_add_json(out, text_of(answer->schema->labels[index]));
    }
}

static void add_probability_rows(struct output *out, const struct outputs *outputs)
{
    const struct tensor *probabilities = outputs->probabilities;
    add_name(out, "probabilities");
    if (probabilities == NULL) {
        add_float_row(out, outputs->score, 0, outputs->rows);
        return;
    }
    size_t columns = columns_of(probabilities);
    for (size_t row = 0; row < outputs->rows; row++) {
        output_add_char(out, row == 0 ? '[' : ',');
        add_float_row(out, probabilities, row * columns, columns);
    }
    output_add_char(out, ']');
}

static void add_batch(struct output *out, const struct answer *answer, const struct outputs *outputs)
{
    bool regression = answer->schema->regression;
    struct cursor class = {.tensor = outputs->class};
    add_name(out, "predictions");
    for (size_t row = 0; row < outputs->rows; row++) {
        output_add_char(out, row == 0 ? '[' : ',');
        add_prediction(out, outputs, regression, row, &class);
    }
    output_add_char(out, ']');
    if (!regression && (outputs->probabilities != NULL || outputs->score != NULL))
        add_probability_rows(out, outputs);
    if (!has_labels(answer, outputs))
        return;
    add_name(out, "labels");
    add_labels(out, answer, outputs);
}

/* The dimensions from `dimension` on, as nested arrays. */
static void add_nested(struct output *out, struct cursor *cursor, uint32_t dimension)
{
    if (dimension >= cursor->tensor->rank) {
        add_next(out, cursor);
        return;
    }
    output_add_char(out, '[');
    for (int64_t i = 0; i < cursor->tensor->shape[dimension]; i++) {
        if (i > 0)
            output_add_char(out, ',');
        add_nested(out, cursor, dimension + 1);
    }
    output_add_char(out, ']');
}

/* Those that have no role. One row's are shown without the dimension of the rows. */
static void add_others(struct output *out, const struct answer *answer, const struct outputs *outputs)
{
    bool any = false;
    for (size_t i = 0; i < outputs->count; i++) {
        const struct tensor *tensor = &outputs->tensors[i];
        if (tensor == outputs->class || tensor == outputs->probabilities || tensor == outputs->score)
            continue;
        if (!any)
            add_name(out, "outputs");
        output_add_char(out, any ? ',' : '{');
        output_add_json(out, tensor->name);
        output_add_char(out, ':');
        size_t elements;
        if (tensor_elements(tensor, &elements) && elements > 0)
            add_nested(out, &(struct cursor){.tensor = tensor}, answer->batch ? 0 : 1);
        else
            output_add_string(out, "[]"); /* [1000000000, 0] would be a long nothing */
        any = true;
    }
    if (any)
        output_add_char(out, '}');
}

static void add_text(struct output *out, const char *name, struct text text)
{
    add_name(out, name);
    output_add_json(out, text);
}

const char *answer_write(const struct answer *answer, const uint8_t *payload, size_t bytes,
                         struct output *out)
{
    struct outputs outputs;
    const char *complaint = tensors_decode(payload, bytes, outputs.tensors, &outputs.count, &outputs.rows);
    if (complaint != NULL)
        return complaint;
    if (outputs.rows != answer->rows)
        return "the model answered another number of rows than it was asked";
    outputs.class = outputs.probabilities = outputs.score = NULL;
    find_roles(&outputs);
    settle_roles(&outputs, answer->schema->regression);
    out->length = 0;
    output_add_char(out, '{');
    if (has_prediction(&outputs) && answer->batch)
        add_batch(out, answer, &outputs);
    else if (has_prediction(&outputs))
        add_single(out, answer, &outputs);
    add_others(out, answer, &outputs);
    add_text(out, "model", answer->model);
    add_text(out, "model_version", answer->version);
    add_text(out, "request_id", answer->id);
    output_add(out, "}\n", 2);
    return NULL;
}
