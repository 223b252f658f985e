/* test_replay_against: what two versions say to the requests that are recorded, and what of it is told.
 * SPDX-License-Identifier: MIT */
#include "flight.h"
#include "flight_entry.h"
#include "replay.h"

#include "example_schema.h"
#include "roles.h"
#include "scratch_directory.h"
#include "threaded_broker.h"

#include <fcntl.h>
#include <yyjson.h>

enum { RECORDS = 64, RING_BYTES = 1 << 16, ROWS_MAX = 8 };

static struct threaded_broker played;
static struct schema *schema;
static struct config config;
static struct flight *flight;
static yyjson_doc *said;

/* ---- the versions: of each row the label is whether its first number is above a half, for version 2 above a
 * quarter; version 9 fails ---- */

static void answer(struct threaded_broker *broker, const struct letter *request)
{
    struct tensor asked[TENSOR_COUNT_MAX];
    size_t count, rows;
    struct text payload = request->payloads[0], version = request->envelope.request.version;
    ck_assert_ptr_null(tensors_decode((const uint8_t *)payload.at, payload.length, asked, &count, &rows));
    ck_assert_uint_eq(rows, request->envelope.request.rows);
    if (text_is(version, "9")) {
        threaded_reject(broker, request, FAILURE_MODEL_FAILED, "it fails");
        return;
    }
    int64_t labels[ROWS_MAX];
    float probabilities[ROWS_MAX][2];
    double bound = text_is(version, "2") ? 0.25 : 0.5;
    for (size_t row = 0; row < rows; row++) {
        labels[row] = value_float(&asked[0], 2 * row) > bound;
        probabilities[row][1] = labels[row] ? 0.75f : 0.25f;
        probabilities[row][0] = 1 - probabilities[row][1];
    }
    const struct envelope reply = {
        .verb = VERB_REPLY, .id = request->envelope.id, .reply = {.version = version}};
    played_classes(&broker->end, &reply, labels, probabilities, rows);
}

static void set_up(void)
{
    scratch_make();
    schema = example_classifier(2);
    played = (struct threaded_broker){
        .model = "m", .versions = {"1", "2", "9"}, .schema = schema, .answer = answer};
    snprintf(played.endpoint, sizeof played.endpoint, "ipc://%s/askers.ipc", scratch_directory);
    config = (struct config){.broker_askers = played.endpoint,
                             .broker_max_message_bytes = 65536,
                             .runtime_directory = scratch_directory,
                             .models_directory = scratch_directory};
    flight = flight_new(scratch_folder("flight"), "frontend.1", RECORDS, RING_BYTES);
    ck_assert_ptr_nonnull(flight);
    threaded_start(&played);
}

static void tear_down(void)
{
    yyjson_doc_free(said);
    threaded_stop(&played);
    flight_free(flight);
    schema_free(schema);
    scratch_remove();
}

/* ---- what is recorded ---- */

/* A request of so many rows, whose first numbers are all `number`; answered by `version` of `model`. What is
 * said of its rows may be wrong. */
static void record_as(const char *model, const char *version, uint16_t status, double number, size_t rows,
                      uint32_t told_rows)
{
    float numbers[2 * ROWS_MAX] = {0};
    uint8_t bytes[1024];
    struct flight_entry entry = {.at_ns = 1, .status = status, .rows = told_rows};
    for (size_t row = 0; row < rows; row++)
        numbers[2 * row] = (float)number;
    const struct tensor tensor = {.name = text_of("x"),
                                  .datatype = DATATYPE_FP32,
                                  .rank = 2,
                                  .shape = {(int64_t)rows, 2},
                                  .data = (const uint8_t *)numbers,
                                  .bytes = 2 * rows * sizeof *numbers};
    size_t length = tensors_encode(&tensor, 1, bytes, sizeof bytes, NULL);
    snprintf(entry.model, sizeof entry.model, "%s", model);
    snprintf(entry.version, sizeof entry.version, "%s", version);
    snprintf(entry.id, sizeof entry.id, "of-%g", number);
    flight_keep(flight, bytes, length, &entry);
    add_entry(flight, &entry);
}

static void record(double number, size_t rows)
{
    record_as("m", "1", 200, number, rows, (uint32_t)rows);
}

/* ---- what is said ---- */

/* Runs `outrigger replay --json --against VERSION` with one more option, or NULL; returns its status. */
static int run(const char *version, const char *option)
{
    struct arguments arguments;
    char *words[] = {(char *)"--json", (char *)"--against", (char *)(uintptr_t)version,
                     (char *)(uintptr_t)option};
    ck_assert_int_eq(arguments_parse(command_find("replay"), option == NULL ? 3 : 4, words, &arguments), 0);
    int kept_stdout = dup(STDOUT_FILENO);
    int file = open(scratch_path("said"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    int status = replay_against(&arguments, &config);
    fflush(stdout);
    dup2(kept_stdout, STDOUT_FILENO);
    close(kept_stdout);
    close(file);
    arguments_free(&arguments);
    yyjson_doc_free(said);
    said = yyjson_read_file(scratch_path("said"), 0, NULL, NULL);
    ck_assert_ptr_nonnull(said);
    return status;
}

static yyjson_val *member(const char *name)
{
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(said), name);
    ck_assert_msg(value != NULL, "%s", name);
    return value;
}

static void expect_error(const char *expected)
{
    ck_assert(!yyjson_get_bool(member("ok")));
    ck_assert_str_eq(yyjson_get_str(member("error")), expected);
}

START_TEST(rows_that_differ_are_counted)
{
    record(0.1, 3);
    record(0.3, 2); /* the versions differ here */
    record(0.9, 5);
    ck_assert_int_eq(run("2", NULL), CTL_GOOD);
    ck_assert(yyjson_get_bool(member("ok")));
    ck_assert_uint_eq(yyjson_get_uint(member("requests")), 3);
    ck_assert_uint_eq(yyjson_get_uint(member("rows")), 10);
    ck_assert_uint_eq(yyjson_get_uint(member("agreed")), 8);
    ck_assert_uint_eq(yyjson_get_uint(member("failed")), 0);
    ck_assert_double_eq(yyjson_get_real(member("agreement")), 0.8);
    ck_assert_double_eq(yyjson_get_real(member("largest_difference")), 0.5);
    ck_assert_double_eq_tol(yyjson_get_real(member("mean_difference")), 0.1, 1e-9);
    yyjson_val *first = yyjson_arr_get(member("differ_most"), 0);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(first, "request_id")), "of-0.3");
    ck_assert_uint_eq(yyjson_arr_size(member("differ_most")), 1);
}
END_TEST

START_TEST(so_much_must_agree)
{
    record(0.1, 3);
    record(0.3, 1);
    ck_assert_int_eq(run("2", "--min-agreement=75%"), CTL_GOOD);
    ck_assert_int_eq(run("2", "--min-agreement=76%"), CTL_FAULT);
    expect_error("the versions agree less than they must");
}
END_TEST

START_TEST(a_version_that_answers_nothing_is_no_success)
{
    record(0.1, 3);
    ck_assert_int_eq(run("9", NULL), CTL_FAULT);
    expect_error("no two answers could be compared");
    ck_assert_uint_eq(yyjson_get_uint(member("failed")), 1);
    yyjson_val *first = yyjson_arr_get(member("differ_most"), 0);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(first, "failed")), "model_failed");
}
END_TEST

/* What had no answer, or one of that version; what is not what its record says, as when a frontend writes
 * over it; and what no broker would answer. */
START_TEST(what_cannot_be_asked_is_passed_over)
{
    record(0.1, 2);
    record_as("m", "2", 200, 0.1, 1, 1);
    record_as("m", "", 503, 0.1, 1, 1);
    record_as("m", "1", 404, 0.1, 1, 1);
    record_as("m", "a/b", 200, 0.1, 1, 1);
    record_as("m", "1", 200, 0.1, 1, PROTOCOL_ROWS_MAX + 1);
    record_as("m", "1", 200, 0.1, 2, 3);
    ck_assert_int_eq(run("2", NULL), CTL_GOOD);
    ck_assert_uint_eq(yyjson_get_uint(member("requests")), 1);
    ck_assert_uint_eq(yyjson_get_uint(member("rows")), 2);
    ck_assert_uint_eq(yyjson_get_uint(member("unanswered")), 5);
    ck_assert_uint_eq(yyjson_get_uint(member("written_over")), 1);
}
END_TEST

START_TEST(nothing_to_be_asked_is_said)
{
    ck_assert_int_eq(run("2", NULL), CTL_FAULT);
    expect_error("no request is recorded with its tensors: flight.payload = full keeps them");
    record_as("m", "2", 200, 0.1, 1, 1);
    ck_assert_int_eq(run("2", NULL), CTL_FAULT);
    expect_error("none of 1 recorded requests can be asked again: 0 are written over, 1 have no answer, or "
                 "one of 2");
    record_as("m", "1", 200, 0.1, 1, 2);
    ck_assert_int_eq(run("2", NULL), CTL_FAULT);
    expect_error("none of 2 recorded requests can be asked again: 1 are written over, 1 have no answer, or "
                 "one of 2");
}
END_TEST

START_TEST(one_model_is_asked_at_a_time)
{
    record(0.1, 1);
    record_as("other", "1", 200, 0.1, 1, 1);
    ck_assert_int_eq(run("2", NULL), CTL_FAULT);
    expect_error("requests of several models are recorded: --model says which");
    ck_assert_int_eq(run("2", "--model=m"), CTL_GOOD);
    ck_assert_uint_eq(yyjson_get_uint(member("requests")), 1);
    ck_assert_int_eq(run("3", "--model=m"), CTL_FAULT);
    expect_error("model m has no version 3; it has 1, 2, 9");
}
END_TEST

START_TEST(the_last_ones_are_asked)
{
    for (int i = 0; i < 40; i++)
        record(i < 20 ? 0.3 : 0.1, 1);
    ck_assert_int_eq(run("2", "--last=30"), CTL_GOOD);
    ck_assert_uint_eq(yyjson_get_uint(member("requests")), 30);
    ck_assert_uint_eq(yyjson_get_uint(member("agreed")), 20);
    ck_assert_uint_eq(yyjson_arr_size(member("differ_most")), 10);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        rows_that_differ_are_counted,
        so_much_must_agree,
        a_version_that_answers_nothing_is_no_success,
        what_cannot_be_asked_is_passed_over,
        nothing_to_be_asked_is_said,
        one_model_is_asked_at_a_time,
        the_last_ones_are_asked,
    };
    return SUITE_RUN("replay_against", set_up, tear_down, tests);
}
