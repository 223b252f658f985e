/* table_sqlite_take: which rows a lane gets.
 *
 * While no other job is at the table, lanes read ahead, one after the other, on a connection of their own, so
 * that reading does not wait for writing. That the rows are theirs is written down (as leases) when nobody
 * writes, else with what is written next; until then it is the version of the database that tells whether
 * anybody else has changed it since, and if so, whether somebody else has the rows. As soon as there are
 * others, rows are read within the transaction that leases them.
 * SPDX-License-Identifier: MIT */
#include "table_sqlite.h"

#include "clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define COMPLAIN(reason, ...) (snprintf((reason), TABLE_REASON_MAX, __VA_ARGS__), false)

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

void sqlite_remember(struct sqlite_table *table, const struct row_value *key)
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
void sqlite_begin_pass(struct sqlite_table *table)
{
    table->last = (struct row_value){.kind = ROW_NUMBER, .number = -INFINITY};
    table->ended = false;
    atomic_store(&table->again, false);
}

/* The rows of a statement that is bound, into the chunk. `last` moves. */
static bool add_rows(struct sqlite_table *table, sqlite3_stmt *read, struct chunk *chunk, char *reason)
{
    int code;
    bool good = true;
    while ((code = sqlite3_step(read)) == SQLITE_ROW && good)
        good = add_row(table, read, chunk, reason);
    if (good && code != SQLITE_DONE)
        good = sqlite_fault(table, sqlite3_db_handle(read), "reading rows", reason);
    sqlite3_reset(read);
    sqlite3_clear_bindings(read);
    if (good && chunk->count > 0)
        sqlite_remember(table, &chunk->rows[chunk->count - 1].key);
    return good;
}

bool sqlite_read_rows(struct sqlite_table *table, sqlite3_stmt *read, const struct row_value *before,
                      struct chunk *chunk, size_t most, char *reason)
{
    sqlite_bind_key(read, 1, &table->last);
    sqlite3_bind_int64(read, 2, (sqlite3_int64)most);
    if (before != NULL)
        sqlite_bind_key(read, 3, before);
    return add_rows(table, read, chunk, reason);
}

/* ---- ahead ---- */

/* Reads on the connection of its own. False: it could not be done now, which is no fault. */
static bool read_ahead(struct sqlite_table *table, struct chunk *chunk, size_t most)
{
    char reason[TABLE_REASON_MAX];
    if (table->gated)
        pthread_rwlock_rdlock(&table->gate);
    bool good = sqlite_read_rows(table, table->read_ahead, NULL, chunk, most, reason);
    if (table->gated)
        pthread_rwlock_unlock(&table->gate);
    if (!good)
        chunk_clear(chunk);
    return good && chunk->count > 0;
}

/* The rows are the lane's, unless somebody else has them, which is seen at the next write. */
static void hold(struct sqlite_table *table, unsigned lane, const struct chunk *chunk, int64_t version)
{
    pthread_mutex_lock(&table->state);
    table->claims[lane] = (struct sqlite_claim){
        .held = true, .pending = true, .seen = version, .chunk = chunk, .since = clock_now()};
    pthread_mutex_unlock(&table->state);
}

/* False: there are none to be had in this way. `reading` is held. */
static bool take_ahead(struct sqlite_table *table, unsigned lane, struct chunk *chunk, size_t most)
{
    pthread_mutex_lock(&table->state);
    bool alone = table->alone && table->read_ahead != NULL;
    int64_t version = table->version;
    pthread_mutex_unlock(&table->state);
    if (!alone)
        return false;
    int64_t begin = clock_now();
    bool good = read_ahead(table, chunk, most);
    atomic_fetch_add_explicit(&table->busy, clock_now() - begin, memory_order_relaxed);
    if (good)
        hold(table, lane, chunk, version);
    return good;
}

/* ---- claiming ---- */

/* The next rows that nobody has, behind `last`. What others have is passed over. */
static bool find_rows(struct sqlite_table *table, struct chunk *chunk, size_t most, char *reason)
{
    sqlite3_stmt *lease;
    while (chunk->count == 0 && !table->ended) {
        if (!sqlite_lease_next(table, &table->last, &lease)) {
            if (!sqlite_read_rows(table, table->read, NULL, chunk, most, reason))
                return false;
            table->ended = chunk->count == 0;
            break;
        }
        struct row_value first, last;
        bool good = sqlite_read_key(lease, 0, &first) && sqlite_read_key(lease, 1, &last) &&
                    sqlite_read_rows(table, table->read_before, &first, chunk, most, reason);
        if (good && chunk->count == 0) {
            if (!sqlite_lease_is_ours(table, sqlite3_column_int64(lease, 2)))
                atomic_store(&table->again, true);
            sqlite_remember(table, &last);
        }
        sqlite3_reset(lease);
        if (!good)
            return false;
    }
    return true;
}

static bool some_held(struct sqlite_table *table)
{
    bool held = false;
    pthread_mutex_lock(&table->state);
    for (unsigned i = 0; i < table->job->lanes; i++)
        held = held || table->claims[i].held;
    pthread_mutex_unlock(&table->state);
    return held;
}

/* What there is when a pass has come to the end of the table. */
static enum table_taken no_rows(struct sqlite_table *table, bool others)
{
    if (others)
        atomic_store(&table->again, true);
    bool again = atomic_load(&table->again);
    if (others || (again && some_held(table)))
        return TABLE_LATER; /* they may give rows back */
    if (!again)
        return TABLE_END;
    sqlite_begin_pass(table);
    return TABLE_LATER;
}

/* In a transaction. */
static bool claim_rows(struct sqlite_table *table, unsigned lane, struct chunk *chunk, size_t most,
                       bool *others, char *reason)
{
    int64_t id = 0;
    bool good =
        sqlite_write_begin(table, "NORMAL", reason) && /* that a power cut undoes a lease is no loss */
        sqlite_lease_pending(table, reason) && sqlite_lease_sweep(table, others, reason) &&
        find_rows(table, chunk, most, reason);
    if (good && chunk->count > 0)
        good = sqlite_lease_add(table, &chunk->rows[0].key, &chunk->rows[chunk->count - 1].key, &id, reason);
    if (!sqlite_write_end(table, good, reason))
        return false;
    pthread_mutex_lock(&table->state);
    table->claims[lane] = (struct sqlite_claim){.held = chunk->count > 0, .id = id, .since = clock_now()};
    table->alone = !*others;
    pthread_mutex_unlock(&table->state);
    return true;
}

static enum table_taken claim(struct sqlite_table *table, unsigned lane, struct chunk *chunk, size_t most,
                              char *reason)
{
    bool others = false;
    int64_t begin = sqlite_enter(table);
    bool good = claim_rows(table, lane, chunk, most, &others, reason);
    sqlite_leave(table, begin);
    if (!good)
        return TABLE_STOPPED;
    return chunk->count > 0 ? TABLE_ROWS : no_rows(table, others);
}

enum table_taken sqlite_take(struct sqlite_table *table, unsigned lane, struct chunk *chunk, size_t most,
                             char *reason)
{
    *reason = '\0';
    pthread_mutex_lock(&table->reading);
    bool ahead = take_ahead(table, lane, chunk, most);
    enum table_taken taken = ahead ? TABLE_ROWS : claim(table, lane, chunk, most, reason);
    pthread_mutex_unlock(&table->reading);
    if (ahead)
        sqlite_tell_leases(table);
    return taken;
}
