/* postgres_search: what a database has by a name: tables with their columns, and keys that name one row. What
 * is not there, or does not do, is said. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_POSTGRES_SEARCH_H
#define OUTRIGGER_BATCH_POSTGRES_SEARCH_H

#include "postgres_catalog.h"

/* Where a search stands. */
struct search {
    struct postgres_link *link;
    const struct table_job *job;
    struct postgres_found *found;
    char *reason; /* TABLE_REASON_MAX bytes */
    bool changed; /* something was made */
};

/* Returns false. */
bool search_complain(struct search *search, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* More of what was complained of. */
void search_append(struct search *search, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Asks with at most two texts as parameters (NULL: none). */
bool search_ask(struct search *search, const char *statement, const char *one, const char *two);

/* "schema"."table". The caller frees. */
char *search_quote(const char *schema, const char *table);
/* One name as it is; `there` says whether it is. */
bool search_look_up(struct search *search, const char *schema, const char *table,
                    struct postgres_relation *relation, bool *there);
/* A table by the user's name for it; in the schema `beside` (NULL: in the path) where the name has none.
 * Where it should be is told when it is not there. */
bool search_relation(struct search *search, const char *name, const char *beside,
                     struct postgres_relation *relation, bool *there, char schema[POSTGRES_NAME_MAX],
                     char table[POSTGRES_NAME_MAX]);
/* Frees what it holds; it is empty then. */
void search_forget(struct postgres_relation *relation);

bool search_add_part(struct search *search, const struct postgres_relation *relation,
                     struct postgres_key *key, struct text name);
/* The columns of all unique indices, for search_check_key. */
bool search_ask_unique(struct search *search, const struct postgres_relation *relation);
/* It names one row, and each row has one. */
bool search_check_key(struct search *search, const struct postgres_relation *relation,
                      const struct postgres_key *key);
/* The key as it is said, or (NULL) the primary key. */
bool search_key(struct search *search, const struct postgres_relation *relation, const char *said,
                struct postgres_key *key);

#endif
