/* answer: how what the model gave is printed, by the roles of its outputs (roles.h):
 *
 *     {"prediction": ...}       regression: the score, or else the class (an integer is a number, too), or
 * else the row of a float output with two or more columns. Classification: the class; without one, the index
 * of the largest probability; without those, 1 when the score is 0.5 or more, else 0
 *     {"probability": ...}      two classes: of the positive one (index 1). With a score alone: the score
 *     {"probabilities": [...]}  of all classes
 *     {"label": ...}            the schema's label of an integer prediction, when it has one
 *     {"labels": [...]}         where several labels may hold at once (the task is multilabel): those that
 * do; the prediction is a list then, 1 for each that holds and 0 for the others, as are the probabilities
 *     {"outputs": {...}}        whatever output none of the above used, as nested arrays by name
 *
 * A batch has "predictions", "probabilities" (one row each; with a score alone one number each), "labels" and
 * "outputs", every list in the order of the instances. NaN and infinities become null. A BOOL class is true
 * or false.
 *
 * Everything is written straight into the response's buffer. Called by api.c for each answer, perhaps in a
 * thread of the side lane. SPDX-License-Identifier: MIT */
#include "answer.h"

#include "remember.h"

#include <math.h>
#include <stdlib.h>

/* One payload taken apart. */
struct outputs {
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count;
    size_t rows;
    struct roles roles;
};

/* ---- single values ---- */

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

static void add_next(struct output *out, struct cursor *cursor)
{
    const struct tensor *tensor = cursor->tensor;
    size_t index = cursor->index++;
    if (tensor->datatype == DATATYPE_BYTES)
        output_add_json(out, value_bytes(tensor, &cursor->offset));
    else if (value_is_float(tensor))
        add_float(out, value_float(tensor, index), tensor->datatype);
    else if (tensor->datatype == DATATYPE_BOOL)
        output_add_string(out, tensor->data[index] != 0 ? "true" : "false");
    else if (value_is_signed(tensor))
        output_add_integer(out, (int64_t)value_integer(tensor, index));
    else
        output_add_unsigned(out, value_integer(tensor, index));
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
        double value = value_float(tensor, first + i);
        at += tensor->datatype == DATATYPE_FP64 ? number_write_double(value, at)
                                                : number_write_float((float)value, at);
    }
    *at++ = ']';
    out->length += (size_t)(at - place);
}

/* ---- what is predicted ---- */

/* [0,1,1]: which labels hold. */
static void add_held(struct output *out, const struct roles *roles, size_t row)
{
    size_t labels = roles_label_count(roles);
    struct cursor cursor = {.tensor = roles->held, .index = row * labels};
    output_add_char(out, '[');
    for (size_t i = 0; i < labels; i++) {
        if (i > 0)
            output_add_char(out, ',');
        if (roles->held != NULL)
            add_next(out, &cursor);
        else
            output_add_char(out, roles_label_holds(roles, row, i) ? '1' : '0');
    }
    output_add_char(out, ']');
}

static void add_prediction(struct output *out, const struct outputs *outputs, bool regression, size_t row,
                           struct cursor *class)
{
    uint64_t index;
    if (outputs->roles.labels)
        add_held(out, &outputs->roles, row);
    else if (outputs->roles.class != NULL)
        add_next(out, class);
    else if (roles_class_index(&outputs->roles, regression, row, &index))
        output_add_unsigned(out, index);
    else if (outputs->roles.score != NULL)
        add_float(out, value_float(outputs->roles.score, row), outputs->roles.score->datatype);
    else
        add_float_row(out, outputs->roles.probabilities, row * value_columns(outputs->roles.probabilities),
                      value_columns(outputs->roles.probabilities));
}

static bool has_labels(const struct answer *answer, const struct outputs *outputs)
{
    return answer->schema->label_count > 0 && !answer->schema->regression &&
           (outputs->roles.class == NULL || outputs->roles.class->datatype != DATATYPE_BYTES);
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

/* ["a","c"]: the names of those that hold in a row. */
static void add_names_held(struct output *out, const struct answer *answer, const struct outputs *outputs,
                           size_t row)
{
    size_t count = roles_label_count(&outputs->roles);
    bool any = false;
    output_add_char(out, '[');
    for (size_t i = 0; i < count && i < answer->schema->label_count; i++) {
        if (!roles_label_holds(&outputs->roles, row, i))
            continue;
        if (any)
            output_add_char(out, ',');
        output_add_json(out, text_of(answer->schema->labels[i]));
        any = true;
    }
    output_add_char(out, ']');
}

static void add_all_names_held(struct output *out, const struct answer *answer, const struct outputs *outputs)
{
    output_add_char(out, '[');
    for (size_t row = 0; row < outputs->rows; row++) {
        if (row > 0)
            output_add_char(out, ',');
        add_names_held(out, answer, outputs, row);
    }
    output_add_char(out, ']');
}

/* The label of each row's class, or null. */
static void add_labels(struct output *out, const struct answer *answer, const struct outputs *outputs)
{
    size_t count = answer->schema->label_count;
    struct place *places = object_alloc(count * sizeof *places);
    for (size_t row = 0; row < outputs->rows; row++) {
        uint64_t index;
        output_add_char(out, row == 0 ? '[' : ',');
        if (roles_class_index(&outputs->roles, false, row, &index) && index < count)
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
    struct cursor class = {.tensor = outputs->roles.class};
    add_name(out, "prediction");
    add_prediction(out, outputs, regression, 0, &class);
    if (regression)
        return;
    const struct tensor *probabilities = outputs->roles.probabilities;
    if (probabilities != NULL && probabilities->shape[1] == 2 && !outputs->roles.labels) {
        add_name(out, "probability");
        add_float(out, value_float(probabilities, 1), probabilities->datatype);
    } else if (probabilities == NULL && outputs->roles.score != NULL) {
        add_name(out, "probability");
        add_float(out, value_float(outputs->roles.score, 0), outputs->roles.score->datatype);
    }
    if (probabilities != NULL) {
        add_name(out, "probabilities");
        add_float_row(out, probabilities, 0, value_columns(probabilities));
    }
    uint64_t index;
    if (has_labels(answer, outputs) && outputs->roles.labels) {
        add_name(out, "labels");
        add_names_held(out, answer, outputs, 0);
    } else if (has_labels(answer, outputs) && roles_class_index(&outputs->roles, false, 0, &index) &&
               index < answer->schema->label_count) {
        add_name(out, "label");
        output_add_json(out, text_of(answer->schema->labels[index]));
    }
}

static void add_probability_rows(struct output *out, const struct outputs *outputs)
{
    const struct tensor *probabilities = outputs->roles.probabilities;
    add_name(out, "probabilities");
    if (probabilities == NULL) {
        add_float_row(out, outputs->roles.score, 0, outputs->rows);
        return;
    }
    size_t columns = value_columns(probabilities);
    for (size_t row = 0; row < outputs->rows; row++) {
        output_add_char(out, row == 0 ? '[' : ',');
        add_float_row(out, probabilities, row * columns, columns);
    }
    output_add_char(out, ']');
}

static void add_batch(struct output *out, const struct answer *answer, const struct outputs *outputs)
{
    bool regression = answer->schema->regression;
    struct cursor class = {.tensor = outputs->roles.class};
    add_name(out, "predictions");
    for (size_t row = 0; row < outputs->rows; row++) {
        output_add_char(out, row == 0 ? '[' : ',');
        add_prediction(out, outputs, regression, row, &class);
    }
    output_add_char(out, ']');
    if (!regression && (outputs->roles.probabilities != NULL || outputs->roles.score != NULL))
        add_probability_rows(out, outputs);
    if (!has_labels(answer, outputs))
        return;
    add_name(out, "labels");
    if (outputs->roles.labels)
        add_all_names_held(out, answer, outputs);
    else
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
        if (tensor == outputs->roles.class || tensor == outputs->roles.probabilities ||
            tensor == outputs->roles.score || tensor == outputs->roles.held)
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
    outputs.roles = roles_of(answer->schema, outputs.tensors, outputs.count);
    out->length = 0;
    output_add_char(out, '{');
    if (roles_predict(&outputs.roles) && answer->batch)
        add_batch(out, answer, &outputs);
    else if (roles_predict(&outputs.roles))
        add_single(out, answer, &outputs);
    add_others(out, answer, &outputs);
    add_text(out, "model", answer->model);
    add_text(out, "model_version", answer->version);
    add_text(out, "request_id", answer->id);
    output_add(out, "}\n", 2);
    if (answer->predictions != NULL && roles_predict_one(&outputs.roles, answer->schema->regression))
        remember_answer(answer, &outputs.roles, outputs.rows);
    return NULL;
}
