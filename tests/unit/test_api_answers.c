/* test_api_answers: what comes back from the broker, as the response: answers, and every failure.
 * SPDX-License-Identifier: MIT */
#include "api_scene.h"

START_TEST(a_prediction_is_answered)
{
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
    client_request_discard(api_call_take(&call));
    ck_assert_ptr_null(call.request);
    answer(1, "2");
    ck_assert_int_eq(response.status, 200);
    body_is("{\"prediction\":1,\"probability\":0.75,\"probabilities\":[0.25,0.75],\"label\":\"yes\","
            "\"model\":\"three\","
            "\"model_version\":\"2\",\"request_id\":\"r1\"}\n");
    ck_assert_str_eq(response.extra, "");
}
END_TEST

START_TEST(a_batch_is_answered)
{
    ck_assert_int_eq(post("/api/v1/models/three/batch-predict", "{\"instances\":[[1,2,3],[4,5,6]]}"),
                     API_ASK);
    answer(2, "7"); /* a version that the snapshot does not know: its labels are those of the asked one */
    body_is("{\"predictions\":[1,1],\"probabilities\":[[0.25,0.75],[0.25,0.75]],\"labels\":[\"yes\",\"yes\"],"
            "\"model\":\"three\",\"model_version\":\"7\",\"request_id\":\"r1\"}\n");
}
END_TEST

START_TEST(timing_is_told_when_it_is_asked_for)
{
    const char *const more[] = {"HTTP_PREFER=server-timing", NULL};
    ck_assert_int_eq(handle("POST", "/api/v1/models/three/predict", "{\"features\":[1,2,3]}", more), API_ASK);
    answer(1, "1");
    static const char timing[] =
        "Server-Timing: queue;dur=1.500, batch;desc=\"8 rows\", compute;dur=0.250, total;dur=";
    ck_assert_msg(strncmp(response.extra, timing, sizeof timing - 1) == 0, "%s", response.extra);
    ck_assert_int_eq(handle("POST", "/api/v1/models/three/predict", "{\"features\":[1,2,3]}", more), API_ASK);
    api_answer(&call, &(struct client_answer){.failure = FAILURE_DEADLINE}, &response);
    ck_assert_str_eq(response.extra, "");
}
END_TEST

START_TEST(an_answer_that_was_kept_says_its_age)
{
    static const struct {
        uint64_t age_us;
        const char *header;
    } cases[] = {{0, ""},
                 {1, "Age: 0\r\n"},
                 {999999, "Age: 0\r\n"},
                 {1000000, "Age: 1\r\n"},
                 {86400000000, "Age: 86400\r\n"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
        client_request_discard(api_call_take(&call));
        struct client_answer came = {.version = text_of("1"), .age_us = cases[i].age_us};
        uint8_t *payload = answered(1, &came.payload_bytes);
        came.payload = payload;
        api_answer(&call, &came, &response);
        free(payload);
        ck_assert_int_eq(response.status, 200);
        ck_assert_str_eq(response.extra, cases[i].header);
    }
}
END_TEST

/* Through every call that asks a model; how much is left is the broker's to say. */
START_TEST(an_answer_under_a_limit_says_what_is_left)
{
    static const char *const paths[] = {"/api/v1/models/three/predict", "/v2/models/three/infer"};
    static const char *const bodies[] = {
        "{\"features\":[1,2,3]}",
        "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,3],\"data\":[1,2,3]}]}"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        ck_assert_int_eq(post(paths[i], bodies[i]), API_ASK);
        client_request_discard(api_call_take(&call));
        struct client_answer came = {.version = text_of("1"),
                                     .limit = text_of("key_rows"),
                                     .quota = 100,
                                     .window_s = 60,
                                     .left = 40,
                                     .whole_s = 36};
        uint8_t *payload = answered(1, &came.payload_bytes);
        came.payload = payload;
        api_answer(&call, &came, &response);
        free(payload);
        ck_assert_int_eq(response.status, 200);
        ck_assert_str_eq(
            response.extra,
            "RateLimit-Policy: \"key_rows\";q=100;w=60\r\nRateLimit: \"key_rows\";r=40;t=36\r\n");
    }
}
END_TEST

START_TEST(every_failure_is_told)
{
    static const struct {
        enum failure failure;
        int status;
        const char *kind;
    } cases[] = {
#define X(name, number, http, label) {FAILURE_##name, http, label},
        FAILURES(X)
#undef X
    };
    for (size_t i = 1; i < COUNT_OF(cases); i++) {
        ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
        client_request_discard(api_call_take(&call));
        api_answer(&call, &(struct client_answer){.failure = cases[i].failure, .message = text_of("why")},
                   &response);
        problem_is(cases[i].status, cases[i].kind, "");
    }
    post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}");
    api_answer(&call, &(struct client_answer){.failure = FAILURE_OVERLOADED, .retry_after_ms = 2500},
               &response);
    ck_assert_uint_eq(response.retry_after, 3);
}
END_TEST

START_TEST(an_answer_that_cannot_be_read_is_our_fault)
{
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
    client_request_discard(api_call_take(&call));
    static const uint8_t garbage[] = {0xc1};
    log_open("test_api", "error");
    api_answer(&call, &(struct client_answer){.payload = garbage, .payload_bytes = 1}, &response);
    problem_is(500, "internal", "something went wrong");
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
    client_request_discard(api_call_take(&call));
    answer(2, "1"); /* two rows for one */
    problem_is(500, "internal", "something went wrong");
}
END_TEST

START_TEST(the_catalog_may_change_under_a_call)
{
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
    api_catalog(api, NULL, 0);
    ck_assert(text_is(call.ask.model, "three"));
    answer(1, "1");
    ck_assert_int_eq(response.status, 200);
    ck_assert_ptr_nonnull(memmem(response.body.bytes, response.body.length, "\"label\":\"yes\"", 13));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_prediction_is_answered,
                                  a_batch_is_answered,
                                  timing_is_told_when_it_is_asked_for,
                                  an_answer_that_was_kept_says_its_age,
                                  an_answer_under_a_limit_says_what_is_left,
                                  every_failure_is_told,
                                  an_answer_that_cannot_be_read_is_our_fault,
                                  the_catalog_may_change_under_a_call};
    return SUITE_RUN("api_answers", set_up, tear_down, tests);
}
