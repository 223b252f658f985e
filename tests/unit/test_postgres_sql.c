/* test_postgres_sql: what is asked of a PostgreSQL, as texts. SPDX-License-Identifier: MIT */
#include "postgres_sql.h"

#include "suite.h"

#include <stdlib.h>

/* A table public.customers with columns as a test needs them. */
static struct postgres_column customers_columns[] = {
    {.name = "id", .type = "bigint", .form = POSTGRES_AS_INTEGER, .required = true},
    {.name = "age", .type = "numeric(5,2)", .form = POSTGRES_AS_NUMBER},
    {.name = "Plan \"B\"", .type = "text", .is_string = true},
    {.name = "paid", .type = "boolean", .form = POSTGRES_AS_TRUTH},
    {.name = "prediction", .type = "double precision", .form = POSTGRES_AS_NUMBER},
    {.name = "probability", .type = "real", .form = POSTGRES_AS_NUMBER},
    {.name = "model_version", .type = "character varying(9)", .is_string = true},
    {.name = "predicted_at", .type = "timestamp with time zone", .is_time = true},
    {.name = "token", .type = "uuid", .required = true}};
enum { ID, AGE, PLAN, PAID, PREDICTION, PROBABILITY, MODEL_VERSION, PREDICTED_AT, TOKEN };
static struct postgres_relation customers = {.schema = "public",
                                             .table = "customers",
                                             .quoted = "\"public\".\"customers\"",
                                             .kind = 'r',
                                             .columns = customers_columns,
                                             .count = COUNT_OF(customers_columns)};
static struct postgres_relation scores = {
    .schema = "s", .table = "scores", .quoted = "\"s\".\"scores\"", .columns = customers_columns, .count = 1};

static const struct postgres_column *values[4];
static const bool as_text[4];

/* Beside the rows: age and a column that is not there; key id. */
static struct postgres_plan plan_of(void)
{
    values[0] = &customers_columns[AGE];
    values[1] = NULL;
    return (struct postgres_plan){
        .source = &customers,
        .sink = &customers,
        .key = {.parts = {&customers_columns[ID]}, .count = 1, .integer = true},
        .values = values,
        .as_text = as_text,
        .width = 2,
        .job = "m",
        .results = {[POSTGRES_RESULT_prediction] = &customers_columns[PREDICTION],
                    [POSTGRES_RESULT_predicted_at] = &customers_columns[PREDICTED_AT]}};
}

static struct postgres_key two_parts(void)
{
    return (struct postgres_key){.parts = {&customers_columns[ID], &customers_columns[TOKEN]}, .count = 2};
}

static struct postgres_key one_text(void)
{
    return (struct postgres_key){.parts = {&customers_columns[TOKEN]}, .count = 1};
}

static void is(char *text, const char *expected)
{
    ck_assert_str_eq(text, expected);
    free(text);
}

/* ---- names ---- */

START_TEST(a_name_is_quoted_whatever_it_holds)
{
    is(postgres_quote("plain"), "\"plain\"");
    is(postgres_quote("Two \"words\"; DROP TABLE x"), "\"Two \"\"words\"\"; DROP TABLE x\"");
    is(postgres_quote(""), "\"\"");
}
END_TEST

START_TEST(a_name_of_a_table_is_taken_apart)
{
    static const struct {
        const char *text, *schema, *table; /* NULL: it is none */
    } cases[] = {{"customers", "", "customers"},
                 {"public.customers", "public", "customers"},
                 {"\"we.ird\"", "", "we.ird"},
                 {"\"A \"\"b\"\"\".\"c.d\"", "A \"b\"", "c.d"},
                 {"Customers", "", "Customers"},
                 {"", NULL, NULL},
                 {".t", NULL, NULL},
                 {"s.", NULL, NULL},
                 {"db.s.t", NULL, NULL},
                 {"\"open", NULL, NULL},
                 {"\"a\"b", NULL, NULL},
                 {"\"\"", NULL, NULL},
                 {"a123456789b123456789c123456789d123456789e123456789f123456789g123", "",
                  "a123456789b123456789c123456789d123456789e123456789f123456789g12" /* never reached */}};
    char schema[POSTGRES_NAME_MAX], table[POSTGRES_NAME_MAX];
    for (size_t i = 0; i + 1 < COUNT_OF(cases); i++) {
        ck_assert_msg(postgres_split(cases[i].text, schema, table) == (cases[i].table != NULL), "%s",
                      cases[i].text);
        if (cases[i].table != NULL) {
            ck_assert_str_eq(schema, cases[i].schema);
            ck_assert_str_eq(table, cases[i].table);
        }
    }
    ck_assert(
        !postgres_split(cases[COUNT_OF(cases) - 1].text, schema, table)); /* 64 bytes: PostgreSQL has 63 */
}
END_TEST

START_TEST(a_column_is_found_as_it_is_or_in_small_letters)
{
    ck_assert_ptr_eq(postgres_column(&customers, text_of("age")), &customers_columns[AGE]);
    ck_assert_ptr_eq(postgres_column(&customers, text_of("AGE")), &customers_columns[AGE]);
    ck_assert_ptr_eq(postgres_column(&customers, text_of("Plan \"B\"")), &customers_columns[PLAN]);
    ck_assert_ptr_null(postgres_column(&customers, text_of("plan \"b\"")));
    ck_assert_ptr_null(postgres_column(&customers, text_of("ag")));
}
END_TEST

/* ---- reading ---- */

START_TEST(rows_are_claimed_in_the_order_of_their_key)
{
    struct postgres_plan plan = plan_of();
    is(postgres_sql_take(&plan, false, true),
       "SELECT t.\"id\"::int8, t.\"age\"::float8, NULL::text FROM \"public\".\"customers\" t WHERE true "
       "AND t.\"predicted_at\" IS NULL ORDER BY t.\"id\" LIMIT $1::int8 FOR NO KEY UPDATE OF t SKIP LOCKED");
    plan.where = "plan = 'x' -- all";
    is(postgres_sql_take(&plan, true, true),
       "SELECT t.\"id\"::int8, t.\"age\"::float8, NULL::text FROM \"public\".\"customers\" t WHERE t.\"id\" "
       "> $1::int8 "
       "AND t.\"predicted_at\" IS NULL AND (plan = 'x' -- all\n) ORDER BY t.\"id\" LIMIT $2::int8 "
       "FOR NO KEY UPDATE OF t SKIP LOCKED");
}
END_TEST

START_TEST(each_kind_of_value_comes_as_itself)
{
    static const bool wanted[] = {false, true, false, false};
    struct postgres_plan plan = plan_of();
    values[0] = &customers_columns[ID];
    values[1] = &customers_columns[AGE]; /* the model wants a text */
    values[2] = &customers_columns[PAID];
    values[3] = &customers_columns[PLAN];
    plan.width = 4;
    plan.as_text = wanted;
    plan.sink = NULL; /* all rows */
    is(postgres_sql_take(&plan, false, false),
       "SELECT t.\"id\"::int8, t.\"id\"::int8, t.\"age\"::text, t.\"paid\"::bool, t.\"Plan \"\"B\"\"\"::text "
       "FROM \"public\".\"customers\" t WHERE true ORDER BY t.\"id\" LIMIT $1::int8");
    ck_assert_int_eq(postgres_value_form(&plan, 1), POSTGRES_AS_TEXT);
    ck_assert_int_eq(postgres_value_form(&plan, 2), POSTGRES_AS_TRUTH);
}
END_TEST

START_TEST(a_key_of_another_type_goes_as_a_text_and_several_as_json)
{
    struct postgres_plan plan = plan_of();
    plan.width = 0;
    plan.key = one_text();
    is(postgres_sql_take(&plan, true, false),
       "SELECT t.\"token\"::text FROM \"public\".\"customers\" t WHERE t.\"token\" > $1::text::uuid "
       "AND t.\"predicted_at\" IS NULL ORDER BY t.\"token\" LIMIT $2::int8");
    plan.key = two_parts();
    is(postgres_sql_take(&plan, true, false),
       "SELECT json_build_array(t.\"id\"::text, t.\"token\"::text)::text FROM \"public\".\"customers\" t "
       "WHERE "
       "(t.\"id\", t.\"token\") > (($1::text::json->>0)::bigint, ($1::text::json->>1)::uuid) "
       "AND t.\"predicted_at\" IS NULL ORDER BY t.\"id\", t.\"token\" LIMIT $2::int8");
}
END_TEST

START_TEST(a_row_is_done_when_it_has_a_result_or_is_rejected)
{
    struct postgres_plan plan = plan_of();
    plan.sink = &scores;
    plan.rejects = "\"s\".\"r\"";
    plan.job = "it's \\ here";
    is(postgres_sql_left(&plan),
       "SELECT 1 FROM \"public\".\"customers\" t WHERE true "
       "AND (NOT EXISTS (SELECT 1 FROM \"s\".\"scores\" r) OR NOT EXISTS "
       "(SELECT 1 FROM \"s\".\"scores\" r WHERE r.\"id\" = t.\"id\" OFFSET 0)) "
       "AND (NOT EXISTS (SELECT 1 FROM \"s\".\"r\" j WHERE j.job = E'it''s \\\\ here') OR NOT EXISTS "
       "(SELECT 1 FROM \"s\".\"r\" j WHERE j.job = E'it''s \\\\ here' "
       "AND j.key = t.\"id\"::int8::text OFFSET 0)) LIMIT 1");
    plan.key = two_parts();
    plan.rejects = NULL;
    is(postgres_sql_count(&plan),
       "SELECT count(*) FROM \"public\".\"customers\" t WHERE true "
       "AND (NOT EXISTS (SELECT 1 FROM \"s\".\"scores\" r) OR NOT EXISTS (SELECT 1 FROM \"s\".\"scores\" r "
       "WHERE r.\"id\" = t.\"id\" AND r.\"token\" = t.\"token\" OFFSET 0))");
    plan.key = one_text();
    plan.width = 0;
    is(postgres_sql_take(&plan, true, false),
       "SELECT t.\"token\"::text FROM \"public\".\"customers\" t WHERE t.\"token\" > $1::text::uuid "
       "AND (NOT EXISTS (SELECT 1 FROM \"s\".\"scores\" r WHERE r.\"token\" > $1::text::uuid) OR NOT EXISTS "
       "(SELECT 1 FROM \"s\".\"scores\" r WHERE r.\"token\" = t.\"token\" OFFSET 0)) "
       "ORDER BY t.\"token\" LIMIT $2::int8");
    is(postgres_sql_done(&plan),
       "SELECT r.\"token\"::text FROM \"s\".\"scores\" r WHERE r.\"token\" >= $1::text::uuid "
       "AND r.\"token\" <= $2::text::uuid ORDER BY r.\"token\"");
}
END_TEST

/* ---- writing ---- */

START_TEST(results_are_written_beside_their_rows)
{
    struct postgres_plan plan = plan_of();
    is(postgres_sql_write(&plan),
       "UPDATE \"public\".\"customers\" t SET \"prediction\" = u.prediction, \"predicted_at\" = "
       "$3::text::timestamp with time zone FROM unnest((SELECT $1::int8[]), (SELECT $2::float8[])) AS u(key, "
       "prediction) WHERE "
       "t.\"id\" = u.key AND t.\"predicted_at\" IS NULL");
    plan.key = two_parts();
    plan.results[POSTGRES_RESULT_prediction] = &customers_columns[PAID]; /* a cast; into text there is none */
    plan.results[POSTGRES_RESULT_model_version] = &customers_columns[MODEL_VERSION];
    is(postgres_sql_write(&plan),
       "UPDATE \"public\".\"customers\" t SET \"paid\" = u.prediction::boolean, \"model_version\" = "
       "u.model_version, \"predicted_at\" = $4::text::timestamp with time zone FROM unnest((SELECT "
       "$1::text[]), "
       "(SELECT $2::text[]), "
       "(SELECT $3::text[])) AS u(key, prediction, model_version) WHERE t.\"id\" = (u.key::json->>0)::bigint "
       "AND "
       "t.\"token\" = (u.key::json->>1)::uuid AND t.\"predicted_at\" IS NULL");
}
END_TEST

START_TEST(results_of_a_table_of_their_own_are_written_once)
{
    struct postgres_plan plan = plan_of();
    plan.sink = &scores;
    plan.results[POSTGRES_RESULT_predicted_at] = NULL;
    plan.results[POSTGRES_RESULT_probability] = &customers_columns[PROBABILITY];
    plan.key = one_text();
    is(postgres_sql_write(&plan),
       "INSERT INTO \"s\".\"scores\" (\"token\", \"prediction\", \"probability\") SELECT u.key::uuid, "
       "u.prediction, "
       "u.probability FROM unnest((SELECT $1::text[]), (SELECT $2::float8[]), (SELECT $3::float8[])) "
       "AS u(key, prediction, probability) ON CONFLICT DO NOTHING");
    is(postgres_sql_copy(&plan), "COPY \"s\".\"scores\" (\"token\", \"prediction\", \"probability\") "
                                 "FROM STDIN (FORMAT binary)");
    is(postgres_sql_proof(&plan), "SELECT 1 FROM \"s\".\"scores\" r WHERE r.xmin::text = "
                                  "($1::text::int8 & 4294967295)::text AND r.\"token\" = "
                                  "($2::text[])[1]::uuid");
    is(postgres_sql_position("\"s\".\"p\""), "SELECT 1 FROM \"s\".\"p\" r WHERE r.xmin::text = "
                                             "($1::text::int8 & 4294967295)::text AND r.job = $2::text "
                                             "AND r.position = $3::text");
    plan.rejects = "\"s\".\"r\"";
    is(postgres_sql_reject(&plan),
       "INSERT INTO \"s\".\"r\" (job, key, reason, model, rejected_at) SELECT $1::text, u.key, u.reason, "
       "$4::text, "
       "$5::text::timestamptz FROM unnest($2::text[], $3::text[]) AS u(key, reason) ON CONFLICT DO NOTHING");
}
END_TEST

START_TEST(what_is_missing_can_be_made)
{
    static const char *const names[] = {"Score", "probability", NULL, "model_version", "predicted_at"};
    struct postgres_key key = two_parts();
    is(postgres_sql_add_columns(
           "\"t\"", names, 1U << POSTGRES_RESULT_prediction | 1U << POSTGRES_RESULT_predicted_at, "bigint"),
       "ALTER TABLE \"t\" ADD COLUMN \"Score\" bigint, ADD COLUMN \"predicted_at\" timestamp with time zone");
    is(postgres_sql_make_sink("\"t\"", &key, names, "text"),
       "CREATE TABLE \"t\" (\"id\" bigint, \"token\" uuid, \"Score\" text, \"probability\" double precision, "
       "\"model_version\" text, \"predicted_at\" timestamp with time zone, PRIMARY KEY (\"id\", \"token\"))");
    is(postgres_sql_make_rejects("\"r\""),
       "CREATE TABLE \"r\" (job text, key text, reason text NOT NULL, model text NOT NULL, "
       "rejected_at timestamp with time zone NOT NULL, PRIMARY KEY (job, key))");
    is(postgres_sql_make_progress("\"p\""), "CREATE TABLE \"p\" (job text PRIMARY KEY, position text NOT "
                                            "NULL, updated_at timestamp with time zone NOT NULL)");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_name_is_quoted_whatever_it_holds,
        a_name_of_a_table_is_taken_apart,
        a_column_is_found_as_it_is_or_in_small_letters,
        rows_are_claimed_in_the_order_of_their_key,
        each_kind_of_value_comes_as_itself,
        a_key_of_another_type_goes_as_a_text_and_several_as_json,
        a_row_is_done_when_it_has_a_result_or_is_rejected,
        results_are_written_beside_their_rows,
        results_of_a_table_of_their_own_are_written_once,
        what_is_missing_can_be_made,
    };
    return SUITE_RUN("postgres_sql", NULL, NULL, tests);
}
