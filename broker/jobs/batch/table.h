/* table: where rows come from and where predictions go. A database, or a kind of file, is one struct of
 * functions in one file (table_sqlite.c, table_postgres.c, ...); lanes.c is the only one who calls them.
 *
 * Source and sink in one database are one table, opened as TABLE_BOTH: each lane takes rows that nobody else
 * has (claims), has them scored, and commits predictions, rejects and the end of the claim in one
 * transaction. Which rows are done the database itself says, so a job that died anywhere is simply started
 * again.
 *
 * Any other pair is two tables, TABLE_SOURCE and TABLE_SINK: rows come in an order that is the same each
 * time, the lanes' chunks are committed in that order, one at a time, and each with the position behind it,
 * in one step; after a restart the sink tells the last position and the source goes on there.
 *
 * Threads: `open`, `count`, `resume`, `seek` and `close` are called by one thread while no lane runs; `take`
 * of a TABLE_SOURCE and `commit` of a TABLE_SINK by one lane at a time; those of a TABLE_BOTH by all lanes at
 * once. A lane's own calls never overlap. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_TABLE_H
#define OUTRIGGER_BATCH_TABLE_H

#include "chunk.h"
#include "place.h"

enum { TABLE_REASON_MAX = 512, TABLE_LANES_MAX = 64 };

enum table_part { TABLE_SOURCE, TABLE_SINK, TABLE_BOTH };

/* What the predictions of the model are, for columns that are made. */
enum table_prediction { TABLE_PREDICTION_NUMBER, TABLE_PREDICTION_CLASS, TABLE_PREDICTION_TEXT };

/* What rows are known by, and what a file calls their columns. Zeroed: rows have numbers. */
struct table_head {
    const char *key;          /* the name of what names a row; NULL: rows have numbers */
    const char *line;         /* CSV: the first line as it stands before what is added; NULL: it has none */
    const char *const *names; /* CSV: the columns that it names */
    size_t count;
};

/* What a table has to know of its job. It outlives the table, and so does all it points to. */
struct table_job {
    const struct place *from, *to;
    const char *rejects; /* the name of the table, or the path of the file; "": the default beside the sink */
    const char *name; /* the same after a restart: "MODEL FROM TO" without secrets; names leases, progress */
    const char *model;
    /* For each value of a row the column of the source that it comes from (the feature's name, or as
     * `columns` renames it), whether a row may be without it, and whether the model wants a text. */
    const char *const *columns;
    const bool *optional;
    const bool *is_text;
    size_t width;
    enum table_prediction prediction;
    unsigned lanes;
    size_t batch_size; /* rows of a transaction, at most */
    bool create;       /* result columns and tables that are missing are made */
    bool dry;          /* nothing is written: a database is opened as TABLE_SOURCE, and leaves out rows that
                          `to` says are done */
    bool overwrite;    /* files: what is there is replaced */
    struct table_head head; /* SINK: what the source's `head` gave */
    /* The job is to end: waits (for a lock, for a database that is away) are given up. From any thread. */
    bool (*stopping)(void *self);
    /* A line for people: "lost the connection, trying again: ...". From any thread. */
    void (*tell)(void *self, const char *line);
    void *self;
};

enum table_taken {
    TABLE_ROWS,   /* the chunk has at least one */
    TABLE_END,    /* there are no more, and there will be none */
    TABLE_LATER,  /* none now, but others hold some that may come back: ask again a little later */
    TABLE_STOPPED /* the job is to end (stopping), or it failed, with `reason` (not "") */
};

struct table {
    /* Checks that all the job names is there. NULL with `reason`: "table customers has no column age; there
     * are: id, plan" or the statement that makes what is missing. `part` says which calls will come. */
    void *(*open)(const struct table_job *job, enum table_part part, char reason[TABLE_REASON_MAX]);
    /* SOURCE: good until `close`. NULL: rows have numbers. */
    struct table_head (*head)(void *self);
    /* Rows that are still to be done, for the bar. False: not known (a stream). NULL: likewise. */
    bool (*count)(void *self, uint64_t *rows);
    /* SOURCE: how much of it is read, 0 to 1, from any thread; NULL: not known. */
    double (*part_read)(void *self);

    /* SOURCE, BOTH: takes at most `most` rows (chunk_add, chunk_refuse for each) into the empty chunk. */
    enum table_taken (*take)(void *self, unsigned lane, struct chunk *chunk, size_t most,
                             char reason[TABLE_REASON_MAX]);
    /* SINK, BOTH: everything of the chunk, rejects too, in one transaction, to the disk. False: it failed,
     * with `reason`, or the job is to end ("" then); nothing was written. */
    bool (*commit)(void *self, unsigned lane, struct chunk *chunk, char reason[TABLE_REASON_MAX]);
    /* BOTH: gives back what `take` claimed; the chunk was not scored whole. NULL: nothing need be done. */
    void (*abandon)(void *self, unsigned lane, struct chunk *chunk);

    /* SINK: the position of the last commit; "" when there was none. */
    bool (*resume)(void *self, char position[CHUNK_POSITION_MAX], char reason[TABLE_REASON_MAX]);
    /* SOURCE: goes on behind that position, which an earlier take put into chunk->position. */
    bool (*seek)(void *self, const char *position, char reason[TABLE_REASON_MAX]);

    /* Nanoseconds that all lanes together spent in the database until now (waiting for it, not for each
     * other); from any thread. */
    int64_t (*busy)(void *self);
    /* How many of them may do so at once: 1 for a database with one connection. */
    unsigned (*connections)(void *self);
    /* SINK: once, when no lane commits any more: what was committed is on the disk, and a file whole.
     * `finished`: the source came to its end. False with `reason`. NULL: each commit is. */
    bool (*settle)(void *self, bool finished, char reason[TABLE_REASON_MAX]);
    /* Ends it; leases are given back. */
    void (*close)(void *self);
};

extern const struct table table_sqlite;
extern const struct table table_postgres;
extern const struct table table_csv;    /* SOURCE */
extern const struct table table_jsonl;  /* SOURCE */
extern const struct table table_output; /* SINK: CSV and JSON lines */

/* Complains of a place; no words: the job is to end, and so it is with the reason. Returns false. */
bool table_fault(const struct place *place, const char *words, char reason[TABLE_REASON_MAX]);

/* The table of a place. */
const struct table *table_of(const struct place *place, enum table_part part);

#endif
