/* test_api_routes: what headers decide: which version is asked for, and by which key.
 * SPDX-License-Identifier: MIT */
#include "api_scene.h"

/* Model three with the versions 1 (stable) and 2, and this route. */
static void tell_route(const char *route)
{
    struct text three = encoded(example_classifier(3));
    const struct catalog_entry entries[] = {
        {text_of("three"), text_of("1"), CATALOG_READY, 1, true, true, three, {NULL, 0}, text_of(route)},
        {text_of("three"), text_of("2"), CATALOG_READY, 1, false, true, three, {NULL, 0}, {NULL, 0}},
    };
    api_catalog(api, entries, COUNT_OF(entries));
    free((char *)three.at);
}

static void expect_asked(const char *const *more, const char *version, bool optional)
{
    ck_assert_int_eq(handle("POST", "/api/v1/predict", "{\"features\":[1,2,3],\"key\":\"k\"}", more),
                     API_ASK);
    ck_assert(text_is(call.ask.version, version));
    ck_assert(call.ask.version_optional == optional);
    client_request_discard(api_call_take(&call));
}

static uint64_t steered(const char *by)
{
    return metrics_series(metrics, METRIC_STEERED, "three", by, NULL)->value;
}

static const char *const with_rule[] = {"HTTP_A=b", NULL};
static const char *const with_force[] = {"HTTP_V=2", "REMOTE_ADDR=127.0.0.1", NULL};
static const char *const with_refused[] = {"HTTP_V=2", "REMOTE_ADDR=127.0.0.2", NULL};

#define ROUTE                                                                                                \
    "{\"by\":\"header:K\",\"force_header\":\"V\",\"force_from\":[\"127.0.0.1\"],"                            \
    "\"rules\":[{\"header\":\"A\",\"value\":\"b\",\"version\":\"2\"}]}"

START_TEST(headers_may_lead_to_versions)
{
    tell_route(ROUTE);
    expect_asked(with_rule, "2", true);
    answer(1, "2");
    api_count(api, &call, &response);
    expect_asked(with_rule, "2", true);
    answer(1, "1"); /* the version went while the request was on its way */
    ck_assert_int_eq(response.status, 200);
    api_count(api, &call, &response);
    expect_asked(with_force, "2", false);
    answer(1, "2");
    api_count(api, &call, &response);
    expect_asked(with_refused, "", false);
    answer(1, "1");
    api_count(api, &call, &response);
    expect_asked(NULL, "", false);
    answer(1, "1");
    api_count(api, &call, &response);
    ck_assert(steered("rule") == 1 && steered("fallback") == 1 && steered("client") == 1);
    ck_assert_uint_eq(steered("refused"), 1);
}
END_TEST

START_TEST(the_path_goes_before_all_headers)
{
    tell_route(ROUTE);
    ck_assert_int_eq(
        handle("POST", "/api/v1/models/three/versions/1/predict", "{\"features\":[1,2,3]}", with_force),
        API_ASK);
    ck_assert(text_is(call.ask.version, "1") && !call.ask.version_optional);
}
END_TEST

START_TEST(a_version_that_a_client_names_and_is_not_there_is_said)
{
    static const char *const nine[] = {"HTTP_V=9", "REMOTE_ADDR=127.0.0.1", NULL};
    static const char *const strange[] = {"HTTP_V=\"/", "REMOTE_ADDR=127.0.0.1", NULL};
    tell_route(ROUTE);
    ck_assert_int_eq(handle("POST", "/api/v1/predict", "{\"features\":[1,2,3]}", nine), API_RESPOND);
    problem_is(404, "unknown_version", "model three has no version");
    ck_assert_int_eq(handle("POST", "/api/v1/predict", "{\"features\":[1,2,3]}", strange), API_RESPOND);
    problem_is(404, "unknown_version", "model three has no version");
}
END_TEST

START_TEST(the_route_says_what_the_key_is)
{
    static const char *const keyed[] = {"HTTP_K=from the header", NULL};
    tell_route(ROUTE);
    expect_asked(keyed, "", false);
    ck_assert(text_is(call.ask.key, "from the header"));
    expect_asked(NULL, "", false);
    ck_assert_uint_eq(call.ask.key.length, 0);
    tell_route("{\"by\":\"key\"}");
    expect_asked(keyed, "", false);
    ck_assert(text_is(call.ask.key, "k"));
    tell_route("");
    expect_asked(keyed, "", false);
    ck_assert(text_is(call.ask.key, "k"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {headers_may_lead_to_versions, the_path_goes_before_all_headers,
                                  a_version_that_a_client_names_and_is_not_there_is_said,
                                  the_route_says_what_the_key_is};
    return SUITE_RUN("api_routes", set_up, tear_down, tests);
}
