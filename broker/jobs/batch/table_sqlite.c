/* table_sqlite: rows of a table of SQLite, and predictions beside them or in a table of their own.
 *
 * One connection for all lanes, behind a lock: SQLite lets one write at a time in any case, and while one
 * lane has it the others have their rows scored. Rows are taken in the order of their keys, in ranges which a
 * lease keeps for the lane (table_sqlite_lease.c), so that several jobs share a table. A lane's predictions,
 * its rejects and the end of its lease are one transaction, which does not happen when the lease is not its
 * own any more. Which rows are done stands in the rows (predicted_at), in the table of results or in that of
 * rejects: nothing else need be remembered. SPDX-License-Identifier: MIT */
#include "table_sqlite.h"

#include "clock.h"
#include "process.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMPLAIN(reason, ...) (snprintf((reason), TABLE_REASON_MAX, __VA_ARGS__), false)

enum {
    BUSY_SLEEP_US = 2000,    /* between two tries at a database that is locked */
    CACHE_KIB = 32768,       /* pages that the connection keeps */
    CHECKPOINT_PAGES = 8192, /* of the log, before they are written to their places */
    TEXT_POSITION_MAX = CHUNK_POSITION_MAX - 8
};

/* ---- what the files share ---- */

bool sqlite_fault(struct sqlite_table *table, const char *doing, char *reason)
{
    int code = sqlite3_errcode(table->db);
    bool locked = code == SQLITE_BUSY || code == SQLITE_LOCKED;
    if (locked && table->job->stopping(table->job->self))
        *reason = '\0';
    else
        (void)COMPLAIN(reason, "%s: %s: %s",
                       table->part == TABLE_SINK ? table->job->to->at : table->job->from->at, doing,
                       sqlite3_errmsg(table->db));
    return false;
}

bool sqlite_prepare(struct sqlite_table *table, sqlite3_stmt **statement, char *sql, char *reason)
{
    int code = sqlite3_prepare_v3(table->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    bool good = code == SQLITE_OK || sqlite_fault(table, sql, reason);
    sqlite3_free(sql);
    return good;
}

bool sqlite_run(struct sqlite_table *table, sqlite3_stmt *statement, char *reason)
{
    int code = sqlite3_step(statement);
    bool good =
        code == SQLITE_DONE || code == SQLITE_ROW || sqlite_fault(table, sqlite3_sql(statement), reason);
    sqlite3_reset(statement);
    return good;
}

bool sqlite_exec(struct sqlite_table *table, const char *sql, char *reason)
{
    return sqlite3_exec(table->db, sql, NULL, NULL, NULL) == SQLITE_OK || sqlite_fault(table, sql, reason);
}

void sqlite_roll_back(struct sqlite_table *table)
{
    if (!sqlite3_get_autocommit(table->db))
        (void)sqlite3_exec(table->db, "ROLLBACK", NULL, NULL, NULL);
}

void sqlite_bind_key(sqlite3_stmt *statement, int at, const struct row_value *key)
{
    if (key->kind == ROW_INTEGER)
        sqlite3_bind_int64(statement, at, key->integer);
    else if (key->kind == ROW_NUMBER)
        sqlite3_bind_double(statement, at, key->number);
    else
        sqlite3_bind_text(statement, at, key->text.at, (int)key->text.length, SQLITE_STATIC);
}

bool sqlite_read_key(sqlite3_stmt *statement, int column, struct row_value *key)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        *key = (struct row_value){.kind = ROW_INTEGER, .integer = sqlite3_column_int64(statement, column)};
        return true;
    case SQLITE_FLOAT:
        *key = (struct row_value){.kind = ROW_NUMBER, .number = sqlite3_column_double(statement, column)};
        return true;
    case SQLITE_TEXT:
        *key = (struct row_value){.kind = ROW_STRING,
                                  .text = {(const char *)sqlite3_column_text(statement, column),
                                           (size_t)sqlite3_column_bytes(statement, column)}};
        return true;
    default:
        return false;
    }
}

/* ---- the lock, and the time that it is held ---- */

static int64_t enter(struct sqlite_table *table)
{
    pthread_mutex_lock(&table->lock);
    return clock_now();
}

static void leave(struct sqlite_table *table, int64_t since)
{
    atomic_fetch_add_explicit(&table->busy, clock_now() - since, memory_order_relaxed);
    pthread_mutex_unlock(&table->lock);
}

/* Another process writes: it is waited for, as long as that takes. */
static int wait_for_others(void *self, int tries)
{
    struct sqlite_table *table = self;
    (void)tries;
    if (table->job->stopping(table->job->self))
        return 0;
    usleep(BUSY_SLEEP_US);
    return 1;
}

/* ---- reading rows ---- */

/* Text that a number is read from, unless the model wants a text: tables of texts are common. */
static struct row_value value_of(sqlite3_stmt *row, int column, bool is_text)
{
    switch (sqlite3_column_type(row, column)) {
    case SQLITE_FLOAT:
        return (struct row_value){.kind = ROW_NUMBER, .number = sqlite3_column_double(row, column)};
    case SQLITE_INTEGER:
        return (struct row_value){.kind = ROW_INTEGER, .integer = sqlite3_column_int64(row, column)};
    case SQLITE_NULL:
        return (struct row_value){.kind = ROW_MISSING};
    default:
        return (struct row_value){.kind = is_text ? ROW_STRING : ROW_TEXT,
                                  .text = {(const char *)sqlite3_column_text(row, column),
                                           (size_t)sqlite3_column_bytes(row, column)}};
    }
}

static bool add_row(struct sqlite_table *table, sqlite3_stmt *row, struct chunk *chunk, char *reason)
{
    const struct table_job *job = table->job;
    struct row_value key;
    if (!sqlite_read_key(row, 0, &key))
        return COMPLAIN(reason, "%s: the key %s of a row is a blob", job->from->at, table->key);
    for (size_t i = 0; i < job->width; i++)
        table->values[i] = value_of(row, (int)i + 1, job->is_text[i]);
    chunk_add(chunk, &key, (struct text){"", 0}, table->values);
    return true;
}

static void remember(struct sqlite_table *table, const struct row_value *key)
{
    struct row_value copy = *key;
    if (key->kind == ROW_STRING) {
        char *text = object_alloc(key->text.length + 1);
        if (key->text.length > 0)
            memcpy(text, key->text.at, key->text.length);
        free(table->last_text);
        table->last_text = text;
        copy.text.at = text;
    }
    table->last = copy;
}

/* Before all keys: numbers stand before texts. */
static void begin_pass(struct sqlite_table *table)
{
    table->last = (struct row_value){.kind = ROW_NUMBER, .number = -INFINITY};
    table->ended = table->again = false;
}

/* Rows behind `last`, and, unless it is NULL, before that key. */
static bool read_rows(struct sqlite_table *table, const struct row_value *before, struct chunk *chunk,
                      size_t most, char *reason)
{
    sqlite3_stmt *read = before == NULL ? table->read : table->read_before;
    int code;
    sqlite_bind_key(read, 1, &table->last);
    sqlite3_bind_int64(read, 2, (sqlite3_int64)most);
    if (before != NULL)
        sqlite_bind_key(read, 3, before);
    bool good = true;
    while ((code = sqlite3_step(read)) == SQLITE_ROW && good)
        good = add_row(table, read, chunk, reason);
    if (good && code != SQLITE_DONE)
        good = sqlite_fault(table, "reading rows", reason);
    sqlite3_reset(read);
    sqlite3_clear_bindings(read);
    if (chunk->count > 0)
        remember(table, &chunk->rows[chunk->count - 1].key);
    return good;
}

/* ---- claiming ---- */

/* The next rows that nobody has, behind `last`. What others have is passed over. */
static bool find_rows(struct sqlite_table *table, struct chunk *chunk, size_t most, char *reason)
{
    sqlite3_stmt *lease;
    while (chunk->count == 0 && !table->ended) {
        if (!sqlite_lease_next(table, &table->last, &lease)) {
            if (!read_rows(table, NULL, chunk, most, reason))
                return false;
            table->ended = chunk->count == 0;
            break;
        }
        struct row_value first, last;
        bool good = sqlite_read_key(lease, 0, &first) && sqlite_read_key(lease, 1, &last) &&
                    read_rows(table, &first, chunk, most, reason);
        if (good && chunk->count == 0) {
            table->again = table->again || !sqlite_lease_is_ours(table, sqlite3_column_int64(lease, 2));
            remember(table, &last);
        }
        sqlite3_reset(lease);
        if (!good)
            return false;
    }
    return true;
}

/* What there is when a pass has come to the end of the table. */
static enum table_taken no_rows(struct sqlite_table *table, bool others)
{
    bool ours = false;
    for (unsigned i = 0; i < table->job->lanes; i++)
        ours = ours || table->claims[i].id != 0;
    table->again = table->again || others;
    if (others || (table->again && ours))
        return TABLE_LATER; /* they may give rows back */
    if (!table->again)
        return TABLE_END;
    begin_pass(table);
    return TABLE_LATER;
}

static enum table_taken claim(struct sqlite_table *table, unsigned lane, struct chunk *chunk, size_t most,
                              char *reason)
{
    bool others = false;
    *reason = '\0';
    /* A lease that a power cut undoes is no loss. */
    if (!sqlite_exec(table, "PRAGMA synchronous = NORMAL", reason) ||
        !sqlite_exec(table, "BEGIN IMMEDIATE", reason))
        return TABLE_STOPPED;
    bool good = sqlite_lease_sweep(table, &others, reason) && find_rows(table, chunk, most, reason);
    if (good && chunk->count > 0)
        good = sqlite_lease_add(table, lane, &chunk->rows[0].key, &chunk->rows[chunk->count - 1].key, reason);
    if (good && sqlite_exec(table, "COMMIT", reason))
        return chunk->count > 0 ? TABLE_ROWS : no_rows(table, others);
    sqlite_roll_back(table);
    table->claims[lane].id = 0;
    return TABLE_STOPPED;
}

/* ---- positions of a source alone: its last key ---- */

/* False when there is no room for it. */
static bool write_position(char position[CHUNK_POSITION_MAX], const struct row_value *key)
{
    bool zero = key->kind == ROW_STRING && key->text.length > 0 &&
                memchr(key->text.at, '\0', key->text.length) != NULL;
    if (key->kind == ROW_STRING && key->text.length * (zero ? 2 : 1) > TEXT_POSITION_MAX)
        return false;
    if (key->kind == ROW_INTEGER)
        snprintf(position, CHUNK_POSITION_MAX, "i%lld", (long long)key->integer);
    else if (key->kind == ROW_NUMBER)
        snprintf(position, CHUNK_POSITION_MAX, "n%a", key->number);
    else if (!zero)
        snprintf(position, CHUNK_POSITION_MAX, "t%.*s", (int)key->text.length, key->text.at);
    else { /* a position is a string */
        *position++ = 'x';
        for (size_t i = 0; i < key->text.length; i++)
            position += sprintf(position, "%02x", (unsigned)(unsigned char)key->text.at[i]);
    }
    return true;
}

/* The bytes of a key in hexadecimal digits, into `bytes`; false when they are none. */
static bool read_bytes(const char *digits, char bytes[CHUNK_POSITION_MAX], size_t *length)
{
    unsigned byte;
    for (*length = 0; digits[0] != '\0' && *length < CHUNK_POSITION_MAX; digits += 2)
        if (digits[1] == '\0' || sscanf(digits, "%2x", &byte) != 1)
            return false;
        else
            bytes[(*length)++] = (char)byte;
    return true;
}

static bool table_seek(void *self, const char *position, char reason[TABLE_REASON_MAX])
{
    struct sqlite_table *table = self;
    char bytes[CHUNK_POSITION_MAX];
    struct row_value key = {.kind = ROW_STRING, .text = text_of(*position == '\0' ? "" : position + 1)};
    if (*position == 'i')
        key = (struct row_value){.kind = ROW_INTEGER, .integer = strtoll(position + 1, NULL, 10)};
    else if (*position == 'n')
        key = (struct row_value){.kind = ROW_NUMBER, .number = strtod(position + 1, NULL)};
    else if (*position == 'x' && read_bytes(position + 1, bytes, &key.text.length))
        key.text.at = bytes;
    else if (*position != 't')
        return COMPLAIN(reason, "\"%.60s\" is no position in a table of SQLite", position);
    remember(table, &key);
    return true;
}

static enum table_taken read_on(struct sqlite_table *table, struct chunk *chunk, size_t most, char *reason)
{
    if (!read_rows(table, NULL, chunk, most, reason))
        return TABLE_STOPPED;
    if (chunk->count == 0)
        return TABLE_END;
    if (write_position(chunk->position, &table->last))
        return TABLE_ROWS;
    (void)COMPLAIN(reason, "%s: a key is longer than %d bytes (half of that, if it has a zero byte)",
                   table->job->from->at, TEXT_POSITION_MAX);
    return TABLE_STOPPED;
}

static enum table_taken table_take(void *self, unsigned lane, struct chunk *chunk, size_t most,
                                   char reason[TABLE_REASON_MAX])
{
    struct sqlite_table *table = self;
    CHECK_OBJECT(table, SQLITE_TABLE_MAGIC);
    int64_t begin = enter(table);
    enum table_taken taken = table->part == TABLE_BOTH ? claim(table, lane, chunk, most, reason)
                                                       : read_on(table, chunk, most, reason);
    leave(table, begin);
    return taken;
}

/* ---- writing ---- */

/* A float is written as the number that its shortest text reads as: 0.1, and not 0.10000000149. */
static void bind_number(sqlite3_stmt *statement, int at, double number, bool single)
{
    char text[NUMBER_TEXT_MAX + 1];
    if (isnan(number)) {
        sqlite3_bind_null(statement, at);
        return;
    }
    if (single) {
        text[scored_number(number, true, text)] = '\0';
        number = *text == 'n' ? number : strtod(text, NULL);
    }
    sqlite3_bind_double(statement, at, number);
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static void bind_prediction(sqlite3_stmt *statement, int at, const struct scored *scored)
{
    if (isnan(scored->value) && scored->has_label)
        bind_text(statement, at, scored->label);
    else if ((scored->is_whole || scored->is_truth) && fabs(scored->value) < (double)INT64_MAX)
        sqlite3_bind_int64(statement, at, (sqlite3_int64)scored->value);
    else
        bind_number(statement, at, scored->value, scored->single);
}

/* ?1 is the key, ?2 and so on the results; those that are not written are no parameters. */
static bool write_row(struct sqlite_table *table, const struct chunk *chunk, const struct chunk_row *row,
                      char *reason)
{
    const struct scored *scored = chunk_scored(chunk, row);
    sqlite3_stmt *write = table->write;
    int at = 2;
    sqlite_bind_key(write, 1, &row->key);
    if (table->results[SQLITE_RESULT_PREDICTION] != NULL)
        bind_prediction(write, at++, scored);
    if (table->results[SQLITE_RESULT_PROBABILITY] != NULL)
        bind_number(write, at++, scored->probability, scored->probability_single);
    if (table->results[SQLITE_RESULT_LABEL] != NULL)
        bind_text(write, at++, scored->has_label ? scored->label : NULL);
    if (table->results[SQLITE_RESULT_VERSION] != NULL)
        bind_text(write, at++, scored->version);
    bind_text(write, at, chunk->predicted_at);
    return sqlite_run(table, write, reason);
}

static bool write_reject(struct sqlite_table *table, const struct chunk *chunk, const struct chunk_row *row,
                         char *reason)
{
    sqlite_bind_key(table->reject, 1, &row->key);
    bind_text(table->reject, 2, row->reason);
    bind_text(table->reject, 3, chunk->predicted_at);
    return sqlite_run(table, table->reject, reason);
}

static bool write_rows(struct sqlite_table *table, const struct chunk *chunk, char *reason)
{
    bool good = true;
    for (size_t i = 0; i < chunk->count && good; i++) {
        const struct chunk_row *row = &chunk->rows[i];
        good = row->reason != NULL ? write_reject(table, chunk, row, reason)
                                   : write_row(table, chunk, row, reason);
    }
    return good;
}

static bool write_chunk(struct sqlite_table *table, unsigned lane, struct chunk *chunk, char *reason)
{
    bool ours = true;
    if (!sqlite_exec(table, "PRAGMA synchronous = FULL", reason) ||
        !sqlite_exec(table, "BEGIN IMMEDIATE", reason))
        return false;
    if (table->part == TABLE_BOTH && !sqlite_lease_end(table, lane, &ours, reason))
        return false;
    if (!ours) {
        chunk->lost = true;
        sqlite_roll_back(table);
        return true;
    }
    if (!write_rows(table, chunk, reason))
        return false;
    if (table->part == TABLE_SINK) {
        bind_text(table->save, 2, chunk->position);
        bind_text(table->save, 3, chunk->predicted_at);
        if (!sqlite_run(table, table->save, reason))
            return false;
    }
    return sqlite_exec(table, "COMMIT", reason);
}

static bool table_commit(void *self, unsigned lane, struct chunk *chunk, char reason[TABLE_REASON_MAX])
{
    struct sqlite_table *table = self;
    CHECK_OBJECT(table, SQLITE_TABLE_MAGIC);
    int64_t begin = enter(table);
    bool good = write_chunk(table, lane, chunk, reason);
    if (good)
        table->claims[lane].id = 0;
    else
        sqlite_roll_back(table);
    leave(table, begin);
    return good;
}

static void table_abandon(void *self, unsigned lane, struct chunk *chunk)
{
    struct sqlite_table *table = self;
    char reason[TABLE_REASON_MAX];
    bool ours;
    (void)chunk;
    int64_t begin = enter(table);
    /* When that fails others find that we are gone. */
    if (table->claims[lane].id != 0 && sqlite_exec(table, "BEGIN IMMEDIATE", reason) &&
        sqlite_lease_end(table, lane, &ours, reason))
        (void)sqlite_exec(table, "COMMIT", reason);
    sqlite_roll_back(table);
    table->claims[lane].id = 0;
    table->again = true;
    leave(table, begin);
}

static bool table_resume(void *self, char position[CHUNK_POSITION_MAX], char reason[TABLE_REASON_MAX])
{
    struct sqlite_table *table = self;
    int code = sqlite3_step(table->load);
    *position = '\0';
    if (code == SQLITE_ROW && sqlite3_column_bytes(table->load, 0) < CHUNK_POSITION_MAX)
        snprintf(position, CHUNK_POSITION_MAX, "%s", (const char *)sqlite3_column_text(table->load, 0));
    bool good = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_fault(table, "reading progress", reason);
    sqlite3_reset(table->load);
    return good;
}

/* ---- life ---- */

static bool table_count(void *self, uint64_t *rows)
{
    struct sqlite_table *table = self;
    sqlite3_stmt *count;
    char *sql;
    ENSURE(asprintf(&sql, "SELECT count(*) FROM (%s)", sqlite3_sql(table->read)) >= 0);
    int code = sqlite3_prepare_v2(table->db, sql, -1, &count, NULL);
    free(sql);
    if (code != SQLITE_OK)
        return false;
    sqlite_bind_key(count, 1, &table->last);
    sqlite3_bind_int64(count, 2, -1);
    bool good = sqlite3_step(count) == SQLITE_ROW;
    *rows = good ? (uint64_t)sqlite3_column_int64(count, 0) : 0;
    sqlite3_finalize(count);
    return good;
}

static struct table_head table_head(void *self)
{
    return (struct table_head){.key = ((struct sqlite_table *)self)->key};
}

static int64_t table_busy(void *self)
{
    return atomic_load_explicit(&((struct sqlite_table *)self)->busy, memory_order_relaxed);
}

static unsigned table_connections(void *self)
{
    (void)self;
    return 1;
}

static void table_close(void *self)
{
    struct sqlite_table *table = self;
    CHECK_OBJECT(table, SQLITE_TABLE_MAGIC);
    sqlite3_stmt *statements[] = {table->read,       table->read_before, table->write,     table->reject,
                                  table->next_lease, table->all_leases,  table->add_lease, table->end_lease,
                                  table->save,       table->load};
    for (size_t i = 0; i < COUNT_OF(statements); i++)
        sqlite3_finalize(statements[i]);
    sqlite3_close(table->db);
    pthread_mutex_destroy(&table->lock);
    free(table->table);
    free(table->key);
    free(table->result_table);
    free(table->result_key);
    free(table->rejects);
    free(table->last_text);
    free(table->values);
    free(table->lease_name);
    free(table->where);
    table->magic = 0;
    free(table);
}

static bool connect(struct sqlite_table *table, char *reason)
{
    const char *path = table->part == TABLE_SINK ? table->job->to->at : table->job->from->at;
    char sql[256];
    bool may_make = table->part == TABLE_SINK && table->job->create;
    int flags = table->part == TABLE_SOURCE ? SQLITE_OPEN_READONLY
                                            : SQLITE_OPEN_READWRITE | (may_make ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(path, &table->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return COMPLAIN(reason, "%s: %s", path, sqlite3_errmsg(table->db));
    sqlite3_extended_result_codes(table->db, 0);
    sqlite3_busy_handler(table->db, wait_for_others, table);
    snprintf(sql, sizeof sql, "PRAGMA cache_size = -%d; PRAGMA wal_autocheckpoint = %d", CACHE_KIB,
             CHECKPOINT_PAGES);
    return sqlite_exec(table, sql, reason);
}

static void *table_open(const struct table_job *job, enum table_part part, char reason[TABLE_REASON_MAX])
{
    struct sqlite_table *table = object_alloc(sizeof *table);
    table->magic = SQLITE_TABLE_MAGIC;
    table->job = job;
    table->part = part;
    table->values = object_alloc(job->width * sizeof *table->values);
    ENSURE(pthread_mutex_init(&table->lock, NULL) == 0);
    begin_pass(table);
    if (connect(table, reason) && sqlite_settle(table, reason) &&
        (part != TABLE_BOTH || sqlite_lease_prepare(table, reason)))
        return table;
    if (*reason == '\0')
        (void)COMPLAIN(reason, "interrupted");
    table_close(table);
    return NULL;
}

const struct table table_sqlite = {.open = table_open,
                                   .head = table_head,
                                   .count = table_count,
                                   .take = table_take,
                                   .commit = table_commit,
                                   .abandon = table_abandon,
                                   .resume = table_resume,
                                   .seek = table_seek,
                                   .busy = table_busy,
                                   .connections = table_connections,
                                   .close = table_close};
