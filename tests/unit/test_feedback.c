/* test_feedback: what a body of truths may say, every fault of it, and that all of it is written down or
 * nothing; and what is remembered of answers. SPDX-License-Identifier: MIT */
#include "example_schema.h"
#include "feedback.h"
#include "remember.h"
#include "scratch_directory.h"

#include <math.h>
#include <stdlib.h>

static struct predictions *predictions;
static struct predictions_reader *reader;
static struct http_response response;
static struct identity identity;

static void set_up(void)
{
    scratch_make();
    predictions = predictions_new(scratch_directory, "f", 0);
    reader = predictions_reader_new(scratch_path("f.0"));
    response = (struct http_response){0};
    identity = (struct identity){.kind = IDENTITY_KEY};
}

static void tear_down(void)
{
    http_response_free(&response);
    predictions_reader_free(reader);
    predictions_free(predictions);
    scratch_remove();
}

static void post(const char *body)
{
    static char bytes[4096];
    struct http_request request = {.body = bytes, .body_length = strlen(body), .body_capacity = sizeof bytes};
    memcpy(bytes, body, request.body_length + 1);
    http_response_begin(&response, &request);
    feedback(predictions, &identity, &request, &response);
}

static void refused(const char *body, const char *words)
{
    struct prediction read;
    post(body);
    output_add(&response.body, "", 1);
    ck_assert_int_eq(response.status, 400);
    ck_assert_msg(strstr(response.body.bytes, words) != NULL, "%s, not %s", response.body.bytes, words);
    predictions_flush(predictions);
    ck_assert(!predictions_read(reader, &read));
}

static void accepted(const char *body, const char *count)
{
    post(body);
    output_add(&response.body, "", 1);
    ck_assert_msg(response.status == 202, "%s", response.body.bytes);
    ck_assert_ptr_nonnull(strstr(response.body.bytes, count));
}

static void written(const char *id, uint32_t row, double actual, const char *label)
{
    struct prediction read;
    ck_assert(predictions_read(reader, &read));
    ck_assert(read.kind == PREDICTION_ACTUAL && read.request == prediction_request(text_of(id)));
    ck_assert_uint_eq(read.row, row);
    if (label == NULL)
        ck_assert(read.flags == PREDICTION_BY_NUMBER && read.actual == actual);
    else
        ck_assert(read.flags == PREDICTION_BY_LABEL && read.actual_label == prediction_label(text_of(label)));
}

START_TEST(truths_are_written_down)
{
    struct prediction read;
    accepted("{\"request_id\":\"a\",\"actual\":1}", "\"accepted\":1");
    written("a", 0, 1, NULL);
    accepted("{\"request_id\":\"a\",\"actual\":-2.5,\"row\":7}", "\"accepted\":1");
    written("a", 7, -2.5, NULL);
    accepted("{\"request_id\":\"b\",\"actual\":\"yes\"}", "\"accepted\":1");
    written("b", 0, 0, "yes");
    accepted("{\"request_id\":\"b\",\"actuals\":[true,null,\"no\"]}", "\"accepted\":2");
    written("b", 0, 1, NULL);
    written("b", 2, 0, "no");
    accepted("[{\"request_id\":\"c\",\"actual\":0},{\"request_id\":\"d\",\"actual\":1}]", "\"accepted\":2");
    written("c", 0, 0, NULL);
    written("d", 0, 1, NULL);
    ck_assert(!predictions_read(reader, &read));
}
END_TEST

START_TEST(what_the_teller_may_use_goes_with_it)
{
    struct prediction read;
    snprintf(identity.models, sizeof identity.models, "digits-* churn");
    accepted("{\"request_id\":\"a\",\"actual\":1}", "\"accepted\":1");
    ck_assert(predictions_read(reader, &read) && text_is(read.allowed, "digits-* churn"));
    accepted("{\"request_id\":\"a\",\"actuals\":[1,\"no\"]}", "\"accepted\":2");
    for (uint32_t row = 0; row < 2; row++)
        ck_assert(predictions_read(reader, &read) && read.row == row &&
                  text_is(read.allowed, "digits-* churn"));
    *identity.models = '\0';
    accepted("{\"request_id\":\"a\",\"actual\":1}", "\"accepted\":1");
    ck_assert(predictions_read(reader, &read) && read.allowed.length == 0);
    memset(identity.models, 'm', sizeof identity.models - 1);
    accepted("{\"request_id\":\"a\",\"actual\":1}", "\"accepted\":1");
    ck_assert(predictions_read(reader, &read) && text_is(read.allowed, identity.models));
}
END_TEST

START_TEST(faults_are_named)
{
    refused("", "body: is no JSON");
    refused("{", "body: is no JSON");
    refused("7", "expected an object with request_id and actual");
    refused("[]", "expected 1 to 10000 objects");
    refused("{\"actual\":1}", "request_id: expected the request_id of an answer");
    refused("{\"request_id\":7,\"actual\":1}", "request_id: expected");
    refused("{\"request_id\":\"\",\"actual\":1}", "request_id: expected");
    refused("{\"request_id\":\"a\"}", "expected one of actual");
    refused("{\"request_id\":\"a\",\"actual\":1,\"actuals\":[1]}", "expected one of actual");
    refused("{\"request_id\":\"a\",\"row\":1,\"actuals\":[1]}", "expected one of actual");
    refused("{\"request_id\":\"a\",\"actual\":null}", "actual: expected a number, true, false");
    refused("{\"request_id\":\"a\",\"actual\":\"\"}", "actual: expected a number, true, false");
    refused("{\"request_id\":\"a\",\"actual\":1,\"row\":-1}", "row: expected the row of a batch");
    refused("{\"request_id\":\"a\",\"actual\":1,\"row\":1024}", "row: expected the row of a batch");
    refused("{\"request_id\":\"a\",\"actuals\":[]}", "actuals: expected a list of 1 to 1024");
    refused("{\"request_id\":\"a\",\"actuals\":[1,[]]}", "actuals[1]: expected a number");
    refused("{\"request_id\":\"a\",\"actual\":1,\"actual\":1}", "actual: is there twice");
    refused("{\"request_id\":\"a\",\"actual\":1,\"truth\":1}", "truth: is not known here");
    refused("[{\"request_id\":\"a\",\"actual\":1},{\"request_id\":\"b\"}]", "[1].actual: expected one of");
}
END_TEST

START_TEST(where_nothing_is_kept_that_is_said)
{
    struct http_request request = {.body = (char[]){"{}"}, .body_length = 2, .body_capacity = 3};
    http_response_begin(&response, &request);
    feedback(NULL, &identity, &request, &response);
    ck_assert_int_eq(response.status, 404);
    request.content_type = text_of("text/csv");
    http_response_begin(&response, &request);
    feedback(predictions, &identity, &request, &response);
    ck_assert_int_eq(response.status, 415);
}
END_TEST

static void remember(struct schema *schema, const struct tensor *tensors, size_t count, size_t rows)
{
    struct roles roles = roles_find(tensors, count, schema->regression);
    remember_answer(&(struct answer){.schema = schema,
                                     .model = text_of("m"),
                                     .version = text_of("1"),
                                     .id = text_of("r"),
                                     .predictions = predictions},
                    &roles, rows);
    predictions_flush(predictions);
}

START_TEST(answers_are_remembered)
{
    static const char *const labels[] = {"no", "yes"};
    const int64_t classes[] = {1, 0};
    const float probabilities[] = {0.25F, 0.75F, 0.5F, 0.5F}, scores[] = {2.5F, -1};
    const struct tensor outputs[] = {
        {text_of("c"), DATATYPE_INT64, 1, {2}, (const uint8_t *)classes, sizeof classes},
        {text_of("p"), DATATYPE_FP32, 2, {2, 2}, (const uint8_t *)probabilities, sizeof probabilities}};
    const struct tensor score = {text_of("s"), DATATYPE_FP32, 1, {2}, (const uint8_t *)scores, sizeof scores};
    struct schema *schema = schema_new();
    struct prediction read;
    schema->labels = example_names(labels, 2);
    schema->label_count = 2;
    remember(schema, outputs, 2, 2);
    ck_assert(predictions_read(reader, &read));
    ck_assert(read.kind == PREDICTION_ANSWERED && read.flags == PREDICTION_BINARY && read.row == 0);
    ck_assert(read.value == 1 && read.probability == 0.75 && text_is(read.model, "m"));
    ck_assert(read.label == prediction_label(text_of("yes")) && read.positive == read.label);
    ck_assert_uint_eq(read.request, prediction_request(text_of("r")));
    ck_assert(predictions_read(reader, &read));
    ck_assert(read.row == 1 && read.value == 0 && read.label == prediction_label(text_of("no")));
    schema->regression = true;
    remember(schema, &score, 1, 2);
    ck_assert(predictions_read(reader, &read));
    ck_assert(read.flags == PREDICTION_REGRESSION && read.value == 2.5 && isnan(read.probability));
    ck_assert(predictions_read(reader, &read) && read.value == -1);
    ck_assert(!predictions_read(reader, &read));
    schema_free(schema);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {truths_are_written_down, what_the_teller_may_use_goes_with_it,
                                  faults_are_named, where_nothing_is_kept_that_is_said,
                                  answers_are_remembered};
    return SUITE_RUN("feedback", set_up, tear_down, tests);
}
