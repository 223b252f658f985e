/* The example of a model that is a shared object (worker/backend.h): four numbers in, their sum out.
 *
 *     cc -shared -fPIC -Iworker -o models/sum/1/model.so tests/models/plugin_sum.c
 * SPDX-License-Identifier: MIT */
#include "backend.h"

#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = 4 };

struct sum {
    float *sums; /* of the last call */
};

static const struct backend_tensor input = {"features", "FP32", 2, {-1, COLUMNS}};
static const struct backend_tensor output = {"prediction", "FP32", 2, {-1, 1}};

static void *open_sum(const char *path, const struct backend_options *options,
                      struct backend_description *description, char *error)
{
    struct sum *sum = calloc(1, sizeof *sum);
    (void)options;
    if (sum == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "%s: no memory", path);
        return NULL;
    }
    *description = (struct backend_description){
        .platform = "plugin_sum", .inputs = &input, .input_count = 1, .outputs = &output, .output_count = 1};
    return sum;
}

#ifndef EACH_ROW
#define EACH_ROW(row) (void)(row)
#endif

static int run_sum(void *state, const struct backend_values *inputs, struct backend_values *outputs,
                   char *error)
{
    struct sum *sum = state;
    int64_t rows = inputs->shape[0];
    float *sums = realloc(sum->sums, (size_t)(rows > 0 ? rows : 1) * sizeof *sums);
    if (sums == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "no memory");
        return -1;
    }
    sum->sums = sums;
    for (int64_t i = 0; i < rows; i++) {
        const float *row = (const float *)inputs->data + i * COLUMNS;
        EACH_ROW(row);
        sums[i] = row[0] + row[1] + row[2] + row[3];
    }
    *outputs = (struct backend_values){sums, (size_t)rows * sizeof *sums, 2, {rows, 1}};
    return 0;
}

static void close_sum(void *state)
{
    struct sum *sum = state;
    free(sum->sums);
    free(sum);
}

#ifndef PLUGIN_ABI
#define PLUGIN_ABI OUTRIGGER_BACKEND_ABI
#endif

static const struct outrigger_backend_plugin plugin = {
    .abi = PLUGIN_ABI, .size = sizeof plugin, .backend = {"sum", ".so", open_sum, run_sum, close_sum}};

const struct outrigger_backend_plugin *outrigger_backend(uint32_t abi)
{
    return abi == OUTRIGGER_BACKEND_ABI ? &plugin : NULL;
}
