/* test_api_told: what is told of a request when it is over: once, whatever its end, and with the time that it
 * took. SPDX-License-Identifier: MIT */
#include "api_scene.h"
#include "tracer.h"

static struct tracer *tracer; /* without an observer: what it would show is counted as unshown */

/* All requests here came long ago: they are slow, and so each of them has a span when it is told of. */
static void set_up_told(void)
{
    set_up();
    api_free(api);
    config.trace_endpoint = (char *)"http://x";
    config.trace_slow_ms = 1;
    tracer = tracer_new(&config, metrics, NULL, "frontend.1");
    api = api_new(&(struct api_context){.config = &config,
                                        .metrics = metrics,
                                        .tracer = tracer,
                                        .broker_connected = broker_connected,
                                        .self = &connected});
    tell_models();
}

static void tear_down_told(void)
{
    tracer_free(tracer);
    tear_down();
}

/* So many spans have been told of. */
static void expect_spans(uint64_t expected)
{
    ck_assert_uint_eq(metrics_series(metrics, METRIC_SPANS, "unshown", NULL, NULL)->value, expected);
}

START_TEST(what_the_broker_does_not_answer_takes_its_time_too)
{
    ck_assert_int_eq(handle("GET", "/api/v1/models", "", NULL), API_RESPOND);
    api_count(api, &call, &response);
    ck_assert_int_gt(call.duration, MILLISECOND);
    expect_spans(1);
    ck_assert_int_eq(handle("GET", "/outrigger/", "", NULL), API_PAGE);
    api_page(&call, &(struct page_answer){.status = 200, .content_type = text_of("text/html")}, &response);
    api_count(api, &call, &response);
    ck_assert_int_gt(call.duration, MILLISECOND);
    expect_spans(2);
}
END_TEST

START_TEST(the_time_to_the_answer_stays)
{
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
    answer(1, "1");
    int64_t duration = call.duration;
    ck_assert_int_gt(duration, MILLISECOND);
    api_count(api, &call, &response);
    ck_assert_int_eq(call.duration, duration);
}
END_TEST

START_TEST(who_goes_before_the_answer_is_told_of_once)
{
    ck_assert_int_eq(post("/api/v1/models/three/predict", "{\"features\":[1,2,3]}"), API_ASK);
    api_gone(api, &call, &response);
    ck_assert_int_eq(response.status, 499);
    ck_assert_int_gt(call.duration, MILLISECOND);
    expect_spans(1);
    api_gone(api, &call, &response);
    expect_spans(1);
}
END_TEST

/* As when a connection ends whose response is still being written. */
START_TEST(who_goes_after_he_was_counted_is_not_told_of_again)
{
    ck_assert_int_eq(handle("GET", "/api/v1/models", "", NULL), API_RESPOND);
    api_count(api, &call, &response);
    api_gone(api, &call, &response);
    ck_assert_int_eq(response.status, 200);
    expect_spans(1);
    ck_assert_int_eq(handle("GET", "/api/v1/models", "", NULL), API_RESPOND); /* the next one is another */
    api_count(api, &call, &response);
    expect_spans(2);
}
END_TEST

START_TEST(what_never_began_is_not_told_of)
{
    struct api_call none = {0};
    api_gone(api, &none, &response);
    expect_spans(0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_the_broker_does_not_answer_takes_its_time_too,
                                  the_time_to_the_answer_stays, who_goes_before_the_answer_is_told_of_once,
                                  who_goes_after_he_was_counted_is_not_told_of_again,
                                  what_never_began_is_not_told_of};
    return SUITE_RUN("api_told", set_up_told, tear_down_told, tests);
}
