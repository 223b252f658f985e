/* loaded_scene: a model that is opened with an engine which says and gives what it is told to.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LOADED_SCENE_H
#define OUTRIGGER_LOADED_SCENE_H

#include "loaded_model.h"
#include "scratch_directory.h"
#include "suite.h"

/* What the engine says of the model, and gives. */
static struct {
    struct backend_tensor inputs[2], outputs[2];
    size_t input_count, output_count;
    struct backend_column columns[4];
    size_t column_count;
    const char *task;
    int takes_missing;
    struct backend_values given[2]; /* shape[0] is filled in with the rows of the call */
    int extra_rows;
    int calls;
    size_t largest; /* rows of a call */
    bool fails;
    bool refuses_to_open;
    int threads;
    const char *settings;
    int allow_nan;
    const char *labels[2]; /* that the file knows; NULL: none */
    int closed;
} engine;

static const char zeros[1 << 16];
static struct model_config config;
static char error[BACKEND_ERROR_MAX];
static struct loaded_model *model;

static inline void *open_engine(const char *path, const struct backend_options *options,
                                struct backend_description *description, char *reason)
{
    ck_assert_str_eq(path, "the path");
    engine.threads = options->threads;
    engine.settings = options->settings_json;
    engine.allow_nan = options->allow_nan;
    ck_assert_ptr_null(description->columns);
    *description = (struct backend_description){.platform = "test platform",
                                                .inputs = engine.inputs,
                                                .input_count = engine.input_count,
                                                .outputs = engine.outputs,
                                                .output_count = engine.output_count,
                                                .columns = engine.columns,
                                                .column_count = engine.column_count,
                                                .task = engine.task,
                                                .takes_missing = engine.takes_missing,
                                                .labels = engine.labels,
                                                .label_count = engine.labels[0] == NULL ? 0 : 2};
    if (!engine.refuses_to_open)
        return &engine;
    snprintf(reason, BACKEND_ERROR_MAX, "no such engine");
    return NULL;
}

static inline int run(void *state, const struct backend_values *inputs, struct backend_values *outputs,
                      char *reason)
{
    ck_assert_ptr_eq(state, &engine);
    size_t rows = (size_t)inputs[0].shape[0];
    engine.calls++;
    engine.largest = rows > engine.largest ? rows : engine.largest;
    for (size_t i = 0; i < engine.input_count; i++)
        for (size_t b = 0; b < inputs[i].bytes; b++)
            ck_assert_uint_eq(((const uint8_t *)inputs[i].data)[b], 0);
    if (engine.fails) {
        snprintf(reason, BACKEND_ERROR_MAX, "zeros are no good");
        return -1;
    }
    for (size_t i = 0; i < engine.output_count; i++) {
        outputs[i] = engine.given[i];
        outputs[i].data = zeros;
        if (outputs[i].rank > 0)
            outputs[i].shape[0] = (int64_t)rows + engine.extra_rows;
    }
    return 0;
}

static inline void close_engine(void *state)
{
    ck_assert_ptr_eq(state, &engine);
    engine.closed++;
}

static const struct backend backend = {
    .name = "test", .suffix = ".test", .open = open_engine, .run = run, .close = close_engine};

/* A classifier of three columns with a label and two probabilities. */
static inline void set_up(void)
{
    scratch_make();
    memset(&engine, 0, sizeof engine);
    engine.inputs[0] = (struct backend_tensor){"x", "FP32", 2, {-1, 3}};
    engine.outputs[0] = (struct backend_tensor){"probabilities", "FP32", 2, {-1, 2}};
    engine.outputs[1] = (struct backend_tensor){"label", "INT64", 1, {-1}};
    engine.given[0] = (struct backend_values){.rank = 2, .shape = {0, 2}};
    engine.given[1] = (struct backend_values){.rank = 1};
    engine.input_count = 1;
    engine.output_count = 2;
    memset(&config, 0, sizeof config);
    config.description = (char *)"";
    config.task = (char *)"";
}

static inline void close_model(void)
{
    loaded_model_free(model);
    model = NULL;
}

static inline void tear_down(void)
{
    close_model();
    scratch_remove();
}

static inline struct schema *load(void)
{
    close_model();
    model = loaded_model_open("the path", &backend, &config, 2, error);
    ck_assert_msg(model != NULL, "%s", error);
    return model->schema;
}

static inline struct schema *warm(void)
{
    load();
    ck_assert_msg(loaded_model_learn_from_zeros(model, error), "%s", error);
    return model->schema;
}

static inline const char *refusal(void)
{
    engine.closed = 0;
    ck_assert_ptr_null(loaded_model_open("the path", &backend, &config, 1, error));
    ck_assert_int_eq(engine.closed, engine.refuses_to_open ? 0 : 1);
    return error;
}

static inline const char *cold_refusal(void)
{
    load();
    ck_assert(!loaded_model_learn_from_zeros(model, error));
    return error;
}

static inline struct config_names names(const char *const *list, size_t count)
{
    return (struct config_names){(char **)list, count};
}

#endif
