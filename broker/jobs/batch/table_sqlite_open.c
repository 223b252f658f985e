/* table_sqlite_open: what must be there before a job begins with a table of SQLite: the table, the columns of
 * the features, a key that names one row, where predictions and rejects go. What is missing is named, with
 * the statement that makes it, or made where the job may (create). The tables outrigger_rejects and
 * outrigger_progress are our own, and made. SPDX-License-Identifier: MIT */
#include "table_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define COMPLAIN(reason, ...) (snprintf((reason), TABLE_REASON_MAX, __VA_ARGS__), false)
#define REJECTS_NAME          "outrigger_rejects"

static const char *const result_names[] = {"prediction", "probability", "label", "model_version",
                                           "predicted_at"};
_Static_assert(COUNT_OF(result_names) == SQLITE_RESULTS, "each has a name");

/* ---- asking the database ---- */

/* The one integer of a query with up to three texts bound. */
static int64_t ask(struct sqlite_table *table, const char *sql, const char *one, const char *two)
{
    sqlite3_stmt *statement;
    int64_t answer = 0;
    if (sqlite3_prepare_v2(table->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return 0;
    sqlite3_bind_text(statement, 1, one, -1, SQLITE_STATIC);
    if (two != NULL)
        sqlite3_bind_text(statement, 2, two, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) == SQLITE_ROW)
        answer = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return answer;
}

/* The one text of a query; NULL when there is none. The caller frees. */
static char *ask_text(struct sqlite_table *table, const char *sql, const char *one, const char *two)
{
    sqlite3_stmt *statement;
    char *answer = NULL;
    if (sqlite3_prepare_v2(table->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return NULL;
    sqlite3_bind_text(statement, 1, one, -1, SQLITE_STATIC);
    if (two != NULL)
        sqlite3_bind_text(statement, 2, two, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        answer = object_strdup((const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return answer;
}

static bool has_table(struct sqlite_table *table, const char *name)
{
    return ask(table, "SELECT count(*) FROM pragma_table_xinfo(?1)", name, NULL) > 0;
}

static bool has_column(struct sqlite_table *table, const char *of, const char *name)
{
    return ask(table, "SELECT count(*) FROM pragma_table_xinfo(?1) WHERE name = ?2 COLLATE NOCASE", of,
               name) > 0;
}

static const char *path_of(const struct sqlite_table *table)
{
    return table->part == TABLE_SINK ? table->job->to->at : table->job->from->at;
}

/* ---- the source ---- */

static bool check_table(struct sqlite_table *table, char *reason)
{
    if (has_table(table, table->table))
        return true;
    char *names =
        ask_text(table,
                 "SELECT group_concat(name, ', ') FROM sqlite_master WHERE type IN ('table', 'view') AND "
                 "name NOT LIKE 'sqlite_%' AND ?1 = ?1",
                 "", NULL);
    (void)COMPLAIN(reason, "%s: there is no table %s; there are: %s", path_of(table), table->table,
                   names == NULL ? "none" : names);
    free(names);
    return false;
}

static bool check_columns(struct sqlite_table *table, char *reason)
{
    const struct table_job *job = table->job;
    if (job->columns == NULL)
        return COMPLAIN(reason, "the model's features have no names: name the columns, as in columns=a,b,c");
    for (size_t i = 0; i < job->width; i++) {
        if (job->optional[i] || has_column(table, table->table, job->columns[i]))
            continue;
        char *names = ask_text(table, "SELECT group_concat(name, ', ') FROM pragma_table_xinfo(?1)",
                               table->table, NULL);
        (void)COMPLAIN(
            reason,
            "%s: table %s has no column %s (columns=FEATURE:COLUMN says where a feature is); there are: %s",
            path_of(table), table->table, job->columns[i], names == NULL ? "none" : names);
        free(names);
        return false;
    }
    return true;
}

/* It names one row at most: the rowid, the primary key, or of a unique index of its own. */
static bool is_unique(struct sqlite_table *table, const char *of, const char *column)
{
    return ask(table,
               "SELECT (SELECT count(*) = 1 AND min(name) = ?2 COLLATE NOCASE FROM pragma_table_info(?1) "
               "WHERE pk > 0) "
               "OR EXISTS (SELECT 1 FROM pragma_index_list(?1) AS i WHERE i.\"unique\" AND NOT i.partial AND "
               "(SELECT count(*) = 1 AND min(name) = ?2 COLLATE NOCASE FROM pragma_index_info(i.name)))",
               of, column) != 0;
}

static bool has_rowid(struct sqlite_table *table)
{
    sqlite3_stmt *statement;
    char *sql = sqlite3_mprintf("SELECT rowid FROM \"%w\" WHERE rowid = 0", table->table);
    bool good = sqlite3_prepare_v2(table->db, sql, -1, &statement, NULL) == SQLITE_OK;
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return good &&
           ask(table, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
               table->table, NULL) > 0;
}

static bool is_rowid(const char *name)
{
    return strcasecmp(name, "rowid") == 0 || strcasecmp(name, "oid") == 0 || strcasecmp(name, "_rowid_") == 0;
}

static bool settle_key(struct sqlite_table *table, char *reason)
{
    const char *said = table->job->from->key;
    if (said == NULL)
        table->key =
            ask_text(table,
                     "SELECT min(name) FROM pragma_table_info(?1) WHERE pk > 0 GROUP BY 1 = 1 HAVING "
                     "count(*) = 1",
                     table->table, NULL);
    else
        table->key = object_strdup(said);
    /* A rowid of no column may change when the table is vacuumed: it names a row now, and not for ever. */
    if (table->key == NULL && table->beside && has_rowid(table))
        table->key = object_strdup("rowid");
    if (table->key == NULL)
        return COMPLAIN(reason,
                        "%s: table %s has no primary key of one column: name one that is unique (key=COLUMN)",
                        path_of(table), table->table);
    bool column = has_column(table, table->table, table->key);
    if (!column && (!is_rowid(table->key) || !has_rowid(table)))
        return COMPLAIN(reason, "%s: table %s has no column %s, which is to be the key", path_of(table),
                        table->table, table->key);
    if (column && !is_unique(table, table->table, table->key))
        return COMPLAIN(reason,
                        "%s: column %s of table %s is not unique: it needs a unique index to be the key",
                        path_of(table), table->key, table->table);
    return true;
}

/* ---- where predictions go ---- */

static const char *type_of(const struct sqlite_table *table, size_t result)
{
    static const char *const predictions[] = {[TABLE_PREDICTION_NUMBER] = "REAL",
                                              [TABLE_PREDICTION_CLASS] = "INTEGER",
                                              [TABLE_PREDICTION_TEXT] = "TEXT"};
    if (result == SQLITE_RESULT_PREDICTION)
        return predictions[table->job->prediction];
    return result == SQLITE_RESULT_PROBABILITY ? "REAL" : "TEXT";
}

/* Runs what makes something, or tells it. Frees the statement. */
static bool make_or_tell(struct sqlite_table *table, const char *what, char *sql, char *reason)
{
    bool good = table->job->create ? sqlite_exec(table, sql, reason)
                                   : COMPLAIN(reason, "%s: %s is missing: with create it is made, by: %s",
                                              path_of(table), what, sql);
    sqlite3_free(sql);
    return good;
}

static bool settle_columns(struct sqlite_table *table, const char *of, char *reason)
{
    sqlite3_str *sql = sqlite3_str_new(table->db);
    const char *missing = NULL;
    for (size_t i = 0; i < SQLITE_RESULTS; i++)
        if (table->results[i] != NULL && !has_column(table, of, table->results[i])) {
            missing = missing == NULL ? table->results[i] : missing;
            sqlite3_str_appendf(sql, "ALTER TABLE \"%w\" ADD COLUMN \"%w\" %s; ", of, table->results[i],
                                type_of(table, i));
        }
    char *text = sqlite3_str_finish(sql);
    if (missing != NULL)
        return make_or_tell(table, missing, text, reason);
    sqlite3_free(text);
    return true;
}

static char *create_results(struct sqlite_table *table)
{
    sqlite3_str *sql = sqlite3_str_new(table->db);
    char *type =
        table->table == NULL
            ? NULL
            : ask_text(table, "SELECT type FROM pragma_table_info(?1) WHERE name = ?2 COLLATE NOCASE",
                       table->table, table->key);
    bool numbered = table->part == TABLE_SINK && strcmp(table->result_key, "row") == 0;
    sqlite3_str_appendf(sql, "CREATE TABLE \"%w\" (\"%w\" %s PRIMARY KEY NOT NULL", table->result_table,
                        table->result_key,
                        type != NULL ? type
                        : numbered   ? "INTEGER"
                                     : "");
    for (size_t i = 0; i < SQLITE_RESULTS; i++)
        if (table->results[i] != NULL)
            sqlite3_str_appendf(sql, ", \"%w\" %s", table->results[i], type_of(table, i));
    sqlite3_str_appendall(sql, ")");
    free(type);
    return sqlite3_str_finish(sql);
}

static bool settle_results(struct sqlite_table *table, char *reason)
{
    if (table->beside)
        return settle_columns(table, table->table, reason);
    if (!has_table(table, table->result_table))
        return make_or_tell(table, table->result_table, create_results(table), reason);
    if (!has_column(table, table->result_table, table->result_key))
        return COMPLAIN(reason,
                        "%s: table %s has no column %s for the key (key=COLUMN says how it is called)",
                        path_of(table), table->result_table, table->result_key);
    if (!is_unique(table, table->result_table, table->result_key))
        return COMPLAIN(reason, "%s: column %s of table %s is not unique, so a row could stand there twice",
                        path_of(table), table->result_key, table->result_table);
    return settle_columns(table, table->result_table, reason);
}

static void name_results(struct sqlite_table *table)
{
    const struct table_job *job = table->job;
    const char *own = job->head.key;
    for (size_t i = 0; i < SQLITE_RESULTS; i++)
        table->results[i] = place_result(job->to, result_names[i]);
    if (table->beside)
        return;
    table->result_table = object_strdup(job->to->kind == PLACE_TABLE ? job->to->at : job->to->table);
    if (job->to->key != NULL)
        own = job->to->key;
    else if (table->key != NULL)
        own = is_rowid(table->key) ? "row_id" : table->key;
    table->result_key = object_strdup(own == NULL ? "row" : own);
}

/* ---- statements ---- */

static const char *rejects_table = "CREATE TABLE IF NOT EXISTS \"%w\" (job TEXT NOT NULL, \"key\" NOT NULL, "
                                   "reason TEXT NOT NULL, model TEXT, "
                                   "rejected_at TEXT, PRIMARY KEY (job, \"key\")) WITHOUT ROWID";

static bool make_ours(struct sqlite_table *table, char *reason)
{
    char *sql = sqlite3_mprintf(rejects_table, table->rejects);
    bool good = sqlite_exec(table, sql, reason);
    sqlite3_free(sql);
    return good &&
           (table->part != TABLE_SINK ||
            sqlite_exec(
                table,
                "CREATE TABLE IF NOT EXISTS outrigger_progress (job TEXT PRIMARY KEY, position TEXT NOT "
                "NULL, updated_at TEXT)",
                reason));
}

/* Not beside, or in the table of results, or among the rejects, as far as these are there. */
static void add_undone(struct sqlite_table *table, sqlite3_str *sql)
{
    const char *at = table->results[SQLITE_RESULT_AT];
    if (table->beside && has_column(table, table->table, at))
        sqlite3_str_appendf(sql, " AND t.\"%w\" IS NULL", at);
    if (!table->beside && has_table(table, table->result_table))
        sqlite3_str_appendf(sql, " AND NOT EXISTS (SELECT 1 FROM \"%w\" AS r WHERE r.\"%w\" = t.\"%w\")",
                            table->result_table, table->result_key, table->key);
    if (has_table(table, table->rejects))
        sqlite3_str_appendf(
            sql, " AND NOT EXISTS (SELECT 1 FROM \"%w\" AS x WHERE x.job = %Q AND x.\"key\" = t.\"%w\")",
            table->rejects, table->job->name, table->key);
}

static void add_wanted(struct sqlite_table *table, bool undone, bool before, sqlite3_str *sql)
{
    const char *where = table->job->from->where;
    sqlite3_str_appendf(sql, " FROM \"%w\" AS t WHERE t.\"%w\" > ?1", table->table, table->key);
    if (before)
        sqlite3_str_appendf(sql, " AND t.\"%w\" < ?3", table->key);
    if (undone)
        add_undone(table, sql);
    if (where != NULL) /* a comment in it ends with the line */
        sqlite3_str_appendf(sql, " AND (%s\n)", where);
}

static char *select_rows(struct sqlite_table *table, bool undone, bool before)
{
    const struct table_job *job = table->job;
    sqlite3_str *sql = sqlite3_str_new(table->db);
    sqlite3_str_appendf(sql, "SELECT t.\"%w\"", table->key);
    for (size_t i = 0; i < job->width; i++)
        if (has_column(table, table->table, job->columns[i]))
            sqlite3_str_appendf(sql, ", t.\"%w\"", job->columns[i]);
        else
            sqlite3_str_appendall(sql, ", NULL");
    add_wanted(table, undone, before, sql);
    sqlite3_str_appendf(sql, " ORDER BY t.\"%w\" LIMIT ?2", table->key);
    return sqlite3_str_finish(sql);
}

static char *count_rows(struct sqlite_table *table, bool undone)
{
    sqlite3_str *sql = sqlite3_str_new(table->db);
    sqlite3_str_appendall(sql, "SELECT count(*)");
    add_wanted(table, undone, false, sql);
    return sqlite3_str_finish(sql);
}

static char *update_row(struct sqlite_table *table)
{
    sqlite3_str *sql = sqlite3_str_new(table->db);
    sqlite3_str_appendf(sql, "UPDATE \"%w\" SET ", table->table);
    for (int i = 0, at = 2; i < SQLITE_RESULTS; i++)
        if (table->results[i] != NULL) {
            sqlite3_str_appendf(sql, "%s\"%w\" = ?%d", at == 2 ? "" : ", ", table->results[i], at);
            at++;
        }
    sqlite3_str_appendf(sql, " WHERE \"%w\" = ?1 AND \"%w\" IS NULL", table->key,
                        table->results[SQLITE_RESULT_AT]);
    return sqlite3_str_finish(sql);
}

static char *insert_row(struct sqlite_table *table)
{
    sqlite3_str *sql = sqlite3_str_new(table->db);
    sqlite3_str_appendf(sql, "INSERT INTO \"%w\" (\"%w\"", table->result_table, table->result_key);
    for (size_t i = 0; i < SQLITE_RESULTS; i++)
        if (table->results[i] != NULL)
            sqlite3_str_appendf(sql, ", \"%w\"", table->results[i]);
    sqlite3_str_appendall(sql, ") VALUES (?1");
    for (int i = 0, at = 2; i < SQLITE_RESULTS; i++)
        if (table->results[i] != NULL)
            sqlite3_str_appendf(sql, ", ?%d", at++);
    sqlite3_str_appendall(sql, ") ON CONFLICT DO NOTHING");
    return sqlite3_str_finish(sql);
}

static bool prepare_writing(struct sqlite_table *table, char *reason)
{
    const struct table_job *job = table->job;
    if (!sqlite_prepare(table, &table->write, table->beside ? update_row(table) : insert_row(table),
                        reason) ||
        !sqlite_prepare(table, &table->reject,
                        sqlite3_mprintf("INSERT INTO \"%w\" (job, \"key\", reason, model, rejected_at) "
                                        "VALUES (%Q, ?1, ?2, %Q, ?3) ON CONFLICT DO NOTHING",
                                        table->rejects, job->name, job->model),
                        reason))
        return false;
    if (table->part != TABLE_SINK)
        return true;
    if (!sqlite_prepare(
            table, &table->save,
            sqlite3_mprintf("INSERT INTO outrigger_progress (job, position, updated_at) VALUES (?1, ?2, "
                            "?3) ON CONFLICT (job) DO UPDATE SET position = ?2, updated_at = ?3"),
            reason) ||
        !sqlite_prepare(table, &table->load,
                        sqlite3_mprintf("SELECT position FROM outrigger_progress WHERE job = ?1"), reason))
        return false;
    sqlite3_bind_text(table->save, 1, job->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(table->load, 1, job->name, -1, SQLITE_STATIC);
    return true;
}

static bool prepare_reading(struct sqlite_table *table, char *reason)
{
    bool undone = table->part == TABLE_BOTH || (table->job->dry && table->rejects != NULL);
    return sqlite_prepare(table, &table->read, select_rows(table, undone, false), reason) &&
           sqlite_prepare(table, &table->count, count_rows(table, undone), reason) &&
           sqlite_prepare(table, &table->read_before, select_rows(table, undone, true), reason);
}

/* ---- the whole ---- */

static bool settle_source(struct sqlite_table *table, char *reason)
{
    table->table = object_strdup(table->job->from->table);
    return check_table(table, reason) && check_columns(table, reason) && settle_key(table, reason);
}

static void name_rejects(struct sqlite_table *table)
{
    table->rejects = object_strdup(*table->job->rejects == '\0' ? REJECTS_NAME : table->job->rejects);
}

bool sqlite_settle(struct sqlite_table *table, char *reason)
{
    const struct table_job *job = table->job;
    bool together = job->to->kind == PLACE_COLUMN || job->to->kind == PLACE_TABLE;
    table->beside = job->to->kind == PLACE_COLUMN && table->part != TABLE_SINK;
    if (table->part != TABLE_SINK && !settle_source(table, reason))
        return false;
    if (table->part == TABLE_SINK || together) {
        name_results(table);
        name_rejects(table);
        if (table->results[SQLITE_RESULT_AT] == NULL)
            return COMPLAIN(reason, "predicted_at must be written: it says which rows are done");
    }
    if (table->part != TABLE_SOURCE &&
        (!settle_results(table, reason) || !make_ours(table, reason) || !prepare_writing(table, reason)))
        return false;
    return table->part == TABLE_SINK || prepare_reading(table, reason);
}
