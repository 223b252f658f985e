/* test_inspect: asking a worker what a model takes, with programs that answer well, badly and not at all.
 * SPDX-License-Identifier: MIT */
#include "inspect.h"
#include "object.h"
#include "scratch_directory.h"
#include "suite.h"

static char reason[256];
static char mode[] = "log", also[] = "/a:/b", models[] = "models", keys[] = "k.pem", waived[] = "demo-*",
            none[] = "";
static struct config config = {.binary_directory = scratch_directory,
                               .sandbox_mode = mode,
                               .sandbox_worker_read = also,
                               .models_directory = models,
                               .signing_keys = keys,
                               .signing_unsigned = waived,
                               .user = none,
                               .worker_user = none};

/* A worker of that shell text. */
static void be(const char *text)
{
    char script[2048];
    snprintf(script, sizeof script, "#!/bin/sh\n%s\n", text);
    const char *path = scratch_file("outrigger-worker", script);
    ck_assert_int_eq(chmod(path, 0700), 0);
}

static void expect_fault(const char *text, const char *expected)
{
    be(text);
    ck_assert_ptr_null(inspect_model(&config, "model.onnx", "m", reason, sizeof reason));
    ck_assert_str_eq(reason, expected);
}

static char *tensors_of(const char *text)
{
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    ck_assert_ptr_nonnull(document);
    char *printed;
    size_t length;
    FILE *out = open_memstream(&printed, &length);
    inspect_print_tensors(yyjson_doc_get_root(document), out);
    fclose(out);
    yyjson_doc_free(document);
    return printed;
}

START_TEST(a_description_is_read)
{
    be("[ \"$1|$2|$3|$4|$5|$6|$7|$8|$#\" = '--describe|a b|m|log|/a:/b|models|k.pem||8' ] && "
       "echo noise >&2 && echo '{\"inputs\":[],\"outputs\":[1]}'");
    yyjson_doc *document = inspect_model(&config, "a b", "m", reason, sizeof reason);
    ck_assert_msg(document != NULL, "%s", reason);
    ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(document), "outputs")), 1);
    yyjson_doc_free(document);
    be("[ \"$7|$#\" = '|8' ] && echo '{\"inputs\":[],\"outputs\":[1]}'");
    document = inspect_model(&config, "a b", "models/demo-1", reason, sizeof reason);
    ck_assert_msg(document != NULL, "%s", reason); /* of a model that need not be signed */
    yyjson_doc_free(document);
}
END_TEST

START_TEST(the_reason_is_the_last_thing_said)
{
    expect_fault("echo first >&2; echo 'model.onnx: broken' >&2; echo >&2; exit 1", "broken");
    expect_fault("echo 'model.onnx2: broken' >&2; exit 1", "model.onnx2: broken");
    expect_fault("exit 3", "the worker that loads it exits 3");
    expect_fault("kill -9 $$", "the worker that loads it is killed by signal 9");
    expect_fault("echo deep trouble >&2; kill -11 $$",
                 "the worker that loads it is killed by signal 11: deep trouble");
}
END_TEST

START_TEST(other_answers_are_refused)
{
    static const char *const answers[] = {"true",
                                          "echo 1",
                                          "echo '{}'",
                                          "echo '{\"inputs\":[]}'",
                                          "echo '{\"inputs\":{},\"outputs\":[]}'",
                                          "echo '{\"inputs\":[],'"};
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        expect_fault(answers[i], "the worker that loads it describes it in no known form");
}
END_TEST

START_TEST(a_flood_is_not_read_to_its_end)
{
    expect_fault("head -c 3000000 /dev/zero | tr '\\0' '['",
                 "the worker that loads it describes it in no known form");
    be("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1");
    ck_assert_ptr_null(inspect_model(&config, "f", "m", reason, sizeof reason));
    ck_assert_uint_eq(strlen(reason), sizeof reason - 1);
}
END_TEST

START_TEST(a_missing_program_is_said)
{
    char expected[256];
    snprintf(expected, sizeof expected, "%s/outrigger-worker: No such file or directory", scratch_directory);
    ck_assert_ptr_null(inspect_model(&config, "f", "m", reason, sizeof reason));
    ck_assert_str_eq(reason, expected);
}
END_TEST

START_TEST(tensors_are_printed)
{
    char *text = tensors_of("[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1,30]},"
                            "{\"name\":\"y\",\"datatype\":\"INT64\",\"shape\":[-1]},{}]");
    ck_assert_str_eq(text, "x FP32[-1,30], y INT64[-1], ? ?[]");
    free(text);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_description_is_read,          the_reason_is_the_last_thing_said, other_answers_are_refused,
        a_flood_is_not_read_to_its_end, a_missing_program_is_said,         tensors_are_printed,
    };
    return SUITE_RUN("inspect", scratch_make, scratch_remove, tests);
}
