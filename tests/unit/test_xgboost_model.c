/* test_xgboost_model: the words of XGBoost's model files. SPDX-License-Identifier: MIT */
#include "suite.h"
#include "xgboost_model.h"

static char objective[XGBOOST_OBJECTIVE_MAX];
static bool linear;

static bool read_objective(const char *json)
{
    linear = false;
    return xgboost_objective_read(json, strlen(json), objective, &linear);
}

START_TEST(the_objective_is_found)
{
    ck_assert(read_objective("{\"learner\":{\"objective\":{\"name\":\"rank:pairwise\",\"x\":NaN}}}"));
    ck_assert_str_eq(objective, "rank:pairwise");
    ck_assert(!linear);
    ck_assert(read_objective(
        "{\"learner\":{\"gradient_booster\":{\"name\":\"gblinear\"},\"objective\":{\"name\":\"a:b\"}}}"));
    ck_assert(linear);
}
END_TEST

START_TEST(what_has_no_objective_is_refused)
{
    char text[128];
    static const char *const others[] = {"",
                                         "{",
                                         "[]",
                                         "{}",
                                         "{\"learner\":1}",
                                         "{\"learner\":{\"objective\":\"x\"}}",
                                         "{\"learner\":{\"objective\":{\"name\":1}}}",
                                         "{\"learner\":{\"objective\":{\"name\":\"\"}}}",
                                         "{\"learner\":{\"objective\":{\"name\":\"a b\"}}}",
                                         "{\"learner\":{\"objective\":{\"name\":\"a\\u0000\"}}}"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ck_assert_msg(!read_objective(others[i]), "%s", others[i]);
    snprintf(text, sizeof text, "{\"learner\":{\"objective\":{\"name\":\"%063d\"}}}", 0);
    ck_assert(read_objective(text));
    snprintf(text, sizeof text, "{\"learner\":{\"objective\":{\"name\":\"%064d\"}}}", 0);
    ck_assert(!read_objective(text));
}
END_TEST

START_TEST(answers_follow_from_the_objective_and_its_columns)
{
    ck_assert_int_eq(xgboost_answer_of("binary:logistic", 1), XGBOOST_PROBABILITY);
    ck_assert_int_eq(xgboost_answer_of("binary:logistic", 2), XGBOOST_VALUES);
    ck_assert_int_eq(xgboost_answer_of("multi:softprob", 3), XGBOOST_PROBABILITIES);
    ck_assert_int_eq(xgboost_answer_of("multi:softprob", 1), XGBOOST_VALUES);
    ck_assert_int_eq(xgboost_answer_of("reg:quantileerror", 3), XGBOOST_VALUES);
}
END_TEST

START_TEST(rounds_end_with_the_best_when_there_is_one_before_the_last)
{
    ck_assert_int_eq(xgboost_rounds_of(NULL, 10), 0);
    ck_assert_int_eq(xgboost_rounds_of("4", 10), 5);
    ck_assert_int_eq(xgboost_rounds_of("9", 10), 0);
    ck_assert_int_eq(xgboost_rounds_of("99999999999999999999", 10), 0);
    ck_assert_int_eq(xgboost_rounds_of("-1", 10), 0);
    ck_assert_int_eq(xgboost_rounds_of("4x", 10), 0);
    ck_assert_int_eq(xgboost_rounds_of("", 10), 0);
}
END_TEST

static void expect_complaint(const char *said, const char *expected)
{
    char error[64];
    xgboost_complaint(said, error, sizeof error);
    ck_assert_str_eq(error, expected);
}

START_TEST(a_complaint_is_one_line_without_its_wrapping)
{
    expect_complaint("[12:00:00] ../src/common/json.cc:83: wrong, at: 2\nStack trace:\n  [bt] (0) x",
                     "wrong, at: 2");
    expect_complaint("[12:00:00] ../src/x.cc:8: one\ntwo", "one two");
    expect_complaint("[12:00:00] no place", "no place");
    expect_complaint("[unclosed", "[unclosed");
    expect_complaint("plain", "plain");
    expect_complaint("", "");
}
END_TEST

START_TEST(types_of_columns_are_those_of_a_schema)
{
    static const char *const types[][2] = {
        {"float", "number"}, {"q", "number"}, {"int", "integer"}, {"c", "integer"}, {"i", "boolean"}};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        ck_assert_str_eq(xgboost_column_type(types[i][0]), types[i][1]);
    ck_assert_ptr_null(xgboost_column_type("text"));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        the_objective_is_found,
        what_has_no_objective_is_refused,
        answers_follow_from_the_objective_and_its_columns,
        rounds_end_with_the_best_when_there_is_one_before_the_last,
        a_complaint_is_one_line_without_its_wrapping,
        types_of_columns_are_those_of_a_schema,
    };
    return SUITE_RUN("xgboost_model", NULL, NULL, tests);
}
