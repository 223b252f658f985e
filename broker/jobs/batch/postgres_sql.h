/* postgres_sql: what is asked of a PostgreSQL, as texts. Pure. Whoever gets a text frees it.
 *
 * Names stand quoted, values are parameters. A key goes to and fro as an integer where it is one column of an
 * integer type; else as the text of its one column; else as a JSON array of the texts of its columns.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_POSTGRES_SQL_H
#define OUTRIGGER_BATCH_POSTGRES_SQL_H

#include "object.h"

enum { POSTGRES_KEY_MAX = 8, POSTGRES_NAME_MAX = 64 };

/* How a value comes, or goes. */
enum postgres_form { POSTGRES_AS_TEXT, POSTGRES_AS_INTEGER, POSTGRES_AS_NUMBER, POSTGRES_AS_TRUTH };

struct postgres_column {
    const char *name;
    const char *type; /* as a statement has it: "character varying(20)" */
    enum postgres_form form;
    bool is_string, is_time; /* text, varchar; timestamp, timestamptz */
    bool required;           /* NOT NULL */
};

/* A table, or what else has rows. */
struct postgres_relation {
    char schema[POSTGRES_NAME_MAX], table[POSTGRES_NAME_MAX];
    const char *quoted; /* "schema"."table" */
    char kind;          /* of pg_class: r table, p partitioned, v view, m materialised, f foreign */
    bool rules;         /* what is written to it may be rewritten */
    struct postgres_column *columns;
    size_t count;
};

struct postgres_key {
    const struct postgres_column *parts[POSTGRES_KEY_MAX];
    size_t count;
    bool integer;
};

/* What is written of a row, in the order of the parameters. */
#define POSTGRES_RESULTS(X)                                                                                  \
    X(prediction)                                                                                            \
    X(probability)                                                                                           \
    X(label)                                                                                                 \
    X(model_version)                                                                                         \
    X(predicted_at)
enum postgres_result {
#define X(name) POSTGRES_RESULT_##name,
    POSTGRES_RESULTS(X)
#undef X
        POSTGRES_RESULTS_COUNT
};

struct postgres_plan {
    const struct postgres_relation *source; /* NULL: rows come from elsewhere */
    const struct postgres_relation *sink;   /* where results go; the source itself; NULL: elsewhere */
    struct postgres_key key; /* of the source, else of the sink. The sink's columns have the same names */
    const struct postgres_column **values; /* of a row; NULL in it: there is no such column */
    const bool *as_text;                   /* that value is wanted as a text, whatever it is */
    size_t width;
    const char *where;   /* NULL: none */
    const char *rejects; /* the quoted name of the table of rejects; NULL: there is none */
    const char *job;     /* the job's name, which rejects are kept under */
    const struct postgres_column *results[POSTGRES_RESULTS_COUNT]; /* of the sink; NULL: it is not written */
};

/* ---- names ---- */

/* "name" with quotes around it. */
char *postgres_quote(const char *name);
/* Takes "table", "schema.table" apart, each part as it is or "quoted"; schema is "" where there is none.
 * False: it is no such name. */
bool postgres_split(const char *text, char schema[POSTGRES_NAME_MAX], char table[POSTGRES_NAME_MAX]);
/* The column of that name, else of that name in small letters; NULL. */
const struct postgres_column *postgres_column(const struct postgres_relation *relation, struct text name);

/* How a value comes. */
enum postgres_form postgres_value_form(const struct postgres_plan *plan, size_t value);
/* How a result goes: in an array of numbers, or of texts. */
enum postgres_form postgres_result_form(const struct postgres_column *column);

/* ---- statements ---- */

/* The next rows that are not done, key and values, in the key's order. `behind`: $1 is the key that they are
 * behind. The last parameter: how many at most. `claim`: they are locked, and those that are locked are left
 * out. */
char *postgres_sql_take(const struct postgres_plan *plan, bool behind, bool claim);
/* How many are not done. */
char *postgres_sql_count(const struct postgres_plan *plan);
/* Whether one is not done, be it locked or not. */
char *postgres_sql_left(const struct postgres_plan *plan);
/* Keys that have a result in a sink of its own: $1 <= key <= $2, in the key's order. */
char *postgres_sql_done(const struct postgres_plan *plan);
/* Writes results: $1 the keys, $2... the arrays of those results that are written, at last (a text) when. */
char *postgres_sql_write(const struct postgres_plan *plan);
/* The same as a COPY of that kind of postgres_copy: the key, and those results that are written. */
char *postgres_sql_copy(const struct postgres_plan *plan);
/* Whether a result is there that this transaction wrote: $1 its number as a text, $2 an array with its key.
 */
char *postgres_sql_proof(const struct postgres_plan *plan);
/* Likewise whether a position is: $2 the job's name, $3 the position. */
char *postgres_sql_position(const char *progress);
/* Writes rejects: $1 the job's name, $2 keys, all as texts, $3 reasons, $4 model, $5 when. */
char *postgres_sql_reject(const struct postgres_plan *plan);

/* What makes the missing columns, a bit of `missing` for each result; `prediction` is the type of that one.
 */
char *postgres_sql_add_columns(const char *quoted, const char *const *names, unsigned missing,
                               const char *prediction);
/* What makes a table of results: with those columns (NULL: none), for that key. */
char *postgres_sql_make_sink(const char *quoted, const struct postgres_key *key, const char *const *names,
                             const char *prediction);
char *postgres_sql_make_rejects(const char *quoted);
char *postgres_sql_make_progress(const char *quoted);

#endif
