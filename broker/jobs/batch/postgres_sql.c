/* postgres_sql: see postgres_sql.h.
 *
 * Three names are used in all statements: t is the source, r the sink's table, u the arrays that we send.
 * Subqueries about what is done have an OFFSET 0, which keeps the planner from making joins of them: a join
 * may begin with reading all results for each chunk, when statistics are old; so one probe of an index is
 * made for each row: but only where there is anything to be found, as one probe for all of them tells first.
 * SPDX-License-Identifier: MIT */
#include "postgres_sql.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- names ---- */

static void put_name(FILE *out, const char *name)
{
    fputc('"', out);
    for (; *name != '\0'; name++) {
        if (*name == '"')
            fputc('"', out);
        fputc(*name, out);
    }
    fputc('"', out);
}

struct writing {
    char *text;
    size_t length;
    FILE *out;
};

static FILE *begin(struct writing *writing)
{
    *writing = (struct writing){0};
    writing->out = open_memstream(&writing->text, &writing->length);
    ENSURE(writing->out != NULL);
    return writing->out;
}

static char *end(struct writing *writing)
{
    ENSURE(fclose(writing->out) == 0 && writing->text != NULL);
    return writing->text;
}

char *postgres_quote(const char *name)
{
    struct writing writing;
    put_name(begin(&writing), name);
    return end(&writing);
}

/* One part of a name, to its end or a dot; where it ends, or NULL. */
static const char *take_part(const char *at, char part[POSTGRES_NAME_MAX])
{
    size_t length = 0;
    bool quoted = *at == '"';
    for (at += quoted; *at != '\0'; at++) {
        if (quoted && *at == '"') {
            if (at[1] != '"')
                break;
            at++;
        } else if (!quoted && *at == '.')
            break;
        if (length + 1 >= POSTGRES_NAME_MAX)
            return NULL;
        part[length++] = *at;
    }
    part[length] = '\0';
    if (length == 0 || (quoted && *at != '"'))
        return NULL;
    at += quoted;
    return *at == '\0' || *at == '.' ? at : NULL;
}

bool postgres_split(const char *text, char schema[POSTGRES_NAME_MAX], char table[POSTGRES_NAME_MAX])
{
    *schema = '\0';
    const char *at = take_part(text, table);
    if (at == NULL || *at == '\0')
        return at != NULL;
    memcpy(schema, table, POSTGRES_NAME_MAX);
    at = take_part(at + 1, table);
    return at != NULL && *at == '\0';
}

const struct postgres_column *postgres_column(const struct postgres_relation *relation, struct text name)
{
    char small[POSTGRES_NAME_MAX];
    for (size_t i = 0; i < relation->count; i++)
        if (text_is(name, relation->columns[i].name))
            return &relation->columns[i];
    text_copy(name, small, sizeof small);
    for (char *at = small; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    for (size_t i = 0; i < relation->count; i++)
        if (strcmp(small, relation->columns[i].name) == 0)
            return &relation->columns[i];
    return NULL;
}

/* ---- parts of statements ---- */

static void put_column(FILE *out, const char *of, const char *name)
{
    fprintf(out, "%s.", of);
    put_name(out, name);
}

/* Puts "(a, b)" of all parts, or the one. */
static void put_key(FILE *out, const struct postgres_key *key, const char *of)
{
    for (size_t i = 0; i < key->count; i++) {
        fputs(i > 0 ? ", " : key->count > 1 ? "(" : "", out);
        put_column(out, of, key->parts[i]->name);
    }
    fputs(key->count > 1 ? ")" : "", out);
}

/* The key as we get it. */
static void put_key_out(FILE *out, const struct postgres_key *key, const char *of)
{
    if (key->count == 1) {
        put_column(out, of, key->parts[0]->name);
        fputs(key->integer ? "::int8" : "::text", out);
        return;
    }
    for (size_t i = 0; i < key->count; i++) {
        fputs(i == 0 ? "json_build_array(" : ", ", out);
        put_column(out, of, key->parts[i]->name);
        fputs("::text", out);
    }
    fputs(")::text", out);
}

/* One part of a key that we gave, out of `from`. */
static void put_part_in(FILE *out, const struct postgres_key *key, size_t part, const char *from)
{
    if (key->integer)
        fputs(from, out);
    else if (key->count == 1)
        fprintf(out, "%s::%s", from, key->parts[0]->type);
    else
        fprintf(out, "(%s::json->>%zu)::%s", from, part, key->parts[part]->type);
}

static void put_key_in(FILE *out, const struct postgres_key *key, const char *from)
{
    for (size_t i = 0; i < key->count; i++) {
        fputs(i > 0 ? ", " : key->count > 1 ? "(" : "", out);
        put_part_in(out, key, i, from);
    }
    fputs(key->count > 1 ? ")" : "", out);
}

/* "$1", of which it is said what we send. */
static const char *key_parameter(const struct postgres_key *key, unsigned number, char text[24])
{
    snprintf(text, 24, "$%u::%s", number, key->integer ? "int8" : "text");
    return text;
}

static void put_comparison(FILE *out, const struct postgres_key *key, const char *of, const char *sign,
                           unsigned number)
{
    char parameter[24];
    put_key(out, key, of);
    fprintf(out, " %s ", sign);
    put_key_in(out, key, key_parameter(key, number, parameter));
}

/* A text as a value. */
static void put_literal(FILE *out, const char *text)
{
    fputs("E'", out);
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            fputc(*text, out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void put_no_result(FILE *out, const struct postgres_plan *plan, bool behind)
{
    if (plan->sink == NULL)
        return;
    if (plan->sink == plan->source) {
        fputs(" AND ", out);
        put_column(out, "t", plan->results[POSTGRES_RESULT_predicted_at]->name);
        fputs(" IS NULL", out);
        return;
    }
    fprintf(out, " AND (NOT EXISTS (SELECT 1 FROM %s r", plan->sink->quoted);
    if (behind) {
        fputs(" WHERE ", out);
        put_comparison(out, &plan->key, "r", ">", 1);
    }
    fprintf(out, ") OR NOT EXISTS (SELECT 1 FROM %s r WHERE ", plan->sink->quoted);
    for (size_t i = 0; i < plan->key.count; i++) {
        fputs(i > 0 ? " AND " : "", out);
        put_column(out, "r", plan->key.parts[i]->name);
        fputs(" = ", out);
        put_column(out, "t", plan->key.parts[i]->name);
    }
    fputs(" OFFSET 0))", out);
}

/* Which rows are to be done. */
static void put_rows(FILE *out, const struct postgres_plan *plan, bool behind)
{
    fprintf(out, " FROM %s t WHERE ", plan->source->quoted);
    if (behind)
        put_comparison(out, &plan->key, "t", ">", 1);
    else
        fputs("true", out);
    put_no_result(out, plan, behind);
    if (plan->rejects != NULL) {
        fprintf(out, " AND (NOT EXISTS (SELECT 1 FROM %s j WHERE j.job = ", plan->rejects);
        put_literal(out, plan->job);
        fprintf(out, ") OR NOT EXISTS (SELECT 1 FROM %s j WHERE j.job = ", plan->rejects);
        put_literal(out, plan->job);
        fputs(" AND j.key = ", out);
        put_key_out(out, &plan->key, "t");
        fputs(plan->key.integer ? "::text OFFSET 0))" : " OFFSET 0))", out);
    }
    if (plan->where != NULL)
        fprintf(out, " AND (%s\n)", plan->where); /* it may end with a comment */
}

/* ---- how values go ---- */

enum postgres_form postgres_value_form(const struct postgres_plan *plan, size_t value)
{
    const struct postgres_column *column = plan->values[value];
    return column == NULL || plan->as_text[value] ? POSTGRES_AS_TEXT : column->form;
}

enum postgres_form postgres_result_form(const struct postgres_column *column)
{
    return column->form == POSTGRES_AS_INTEGER || column->form == POSTGRES_AS_NUMBER ? POSTGRES_AS_NUMBER
                                                                                     : POSTGRES_AS_TEXT;
}

static void put_value(FILE *out, const struct postgres_plan *plan, size_t value)
{
    static const char *const casts[] = {"::text", "::int8", "::float8", "::bool"};
    if (plan->values[value] == NULL) {
        fputs(", NULL::text", out);
        return;
    }
    fputs(", ", out);
    put_column(out, "t", plan->values[value]->name);
    fputs(casts[postgres_value_form(plan, value)], out);
}

/* ---- reading ---- */

char *postgres_sql_take(const struct postgres_plan *plan, bool behind, bool claim)
{
    struct writing writing;
    FILE *out = begin(&writing);
    fputs("SELECT ", out);
    put_key_out(out, &plan->key, "t");
    for (size_t i = 0; i < plan->width; i++)
        put_value(out, plan, i);
    put_rows(out, plan, behind);
    fputs(" ORDER BY ", out);
    for (size_t i = 0; i < plan->key.count; i++) {
        fputs(i > 0 ? ", " : "", out);
        put_column(out, "t", plan->key.parts[i]->name);
    }
    /* Of the locks that exclude each other the weakest: rows that refer to ours go on being written. */
    fprintf(out, " LIMIT $%d::int8%s", behind ? 2 : 1, claim ? " FOR NO KEY UPDATE OF t SKIP LOCKED" : "");
    return end(&writing);
}

char *postgres_sql_count(const struct postgres_plan *plan)
{
    struct writing writing;
    FILE *out = begin(&writing);
    fputs("SELECT count(*)", out);
    put_rows(out, plan, false);
    return end(&writing);
}

char *postgres_sql_left(const struct postgres_plan *plan)
{
    struct writing writing;
    FILE *out = begin(&writing);
    fputs("SELECT 1", out);
    put_rows(out, plan, false);
    fputs(" LIMIT 1", out);
    return end(&writing);
}

char *postgres_sql_done(const struct postgres_plan *plan)
{
    struct writing writing;
    FILE *out = begin(&writing);
    fputs("SELECT ", out);
    put_key_out(out, &plan->key, "r");
    fprintf(out, " FROM %s r WHERE ", plan->sink->quoted);
    put_comparison(out, &plan->key, "r", ">=", 1);
    fputs(" AND ", out);
    put_comparison(out, &plan->key, "r", "<=", 2);
    fputs(" ORDER BY ", out);
    for (size_t i = 0; i < plan->key.count; i++) {
        fputs(i > 0 ? ", " : "", out);
        put_column(out, "r", plan->key.parts[i]->name);
    }
    return end(&writing);
}

/* ---- writing ---- */

static const char *const result_names[] = {
#define X(name) #name,
    POSTGRES_RESULTS(X)
#undef X
};

/* The arrays as rows of u, how many the planner does not see: else it may read the whole table up to them,
 * for each chunk. Returns the number of the parameter behind them. */
static unsigned put_arrays(FILE *out, const struct postgres_plan *plan)
{
    unsigned next = 2;
    fprintf(out, "unnest((SELECT $1::%s[])", plan->key.integer ? "int8" : "text");
    for (size_t i = 0; i < POSTGRES_RESULT_predicted_at; i++)
        if (plan->results[i] != NULL)
            fprintf(out, ", (SELECT $%u::%s[])", next++,
                    postgres_result_form(plan->results[i]) == POSTGRES_AS_NUMBER ? "float8" : "text");
    fputs(") AS u(key", out);
    for (size_t i = 0; i < POSTGRES_RESULT_predicted_at; i++)
        if (plan->results[i] != NULL)
            fprintf(out, ", %s", result_names[i]);
    fputs(")", out);
    return next;
}

/* What is assigned to a result: number to number and text to text need no cast, so that what does not fit is
 * an error, and is not cut. */
static void put_result(FILE *out, const struct postgres_plan *plan, size_t result, unsigned when)
{
    const struct postgres_column *column = plan->results[result];
    if (result == POSTGRES_RESULT_predicted_at)
        fprintf(out, "$%u::text::%s", when, column->type);
    else if (postgres_result_form(column) == POSTGRES_AS_NUMBER || column->is_string)
        fprintf(out, "u.%s", result_names[result]);
    else
        fprintf(out, "u.%s::%s", result_names[result], column->type);
}

/* The number of the parameter that says when. */
static unsigned parameter_when(const struct postgres_plan *plan)
{
    unsigned next = 2;
    for (size_t i = 0; i < POSTGRES_RESULT_predicted_at; i++)
        next += plan->results[i] != NULL;
    return next;
}

static void put_update(FILE *out, const struct postgres_plan *plan)
{
    const char *before = " SET ";
    fprintf(out, "UPDATE %s t", plan->source->quoted);
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (plan->results[i] != NULL) {
            fputs(before, out);
            put_name(out, plan->results[i]->name);
            fputs(" = ", out);
            put_result(out, plan, i, parameter_when(plan));
            before = ", ";
        }
    fputs(" FROM ", out);
    put_arrays(out, plan);
    for (size_t i = 0; i < plan->key.count; i++) {
        fputs(i == 0 ? " WHERE " : " AND ", out);
        put_column(out, "t", plan->key.parts[i]->name);
        fputs(" = ", out);
        put_part_in(out, &plan->key, i, "u.key");
    }
    put_no_result(out, plan, false);
}

/* ("key", "prediction", ...): the columns of a row of results. */
static void put_columns(FILE *out, const struct postgres_plan *plan)
{
    fputs("(", out);
    for (size_t i = 0; i < plan->key.count; i++) {
        fputs(i > 0 ? ", " : "", out);
        put_name(out, plan->key.parts[i]->name);
    }
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (plan->results[i] != NULL) {
            fputs(", ", out);
            put_name(out, plan->results[i]->name);
        }
    fputs(")", out);
}

static void put_insert(FILE *out, const struct postgres_plan *plan)
{
    fprintf(out, "INSERT INTO %s ", plan->sink->quoted);
    put_columns(out, plan);
    fputs(" SELECT ", out);
    for (size_t i = 0; i < plan->key.count; i++) {
        fputs(i > 0 ? ", " : "", out);
        put_part_in(out, &plan->key, i, "u.key");
    }
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (plan->results[i] != NULL) {
            fputs(", ", out);
            put_result(out, plan, i, parameter_when(plan));
        }
    fputs(" FROM ", out);
    put_arrays(out, plan);
    fputs(" ON CONFLICT DO NOTHING", out);
}

char *postgres_sql_write(const struct postgres_plan *plan)
{
    struct writing writing;
    FILE *out = begin(&writing);
    if (plan->sink == plan->source)
        put_update(out, plan);
    else
        put_insert(out, plan);
    return end(&writing);
}

char *postgres_sql_copy(const struct postgres_plan *plan)
{
    struct writing writing;
    FILE *out = begin(&writing);
    fprintf(out, "COPY %s ", plan->sink->quoted);
    put_columns(out, plan);
    fputs(" FROM STDIN (FORMAT binary)", out);
    return end(&writing);
}

/* A row has the lower half of its transaction's number. */
#define WRITTEN_BY "r.xmin::text = ($1::text::int8 & 4294967295)::text"

char *postgres_sql_proof(const struct postgres_plan *plan)
{
    struct writing writing;
    FILE *out = begin(&writing);
    fprintf(out, "SELECT 1 FROM %s r WHERE " WRITTEN_BY, plan->sink->quoted);
    for (size_t i = 0; i < plan->key.count; i++) {
        fputs(" AND ", out);
        put_column(out, "r", plan->key.parts[i]->name);
        fputs(" = ", out);
        put_part_in(out, &plan->key, i, plan->key.integer ? "($2::int8[])[1]" : "($2::text[])[1]");
    }
    return end(&writing);
}

char *postgres_sql_position(const char *progress)
{
    struct writing writing;
    FILE *out = begin(&writing);
    fprintf(out, "SELECT 1 FROM %s r WHERE " WRITTEN_BY " AND r.job = $2::text AND r.position = $3::text",
            progress);
    return end(&writing);
}

char *postgres_sql_reject(const struct postgres_plan *plan)
{
    struct writing writing;
    FILE *out = begin(&writing);
    fprintf(
        out,
        "INSERT INTO %s (job, key, reason, model, rejected_at) SELECT $1::text, u.key, u.reason, "
        "$4::text, "
        "$5::text::timestamptz FROM unnest($2::text[], $3::text[]) AS u(key, reason) ON CONFLICT DO NOTHING",
        plan->rejects);
    return end(&writing);
}

/* ---- making what is missing ---- */

static const char *type_of_result(size_t result, const char *prediction)
{
    static const char *const types[POSTGRES_RESULTS_COUNT] = {NULL, "double precision", "text", "text",
                                                              "timestamp with time zone"};
    return types[result] == NULL ? prediction : types[result];
}

char *postgres_sql_add_columns(const char *quoted, const char *const *names, unsigned missing,
                               const char *prediction)
{
    struct writing writing;
    FILE *out = begin(&writing);
    fprintf(out, "ALTER TABLE %s", quoted);
    const char *before = " ";
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (missing & (1U << i)) {
            fprintf(out, "%sADD COLUMN ", before);
            put_name(out, names[i]);
            fprintf(out, " %s", type_of_result(i, prediction));
            before = ", ";
        }
    return end(&writing);
}

char *postgres_sql_make_sink(const char *quoted, const struct postgres_key *key, const char *const *names,
                             const char *prediction)
{
    struct writing writing;
    FILE *out = begin(&writing);
    fprintf(out, "CREATE TABLE %s (", quoted);
    for (size_t i = 0; i < key->count; i++) {
        put_name(out, key->parts[i]->name);
        fprintf(out, " %s, ", key->parts[i]->type);
    }
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (names[i] != NULL) {
            put_name(out, names[i]);
            fprintf(out, " %s, ", type_of_result(i, prediction));
        }
    fputs("PRIMARY KEY (", out);
    for (size_t i = 0; i < key->count; i++) {
        fputs(i > 0 ? ", " : "", out);
        put_name(out, key->parts[i]->name);
    }
    fputs("))", out);
    return end(&writing);
}

static char *make_table(const char *quoted, const char *columns)
{
    struct writing writing;
    fprintf(begin(&writing), "CREATE TABLE %s (%s)", quoted, columns);
    return end(&writing);
}

char *postgres_sql_make_rejects(const char *quoted)
{
    return make_table(quoted, "job text, key text, reason text NOT NULL, model text NOT NULL, "
                              "rejected_at timestamp with time zone NOT NULL, PRIMARY KEY (job, key)");
}

char *postgres_sql_make_progress(const char *quoted)
{
    return make_table(quoted, "job text PRIMARY KEY, position text NOT NULL, "
                              "updated_at timestamp with time zone NOT NULL");
}
