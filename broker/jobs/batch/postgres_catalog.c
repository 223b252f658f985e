/* postgres_catalog: see postgres_catalog.h.
 *
 * All of it is one transaction. Names are looked for as they are written, then in small letters, as SQL has
 * them; a name without a schema is that of the first schema in the path that has it, and for what goes with
 * another table (results, rejects) in that one's schema. SPDX-License-Identifier: MIT */
#include "postgres_catalog.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define REJECTS  "outrigger_rejects"
#define PROGRESS "outrigger_progress"

/* Where a search stands. */
struct search {
    struct postgres_link *link;
    const struct table_job *job;
    struct postgres_found *found;
    char *reason; /* TABLE_REASON_MAX bytes */
    bool changed; /* something was made */
};

static bool complain(struct search *search, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool complain(struct search *search, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(search->reason, TABLE_REASON_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static void append(struct search *search, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(struct search *search, const char *format, ...)
{
    size_t length = strlen(search->reason);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(search->reason + length, TABLE_REASON_MAX - length, format, arguments);
    va_end(arguments);
}

/* With at most two texts as parameters. */
static bool ask(struct search *search, const char *statement, const char *one, const char *two)
{
    const struct postgres_value values[] = {{.at = one}, {.at = two}};
    size_t count = one == NULL ? 0 : two == NULL ? 1 : 2;
    return postgres_link_ask(search->link, statement, values, count, search->reason) == POSTGRES_DONE;
}

/* A text of the answer; "" for NULL. */
static const char *cell(const struct search *search, size_t row, size_t column)
{
    size_t length;
    const char *text = postgres_link_value(search->link, row, column, &length);
    return text == NULL ? "" : text;
}

/* ---- relations ---- */

static void relation_free(struct postgres_relation *relation)
{
    for (size_t i = 0; i < relation->count; i++) {
        free((char *)relation->columns[i].name);
        free((char *)relation->columns[i].type);
    }
    free(relation->columns);
    free((char *)relation->quoted);
    *relation = (struct postgres_relation){0};
}

static char *quote_both(const char *schema, const char *table)
{
    char *first = postgres_quote(schema), *second = postgres_quote(table), *both;
    ENSURE(asprintf(&both, "%s.%s", first, second) > 0);
    free(first);
    free(second);
    return both;
}

static enum postgres_form form_of(const char *type)
{
    static const struct {
        const char *type;
        enum postgres_form form;
    } forms[] = {{"int2", POSTGRES_AS_INTEGER},  {"int4", POSTGRES_AS_INTEGER},
                 {"int8", POSTGRES_AS_INTEGER},  {"float4", POSTGRES_AS_NUMBER},
                 {"float8", POSTGRES_AS_NUMBER}, {"numeric", POSTGRES_AS_NUMBER},
                 {"bool", POSTGRES_AS_TRUTH}};
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        if (strcmp(type, forms[i].type) == 0)
            return forms[i].form;
    return POSTGRES_AS_TEXT;
}

static bool read_columns(struct search *search, struct postgres_relation *relation)
{
    if (!ask(
            search,
            "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), b.typname::text, "
            "a.attnotnull::text "
            "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
            "JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END "
            "WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            relation->quoted, NULL))
        return false;
    relation->count = postgres_link_rows(search->link);
    relation->columns = object_alloc((relation->count + 1) * sizeof *relation->columns);
    for (size_t i = 0; i < relation->count; i++) {
        const char *base = cell(search, i, 2);
        relation->columns[i] = (struct postgres_column){
            .name = object_strdup(cell(search, i, 0)),
            .type = object_strdup(cell(search, i, 1)),
            .form = form_of(base),
            .is_string = strcmp(base, "text") == 0 || strcmp(base, "varchar") == 0,
            .is_time = strcmp(base, "timestamptz") == 0 || strcmp(base, "timestamp") == 0,
            .required = strcmp(cell(search, i, 3), "true") == 0};
    }
    return true;
}

/* One name as it is; `there` says whether it is. */
static bool look_up(struct search *search, const char *schema, const char *table,
                    struct postgres_relation *relation, bool *there)
{
    if (!ask(search,
             "SELECT n.nspname::text, c.relname::text, c.relkind::text FROM pg_class c "
             "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = $1::text AND c.relkind IN "
             "('r', 'p', 'v', 'm', 'f') AND CASE $2::text WHEN '' THEN pg_table_is_visible(c.oid) "
             "ELSE n.nspname = $2::text END",
             table, schema))
        return false;
    *there = postgres_link_rows(search->link) > 0;
    if (!*there)
        return true;
    relation_free(relation);
    text_copy(text_of(cell(search, 0, 0)), relation->schema, sizeof relation->schema);
    text_copy(text_of(cell(search, 0, 1)), relation->table, sizeof relation->table);
    relation->kind = *cell(search, 0, 2);
    relation->quoted = quote_both(relation->schema, relation->table);
    return read_columns(search, relation);
}

static void make_small(char *name)
{
    for (; *name != '\0'; name++)
        *name = (char)tolower((unsigned char)*name);
}

/* A table by the user's name for it; in the schema `beside` (NULL: in the path) where the name has none.
 * Where it should be is told when it is not there. */
static bool find_relation(struct search *search, const char *name, const char *beside,
                          struct postgres_relation *relation, bool *there, char schema[POSTGRES_NAME_MAX],
                          char table[POSTGRES_NAME_MAX])
{
    char small_schema[POSTGRES_NAME_MAX], small_table[POSTGRES_NAME_MAX];
    if (!postgres_split(name, schema, table))
        return complain(search, "\"%.100s\" is no name of a table: expected NAME or SCHEMA.NAME", name);
    if (*schema == '\0' && beside != NULL)
        text_copy(text_of(beside), schema, POSTGRES_NAME_MAX);
    if (!look_up(search, schema, table, relation, there))
        return false;
    if (*there)
        return true;
    memcpy(small_schema, schema, sizeof small_schema);
    memcpy(small_table, table, sizeof small_table);
    make_small(small_table);
    if (beside == NULL || strcmp(schema, beside) != 0)
        make_small(small_schema);
    return look_up(search, small_schema, small_table, relation, there);
}

/* ---- keys ---- */

static const struct postgres_column *need_column(struct search *search,
                                                 const struct postgres_relation *relation, struct text name)
{
    const struct postgres_column *column = postgres_column(relation, name);
    if (column != NULL)
        return column;
    complain(search, "table %s.%s has no column %.*s; there are: ", relation->schema, relation->table,
             (int)(name.length < 64 ? name.length : 64), name.at);
    for (size_t i = 0; i < relation->count; i++)
        append(search, "%s%s", i > 0 ? ", " : "", relation->columns[i].name);
    return NULL;
}

static bool add_part(struct search *search, const struct postgres_relation *relation,
                     struct postgres_key *key, struct text name)
{
    if (key->count == POSTGRES_KEY_MAX)
        return complain(search, "the key of table %s.%s has more than %d columns", relation->schema,
                        relation->table, POSTGRES_KEY_MAX);
    return (key->parts[key->count++] = need_column(search, relation, name)) != NULL;
}

static bool said_key(struct search *search, const struct postgres_relation *relation, const char *words,
                     struct postgres_key *key)
{
    while (*words != '\0') {
        size_t length = strcspn(words, ",");
        if (!add_part(search, relation, key, text_trim((struct text){words, length})))
            return false;
        words += length + (words[length] == ',');
    }
    return true;
}

/* The columns of all unique indices, the primary key's first: index, whether it is that, column. */
static bool ask_unique(struct search *search, const struct postgres_relation *relation)
{
    return ask(search,
               "SELECT i.indexrelid::text, i.indisprimary::text, a.attname::text FROM pg_index i "
               "CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place) "
               "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number "
               "WHERE i.indrelid = $1::text::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate "
               "AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts "
               "ORDER BY i.indisprimary DESC, i.indexrelid, k.place",
               relation->quoted, NULL);
}

static bool is_part(const struct postgres_key *key, const char *name)
{
    for (size_t i = 0; i < key->count; i++)
        if (strcmp(key->parts[i]->name, name) == 0)
            return true;
    return false;
}

/* Of what ask_unique brought: some index has columns of the key alone. */
static bool is_unique(const struct search *search, const struct postgres_key *key)
{
    size_t rows = postgres_link_rows(search->link);
    for (size_t row = 0; row < rows;) {
        bool within = true;
        const char *index = cell(search, row, 0);
        for (; row < rows && strcmp(cell(search, row, 0), index) == 0; row++)
            within = within && is_part(key, cell(search, row, 2));
        if (within)
            return true;
    }
    return false;
}

static void print_key(struct search *search, const struct postgres_key *key)
{
    for (size_t i = 0; i < key->count; i++)
        append(search, "%s%s", i > 0 ? ", " : "", key->parts[i]->name);
}

/* Rows of a key that is not unique would be written with each other's results; a row without a key is never
 * reached. */
static bool check_key(struct search *search, const struct postgres_relation *relation,
                      const struct postgres_key *key)
{
    if (!is_unique(search, key)) {
        complain(
            search,
            "nothing says that the key of table %s.%s is unique: make it so with CREATE UNIQUE INDEX ON %s (",
            relation->schema, relation->table, relation->quoted);
        print_key(search, key);
        append(search, ")");
        return false;
    }
    for (size_t i = 0; i < key->count; i++)
        if (!key->parts[i]->required)
            return complain(search, "column %s of table %s.%s is a key, and may be NULL: make it NOT NULL",
                            key->parts[i]->name, relation->schema, relation->table);
    return true;
}

/* The key as it is said, or the primary key. */
static bool find_key(struct search *search, const struct postgres_relation *relation, const char *said,
                     struct postgres_key *key)
{
    bool is_table = relation->kind == 'r' || relation->kind == 'p';
    *key = (struct postgres_key){0};
    if (said != NULL && !said_key(search, relation, said, key))
        return false;
    if (is_table && !ask_unique(search, relation))
        return false;
    for (size_t row = 0; said == NULL && is_table && row < postgres_link_rows(search->link); row++)
        if (strcmp(cell(search, row, 1), "true") == 0 &&
            !add_part(search, relation, key, text_of(cell(search, row, 2))))
            return false;
    if (key->count == 0)
        return complain(search, "%s %s.%s has no primary key: say which column names a row, with key=COLUMN",
                        is_table ? "table" : "view", relation->schema, relation->table);
    key->integer = key->count == 1 && key->parts[0]->form == POSTGRES_AS_INTEGER;
    return !is_table || check_key(search, relation, key);
}

/* ---- what is made ---- */

static bool make(struct search *search, char *statement)
{
    bool done = ask(search, statement, NULL, NULL);
    if (!done)
        append(search, "; make it: %s", statement);
    search->changed = search->changed || done;
    free(statement);
    return done;
}

/* It is not there, and is not to be made by us. */
static bool refuse(struct search *search, char *statement)
{
    append(search, ": --create makes it, or: %s", statement);
    free(statement);
    return false;
}

/* A table of our own, which is made when it is not there, but for a dry run; *quoted is its name, or stays
 * NULL. */
static bool find_own(struct search *search, const char *name, const char *schema,
                     char *(*statement)(const char *quoted), char **quoted)
{
    struct postgres_relation relation = {0};
    char its_schema[POSTGRES_NAME_MAX], table[POSTGRES_NAME_MAX];
    bool there = false;
    bool fine = find_relation(search, name, schema, &relation, &there, its_schema, table);
    if (fine && (there || !search->job->dry)) {
        *quoted = there ? object_strdup(relation.quoted) : quote_both(its_schema, table);
        fine = there || make(search, statement(*quoted));
    }
    relation_free(&relation);
    return fine;
}

/* ---- results ---- */

static const char *const result_names[] = {
#define X(name) #name,
    POSTGRES_RESULTS(X)
#undef X
};

static const char *prediction_type(const struct table_job *job)
{
    return job->prediction == TABLE_PREDICTION_TEXT    ? "text"
           : job->prediction == TABLE_PREDICTION_CLASS ? "bigint"
                                                       : "double precision";
}

static void name_results(const struct table_job *job, const char *names[POSTGRES_RESULTS_COUNT])
{
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        names[i] = place_result(job->to, result_names[i]);
}

static bool check_result(struct search *search, const struct postgres_relation *relation, size_t result)
{
    const struct postgres_column *column = search->found->plan.results[result];
    bool number = postgres_result_form(column) == POSTGRES_AS_NUMBER, fits = column->is_string;
    const char *wanted = "text";
    if (result == POSTGRES_RESULT_predicted_at) {
        fits = fits || column->is_time;
        wanted = "timestamp with time zone";
    } else if (result == POSTGRES_RESULT_probability) {
        fits = fits || number;
        wanted = "double precision";
    } else if (result == POSTGRES_RESULT_prediction) {
        fits = search->job->prediction != TABLE_PREDICTION_TEXT || !number;
        wanted = prediction_type(search->job);
    }
    return fits || complain(search, "column %s of table %s.%s is %s: expected %s", column->name,
                            relation->schema, relation->table, column->type, wanted);
}

/* Which of the columns are not there, as bits. */
static unsigned match_results(struct search *search, const struct postgres_relation *relation,
                              const char *const names[POSTGRES_RESULTS_COUNT])
{
    unsigned missing = 0;
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++) {
        const struct postgres_column *column =
            names[i] == NULL ? NULL : postgres_column(relation, text_of(names[i]));
        search->found->plan.results[i] = column;
        missing |= names[i] != NULL && column == NULL ? 1U << i : 0;
    }
    return missing;
}

/* The columns of results in the table, which is read anew where some are made. Before anything points to its
 * columns. */
static bool find_results(struct search *search, struct postgres_relation *relation)
{
    const char *names[POSTGRES_RESULTS_COUNT];
    name_results(search->job, names);
    unsigned missing = match_results(search, relation, names);
    if (missing != 0) {
        char *statement =
            postgres_sql_add_columns(relation->quoted, names, missing, prediction_type(search->job));
        complain(search, "table %s.%s has no column ", relation->schema, relation->table);
        for (size_t i = 0, told = 0; i < POSTGRES_RESULTS_COUNT; i++)
            if (missing & (1U << i))
                append(search, "%s%s", told++ > 0 ? ", " : "", names[i]);
        if (!search->job->create)
            return refuse(search, statement);
        *search->reason = '\0';
        bool there;
        char schema[POSTGRES_NAME_MAX], table[POSTGRES_NAME_MAX];
        memcpy(schema, relation->schema, sizeof schema);
        memcpy(table, relation->table, sizeof table);
        if (!make(search, statement) || !look_up(search, schema, table, relation, &there))
            return false;
        ENSURE(there && match_results(search, relation, names) == 0);
    }
    for (size_t i = 0; i < POSTGRES_RESULTS_COUNT; i++)
        if (names[i] != NULL && !check_result(search, relation, i))
            return false;
    return true;
}

/* ---- the parts of a plan ---- */

static bool find_source(struct search *search, bool claims)
{
    char schema[POSTGRES_NAME_MAX], table[POSTGRES_NAME_MAX];
    struct postgres_relation *source = &search->found->source;
    bool there = false;
    if (!find_relation(search, search->job->from->table, NULL, source, &there, schema, table))
        return false;
    if (!there)
        return complain(search, "there is no table %.100s", search->job->from->table);
    if (claims && source->kind != 'r' && source->kind != 'p')
        return complain(search,
                        "%s.%s is a view or a foreign table, whose rows cannot be claimed: write to another "
                        "place than its own database",
                        source->schema, source->table);
    search->found->plan.source = source;
    return true;
}

static bool find_values(struct search *search)
{
    const struct table_job *job = search->job;
    struct postgres_plan *plan = &search->found->plan;
    size_t missing = 0;
    free(plan->values);
    plan->values = object_alloc((job->width + 1) * sizeof *plan->values);
    plan->width = job->width;
    plan->as_text = job->is_text;
    plan->where = job->from->where;
    for (size_t i = 0; i < job->width; i++) {
        plan->values[i] = postgres_column(plan->source, text_of(job->columns[i]));
        if (plan->values[i] != NULL || job->optional[i])
            continue;
        if (missing++ == 0)
            complain(search, "table %s.%s has no column ", plan->source->schema, plan->source->table);
        append(search, "%s%s", missing > 1 ? ", " : "", job->columns[i]);
    }
    if (missing == 0)
        return true;
    append(search, "; there are: ");
    for (size_t i = 0; i < plan->source->count; i++)
        append(search, "%s%s", i > 0 ? ", " : "", plan->source->columns[i].name);
    return false;
}

/* The key's columns of a table of results, which must be unique there. */
static bool check_sink_key(struct search *search)
{
    const struct postgres_relation *sink = &search->found->sink;
    const struct postgres_key *key = &search->found->plan.key;
    struct postgres_key there = {0};
    for (size_t i = 0; i < key->count; i++)
        if (!add_part(search, sink, &there, text_of(key->parts[i]->name)))
            return false;
    return ask_unique(search, sink) && check_key(search, sink, &there);
}

/* A table of results in the schema `beside`, or its own, for the key of the plan; `name` is the user's. */
static bool find_sink(struct search *search, const char *name, const char *beside)
{
    char schema[POSTGRES_NAME_MAX], table[POSTGRES_NAME_MAX];
    const char *names[POSTGRES_RESULTS_COUNT];
    struct postgres_relation *sink = &search->found->sink;
    bool there = false;
    if (!find_relation(search, name, beside, sink, &there, schema, table))
        return false;
    if (!there) {
        name_results(search->job, names);
        char *quoted = *schema == '\0' ? postgres_quote(table) : quote_both(schema, table);
        char *statement =
            postgres_sql_make_sink(quoted, &search->found->plan.key, names, prediction_type(search->job));
        free(quoted);
        if (!search->job->create) {
            complain(search, "there is no table %s%s%s", schema, *schema == '\0' ? "" : ".", table);
            return refuse(search, statement);
        }
        if (!make(search, statement) || !look_up(search, schema, table, sink, &there))
            return false;
        ENSURE(there);
    }
    if (sink->kind != 'r' && sink->kind != 'p')
        return complain(search, "%s.%s is no table: nothing can be written to it", sink->schema, sink->table);
    search->found->plan.sink = sink;
    return find_results(search, sink);
}

static bool find_rejects(struct search *search, const char *schema)
{
    const char *name = *search->job->rejects == '\0' ? REJECTS : search->job->rejects;
    bool found = find_own(search, name, schema, postgres_sql_make_rejects, &search->found->rejects);
    search->found->plan.rejects = search->found->rejects;
    return found;
}

/* Key and values of the source. */
static bool find_rows(struct search *search)
{
    struct postgres_found *found = search->found;
    return find_key(search, &found->source, search->job->from->key, &found->plan.key) && find_values(search);
}

static bool find_both(struct search *search)
{
    const struct table_job *job = search->job;
    struct postgres_found *found = search->found;
    if (!find_source(search, true) || !find_rows(search))
        return false;
    if (job->to->kind == PLACE_COLUMN) {
        if (place_result(job->to, "predicted_at") == NULL)
            return complain(search, "column: without predicted_at nothing would tell which rows are done");
        if (!find_results(search, &found->source) || !find_rows(search)) /* columns may have been made */
            return false;
        found->plan.sink = &found->source;
    }
    if (job->to->kind != PLACE_COLUMN &&
        (!find_sink(search, job->to->at, found->source.schema) || !check_sink_key(search)))
        return false;
    return find_rejects(search, found->source.schema);
}

/* What `to` says is done, as far as it is there: nothing is made. */
static bool find_done(struct search *search)
{
    struct postgres_found *found = search->found;
    struct postgres_plan *plan = &found->plan;
    char schema[POSTGRES_NAME_MAX], table[POSTGRES_NAME_MAX];
    const char *at = place_result(search->job->to, "predicted_at");
    bool there = false;
    if (search->job->to->kind == PLACE_COLUMN) {
        const struct postgres_column *column =
            at == NULL ? NULL : postgres_column(&found->source, text_of(at));
        plan->results[POSTGRES_RESULT_predicted_at] = column;
        plan->sink = column == NULL ? NULL : &found->source;
    } else {
        if (!find_relation(search, search->job->to->at, found->source.schema, &found->sink, &there, schema,
                           table))
            return false;
        if (there && !check_sink_key(search))
            return false;
        plan->sink = there ? &found->sink : NULL;
    }
    return find_rejects(search, found->source.schema);
}

static bool find_source_alone(struct search *search)
{
    const struct table_job *job = search->job;
    bool beside = job->to->kind == PLACE_COLUMN || job->to->kind == PLACE_TABLE;
    return find_source(search, false) && find_rows(search) && (!job->dry || !beside || find_done(search));
}

static bool find_sink_alone(struct search *search)
{
    const struct table_job *job = search->job;
    struct postgres_found *found = search->found;
    const char *said = job->to->key != NULL ? job->to->key : job->from->key;
    struct postgres_column made = {.name = said != NULL ? said : "row",
                                   .type = place_is_database(job->from) ? "text" : "bigint"};
    found->plan.key = (struct postgres_key){.parts = {&made}, .count = 1}; /* of a table that is made */
    if (!find_sink(search, job->to->table, NULL) ||
        !find_key(search, &found->sink, job->to->key, &found->plan.key))
        return false;
    if (found->plan.key.count > 1)
        return complain(
            search, "the key of table %s.%s has several columns, and rows that come from elsewhere have one",
            found->sink.schema, found->sink.table);
    return find_rejects(search, found->sink.schema) &&
           find_own(search, PROGRESS, found->sink.schema, postgres_sql_make_progress, &found->progress);
}

bool postgres_find(struct postgres_link *link, const struct table_job *job, enum table_part part,
                   struct postgres_found *found, char reason[TABLE_REASON_MAX])
{
    struct search search = {.link = link, .job = job, .found = found, .reason = reason};
    *found = (struct postgres_found){.plan.job = job->name};
    *reason = '\0';
    /* Two jobs that begin at once make what is missing one after the other. */
    if (postgres_link_begin(link, reason) != POSTGRES_DONE ||
        !ask(&search, "SELECT pg_advisory_xact_lock(hashtext('outrigger batch'))::text", NULL, NULL))
        return false;
    bool fine = part == TABLE_BOTH     ? find_both(&search)
                : part == TABLE_SOURCE ? find_source_alone(&search)
                                       : find_sink_alone(&search);
    if (fine && search.changed)
        return postgres_link_commit(link, reason) == POSTGRES_DONE;
    postgres_link_rollback(link);
    return fine;
}

void postgres_found_free(struct postgres_found *found)
{
    relation_free(&found->source);
    relation_free(&found->sink);
    free(found->plan.values);
    free(found->rejects);
    free(found->progress);
    *found = (struct postgres_found){0};
}
