/* A model in C: the weighted sum of four numbers. It is the example of <outrigger/backend.h>, which says what
 * open, run and close have to do, and the template for a model of your own. SPDX-License-Identifier: MIT */
#include <outrigger/backend.h>

#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = 4 };

struct model {
    float weights[COLUMNS];
    float *sums; /* of the last call */
};

static const struct outrigger_tensor input = {"features", "FP32", 2, {-1, COLUMNS}};
static const struct outrigger_tensor output = {"prediction", "FP32", 2, {-1, 1}};

static void *open_model(const struct outrigger_options *options, struct outrigger_description *description,
                        char *error, size_t error_size)
{
    const char *weights = outrigger_setting(options, "weights", "1 1 1 1");
    struct model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        snprintf(error, error_size, "no memory");
        return NULL;
    }
    if (sscanf(weights, "%f %f %f %f", &model->weights[0], &model->weights[1], &model->weights[2],
               &model->weights[3]) != COLUMNS) {
        snprintf(error, error_size, "settings.weights: expected four numbers, got \"%s\"", weights);
        free(model);
        return NULL;
    }
    options->log(options->log_self, OUTRIGGER_LOG_DEBUG, "the weights are read");
    *description = (struct outrigger_description){&input, 1, &output, 1, "sum"};
    return model;
}

static int run_model(void *state, const struct outrigger_values *inputs, struct outrigger_values *outputs,
                     char *error, size_t error_size)
{
    struct model *model = state;
    const float *row = inputs[0].data;
    int64_t rows = inputs[0].shape[0];
    float *sums = realloc(model->sums, (size_t)rows * sizeof *sums);
    if (sums == NULL) {
        snprintf(error, error_size, "no memory for %lld rows", (long long)rows);
        return -1;
    }
    model->sums = sums;
    for (int64_t i = 0; i < rows; i++, row += COLUMNS) {
        sums[i] = 0;
        for (int column = 0; column < COLUMNS; column++)
            sums[i] += model->weights[column] * row[column];
    }
    outputs[0] = (struct outrigger_values){sums, (size_t)rows * sizeof *sums, 2, {rows, 1}};
    return 0;
}

static void close_model(void *state)
{
    free(((struct model *)state)->sums);
    free(state);
}

const struct outrigger_plugin *outrigger_backend(uint32_t abi)
{
    static const struct outrigger_plugin plugin = {OUTRIGGER_PLUGIN_SIZES, .open = open_model,
                                                   .run = run_model, .close = close_model};
    return abi == OUTRIGGER_BACKEND_ABI ? &plugin : NULL;
}
