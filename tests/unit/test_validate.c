/* test_validate: what `outrigger validate` makes of rows and answers, without anybody who answers: the rows
 * of a table in any order, figures that are scikit-learn's, answers that differ, the edges of a schema,
 * reports. SPDX-License-Identifier: MIT */
#include "scratch_directory.h"
#include "suite.h"
#include "validate_judging.h"

#include "example_answer.h"
#include "example_fields.h"
#include "roles.h"

#include <math.h>

enum { NUMBERS_BYTES = 256 };

static struct schema *schema;
static struct validate_rows *rows;
static struct answers *answers;
static struct validation report;
static struct model_config wanted;
static char reason[VALIDATE_REASON_MAX];

static void set_up(void)
{
    scratch_make();
    schema = example_classifier(2);
    report = (struct validation){.model = "m", .version = "2", .data = "rows.csv"};
    wanted = (struct model_config){.validation_min_accuracy = 0.8,
                                   .validation_min_auc = 0.85,
                                   .validation_max_mae = -1,
                                   .validation_max_rmse = -1,
                                   .validation_min_output = -1e300,
                                   .validation_max_output = 1e300,
                                   .validation_max_row_ms = 10,
                                   .validation_max_psi = 0.25,
                                   .validation_tolerance = 1e-5};
}

static void tear_down(void)
{
    answers_free(answers);
    validate_rows_free(rows);
    schema_free(schema);
    answers = NULL;
    rows = NULL;
    scratch_remove();
}

static void read_rows(const char *text)
{
    rows = validate_rows_new(scratch_file("rows.csv", text), schema, "truth", 1000, reason);
}

/* Answers of a classifier: a row is its class and its probabilities. */
static void answer(struct answers *to, const size_t *order, size_t count, const int64_t *labels,
                   const float *probabilities, size_t columns)
{
    size_t length;
    uint8_t *payload = example_answer(labels, probabilities, count, columns, &length);
    const char *wrong = answers_take(to, order, count, payload, length);
    free(payload);
    ck_assert_msg(wrong == NULL, "%s", wrong);
}

/* An answer of one number a row. Returns its length. */
static size_t encode_numbers(const float *numbers, size_t count, uint8_t payload[NUMBERS_BYTES])
{
    const struct tensor tensor = {.name = text_of("y"),
                                  .datatype = DATATYPE_FP32,
                                  .rank = 1,
                                  .shape = {(int64_t)count},
                                  .data = (const uint8_t *)numbers,
                                  .bytes = count * sizeof *numbers};
    return tensors_encode(&tensor, 1, payload, NUMBERS_BYTES, NULL);
}

static const struct check *check_of(const char *name)
{
    for (size_t i = 0; i < report.count; i++)
        if (strcmp(report.checks[i].name, name) == 0)
            return &report.checks[i];
    ck_abort_msg("no check %s", name);
}

static void expect(const char *name, enum check_result result)
{
    const struct check *check = check_of(name);
    ck_assert_msg(check->result == result, "%s: %d, %g, %s", name, check->result, check->value, check->note);
}

/* ---- rows ---- */

static float number(const uint8_t *payload, size_t bytes, size_t row, size_t column)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, decoded;
    ck_assert_ptr_null(tensors_decode(payload, bytes, tensors, &count, &decoded));
    return (float)value_float(&tensors[0], row * 2 + column);
}

START_TEST(rows_are_taken_in_any_order)
{
    size_t bytes, order[] = {2, 0};
    read_rows("a,truth,b\n1, yes ,2\n3,no,4\n5,\"1\",6\n");
    ck_assert_msg(rows != NULL, "%s", reason);
    ck_assert_uint_eq(validate_rows_count(rows), 3);
    ck_assert(text_is(validate_rows_truth(rows, 0), "yes"));
    uint8_t *payload = validate_rows_payload(rows, order, 2, &bytes);
    ck_assert_float_eq(number(payload, bytes, 0, 0), 5);
    ck_assert_float_eq(number(payload, bytes, 1, 1), 2);
    free(payload);
}
END_TEST

START_TEST(what_the_model_does_not_take_is_counted_and_named)
{
    const char *first;
    read_rows("truth,a,b\n1,2,3\n0,x,4\n0,5\n,6,7\n");
    ck_assert_msg(rows != NULL, "%s", reason);
    ck_assert_uint_eq(validate_rows_count(rows), 1);
    ck_assert_uint_eq(validate_rows_refused(rows, &first), 3);
    ck_assert_msg(strstr(first, "line 3: ") == first && strstr(first, "expected a number") != NULL, "%s",
                  first);
    const struct asked asked = {0};
    judge_rows(&report, rows, &asked);
    expect("rows refused", CHECK_FAILED);
    expect("rows without an answer", CHECK_PASSED);
}
END_TEST

static const struct {
    const char *text, *reason;
} wrong_tables[] = {{"", "the file is empty"},
                    {"a,b\n1,2\n", "the first line has no column \"truth\""},
                    {"a,truth\n1,2\n", "the first line has 1 columns, and a row of the model 2"},
                    {"a,b,truth\n", "there are no rows"},
                    {"a,b,truth\n1,2,\n",
                     "there are no rows that the model takes (line 2: nothing stands in the "
                     "column of the truth)"},
                    {"a,b,truth\n1,\"2\"x,0\n", "line 2, field 2: "}};

START_TEST(a_table_that_is_none_is_refused)
{
    read_rows(wrong_tables[_i].text);
    ck_assert_ptr_null(rows);
    ck_assert_msg(strncmp(reason, wrong_tables[_i].reason, strlen(wrong_tables[_i].reason)) == 0, "%s",
                  reason);
}
END_TEST

/* Rows to calibrate by, say. */
START_TEST(rows_may_be_without_truth_and_without_a_head)
{
    static const char *const tables[] = {"1,2\n3,4\n", "a,b\n1,2\n3,4\n", "a,truth,b\n1,,2\n3,yes,4\n"};
    size_t bytes, order[] = {1};
    rows = validate_rows_untold(scratch_file("rows.csv", tables[_i]), schema, "truth", 1000, reason);
    ck_assert_msg(rows != NULL, "%s", reason);
    ck_assert_uint_eq(validate_rows_count(rows), 2);
    uint8_t *payload = validate_rows_payload(rows, order, 1, &bytes);
    ck_assert_float_eq(number(payload, bytes, 0, 0), 3);
    ck_assert_float_eq(number(payload, bytes, 0, 1), 4);
    free(payload);
}
END_TEST

START_TEST(rows_of_texts_are_found_again)
{
    size_t bytes, order[] = {1, 0}, count, decoded, offset = 0;
    struct tensor tensors[TENSOR_COUNT_MAX];
    schema_free(schema);
    schema = schema_new();
    example_inputs(schema, &(struct example_tensor){"x", DATATYPE_BYTES, {-1, 2}}, 1);
    example_outputs(schema, &(struct example_tensor){"y", DATATYPE_FP32, {-1}}, 1);
    read_rows("p,q,truth\nlong enough,b,1\nc,,0\n");
    ck_assert_ptr_nonnull(rows); /* nothing is missing in a text but the empty one */
    ck_assert_uint_eq(validate_rows_count(rows), 1);
    order[0] = 0;
    uint8_t *payload = validate_rows_payload(rows, order, 2, &bytes);
    ck_assert_ptr_null(tensors_decode(payload, bytes, tensors, &count, &decoded));
    ck_assert_uint_eq(decoded, 2);
    ck_assert(text_is(value_bytes(&tensors[0], &offset), "long enough"));
    ck_assert(text_is(value_bytes(&tensors[0], &offset), "b"));
    ck_assert(text_is(value_bytes(&tensors[0], &offset), "long enough"));
    free(payload);
}
END_TEST

/* ---- figures ---- */

/* accuracy_score, and roc_auc_score with multi_class="ovr", average="macro", of scikit-learn 1.2.1. */
static const struct {
    float probabilities[3];
    int truth;
} of_three[] = {{{0.302F, 0.245F, 0.453F}, 2}, {{0.712F, 0.207F, 0.081F}, 0}, {{0.237F, 0.349F, 0.414F}, 2},
                {{0.075F, 0.122F, 0.803F}, 2}, {{0.462F, 0.249F, 0.289F}, 1}, {{0.344F, 0.591F, 0.065F}, 1},
                {{0.042F, 0.827F, 0.131F}, 1}, {{0.506F, 0.302F, 0.192F}, 0}, {{0.803F, 0.093F, 0.104F}, 0},
                {{0.148F, 0.509F, 0.343F}, 1}, {{0.586F, 0.37F, 0.044F}, 1},  {{0.042F, 0.786F, 0.172F}, 1},
                {{0.487F, 0.413F, 0.1F}, 1},   {{0.358F, 0.078F, 0.564F}, 1}, {{0.697F, 0.292F, 0.011F}, 0},
                {{0.061F, 0.416F, 0.523F}, 2}, {{0.15F, 0.336F, 0.514F}, 0},  {{0.22F, 0.601F, 0.179F}, 2},
                {{0.312F, 0.409F, 0.279F}, 2}, {{0.398F, 0.533F, 0.069F}, 2}, {{0.413F, 0.424F, 0.163F}, 0},
                {{0.735F, 0.001F, 0.264F}, 0}, {{0.588F, 0.203F, 0.209F}, 2}, {{0.237F, 0.465F, 0.298F}, 1}};

static int largest(const float probabilities[3])
{
    int at = 0;
    for (int i = 1; i < 3; i++)
        at = probabilities[i] > probabilities[at] ? i : at;
    return at;
}

/* The labels of the schema, "" for none; the truths as their names, or as numbers. */
static void ask_three(bool labels, bool by_name)
{
    static const char *const names[] = {"red", "green", "blue"};
    enum { COUNT = COUNT_OF(of_three) };
    char table[2048] = "a,b,truth\n";
    size_t order[COUNT];
    int64_t classes[COUNT];
    float probabilities[COUNT][3];
    for (size_t i = 0; i < COUNT; i++) {
        char number_text[8];
        snprintf(number_text, sizeof number_text, "%d", of_three[i].truth);
        snprintf(table + strlen(table), sizeof table - strlen(table), "0,0,%s\n",
                 by_name ? names[of_three[i].truth] : number_text);
        order[i] = i;
        classes[i] = largest(of_three[i].probabilities);
        memcpy(probabilities[i], of_three[i].probabilities, sizeof probabilities[i]);
    }
    for (size_t i = 0; i < schema->label_count; i++)
        free(schema->labels[i]);
    free(schema->labels);
    schema->labels = labels ? example_names(names, 3) : NULL;
    schema->label_count = labels ? 3 : 0;
    read_rows(table);
    ck_assert_msg(rows != NULL, "%s", reason);
    answers = answers_new(schema, COUNT);
    answer(answers, order, COUNT, classes, probabilities[0], 3);
}

static void expect_three(void)
{
    struct figures figures;
    judge_figures(rows, answers, &figures);
    ck_assert_double_eq_tol(figures.accuracy, 0.5833333333333334, 1e-9);
    ck_assert_double_eq_tol(figures.auc, 0.7644718072414151, 1e-9);
    judge_truth(&report, &wanted, schema, &figures);
    expect("accuracy", CHECK_FAILED);
    expect("auc", CHECK_FAILED);
    ck_assert(!validation_passed(&report));
}

START_TEST(the_area_of_many_classes_is_that_of_scikit_learn)
{
    ask_three(_i != 0, _i == 2);
    expect_three();
}
END_TEST

START_TEST(where_nobody_knows_which_probability_there_is_no_area)
{
    struct figures figures;
    ask_three(false, true);
    judge_figures(rows, answers, &figures);
    ck_assert_double_eq(figures.accuracy, 0);
    ck_assert(isnan(figures.auc));
    judge_truth(&report, &wanted, schema, &figures);
    expect("auc", CHECK_SKIPPED);
    ck_assert_ptr_nonnull(strstr(check_of("auc")->note, "labels in model.conf would say which"));
}
END_TEST

START_TEST(a_regression_has_errors)
{
    static const float values[] = {1, 2, 4};
    const size_t order[] = {0, 1, 2};
    uint8_t payload[NUMBERS_BYTES];
    struct figures figures;
    schema->regression = true;
    read_rows("a,b,truth\n0,0,1.5\n0,0,2\n0,0,x\n");
    answers = answers_new(schema, 3);
    size_t length = encode_numbers(values, 3, payload);
    ck_assert_ptr_null(answers_take(answers, order, 3, payload, length));
    judge_figures(rows, answers, &figures);
    ck_assert_double_eq_tol(figures.mae, 0.25, 1e-12);
    ck_assert_uint_eq(figures.unread, 1);
    wanted.validation_max_mae = 0.2;
    wanted.validation_max_output = 3;
    judge_truth(&report, &wanted, schema, &figures);
    judge_outputs(&report, &wanted, answers);
    expect("truth", CHECK_FAILED);
    expect("mae", CHECK_FAILED);
    expect("rows out of range", CHECK_FAILED);
    ck_assert_str_eq(check_of("rows out of range")->note, "predictions from 1 to 4; row 3");
}
END_TEST

/* ---- answers ---- */

static const size_t in_order[] = {0, 1};
static const int64_t classes_of_two[] = {1, 0};
static const float good_of_two[] = {0.25F, 0.75F, 0.5F, 0.5F};

static void ask_two(const float *probabilities)
{
    answers = answers_new(schema, 2);
    answer(answers, in_order, 2, classes_of_two, probabilities, 2);
}

START_TEST(numbers_that_are_none_fail)
{
    static const float odd[] = {0.25F, 0.75F, NAN, 1.5F};
    ask_two(odd);
    judge_outputs(&report, &wanted, answers);
    expect("rows with NaN", CHECK_FAILED);
    ck_assert_str_eq(check_of("rows with NaN")->note, "row 2");
    expect("rows out of range", CHECK_FAILED);
}
END_TEST

START_TEST(answers_that_depend_on_others_fail)
{
    static const float other[] = {0.5F, 0.5F, 0.25F, 0.7501F};
    const size_t backwards[] = {1, 0};
    const struct asked asked = {.answered = 2};
    ask_two(good_of_two);
    struct answers *again = answers_new(schema, 2);
    answer(again, backwards, 2, (const int64_t[]){0, 1}, other, 2);
    judge_again(&report, &wanted, "order of rows", answers, again, &asked);
    expect("order of rows", CHECK_FAILED);
    ck_assert_ptr_nonnull(strstr(check_of("order of rows")->note, "1 of 2 rows are answered otherwise"));
    wanted.validation_tolerance = 1e-3;
    judge_again(&report, &wanted, "size of batches", answers, again, &asked);
    expect("size of batches", CHECK_PASSED);
    answers_free(again);
}
END_TEST

START_TEST(an_answer_of_another_form_is_none)
{
    uint8_t payload[NUMBERS_BYTES];
    ask_two(good_of_two);
    const float one[] = {1, 1};
    size_t length = encode_numbers(one, 2, payload);
    ck_assert_str_eq(answers_take(answers, in_order, 2, payload, length),
                     "it has other outputs than the one before");
    ck_assert_str_eq(answers_take(answers, in_order, 1, payload, length), "it has another number of rows");
    ck_assert_ptr_nonnull(answers_take(answers, in_order, 2, payload, length - 1));
}
END_TEST

START_TEST(speed_is_the_mean_over_the_rows)
{
    const struct asked asked = {.answered = 4, .compute_us = 60000};
    judge_speed(&report, &wanted, &asked);
    ck_assert_double_eq(check_of("ms a row")->value, 15);
    expect("ms a row", CHECK_FAILED);
}
END_TEST

START_TEST(another_version_is_held_beside)
{
    static const float worse[] = {0.75F, 0.25F, 0.5F, 0.5F};
    read_rows("a,b,truth\n0,0,yes\n0,0,no\n");
    ask_two(good_of_two);
    struct answers *other = answers_new(schema, 2);
    answer(other, in_order, 2, (const int64_t[]){0, 0}, worse, 2);
    text_copy(text_of("1"), report.against, sizeof report.against);
    judge_against(&report, &wanted, 0, rows, answers, other);
    expect("accuracy drop", CHECK_PASSED);
    ck_assert_double_eq(check_of("agreement")->value, 0.5);
    report.count = 0;
    judge_against(&report, &wanted, 0.4, rows, other, answers); /* the other way round */
    ck_assert_double_eq(check_of("accuracy drop")->value, 0.5);
    expect("accuracy drop", CHECK_FAILED);
    answers_free(other);
}
END_TEST

START_TEST(without_a_baseline_nothing_is_said_of_the_distribution)
{
    ask_two(good_of_two);
    judge_distribution(&report, &wanted, answers, NULL, "there is none");
    expect("distribution", CHECK_SKIPPED);
    report.count = 0;
    double steps[] = {0.2, 0.4};
    uint64_t below[] = {50, 100};
    size_t edges[] = {0};
    const struct baseline far = {.score_kind = SCORE_POSITIVE,
                                 .score = {.count = 100000,
                                           .minimum = 0,
                                           .maximum = 0.4,
                                           .steps = steps,
                                           .below = below,
                                           .step_count = 2,
                                           .edges = edges,
                                           .edge_count = 1}};
    judge_distribution(&report, &wanted, answers, &far, NULL);
    ck_assert(check_of("distribution")->threshold > 0.25); /* two rows are not much */
}
END_TEST

/* ---- edges ---- */

START_TEST(the_edges_of_a_schema_are_known)
{
    struct edges edges;
    example_fields(schema, "[{'name': 'age', 'type': 'integer', 'minimum': 18, 'maximum': 120}, "
                           "{'name': 'kind', 'allowed': [1, 2, 4], 'default': 2}]");
    read_rows("kind,age,truth\n1,40,yes\n");
    ck_assert_msg(rows != NULL, "%s", reason);
    edges_find(rows, schema, &edges);
    /* age: both bounds; kind: three values, and none at all. */
    ck_assert_msg(edges.refused == 0, "%s", edges.first_refused);
    ck_assert_uint_eq(edges.inside, 6);
    ck_assert_uint_eq(validate_rows_count(edges.rows), 6);
    /* age: below, above, no whole number, nothing, NaN; kind: another value, NaN. */
    ck_assert_msg(edges.taken == 0, "%s", edges.first_taken);
    ck_assert_uint_eq(edges.outside, 7);
    const struct asked asked = {0};
    judge_edges(&report, &edges, NULL, &asked);
    expect("edges of the schema", CHECK_PASSED);
    expect("beyond the schema", CHECK_PASSED);
    edges_free(&edges);
}
END_TEST

START_TEST(without_bounds_only_missing_values_are_beyond)
{
    struct edges edges;
    schema->allow_nan = true;
    read_rows("a,b,truth\n1,40,yes\n");
    edges_find(rows, schema, &edges);
    ck_assert_uint_eq(edges.inside, 4); /* nothing, and NaN */
    ck_assert_uint_eq(edges.outside + edges.refused + edges.taken, 0);
    edges_free(&edges);
}
END_TEST

/* ---- reports ---- */

static char *printed(void (*print)(const struct validation *, FILE *))
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    print(&report, out);
    fclose(out);
    return text;
}

static void print_table(const struct validation *validation, FILE *out)
{
    validation_print(validation, out, false);
}

START_TEST(a_report_is_xml_whatever_stands_in_it)
{
    validation_add(&report, "a & b", CHECK_FAILED, NAN, NULL, 0, "<%s> \"\x01\xff'", "x");
    validation_add(&report, "c", CHECK_PASSED, 0.5, ">", 0.25, "%s", "");
    validation_add(&report, "d", CHECK_PASSED, NAN, ">", 0.25, "%s", "");
    validation_add(&report, "e", CHECK_SKIPPED, NAN, ">", 0.25, "%s", "why");
    char *text = printed(validation_to_junit);
    ck_assert_ptr_nonnull(strstr(text, " tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"1\""));
    ck_assert_ptr_nonnull(strstr(text, "name=\"a &#38; b\""));
    ck_assert_ptr_nonnull(strstr(text, "message=\"&#60;x&#62; &#34;??&#39;\"/>"));
    ck_assert_ptr_nonnull(strstr(text, "message=\"nan, and it must be &#62; 0.25\"/>"));
    ck_assert_ptr_nonnull(strstr(text, "<skipped message=\"why\"/>"));
    free(text);
    text = printed(print_table);
    ck_assert_ptr_nonnull(strstr(text, "m 2: 2 of 4 checks failed, by 0 rows of rows.csv"));
    free(text);
}
END_TEST

START_TEST(nothing_checked_is_nothing_passed)
{
    validation_add(&report, "a", CHECK_SKIPPED, NAN, NULL, 0, "%s", "");
    ck_assert(!validation_passed(&report));
    validation_add(&report, "b", CHECK_PASSED, 1, "<", 1.5, "%s", "");
    ck_assert(validation_passed(&report));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("validate");
    TCase *group = suite_group(suite, "validate", set_up, tear_down);
    const TTest *const tests[] = {rows_are_taken_in_any_order,
                                  what_the_model_does_not_take_is_counted_and_named,
                                  rows_of_texts_are_found_again,
                                  where_nobody_knows_which_probability_there_is_no_area,
                                  a_regression_has_errors,
                                  numbers_that_are_none_fail,
                                  answers_that_depend_on_others_fail,
                                  an_answer_of_another_form_is_none,
                                  speed_is_the_mean_over_the_rows,
                                  another_version_is_held_beside,
                                  without_a_baseline_nothing_is_said_of_the_distribution,
                                  the_edges_of_a_schema_are_known,
                                  without_bounds_only_missing_values_are_beyond,
                                  a_report_is_xml_whatever_stands_in_it,
                                  nothing_checked_is_nothing_passed};
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_test(group, tests[i]);
    tcase_add_loop_test(group, a_table_that_is_none_is_refused, 0, COUNT_OF(wrong_tables));
    tcase_add_loop_test(group, rows_may_be_without_truth_and_without_a_head, 0, 3);
    tcase_add_loop_test(group, the_area_of_many_classes_is_that_of_scikit_learn, 0, 3);
    return suite_finish(suite);
}
