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

/* What a lane has. */
struct sqlite_claim {
    bool held;
    bool pending;              /* there is no lease of it yet */
    int64_t id;                /* of its lease; 0: none */
    int64_t adding;            /* of the one that is written now */
    int64_t seen;              /* the version of the database when the rows were read; without a lease */
    const struct chunk *chunk; /* without a lease */
    int64_t since;
};

/* A chunk that waits to be written; its lane's. */
struct sqlite_entry {
    struct sqlite_entry *next;
    unsigned lane;
    struct chunk *chunk;
    char *reason;
    bool good, done;
};

struct sqlite_table {
    unsigned magic;
    const struct table_job *job;
    enum table_part part;
    sqlite3 *db;     /* it is its whose turn it is to write, and so are its statements */
    sqlite3 *reader; /* BOTH: only reads, and needs no turn; NULL: there is none */
    pthread_mutex_t
        reading; /* of `reader`, `values` and how far a pass is. Who has it may wait for his turn */
    bool gated;  /* SQLite commits while nobody reads: in all modes of journals but WAL */
    pthread_rwlock_t gate;
    pthread_mutex_t state; /* of what follows, for a moment at a time */
    pthread_cond_t turn;
    atomic_bool writing;          /* somebody has the turn */
    atomic_bool committing;       /* and what he does is not broken off when the job is to end */
    struct sqlite_entry *waiting; /* chunks to be written */
    bool alone;                   /* nobody else is at the database, as far as we know */
    int64_t version;              /* of the database at our last transaction: others make it another */
    int64_t scoring;              /* nanoseconds that it took lately, until a chunk was to be written */
    struct sqlite_claim claims[TABLE_LANES_MAX];
    bool beside; /* results go to the row itself; else to a table of their own */
    char *table; /* of the source; of a TABLE_SINK of the results */
    char *key;   /* the column of the source that names a row */
    char *result_table, *result_key;
    char *rejects;
    const char *results[SQLITE_RESULTS]; /* names of columns; NULL: it is not written */
    sqlite3_stmt *read, *read_before;    /* rows behind a key; and before another one */
    sqlite3_stmt *read_ahead;            /* the first of them, of `reader`; NULL: there is none */
    sqlite3_stmt *data_version, *count;
    sqlite3_stmt *write, *reject;
    sqlite3_stmt *next_lease, *all_leases, *add_lease, *end_lease, *any_lease;
    sqlite3_stmt *save, *load; /* the position */
    /* How far a pass over the table is: behind this key. */
    struct row_value last;
    char *last_text;   /* memory of it, where it is a text */
    bool ended;        /* the pass came to the end of the table */
    atomic_bool again; /* rows were passed over that others had, or given back */
    struct row_value *values;
    char *lease_name;
    char *where;    /* which pid namespace of which boot: who may ask whether we live */
    char owner[64]; /* pid and start time */
    _Atomic int64_t busy;
};

/* Complains of the last error of a connection; reason "" when the job is to end, and that was why. Returns
 * false. */
bool sqlite_fault(struct sqlite_table *table, sqlite3 *db, const char *doing, char *reason);
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

/* ---- table_sqlite_take.c: who has `reading`, or is alone ---- */

void sqlite_remember(struct sqlite_table *table, const struct row_value *key);
void sqlite_begin_pass(struct sqlite_table *table);
/* Rows behind `last`, and, unless it is NULL, before that key. */
bool sqlite_read_rows(struct sqlite_table *table, sqlite3_stmt *read, const struct row_value *before,
                      struct chunk *chunk, size_t most, char *reason);
/* Of a TABLE_BOTH, by any lane. */
enum table_taken sqlite_take(struct sqlite_table *table, unsigned lane, struct chunk *chunk, size_t most,
                             char *reason);

/* ---- table_sqlite_commit.c: whose turn it is to write ---- */

/* Waits for the turn; the time is for sqlite_leave. */
int64_t sqlite_enter(struct sqlite_table *table);
void sqlite_leave(struct sqlite_table *table, int64_t since);
/* A transaction, "FULL": to the disk. */
bool sqlite_write_begin(struct sqlite_table *table, const char *synchronous, char *reason);
/* Commits it when it is good; else, or when that fails, nothing of it stays, and it is false. */
bool sqlite_write_end(struct sqlite_table *table, bool good, char *reason);
/* Writes a chunk, when it is its turn, and whatever else waits. */
bool sqlite_commit(struct sqlite_table *table, unsigned lane, struct chunk *chunk, char *reason);
/* Writes leases of rows that were read ahead, when nobody writes and they are not soon done. */
void sqlite_tell_leases(struct sqlite_table *table);

/* ---- table_sqlite_open.c: what must be there, and the statements ---- */

/* Looks at the database, makes what is ours or may be made, prepares. False with `reason`. */
bool sqlite_settle(struct sqlite_table *table, char *reason);

/* ---- table_sqlite_lease.c: who has which rows ---- */

bool sqlite_lease_prepare(struct sqlite_table *table, char *reason);
/* Within a transaction: ends leases whose owners are gone. `others`: whether there are any that go on. */
bool sqlite_lease_sweep(struct sqlite_table *table, bool *others, char *reason);
bool sqlite_lease_is_ours(struct sqlite_table *table, int64_t id);
/* Within a transaction: the first lease that ends behind a key, on the row of a statement that is to be
 * reset: its first and last key and its number. False when there is none. */
bool sqlite_lease_next(struct sqlite_table *table, const struct row_value *behind, sqlite3_stmt **row);
/* Within a transaction: these keys, the first and last of them included, are ours, by the lease *id. */
bool sqlite_lease_add(struct sqlite_table *table, const struct row_value *first, const struct row_value *last,
                      int64_t *id, char *reason);
/* Within a transaction: adds those of all rows that were read ahead and are still to be scored. */
bool sqlite_lease_pending(struct sqlite_table *table, char *reason);
/* What sqlite_lease_pending added is there, or not. */
void sqlite_lease_settle(struct sqlite_table *table, bool committed);
/* Within a transaction: the lane's rows are given back. *was_ours false: somebody else took them over. */
bool sqlite_lease_end(struct sqlite_table *table, unsigned lane, bool *was_ours, char *reason);

#endif
