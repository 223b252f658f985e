/* postgres_search: see postgres_search.h.
 *
 * Names are looked for as they are written, then in small letters, as SQL has them; a name without a schema
 * is that of the first schema in the path that has it, and for what goes with another table (results,
 * rejects) in that one's schema. SPDX-License-Identifier: MIT */
#include "postgres_search.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool search_complain(struct search *search, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(search->reason, TABLE_REASON_MAX, format, arguments);
    va_end(arguments);
    return false;
}

void search_append(struct search *search, const char *format, ...)
{
    size_t length = strlen(search->reason);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(search->reason + length, TABLE_REASON_MAX - length, format, arguments);
    va_end(arguments);
}

/* With at most two texts as parameters. */
bool search_ask(struct search *search, const char *statement, const char *one, const char *two)
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

void search_forget(struct postgres_relation *relation)
{
    for (size_t i = 0; i < relation->count; i++) {
        free((char *)relation->columns[i].name);
        free((char *)relation->columns[i].type);
    }
    free(relation->columns);
    free((char *)relation->quoted);
    *relation = (struct postgres_relation){0};
}

char *search_quote(const char *schema, const char *table)
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
    if (!search_ask(
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
bool search_look_up(struct search *search, const char *schema, const char *table,
                    struct postgres_relation *relation, bool *there)
{
    if (!search_ask(
            search,
            "SELECT n.nspname::text, c.relname::text, c.relkind::text, c.relhasrules::text FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = $1::text AND c.relkind IN "
            "('r', 'p', 'v', 'm', 'f') AND CASE $2::text WHEN '' THEN pg_table_is_visible(c.oid) "
            "ELSE n.nspname = $2::text END",
            table, schema))
        return false;
    *there = postgres_link_rows(search->link) > 0;
    if (!*there)
        return true;
    search_forget(relation);
    text_copy(text_of(cell(search, 0, 0)), relation->schema, sizeof relation->schema);
    text_copy(text_of(cell(search, 0, 1)), relation->table, sizeof relation->table);
    relation->kind = *cell(search, 0, 2);
    relation->rules = strcmp(cell(search, 0, 3), "true") == 0;
    relation->quoted = search_quote(relation->schema, relation->table);
    return read_columns(search, relation);
}

static void make_small(char *name)
{
    for (; *name != '\0'; name++)
        *name = (char)tolower((unsigned char)*name);
}

/* A table by the user's name for it; in the schema `beside` (NULL: in the path) where the name has none.
 * Where it should be is told when it is not there. */
bool search_relation(struct search *search, const char *name, const char *beside,
                     struct postgres_relation *relation, bool *there, char schema[POSTGRES_NAME_MAX],
                     char table[POSTGRES_NAME_MAX])
{
    char small_schema[POSTGRES_NAME_MAX], small_table[POSTGRES_NAME_MAX];
    if (!postgres_split(name, schema, table))
        return search_complain(search, "\"%.100s\" is no name of a table: expected NAME or SCHEMA.NAME",
                               name);
    if (*schema == '\0' && beside != NULL)
        text_copy(text_of(beside), schema, POSTGRES_NAME_MAX);
    if (!search_look_up(search, schema, table, relation, there))
        return false;
    if (*there)
        return true;
    memcpy(small_schema, schema, sizeof small_schema);
    memcpy(small_table, table, sizeof small_table);
    make_small(small_table);
    if (beside == NULL || strcmp(schema, beside) != 0)
        make_small(small_schema);
    return search_look_up(search, small_schema, small_table, relation, there);
}

/* ---- keys ---- */

static const struct postgres_column *need_column(struct search *search,
                                                 const struct postgres_relation *relation, struct text name)
{
    const struct postgres_column *column = postgres_column(relation, name);
    if (column != NULL)
        return column;
    search_complain(search, "table %s.%s has no column %.*s; there are: ", relation->schema, relation->table,
                    (int)(name.length < 64 ? name.length : 64), name.at);
    for (size_t i = 0; i < relation->count; i++)
        search_append(search, "%s%s", i > 0 ? ", " : "", relation->columns[i].name);
    return NULL;
}

bool search_add_part(struct search *search, const struct postgres_relation *relation,
                     struct postgres_key *key, struct text name)
{
    if (key->count == POSTGRES_KEY_MAX)
        return search_complain(search, "the key of table %s.%s has more than %d columns", relation->schema,
                               relation->table, POSTGRES_KEY_MAX);
    return (key->parts[key->count++] = need_column(search, relation, name)) != NULL;
}

static bool said_key(struct search *search, const struct postgres_relation *relation, const char *words,
                     struct postgres_key *key)
{
    while (*words != '\0') {
        size_t length = strcspn(words, ",");
        if (!search_add_part(search, relation, key, text_trim((struct text){words, length})))
            return false;
        words += length + (words[length] == ',');
    }
    return true;
}

/* The columns of all unique indices, the primary key's first: index, whether it is that, column. */
bool search_ask_unique(struct search *search, const struct postgres_relation *relation)
{
    return search_ask(
        search,
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
        search_append(search, "%s%s", i > 0 ? ", " : "", key->parts[i]->name);
}

/* Rows of a key that is not unique would be written with each other's results; a row without a key is never
 * reached. */
bool search_check_key(struct search *search, const struct postgres_relation *relation,
                      const struct postgres_key *key)
{
    if (!is_unique(search, key)) {
        search_complain(
            search,
            "nothing says that the key of table %s.%s is unique: make it so with CREATE UNIQUE INDEX ON %s (",
            relation->schema, relation->table, relation->quoted);
        print_key(search, key);
        search_append(search, ")");
        return false;
    }
    for (size_t i = 0; i < key->count; i++)
        if (!key->parts[i]->required)
            return search_complain(search,
                                   "column %s of table %s.%s is a key, and may be NULL: make it NOT NULL",
                                   key->parts[i]->name, relation->schema, relation->table);
    return true;
}

/* The key as it is said, or the primary key. */
bool search_key(struct search *search, const struct postgres_relation *relation, const char *said,
                struct postgres_key *key)
{
    bool is_table = relation->kind == 'r' || relation->kind == 'p';
    *key = (struct postgres_key){0};
    if (said != NULL && !said_key(search, relation, said, key))
        return false;
    if (is_table && !search_ask_unique(search, relation))
        return false;
    for (size_t row = 0; said == NULL && is_table && row < postgres_link_rows(search->link); row++)
        if (strcmp(cell(search, row, 1), "true") == 0 &&
            !search_add_part(search, relation, key, text_of(cell(search, row, 2))))
            return false;
    if (key->count == 0)
        return search_complain(search,
                               "%s %s.%s has no primary key: say which column names a row, with key=COLUMN",
                               is_table ? "table" : "view", relation->schema, relation->table);
    key->integer = key->count == 1 && key->parts[0]->form == POSTGRES_AS_INTEGER;
    return !is_table || search_check_key(search, relation, key);
}
