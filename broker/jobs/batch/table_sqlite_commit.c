/* table_sqlite_commit: predictions, rejects and the ends of leases, written.
 *
 * SQLite lets one write at a time, and each transaction waits for the disk: so whoever comes while another
 * writes waits, and what has come by then is written by the first of them in one transaction. When that fails
 * each chunk has one of its own, so that only the guilty one fails.
 * SPDX-License-Identifier: MIT */
#include "table_sqlite.h"

#include "clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SOON (SECOND / 4) /* rows that are done by then are not worth a transaction for their lease */
enum { GROUP_ROWS = 50000 /* of one transaction, unless a chunk is larger: they fit into the cache */ };

/* ---- writing ---- */

static void bind_number(sqlite3_stmt *statement, int at, double number)
{
    if (isnan(number))
        sqlite3_bind_null(statement, at);
    else
        sqlite3_bind_double(statement, at, number);
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static void bind_prediction(sqlite3_stmt *statement, int at, const struct scored *scored)
{
    if (scored->list != NULL)
        bind_text(statement, at, scored->list);
    else if (isnan(scored->value) && scored->has_label)
        bind_text(statement, at, scored->label);
    else if ((scored->is_whole || scored->is_truth) && fabs(scored->value) < (double)INT64_MAX)
        sqlite3_bind_int64(statement, at, (sqlite3_int64)scored->value);
    else
        bind_number(statement, at, scored->value);
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
        bind_number(write, at++, scored->probability);
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

static bool write_rows(struct sqlite_table *table, struct chunk *chunk, char *reason)
{
    bool good = true;
    chunk->others = 0;
    for (size_t i = 0; i < chunk->count && good; i++) {
        const struct chunk_row *row = &chunk->rows[i];
        good = row->reason != NULL ? write_reject(table, chunk, row, reason)
                                   : write_row(table, chunk, row, reason);
        if (row->reason == NULL && table->part == TABLE_BOTH)
            chunk->others += sqlite3_changes(table->db) == 0; /* somebody else has done it since */
        chunk_give_way(i);
    }
    return good;
}

/* ---- transactions ---- */

int64_t sqlite_enter(struct sqlite_table *table)
{
    pthread_mutex_lock(&table->state);
    while (table->writing)
        pthread_cond_wait(&table->turn, &table->state);
    atomic_store(&table->writing, true);
    pthread_mutex_unlock(&table->state);
    return clock_now();
}

void sqlite_leave(struct sqlite_table *table, int64_t since)
{
    atomic_fetch_add_explicit(&table->busy, clock_now() - since, memory_order_relaxed);
    pthread_mutex_lock(&table->state);
    atomic_store(&table->writing, false);
    pthread_cond_broadcast(&table->turn);
    pthread_mutex_unlock(&table->state);
}

bool sqlite_write_begin(struct sqlite_table *table, const char *synchronous, char *reason)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA synchronous = %s", synchronous);
    if (!sqlite_exec(table, sql, reason) || !sqlite_exec(table, "BEGIN IMMEDIATE", reason))
        return false;
    int code = sqlite3_step(table->data_version);
    int64_t version = code == SQLITE_ROW ? sqlite3_column_int64(table->data_version, 0) : 0;
    bool good = code == SQLITE_ROW || sqlite_fault(table, table->db, "PRAGMA data_version", reason);
    sqlite3_reset(table->data_version);
    pthread_mutex_lock(&table->state);
    table->alone = table->alone && version == table->version;
    table->version = version;
    pthread_mutex_unlock(&table->state);
    return good;
}

bool sqlite_write_end(struct sqlite_table *table, bool good, char *reason)
{
    if (good) {
        if (table->gated)
            pthread_rwlock_wrlock(&table->gate);
        good = sqlite_exec(table, "COMMIT", reason);
        if (table->gated)
            pthread_rwlock_unlock(&table->gate);
    }
    if (!good)
        sqlite_roll_back(table);
    sqlite_lease_settle(table, good);
    return good;
}

/* ---- chunks ---- */

/* In a transaction. */
static bool write_chunk(struct sqlite_table *table, unsigned lane, struct chunk *chunk, char *reason)
{
    bool ours = true;
    chunk->lost = false;
    if (table->part == TABLE_BOTH && !sqlite_lease_end(table, lane, &ours, reason))
        return false;
    if (!ours) {
        chunk->lost = true;
        return true;
    }
    if (!write_rows(table, chunk, reason))
        return false;
    if (table->part != TABLE_SINK)
        return true;
    bind_text(table->save, 2, chunk->position);
    bind_text(table->save, 3, chunk->predicted_at);
    return sqlite_run(table, table->save, reason);
}

/* Those from `first` to before `end` in one transaction. */
static bool write_some(struct sqlite_table *table, struct sqlite_entry *first, const struct sqlite_entry *end,
                       char *reason)
{
    *reason = '\0';
    bool good = sqlite_write_begin(table, "FULL", reason);
    for (struct sqlite_entry *entry = first; good && entry != end; entry = entry->next)
        good = write_chunk(table, entry->lane, entry->chunk, reason);
    if (good && table->part == TABLE_BOTH)
        good = sqlite_lease_pending(table, reason);
    good = sqlite_write_end(table, good, reason);
    for (struct sqlite_entry *entry = first; entry != end; entry = entry->next)
        entry->good = good;
    return good;
}

static void write_all(struct sqlite_table *table, struct sqlite_entry *first)
{
    if (write_some(table, first, NULL, first->reason) || first->next == NULL)
        return;
    for (struct sqlite_entry *entry = first; entry != NULL; entry = entry->next)
        (void)write_some(table, entry, entry->next, entry->reason);
}

/* The turn is ours: takes what waits, at most so many rows, and writes it without the lock. */
static void write_waiting(struct sqlite_table *table)
{
    struct sqlite_entry *first = table->waiting, **end = &table->waiting;
    for (size_t rows = 0; *end != NULL && (rows == 0 || rows < GROUP_ROWS); end = &(*end)->next)
        rows += (*end)->chunk->count;
    table->waiting = *end;
    *end = NULL;
    pthread_mutex_unlock(&table->state);
    int64_t begin = clock_now();
    atomic_store(&table->committing, true);
    write_all(table, first);
    atomic_store(&table->committing, false);
    atomic_fetch_add_explicit(&table->busy, clock_now() - begin, memory_order_relaxed);
    pthread_mutex_lock(&table->state);
    for (struct sqlite_entry *entry = first, *next; entry != NULL; entry = next) {
        next = entry->next;
        if (entry->good)
            table->claims[entry->lane] = (struct sqlite_claim){0};
        entry->done = true;
    }
}

bool sqlite_commit(struct sqlite_table *table, unsigned lane, struct chunk *chunk, char *reason)
{
    chunk_round_floats(chunk); /* before it is our turn */
    struct sqlite_entry entry = {.lane = lane, .chunk = chunk, .reason = reason}, **last;
    pthread_mutex_lock(&table->state);
    for (last = &table->waiting; *last != NULL; last = &(*last)->next)
        ;
    *last = &entry;
    table->claims[lane].pending = false; /* there is no need for a lease any more */
    table->scoring = clock_now() - table->claims[lane].since;
    while (!entry.done)
        if (table->writing)
            pthread_cond_wait(&table->turn, &table->state);
        else {
            atomic_store(&table->writing, true);
            write_waiting(table);
            atomic_store(&table->writing, false);
            pthread_cond_broadcast(&table->turn);
        }
    pthread_mutex_unlock(&table->state);
    if (chunk->lost)
        atomic_store(&table->again, true);
    return entry.good;
}

void sqlite_tell_leases(struct sqlite_table *table)
{
    char reason[TABLE_REASON_MAX];
    pthread_mutex_lock(&table->state);
    bool idle = table->scoring > SOON && !table->writing && table->waiting == NULL;
    atomic_store(&table->writing, table->writing || idle);
    pthread_mutex_unlock(&table->state);
    if (!idle)
        return; /* who writes does it, too */
    int64_t begin = clock_now();
    bool good = sqlite_write_begin(table, "NORMAL", reason) && sqlite_lease_pending(table, reason);
    (void)sqlite_write_end(table, good, reason); /* when it fails whoever commits sees that */
    sqlite_leave(table, begin);
}
