/* test_api_calls: the calls beside predictions, and what is counted of all of them.
 * SPDX-License-Identifier: MIT */
#include "api_scene.h"

START_TEST(paths_and_methods)
{
    static const struct {
        const char *method, *uri;
        int status;
        const char *allow;
    } cases[] = {
        {"GET", "/", 404, NULL},
        {"POST", "/api/v1/nothing", 404, NULL},
        {"POST", "/api/v1/predict/", 404, NULL},
        {"GET", "/api/v1/predict", 405, "POST"},
        {"HEAD", "/api/v1/models/three/batch-predict", 405, "POST"},
        {"OPTIONS", "/api/v1/models/three/versions/1/predict", 405, "POST"},
        {"DELETE", "/api/v1/models/three", 405, "GET, HEAD"},
        {"POST", "/ready", 405, "GET, HEAD"},
        {"BREW", "/health", 405, "GET, HEAD"},
        {"GET", "/api/../health", 400, NULL},
        {"GET", "/api/v1/models/a%2fb", 400, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_int_eq(handle(cases[i].method, cases[i].uri, "", NULL), API_RESPOND);
        ck_assert_int_eq(response.status, cases[i].status);
        if (cases[i].allow == NULL)
            ck_assert_ptr_null(response.allow);
        else
            ck_assert_str_eq(response.allow, cases[i].allow);
        problem_is(cases[i].status,
                   cases[i].status == 404   ? "not_found"
                   : cases[i].status == 405 ? "method_not_allowed"
                                            : "invalid",
                   "");
        ck_assert(response.head_only == (strcmp(cases[i].method, "HEAD") == 0));
    }
}
END_TEST

START_TEST(a_client_that_takes_no_json_is_told_so)
{
    static const char *const html[] = {"HTTP_ACCEPT=text/html", NULL};
    static const char *const any[] = {"HTTP_ACCEPT=text/html, */*;q=0.1", NULL};
    ck_assert_int_eq(handle("GET", "/api/v1/models", "", html), API_RESPOND);
    problem_is(406, "not_acceptable", "the Accept header refuses");
    ck_assert_int_eq(handle("POST", "/api/v1/models/three/predict", "{\"features\":[1,2,3]}", html),
                     API_RESPOND);
    problem_is(406, "not_acceptable", "the Accept header refuses");
    ck_assert_int_eq(handle("GET", "/api/v1/models", "", any), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    ck_assert_int_eq(handle("GET", "/health", "", html), API_RESPOND); /* whoever looks is told */
    ck_assert_int_eq(response.status, 200);
}
END_TEST

START_TEST(health_is_always_good)
{
    connected = false;
    ck_assert_int_eq(handle("GET", "/health", "ignored", NULL), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    body_is("{\"status\":\"healthy\"}\n");
}
END_TEST

START_TEST(ready_has_reasons)
{
    ck_assert_int_eq(handle("GET", "/ready", "", NULL), API_RESPOND);
    problem_is(503, "not_ready", "models.empty: no version takes requests (and 2 more)");
    ck_assert_ptr_nonnull(memmem(
        response.body.bytes, response.body.length,
        "{\"field\":\"models.loading\",\"message\":\"version 1 is loading, 0 workers are ready\"}", 80));
    tell_one();
    ck_assert_int_eq(handle("GET", "/ready", "", NULL), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    body_is("{\"status\":\"ready\"}\n");
    connected = false;
    ck_assert_int_eq(handle("GET", "/ready", "", NULL), API_RESPOND);
    problem_is(503, "not_ready", "broker: is not connected");
}
END_TEST

START_TEST(models_that_are_not_required_may_be_away)
{
    struct text three = encoded(example_classifier(3));
    struct catalog_entry entries[] = {
        {text_of("loading"), text_of("1"), CATALOG_LOADING, 0, true, false, {NULL, 0}, {NULL, 0}, {NULL, 0}},
        {text_of("headless"), text_of("1"), CATALOG_READY, 1, false, false, three, {NULL, 0}, {NULL, 0}},
        {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three, {NULL, 0}, {NULL, 0}},
    };
    api_catalog(api, entries, COUNT_OF(entries));
    handle("GET", "/ready", "", NULL);
    body_is("{\"status\":\"ready\"}\n");
    entries[1].required = true;
    api_catalog(api, entries, COUNT_OF(entries));
    handle("GET", "/ready", "", NULL);
    problem_is(503, "not_ready", "models.headless: no version");
    free((char *)three.at);
}
END_TEST

START_TEST(readiness_says_why_a_model_does_not_start)
{
    char reason[PROTOCOL_TEXT_MAX + 1], expected[700];
    memset(reason, 'r', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    const struct catalog_entry entry = {text_of("bad"), text_of("1"), CATALOG_FAILED,  0,        true,
                                        true,           {NULL, 0},    text_of(reason), {NULL, 0}};
    api_catalog(api, &entry, 1);
    handle("GET", "/ready", "", NULL);
    snprintf(expected, sizeof expected, "models.bad: version 1 is failed, 0 workers are ready: %s", reason);
    problem_is(503, "not_ready", expected);
    ck_assert_ptr_nonnull(
        memmem(response.body.bytes, response.body.length, "\"errors\":[{\"field\":\"models.bad\"", 30));
}
END_TEST

START_TEST(models_are_shown)
{
    ck_assert_int_eq(handle("GET", "/api/v1/models", "", NULL), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    yyjson_doc *document = yyjson_read(response.body.bytes, response.body.length, 0);
    ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(document), "models")), 7);
    yyjson_doc_free(document);
    ck_assert_int_eq(handle("HEAD", "/api/v1/models/three", "", NULL), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    ck_assert(response.head_only && response.body.length > 100);
    ck_assert_int_eq(handle("GET", "/api/v1/models/x", "", NULL), API_RESPOND);
    problem_is(404, "unknown_model", "there is no model \"x\"");
}
END_TEST

START_TEST(metrics_come_from_elsewhere)
{
    ck_assert_int_eq(handle("GET", "/metrics?x=y", "", NULL), API_PAGE);
    ck_assert(text_is(call.page->path, "/metrics") && text_is(call.page->query, "x=y"));
    struct page_answer page = {.status = 200,
                               .content_type = text_of("text/plain; version=0.0.4; charset=utf-8"),
                               .body = text_of("a 1\n")};
    api_page(&call, &page, &response);
    body_is("a 1\n");
    ck_assert_str_eq(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
    ck_assert_int_eq(handle("GET", "/metrics", "", NULL), API_PAGE);
    api_page(&call, NULL, &response);
    problem_is(503, "overloaded", "collector");
}
END_TEST

START_TEST(a_page_of_the_collector_keeps_its_head)
{
    char head[HTTP_HEAD_MAX + 1], policy[PAGE_HEADER_MAX + 1];
    memset(policy, 'p', PAGE_HEADER_MAX);
    policy[PAGE_HEADER_MAX] = '\0';
    struct page_answer page = {.status = 200,
                               .content_type = text_of("text/html"),
                               .content_encoding = text_of("gzip"),
                               .etag = text_of("\"tag\""),
                               .cache_control = text_of("no-cache"),
                               .content_security_policy = text_of(policy),
                               .body = text_of("packed")};
    ck_assert_int_eq(handle("GET", "/outrigger/", "", NULL), API_PAGE);
    api_page(&call, &page, &response);
    head[http_response_head(&response, head)] = '\0';
    static const char *const lines[] = {"Status: 200 OK\r\n",          "Content-Type: text/html\r\n",
                                        "Content-Encoding: gzip\r\n",  "ETag: \"tag\"\r\n",
                                        "Cache-Control: no-cache\r\n", "Content-Length: 6\r\n"};
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        ck_assert_msg(strstr(head, lines[i]) != NULL, "%s: %s", lines[i], head);
    ck_assert_ptr_nonnull(strstr(head, policy));
    page = (struct page_answer){.status = 404, .body = text_of("no")};
    ck_assert_int_eq(handle("GET", "/outrigger/none", "", NULL), API_PAGE);
    api_page(&call, &page, &response);
    ck_assert_int_eq(response.status, 404);
    ck_assert_int_eq(handle("GET", "/outrigger", "", NULL), API_RESPOND);
    ck_assert_int_eq(response.status, 308);
    ck_assert_ptr_nonnull(strstr(response.extra, "Location: /outrigger/\r\n"));
}
END_TEST

START_TEST(a_request_may_be_refused_before_it_is_read)
{
    static const int statuses[] = {408, 413, 503};
    static const char *const kinds[] = {"request_timeout", "too_large", "overloaded"};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        http_request_read(&request,
                          (char **)(const char *[]){"REQUEST_METHOD=POST", "REQUEST_URI=/api/v1/predict",
                                                    "HTTP_X_REQUEST_ID=r1", NULL},
                          &ids);
        api_refuse(&request, &call, &response, statuses[i], "not now");
        problem_is(statuses[i], kinds[i], "not now");
        ck_assert_int_eq(call.call, CALL_PREDICT);
        api_count(api, &call, &response);
    }
    ck_assert_uint_eq(metrics_series(metrics, METRIC_PREDICTION_ERRORS, "", "", "too_large")->value, 1);
}
END_TEST

/* ---- counting ---- */

static uint64_t counted(enum metric metric, const char *label1, const char *label2, const char *label3)
{
    return metrics_series(metrics, metric, label1, label2, label3)->value;
}

/* Keys by their ids, the first of them by name; whoever shows none is in no series, whatever he shows. */
START_TEST(requests_of_keys_are_counted_within_bounds)
{
    enum { KEYS = 150, NAMED = 128 };
    static const int statuses[] = {200, 429, 404, 503};
    static const char *const outcomes[] = {"answered", "limited", "refused", "failed"};
    uint64_t named = 0;
    for (unsigned i = 0; i < KEYS * COUNT_OF(statuses); i++) {
        handle("GET", "/health", "", NULL);
        call.identity.kind = IDENTITY_KEY;
        call.identity.tenant = 1 + i % KEYS;
        snprintf(call.identity.key, sizeof call.identity.key, "%u", i % KEYS);
        response.status = statuses[i / KEYS];
        api_count(api, &call, &response);
    }
    for (size_t i = 0; i < COUNT_OF(outcomes); i++)
        ck_assert_uint_eq(counted(METRIC_KEY_REQUESTS, "other", outcomes[i], NULL), KEYS - NAMED);
    for (size_t i = 0; i < COUNT_OF(outcomes); i++)
        named += counted(METRIC_KEY_REQUESTS, "127", outcomes[i], NULL);
    ck_assert_uint_eq(named, COUNT_OF(outcomes));
    handle("GET", "/health", "", NULL);
    call.identity.kind = IDENTITY_TOKEN;
    api_count(api, &call, &response);
    ck_assert_uint_eq(counted(METRIC_KEY_REQUESTS, "", "answered", NULL), 0);
}
END_TEST

START_TEST(calls_are_counted)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(post("/api/v1/models/three/batch-predict", "{\"instances\":[[1,2,3],[4,5,6]]}"),
                         API_ASK);
        answer(2, "2");
        api_count(api, &call, &response);
    }
    ck_assert_uint_eq(counted(METRIC_PREDICTIONS, "three", "2", NULL), 6);
    ck_assert_uint_eq(counted(METRIC_PREDICTION_DURATION, "three", "2", NULL), 3);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "batch_predict", "200", NULL), 3);
    post("/api/v1/models/three/predict", "{\"features\":[1]}");
    api_count(api, &call, &response);
    post("/api/v1/models/unknown/predict", "{\"features\":[1]}");
    api_count(api, &call, &response);
    post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}");
    api_answer(&call, &(struct client_answer){.failure = FAILURE_DEADLINE}, &response);
    api_count(api, &call, &response);
    ck_assert_uint_eq(counted(METRIC_PREDICTION_ERRORS, "three", "1", "invalid"), 1);
    ck_assert_uint_eq(counted(METRIC_PREDICTION_ERRORS, "", "", "unknown_model"), 1);
    ck_assert_uint_eq(counted(METRIC_PREDICTION_ERRORS, "three", "1", "deadline"), 1);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "predict", "400", NULL), 1);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "predict", "404", NULL), 1);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "predict", "504", NULL), 1);
    handle("GET", "/nowhere", "", NULL);
    api_count(api, &call, &response);
    handle("GET", "/health", "", NULL);
    api_count(api, &call, &response);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "other", "404", NULL), 1);
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "health", "200", NULL), 1);
}
END_TEST

START_TEST(many_versions_are_counted_within_bounds)
{
    for (int i = 0; i < 5000; i++) {
        char version[16];
        snprintf(version, sizeof version, "%d", i);
        ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
        answer(1, version);
        api_count(api, &call, &response);
    }
    ck_assert_uint_eq(counted(METRIC_PREDICTIONS, "three", "7", NULL), 1);
    ck_assert_uint_gt(counted(METRIC_PREDICTIONS, "other", "other", NULL), 0);
    for (int status = 600; status < 700; status++) { /* more than ever come: counted all the same */
        handle("GET", "/health", "", NULL);
        response.status = status;
        api_count(api, &call, &response);
    }
    ck_assert_uint_eq(counted(METRIC_HTTP_REQUESTS, "health", "600", NULL) +
                              counted(METRIC_HTTP_REQUESTS, "other", "other", NULL) >
                          0,
                      1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {paths_and_methods,
                                  a_client_that_takes_no_json_is_told_so,
                                  health_is_always_good,
                                  ready_has_reasons,
                                  models_that_are_not_required_may_be_away,
                                  readiness_says_why_a_model_does_not_start,
                                  models_are_shown,
                                  metrics_come_from_elsewhere,
                                  a_page_of_the_collector_keeps_its_head,
                                  a_request_may_be_refused_before_it_is_read,
                                  requests_of_keys_are_counted_within_bounds,
                                  calls_are_counted,
                                  many_versions_are_counted_within_bounds};
    return SUITE_RUN("api_calls", set_up, tear_down, tests);
}
