/* test_optimize: what `outrigger optimize` is told, and what it says, without any model: the process test has
 * some. SPDX-License-Identifier: MIT */
#include "optimize_making.h"
#include "optimize_view.h"
#include "scratch_directory.h"
#include "suite.h"

#include "example_fields.h"

#include <math.h>

enum { WORDS_MAX = 16 };

static struct arguments arguments;
static struct making making;
static char reason[OPTIMIZE_REASON_MAX];
static struct schema *schema;

static void set_up(void)
{
    scratch_make();
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    schema = example_classifier(2);
}

static void tear_down(void)
{
    arguments_free(&arguments);
    schema_free(schema);
    scratch_remove();
}

/* ---- options ---- */

static bool read_line(const char *line)
{
    static char copy[512];
    char *words[WORDS_MAX];
    int count = 0;
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = word;
    arguments_free(&arguments);
    return arguments_parse(command_find("optimize"), count, words, &arguments) == 0 &&
           making_read(&arguments, &making, reason);
}

static const struct {
    const char *line;
    enum making_method method;
} methods[] = {{"m", MAKING_DYNAMIC_INT8},
               {"m --method dynamic-int8", MAKING_DYNAMIC_INT8},
               {"m:2 --calibrate rows.csv", MAKING_STATIC_INT8},
               {"m --method static-int8 --calibrate rows.csv", MAKING_STATIC_INT8},
               {"m --method prune", MAKING_PRUNE},
               {"m --prune 0.5", MAKING_PRUNE},
               {"m --distill rows.csv", MAKING_DISTILL},
               {"m --hidden 64,32 --distill rows.csv", MAKING_DISTILL},
               {"m --from model.pkl", MAKING_EXPORT}};

START_TEST(an_option_says_which_method_it_is)
{
    ck_assert_msg(read_line(methods[_i].line), "%s", reason);
    ck_assert_int_eq(making.method, methods[_i].method);
}
END_TEST

static const struct {
    const char *line, *complaint;
} wrong[] = {{"m --method static-int8", "static-int8 needs --calibrate FILE"},
             {"m --method distill", "distill needs --distill FILE"},
             {"m --hidden 32", "distill needs --distill FILE"},
             {"m --method export", "export needs --from FILE"},
             {"m --method dynamic-int8 --calibrate rows.csv",
              "--calibrate is of the method static-int8, not of dynamic-int8"},
             {"m --prune 0.5 --distill rows.csv", "--distill is of the method distill, not of prune"},
             {"m --prune 0.5,0.3",
              "--prune: expected at most 8 shares between 0 and 1, ascending, such as 0.3,0.5, got 0.5,0.3"},
             {"m --prune 1", "got 1"},
             {"m --prune 0", "got 0"},
             {"m --prune nan", "got nan"},
             {"m --prune 0.5,", "got 0.5,"},
             {"m --prune 0.5x", "got 0.5x"},
             {"m --prune .1,.2,.3,.4,.5,.6,.7,.8,.9", "at most 8"}};

START_TEST(what_does_not_fit_together_is_refused)
{
    ck_assert(!read_line(wrong[_i].line));
    ck_assert_msg(strstr(reason, wrong[_i].complaint) != NULL, "%s", reason);
}
END_TEST

START_TEST(a_sweep_goes_from_little_to_much)
{
    ck_assert(read_line("m --prune 0.25,0.5,0.75"));
    ck_assert_uint_eq(making.share_count, 3);
    ck_assert_double_eq(making.shares[0], 0.25);
    ck_assert_double_eq(making.shares[2], 0.75);
    ck_assert(read_line("m --method prune"));
    ck_assert_uint_eq(making.share_count, 3);
    ck_assert_double_eq(making.shares[1], 0.5);
}
END_TEST

START_TEST(answers_of_eight_bits_may_be_farther_apart)
{
    ck_assert(read_line("m"));
    ck_assert_double_eq(making_tolerance(&making), 2e-3);
    ck_assert(read_line("m --prune 0.5"));
    ck_assert_double_eq(making_tolerance(&making), 1e-5);
}
END_TEST

/* ---- what is said ---- */

static struct answers answers;

static void fill(struct candidate candidates[2])
{
    answers.schema = schema;
    candidates[0] =
        (struct candidate){.name = "version 1",
                           .bytes = 69469,
                           .answers = &answers,
                           .figures = {.accuracy = 0.9822, .auc = 0.99913, .r2 = NAN, .rmse = NAN},
                           .us = {4.4, 0.85, 0.49, 0.4},
                           .difference = NAN,
                           .share = NAN};
    candidates[1] = (struct candidate){.name = "static int8",
                                       .bytes = 21521,
                                       .answers = &answers,
                                       .figures = {.accuracy = 0.98, .auc = NAN, .r2 = NAN, .rmse = NAN},
                                       .us = {7.49, 1.15, 0.45, NAN},
                                       .difference = 0.25,
                                       .share = 0.995,
                                       .alone = 5e-7};
}

START_TEST(the_table_has_both_beside_each_other)
{
    struct candidate candidates[2];
    char *text;
    size_t length;
    fill(candidates);
    FILE *out = open_memstream(&text, &length);
    optimize_print_table(candidates, 2, out, false);
    fclose(out);
    ck_assert_str_eq(
        text,
        "MODEL        BYTES  US/ROW, 1     8    32   128  ACCURACY      AUC  DIFFERENCE     SAME  ALONE\n"
        "version 1    69469       4.40  0.85  0.49  0.40    0.9822  0.99913           -        -      0\n"
        "static int8  21521       7.49  1.15  0.45     -    0.9800        -        0.25  99.50 %  5e-07\n");
    free(text);
}
END_TEST

START_TEST(programs_get_the_same_and_nothing_that_is_not_known)
{
    struct candidate candidates[2];
    fill(candidates);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    optimize_add_json(document, root, candidates, 2);
    char *text = yyjson_mut_write(document, 0, NULL);
    ck_assert_str_eq(
        text,
        "{\"before\":{\"name\":\"version "
        "1\",\"bytes\":69469,\"us_per_row\":{\"1\":4.4,\"8\":0.85,\"32\":0.49,"
        "\"128\":0.4},\"accuracy\":0.9822,\"auc\":0.99913,\"largest_difference_alone\":0.0},"
        "\"after\":[{\"name\":\"static "
        "int8\",\"bytes\":21521,\"us_per_row\":{\"1\":7.49,\"8\":1.15,\"32\":0.45},"
        "\"accuracy\":0.98,\"largest_difference\":0.25,\"same\":0.995,\"largest_difference_alone\":5e-7}]}");
    free(text);
    yyjson_mut_doc_free(document);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimize");
    TCase *group = suite_group(suite, "optimize", set_up, tear_down);
    tcase_add_loop_test(group, an_option_says_which_method_it_is, 0, COUNT_OF(methods));
    tcase_add_loop_test(group, what_does_not_fit_together_is_refused, 0, COUNT_OF(wrong));
    tcase_add_test(group, a_sweep_goes_from_little_to_much);
    tcase_add_test(group, answers_of_eight_bits_may_be_farther_apart);
    tcase_add_test(group, the_table_has_both_beside_each_other);
    tcase_add_test(group, programs_get_the_same_and_nothing_that_is_not_known);
    return suite_finish(suite);
}
