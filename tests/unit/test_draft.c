/* test_draft: text that grows; values as CSV and JSON have them. SPDX-License-Identifier: MIT */
#include "draft.h"
#include "suite.h"

static struct draft draft;

static void tear_down(void)
{
    draft_free(&draft);
}

static void expect(const char *text)
{
    ck_assert_msg(text_is(draft_text(&draft), text), "%.*s", (int)draft.length, draft.bytes);
    draft.length = 0;
}

START_TEST(a_field_is_in_quotes_where_it_needs_them)
{
    draft_add_field(&draft, text_of("plain 1"), ',', false);
    expect("plain 1");
    draft_add_field(&draft, text_of("a,b"), ',', false);
    expect("\"a,b\"");
    draft_add_field(&draft, text_of("a,b"), ';', false);
    expect("a,b");
    draft_add_field(&draft, text_of("say \"x\"\nand"), ',', false);
    expect("\"say \"\"x\"\"\nand\"");
    draft_add_field(&draft, text_of(""), ',', true);
    expect("\"\"");
}
END_TEST

START_TEST(a_string_of_json_is_valid_whatever_it_is_made_of)
{
    draft_add_json(&draft, text_of("é \"q\" \\ \n \x01"));
    expect("\"é \\\"q\\\" \\\\ \\u000a \\u0001\"");
    draft_add_json(&draft, text_of("a\xff\xc3z"));
    expect("\"a\xef\xbf\xbd\xef\xbf\xbdz\"");
}
END_TEST

START_TEST(it_grows)
{
    for (int64_t i = 0; i < 10000; i++) {
        draft_add_integer(&draft, INT64_MIN + i % 2);
        draft_add_char(&draft, ' ');
    }
    ck_assert_uint_eq(draft.length, 10000 * strlen("-9223372036854775808 "));
    ck_assert_int_eq(memcmp(draft.bytes, "-9223372036854775808 -9223372036854775807 ", 42), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_field_is_in_quotes_where_it_needs_them,
                                  a_string_of_json_is_valid_whatever_it_is_made_of, it_grows};
    return SUITE_RUN("draft", NULL, tear_down, tests);
}
