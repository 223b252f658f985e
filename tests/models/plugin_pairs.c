/* A model with two inputs and two outputs: the sum of two floats times a whole number, and how many rows
 * there have been. What it tells and answers can be made wrong when it is built. With GROWN it is built with
 * a header that has more members at the end of each structure (`grown`), and says so when one of them is not
 * 0, which nobody but itself has set. SPDX-License-Identifier: MIT */
#include <outrigger/backend.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef TELL_NAME
#define TELL_NAME "counts"
#endif
#ifndef TELL_DATATYPE
#define TELL_DATATYPE "INT32"
#endif
#ifndef TELL_RANK
#define TELL_RANK 1
#endif
#ifndef ANSWER_BYTES
#define ANSWER_BYTES ((size_t)rows * sizeof *model->counts)
#endif
#ifndef ANSWER_RANK
#define ANSWER_RANK 1
#endif
#ifndef ANSWER_DATA
#define ANSWER_DATA model->counts
#endif
#ifndef ANSWER_STATUS
#define ANSWER_STATUS 0
#endif

#ifdef GROWN
#define GROW           .grown = {7, 7, 7},
#define IS_ZERO(thing) ((thing).grown[0] == 0 && (thing).grown[2] == 0)
#else
#define GROW
#define IS_ZERO(thing) ((void)(thing), 1)
#endif

enum { ROWS_MAX = 16 };

struct model {
    int32_t seen;
    int32_t counts[ROWS_MAX];
    double sums[ROWS_MAX];
};

static const struct outrigger_tensor inputs_told[] = {
    {.name = "pairs", .datatype = "FP32", .rank = 2, .shape = {-1, 2}, GROW},
    {.name = "factors", .datatype = "INT64", .rank = 1, .shape = {-1}, GROW}};
static const struct outrigger_tensor outputs_told[] = {
    {.name = "sums", .datatype = "FP64", .rank = 2, .shape = {-1, 1}, GROW},
    {.name = TELL_NAME, .datatype = TELL_DATATYPE, .rank = TELL_RANK, .shape = {-1}, GROW}};

static void *open_pairs(const struct outrigger_options *options, struct outrigger_description *description,
                        char *error, size_t error_size)
{
#ifdef TELL_NO_INPUT
    const size_t inputs = 0;
#else
    const size_t inputs = 2;
#endif
    if (!IS_ZERO(*description)) {
        snprintf(error, error_size, "what nobody knows is not 0");
        return NULL;
    }
    options->log(options->log_self, OUTRIGGER_LOG_DEBUG, "pairs");
    *description = (struct outrigger_description){.inputs = inputs_told,
                                                  .input_count = inputs,
                                                  .outputs = outputs_told,
                                                  .output_count = 2,
                                                  .platform = "pairs",
                                                  GROW};
    return calloc(1, sizeof(struct model));
}

static int run_pairs(void *state, const struct outrigger_values *inputs, struct outrigger_values *outputs,
                     char *error, size_t error_size)
{
    struct model *model = state;
    int64_t rows = inputs[1].shape[0];
    if (rows > ROWS_MAX || !IS_ZERO(inputs[0]) || !IS_ZERO(inputs[1]) || !IS_ZERO(outputs[0]) ||
        !IS_ZERO(outputs[1])) {
        snprintf(error, error_size, "what nobody knows is not 0");
        return -1;
    }
    for (int64_t i = 0; i < rows; i++) {
        const float *pair = (const float *)inputs[0].data + 2 * i;
        model->sums[i] = (double)(pair[0] + pair[1]) * (double)((const int64_t *)inputs[1].data)[i];
        model->counts[i] = model->seen + (int32_t)rows;
    }
    model->seen += (int32_t)rows;
    outputs[0] = (struct outrigger_values){.data = model->sums,
                                           .bytes = (size_t)rows * sizeof *model->sums,
                                           .rank = 2,
                                           .shape = {rows, 1},
                                           GROW};
    outputs[1] = (struct outrigger_values){
        .data = ANSWER_DATA, .bytes = ANSWER_BYTES, .rank = ANSWER_RANK, .shape = {rows}, GROW};
    return ANSWER_STATUS;
}

const struct outrigger_plugin *outrigger_backend(uint32_t abi)
{
    static const struct outrigger_plugin plugin = {OUTRIGGER_PLUGIN_SIZES, .open = open_pairs,
                                                   .run = run_pairs, .close = free, GROW};
    return abi == OUTRIGGER_BACKEND_ABI ? &plugin : NULL;
}
