/* test_calls: paths and methods to calls. SPDX-License-Identifier: MIT */
#include "calls.h"
#include "http_scene.h"
#include "protocol.h"

static struct called called(const char *method, const char *uri)
{
    static char method_parameter[32];
    static char uri_parameter[2048];
    snprintf(method_parameter, sizeof method_parameter, "REQUEST_METHOD=%s", method);
    snprintf(uri_parameter, sizeof uri_parameter, "REQUEST_URI=%s", uri);
    READ(method_parameter, uri_parameter);
    return call_find(&request);
}

START_TEST(paths_mean_calls)
{
    static const struct {
        const char *method, *uri;
        enum call call;
        const char *model, *version;
    } cases[] = {
        {"POST", "/api/v1/predict", CALL_PREDICT, "", ""},
        {"POST", "/api/v1/batch-predict", CALL_BATCH_PREDICT, "", ""},
        {"POST", "/api/v1/models/m/predict", CALL_PREDICT, "m", ""},
        {"POST", "/api/v1/models/predict/predict", CALL_PREDICT, "predict", ""},
        {"POST", "/api/v1/models/m-1.x_y/batch-predict?x", CALL_BATCH_PREDICT, "m-1.x_y", ""},
        {"POST", "/api/v1/models/m/versions/2/predict", CALL_PREDICT, "m", "2"},
        {"POST", "/api/v1/models/m/versions/2/batch-predict", CALL_BATCH_PREDICT, "m", "2"},
        {"GET", "/api/v1/models", CALL_MODELS, "", ""},
        {"HEAD", "/api/v1/models", CALL_MODELS, "", ""},
        {"GET", "/api/v1/models/m", CALL_MODEL, "m", ""},
        {"GET", "/health", CALL_HEALTH, "", ""},
        {"HEAD", "/ready", CALL_READY, "", ""},
        {"GET", "/metrics", CALL_METRICS, "", ""},
        {"GET", "/outrigger", CALL_DASHBOARD, "", ""},
        {"GET", "/outrigger/", CALL_DASHBOARD, "", ""},
        {"HEAD", "/outrigger/page.js?x", CALL_DASHBOARD, "", ""},
        {"GET", "/outrigger/apis", CALL_DASHBOARD, "", ""},
        {"GET", "/outrigger/api/history?from=1", CALL_DASHBOARD_DATA, "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct called found = called(cases[i].method, cases[i].uri);
        ck_assert_msg(found.call == cases[i].call, "%s", cases[i].uri);
        ck_assert_int_eq(found.status, 200);
        ck_assert(text_is(found.model, cases[i].model));
        ck_assert(text_is(found.version, cases[i].version));
    }
}
END_TEST

START_TEST(other_paths_mean_nothing)
{
    char long_name[400] = "/api/v1/models/";
    memset(long_name + strlen(long_name), 'm', PROTOCOL_NAME_MAX + 1);
    const char *const unknown[] = {
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/predict/",
        "/api/v1/Predict",
        "/api/v1/predictx",
        "/api/v1/predic",
        "//api/v1/predict",
        "/api//v1/predict",
        "/api/v1/./predict",
        "/api/v1/predict;x",
        "/api/v1/models/",
        "/api/v1/models//predict",
        "/api/v1/models/m/",
        "/api/v1/models/m/versions",
        "/api/v1/models/m/versions/2",
        "/api/v1/models/m/versions//predict",
        "/api/v1/models/.m/predict",
        "/api/v1/models/a%20b/predict",
        "/api/v1/models/%c3%a9/predict",
        "/api/v1/models/m/versions/2/predict/x",
        "/healthz",
        "/outriggers",
        "/health/",
        "/%5c..%5chealth",
        long_name,
    };
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        struct called found = called("GET", unknown[i]);
        ck_assert_msg(found.call == CALL_OTHER && found.status == 404, "%s", unknown[i]);
    }
}
END_TEST

START_TEST(a_wrong_method_is_told_the_right_ones)
{
    static const char *const methods[] = {"GET",     "HEAD",  "PUT",   "DELETE",
                                          "OPTIONS", "PATCH", "TRACE", "post"};
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        struct called found = called(methods[i], "/api/v1/models/m/predict");
        ck_assert_int_eq(found.status, 405);
        ck_assert_str_eq(found.allow, "POST");
    }
    struct called found = called("POST", "/health");
    ck_assert_int_eq(found.status, 405);
    ck_assert_int_eq(found.call, CALL_OTHER);
    ck_assert_str_eq(found.allow, "GET, HEAD");
}
END_TEST

START_TEST(calls_have_labels)
{
    ck_assert_str_eq(call_label(CALL_OTHER), "other");
    ck_assert_str_eq(call_label(CALL_BATCH_PREDICT), "batch_predict");
    ck_assert_str_eq(call_label(CALL_COUNT), "other");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {paths_mean_calls, other_paths_mean_nothing,
                                  a_wrong_method_is_told_the_right_ones, calls_have_labels};
    return SUITE_RUN("calls", set_up, tear_down, tests);
}
