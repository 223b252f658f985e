/* job: the parameters of a job, and what they say together: which places go with which.
 * SPDX-License-Identifier: MIT */
#include "job.h"

#include <stdio.h>
#include <stdlib.h>

/* Transactions of SQLite wait for each other, and for the disk: the more go together, the less that takes. */
enum { LANES_OF_SQLITE = 16, LANES_ELSEWHERE = 4 };

static const struct parameter rows[] = {
#define INTEGER(section, name, ...) PARAMETER_ROW_INTEGER(job, section, name, __VA_ARGS__),
#define STRING(section, name, ...)  PARAMETER_ROW_STRING(job, section, name, __VA_ARGS__),
#include "job.def"
#undef INTEGER
#undef STRING
};

static const struct parameter_table table = {.rows = rows, .count = COUNT_OF(rows)};

const struct parameter_table *job_parameters(void)
{
    return &table;
}

/* ---- source and sink ---- */

static bool settle_place(struct parameter_reader *reader, char *const *member, struct place *place)
{
    char reason[PLACE_REASON_MAX];
    if (**member == '\0')
        parameter_complain(reader, member, "it must be said");
    else if (!place_parse(*member, place, reason))
        parameter_complain(reader, member, "%s", reason);
    else
        return true;
    return false;
}

static bool same_text(const char *one, const char *other)
{
    return one == NULL ? other == NULL : other != NULL && strcmp(one, other) == 0;
}

/* A whole URL that names the source's database is the table of that name in it. */
static void bring_together(struct job *job)
{
    struct place *sink = &job->sink;
    if (sink->kind != job->source.kind || !same_text(sink->at, job->source.at) || sink->table == NULL)
        return;
    free(sink->at);
    sink->at = sink->table;
    sink->table = NULL;
    sink->kind = PLACE_TABLE;
}

static void check_source(struct job *job, struct parameter_reader *reader)
{
    if (job->source.kind == PLACE_COLUMN || job->source.kind == PLACE_TABLE)
        parameter_complain(reader, &job->from, "expected a database or a file, got \"%.100s\"", job->from);
    else if (place_is_database(&job->source) && job->source.table == NULL)
        parameter_complain(reader, &job->from, "expected the name of the table behind it: ?table=NAME");
}

static void check_sink(struct job *job, struct parameter_reader *reader)
{
    struct place *sink = &job->sink;
    bool beside = sink->kind == PLACE_COLUMN || sink->kind == PLACE_TABLE;
    if (beside && !place_is_database(&job->source))
        parameter_complain(reader, &job->to,
                           "rows of a file are beside no table: name the database, as in "
                           "sqlite:PATH?table=NAME");
    else if (place_is_database(sink) && sink->table == NULL)
        parameter_complain(reader, &job->to, "expected the name of the table behind it: ?table=NAME");
    else if (!place_is_database(&job->source) && strcmp(sink->at, "-") != 0 &&
             same_text(sink->at, job->source.at))
        parameter_complain(reader, &job->to, "the rows come from there");
    else if (sink->where != NULL || sink->columns != NULL)
        parameter_complain(reader, &job->to, "where and columns are of `from`");
    job->together = beside;
    job->database_sink = beside || place_is_database(sink);
}

/* Rows of a database are done when they are rejected: so that stands in the same transaction. */
static void settle_rejects(struct job *job, struct parameter_reader *reader)
{
    struct place place = {0};
    char reason[PLACE_REASON_MAX];
    job->rejects_name = object_strdup("");
    if (*job->rejects == '\0')
        return;
    char *shown = object_strdup(job->rejects);
    place_hide(shown);
    if (!place_parse(job->rejects, &place, reason))
        parameter_complain(reader, &job->rejects, "%s", reason);
    else if (job->database_sink != (place.kind == PLACE_TABLE))
        parameter_complain(reader, &job->rejects, "expected %s, got \"%.100s\"",
                           job->database_sink ? "table:NAME, a table of the sink's database"
                                              : "a path, as the sink is a file",
                           shown);
    else if (place.kind == PLACE_CSV || place.packed)
        parameter_complain(reader, &job->rejects,
                           "expected JSON lines that are not packed: a path that ends "
                           "with .jsonl, got \"%.100s\"",
                           shown);
    else if (!job->database_sink &&
             (same_text(place.at, job->source.at) || same_text(place.at, job->sink.at)))
        parameter_complain(reader, &job->rejects, "the rows come from there, or go there");
    else {
        free(job->rejects_name);
        job->rejects_name = object_strdup(place.at);
    }
    place_free(&place);
    free(shown);
}

void job_settle(struct job *job, struct parameter_reader *reader)
{
    bool known = settle_place(reader, &job->from, &job->source);
    known = settle_place(reader, &job->to, &job->sink) && known;
    if (!known)
        return;
    check_source(job, reader);
    bring_together(job);
    check_sink(job, reader);
    settle_rejects(job, reader);
    if (job->lanes == 0)
        job->lanes = job->together && job->source.kind == PLACE_SQLITE ? LANES_OF_SQLITE : LANES_ELSEWHERE;
}

void job_free(struct job *job)
{
    parameters_free(&table, job);
    place_free(&job->source);
    place_free(&job->sink);
    free(job->rejects_name);
}
