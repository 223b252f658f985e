/* table_sqlite: what the files of SQLite tables share. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_TABLE_SQLITE_H
#define OUTRIGGER_BATCH_TABLE_SQLITE_H

#include "table.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

enum { SQLITE_TABLE_MAGIC = 0x0591e001, SQLITE_NAME_MAX = 256 };

/* The columns of a prediction, in this order. */
enum sqlite_result {
    SQLITE_RESULT_PREDICTION,
    SQLITE_RESULT_PROBABILITY,
    SQLITE_RESULT_LABEL,
    SQLITE_RESULT_VERSION,
    SQLITE_RESULT_AT,
    SQLITE_RESULTS
};

/* The range of keys that a lane has. */
struct sqlite_claim {
    int64_t id; /* of its lease; 0: none */
};

struct sqlite_table {
    unsigned magic;
    const struct table_job *job;
    enum table_part part;
    sqlite3 *db;
    pthread_mutex_t lock; /* of the connection and all below */
    bool beside;          /* results go to the row itself; else to a table of their own */
    char *table;          /* of the source; of a TABLE_SINK of the results */
    char *key;            /* the column of the source that names a row */
    char *result_table, *result_key;
    char *rejects;
    const char *results[SQLITE_RESULTS]; /* names of columns; NULL: it is not written */
    sqlite3_stmt *read, *read_before;    /* rows behind a key; and before another one */
    sqlite3_stmt *write, *reject;
    sqlite3_stmt *next_lease, *all_leases, *add_lease, *end_lease;
    sqlite3_stmt *save, *load; /* the position */
    /* How far a pass over the table is: behind this key. */
    struct row_value last;
    char *last_text; /* memory of it, where it is a text */
    bool ended;      /* the pass came to the end of the table */
    bool again;      /* rows were passed over that others had, or given back */
    struct sqlite_claim claims[TABLE_LANES_MAX];
    struct row_value *values;
    char *lease_name;
    char *where;    /* which pid namespace of which boot: who may ask whether we live */
    char owner[64]; /* pid and start time */
    _Atomic int64_t busy;
};

/* Complains of the last error of the connection. Returns false. */
bool sqlite_fault(struct sqlite_table *table, const char *doing, char *reason);
/* Prepares the text of a statement, which sqlite3_mprintf made, and frees it. False with `reason`. */
bool sqlite_prepare(struct sqlite_table *table, sqlite3_stmt **statement, char *sql, char *reason);
/* Runs a statement without rows, with its values bound, and resets it. False with `reason`; "" when the job
 * is to end and the database was locked. */
bool sqlite_run(struct sqlite_table *table, sqlite3_stmt *statement, char *reason);
bool sqlite_exec(struct sqlite_table *table, const char *sql, char *reason);
/* A transaction that is not to be finished. */
void sqlite_roll_back(struct sqlite_table *table);
void sqlite_bind_key(sqlite3_stmt *statement, int at, const struct row_value *key);
/* The value of a column as a key; false when it is none (NULL, a blob). Its text is SQLite's. */
bool sqlite_read_key(sqlite3_stmt *statement, int column, struct row_value *key);

/* ---- table_sqlite_open.c: what must be there, and the statements ---- */

/* Looks at the database, makes what is ours or may be made, prepares. False with `reason`. */
bool sqlite_settle(struct sqlite_table *table, char *reason);

/* ---- table_sqlite_lease.c: who has which rows ---- */

bool sqlite_lease_prepare(struct sqlite_table *table, char *reason);
/* Within a transaction: ends leases whose owners are gone. `others`: whether there are any that go on. */
bool sqlite_lease_sweep(struct sqlite_table *table, bool *others, char *reason);
bool sqlite_lease_is_ours(const struct sqlite_table *table, int64_t id);
/* Within a transaction: the first lease that ends behind a key, on the row of a statement that is to be
 * reset: its first and last key and its number. False when there is none. */
bool sqlite_lease_next(struct sqlite_table *table, const struct row_value *behind, sqlite3_stmt **row);
/* Within a transaction: the lane has these keys, the first and last of them included. */
bool sqlite_lease_add(struct sqlite_table *table, unsigned lane, const struct row_value *first,
                      const struct row_value *last, char *reason);
/* Within a transaction: gives it back. *was_ours false: somebody else took it over. */
bool sqlite_lease_end(struct sqlite_table *table, unsigned lane, bool *was_ours, char *reason);

#endif
