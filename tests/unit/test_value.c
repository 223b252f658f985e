/* test_value: what may be written as a value of an option, kind by kind. SPDX-License-Identifier: MIT */
#include "suite.h"
#include "value.h"

static struct value value;

static bool reads(enum value_kind kind, const char *text)
{
    return value_read(kind, "show|set|reset", text, &value);
}

static void expect_number(enum value_kind kind, const char *text, int64_t expected)
{
    ck_assert_msg(reads(kind, text), "%s", text);
    ck_assert_int_eq(value.number, expected);
    ck_assert_str_eq(value.text, text);
}

/* None of the texts, the last NULL, is of that kind. */
static void expect_none(enum value_kind kind, const char *const *texts)
{
    for (; *texts != NULL; texts++)
        ck_assert_msg(!reads(kind, *texts), "%s", *texts);
}

START_TEST(counts)
{
    expect_number(VALUE_COUNT, "0", 0);
    expect_number(VALUE_COUNT, "42", 42);
    expect_none(VALUE_COUNT, (const char *const[]){"", "-1", "+1", " 1", "1 ", "1.5", "x", "0x10",
                                                   "99999999999999999999", NULL});
}
END_TEST

START_TEST(durations)
{
    expect_number(VALUE_DURATION, "200ms", 200);
    expect_number(VALUE_DURATION, "10s", 10000);
    expect_number(VALUE_DURATION, "1.5s", 1500);
    expect_number(VALUE_DURATION, "10m", 600000);
    expect_number(VALUE_DURATION, "2h", 7200000);
    expect_number(VALUE_DURATION, "1d", 86400000);
    expect_number(VALUE_DURATION, "0", 0);
    expect_none(VALUE_DURATION, (const char *const[]){"", "10", "s", "10 s", "-1s", "1e3s", "10x", "infs",
                                                      "nan", "1..5s", "400d", "99999999999999999999h", NULL});
}
END_TEST

START_TEST(seconds_need_no_unit)
{
    expect_number(VALUE_SECONDS, "30", 30000);
    expect_number(VALUE_SECONDS, "0.5", 500);
    expect_number(VALUE_SECONDS, "2m", 120000);
    expect_none(VALUE_SECONDS, (const char *const[]){"", "x", "-1", "1e3", NULL});
}
END_TEST

START_TEST(sizes)
{
    expect_number(VALUE_SIZE, "4096", 4096);
    expect_number(VALUE_SIZE, "64K", 65536);
    expect_number(VALUE_SIZE, "1.5MiB", 1572864);
    expect_number(VALUE_SIZE, "2G", INT64_C(2147483648));
    expect_none(VALUE_SIZE, (const char *const[]){"", "1T", "K", "-1", "99999999999G", NULL});
}
END_TEST

START_TEST(percents)
{
    ck_assert(reads(VALUE_PERCENT, "0.1%"));
    ck_assert_double_eq_tol(value.fraction, 0.001, 1e-12);
    ck_assert(reads(VALUE_PERCENT, "100%"));
    ck_assert_double_eq_tol(value.fraction, 1, 1e-12);
    ck_assert(reads(VALUE_PERCENT, "0"));
    expect_none(VALUE_PERCENT, (const char *const[]){"", "0.1", "101%", "-1%", "%", "1%%", "x", NULL});
}
END_TEST

START_TEST(lists_of_percents)
{
    double fractions[4];
    ck_assert_uint_eq(value_percents("1,5%,25,100", fractions, 4), 4);
    ck_assert_double_eq_tol(fractions[0], 0.01, 1e-12);
    ck_assert_double_eq_tol(fractions[1], 0.05, 1e-12);
    ck_assert_double_eq_tol(fractions[3], 1, 1e-12);
    ck_assert_uint_eq(value_percents("1,5,25,100", fractions, 3), 0);
    ck_assert(reads(VALUE_PERCENTS, "50"));
    expect_none(VALUE_PERCENTS, (const char *const[]){"", "1,", ",1", "1,,2", "1;2", "101", NULL});
}
END_TEST

START_TEST(names_settings_and_words)
{
    ck_assert(reads(VALUE_MODEL, "digits-mlp") && reads(VALUE_VERSION, "2"));
    expect_none(VALUE_MODEL, (const char *const[]){"", "a/b", ".x", "a b", NULL});
    ck_assert(reads(VALUE_SETTING, "a=") && reads(VALUE_SETTING, "a.b=c=d"));
    expect_none(VALUE_SETTING, (const char *const[]){"", "a", "=b", NULL});
    ck_assert(reads(VALUE_WORD, "set") && reads(VALUE_WORD, "reset") && reads(VALUE_WORD, "show"));
    expect_none(VALUE_WORD, (const char *const[]){"", "se", "sets", "show|set", NULL});
    ck_assert(reads(VALUE_TEXT, "") && !reads(VALUE_FILE, ""));
}
END_TEST

START_TEST(what_was_meant)
{
    ck_assert(text_is(value_nearest_word("show|set|reset", "rest"), "reset"));
    ck_assert(text_is(value_nearest_word("show|set|reset", "xyzzy"), ""));
    for (enum value_kind kind = VALUE_NONE; kind <= VALUE_SIZE; kind++)
        ck_assert_ptr_nonnull(value_expected(kind, "a|b"));
    ck_assert_str_eq(value_expected(VALUE_WORD, "a|b"), "a|b");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {counts,   durations,         seconds_need_no_unit,     sizes,
                                  percents, lists_of_percents, names_settings_and_words, what_was_meant};
    return SUITE_RUN("value", NULL, NULL, tests);
}
