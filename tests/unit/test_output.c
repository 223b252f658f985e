/* test_output: numbers, and text that is always valid JSON. SPDX-License-Identifier: MIT */
#include "http_scene.h"

#include <stdlib.h>
#include <yyjson.h>

START_TEST(numbers_are_written)
{
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {{0, "0"},
                 {7, "7"},
                 {-7, "-7"},
                 {INT64_MAX, "9223372036854775807"},
                 {INT64_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        output_clear(&response.body);
        output_add_integer(&response.body, cases[i].value);
        ck_assert(text_is((struct text){response.body.bytes, response.body.length}, cases[i].text));
    }
    output_clear(&response.body);
    output_add_unsigned(&response.body, UINT64_MAX);
    ck_assert(text_is((struct text){response.body.bytes, response.body.length}, "18446744073709551615"));
}
END_TEST

static void json_becomes(struct text text, const char *expected)
{
    output_clear(&response.body);
    output_add_json(&response.body, text);
    ck_assert_msg(text_is((struct text){response.body.bytes, response.body.length}, expected), "%.*s",
                  (int)response.body.length, response.body.bytes);
}

START_TEST(strings_are_escaped)
{
    json_becomes(text_of(""), "\"\"");
    json_becomes(text_of(NULL), "\"\"");
    json_becomes(text_of("plain \xc3\xa9 \xf0\x9f\x98\x80"), "\"plain \xc3\xa9 \xf0\x9f\x98\x80\"");
    json_becomes(text_of("a\"b\\c\n\t\r\x01\x1f\x7f/"), "\"a\\\"b\\\\c\\n\\t\\u000d\\u0001\\u001f\\u007f/\"");
    json_becomes((struct text){"a\0b", 3}, "\"a\\u0000b\"");
    json_becomes(text_of("\xff"
                         "a\xc3"),
                 "\"\xef\xbf\xbd"
                 "a\xef\xbf\xbd\"");
    json_becomes(text_of("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}
END_TEST

START_TEST(any_bytes_become_valid_json)
{
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        char bytes[24];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)rand_r(&seed);
        output_clear(&response.body);
        output_add_json(&response.body, (struct text){bytes, (size_t)rand_r(&seed) % sizeof bytes});
        yyjson_doc *document = yyjson_read(response.body.bytes, response.body.length, 0);
        ck_assert_ptr_nonnull(document);
        yyjson_doc_free(document);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {numbers_are_written, strings_are_escaped, any_bytes_become_valid_json};
    return SUITE_RUN("output", set_up, tear_down, tests);
}
