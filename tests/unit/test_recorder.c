/* test_recorder: which requests of a frontend are recorded, and what of them. How the file keeps them is
 * test_flight's. SPDX-License-Identifier: MIT */
#include "api.h"
#include "clock.h"
#include "flight.h"
#include "recorder.h"
#include "scratch_directory.h"
#include "suite.h"

#include <sys/stat.h>

enum { RECORDS = 8, PAYLOADS = 65536 };

static struct config config;
static struct recorder *recorder;
static struct catalog_model model = {.name = (char *)"iris"};
static struct api_call call;
static struct http_response response;
static struct flight_entry entry;

static void begin(const char *payload)
{
    config = (struct config){.runtime_directory = scratch_directory,
                             .flight_requests = RECORDS,
                             .flight_payload = (char *)payload,
                             .flight_payload_bytes = PAYLOADS};
    recorder = recorder_new(&config, "frontend.1");
    ck_assert_ptr_nonnull(recorder);
}

static void set_up(void)
{
    scratch_make();
    ck_assert_int_eq(mkdir(scratch_path("flight"), 0700), 0);
    call = (struct api_call){.call = CALL_PREDICT, .id = "r1", .model = &model, .duration = 1500};
    response = (struct http_response){.status = 200};
}

static void tear_down(void)
{
    output_free(&response.body);
    recorder_free(recorder);
    scratch_remove();
}

static struct flight_reader *open_reader(void)
{
    struct flight_reader *reader = flight_reader_new(scratch_path("flight/frontend.1"));
    ck_assert_ptr_nonnull(reader);
    flight_look(reader);
    return reader;
}

/* True when the call as it is becomes an entry, the newest. */
static bool is_recorded(void)
{
    static uint64_t before;
    struct flight_entry each;
    recorder_end(recorder, &call, &response);
    struct flight_reader *reader = open_reader();
    uint64_t newest = 0;
    for (size_t i = 0; i < RECORDS; i++)
        if (flight_read(reader, i, &each) && each.sequence > newest) {
            newest = each.sequence;
            entry = each;
        }
    flight_reader_free(reader);
    bool is = newest > before;
    before = newest;
    return is;
}

START_TEST(an_entry_says_what_was_asked_and_what_came_of_it)
{
    begin("hash");
    call.ask.rows = 3;
    call.duration = 1234 * MICROSECOND;
    call.calling.batch_rows = 9;
    call.calling.queue_us = 200;
    call.calling.compute_us = 30;
    call.calling.bytes = 70;
    call.trace.id[0] = 0xab;
    strcpy(call.answered_version, "2");
    output_add_string(&response.body, "twelve bytes");
    int64_t before = clock_wall();
    ck_assert(is_recorded());
    ck_assert(entry.at_ns >= before && entry.at_ns <= clock_wall());
    ck_assert_str_eq(entry.id, "r1");
    ck_assert_str_eq(entry.call, "predict");
    ck_assert_str_eq(entry.kind, "");
    ck_assert_str_eq(entry.model, "iris");
    ck_assert_str_eq(entry.version, "2");
    ck_assert_uint_eq(entry.trace[0], 0xab);
    ck_assert_uint_eq(entry.status, 200);
    ck_assert_uint_eq(entry.rows, 3);
    ck_assert_uint_eq(entry.batch_rows, 9);
    ck_assert_uint_eq(entry.total_us, 1234);
    ck_assert_uint_eq(entry.queue_us, 200);
    ck_assert_uint_eq(entry.compute_us, 30);
    ck_assert_uint_eq(entry.bytes_in, 70);
    ck_assert_uint_eq(entry.bytes_out, 12);
    response.head_only = true;
    ck_assert(is_recorded());
    ck_assert_uint_eq(entry.bytes_out, 0);
}
END_TEST

START_TEST(a_failure_has_its_kind_and_the_version_that_was_asked)
{
    const struct catalog_version version = {.name = (char *)"1"};
    begin("hash");
    call.version = &version;
    response.status = 504;
    response.kind = "deadline";
    ck_assert(is_recorded());
    ck_assert_uint_eq(entry.status, 504);
    ck_assert_str_eq(entry.kind, "deadline");
    ck_assert_str_eq(entry.version, "1");
    call.model = NULL; /* nor is it known which */
    call.version = NULL;
    ck_assert(is_recorded());
    ck_assert_str_eq(entry.model, "");
    ck_assert_str_eq(entry.version, "");
}
END_TEST

START_TEST(what_takes_longer_than_there_are_numbers_takes_the_longest)
{
    begin("hash");
    call.duration = 5000 * SECOND;
    call.calling.queue_us = UINT64_MAX;
    ck_assert(is_recorded());
    ck_assert_uint_eq(entry.total_us, UINT32_MAX);
    ck_assert_uint_eq(entry.queue_us, UINT32_MAX);
}
END_TEST

START_TEST(predictions_are_recorded_and_what_else_failed)
{
    static const struct {
        enum call call;
        int status;
        bool recorded;
    } cases[] = {{CALL_PREDICT, 200, true},  {CALL_BATCH_PREDICT, 400, true}, {CALL_PREDICT, 401, true},
                 {CALL_PREDICT, 499, true},  {CALL_MODELS, 200, false},       {CALL_OTHER, 404, false},
                 {CALL_MODELS, 401, false},  {CALL_FEEDBACK, 400, false},     {CALL_METRICS, 403, false},
                 {CALL_METRICS, 503, true},  {CALL_READY, 503, true},         {CALL_OTHER, 500, true},
                 {CALL_V2_INFER, 200, true}, {CALL_HEALTH, 499, false}};
    begin("none");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        call.call = cases[i].call;
        response.status = cases[i].status;
        ck_assert_msg(is_recorded() == cases[i].recorded, "case %zu", i);
    }
}
END_TEST

/* A request with this body, whose tensors are `payload`. */
static void ask(const char *body, const char *payload)
{
    struct http_request request = {.body = (char *)body, .body_length = strlen(body)};
    call.recorded = (struct recorder_note){0};
    recorder_body(recorder, &request, &call.recorded);
    recorder_asks(recorder, (const uint8_t *)payload, strlen(payload), &call.recorded);
    ck_assert(is_recorded());
}

/* What is kept of its tensors; NULL: nothing. The caller frees it. */
static uint8_t *kept(void)
{
    struct flight_reader *reader = open_reader();
    uint8_t *payload = flight_payload(reader, &entry);
    flight_reader_free(reader);
    return payload;
}

START_TEST(the_body_is_told_by_its_hash)
{
    begin("hash");
    ask("{\"features\":[1]}", "tensors");
    ck_assert(entry.hashed);
    ck_assert_uint_eq(entry.hash, flight_hash("{\"features\":[1]}", 16));
    ck_assert_ptr_null(kept());
}
END_TEST

START_TEST(all_of_the_tensors_are_kept_where_that_is_wanted)
{
    begin("full");
    ask("{}", "tensors");
    ck_assert(entry.hashed);
    ck_assert_uint_eq(entry.payload_length, 7);
    uint8_t *payload = kept();
    ck_assert_mem_eq(payload, "tensors", 7);
    free(payload);
    ask("{}", "others");
    payload = kept();
    ck_assert_mem_eq(payload, "others", 6);
    free(payload);
}
END_TEST

START_TEST(or_nothing_of_either)
{
    begin("none");
    ask("{}", "tensors");
    ck_assert(!entry.hashed);
    ck_assert_uint_eq(entry.hash, 0);
    ck_assert_ptr_null(kept());
}
END_TEST

START_TEST(there_may_be_no_recorder)
{
    struct http_request request = {.body_length = 0};
    begin("full");
    config.flight_requests = 0;
    ck_assert_ptr_null(recorder_new(&config, "frontend.2"));
    config.flight_requests = RECORDS;
    config.runtime_directory = (char *)scratch_path("nowhere"); /* that is complained of */
    ck_assert_ptr_null(recorder_new(&config, "frontend.2"));
    recorder_body(NULL, &request, &call.recorded);
    recorder_asks(NULL, NULL, 0, &call.recorded);
    recorder_end(NULL, &call, &response);
    recorder_free(NULL);
    ck_assert(!call.recorded.hashed);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_entry_says_what_was_asked_and_what_came_of_it,
                                  a_failure_has_its_kind_and_the_version_that_was_asked,
                                  what_takes_longer_than_there_are_numbers_takes_the_longest,
                                  predictions_are_recorded_and_what_else_failed,
                                  the_body_is_told_by_its_hash,
                                  all_of_the_tensors_are_kept_where_that_is_wanted,
                                  or_nothing_of_either,
                                  there_may_be_no_recorder};
    return SUITE_RUN("recorder", set_up, tear_down, tests);
}
