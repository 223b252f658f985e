/* test_tracing: which requests and batches have spans, and how many; what stands in them is read by a decoder
 * that is not ours in tests/process/test_traces.py. SPDX-License-Identifier: MIT */
#include "batch_span.h"
#include "collector_scene.h"
#include "model.h"
#include "tracing.h"

static struct config config;
static struct metrics *metrics;
static struct tracer *tracer;  /* without an observer: what it would show is counted as unshown */
static struct tracer *telling; /* with one */
static struct api_call call;
static struct http_response response;

static void set_up(void)
{
    config =
        (struct config){.trace_endpoint = (char *)"http://x", .trace_slow_ms = 200, .trace_ratio_ppm = 0};
    metrics = metrics_new(NULL);
    open_collector();
    tracer = tracer_new(&config, metrics, NULL, "frontend.1");
    telling = tracer_new(&config, metrics, observer, "frontend.1");
    call = (struct api_call){.call = CALL_PREDICT, .id = "r1", .received = 1, .duration = MILLISECOND};
    call.calling.pattern = "/api/v1/models/*/predict";
    call.calling.method = HTTP_POST;
    trace_context_begin(&call.trace, NULL, tracer_ids(tracer), &(struct trace_sampling){0});
    response = (struct http_response){.status = 200};
}

static void tear_down(void)
{
    tracer_free(tracer);
    tracer_free(telling);
    metrics_free(metrics);
    close_collector();
}

static uint64_t counted(const char *outcome)
{
    return metrics_series(metrics, METRIC_SPANS, outcome, NULL, NULL)->value;
}

/* How many spans the call as it is makes. */
static uint64_t made(void)
{
    uint64_t before = counted("unshown");
    tracing_end(tracer, &call, &response);
    return counted("unshown") - before;
}

START_TEST(a_trace_that_is_not_chosen_has_no_spans)
{
    ck_assert_uint_eq(made(), 0);
    response.status = 404;
    response.kind = "unknown_model";
    ck_assert_uint_eq(made(), 0);
    response.status = 429;
    ck_assert_uint_eq(made(), 0);
}
END_TEST

START_TEST(one_that_is_chosen_has_those_of_its_parts)
{
    call.trace.flags = TRACE_SAMPLED;
    ck_assert_uint_eq(made(), 1);
    call.calling.sent_at = 2;
    ck_assert_uint_eq(made(), 4);
    call.calling.kept = true; /* nothing was computed for it */
    ck_assert_uint_eq(made(), 2);
    call.calling.kept = false;
    response.status = 504;
    response.kind = "deadline";
    ck_assert_uint_eq(made(), 2);
}
END_TEST

START_TEST(failed_and_slow_ones_have_them_always)
{
    static const struct {
        int status;
        const char *kind;
        int64_t duration;
    } cases[] = {{500, "internal", 1},    {502, "worker_died", 1}, {503, "overloaded", 1},
                 {504, "deadline", 1},    {422, "poison", 1},      {200, NULL, 200 * MILLISECOND},
                 {400, "invalid", SECOND}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        response.status = cases[i].status;
        response.kind = cases[i].kind;
        call.duration = cases[i].duration;
        ck_assert_msg(made() == 1, "case %zu", i);
    }
    response = (struct http_response){.status = 422, .kind = "idempotency_key_reused"};
    call.duration = 199 * MILLISECOND;
    ck_assert_uint_eq(made(), 0);
}
END_TEST

START_TEST(a_flood_of_failures_is_cut)
{
    response.status = 503;
    uint64_t all = 0;
    for (int i = 0; i < 10 * TRACER_UNCHOSEN_A_SECOND; i++)
        all += made();
    ck_assert_uint_ge(all, TRACER_UNCHOSEN_A_SECOND);
    ck_assert_uint_eq(all + counted("limited"), 10 * TRACER_UNCHOSEN_A_SECOND);
    ck_assert_uint_gt(counted("limited"), 0);
    call.trace.flags = TRACE_SAMPLED; /* what is chosen is not limited */
    ck_assert_uint_eq(made(), 1);
}
END_TEST

START_TEST(probes_have_none)
{
    static const enum call probes[] = {CALL_HEALTH, CALL_READY, CALL_METRICS, CALL_V2_LIVE, CALL_V2_READY};
    call.trace.flags = TRACE_SAMPLED;
    response.status = 503;
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        call.call = probes[i];
        ck_assert_uint_eq(made(), 0);
    }
}
END_TEST

/* ---- what stands in them ---- */

/* The first span that was told. */
static struct span told(void)
{
    struct observation_any any;
    struct span span;
    struct wire_reader reader = receive();
    ck_assert_ptr_null(observation_next(&reader, &any));
    ck_assert_ptr_null(span_decode(&any, &span));
    return span;
}

/* A text of it; empty when there is none of that name. */
static struct text attribute(const struct span *span, const char *key)
{
    for (size_t i = 0; i < span->attribute_count; i++)
        if (text_is(span->attributes[i].key, key))
            return span->attributes[i].text;
    return (struct text){0};
}

START_TEST(a_route_names_what_stands_for_names)
{
    static const struct {
        const char *pattern, *route;
    } cases[] = {{"/api/v1/models/*/predict", "/api/v1/models/{model}/predict"},
                 {"/v2/models/*/versions/*/infer", "/v2/models/{model}/versions/{version}/infer"},
                 {"/outrigger/api/**", "/outrigger/api/{path}"},
                 {"/health", "/health"}};
    call.trace.flags = TRACE_SAMPLED;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        call.calling.pattern = cases[i].pattern;
        ck_assert(tracing_end(telling, &call, &response));
        struct span span = told();
        struct text route = attribute(&span, "http.route");
        ck_assert_msg(text_is(route, cases[i].route), "%.*s", (int)route.length, route.at);
    }
}
END_TEST

/* Its id is by chance, or it is not: that is so of all its spans. */
START_TEST(the_parts_of_a_request_are_of_its_trace)
{
    struct span whole = tracer_span(tracer, &call.trace, SPAN_SERVER, "whole", 1, 5);
    struct span part = tracer_part(tracer, &whole, "part", 2, 1);
    ck_assert_mem_eq(whole.trace, call.trace.id, TRACE_ID_BYTES);
    ck_assert_mem_eq(whole.id, call.trace.span, TRACE_SPAN_BYTES);
    ck_assert_int_eq(whole.flags, TRACE_SAMPLED | TRACE_RANDOM);
    ck_assert(!whole.has_parent);
    ck_assert_mem_eq(part.trace, whole.trace, TRACE_ID_BYTES);
    ck_assert_mem_eq(part.parent, whole.id, TRACE_SPAN_BYTES);
    ck_assert_mem_ne(part.id, whole.id, TRACE_SPAN_BYTES);
    ck_assert_int_eq(part.flags, TRACE_SAMPLED | TRACE_RANDOM);
    ck_assert(part.has_parent && !part.remote_parent);
    ck_assert_int_eq(part.end, 2); /* none ends before it begins */
    call.trace.flags = 0;
    call.trace.has_parent = true;
    whole = tracer_span(tracer, &call.trace, SPAN_SERVER, "whole", 1, 5);
    ck_assert_int_eq(whole.flags, TRACE_SAMPLED);
    ck_assert(whole.has_parent && whole.remote_parent);
}
END_TEST

START_TEST(times_are_of_the_wall)
{
    int64_t now = clock_now(), wall = clock_wall();
    struct span span = tracer_span(telling, &call.trace, SPAN_SERVER, "whole", now - SECOND, now);
    tracer_show(telling, &span);
    struct span shown = told();
    ck_assert_int_eq(shown.end - shown.start, SECOND);
    ck_assert_int_gt(shown.end, wall - 60 * SECOND);
    ck_assert_int_lt(shown.end, wall + 60 * SECOND);
}
END_TEST

START_TEST(what_clients_chose_too_often_is_counted)
{
    call.trace.limited = true;
    ck_assert_uint_eq(made(), 0);
    ck_assert_uint_eq(counted("limited"), 1);
    call.duration = SECOND; /* but slow ones are recorded */
    ck_assert_uint_eq(made(), 1);
    ck_assert_uint_eq(counted("limited"), 1);
}
END_TEST

START_TEST(nobody_may_trace)
{
    config.trace_endpoint = (char *)"";
    ck_assert_ptr_null(tracer_new(&config, metrics, NULL, "x"));
    ck_assert(!tracing_sampling(&config).on);
    tracing_end(NULL, &call, &response);
    tracer_free(NULL);
}
END_TEST

START_TEST(slow_ones_need_not_be)
{
    tracer_free(tracer);
    config.trace_slow_ms = 0;
    tracer = tracer_new(&config, metrics, NULL, "x");
    call.duration = 3600 * SECOND;
    ck_assert_uint_eq(made(), 0);
}
END_TEST

/* ---- batches ---- */

enum { REQUESTS = 3 };

static struct request requests[REQUESTS], *in_batch[REQUESTS];
static struct model model = {.name = (char *)"m"};
static struct version version = {.name = (char *)"1", .model = &model};
static struct worker worker = {.version = &version};
static struct batch batch;
static struct batch_end batch_end;

static void make_batch(void)
{
    for (size_t i = 0; i < REQUESTS; i++) {
        requests[i] = (struct request){.traced = true};
        memset(requests[i].trace, (int)i + 1, TRACE_SPAN_BYTES + TRACE_ID_BYTES);
        in_batch[i] = &requests[i];
    }
    batch = (struct batch){.sent_at = 1, .requests = in_batch, .count = REQUESTS, .rows = REQUESTS};
    batch_end = (struct batch_end){
        .worker = &worker, .batch = &batch, .now = MILLISECOND, .failures = {NULL, 0}, .compute_us = 10};
}

static uint64_t made_of_batch(void)
{
    uint64_t before = counted("unshown");
    batch_span_show(tracer, &batch_end);
    return counted("unshown") - before;
}

START_TEST(a_batch_of_a_recorded_trace_has_a_span_and_its_computation)
{
    make_batch();
    ck_assert_uint_eq(made_of_batch(), 0);
    requests[1].trace[TRACE_WIRE_BYTES - 1] = TRACE_SAMPLED;
    ck_assert_uint_eq(made_of_batch(), 2);
    requests[1].traced = false;
    ck_assert_uint_eq(made_of_batch(), 0);
    batch_span_show(NULL, &batch_end);
}
END_TEST

START_TEST(so_has_one_that_failed_or_was_slow)
{
    static const char failed[] = {FAILURE_NONE, FAILURE_MODEL_FAILED, FAILURE_NONE};
    static const char invalid[] = {FAILURE_NONE, FAILURE_INVALID, FAILURE_NONE};
    make_batch();
    batch_end.now = 200 * MILLISECOND + batch.sent_at;
    ck_assert_uint_eq(made_of_batch(), 2);
    make_batch();
    batch_end.failures = (struct text){failed, REQUESTS};
    ck_assert_uint_eq(made_of_batch(), 2);
    batch_end.failures = (struct text){invalid, REQUESTS}; /* the asker's fault */
    ck_assert_uint_eq(made_of_batch(), 0);
    make_batch();
    batch_end.cause = "died"; /* nothing is known of a computation */
    batch_end.died = true;
    ck_assert_uint_eq(made_of_batch(), 1);
    for (size_t i = 0; i < REQUESTS; i++)
        requests[i].traced = false;
    ck_assert_uint_eq(made_of_batch(), 0);
}
END_TEST

/* What a worker had that leaves in peace is computed by another: that is told of, and no failure. */
START_TEST(one_whose_worker_left_has_not_failed)
{
    make_batch();
    batch_end.cause = "left";
    ck_assert_uint_eq(made_of_batch(), 0);
    requests[1].trace[TRACE_WIRE_BYTES - 1] = TRACE_SAMPLED;
    batch_span_show(telling, &batch_end);
    struct span span = told();
    ck_assert(text_is(span.name, "batch") && !span.failed);
    ck_assert(text_is(attribute(&span, "outrigger.worker.lost"), "left"));
    ck_assert_uint_eq(attribute(&span, "error.type").length, 0);
}
END_TEST

START_TEST(a_batch_has_as_many_links_as_there_is_room_for)
{
    static struct request many[SPAN_LINKS_MAX + 2], *list[SPAN_LINKS_MAX + 2];
    make_batch();
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i] = requests[0];
        many[i].trace[TRACE_WIRE_BYTES - 1] = TRACE_SAMPLED;
        list[i] = &many[i];
    }
    batch.requests = list;
    batch.count = COUNT_OF(many);
    ck_assert_uint_eq(made_of_batch(), 2);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {a_trace_that_is_not_chosen_has_no_spans,
                            one_that_is_chosen_has_those_of_its_parts,
                            failed_and_slow_ones_have_them_always,
                            a_flood_of_failures_is_cut,
                            probes_have_none,
                            a_route_names_what_stands_for_names,
                            the_parts_of_a_request_are_of_its_trace,
                            times_are_of_the_wall,
                            what_clients_chose_too_often_is_counted,
                            nobody_may_trace,
                            slow_ones_need_not_be,
                            a_batch_of_a_recorded_trace_has_a_span_and_its_computation,
                            so_has_one_that_failed_or_was_slow,
                            one_whose_worker_left_has_not_failed,
                            a_batch_has_as_many_links_as_there_is_room_for};
    return SUITE_RUN("tracing", set_up, tear_down, tests);
}
