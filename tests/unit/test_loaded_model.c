/* test_loaded_model: what a model file says and model.conf adds, made into a schema or refused, with an
 * engine that gives what it is told to. SPDX-License-Identifier: MIT */
#include "example_fields.h"
#include "loaded_model.h"
#include "schema_fields.h"
#include "scratch_directory.h"
#include "suite.h"

#include <yyjson.h>

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

static void *open_engine(const char *path, const struct backend_options *options,
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

static int run(void *state, const struct backend_values *inputs, struct backend_values *outputs, char *reason)
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

static void close_engine(void *state)
{
    ck_assert_ptr_eq(state, &engine);
    engine.closed++;
}

static const struct backend backend = {
    .name = "test", .suffix = ".test", .open = open_engine, .run = run, .close = close_engine};

/* A classifier of three columns with a label and two probabilities. */
static void set_up(void)
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

static void close_model(void)
{
    loaded_model_free(model);
    model = NULL;
}

static void tear_down(void)
{
    close_model();
    scratch_remove();
}

static struct schema *load(void)
{
    close_model();
    model = loaded_model_open("the path", &backend, &config, 2, error);
    ck_assert_msg(model != NULL, "%s", error);
    return model->schema;
}

static struct schema *warm(void)
{
    load();
    ck_assert_msg(loaded_model_learn_from_zeros(model, error), "%s", error);
    return model->schema;
}

static const char *refusal(void)
{
    engine.closed = 0;
    ck_assert_ptr_null(loaded_model_open("the path", &backend, &config, 1, error));
    ck_assert_int_eq(engine.closed, engine.refuses_to_open ? 0 : 1);
    return error;
}

static const char *cold_refusal(void)
{
    load();
    ck_assert(!loaded_model_learn_from_zeros(model, error));
    return error;
}

static struct config_names names(const char *const *list, size_t count)
{
    return (struct config_names){(char **)list, count};
}

/* ---- opening ---- */

START_TEST(the_schema_says_what_file_and_model_conf_say)
{
    static const char *const features[] = {"a", "b", "c"}, *const labels[] = {"no", "yes"};
    config.description = (char *)"for people";
    config.features = names(features, 3);
    config.labels = names(labels, 2);
    config.queue_timeout_ms = 250;
    config.allow_nan = 1;
    const struct schema *schema = load();
    ck_assert_int_eq(engine.threads, 2);
    ck_assert_str_eq(schema->platform, "test platform");
    ck_assert_str_eq(schema->description, "for people");
    ck_assert_uint_eq(schema->input_count, 1);
    ck_assert_uint_eq(schema->output_count, 2);
    ck_assert_str_eq(schema->inputs[0].name, "x");
    ck_assert_uint_eq(schema->inputs[0].datatype, DATATYPE_FP32);
    ck_assert_int_eq(schema->inputs[0].shape[1], 3);
    ck_assert_uint_eq(schema->outputs[1].datatype, DATATYPE_INT64);
    ck_assert_uint_eq(schema->feature_count, 3);
    ck_assert_str_eq(schema->features[2], "c");
    ck_assert_uint_eq(schema->label_count, 2);
    ck_assert_str_eq(schema->labels[1], "yes");
    ck_assert_uint_eq(schema->timeout_ms, 250);
    ck_assert(schema->allow_nan);
    ck_assert(!schema->regression);
    ck_assert_uint_eq(model->call_rows, 0);
}
END_TEST

START_TEST(labels_of_the_file_hold_where_model_conf_is_silent)
{
    static const char *const labels[] = {"no", "yes"};
    memcpy(engine.labels, labels, sizeof engine.labels);
    const struct schema *schema = load();
    ck_assert_uint_eq(schema->label_count, 2);
    ck_assert_str_eq(schema->labels[1], "yes");
    config.labels = names((const char *const[]){"stays", "leaves"}, 2);
    ck_assert_str_eq(load()->labels[1], "leaves");
    config.labels = names(NULL, 0);
}
END_TEST

START_TEST(the_engine_is_told_of_model_conf)
{
    config.settings_json = (char *)"{\"a\":1}";
    config.allow_nan = 1;
    load();
    ck_assert_str_eq(engine.settings, "{\"a\":1}");
    ck_assert_int_eq(engine.allow_nan, 1);
    loaded_model_free(loaded_model_open("the path", &backend, NULL, 1, error));
    ck_assert_str_eq(engine.settings, "{}");
    ck_assert_int_eq(engine.allow_nan, 0);
}
END_TEST

START_TEST(a_model_needs_no_model_conf)
{
    model = loaded_model_open("the path", &backend, NULL, 1, error);
    ck_assert_ptr_nonnull(model);
    ck_assert_str_eq(model->schema->description, "");
    ck_assert_uint_eq(model->schema->feature_count, 0);
}
END_TEST

START_TEST(what_is_encoded_can_be_decoded)
{
    const char *reason;
    size_t length;
    uint8_t *bytes = schema_encode(warm(), &length);
    struct schema *read = schema_decode(bytes, length, &reason);
    ck_assert_msg(read != NULL, "%s", reason);
    schema_free(read);
    free(bytes);
}
END_TEST

START_TEST(an_engine_s_refusal_is_handed_on)
{
    engine.refuses_to_open = true;
    ck_assert_str_eq(refusal(), "no such engine");
}
END_TEST

START_TEST(a_fixed_number_of_rows_is_kept_for_us)
{
    engine.inputs[0].shape[0] = 4;
    engine.input_count = 2;
    engine.inputs[1] = (struct backend_tensor){"z", "BYTES", 1, {4}};
    const struct schema *schema = warm();
    ck_assert_uint_eq(model->call_rows, 4);
    ck_assert_int_eq(schema->inputs[0].shape[0], -1);
    ck_assert_int_eq(schema->inputs[1].shape[0], -1);
    ck_assert_uint_eq(engine.largest, 4);
}
END_TEST

START_TEST(inputs_that_cannot_be_joined_are_refused)
{
    engine.input_count = 2;
    engine.inputs[1] = (struct backend_tensor){"z", "FP32", 1, {4}};
    ck_assert_str_eq(refusal(), "the inputs have different first dimensions");
    engine.inputs[1] = (struct backend_tensor){"z", "FP32", 0, {0}};
    ck_assert_str_eq(refusal(), "input z has no dimension for the rows");
    engine.inputs[1] = (struct backend_tensor){"z", "FP32", 1, {0}};
    ck_assert_str_eq(refusal(), "input z has no dimension for the rows");
}
END_TEST

START_TEST(shapes_that_no_memory_holds_are_refused)
{
    const int64_t hostile[] = {1 << 28, INT64_C(1) << 40, INT64_MAX};
    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        engine.inputs[0].shape[1] = hostile[i];
        ck_assert_str_eq(refusal(), "input x takes more than 256 MiB a call");
    }
    engine.inputs[0].shape[1] = 1000000;
    engine.inputs[0].shape[0] = 1000000;
    ck_assert_str_eq(refusal(), "input x takes more than 256 MiB a call");
}
END_TEST

START_TEST(datatypes_and_names_are_checked)
{
    static char name[600];
    engine.outputs[1].datatype = "COMPLEX64";
    ck_assert_str_eq(refusal(), "label has the unknown datatype COMPLEX64");
    engine.outputs[1].datatype = "INT64";
    memset(name, 'n', TENSOR_NAME_MAX + 1);
    engine.inputs[0].name = name;
    ck_assert_str_eq(refusal(), "a name of an input or output is longer than 512 bytes");
}
END_TEST

START_TEST(model_conf_must_fit_the_model)
{
    static const char *const few[] = {"a", "b"}, *const three[] = {"a", "b", "c"};
    static char name[600], description[5000];
    config.features = names(few, 2);
    ck_assert_str_eq(refusal(), "model.conf: features: 2 names, but a row of the model has 3 values");
    engine.inputs[0].shape[1] = -1; /* any number of columns: nobody can say */
    load();
    engine.inputs[0].shape[1] = 3;
    config.features = names(NULL, 0);
    config.labels = names(three, 3);
    ck_assert_str_eq(refusal(), "model.conf: labels: 3 names, but output probabilities has 2 columns");
    memset(name, 'n', 513);
    const char *const long_names[] = {name};
    config.labels = names(long_names, 1);
    ck_assert_str_eq(refusal(), "model.conf: labels: at most 65536 names of at most 512 bytes");
    config.labels = names(NULL, 0);
    memset(description, 'd', 4097);
    config.description = description;
    ck_assert_str_eq(refusal(), "model.conf: description: at most 4096 bytes");
}
END_TEST

/* ---- the task ---- */

START_TEST(the_task_follows_from_the_outputs)
{
    static const char *const labels[] = {"no", "yes"};
    const struct {
        struct backend_tensor output;
        bool regression;
    } cases[] = {{{"y", "FP32", 2, {-1, 1}}, true},  {{"y", "FP32", 1, {-1}}, true},
                 {{"y", "FP64", 2, {-1, 2}}, false}, {{"y", "FP16", 2, {-1, 10}}, false},
                 {{"y", "INT64", 1, {-1}}, false},   {{"y", "BYTES", 1, {-1}}, false},
                 {{"y", "BOOL", 2, {-1, 1}}, false}, {{"y", "FP32", 3, {-1, 1, 1}}, true}};
    engine.output_count = 1;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        engine.outputs[0] = cases[i].output;
        ck_assert_uint_eq(load()->regression, cases[i].regression);
        config.task = (char *)"regression";
        ck_assert(load()->regression);
        config.task = (char *)"classification";
        ck_assert(!load()->regression);
        config.task = (char *)"";
    }
    engine.outputs[0] = (struct backend_tensor){"y", "FP32", 2, {-1, 1}};
    config.labels = names(labels, 2);
    ck_assert(!load()->regression);
}
END_TEST

START_TEST(labels_and_vectors_are_tasks_too)
{
    static const char *const labels[] = {"a", "b", "c"};
    engine.output_count = 2;
    engine.outputs[0] = (struct backend_tensor){"held", "INT64", 2, {-1, 3}};
    engine.outputs[1] = (struct backend_tensor){"odds", "FP32", 2, {-1, 3}};
    ck_assert_str_eq(schema_task(load()), "multilabel");
    config.labels = names(labels, 3);
    ck_assert_str_eq(schema_task(load()), "multilabel");
    config.labels = names(labels, 2);
    ck_assert_str_eq(refusal(), "model.conf: labels: 2 names, but output odds has 3 columns");
    config.labels.count = 0;
    engine.outputs[0] = (struct backend_tensor){"class", "INT64", 1, {-1}};
    ck_assert_str_eq(schema_task(load()), "classification");
    engine.output_count = 1;
    engine.outputs[0] = engine.outputs[1];
    config.task = (char *)"embedding";
    ck_assert_str_eq(schema_task(load()), "embedding");
}
END_TEST

START_TEST(inputs_of_one_column_are_its_name)
{
    engine.input_count = 2;
    engine.inputs[0] = (struct backend_tensor){"age", "INT64", 2, {-1, 1}};
    engine.inputs[1] = (struct backend_tensor){"city", "BYTES", 1, {-1}};
    const struct schema *schema = load();
    ck_assert_uint_eq(schema->feature_count, 2);
    ck_assert_str_eq(schema->features[0], "age");
    ck_assert_str_eq(schema->features[1], "city");
    config.features = names((const char *const[]){"years", "town"}, 2);
    ck_assert_str_eq(load()->features[1], "town");
    config.features.count = 0;
    engine.inputs[0].shape[1] = 2;
    ck_assert_uint_eq(load()->feature_count, 0);
}
END_TEST

/* ---- what the outputs are ---- */

START_TEST(zeros_are_a_payload)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t bytes, count, rows;
    engine.input_count = 2;
    engine.inputs[1] = (struct backend_tensor){"z", "BYTES", 2, {-1, -1}};
    load();
    uint8_t *payload = loaded_model_zeros(model, 5, 5 * 3 * 4 + 5 * 4, &bytes);
    ck_assert_ptr_nonnull(payload);
    ck_assert_ptr_null(tensors_decode(payload, bytes, tensors, &count, &rows));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(rows, 5);
    ck_assert(text_is(tensors[1].name, "z"));
    ck_assert_int_eq(tensors[1].shape[1], 1);
    ck_assert_uint_eq(tensors[0].bytes, 60);
    ck_assert_mem_eq(tensors[0].data, zeros, 60);
    free(payload);
    ck_assert_ptr_null(loaded_model_zeros(model, 5, 5 * 3 * 4 + 5 * 4 - 1, &bytes));
    ck_assert_ptr_null(loaded_model_zeros(model, SIZE_MAX / 2, SIZE_MAX, &bytes));
}
END_TEST

START_TEST(outputs_without_a_shape_get_one)
{
    engine.outputs[0].rank = 0;
    engine.outputs[1].shape[0] = 7;
    const struct schema *schema = warm();
    ck_assert_uint_eq(schema->outputs[0].rank, 2);
    ck_assert_int_eq(schema->outputs[0].shape[0], -1);
    ck_assert_int_eq(schema->outputs[0].shape[1], 2);
    ck_assert_int_eq(schema->outputs[1].shape[0], -1);
    ck_assert(!schema->regression);
}
END_TEST

START_TEST(columns_that_change_with_the_rows_are_any_number)
{
    const struct tensor later[] = {{.rank = 2, .shape = {2, 3}}, {.rank = 1, .shape = {2}}};
    engine.outputs[0].shape[1] = -1;
    ck_assert_int_eq(warm()->outputs[0].shape[1], 2);
    ck_assert(loaded_model_learn(model, later, false, error));
    ck_assert_int_eq(model->schema->outputs[0].shape[1], -1);
}
END_TEST

START_TEST(columns_that_follow_the_inputs_stay_any_number)
{
    engine.inputs[0].shape[1] = -1;
    engine.outputs[0].shape[1] = -1;
    ck_assert_int_eq(warm()->outputs[0].shape[1], -1);
    engine.outputs[0].rank = 0;
    ck_assert_int_eq(warm()->outputs[0].shape[1], -1);
}
END_TEST

START_TEST(outputs_need_a_row_for_each_row)
{
    engine.extra_rows = 1;
    ck_assert_str_eq(cold_refusal(), "output probabilities has no row for each row of the inputs");
    engine.extra_rows = 0;
    engine.given[1].rank = 0;
    ck_assert_str_eq(cold_refusal(), "output label has no row for each row of the inputs");
    engine.given[1].rank = 2;
    ck_assert_str_eq(cold_refusal(), "output label has another rank than the model says");
}
END_TEST

START_TEST(an_engine_that_fails_on_zeros_is_served_when_its_outputs_are_known)
{
    engine.fails = true;
    warm();
    ck_assert(loaded_model_knows_outputs(model));
    engine.outputs[0].rank = 0;
    ck_assert_str_eq(cold_refusal(), "zeros are no good");
}
END_TEST

START_TEST(labels_are_checked_when_the_columns_are_known)
{
    static const char *const three[] = {"a", "b", "c"};
    engine.outputs[0].rank = 0;
    config.labels = names(three, 3);
    ck_assert_str_eq(cold_refusal(), "model.conf: labels: 3 names, but output probabilities has 2 columns");
}
END_TEST

/* ---- describing ---- */

START_TEST(a_description_is_json)
{
    const char *path = scratch_path("description");
    FILE *out = fopen(path, "w");
    engine.inputs[0].name = "with \"quotes\"";
    load();
    loaded_model_describe(model, 5, false, out);
    ck_assert_int_eq(fclose(out), 0);
    yyjson_doc *doc = yyjson_read_file(path, 0, NULL, NULL);
    ck_assert_ptr_nonnull(doc);
    yyjson_val *input = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "inputs"));
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(input, "name")), "with \"quotes\"");
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(input, "datatype")), "FP32");
    ck_assert_int_eq(yyjson_get_sint(yyjson_arr_get(yyjson_obj_get(input, "shape"), 0)), -1);
    ck_assert_int_eq(yyjson_get_sint(yyjson_arr_get(yyjson_obj_get(input, "shape"), 1)), 3);
    ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(doc), "outputs")), 2);
    ck_assert_uint_eq(yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(doc), "golden")), 5);
    yyjson_doc_free(doc);
}
END_TEST

/* ---- what the columns may be ---- */

/* model.conf has these inputs. */
static void set_inputs(const char *text)
{
    struct schema *made = schema_new();
    example_fields(made, text);
    config.inputs = schema_fields_copy(made->fields, made->feature_count);
    config.input_count = made->feature_count;
    schema_free(made);
}

static void forget_inputs(void)
{
    schema_fields_free(config.inputs, config.input_count);
    config.inputs = NULL;
    config.input_count = 0;
}

START_TEST(inputs_name_and_describe_the_columns)
{
    set_inputs("[{'name': 'a', 'min': 1}, {'name': 'b', 'default': 3}, {'name': 'c'}]");
    const struct schema *schema = load();
    ck_assert_uint_eq(schema->feature_count, 3);
    ck_assert_str_eq(schema->features[2], "c");
    ck_assert(schema_fields_equal(schema->fields, config.inputs, 3));
    close_model();
    config.features = names((const char *const[]){"a", "b", "c"}, 3);
    ck_assert_uint_eq(load()->feature_count, 3);
    forget_inputs();
}
END_TEST

START_TEST(inputs_are_those_of_the_model)
{
    set_inputs("[{'name': 'a'}, {'name': 'b'}]");
    ck_assert_str_eq(refusal(), "model.conf: inputs: 2 columns, but a row of the model has 3 values");
    engine.inputs[0].shape[1] = -1;
    ck_assert_str_eq(refusal(), "model.conf: inputs: 2 columns, but the model takes rows of any length");
    engine.inputs[0].shape[1] = 3;
    forget_inputs();
    set_inputs("[{'name': 'a'}, {'name': 'b', 'type': 'string'}, {'name': 'c'}]");
    ck_assert_str_eq(refusal(), "model.conf: inputs[1] (b): the model takes no string there");
    engine.inputs[0].datatype = "BYTES";
    forget_inputs();
    set_inputs("[{'name': 'a'}, {'name': 'b'}, {'name': 'c', 'max': 4}]");
    ck_assert_str_eq(refusal(), "model.conf: inputs[2] (c): the model takes a string there");
    forget_inputs();
}
END_TEST

/* ---- columns that the model file names ---- */

static void name_columns(const char *first, const char *second, const char *third)
{
    engine.column_count = 3;
    engine.columns[0] = (struct backend_column){first, "integer"};
    engine.columns[1] = (struct backend_column){second, NULL};
    engine.columns[2] = (struct backend_column){third, "boolean"};
}

START_TEST(the_file_names_the_columns)
{
    name_columns("a", "b", "gr\xc3\xbc\xc3\x9f");
    struct schema *schema = load();
    ck_assert_uint_eq(schema->feature_count, 3);
    ck_assert_str_eq(schema->features[2], "gr\xc3\xbc\xc3\x9f");
    ck_assert_int_eq(schema->fields[0].type, SCHEMA_INTEGER);
    ck_assert_int_eq(schema->fields[1].type, SCHEMA_ANY);
    ck_assert_int_eq(schema->fields[2].type, SCHEMA_BOOLEAN);
    engine.columns[0].type = engine.columns[2].type = NULL;
    ck_assert_ptr_null(load()->fields);
    loaded_model_free(model);
    model = loaded_model_open("the path", &backend, NULL, 2, error);
    ck_assert_ptr_nonnull(model);
    ck_assert_str_eq(model->schema->features[0], "a");
}
END_TEST

START_TEST(any_column_may_be_missing_where_file_and_model_conf_say_so)
{
    name_columns("a", "b", "c");
    engine.takes_missing = 1;
    ck_assert(!load()->fields[0].optional);
    config.allow_nan = 1;
    for (size_t i = 0; i < 3; i++) {
        ck_assert(load()->fields[i].optional);
        ck_assert(model->schema->fields[i].standard.number != model->schema->fields[i].standard.number);
    }
    size_t at;
    ck_assert_ptr_null(schema_fields_misfit(model->schema, &at));
    engine.columns[0].type = engine.columns[2].type = NULL;
    ck_assert(load()->fields[2].optional);
    engine.takes_missing = 0;
    ck_assert_ptr_null(load()->fields);
}
END_TEST

START_TEST(names_that_no_schema_holds_are_refused)
{
    static char longer[514];
    memset(longer, 'x', sizeof longer - 1);
    name_columns("a", "b", "a");
    ck_assert_str_eq(refusal(), "two of its columns have the name \"a\"");
    name_columns("a", "b", "");
    ck_assert_ptr_nonnull(strstr(refusal(), "is no text of 1 to 512 bytes of UTF-8"));
    name_columns("a", "b", longer);
    ck_assert_ptr_nonnull(strstr(refusal(), "is no text of 1 to 512 bytes of UTF-8"));
    name_columns("a", "b", "\xff");
    ck_assert_ptr_nonnull(strstr(refusal(), "is no text of 1 to 512 bytes of UTF-8"));
    engine.column_count = 2;
    ck_assert_str_eq(refusal(), "it names 2 columns, but a row of it has 3 values");
}
END_TEST

START_TEST(model_conf_may_rename_columns_and_not_move_them)
{
    static const char *const others[] = {"x", "b", "z"}, *const moved[] = {"b", "a", "c"};
    name_columns("a", "b", "c");
    config.features = names(others, 3);
    ck_assert_str_eq(load()->features[0], "x");
    ck_assert_ptr_null(model->schema->fields);
    config.features = names(moved, 3);
    ck_assert_str_eq(refusal(),
                     "model.conf: features: column 1 is \"b\", but in the model file that is another "
                     "column's name, and this one is \"a\"");
}
END_TEST

START_TEST(the_file_knows_the_task_and_model_conf_better)
{
    engine.task = "regression";
    ck_assert(load()->regression);
    config.task = (char *)"classification";
    ck_assert(!load()->regression);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        inputs_name_and_describe_the_columns,
        inputs_are_those_of_the_model,
        the_file_names_the_columns,
        any_column_may_be_missing_where_file_and_model_conf_say_so,
        names_that_no_schema_holds_are_refused,
        model_conf_may_rename_columns_and_not_move_them,
        the_file_knows_the_task_and_model_conf_better,
        the_schema_says_what_file_and_model_conf_say,
        labels_of_the_file_hold_where_model_conf_is_silent,
        the_engine_is_told_of_model_conf,
        a_model_needs_no_model_conf,
        what_is_encoded_can_be_decoded,
        an_engine_s_refusal_is_handed_on,
        a_fixed_number_of_rows_is_kept_for_us,
        inputs_that_cannot_be_joined_are_refused,
        shapes_that_no_memory_holds_are_refused,
        datatypes_and_names_are_checked,
        model_conf_must_fit_the_model,
        the_task_follows_from_the_outputs,
        labels_and_vectors_are_tasks_too,
        inputs_of_one_column_are_its_name,
        zeros_are_a_payload,
        outputs_without_a_shape_get_one,
        columns_that_change_with_the_rows_are_any_number,
        columns_that_follow_the_inputs_stay_any_number,
        outputs_need_a_row_for_each_row,
        an_engine_that_fails_on_zeros_is_served_when_its_outputs_are_known,
        labels_are_checked_when_the_columns_are_known,
        a_description_is_json,
    };
    return SUITE_RUN("loaded_model", set_up, tear_down, tests);
}
