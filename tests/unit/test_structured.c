/* test_structured: which header values are a String of RFC 8941, and what it says.
 * SPDX-License-Identifier: MIT */
#include "object.h"
#include "structured.h"
#include "suite.h"

enum { ROOM = 40 };

static bool says(const char *value, const char *expected)
{
    char string[ROOM];
    size_t length = structured_read_string(value, string, sizeof string);
    return length == strlen(expected) && memcmp(string, expected, length) == 0;
}

START_TEST(a_string_stands_in_quotes)
{
    ck_assert(says("\"a\"", "a"));
    ck_assert(says("\"a b  c\"", "a b  c"));
    ck_assert(says("\" \"", " "));
    ck_assert(says("\" !#[]~\"", " !#[]~"));
    ck_assert(says("\"\\\"\"", "\""));
    ck_assert(says("\"\\\\\"", "\\"));
    ck_assert(says("\"\\\\\\\"x\\\\\"", "\\\"x\\"));
    ck_assert(says("  \"a\"   ", "a"));
}
END_TEST

START_TEST(what_is_no_string_is_refused)
{
    static const char *const wrong[] = {
        "",        " ",         "\"",           "\"a",          "a",        "a\"",
        "\"\"",    "\"a\"b",    "\"a\" b",      "\"a\"\"",      "\"a\\b\"", "\"a\\",
        "\"a\\\"", "\"a\x7f\"", "\"\x80\"",     "\"\xc3\xa9\"", "\"a\tb\"", "\"a\x01\"",
        "\t\"a\"", "\"a\"\t",   "'a'",          "token",        "1",        "?1",
        ":YQ==:",  "(\"a\")",   "\"a\", \"b\"", "\"a\",\"b\"",  "\"a\"\n",  ";a",
        "\"\";a=1"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(says(wrong[i], ""), "%s", wrong[i]);
}
END_TEST

START_TEST(parameters_are_passed_over)
{
    static const char *const right[] = {";a",
                                        ";a=1",
                                        ";  a=1",
                                        ";a;b;c",
                                        ";a=1;a=2",
                                        ";*a_-.*9=1",
                                        ";a=-0",
                                        ";a=0123456789",
                                        ";a=999999999999999",
                                        ";a=-1.5",
                                        ";a=123456789012.123",
                                        ";a=\"\"",
                                        ";a=\"x;y, \\\"\\\\\"",
                                        ";a=Token",
                                        ";a=*x/y:z",
                                        ";a=a!#$%&'*+-.^_`|~",
                                        ";a=::",
                                        ";a=:YQ==:",
                                        ";a=:+/a0:",
                                        ";a=?0;b=?1",
                                        ";a=1  "};
    for (size_t i = 0; i < COUNT_OF(right); i++) {
        char value[64];
        snprintf(value, sizeof value, "\"k\"%s", right[i]);
        ck_assert_msg(says(value, "k"), "%s", value);
    }
}
END_TEST

START_TEST(what_is_no_parameter_spoils_the_value)
{
    static const char *const wrong[] = {";",
                                        "; ",
                                        " ;a",
                                        ";;a",
                                        ";A",
                                        ";1",
                                        ";-a",
                                        ";a=",
                                        ";a= 1",
                                        ";a =1",
                                        ";a=1,",
                                        ";a=1 ;b",
                                        ";a=-",
                                        ";a=--1",
                                        ";a=+1",
                                        ";a=.5",
                                        ";a=1.",
                                        ";a=1.1234",
                                        ";a=1.1.1",
                                        ";a=1234567890123.1",
                                        ";a=1234567890123456",
                                        ";a=\"",
                                        ";a=\"\\a\"",
                                        ";a=:YQ==",
                                        ";a=:Y Q:",
                                        ";a=:Y-Q:",
                                        ";a=?",
                                        ";a=?2",
                                        ";a=?10",
                                        ";a=(1)",
                                        ";a=@1",
                                        ";a=a\"b",
                                        ";\ta",
                                        ";a=1\t",
                                        ";a=\x80",
                                        ";a=a\x80"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char value[64];
        snprintf(value, sizeof value, "\"k\"%s", wrong[i]);
        ck_assert_msg(says(value, ""), "%s", value);
    }
}
END_TEST

/* Nothing is written behind the room, whatever comes. */
START_TEST(a_string_has_to_fit)
{
    char string[ROOM], value[ROOM + 8];
    for (size_t length = 1; length <= ROOM + 2; length++) {
        for (size_t room = 0; room < ROOM; room++) {
            snprintf(value, sizeof value, "\"%.*s\"", (int)length,
                     "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
            memset(string, '.', sizeof string);
            ck_assert_uint_eq(structured_read_string(value, string, room), length <= room ? length : 0);
            for (size_t i = 0; i < ROOM; i++)
                ck_assert_int_eq(string[i], i < length && i < room ? 'k' : '.');
        }
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_string_stands_in_quotes, what_is_no_string_is_refused,
                                  parameters_are_passed_over, what_is_no_parameter_spoils_the_value,
                                  a_string_has_to_fit};
    return SUITE_RUN("structured", NULL, NULL, tests);
}
