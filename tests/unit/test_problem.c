/* test_problem: what a client is told when something is wrong. SPDX-License-Identifier: MIT */
#include "http_scene.h"
#include "problem.h"

#include <yyjson.h>

static yyjson_doc *problem(void)
{
    ck_assert_str_eq(response.content_type, "application/problem+json");
    yyjson_doc *document = yyjson_read(response.body.bytes, response.body.length, 0);
    ck_assert_ptr_nonnull(document);
    yyjson_val *root = yyjson_doc_get_root(document);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "type")), "about:blank");
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "title")), http_reason(response.status));
    ck_assert_int_eq(yyjson_get_int(yyjson_obj_get(root, "status")), response.status);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "kind")), response.kind);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "instance")), "r1");
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "request_id")), "r1");
    return document;
}

static void begin(void)
{
    READ("REQUEST_METHOD=GET", "REQUEST_URI=/", "HTTP_X_REQUEST_ID=r1");
    http_response_begin(&response, &request);
}

static void detail_is(const char *expected)
{
    yyjson_doc *document = problem();
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(document), "detail")), expected);
    yyjson_doc_free(document);
}

START_TEST(a_problem_has_its_members)
{
    static const int statuses[] = {400, 404, 405, 408, 413, 414, 415, 431, 500, 503};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        begin();
        problem_status(&response, statuses[i], "%s \"%d\"", "why", 7);
        ck_assert_int_eq(response.status, statuses[i]);
        detail_is("why \"7\"");
    }
    begin();
    problem_kind(&response, FAILURE_UNKNOWN_MODEL, "no %s", "m");
    ck_assert_int_eq(response.status, 404);
    ck_assert_str_eq(response.kind, "unknown_model");
    detail_is("no m");
}
END_TEST

START_TEST(every_failure_is_a_problem)
{
    static const struct text secret = {"/usr/lib/libengine.so: bad pointer", 34};
    for (unsigned failure = 0; failure < 260; failure++) {
        begin();
        problem_failure(&response, (enum failure)failure, secret, 0);
        yyjson_doc_free(problem());
        bool ours = failure != FAILURE_NONE && strcmp(failure_label((enum failure)failure), "internal") != 0;
        ck_assert_int_eq(response.status, ours ? failure_http_status((enum failure)failure) : 500);
        if (response.status == 503)
            ck_assert_uint_eq(response.retry_after, 1);
    }
}
END_TEST

START_TEST(inner_messages_stay_inside)
{
    static const enum failure inner[] = {FAILURE_DEADLINE,     FAILURE_POISON,   FAILURE_WORKER_DIED,
                                         FAILURE_MODEL_FAILED, FAILURE_INTERNAL, FAILURE_BAD_MESSAGE};
    for (size_t i = 0; i < COUNT_OF(inner); i++) {
        begin();
        problem_failure(&response, inner[i], text_of("secret"), 0);
        ck_assert_ptr_null(memmem(response.body.bytes, response.body.length, "secret", 6));
    }
    begin();
    problem_failure(&response, FAILURE_INVALID, text_of("input x has 3 columns\xff"), 0);
    detail_is("input x has 3 columns\xef\xbf\xbd");
    begin();
    problem_failure(&response, FAILURE_OVERLOADED, (struct text){NULL, 0}, 1001);
    ck_assert_uint_eq(response.retry_after, 2);
    detail_is("too many requests wait; try again later");
}
END_TEST

START_TEST(faults_are_listed_up_to_a_bound)
{
    struct problem_faults faults = {.count = 0};
    problem_fault(&faults, "a", "is %s", "wrong");
    begin();
    problem_faults(&response, FAILURE_INVALID, &faults);
    detail_is("a: is wrong");
    problem_fault(&faults, "b", "is \"too\"");
    begin();
    problem_faults(&response, FAILURE_INVALID, &faults);
    detail_is("a: is wrong (and 1 more)");
    char long_text[1000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    while (!problem_faults_full(&faults))
        problem_fault(&faults, long_text, "%s", long_text);
    problem_fault(&faults, "one too many", "x");
    ck_assert_uint_eq(faults.count, PROBLEM_FAULTS_MAX);
    begin();
    problem_faults(&response, FAILURE_INVALID, &faults);
    detail_is("a: is wrong (and at least 19 more)");
    yyjson_doc *document = problem();
    yyjson_val *errors = yyjson_obj_get(yyjson_doc_get_root(document), "errors");
    ck_assert_uint_eq(yyjson_arr_size(errors), PROBLEM_FAULTS_MAX);
    yyjson_val *second = yyjson_arr_get(errors, 1);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(second, "field")), "b");
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(second, "message")), "is \"too\"");
    yyjson_doc_free(document);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_problem_has_its_members, every_failure_is_a_problem,
                                  inner_messages_stay_inside, faults_are_listed_up_to_a_bound};
    return SUITE_RUN("problem", set_up, tear_down, tests);
}
