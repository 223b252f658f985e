/* test_loaded_model: what a model file says and model.conf adds, made into a schema or refused.
 * SPDX-License-Identifier: MIT */
#include "loaded_scene.h"

#include <yyjson.h>

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
    static const char *const three[] = {"a", "b", "c"};
    static char name[600], description[5000];
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

START_TEST(the_file_knows_the_task_and_model_conf_better)
{
    engine.task = "regression";
    ck_assert(load()->regression);
    config.task = (char *)"classification";
    ck_assert(!load()->regression);
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

int main(void)
{
    const TTest *tests[] = {
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
        the_file_knows_the_task_and_model_conf_better,
        a_description_is_json,
    };
    return SUITE_RUN("loaded_model", set_up, tear_down, tests);
}
