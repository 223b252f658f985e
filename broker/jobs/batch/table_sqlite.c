/* table_sqlite: rows of a table of SQLite, and predictions beside them or in a table of their own.
 *
 * One connection writes, for all lanes, as SQLite lets one write at a time in any case
 * (table_sqlite_commit.c); another one reads ahead meanwhile (table_sqlite_take.c). Rows are taken in the
 * order of their keys, in ranges which a lease keeps for the lane (table_sqlite_lease.c), so that several
 * jobs share a table. A lane's predictions, its rejects and the end of its lease are in one transaction,
 * which has none of them when somebody else has the rows by then. Which rows are done stands in the rows
 * (predicted_at), in the table of results or in that of rejects: nothing else need be remembered.
 * SPDX-License-Identifier: MIT */
#include "table_sqlite.h"

#include "clock.h"
#include "hex.h"
#include "process.h"
#include "table_sqlite_disk.h"

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
    LOOK_STEPS = 20000, /* of SQLite's machine, between two looks whether the job is to end: a millisecond */
    TEXT_POSITION_MAX = CHUNK_POSITION_MAX - 8
};

/* ---- what the files share ---- */

bool sqlite_fault(struct sqlite_table *table, sqlite3 *db, const char *doing, char *reason)
{
    int code = sqlite3_errcode(db);
    bool broken_off = code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_INTERRUPT;
    if (broken_off && table->job->stopping(table->job->self))
        *reason = '\0';
    else
        (void)COMPLAIN(reason, "%s: %s: %s",
                       table->part == TABLE_SINK ? table->job->to->at : table->job->from->at, doing,
                       sqlite3_errmsg(db));
    return false;
}

bool sqlite_prepare(struct sqlite_table *table, sqlite3_stmt **statement, char *sql, char *reason)
{
    int code = sqlite3_prepare_v3(table->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    bool good = code == SQLITE_OK || sqlite_fault(table, table->db, sql, reason);
    sqlite3_free(sql);
    return good;
}

bool sqlite_run(struct sqlite_table *table, sqlite3_stmt *statement, char *reason)
{
    int code = sqlite3_step(statement);
    bool good = code == SQLITE_DONE || code == SQLITE_ROW ||
                sqlite_fault(table, table->db, sqlite3_sql(statement), reason);
    sqlite3_reset(statement);
    return good;
}

bool sqlite_exec(struct sqlite_table *table, const char *sql, char *reason)
{
    return sqlite3_exec(table->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           sqlite_fault(table, table->db, sql, reason);
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

/* ---- waiting ---- */

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

/* The same for who reads beside our own writing; that he waits for by the turn. */
static int wait_unless_writing(void *self, int tries)
{
    return !atomic_load(&((struct sqlite_table *)self)->writing) && wait_for_others(self, tries);
}

/* Not 0 breaks a statement off: a search through a large table need not end, a commit does. */
static int look_for_end(void *self)
{
    struct sqlite_table *table = self;
    return !atomic_load(&table->committing) && table->job->stopping(table->job->self);
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
        hex_write(position, (const uint8_t *)key->text.at, key->text.length);
        position[2 * key->text.length] = '\0';
    }
    return true;
}

/* The bytes of a key in hexadecimal digits, into `bytes`; false when they are none. */
static bool read_bytes(const char *digits, char bytes[CHUNK_POSITION_MAX], size_t *length)
{
    size_t count = strlen(digits);
    *length = count / 2;
    return count % 2 == 0 && *length <= CHUNK_POSITION_MAX && hex_read(digits, (uint8_t *)bytes, *length);
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
    sqlite_remember(table, &key);
    return true;
}

static enum table_taken read_on(struct sqlite_table *table, struct chunk *chunk, size_t most, char *reason)
{
    if (!sqlite_read_rows(table, table->read, NULL, chunk, most, reason))
        return TABLE_STOPPED;
    if (chunk->count == 0)
        return TABLE_END;
    if (write_position(chunk->position, &table->last))
        return TABLE_ROWS;
    (void)COMPLAIN(reason, "%s: a key is longer than %d bytes (half of that, if it has a zero byte)",
                   table->job->from->at, TEXT_POSITION_MAX);
    return TABLE_STOPPED;
}

/* ---- chunks ---- */

static enum table_taken table_take(void *self, unsigned lane, struct chunk *chunk, size_t most,
                                   char reason[TABLE_REASON_MAX])
{
    struct sqlite_table *table = self;
    CHECK_OBJECT(table, SQLITE_TABLE_MAGIC);
    if (table->part == TABLE_BOTH)
        return sqlite_take(table, lane, chunk, most, reason);
    int64_t begin = clock_now();
    enum table_taken taken = read_on(table, chunk, most, reason);
    atomic_fetch_add_explicit(&table->busy, clock_now() - begin, memory_order_relaxed);
    return taken;
}

static bool table_commit(void *self, unsigned lane, struct chunk *chunk, char reason[TABLE_REASON_MAX])
{
    struct sqlite_table *table = self;
    CHECK_OBJECT(table, SQLITE_TABLE_MAGIC);
    return sqlite_commit(table, lane, chunk, reason);
}

static void table_abandon(void *self, unsigned lane, struct chunk *chunk)
{
    struct sqlite_table *table = self;
    char reason[TABLE_REASON_MAX];
    bool ours;
    (void)chunk;
    int64_t begin = sqlite_enter(table);
    atomic_store(&table->committing, true);
    /* When that fails others find that we are gone. */
    bool good = table->claims[lane].id == 0 ||
                (sqlite_write_begin(table, "NORMAL", reason) && sqlite_lease_end(table, lane, &ours, reason));
    if (table->claims[lane].id != 0)
        (void)sqlite_write_end(table, good, reason);
    atomic_store(&table->committing, false);
    sqlite_leave(table, begin);
    pthread_mutex_lock(&table->state);
    table->claims[lane] = (struct sqlite_claim){0};
    pthread_mutex_unlock(&table->state);
    atomic_store(&table->again, true);
}

/* ---- progress ---- */

static bool table_resume(void *self, char position[CHUNK_POSITION_MAX], char reason[TABLE_REASON_MAX])
{
    struct sqlite_table *table = self;
    int code = sqlite3_step(table->load);
    *position = '\0';
    if (code == SQLITE_ROW && sqlite3_column_bytes(table->load, 0) < CHUNK_POSITION_MAX)
        snprintf(position, CHUNK_POSITION_MAX, "%s", (const char *)sqlite3_column_text(table->load, 0));
    bool good = code == SQLITE_ROW || code == SQLITE_DONE ||
                sqlite_fault(table, table->db, "reading progress", reason);
    sqlite3_reset(table->load);
    return good;
}

/* ---- life ---- */

static bool table_count(void *self, uint64_t *rows)
{
    struct sqlite_table *table = self;
    sqlite_bind_key(table->count, 1, &table->last);
    bool good = sqlite3_step(table->count) == SQLITE_ROW;
    *rows = good ? (uint64_t)sqlite3_column_int64(table->count, 0) : 0;
    sqlite3_reset(table->count);
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
    return ((struct sqlite_table *)self)->reader == NULL ? 1 : 2;
}

/* A journal that is kept between transactions, where it would be deleted after each: the folder need not be
 * written each time. It is of this connection alone, and deleted at the end. */
static void keep_journal(struct sqlite_table *table, bool keep)
{
    sqlite3_stmt *ask;
    const char *from = keep ? "delete" : "persist";
    if (table->part == TABLE_SOURCE || table->db == NULL ||
        sqlite3_prepare_v2(table->db, "PRAGMA journal_mode", -1, &ask, NULL) != SQLITE_OK)
        return;
    const char *mode = sqlite3_step(ask) == SQLITE_ROW ? (const char *)sqlite3_column_text(ask, 0) : "";
    bool is = strcmp(mode, from) == 0;
    table->gated = strcmp(mode, "wal") != 0;
    sqlite3_finalize(ask);
    if (is)
        (void)sqlite3_exec(table->db, keep ? "PRAGMA journal_mode = PERSIST" : "PRAGMA journal_mode = DELETE",
                           NULL, NULL, NULL);
}

static void table_close(void *self)
{
    struct sqlite_table *table = self;
    CHECK_OBJECT(table, SQLITE_TABLE_MAGIC);
    sqlite3_stmt *statements[] = {
        table->read,       table->read_before, table->write,        table->reject, table->next_lease,
        table->all_leases, table->add_lease,   table->end_lease,    table->save,   table->load,
        table->any_lease,  table->read_ahead,  table->data_version, table->count};
    for (size_t i = 0; i < COUNT_OF(statements); i++)
        sqlite3_finalize(statements[i]);
    sqlite3_close(table->reader);
    keep_journal(table, false);
    sqlite3_close(table->db);
    pthread_mutex_destroy(&table->reading);
    pthread_mutex_destroy(&table->state);
    pthread_rwlock_destroy(&table->gate);
    pthread_cond_destroy(&table->turn);
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
    if (sqlite3_open_v2(path, &table->db, flags | SQLITE_OPEN_NOMUTEX, sqlite_disk()) != SQLITE_OK)
        return COMPLAIN(reason, "%s: %s", path, sqlite3_errmsg(table->db));
    sqlite3_extended_result_codes(table->db, 0);
    sqlite3_busy_handler(table->db, wait_for_others, table);
    sqlite3_progress_handler(table->db, LOOK_STEPS, look_for_end, table);
    snprintf(sql, sizeof sql, "PRAGMA cache_size = -%d; PRAGMA wal_autocheckpoint = %d", CACHE_KIB,
             CHECKPOINT_PAGES);
    return sqlite_exec(table, sql, reason) &&
           sqlite_prepare(table, &table->data_version, sqlite3_mprintf("PRAGMA data_version"), reason);
}

/* The connection that reads ahead. Where there cannot be one, rows are read with what is written. */
static void connect_reader(struct sqlite_table *table)
{
    sqlite3 **reader = &table->reader;
    bool good = sqlite3_open_v2(table->job->from->at, reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                                sqlite_disk()) == SQLITE_OK;
    if (good) {
        sqlite3_busy_handler(*reader, wait_unless_writing, table);
        sqlite3_progress_handler(*reader, LOOK_STEPS, look_for_end, table);
        good = sqlite3_prepare_v3(*reader, sqlite3_sql(table->read), -1, SQLITE_PREPARE_PERSISTENT,
                                  &table->read_ahead, NULL) == SQLITE_OK;
    }
    if (good)
        return;
    sqlite3_close(*reader);
    *reader = NULL;
}

static void make_locks(struct sqlite_table *table)
{
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    ENSURE(pthread_rwlock_init(&table->gate, &attributes) == 0 &&
           pthread_mutex_init(&table->reading, NULL) == 0 && pthread_mutex_init(&table->state, NULL) == 0 &&
           pthread_cond_init(&table->turn, NULL) == 0);
    pthread_rwlockattr_destroy(&attributes);
}

static void *table_open(const struct table_job *job, enum table_part part, char reason[TABLE_REASON_MAX])
{
    struct sqlite_table *table = object_alloc(sizeof *table);
    table->magic = SQLITE_TABLE_MAGIC;
    table->job = job;
    table->part = part;
    table->values = object_alloc(job->width * sizeof *table->values);
    table->scoring = INT64_MAX; /* not known yet */
    make_locks(table);
    sqlite_begin_pass(table);
    if (connect(table, reason) && sqlite_settle(table, reason) &&
        (part != TABLE_BOTH || sqlite_lease_prepare(table, reason))) {
        keep_journal(table, true);
        if (part == TABLE_BOTH)
            connect_reader(table);
        return table;
    }
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
