/* postgres_link: one connection to a PostgreSQL and the transaction on it: what is asked, what came of it.
 * A connection that is lost is made again, for ever, until the job is to end. For one thread at a time.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_POSTGRES_LINK_H
#define OUTRIGGER_BATCH_POSTGRES_LINK_H

#include "table.h"

#include <stdatomic.h>

enum postgres_outcome {
    POSTGRES_DONE,
    POSTGRES_AGAIN,  /* the transaction is gone and nothing of it is there; the connection may be, too. Begin
                        again */
    POSTGRES_FAILED, /* so is the transaction, and it would fail again: `reason` */
    POSTGRES_STOPPED /* given up, as the job is to end */
};

/* What the links of one table have together. Zeroed at first; it outlives them. */
struct postgres_shared {
    _Atomic int64_t busy;     /* nanoseconds in the database */
    _Atomic int64_t patience; /* milliseconds that a statement may take; 0: as at first */
    _Atomic int64_t idle;     /* likewise that a transaction may wait for its rows to be scored */
    atomic_bool away;         /* something is tried again, which was told */
};

/* A parameter of a statement. */
struct postgres_value {
    unsigned type;  /* the number of its type; 0: as the statement has it */
    const void *at; /* a text, terminated, or `binary`; NULL: NULL */
    size_t length;
    bool binary;
};

struct postgres_link;

/* `at`: a URL or words of libpq. Does not connect. */
struct postgres_link *postgres_link_new(const char *at, const struct table_job *job,
                                        struct postgres_shared *shared);
void postgres_link_free(struct postgres_link *link); /* NULL is fine; what was begun is rolled back */

/* The first connection: false with `reason`. A server that only starts is waited for. */
bool postgres_link_open(struct postgres_link *link, char reason[TABLE_REASON_MAX]);
/* Begins a transaction, which must not be there; connects again, however long that takes. DONE or STOPPED, or
 * FAILED. */
enum postgres_outcome postgres_link_begin(struct postgres_link *link, char reason[TABLE_REASON_MAX]);
/* Asks in the transaction. The answer, in binary form, is good until the next call. */
enum postgres_outcome postgres_link_ask(struct postgres_link *link, const char *statement,
                                        const struct postgres_value *values, size_t count,
                                        char reason[TABLE_REASON_MAX]);
/* The same with a COPY ... FROM STDIN, and those bytes. */
enum postgres_outcome postgres_link_copy(struct postgres_link *link, const char *statement, struct text bytes,
                                         char reason[TABLE_REASON_MAX]);
/* What tells whether a transaction is there: a statement that gives a row when what it wrote is. Its $1 is
 * the transaction's number, as a text; the values stand behind. */
struct postgres_proof {
    const char *statement;
    const struct postgres_value *values;
    size_t count;
};
/* To the disk. When the connection is lost meanwhile, the server is asked what came of it, and for the proof
 * (NULL: none). */
enum postgres_outcome postgres_link_commit(struct postgres_link *link, const struct postgres_proof *proof,
                                           char reason[TABLE_REASON_MAX]);
/* Nothing of the transaction, if there is one, stays. */
void postgres_link_rollback(struct postgres_link *link);

/* Puts the last answer aside, and takes up the one that was; that of another call does not touch it. */
void postgres_link_swap(struct postgres_link *link);
/* Whether what is tried again is kept from the user. */
void postgres_link_quiet(struct postgres_link *link, bool quiet);

/* Whether what is asked is worth a few seconds when the job is to end: what is committed then is not lost.
 * What is not is given up at once. */
void postgres_link_keep(struct postgres_link *link, bool keep);

/* Of the last answer. */
size_t postgres_link_rows(const struct postgres_link *link);
/* Rows that the statement changed. */
size_t postgres_link_changed(const struct postgres_link *link);
/* NULL: NULL. What is behind it is a zero. */
const void *postgres_link_value(const struct postgres_link *link, size_t row, size_t column, size_t *length);

/* What to do about an error of that SQLSTATE; NULL: there was none, since the connection broke. */
enum postgres_outcome postgres_outcome_of(const char *sqlstate);

#endif
