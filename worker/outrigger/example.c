/* A whole model in C: the mean of four numbers, times a factor that model.conf may name. It is made by
 * cc -shared -fPIC -o models/mean/1/model.so example.c            SPDX-License-Identifier: MIT */
#include <outrigger/backend.h>
#include <stdio.h>
#include <stdlib.h>

static const struct outrigger_tensor input = {"features", "FP32", 2, {-1, 4}}; /* -1: as many rows as come */
static const struct outrigger_tensor output = {"prediction", "FP32", 1, {-1}};
static double factor;
static float *means; /* of the last call */

static void *open_model(const struct outrigger_options *options, struct outrigger_description *description,
                        char *error, size_t error_size)
{
    const char *asked = outrigger_setting(options, "factor", "1");
    if (sscanf(asked, "%lf", &factor) != 1) {
        snprintf(error, error_size, "settings.factor: expected a number, got \"%s\"", asked);
        return NULL;
    }
    *description = (struct outrigger_description){&input, 1, &output, 1, "mean 1.0"};
    return &factor; /* a process serves one model: its state may as well be static */
}

static int run_model(void *state, const struct outrigger_values *inputs, struct outrigger_values *outputs,
                     char *error, size_t error_size)
{
    const float *row = inputs[0].data;
    int64_t rows = inputs[0].shape[0];
    float *room = realloc(means, (size_t)rows * sizeof *room);
    if (room == NULL)
        return snprintf(error, error_size, "no memory for %lld rows", (long long)rows);
    means = room;
    for (int64_t i = 0; i < rows; i++, row += 4)
        means[i] = (float)(*(double *)state * (row[0] + row[1] + row[2] + row[3]) / 4);
    outputs[0] = (struct outrigger_values){means, (size_t)rows * sizeof *means, 1, {rows}};
    return 0;
}

static void close_model(void *state)
{
    (void)state;
    free(means);
}

const struct outrigger_plugin *outrigger_backend(uint32_t abi)
{
    static const struct outrigger_plugin plugin = {OUTRIGGER_PLUGIN_SIZES, .open = open_model,
                                                   .run = run_model, .close = close_model};
    return abi == OUTRIGGER_BACKEND_ABI ? &plugin : NULL;
}
