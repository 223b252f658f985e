/* test_api_tables: tables of CSV and forms through whole requests: what is asked, and what is refused.
 * SPDX-License-Identifier: MIT */
#include "api_scene.h"

static enum api_next post_as(const char *type, const char *uri, const char *text)
{
    const char *const more[] = {type, NULL};
    return handle("POST", uri, text, more);
}

static void refused_as(const char *type, const char *uri, const char *text, int status, const char *kind,
                       const char *words)
{
    ck_assert_int_eq(post_as(type, uri, text), API_RESPOND);
    problem_is(status, kind, words);
}

#define CSV  "CONTENT_TYPE=text/csv"
#define FORM "CONTENT_TYPE=application/x-www-form-urlencoded"

/* That is what the last row of the `rows` that the broker would get is. */
static void ends_with_four_five_six(size_t rows)
{
    ck_assert_uint_eq(asked(), rows);
    size_t row = rows - 1;
    ck_assert(float_at(row * 3) == 4 && float_at(row * 3 + 1) == 5 && float_at(row * 3 + 2) == 6);
}

START_TEST(a_table_is_asked)
{
    static const char *const types[] = {CSV, "CONTENT_TYPE=Text/CSV; charset=utf-8",
                                        "CONTENT_TYPE=text/csv ;",
                                        "CONTENT_TYPE=text/csv; header=present; charset=UTF-8"};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        ck_assert_int_eq(
            post_as(types[i], "/api/v1/models/three/versions/2/batch-predict", "x,y,z\n1,2,3\n4,5,6\n"),
            API_ASK);
        ends_with_four_five_six(2);
        ck_assert(text_is(call.ask.model, "three") && text_is(call.ask.version, "2"));
        ck_assert(call.ask.key.length == 0 && call.ask.deadline == RECEIVED + 10 * SECOND);
    }
    ck_assert_int_eq(post_as("CONTENT_TYPE=text/csv; header=absent", "/api/v1/models/three/predict", "4,5,6"),
                     API_ASK);
    ends_with_four_five_six(1);
    ck_assert_int_eq(
        post_as("CONTENT_TYPE=text/csv;header=\"present\"", "/api/v1/models/three/predict", "1,2,3\n4,5,6"),
        API_ASK);
    ends_with_four_five_six(1);
    /* The next body is read without what the last one said. */
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"key\":\"k\",\"features\":[1,2,3]}"), API_ASK);
    ck_assert_int_eq(post_as(CSV, "/api/v1/models/three/predict", "4,5,6"), API_ASK);
    ck_assert_uint_eq(call.ask.key.length, 0);
}
END_TEST

START_TEST(a_table_may_be_refused)
{
    static const char batch[] = "/api/v1/models/three/batch-predict";
    refused_as(CSV, batch, "", 400, "invalid", "body: is empty: expected a table of CSV");
    refused_as(CSV, batch, "1,2,3\n4,x,6\n", 400, "invalid",
               "instances[1][1]: line 2, column 2: expected a number, got \"x\"");
    refused_as(CSV, batch, "1,2,3\n4,,6\n\"", 400, "invalid", "(and 1 more)");
    refused_as(CSV, "/api/v1/models/three/predict", "1,2,3\n4,5,6\n", 400, "invalid", "expected one row");
    refused_as(CSV, "/api/v1/batch-predict", "1,2,3\n", 400, "invalid", "names no model");
    refused_as(CSV, "/api/v1/models/x/batch-predict", "1,2,3\n", 404, "unknown_model", "\"x\"");
    refused_as(CSV, "/api/v1/models/odd/batch-predict", "1,2,3\n", 400, "invalid", "cannot be given as rows");
    refused_as(CSV, "/api/v1/models/loading/batch-predict", "1\n", 503, "not_ready", "loading");
    refused_as("CONTENT_TYPE=text/plain", batch, "1,2,3\n", 415, "unsupported_media_type",
               "expected a body of Content-Type application/json or text/csv");
    refused_as(FORM, batch, "x=1", 415, "unsupported_media_type", "application/json or text/csv");
    char text[1024], *at = text;
    for (int i = 0; i < 101; i++)
        at = stpcpy(at, i == 50 ? "1,2\n" : "1,2,3\n");
    refused_as(CSV, batch, text, 413, "too_large", "101 rows; one request may have 100");
    at[-6] = '\0';
    refused_as(CSV, batch, text, 400, "invalid", "instances[50]: line 51: expected 3 values, got 2");
    memcpy(text + 300, "1,2,3\n", 7);
    ck_assert_int_eq(post_as(CSV, batch, text), API_ASK);
    config.broker_max_message_bytes = 500;
    refused_as(CSV, batch, text, 413, "too_large", "bytes of tensors; the limit is 500");
}
END_TEST

static void tell_named(void)
{
    static const char *const names[] = {"a", "b", "c"};
    struct schema *schema = example_classifier(3);
    schema->features = example_names(names, 3);
    schema->feature_count = 3;
    struct text three = encoded(schema);
    const struct catalog_entry entry = {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three,
                                        {NULL, 0},        {NULL, 0}};
    api_catalog(api, &entry, 1);
    free((char *)three.at);
}

START_TEST(a_form_is_asked)
{
    tell_named();
    ck_assert_int_eq(post_as(FORM, "/api/v1/predict", "c=6&model=three&b=5&version=1&key=user+7&a=4"),
                     API_ASK);
    ends_with_four_five_six(1);
    ck_assert(text_is(call.ask.model, "three") && text_is(call.ask.version, "1"));
    ck_assert(text_is(call.ask.key, "user 7"));
    ck_assert_int_eq(post_as(FORM, "/api/v1/models/three/predict", "a=4&b=5&c=6"), API_ASK);
    ends_with_four_five_six(1);
    ck_assert_int_eq(post_as(CSV, "/api/v1/models/three/batch-predict", "c,a,b\n6,4,5\n"), API_ASK);
    ends_with_four_five_six(1);
    refused_as(FORM, "/api/v1/models/three/predict", "a=4&b=x&c=6", 400, "invalid",
               "features.b: expected a number, got \"x\"");
    refused_as(FORM, "/api/v1/models/three/predict", "a=4&b=5&c=6&model=m", 400, "invalid",
               "model: is another than the one in the path");
    refused_as(FORM, "/api/v1/models/three/predict", "a=4&b=%&c=6", 400, "invalid", "body: a % without");
    refused_as(FORM, "/api/v1/predict", "{\"features\":[1,2,3]}", 415, "unsupported_media_type",
               "looks like JSON");
    refused_as(CSV, "/api/v1/models/three/batch-predict", "a,b,d\n1,2,3\n", 400, "invalid",
               "header.d: line 1, column d: the model has no such feature (and 1 more)");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_table_is_asked, a_table_may_be_refused, a_form_is_asked};
    return SUITE_RUN("api_tables", set_up, tear_down, tests);
}
