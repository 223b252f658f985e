/* test_decode: JSON bodies. Everything that one may get wrong, with the words that the client reads; the
 * short cut for batches of plain rows beside the tree. SPDX-License-Identifier: MIT */
#include "decode_scene.h"

/* ---- bodies ---- */

START_TEST(a_body_has_members)
{
    ck_assert(decode("{\"model\":\"m\",\"version\":\"2\",\"key\":\"k\",\"timeout_ms\":250,\"features\":[1]}",
                     false));
    ck_assert(text_is(body.model, "m"));
    ck_assert(text_is(body.version, "2"));
    ck_assert(text_is(body.key, "k"));
    ck_assert_int_eq(body.timeout_ms, 250);
    ck_assert(decode("{\"timeout_ms\":25e1,\"features\":[1]}", false));
    ck_assert_int_eq(body.timeout_ms, 250);
    ck_assert(yyjson_is_arr(body.rows));
    ck_assert(decode("{\"instances\":[[1]],\"version\":18446744073709551615}", true));
    ck_assert(text_is(body.version, "18446744073709551615"));
    ck_assert_uint_eq(body.model.length, 0);
    ck_assert_int_eq(body.timeout_ms, 0);
    ck_assert(decode(" \t\r\n{ \"features\" : { \"a\" : 1 } , \"version\" : 0 } \n", false));
    ck_assert(text_is(body.version, "0"));
}
END_TEST

START_TEST(broken_json_is_refused)
{
    static const char *const broken[] = {
        "{",
        "}",
        "[",
        "]",
        "{\"features\":[1}",
        "{\"features\":[1]",
        "{\"features\":[1,]}",
        "{\"features\":[,1]}",
        "{\"features\":[1 2]}",
        "{features:[1]}",
        "{'features':[1]}",
        "{\"features\":[1]},",
        "{\"features\":[1]} x",
        "{\"features\":[1]}{}",
        "{\"features\":[01]}",
        "{\"features\":[.5]}",
        "{\"features\":[5.]}",
        "{\"features\":[+1]}",
        "{\"features\":[1e]}",
        "{\"features\":[0x10]}",
        "{\"features\":[1_000]}",
        "{\"features\":[tru]}",
        "{\"features\":[True]}",
        "{\"features\":[undefined]}",
        "{\"features\":[--1]}",
        "{\"features\":[\"a]}",
        "{\"features\":[\"\\x\"]}",
        "{\"features\":[\"\\u12\"]}",
        "{\"features\":[\"a\nb\"]}",
        "{\"features\" [1]}",
        "{\"features\":}",
        "{,}",
        "{\"features\":[1],}",
        "/* c */{\"features\":[1]}",
        "{\"features\":[1]}//",
        "\xef\xbb\xbf{\"features\":[1]}",
        "{\"features\":[\"\\ud800\"]}",
        "{\"features\":[\"\\udc00x\"]}",
        "{\"features\":[\"\xff\"]}",
        "{\"\xc3\":[1]}",
        "{\"features\":[\"\xed\xa0\x80\"]}",
        "{\"features\":[\"\xc0\xaf\"]}",
        "\xff\xfe{\0",
        "nul",
        "{\"features\":[-]}",
        "{\"features\":[1]\x01}",
        "{\"features\":[\f1]}",
    };
    use(three_numbers());
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        for (int batch = 0; batch < 2; batch++)
            refused(broken[i], batch, "body", "not valid JSON: ");
}
END_TEST

START_TEST(a_nul_byte_is_broken_json)
{
    static const char text[] = "{\"features\":[1]}\0";
    ck_assert(!decode_text(text, sizeof text - 1, false, true));
    ck_assert(!decode_text(text, sizeof text - 1, false, false));
    ck_assert(!decode_text("\0", 1, false, true));
    ck_assert(decode_text(text, sizeof text - 2, false, true));
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    static const char text[] = "{\"model\":\"m\\u00e9\",\"version\":2,\"key\":\"\xc3\xa9\",\"timeout_ms\":"
                               "250,\"features\":[1.5e3,-2,null,true,{}]}";
    for (size_t length = 0; length < sizeof text - 1; length++)
        for (int in_place = 0; in_place < 2; in_place++) {
            ck_assert(!decode_text(text, length, false, in_place));
            ck_assert_uint_eq(faults.count, 1);
        }
    ck_assert(decode_text(text, sizeof text - 1, false, true));
    ck_assert(decode_text(text, sizeof text - 1, false, false));
}
END_TEST

START_TEST(what_is_no_object_is_refused)
{
    refused("", false, "body", "is empty");
    refused("[]", false, "body", "expected an object, got an array");
    refused("[1,2,3]", true, "body", "expected an object, got an array");
    refused("null", false, "body", "got null");
    refused("true", false, "body", "got true");
    refused("\"x\"", false, "body", "got a string");
    refused("1", false, "body", "got a number");
    refused("NaN", false, "body", "got a number");
    refused("{}", false, "features", "is missing");
    refused("{}", true, "instances", "is missing");
    refused(" ", false, "body", "not valid JSON");
}
END_TEST

START_TEST(members_have_types_and_bounds)
{
    static const struct {
        const char *text, *field, *message;
    } cases[] = {
        {"{\"features\":[1],\"model\":1}", "model", "expected a string, got a number"},
        {"{\"features\":[1],\"model\":null}", "model", "expected a string, got null"},
        {"{\"features\":[1],\"model\":\"\"}", "model", "expected 1 to 128 bytes, got 0"},
        {"{\"features\":[1],\"version\":1.5}", "version", "expected a string, got a number"},
        {"{\"features\":[1],\"version\":-1}", "version", "expected a string, got a number"},
        {"{\"features\":[1],\"version\":\"\"}", "version", "got 0"},
        {"{\"features\":[1],\"version\":{}}", "version", "got an object"},
        {"{\"features\":[1],\"key\":[]}", "key", "got an array"},
        {"{\"features\":[1],\"key\":false}", "key", "got false"},
        {"{\"features\":[1],\"timeout_ms\":0}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"timeout_ms\":-5}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"timeout_ms\":1.5}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"timeout_ms\":\"9\"}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"timeout_ms\":86400001}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"timeout_ms\":NaN}", "timeout_ms", "expected a whole number from 1"},
        {"{\"features\":[1],\"features\":[1]}", "features", "is there twice"},
        {"{\"model\":\"a\",\"features\":[1],\"model\":\"a\"}", "model", "is there twice"},
        {"{\"features\":[1],\"modle\":\"a\"}", "modle", "no such member: there are features, model, version"},
        {"{\"features\":[1],\"\":1}", "", "no such member"},
        {"{\"features\":[1],\"x\":NaN}", "x", "no such member"},
        {"{\"instances\":[[1]]}", "instances", "batch-predict"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        refused(cases[i].text, false, cases[i].field, cases[i].message);
    refused("{\"features\":[1]}", true, "features", "a batch takes \"instances\"");
    refused("{\"instances\":[]}", true, "instances", "expected at least one row");
    refused("{\"instances\":{}}", true, "instances", "expected an array of rows, got an object");
    refused("{\"instances\":[[1]],\"x\":1}", true, "x", "there are instances, model");
    refused("{\"model\":1,\"key\":2}", false, "model", "expected a string");
    ck_assert_uint_eq(faults.count, 2);
}
END_TEST

START_TEST(long_texts_are_refused)
{
    static const struct {
        const char *member;
        size_t maximum;
    } cases[] = {{"model", PROTOCOL_NAME_MAX}, {"version", PROTOCOL_NAME_MAX}, {"key", PROTOCOL_TEXT_MAX}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t more = 0; more < 2; more++) {
            char text[1024];
            char value[PROTOCOL_TEXT_MAX + 2] = "";
            memset(value, 'a', cases[i].maximum + more);
            snprintf(text, sizeof text, "{\"features\":[1],\"%s\":\"%s\"}", cases[i].member, value);
            ck_assert(decode(text, false) == (more == 0));
        }
}
END_TEST

START_TEST(many_unknown_members_stop_at_the_bound)
{
    char *text = object_alloc(100000);
    size_t length = (size_t)sprintf(text, "{\"features\":[1]");
    for (int i = 0; i < 1000; i++)
        length += (size_t)sprintf(
            text + length, ",\"a very long name of a member, much longer than what is shown of it %d\":1", i);
    strcpy(text + length, "}");
    refused(text, false, "a very long name of a member, much longer than what is shown of ",
            "no such member");
    ck_assert_uint_eq(faults.count, PROBLEM_FAULTS_MAX);
    free(text);
}
END_TEST

static char *nested(const char *before, size_t depth, const char *open, const char *close, const char *after)
{
    char *text = object_alloc(depth * (strlen(open) + strlen(close)) + 64);
    strcpy(text, before);
    char *at = text + strlen(text);
    for (size_t i = 0; i < depth; i++)
        at = stpcpy(at, open);
    at = stpcpy(at, "1");
    for (size_t i = 0; i < depth; i++)
        at = stpcpy(at, close);
    strcpy(at, after);
    return text;
}

START_TEST(depth_is_bounded)
{
    static const struct {
        const char *before, *open, *close, *after;
    } shapes[] = {{"", "[", "]", ""},
                  {"", "{\"a\":", "}", ""},
                  {"{\"features\":", "[", "]", "}"},
                  {"{\"features\":", "[0,", "]", "}"},
                  {"{\"features\":", "{\"a\":", "}", "}"},
                  {"{\"x\":", "[{\"a\":", "}]", "}"}};
    use(three_numbers());
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        char *text = nested(shapes[i].before, 10000, shapes[i].open, shapes[i].close, shapes[i].after);
        refused(text, false, "body", "nested deeper than 16 levels");
        free(text);
        for (size_t depth = 1; depth <= MAX_DEPTH + 1; depth++) {
            text = nested("{\"x\":", depth, "[", "]", "}");
            bool deep = !decode(text, false) && strstr(faults.list[0].message, "nested deeper") != NULL;
            ck_assert(deep == (depth + 1 > MAX_DEPTH));
            free(text);
        }
    }
    char *open = object_alloc(10001); /* never closed */
    memset(open, '[', 10000);
    refused(open, false, "body", "not valid JSON");
    free(open);
}
END_TEST

START_TEST(a_body_larger_than_the_arena_is_read)
{
    size_t count = 800000;
    char *text = object_alloc(count * 2 + 64);
    char *at = stpcpy(text, "{\"features\":[");
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, "7,");
    strcpy(at - 1, "]}");
    USE_INPUTS({"x", DATATYPE_INT8, {-1, -1}});
    converts(text, false);
    ck_assert_int_eq(tensors[0].shape[1], (int64_t)count);
    ck_assert_int_eq(tensors[0].data[count - 1], 7);
    converts("{\"features\":[1,2]}", false); /* and a small one after it */
    free(text);
}
END_TEST

/* ---- anything ---- */

START_TEST(mutated_bodies_never_break_the_rules)
{
    static const char *const seeds[] = {
        "{\"features\":{\"mean radius\":1,\"age\":2,\"\xc3\xa9\":3},\"model\":\"m\",\"version\":1}",
        "{\"features\":[1,2.5,-3e2],\"key\":\"k\",\"timeout_ms\":5}",
    };
    use_named();
    unsigned seed = 7;
    for (int round = 0; round < 50000; round++) {
        char text[128];
        strcpy(text, seeds[round % 2]);
        size_t length = strlen(text);
        for (int change = rand_r(&seed) % 4; change >= 0; change--) {
            static const char marks[] = "{}[],:\"0123456789eE+-.truefalsn\\ \xc3\xa9N";
            text[(size_t)rand_r(&seed) % length] = marks[(size_t)rand_r(&seed) % (sizeof marks - 1)];
        }
        if (!convert(text, false))
            ck_assert_uint_gt(faults.count, 0);
    }
}
END_TEST

START_TEST(mutated_batches_go_either_way)
{
    static const char *const seeds[] = {
        "{\"instances\":[[1,2.5,-3e2],[4,5,6]],\"key\":\"k\",\"timeout_ms\":5}",
        "{ \"instances\": [[1, 2.5, 0.125], [4, 55, 6]], \"version\": 1 }",
        "{\"instances\":[[10,2,3],[4.5,5,60]]}",
    };
    use(three_numbers());
    unsigned seed = 7;
    for (int round = 0; round < 50000; round++) {
        char text[128];
        strcpy(text, seeds[round % 3]);
        size_t length = strlen(text);
        for (int change = rand_r(&seed) % 3; change > 0; change--) {
            static const char marks[] = "{}[],,:\"0123456789eE+-. \xc3\xa9";
            text[(size_t)rand_r(&seed) % length] = marks[(size_t)rand_r(&seed) % (sizeof marks - 1)];
        }
        if (!convert(text, true))
            ck_assert_uint_gt(faults.count, 0);
    }
}
END_TEST

START_TEST(plain_batches_take_the_short_cut)
{
    static const struct {
        const char *text;
        bool taken;
    } cases[] = {
        {"{\"instances\":[[1,2],[3,4]]}", true},
        {"{\"instances\":[[1,2],[3,4]]}\n", true},
        {"{\"instances\":[[1,2]] , \"model\":\"m\\u00e9\",\"version\":2,\"key\":\"k\",\"timeout_ms\":9}",
         true},
        {"{\"instances\":[[1,2]],}", false},
        {"{\"instances\":[[1,2]] , }", false},
        {"{\"instances\":[[1,2]]]", false},
        {"{\"instances\":[[1,2]]}}", false},
        {"{\"instances\":[[1,2]]} x", false},
        {"{\"instances\":[[1,2]],,\"key\":\"k\"}", false},
        {"{\"instances\":[[1,2]] \"key\":\"k\"}", false},
        {"{\"instances\":[[1,2]],\"instances\":[[1,2]]}", false},
        {"{\"instances\":[[1,2]],\"features\":[1]}", false},
        {"{\"instances\":[[1,2]],\"model\":1}", false},
        {"{\"instances\":[[1,2]],\"model\":\"a\",\"model\":\"a\"}", false},
        {"{\"instances\":[[1,2]],\"key\":\"\xff\"}", false},
        {"{\"instances\":[[1,2]],\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];
        size_t length = strlen(cases[i].text);
        strcpy(text, cases[i].text);
        ck_assert_msg(decode_plain(decoder, text, length, sizeof text, MAX_DEPTH, &body) == cases[i].taken,
                      "%s", cases[i].text);
        ck_assert_str_eq(text, cases[i].text);
        ck_assert_ptr_null(body.rows);
        ck_assert((body.plain != NULL) == cases[i].taken);
        ck_assert(!decode_plain(decoder, text, length, length, MAX_DEPTH, &body)); /* no room for the end */
        ck_assert(!decode_plain(decoder, text, length, sizeof text, 2, &body));    /* too deep */
        ck_assert(!decode_plain(decoder, text, length / 2, sizeof text, MAX_DEPTH, &body));
    }
    ck_assert(!decode_plain(decoder, (char[8]){""}, 0, 8, MAX_DEPTH, &body));
}
END_TEST

START_TEST(plain_rows_are_for_one_input_of_floats)
{
    struct plain two = {.rows = 1, .width = 2};
    use(three_numbers());
    ck_assert(!rows_take_plain(layout, &two));
    two.width = 3;
    ck_assert(rows_take_plain(layout, &two));
    USE_INPUTS({"x", DATATYPE_FP64, {-1, 3}});
    ck_assert(!rows_take_plain(layout, &two));
    USE_INPUTS({"x", DATATYPE_FP32, {-1, 2}}, {"y", DATATYPE_FP32, {-1, 1}});
    ck_assert(!rows_take_plain(layout, &two));
    USE_INPUTS({"x", DATATYPE_FP32, {-1, -1}});
    ck_assert(rows_take_plain(layout, &two));
    two.width = LAYOUT_WIDTH_MAX + 1;
    ck_assert(!rows_take_plain(layout, &two));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_body_has_members,
                                  broken_json_is_refused,
                                  a_nul_byte_is_broken_json,
                                  every_truncation_is_refused,
                                  what_is_no_object_is_refused,
                                  members_have_types_and_bounds,
                                  long_texts_are_refused,
                                  many_unknown_members_stop_at_the_bound,
                                  depth_is_bounded,
                                  a_body_larger_than_the_arena_is_read,
                                  mutated_bodies_never_break_the_rules,
                                  mutated_batches_go_either_way,
                                  plain_batches_take_the_short_cut,
                                  plain_rows_are_for_one_input_of_floats};
    return SUITE_RUN("decode", set_up, tear_down, tests);
}
