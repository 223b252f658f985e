/* test_strict_json: what readers of JSON understand differently is refused. SPDX-License-Identifier: MIT */
#include "strict_json.h"
#include "suite.h"

static bool reads(struct text text)
{
    const char *complaint = NULL;
    yyjson_doc *document = strict_json_read(text, &complaint);
    ck_assert((document == NULL) == (complaint != NULL));
    yyjson_doc_free(document);
    return document != NULL;
}

START_TEST(an_object_is_read)
{
    const char *complaint;
    yyjson_doc *document = strict_json_read(
        text_of("{\"a\": \"b\\u0000c\", \"n\": 1, \"o\": {\"a\": [1, {\"a\": null}]}, \"e\": \"\"}"),
        &complaint);
    ck_assert_ptr_nonnull(document);
    yyjson_val *root = yyjson_doc_get_root(document);
    struct text text = strict_json_string(root, "a");
    ck_assert_uint_eq(text.length, 3);
    ck_assert_int_eq(memcmp(text.at, "b\0c", 3), 0);
    ck_assert_ptr_null(strict_json_string(root, "n").at);
    ck_assert_uint_eq(strict_json_string(root, "n").length, 0);
    ck_assert_ptr_null(strict_json_string(root, "none").at);
    ck_assert_ptr_nonnull(strict_json_string(root, "e").at);
    yyjson_doc_free(document);
}
END_TEST

START_TEST(what_is_no_single_object_is_refused)
{
    static const char *const texts[] = {"",
                                        " ",
                                        "null",
                                        "[]",
                                        "1",
                                        "{} {}",
                                        "{}x",
                                        "{\"a\":1,}",
                                        "{'a':1}",
                                        "{\"a\":NaN}",
                                        "{\"a\":1e400}",
                                        "{\"a\":-1e999}",
                                        "\xef\xbb\xbf{}",
                                        "{\"a\":\"\xff\"}",
                                        "{\"a\":\"\\ud800\"}",
                                        "{\"a\":01}",
                                        "{\"a\":1",
                                        "// x\n{}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        ck_assert_msg(!reads(text_of(texts[i])), "%s", texts[i]);
}
END_TEST

START_TEST(a_name_that_comes_twice_is_refused_at_any_depth)
{
    static const char *const texts[] = {"{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"\\u0061\":3}",
                                        "{\"o\":{\"x\":{\"a\":1,\"a\":2}}}", "{\"l\":[[{\"\":1,\"\":2}]]}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        ck_assert_msg(!reads(text_of(texts[i])), "%s", texts[i]);
    ck_assert(reads(text_of("{\"a\":{\"a\":1},\"A\":[{\"a\":1},{\"a\":1}]}")));
}
END_TEST

START_TEST(depth_and_members_are_bounded)
{
    char text[4096];
    for (int levels = STRICT_JSON_DEPTH; levels <= STRICT_JSON_DEPTH + 1; levels++) {
        size_t length = 0;
        for (int i = 0; i < levels; i++)
            length += (size_t)sprintf(text + length, "{\"a\":");
        length += (size_t)sprintf(text + length, "1");
        for (int i = 0; i < levels; i++)
            text[length++] = '}';
        ck_assert(reads((struct text){text, length}) == (levels < STRICT_JSON_DEPTH));
    }
    for (int members = STRICT_JSON_MEMBERS; members <= STRICT_JSON_MEMBERS + 1; members++) {
        size_t length = 0;
        for (int i = 0; i < members; i++)
            length += (size_t)sprintf(text + length, "%s\"%d\":0", i == 0 ? "{" : ",", i);
        text[length++] = '}';
        ck_assert(reads((struct text){text, length}) == (members == STRICT_JSON_MEMBERS));
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_object_is_read, what_is_no_single_object_is_refused,
                                  a_name_that_comes_twice_is_refused_at_any_depth,
                                  depth_and_members_are_bounded};
    return SUITE_RUN("strict_json", NULL, NULL, tests);
}
