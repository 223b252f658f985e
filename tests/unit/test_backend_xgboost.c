/* test_backend_xgboost: XGBoost behind our interface, against what its library for Python answers to the same
 * rows (tests/models/make_xgboost.py). SPDX-License-Identifier: MIT */
#include "engine_scene.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include <yyjson.h>

#define FOLDER "tests/models/xgboost"

static const struct backend_options two_threads = {.threads = 2};

static void set_up(void)
{
    begin_engine("xgboost");
}

/* ---- models and what they must answer ---- */

static const char *model_path(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, FOLDER "/%s/1/model.json", name);
    if (access(path, R_OK) != 0)
        snprintf(path, sizeof path, FOLDER "/%s/1/model.ubj", name);
    return path;
}

static yyjson_doc *read_answers(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, FOLDER "/answers/%s.json", name);
    yyjson_doc *doc = yyjson_read_file(path, 0, NULL, NULL);
    ck_assert_msg(doc != NULL, "%s", path);
    return doc;
}

static float number_of(yyjson_val *value)
{
    return yyjson_is_null(value) ? NAN : (float)yyjson_get_num(value);
}

/* The rows of all answers, one behind the other; freed by the caller. */
static float *read_rows(yyjson_val *rows, size_t columns)
{
    float *values = object_alloc(yyjson_arr_size(rows) * columns * sizeof *values), *at = values;
    size_t i, j, row_count, column_count;
    yyjson_val *row, *value;
    yyjson_arr_foreach(rows, i, row_count, row)
    {
        ck_assert_uint_eq(yyjson_arr_size(row), columns);
        yyjson_arr_foreach(row, j, column_count, value)
        {
            *at++ = number_of(value);
        }
    }
    return values;
}

static void compute(const float *rows, size_t count)
{
    size_t columns = (size_t)description.inputs[0].shape[1];
    struct backend_values input = {
        rows, count * columns * sizeof *rows, 2, {(int64_t)count, (int64_t)columns}};
    ck_assert_msg(backend->run(state, &input, outputs, error) == 0, "%s", error);
}

/* Of one row of one output; *compared counts the numbers. */
static double difference_of_row(const struct backend_values *output, bool whole, size_t row,
                                yyjson_val *wanted, size_t *compared)
{
    size_t columns = output->rank == 2 ? (size_t)output->shape[1] : 1;
    double largest = 0;
    ck_assert_uint_eq(yyjson_is_arr(wanted) ? yyjson_arr_size(wanted) : 1, columns);
    for (size_t i = 0; i < columns; i++) {
        yyjson_val *value = yyjson_is_arr(wanted) ? yyjson_arr_get(wanted, i) : wanted;
        double given = whole ? (double)((const int64_t *)output->data)[row * columns + i]
                             : (double)((const float *)output->data)[row * columns + i];
        double away = fabs(given - yyjson_get_num(value)) / fmax(1, fabs(yyjson_get_num(value)));
        largest = isnan(away) || away > largest ? away : largest;
        ++*compared;
    }
    return largest;
}

/* The largest difference of any number of all outputs, in batches of `size` rows. */
static double difference(yyjson_val *answers, size_t size, size_t *compared)
{
    yyjson_val *features = yyjson_obj_get(answers, "features");
    size_t count = yyjson_arr_size(features), columns = (size_t)description.inputs[0].shape[1];
    float *rows = read_rows(features, columns);
    double largest = 0;
    for (size_t first = 0; first < count; first += size) {
        size_t part = count - first < size ? count - first : size;
        compute(rows + first * columns, part);
        for (size_t i = 0; i < description.output_count; i++) {
            yyjson_val *wanted = yyjson_obj_get(answers, description.outputs[i].name);
            ck_assert_msg(wanted != NULL, "%s", description.outputs[i].name);
            ck_assert_int_eq(outputs[i].shape[0], (int64_t)part);
            bool whole = strcmp(description.outputs[i].datatype, "INT64") == 0;
            for (size_t row = 0; row < part; row++) {
                double away =
                    difference_of_row(&outputs[i], whole, row, yyjson_arr_get(wanted, first + row), compared);
                largest = away > largest || isnan(away) ? away : largest;
            }
        }
    }
    free(rows);
    return largest;
}

/* Each row, alone and in company, answered as the library for Python does. */
static void expect_library_s_answers(const char *name, const struct backend_options *options)
{
    static const size_t sizes[] = {1, 7, 64, 1000};
    size_t compared = 0;
    yyjson_doc *doc = read_answers(name);
    yyjson_val *answers = yyjson_doc_get_root(doc);
    double tolerance = yyjson_get_num(yyjson_obj_get(answers, "tolerance"));
    ck_assert(tolerance > 0 && tolerance <= 1e-6);
    open_model_with(model_path(name), options);
    ck_assert_uint_eq(description.output_count + 2, yyjson_obj_size(answers));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        double away = difference(answers, sizes[i], &compared);
        ck_assert_msg(away <= tolerance, "%s, %zu rows: %g", name, sizes[i], away);
    }
    ck_assert_uint_ge(compared, 4 * 40);
    yyjson_doc_free(doc);
}

/* ---- tests ---- */

START_TEST(every_model_answers_as_the_library_for_python)
{
    DIR *folder = opendir(FOLDER "/answers");
    size_t models = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[64];
        if (entry->d_name[0] == '.')
            continue;
        text_copy((struct text){entry->d_name, strlen(entry->d_name) - strlen(".json")}, name, sizeof name);
        expect_library_s_answers(name, &one_thread);
        models++;
    }
    closedir(folder);
    ck_assert_uint_eq(models, 15);
}
END_TEST

START_TEST(more_threads_answer_the_same)
{
    expect_library_s_answers("cancer", &two_threads);
}
END_TEST

static void expect_outputs(const char *name, const char *task, const char *first, const char *second)
{
    open_model(model_path(name));
    ck_assert_str_eq(description.platform, "xgboost");
    ck_assert_str_eq(description.task, task);
    ck_assert_uint_eq(description.input_count, 1);
    ck_assert_str_eq(description.inputs[0].datatype, "FP32");
    ck_assert_uint_eq(description.output_count, second == NULL ? 1 : 2);
    ck_assert_str_eq(description.outputs[0].name, first);
    if (second != NULL)
        ck_assert_str_eq(description.outputs[1].name, second);
}

START_TEST(outputs_are_named_by_what_they_are)
{
    expect_outputs("cancer", "classification", "label", "probabilities");
    ck_assert_int_eq(description.outputs[1].shape[1], 2);
    expect_outputs("digits", "classification", "label", "probabilities");
    ck_assert_int_eq(description.outputs[1].shape[1], 10);
    expect_outputs("softmax", "classification", "label", "probabilities");
    expect_outputs("logitraw", "classification", "label", "margin");
    expect_outputs("hinge", "classification", "label", NULL);
    expect_outputs("diabetes", "regression", "prediction", NULL);
    ck_assert_uint_eq(description.outputs[0].rank, 1);
    expect_outputs("targets", "regression", "prediction", NULL);
    ck_assert_int_eq(description.outputs[0].shape[1], 3);
    expect_outputs("labels", "regression", "prediction", NULL);
}
END_TEST

static void expect_column(size_t at, const char *name, const char *type)
{
    ck_assert_str_eq(description.columns[at].name, name);
    ck_assert_str_eq(description.columns[at].type, type);
}

START_TEST(columns_are_named_and_typed_by_the_file)
{
    open_model(model_path("categories"));
    ck_assert_uint_eq(description.column_count, 4);
    expect_column(0, "age", "integer");
    expect_column(1, "city", "integer");
    expect_column(2, "weight", "number");
    expect_column(3, "smokes", "boolean");
    open_model(model_path("digits"));
    ck_assert_uint_eq(description.column_count, 0);
    ck_assert_ptr_null(description.columns);
}
END_TEST

START_TEST(what_is_no_model_is_refused)
{
    ck_assert_ptr_nonnull(strstr(refusal(scratch_path("missing.json")), "No such file"));
    refusal(scratch_file("empty.json", ""));
    refusal(scratch_file("empty.ubj", ""));
    refusal(scratch_file("text.json", "this is no model\n"));
    refusal(scratch_file("text.ubj", "this is no model\n"));
    refusal(scratch_file("other.json", "{}"));
    refusal(scratch_file("list.json", "[1, 2]"));
    refusal(scratch_file("objective.json",
                         "{\"version\":[1,7,4],\"learner\":{\"objective\":{\"name\":\"no:such\"},"
                         "\"learner_model_param\":{\"num_feature\":\"1\",\"num_class\":\"0\","
                         "\"base_score\":\"0.5\"}}}"));
}
END_TEST

START_TEST(truncated_models_are_refused)
{
    static char bytes[1 << 17];
    FILE *file = fopen(model_path("hinge"), "rb");
    size_t length = fread(bytes, 1, sizeof bytes - 1, file);
    fclose(file);
    for (size_t i = 0; i < 50; i++) {
        char cut = bytes[length * i / 50];
        bytes[length * i / 50] = '\0';
        refusal(scratch_file("cut.json", bytes));
        bytes[length * i / 50] = cut;
    }
}
END_TEST

/* Opens the changed model, and computes with what it has made of it. Returns whether it could. */
static bool survive(const char *bytes)
{
    static float row[30];
    void *opened = backend->open(scratch_file("changed.json", bytes), &one_thread, &description, error);
    struct backend_values input = {row, sizeof row, 2, {1, 30}};
    if (opened == NULL)
        return false;
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        row[i] = row[i] > 0 ? -1e30f : 1e30f;
        ck_assert_int_eq(backend->run(opened, &input, outputs, error), 0);
    }
    backend->close(opened);
    return true;
}

/* Numbers that lead out of the model's arrays, or around in them. */
START_TEST(trees_that_lead_astray_are_refused_or_computed)
{
    static const char *const lists[] = {"\"left_children\":[", "\"right_children\":[", "\"split_indices\":[",
                                        "\"tree_info\":["};
    static char bytes[1 << 14];
    size_t refused = 0, computed = 0;
    FILE *file = fopen(model_path("hinge"), "rb");
    ck_assert_uint_lt(fread(bytes, 1, sizeof bytes - 1, file), sizeof bytes - 1);
    fclose(file);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        char *at = strstr(bytes, lists[i]);
        ck_assert_ptr_nonnull(at);
        for (at += strlen(lists[i]); *at != ']'; at++) {
            char before = *at;
            if (before < '0' || before > '9')
                continue;
            for (*at = '0'; *at <= '9'; ++*at)
                survive(bytes) ? computed++ : refused++;
            *at = before;
        }
    }
    ck_assert_uint_gt(refused, 50);
    ck_assert_uint_gt(computed, 50);
}
END_TEST

START_TEST(both_kinds_of_files_are_its)
{
    ck_assert_ptr_eq(backend_for_file("a/1/model.json")->open, backend->open);
    ck_assert_ptr_eq(backend_for_file("a/1/model.ubj")->open, backend->open);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        every_model_answers_as_the_library_for_python,
        more_threads_answer_the_same,
        outputs_are_named_by_what_they_are,
        columns_are_named_and_typed_by_the_file,
        what_is_no_model_is_refused,
        truncated_models_are_refused,
        trees_that_lead_astray_are_refused_or_computed,
        both_kinds_of_files_are_its,
    };
    return SUITE_RUN("backend_xgboost", set_up, tear_down, tests);
}
