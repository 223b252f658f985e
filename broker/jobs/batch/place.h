/* place: a source or a sink as it is written down, taken apart. Pure.
 *
 *   sqlite:PATH?table=T&where=SQL&key=K&columns=feature:column,...
 *   postgres://USER@HOST/DATABASE?table=T&...    postgresql://...    postgres:host=... dbname=...?table=T&...
 *   csv:PATH    jsonl:PATH    a bare path, by its ending: .csv .jsonl .ndjson .db .sqlite .sqlite3; csv:-
 *   column?prediction=NAME&...     table:NAME?...      (sinks only: of the source's database)
 *
 * Values are percent-decoded, a plus is a plus. Parameters of a postgres: URL that are not ours are left in
 * it, for libpq. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_PLACE_H
#define OUTRIGGER_BATCH_PLACE_H

#include "object.h"

enum { PLACE_REASON_MAX = 256 };

enum place_kind { PLACE_SQLITE, PLACE_POSTGRES, PLACE_CSV, PLACE_JSONL, PLACE_COLUMN, PLACE_TABLE };

/* What may stand behind the question mark. */
#define PLACE_PARAMETERS(X)                                                                                  \
    X(table)      /* the table's name, "schema.table" */                                                     \
    X(where)      /* SQL: only those rows */                                                                 \
    X(key)        /* the column that names a row; by default the primary key */                              \
    X(columns)    /* feature:column,feature:column: columns that are called otherwise than features */       \
    X(prediction) /* the names of the columns that are written; "" (label alone): not written */             \
    X(probability)                                                                                           \
    X(label)                                                                                                 \
    X(model_version)                                                                                         \
    X(predicted_at)                                                                                          \
    X(delimiter) /* of CSV: a character, or tab */

struct place {
    enum place_kind kind;
    char *at;    /* a path ("-": stdin or stdout), what libpq connects to, or the name of a table; "" */
    bool packed; /* gzip: the path ends with .gz */
#define X(name) char *name; /* NULL: not said */
    PLACE_PARAMETERS(X)
#undef X
};

/* False with `reason`. Free the place in any case. */
bool place_parse(const char *text, struct place *place, char reason[PLACE_REASON_MAX]);
void place_free(struct place *place);
/* True when it is a place of a database. */
static inline bool place_is_database(const struct place *place)
{
    return place->kind == PLACE_SQLITE || place->kind == PLACE_POSTGRES;
}
/* The same for people and for names: without passwords. The caller frees. */
char *place_text(const struct place *place);
/* Takes what is, or may be, a password out of a text that is, or was to be, a place; it becomes shorter, and
 * its old end is zero bytes. */
void place_hide(char *text);
/* The column that a result is written to: what `name` ("prediction") was said to be, or itself; NULL: it is
 * not written. */
const char *place_result(const struct place *place, const char *name);

#endif
