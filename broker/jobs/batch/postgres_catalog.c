/* postgres_catalog: see postgres_catalog.h. All of it is one transaction. SPDX-License-Identifier: MIT */
#include "postgres_search.h"

#include <stdio.h>
#include <stdlib.h>

#define REJECTS  "outrigger_rejects"
#define PROGRESS "outrigger_progress"

/* ---- what is made ---- */

static bool make(struct search *search, char *statement)
{
    bool done = search_ask(search, statement, NULL, NULL);
    if (!done)
        search_append(search, "; make it: %s", statement);
    search->changed = search->changed || done;
    free(statement);
    return done;
}

/* It is not there, and is not to be made by us. */
static bool refuse(struct search *search, char *statement)
{
    search_append(search, ": --create makes it, or: %s", statement);
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
    bool fine = search_relation(search, name, schema, &relation, &there, its_schema, table);
    if (fine && (there || !search->job->dry)) {
        *quoted = there ? object_strdup(relation.quoted) : search_quote(its_schema, table);
        fine = there || make(search, statement(*quoted));
    }
    search_forget(&relation);
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
    return fits || search_complain(search, "column %s of table %s.%s is %s: expected %s", column->name,
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
        search_complain(search, "table %s.%s has no column ", relation->schema, relation->table);
        for (size_t i = 0, told = 0; i < POSTGRES_RESULTS_COUNT; i++)
            if (missing & (1U << i))
                search_append(search, "%s%s", told++ > 0 ? ", " : "", names[i]);
        if (!search->job->create)
            return refuse(search, statement);
        *search->reason = '\0';
        bool there;
        char schema[POSTGRES_NAME_MAX], table[POSTGRES_NAME_MAX];
        memcpy(schema, relation->schema, sizeof schema);
        memcpy(table, relation->table, sizeof table);
        if (!make(search, statement) || !search_look_up(search, schema, table, relation, &there))
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
    if (!search_relation(search, search->job->from->table, NULL, source, &there, schema, table))
        return false;
    if (!there)
        return search_complain(search, "there is no table %.100s", search->job->from->table);
    if (claims && source->kind != 'r' && source->kind != 'p')
        return search_complain(
            search,
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
            search_complain(search, "table %s.%s has no column ", plan->source->schema, plan->source->table);
        search_append(search, "%s%s", missing > 1 ? ", " : "", job->columns[i]);
    }
    if (missing == 0)
        return true;
    search_append(search, "; there are: ");
    for (size_t i = 0; i < plan->source->count; i++)
        search_append(search, "%s%s", i > 0 ? ", " : "", plan->source->columns[i].name);
    return false;
}

/* The key's columns of a table of results, which must be unique there. */
static bool check_sink_key(struct search *search)
{
    const struct postgres_relation *sink = &search->found->sink;
    const struct postgres_key *key = &search->found->plan.key;
    struct postgres_key there = {0};
    for (size_t i = 0; i < key->count; i++)
        if (!search_add_part(search, sink, &there, text_of(key->parts[i]->name)))
            return false;
    return search_ask_unique(search, sink) && search_check_key(search, sink, &there);
}

/* A table of results in the schema `beside`, or its own, for the key of the plan; `name` is the user's. */
static bool find_sink(struct search *search, const char *name, const char *beside)
{
    char schema[POSTGRES_NAME_MAX], table[POSTGRES_NAME_MAX];
    const char *names[POSTGRES_RESULTS_COUNT];
    struct postgres_relation *sink = &search->found->sink;
    bool there = false;
    if (!search_relation(search, name, beside, sink, &there, schema, table))
        return false;
    if (!there) {
        name_results(search->job, names);
        char *quoted = *schema == '\0' ? postgres_quote(table) : search_quote(schema, table);
        char *statement =
            postgres_sql_make_sink(quoted, &search->found->plan.key, names, prediction_type(search->job));
        free(quoted);
        if (!search->job->create) {
            search_complain(search, "there is no table %s%s%s", schema, *schema == '\0' ? "" : ".", table);
            return refuse(search, statement);
        }
        if (!make(search, statement) || !search_look_up(search, schema, table, sink, &there))
            return false;
        ENSURE(there);
    }
    if (sink->kind != 'r' && sink->kind != 'p')
        return search_complain(search, "%s.%s is no table: nothing can be written to it", sink->schema,
                               sink->table);
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
    return search_key(search, &found->source, search->job->from->key, &found->plan.key) &&
           find_values(search);
}

static bool find_both(struct search *search)
{
    const struct table_job *job = search->job;
    struct postgres_found *found = search->found;
    if (!find_source(search, true) || !find_rows(search))
        return false;
    if (job->to->kind == PLACE_COLUMN) {
        if (place_result(job->to, "predicted_at") == NULL)
            return search_complain(search,
                                   "column: without predicted_at nothing would tell which rows are done");
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
        if (!search_relation(search, search->job->to->at, found->source.schema, &found->sink, &there, schema,
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
        !search_key(search, &found->sink, job->to->key, &found->plan.key))
        return false;
    if (found->plan.key.count > 1)
        return search_complain(
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
        !search_ask(&search, "SELECT pg_advisory_xact_lock(hashtext('outrigger batch'))::text", NULL, NULL))
        return false;
    bool fine = part == TABLE_BOTH     ? find_both(&search)
                : part == TABLE_SOURCE ? find_source_alone(&search)
                                       : find_sink_alone(&search);
    if (fine && search.changed)
        return postgres_link_commit(link, NULL, reason) == POSTGRES_DONE;
    postgres_link_rollback(link);
    return fine;
}

void postgres_found_free(struct postgres_found *found)
{
    search_forget(&found->source);
    search_forget(&found->sink);
    free(found->plan.values);
    free(found->rejects);
    free(found->progress);
    *found = (struct postgres_found){0};
}
