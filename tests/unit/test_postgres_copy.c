/* test_postgres_copy: results as a COPY takes them, byte by byte. SPDX-License-Identifier: MIT */
#include "postgres_copy.h"

#include "suite.h"

#include <math.h>

#define HEAD "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"

static struct postgres_column columns[] = {
    {.name = "id", .type = "bigint"},
    {.name = "prediction", .type = "integer"},
    {.name = "probability", .type = "double precision"},
    {.name = "label", .type = "character varying"},
    {.name = "model_version", .type = "text"},
    {.name = "predicted_at", .type = "timestamp with time zone"},
    {.name = "token", .type = "uuid"},
};
enum { ID, PREDICTION, PROBABILITY, LABEL, MODEL_VERSION, PREDICTED_AT, TOKEN };
static struct postgres_relation sink = {.columns = columns, .count = COUNT_OF(columns)}, source;
static struct postgres_plan plan;
static struct scored scored[2];
static struct chunk_row rows[2];
static struct chunk chunk;
static struct draft copy;

static void set_up(void)
{
    columns[PREDICTION].type = "integer";
    sink.rules = false;
    plan = (struct postgres_plan){.source = &source,
                                  .sink = &sink,
                                  .key = {.parts = {&columns[ID]}, .count = 1, .integer = true},
                                  .results = {[POSTGRES_RESULT_prediction] = &columns[PREDICTION]}};
    memset(scored, 0, sizeof scored);
    scored[0].version = scored[1].version = "1";
    rows[0] = (struct chunk_row){.key = {.kind = ROW_INTEGER, .integer = 7}, .scored = 0};
    rows[1] = (struct chunk_row){.key = {.kind = ROW_INTEGER, .integer = -8}, .scored = 1};
    chunk = (struct chunk){.rows = rows, .count = 1, .scored = scored, .scored_count = 2};
}

static void tear_down(void)
{
    draft_free(&copy);
    copy = (struct draft){0};
}

static void is(const char *bytes, size_t length)
{
    ck_assert(postgres_copy_put(&copy, &plan, &chunk));
    ck_assert_uint_eq(copy.length, length);
    ck_assert_mem_eq(copy.bytes, bytes, length);
}
/* Without the zero that ends a literal. */
#define IS(literal) is(literal, sizeof(literal) - 1)

START_TEST(each_row_has_its_key_and_the_results_that_are_written)
{
    scored[0].value = 1;
    scored[1].value = -2;
    chunk.count = 2;
    IS(HEAD "\0\2"
            "\0\0\0\x8\0\0\0\0\0\0\0\7"
            "\0\0\0\4\0\0\0\1"
            "\0\2"
            "\0\0\0\x8\xff\xff\xff\xff\xff\xff\xff\xf8"
            "\0\0\0\4\xff\xff\xff\xfe"
            "\xff\xff");
    rows[0].reason = "bad"; /* it is a reject, which goes elsewhere */
    IS(HEAD "\0\2"
            "\0\0\0\x8\xff\xff\xff\xff\xff\xff\xff\xf8"
            "\0\0\0\4\xff\xff\xff\xfe"
            "\xff\xff");
}
END_TEST

START_TEST(results_have_the_forms_of_their_columns)
{
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        plan.results[i] = &columns[PREDICTION + i];
    scored[0].value = NAN;
    scored[0].probability = 1;
    scored[0].has_label = true;
    strcpy(scored[0].label, "yes");
    chunk.predicted_at_us = INT64_C(946684800001999); /* two thousand, and almost two milliseconds */
    IS(HEAD "\0\6"
            "\0\0\0\x8\0\0\0\0\0\0\0\7"
            "\xff\xff\xff\xff"
            "\0\0\0\x8\x3f\xf0\0\0\0\0\0\0"
            "\0\0\0\3yes"
            "\0\0\0\1"
            "1"
            "\0\0\0\x8\0\0\0\0\0\0\3\xe8"
            "\xff\xff");
}
END_TEST

START_TEST(what_is_no_value_of_its_column_is_not_written)
{
    scored[0].value = 0.5;
    ck_assert(!postgres_copy_put(&copy, &plan, &chunk));
    scored[0].value = 3e9;
    ck_assert(!postgres_copy_put(&copy, &plan, &chunk));
    columns[PREDICTION].type = "bigint";
    ck_assert(postgres_copy_put(&copy, &plan, &chunk));
    scored[0].value = INFINITY;
    ck_assert(!postgres_copy_put(&copy, &plan, &chunk));
    scored[0].value = 0;
    rows[0].key = (struct row_value){.kind = ROW_STRING, .text = text_of("7")};
    ck_assert(!postgres_copy_put(&copy, &plan, &chunk));
}
END_TEST

START_TEST(only_plain_tables_of_known_types_are_written_so)
{
    ck_assert(postgres_copy_can(&plan));
    sink.rules = true;
    ck_assert(!postgres_copy_can(&plan));
    sink.rules = false;
    columns[PREDICTION].type = "numeric(5,2)";
    ck_assert(!postgres_copy_can(&plan));
    columns[PREDICTION].type = "text"; /* numbers have a form of their own as texts */
    ck_assert(!postgres_copy_can(&plan));
    columns[PREDICTION].type = "bigint";
    plan.key.parts[0] = &columns[TOKEN];
    plan.key.integer = false;
    ck_assert(!postgres_copy_can(&plan));
    plan.key.parts[0] = &columns[MODEL_VERSION];
    ck_assert(postgres_copy_can(&plan));
    plan.key.parts[1] = &columns[ID];
    plan.key.count = 2;
    ck_assert(!postgres_copy_can(&plan));
    plan.key.count = 1;
    plan.source = &sink; /* results stand beside their rows */
    ck_assert(!postgres_copy_can(&plan));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_row_has_its_key_and_the_results_that_are_written, results_have_the_forms_of_their_columns,
        what_is_no_value_of_its_column_is_not_written, only_plain_tables_of_known_types_are_written_so};
    return SUITE_RUN("postgres_copy", set_up, tear_down, tests);
}
