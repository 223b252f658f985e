/* backend_xgboost: trees and linear models of XGBoost, in JSON or UBJSON, computed by its C API
 * (xgboost_library.h).
 *
 * The library throws exceptions and catches them at its C functions, so that a file it cannot read is an
 * error like any other; what it does with one that is made to break it is the sandbox's business.
 *
 * Rows are computed where they lie (XGBoosterPredictFromDense), without a DMatrix; linear models, for which
 * the library cannot do that, through one. NaN is a missing value, as in the library for Python, whose
 * defaults are kept in the other things, too: a model that its scikit-learn interface has saved stops at its
 * best round, and a classifier gives the classes and probabilities that predict and predict_proba do. Those
 * are two outputs, label and probabilities; what any other model gives is one, prediction.
 * SPDX-License-Identifier: MIT */
#include "backend.h"

#include "mapped_file.h"
#include "object.h"
#include "xgboost_library.h"
#include "xgboost_model.h"
#include "xgboost_trees.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { XGBOOST_MAGIC = 0x03b00571, COLUMNS_MAX = 65536 /* of a row, or of an output */ };

enum prediction { NORMAL, MARGIN }; /* `type` in what the library is asked */

struct xgboost {
    unsigned magic;
    struct xgboost_library library;
    BoosterHandle booster;
    bool linear; /* not trees: gblinear */
    enum xgboost_answer answer;
    size_t columns;     /* numbers a row that the library gives */
    char question[160]; /* what it is asked, but for the rows */
    struct backend_tensor input;
    struct backend_tensor outputs[2];
    size_t output_count;
    struct backend_column *names; /* of the input's columns; NULL: the file has none */
    char *names_memory;
    int64_t *labels;      /* of this call */
    float *probabilities; /* likewise, where the library does not give them as they are */
    size_t rows_room;
};

/* ---- computing ---- */

static int ask_in_place(const struct xgboost *xgboost, const float *values, size_t rows,
                        const bst_ulong **shape, bst_ulong *rank, const float **result)
{
    char array[128];
    snprintf(array, sizeof array,
             "{\"data\":[%zu,true],\"shape\":[%zu,%lld],\"typestr\":\"<f4\",\"version\":3}", (size_t)values,
             rows, (long long)xgboost->input.shape[1]);
    return xgboost->library.XGBoosterPredictFromDense(xgboost->booster, array, xgboost->question, NULL, shape,
                                                      rank, result);
}

static int ask_for_copy(const struct xgboost *xgboost, const float *values, size_t rows,
                        const bst_ulong **shape, bst_ulong *rank, const float **result)
{
    const struct xgboost_library *library = &xgboost->library;
    DMatrixHandle matrix;
    int status =
        library->XGDMatrixCreateFromMat(values, rows, (bst_ulong)xgboost->input.shape[1], NAN, &matrix);
    if (status != 0)
        return status;
    status = library->XGBoosterPredictFromDMatrix(xgboost->booster, matrix, xgboost->question, shape, rank,
                                                  result);
    library->XGDMatrixFree(matrix);
    return status;
}

/* What the library gives for these rows, good until it is asked again; NULL: `error` says why. */
static const float *predict(const struct xgboost *xgboost, const float *values, size_t rows, size_t *columns,
                            char *error)
{
    const bst_ulong *shape;
    bst_ulong rank;
    const float *result;
    int status = xgboost->linear ? ask_for_copy(xgboost, values, rows, &shape, &rank, &result)
                                 : ask_in_place(xgboost, values, rows, &shape, &rank, &result);
    if (xgboost_refused(&xgboost->library, status, error))
        return NULL;
    *columns = 1;
    for (bst_ulong i = 1; i < rank; i++)
        *columns *= (size_t)shape[i];
    if (rank > 0 && shape[0] == rows && *columns > 0 && *columns <= COLUMNS_MAX)
        return result;
    snprintf(error, BACKEND_ERROR_MAX, "it gives %zu numbers for a row; 1 to %d can be served", *columns,
             COLUMNS_MAX);
    return NULL;
}

static void ask_for(struct xgboost *xgboost, enum prediction prediction, int rounds)
{
    snprintf(xgboost->question, sizeof xgboost->question,
             "{\"type\":%d,\"training\":false,\"iteration_begin\":0,\"iteration_end\":%d,\"missing\":NaN,"
             "\"strict_shape\":true,\"cache_id\":0}",
             prediction == MARGIN ? 1 : 0, rounds);
}

static size_t largest(const float *numbers, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (numbers[i] > numbers[best])
            best = i;
    return best;
}

static void softmax(const float *margins, size_t count, float *probabilities)
{
    float most = margins[largest(margins, count)];
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)(probabilities[i] = expf(margins[i] - most));
    for (size_t i = 0; i < count; i++)
        probabilities[i] /= (float)sum;
}

static void make_room(struct xgboost *xgboost, size_t rows)
{
    if (rows <= xgboost->rows_room)
        return;
    free(xgboost->labels);
    free(xgboost->probabilities);
    size_t columns = xgboost->columns > 1 ? xgboost->columns : 2;
    xgboost->labels = object_alloc(rows * sizeof *xgboost->labels);
    xgboost->probabilities = object_alloc(rows * columns * sizeof *xgboost->probabilities);
    xgboost->rows_room = rows;
}

/* Finds the classes of all rows. Returns what their probabilities (or the margin) are. */
static const float *classify(struct xgboost *xgboost, const float *result, size_t rows)
{
    size_t columns = xgboost->columns;
    int64_t *labels = xgboost->labels;
    float *probabilities = xgboost->probabilities;
    switch (xgboost->answer) {
    case XGBOOST_PROBABILITY:
        for (size_t row = 0; row < rows; row++) {
            labels[row] = result[row] > 0.5f;
            probabilities[2 * row] = 1.0f - result[row];
            probabilities[2 * row + 1] = result[row];
        }
        return probabilities;
    case XGBOOST_MARGINS:
        for (size_t row = 0; row < rows; row++) {
            labels[row] = (int64_t)largest(result + row * columns, columns);
            softmax(result + row * columns, columns, probabilities + row * columns);
        }
        return probabilities;
    case XGBOOST_PROBABILITIES:
        for (size_t row = 0; row < rows; row++)
            labels[row] = (int64_t)largest(result + row * columns, columns);
        return result;
    case XGBOOST_MARGIN:
    case XGBOOST_CLASS:
        for (size_t row = 0; row < rows; row++)
            labels[row] = result[row] > 0;
        return result;
    case XGBOOST_VALUES:
        break;
    }
    return result;
}

static void give(struct backend_values *output, const struct backend_tensor *declared, const void *data,
                 size_t element, size_t rows)
{
    *output = (struct backend_values){.data = data, .bytes = rows * element, .rank = declared->rank};
    output->shape[0] = (int64_t)rows;
    for (uint32_t i = 1; i < declared->rank; i++) {
        output->shape[i] = declared->shape[i];
        output->bytes *= (size_t)declared->shape[i];
    }
}

static int xgboost_run(void *state, const struct backend_values *inputs, struct backend_values *outputs,
                       char *error)
{
    struct xgboost *xgboost = state;
    CHECK_OBJECT(xgboost, XGBOOST_MAGIC);
    size_t rows = (size_t)inputs->shape[0], columns;
    const float *result = predict(xgboost, inputs->data, rows, &columns, error);
    if (result == NULL)
        return -1;
    if (columns != xgboost->columns) {
        snprintf(error, BACKEND_ERROR_MAX, "it gives %zu numbers for a row, and gave %zu before", columns,
                 xgboost->columns);
        return -1;
    }
    if (xgboost->answer != XGBOOST_VALUES) {
        make_room(xgboost, rows);
        result = classify(xgboost, result, rows);
        give(outputs++, &xgboost->outputs[0], xgboost->labels, sizeof *xgboost->labels, rows);
    }
    if (xgboost->answer != XGBOOST_CLASS)
        give(outputs, &xgboost->outputs[xgboost->output_count - 1], result, sizeof *result, rows);
    return 0;
}

/* ---- loading ---- */

extern const struct backend backend_xgboost;

static bool load_file(const struct xgboost_library *library, const char *path, int threads,
                      BoosterHandle *booster, char *error)
{
    char number[16];
    snprintf(number, sizeof number, "%d", threads);
    return !xgboost_refused(library, library->XGBSetGlobalConfig("{\"verbosity\":0}"), error) &&
           !xgboost_refused(library, library->XGBoosterCreate(NULL, 0, booster), error) &&
           !xgboost_refused(library, library->XGBoosterSetParam(*booster, "nthread", number), error) &&
           !xgboost_refused(library, library->XGBoosterLoadModel(*booster, path), error) &&
           !xgboost_refused(library, library->XGBoosterSetParam(*booster, "nthread", number), error);
}

/* The trees of a file in JSON. */
static bool inspect_text(const char *path, char *error)
{
    size_t length;
    uint8_t *bytes = mapped_file(path, &length);
    if (bytes == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "%s", strerror(errno));
        return false;
    }
    bool good = xgboost_trees_ok((const char *)bytes, length, error, BACKEND_ERROR_MAX);
    munmap(bytes, length);
    return good;
}

/* Of any other file: as the library writes them, from a booster that is then thrown away, since it keeps what
 * it writes. */
static bool inspect_binary(const struct xgboost_library *library, const char *path, int threads, char *error)
{
    BoosterHandle booster = NULL;
    bst_ulong length;
    const char *json;
    bool good =
        load_file(library, path, threads, &booster, error) &&
        !xgboost_refused(
            library, library->XGBoosterSaveModelToBuffer(booster, "{\"format\":\"json\"}", &length, &json),
            error) &&
        xgboost_trees_ok(json, (size_t)length, error, BACKEND_ERROR_MAX);
    if (booster != NULL)
        library->XGBoosterFree(booster);
    return good;
}

static bool inspect(const struct xgboost_library *library, const char *path, int threads, char *error)
{
    const char *suffix = strrchr(path, '.');
    return suffix != NULL && strcmp(suffix, backend_xgboost.suffix) == 0
               ? inspect_text(path, error)
               : inspect_binary(library, path, threads, error);
}

/* An attribute of the file, NULL when it is not there; good until the library is asked again. */
static const char *attribute(const struct xgboost *xgboost, const char *name)
{
    const char *value;
    int found;
    return xgboost->library.XGBoosterGetAttr(xgboost->booster, name, &value, &found) == 0 && found != 0
               ? value
               : NULL;
}

/* The texts that the file has for the columns under that name; 0 when it has none. They are good until the
 * library is asked again. */
static size_t texts_of_columns(const struct xgboost *xgboost, const char *name, const char ***texts)
{
    bst_ulong count = 0;
    if (xgboost->library.XGBoosterGetStrFeatureInfo(xgboost->booster, name, &count, texts) != 0)
        return 0;
    return count == (bst_ulong)xgboost->input.shape[1] ? (size_t)count : 0;
}

static void name_columns(struct xgboost *xgboost)
{
    const char **texts;
    size_t count = texts_of_columns(xgboost, "feature_name", &texts), length = 0;
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        length += strlen(texts[i]) + 1;
    char *at = xgboost->names_memory = object_alloc(length);
    xgboost->names = object_alloc(count * sizeof *xgboost->names);
    for (size_t i = 0; i < count; i++) {
        xgboost->names[i].name = strcpy(at, texts[i]);
        at += strlen(at) + 1;
    }
    count = texts_of_columns(xgboost, "feature_type", &texts);
    for (size_t i = 0; i < count; i++)
        xgboost->names[i].type = xgboost_column_type(texts[i]);
}

static bool find_objective(struct xgboost *xgboost, char *objective, char *error)
{
    const char *json;
    bst_ulong length;
    if (xgboost_refused(&xgboost->library,
                        xgboost->library.XGBoosterSaveJsonConfig(xgboost->booster, &length, &json), error))
        return false;
    bool found = xgboost_objective_read(json, (size_t)length, objective, &xgboost->linear);
    if (!found)
        snprintf(error, BACKEND_ERROR_MAX, "its objective has no name that can be read");
    return found;
}

static bool find_input(struct xgboost *xgboost, char *error)
{
    bst_ulong features;
    if (xgboost_refused(&xgboost->library,
                        xgboost->library.XGBoosterGetNumFeature(xgboost->booster, &features), error))
        return false;
    if (features == 0 || features > COLUMNS_MAX) {
        snprintf(error, BACKEND_ERROR_MAX, "it has %llu features; 1 to %d can be served",
                 (unsigned long long)features, COLUMNS_MAX);
        return false;
    }
    xgboost->input = (struct backend_tensor){"features", "FP32", 2, {-1, (int64_t)features}};
    name_columns(xgboost);
    return true;
}

/* The numbers of a row are counted in a row of zeros, and as margins, which every objective has as many of as
 * it has classes or targets. */
static bool find_answer(struct xgboost *xgboost, char *error)
{
    char objective[XGBOOST_OBJECTIVE_MAX];
    int rounds;
    if (!find_objective(xgboost, objective, error) ||
        xgboost_refused(&xgboost->library, xgboost->library.XGBoosterBoostedRounds(xgboost->booster, &rounds),
                        error))
        return false;
    bool by_best = !xgboost->linear && attribute(xgboost, "scikit_learn") != NULL;
    rounds = xgboost_rounds_of(by_best ? attribute(xgboost, "best_iteration") : NULL, rounds);
    float *zeros = object_alloc((size_t)xgboost->input.shape[1] * sizeof *zeros);
    ask_for(xgboost, MARGIN, rounds);
    const float *margins = predict(xgboost, zeros, 1, &xgboost->columns, error);
    free(zeros);
    if (margins == NULL)
        return false;
    xgboost->answer = xgboost_answer_of(objective, xgboost->columns);
    ask_for(xgboost, xgboost->answer == XGBOOST_MARGINS ? MARGIN : NORMAL, rounds);
    return true;
}

static void name_outputs(struct xgboost *xgboost)
{
    struct backend_tensor *output = xgboost->outputs;
    int64_t columns = xgboost->answer == XGBOOST_PROBABILITY ? 2 : (int64_t)xgboost->columns;
    const char *name = xgboost->answer == XGBOOST_VALUES   ? "prediction"
                       : xgboost->answer == XGBOOST_MARGIN ? "margin"
                                                           : "probabilities";
    if (xgboost->answer != XGBOOST_VALUES)
        *output++ = (struct backend_tensor){"label", "INT64", 1, {-1}};
    if (xgboost->answer != XGBOOST_CLASS)
        *output++ = (struct backend_tensor){name, "FP32", columns > 1 ? 2 : 1, {-1, columns}};
    xgboost->output_count = (size_t)(output - xgboost->outputs);
}

static void xgboost_close(void *state)
{
    struct xgboost *xgboost = state;
    CHECK_OBJECT(xgboost, XGBOOST_MAGIC);
    if (xgboost->booster != NULL)
        xgboost->library.XGBoosterFree(xgboost->booster);
    free(xgboost->names);
    free(xgboost->names_memory);
    free(xgboost->labels);
    free(xgboost->probabilities);
    xgboost->magic = 0;
    free(xgboost);
}

static void *xgboost_open(const char *path, const struct backend_options *options,
                          struct backend_description *description, char *error)
{
    struct xgboost *xgboost = object_alloc(sizeof *xgboost);
    xgboost->magic = XGBOOST_MAGIC;
    if (!xgboost_library_open(&xgboost->library, options->threads, error) ||
        !inspect(&xgboost->library, path, options->threads, error) ||
        !load_file(&xgboost->library, path, options->threads, &xgboost->booster, error) ||
        !find_input(xgboost, error) || !find_answer(xgboost, error)) {
        xgboost_close(xgboost);
        return NULL;
    }
    name_outputs(xgboost);
    *description = (struct backend_description){
        .platform = "xgboost",
        .inputs = &xgboost->input,
        .input_count = 1,
        .outputs = xgboost->outputs,
        .output_count = xgboost->output_count,
        .columns = xgboost->names,
        .column_count = xgboost->names == NULL ? 0 : (size_t)xgboost->input.shape[1],
        .task = xgboost->answer == XGBOOST_VALUES ? "regression" : "classification",
        .takes_missing = !xgboost->linear};
    return xgboost;
}

#define XGBOOST(suffix_)                                                                                     \
    {                                                                                                        \
        .name = "xgboost", .suffix = (suffix_), .open = xgboost_open, .run = xgboost_run,                    \
        .close = xgboost_close                                                                               \
    }
const struct backend backend_xgboost = XGBOOST(".json");
const struct backend backend_xgboost_binary = XGBOOST(".ubj");
