/* test_backend_onnx: ONNX Runtime behind our interface, with a small model for each datatype, each kind of
 * output and each fault. SPDX-License-Identifier: MIT */
#include "engine_scene.h"
#include "onnx_writer.h"

#include <dirent.h>
#include <stdlib.h>

#define REPOSITORY "tests/models/repository/"

static void set_up(void)
{
    begin_engine("onnx");
    setenv("HOME", scratch_directory, 1);
}

/* ---- models and their use ---- */

static const char *identity(uint64_t type)
{
    INPUT("x", type, ANY, 3);
    OUTPUT("y", type, ANY, 3);
    add_node("Identity", "", "x", "y", -1);
    return finish("model.onnx");
}

static struct backend_values values(const void *data, size_t bytes, int64_t rows, int64_t columns)
{
    return (struct backend_values){data, bytes, columns == 0 ? 1 : 2, {rows, columns}};
}

/* ---- tests ---- */

START_TEST(each_datatype_goes_in_and_out)
{
    static const struct {
        uint64_t type;
        const char *datatype;
        size_t bytes;
    } types[] = {{BOOL, "BOOL", 1},     {UINT8, "UINT8", 1},  {UINT16, "UINT16", 2}, {UINT32, "UINT32", 4},
                 {UINT64, "UINT64", 8}, {INT8, "INT8", 1},    {INT16, "INT16", 2},   {INT32, "INT32", 4},
                 {INT64, "INT64", 8},   {FLOAT16, "FP16", 2}, {BFLOAT16, "BF16", 2}, {FLOAT, "FP32", 4},
                 {DOUBLE, "FP64", 8}};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        uint64_t data[5 * 3];
        for (size_t b = 0; b < sizeof data; b++)
            ((uint8_t *)data)[b] = types[i].type == BOOL ? b % 3 == 0 : (uint8_t)(b * 3 + 1);
        open_model(identity(types[i].type));
        ck_assert_str_eq(description.platform, "onnxruntime_onnx");
        ck_assert_str_eq(description.inputs[0].name, "x");
        ck_assert_str_eq(description.inputs[0].datatype, types[i].datatype);
        ck_assert_str_eq(description.outputs[0].datatype, types[i].datatype);
        for (int64_t rows = 5; rows > 0; rows -= 2) {
            size_t bytes = (size_t)rows * 3 * types[i].bytes;
            struct backend_values input = values(data, bytes, rows, 3);
            ck_assert_msg(backend->run(state, &input, outputs, error) == 0, "%s", error);
            ck_assert_uint_eq(outputs[0].rank, 2);
            ck_assert_int_eq(outputs[0].shape[0], rows);
            ck_assert_int_eq(outputs[0].shape[1], 3);
            ck_assert_uint_eq(outputs[0].bytes, bytes);
            ck_assert_mem_eq(outputs[0].data, data, bytes);
        }
    }
}
END_TEST

START_TEST(strings_go_in_and_out_with_every_byte)
{
    static const char data[] = "\0\0\0\0"
                               "\x03\0\0\0abc"
                               "\x03\0\0\0x\0y"
                               "\x07\0\0\0Gr\xc3\xbc\xc3\x9f"
                               "e"
                               "\x01\0\0\0z"
                               "\x02\0\0\0\xff\xfe";
    open_model(identity(STRING));
    ck_assert_str_eq(description.inputs[0].datatype, "BYTES");
    for (int round = 0; round < 3; round++) {
        struct backend_values input = values(data, sizeof data - 1, 2, 3);
        ck_assert_msg(backend->run(state, &input, outputs, error) == 0, "%s", error);
        ck_assert_int_eq(outputs[0].shape[0], 2);
        ck_assert_uint_eq(outputs[0].bytes, sizeof data - 1);
        ck_assert_mem_eq(outputs[0].data, data, sizeof data - 1);
    }
}
END_TEST

START_TEST(shapes_are_told_as_the_model_has_them)
{
    INPUT("a", FLOAT, ANY, 2, ANY);
    INPUT("b", FLOAT, 4);
    OUTPUT("c", FLOAT, ANY, 2, ANY);
    OUTPUT("d", FLOAT, 4);
    add_node("Identity", "", "a", "c", -1);
    add_node("Identity", "", "b", "d", -1);
    open_model(finish("model.onnx"));
    ck_assert_uint_eq(description.input_count, 2);
    ck_assert_uint_eq(description.output_count, 2);
    ck_assert_uint_eq(description.inputs[0].rank, 3);
    ck_assert_int_eq(description.inputs[0].shape[0], -1);
    ck_assert_int_eq(description.inputs[0].shape[1], 2);
    ck_assert_int_eq(description.inputs[0].shape[2], -1);
    ck_assert_uint_eq(description.outputs[1].rank, 1);
    ck_assert_int_eq(description.outputs[1].shape[0], 4);
}
END_TEST

START_TEST(columns_that_follow_the_input_are_right)
{
    const float data[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    INPUT("x", FLOAT, ANY, ANY);
    OUTPUT("y", FLOAT, ANY, ANY);
    add_node("Identity", "", "x", "y", -1);
    open_model(finish("model.onnx"));
    for (int64_t columns = 1; columns <= 6; columns++) {
        struct backend_values input = values(data, (size_t)columns * 8, 2, columns);
        ck_assert_int_eq(backend->run(state, &input, outputs, error), 0);
        ck_assert_int_eq(outputs[0].shape[1], columns);
        ck_assert_mem_eq(outputs[0].data, data, (size_t)columns * 8);
    }
}
END_TEST

START_TEST(outputs_that_say_no_shape_tell_it_when_computed)
{
    const float data[4] = {1, 2, 3, 4};
    INPUT("x", FLOAT, ANY, 2);
    add_value(12, "y", FLOAT, NO_SHAPE, NULL);
    OUTPUT("z", FLOAT, ANY, 2);
    add_node("ReduceMax", "", "x", "y", 0);
    add_node("Identity", "", "x", "z", -1);
    open_model(finish("model.onnx"));
    struct backend_values input = values(data, sizeof data, 2, 2);
    ck_assert_int_eq(backend->run(state, &input, outputs, error), 0);
    ck_assert_uint_eq(outputs[0].rank, 0);
    ck_assert_uint_eq(outputs[0].bytes, 4);
    ck_assert_float_eq(*(const float *)outputs[0].data, 4);
    ck_assert_mem_eq(outputs[1].data, data, sizeof data);
}
END_TEST

START_TEST(an_engine_s_error_is_one_line_and_passes)
{
    const float data[3] = {1, 2, 3};
    const int64_t good[3] = {2, 0, 1}, bad[3] = {2, 7, 1};
    INPUT("x", FLOAT, ANY);
    INPUT("i", INT64, ANY);
    OUTPUT("y", FLOAT, ANY);
    add_node("Gather", "", "x i", "y", -1);
    open_model(finish("model.onnx"));
    for (int round = 0; round < 3; round++) {
        struct backend_values inputs[2] = {values(data, sizeof data, 3, 0), values(good, sizeof good, 3, 0)};
        ck_assert_int_eq(backend->run(state, inputs, outputs, error), 0);
        ck_assert_float_eq(((const float *)outputs[0].data)[0], 3);
        inputs[1].data = bad;
        ck_assert_int_eq(backend->run(state, inputs, outputs, error), -1);
        ck_assert_msg(strstr(error, "Gather") != NULL, "%s", error);
        ck_assert_ptr_null(strchr(error, '\n'));
    }
}
END_TEST

START_TEST(maps_are_refused_with_the_way_out)
{
    struct message map = {0}, number = {0}, tensor = {0}, element = {0}, sequence = {0}, type = {0},
                   value = {0}, node = {0}, attribute = {0};
    INPUT("x", FLOAT, ANY, 2);
    put_number(&tensor, 1, FLOAT);
    put_message(&number, 1, &tensor);
    put_number(&map, 1, INT64);
    put_message(&map, 2, &number);
    put_message(&element, 5, &map);
    put_message(&sequence, 1, &element);
    put_message(&type, 4, &sequence);
    put_string(&value, 1, "probabilities");
    put_message(&value, 2, &type);
    put_message(&graph, 12, &value);
    put_string(&attribute, 1, "classlabels_int64s");
    put_number(&attribute, 8, 0);
    put_number(&attribute, 8, 1);
    put_number(&attribute, 20, 7);
    put_string(&node, 1, "x");
    put_string(&node, 2, "probabilities");
    put_string(&node, 4, "ZipMap");
    put_message(&node, 5, &attribute);
    put_string(&node, 7, "ai.onnx.ml");
    put_message(&graph, 1, &node);
    ck_assert_str_eq(refusal(finish("model.onnx")),
                     "probabilities is no tensor but a sequence or map: export the model with zipmap=False");
}
END_TEST

START_TEST(datatypes_without_a_name_are_refused)
{
    INPUT("x", COMPLEX, ANY, 2);
    OUTPUT("y", BOOL, ANY, 2);
    add_node("Equal", "", "x x", "y", -1);
    refusal(finish("model.onnx"));
    INPUT("x", 17, ANY, 2); /* FLOAT8E4M3FN, which no operator of this version takes */
    INPUT("a", FLOAT, ANY, 2);
    OUTPUT("y", FLOAT, ANY, 2);
    add_node("Identity", "", "a", "y", -1);
    ck_assert_str_eq(refusal(finish("model.onnx")), "x has a datatype that cannot be served");
}
END_TEST

START_TEST(too_many_dimensions_are_refused)
{
    INPUT("x", FLOAT, ANY, 1, 1, 1, 1, 1, 1, 1, 1);
    OUTPUT("y", FLOAT, ANY, 1, 1, 1, 1, 1, 1, 1, 1);
    add_node("Identity", "", "x", "y", -1);
    ck_assert_str_eq(refusal(finish("model.onnx")), "x has more than 8 dimensions");
}
END_TEST

START_TEST(models_without_inputs_are_refused)
{
    struct message tensor = {0};
    const float one = 1;
    put_number(&tensor, 1, 1);
    put_number(&tensor, 2, FLOAT);
    put_string(&tensor, 8, "c");
    put_bytes(&tensor, 9, &one, sizeof one);
    put_message(&graph, 5, &tensor);
    OUTPUT("y", FLOAT, 1);
    add_node("Identity", "", "c", "y", -1);
    ck_assert_str_eq(refusal(finish("model.onnx")), "the model has 0 inputs; 1 to 64 can be served");
}
END_TEST

START_TEST(weights_may_lie_in_a_file_beside_the_model_and_nowhere_else)
{
    const float weight = 40, one = 1;
    const char *path = scratch_path("weights.bin");
    FILE *file = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(&weight, sizeof weight, 1, file), 1);
    ck_assert_int_eq(fclose(file), 0);
    open_model(onnx_with_weights("weights.bin"));
    struct backend_values input = values(&one, sizeof one, 1, 1);
    ck_assert_int_eq(backend->run(state, &input, outputs, error), 0);
    ck_assert_float_eq(*(const float *)outputs[0].data, 41);
    ck_assert_ptr_nonnull(strstr(refusal(onnx_with_weights("/etc/passwd")), "/etc/passwd"));
    ck_assert_ptr_nonnull(strstr(refusal(onnx_with_weights("../../../../../../etc/passwd")), "/etc/passwd"));
}
END_TEST

START_TEST(what_is_no_model_is_refused)
{
    refusal(scratch_path("missing.onnx"));
    refusal(scratch_file("empty.onnx", ""));
    refusal(scratch_file("text.onnx", "this is no model\n"));
    refusal(scratch_folder("folder.onnx"));
}
END_TEST

static size_t read_file(const char *path, uint8_t *bytes, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    size_t length = fread(bytes, 1, capacity, file);
    fclose(file);
    return length;
}

static const char *write_file(const char *name, const uint8_t *bytes, size_t length)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

START_TEST(truncated_models_are_refused)
{
    static uint8_t bytes[1 << 17];
    size_t length = read_file(REPOSITORY "cancer-trees/1/model.onnx", bytes, sizeof bytes);
    for (size_t i = 0; i < 200; i++)
        refusal(write_file("cut.onnx", bytes, length * i / 200));
    refusal(write_file("cut.onnx", bytes, length - 1));
}
END_TEST

/* A changed bit may leave a model that loads and computes something else; it must never end the process. */
START_TEST(changed_models_are_refused_or_compute)
{
    static uint8_t bytes[1 << 17];
    static float row[30];
    size_t length = read_file(REPOSITORY "cancer-logistic/1/model.onnx", bytes, sizeof bytes);
    for (size_t at = 0; at < length; at++) {
        bytes[at] ^= (uint8_t)(1u << at % 8);
        void *opened =
            backend->open(write_file("changed.onnx", bytes, length), &one_thread, &description, error);
        bytes[at] ^= (uint8_t)(1u << at % 8);
        if (opened == NULL)
            continue;
        if (description.input_count == 1 && description.inputs[0].rank == 2 &&
            strcmp(description.inputs[0].datatype, "FP32") == 0) {
            struct backend_values input = values(row, sizeof row, 1, 30);
            backend->run(opened, &input, outputs, error);
        }
        backend->close(opened);
    }
}
END_TEST

START_TEST(a_trained_model_computes_the_same_alone_and_together)
{
    static float rows[64 * 30];
    float together[64][2];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        rows[i] = (float)(i * 37 % 100) / 7;
    open_model(REPOSITORY "cancer-trees/1/model.onnx");
    ck_assert_str_eq(description.outputs[1].name, "probabilities");
    struct backend_values input = values(rows, sizeof rows, 64, 30);
    ck_assert_int_eq(backend->run(state, &input, outputs, error), 0);
    ck_assert_uint_eq(outputs[1].bytes, sizeof together);
    memcpy(together, outputs[1].data, sizeof together);
    for (size_t i = 0; i < 64; i++) {
        input = values(rows + i * 30, 30 * sizeof *rows, 1, 30);
        ck_assert_int_eq(backend->run(state, &input, outputs, error), 0);
        ck_assert_mem_eq(outputs[1].data, together[i], sizeof together[i]);
    }
}
END_TEST

START_TEST(more_threads_are_allowed)
{
    static float rows[16 * 64];
    const struct backend_options options = {.threads = 3};
    state = backend->open(REPOSITORY "heavy/1/model.onnx", &options, &description, error);
    ck_assert_ptr_nonnull(state);
    struct backend_values input = values(rows, sizeof rows, 16, 64);
    ck_assert_int_eq(backend->run(state, &input, outputs, error), 0);
    ck_assert_int_eq(outputs[0].shape[0], 16);
}
END_TEST

static int entries(const char *directory)
{
    DIR *folder = opendir(directory);
    ck_assert_ptr_nonnull(folder);
    int count = 0;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count - 2; /* . and .. */
}

/* Official builds of the engine would keep a database in the home directory and report in a thread of their
 * own. */
START_TEST(the_engine_tells_nobody)
{
    int threads = entries("/proc/self/task");
    open_model(REPOSITORY "cancer-logistic/1/model.onnx");
    ck_assert_int_eq(entries("/proc/self/task"), threads);
    ck_assert_int_eq(entries(scratch_directory), 0);
}
END_TEST

/* What the options make of a trained model must be the same but for its speed. */
static void expect_same_with(const char *const *settings, const float *row, const float *wanted)
{
    struct backend_options options = {.threads = 1, .section = settings};
    struct backend_values input = values(row, 30 * sizeof *row, 1, 30);
    if (state != NULL)
        backend->close(state);
    state = backend->open(REPOSITORY "cancer-trees/1/model.onnx", &options, &description, error);
    ck_assert_msg(state != NULL, "%s", error);
    ck_assert_msg(backend->run(state, &input, outputs, error) == 0, "%s", error);
    const float *given = outputs[1].data;
    ck_assert_float_eq_tol(given[0], wanted[0], 1e-6f);
    ck_assert_float_eq_tol(given[1], wanted[1], 1e-6f);
}

START_TEST(options_change_no_answer)
{
    static const char *const ways[][15] = {
        {"optimization", "none", NULL},
        {"optimization", "basic", "arena", "1", "memory_pattern", "1", "spin", "1", NULL},
        {"optimization", "extended", "execution", "parallel", "inter_op_threads", "2", NULL},
        {"optimization", "all", "provider", "cpu", "execution", "sequential", NULL},
        {"provider", "", NULL}};
    static float row[30];
    for (size_t i = 0; i < COUNT_OF(row); i++)
        row[i] = (float)i;
    struct backend_values input = values(row, sizeof row, 1, 30);
    open_model(REPOSITORY "cancer-trees/1/model.onnx");
    ck_assert_int_eq(backend->run(state, &input, outputs, error), 0);
    float wanted[2];
    memcpy(wanted, outputs[1].data, sizeof wanted);
    ck_assert(wanted[0] > 0 && wanted[1] > 0);
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        expect_same_with(ways[i], row, wanted);
}
END_TEST

START_TEST(a_provider_that_is_not_there_is_named_with_those_that_are)
{
    static const char *const settings[] = {"provider", "abacus", NULL};
    struct backend_options options = {.threads = 1, .section = settings};
    ck_assert_ptr_null(backend->open(REPOSITORY "cancer-trees/1/model.onnx", &options, &description, error));
    ck_assert_ptr_nonnull(strstr(error, "model.conf: onnx.provider: the ONNX Runtime library "));
    ck_assert_ptr_nonnull(strstr(error, " here has no \"abacus\"; it has "));
    ck_assert_ptr_nonnull(strstr(error, "cpu"));
    ck_assert_ptr_null(strstr(error, "Provider"));
}
END_TEST

START_TEST(backends_are_found_by_name_and_by_file)
{
    ck_assert_str_eq(backend_named("onnx")->name, "onnx");
    ck_assert_str_eq(backend_named("echo")->name, "echo");
    ck_assert_ptr_null(backend_named("python"));
    ck_assert_ptr_eq(backend_for_file("a/b/model.onnx"), backend_named("onnx"));
    ck_assert_ptr_eq(backend_for_file("x.echo"), backend_named("echo"));
    ck_assert_ptr_null(backend_for_file(".onnx"));
    ck_assert_ptr_null(backend_for_file("model.onnx.bak"));
    ck_assert_ptr_null(backend_for_file(""));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        each_datatype_goes_in_and_out,
        strings_go_in_and_out_with_every_byte,
        shapes_are_told_as_the_model_has_them,
        columns_that_follow_the_input_are_right,
        outputs_that_say_no_shape_tell_it_when_computed,
        an_engine_s_error_is_one_line_and_passes,
        maps_are_refused_with_the_way_out,
        datatypes_without_a_name_are_refused,
        too_many_dimensions_are_refused,
        models_without_inputs_are_refused,
        weights_may_lie_in_a_file_beside_the_model_and_nowhere_else,
        what_is_no_model_is_refused,
        truncated_models_are_refused,
        changed_models_are_refused_or_compute,
        a_trained_model_computes_the_same_alone_and_together,
        more_threads_are_allowed,
        the_engine_tells_nobody,
        options_change_no_answer,
        a_provider_that_is_not_there_is_named_with_those_that_are,
        backends_are_found_by_name_and_by_file,
    };
    return SUITE_RUN("backend_onnx", set_up, tear_down, tests);
}
