/* test_tracing: which requests and batches have spans, and how many; what stands in them is read by a decoder
 * that is not ours in tests/process/test_traces.py. SPDX-License-Identifier: MIT */
#include "batch_span.h"
#include "clock.h"
#include "model.h"
#include "suite.h"
#include "tracing.h"

static struct config config;
static struct metrics *metrics;
static struct tracer *tracer; /* without an observer: what it would show is counted as unshown */
static struct api_call call;
static struct http_response response;

static void set_up(void)
{
    config =
        (struct config){.trace_endpoint = (char *)"http://x", .trace_slow_ms = 200, .trace_ratio_ppm = 0};
    metrics = metrics_new(NULL);
    tracer = tracer_new(&config, metrics, NULL, "frontend.1");
    call = (struct api_call){.call = CALL_PREDICT, .id = "r1", .received = 1, .duration = MILLISECOND};
    call.calling.pattern = "/api/v1/models/*/predict";
    call.calling.method = HTTP_POST;
    trace_context_begin(&call.trace, NULL, tracer_ids(tracer), &(struct trace_sampling){0});
    response = (struct http_response){.status = 200};
}

static void tear_down(void)
{
    tracer_free(tracer);
    metrics_free(metrics);
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

START_TEST(nobody_may_trace)
{
    config.trace_endpoint = (char *)"";
    ck_assert_ptr_null(tracer_new(&config, metrics, NULL, "x"));
    ck_assert(!tracing_sampling(&config).on);
    tracing_end(NULL, &call, &response);
    tracer_free(NULL);
    uint8_t bytes[TRACE_WIRE_BYTES];
    struct http_request request = {.trace = call.trace};
    ck_assert_uint_eq(tracing_for_broker(&request, bytes).length, 0);
    request.traced = true;
    ck_assert_uint_eq(tracing_for_broker(&request, bytes).length, TRACE_WIRE_BYTES);
    ck_assert_mem_eq(bytes, call.trace.id, TRACE_ID_BYTES);
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
    ck_assert_uint_eq(made_of_batch(), 1);
    for (size_t i = 0; i < REQUESTS; i++)
        requests[i].traced = false;
    ck_assert_uint_eq(made_of_batch(), 0);
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
                            nobody_may_trace,
                            slow_ones_need_not_be,
                            a_batch_of_a_recorded_trace_has_a_span_and_its_computation,
                            so_has_one_that_failed_or_was_slow,
                            a_batch_has_as_many_links_as_there_is_room_for};
    return SUITE_RUN("tracing", set_up, tear_down, tests);
}
