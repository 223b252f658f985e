/* chunk: rows of one transaction on their way from a source through the model to a sink.
 * A chunk belongs to one lane at a time and is used again and again: its memory is kept.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_CHUNK_H
#define OUTRIGGER_BATCH_CHUNK_H

#include "row_builder.h"
#include "scorer.h"

#include <sched.h>

enum { CHUNK_POSITION_MAX = 512, CHUNK_REASON_MAX = 512, CHUNK_NO_ROW = UINT32_MAX };

/* One row. Its texts are the chunk's. */
struct chunk_row {
    struct row_value
        key; /* ROW_INTEGER, ROW_NUMBER or ROW_STRING; of a file without one its number, from 1 */
    struct text original; /* a file's row as it came: a line of CSV or a JSON value; "" from databases */
    uint32_t scored;      /* its place among the rows that were sent to the model; CHUNK_NO_ROW: it was not */
    const char *reason;   /* why it is rejected; NULL: it has a prediction */
};

struct chunk {
    struct chunk_row *rows;
    size_t count;
    size_t rejected;                   /* of them, once it is scored */
    char position[CHUNK_POSITION_MAX]; /* behind its last row; the source's own words */
    uint64_t sequence;                 /* SOURCE: its place in the order */
    struct scored *scored;             /* see chunk_row.scored; those without failure count */
    size_t scored_count;
    bool lost; /* commit: the claim was somebody else's meanwhile, who has its rows; nothing was written */
    size_t others;           /* commit: rows that had a prediction already when ours was to be written */
    char predicted_at[32];   /* when: "2026-01-31T12:00:00.123Z" */
    int64_t predicted_at_us; /* the same, microseconds since 1970 */
    /* the chunk's own */
    struct row_builder *builder;
    size_t most;
    struct chunk_block *blocks;
};

/* For at most `most` rows of that model, of `width` values. NULL: it does not take such rows. */
struct chunk *chunk_new(const struct schema *schema, size_t width, size_t most);
void chunk_free(struct chunk *chunk);
/* Empties it. */
void chunk_clear(struct chunk *chunk);

/* Adds a row: its key and original (copied), and its values (as many as the model's layout is wide; texts
 * need be good during the call only). A row with faults is rejected with all of them said. */
void chunk_add(struct chunk *chunk, const struct row_value *key, struct text original,
               const struct row_value *values);
/* Adds a row that cannot even be read, for that reason. */
void chunk_refuse(struct chunk *chunk, const struct row_value *key, struct text original, const char *reason);
/* To be called at each row by whoever goes through a chunk: now and then it lets those go first that wait for
 * the processor. A job has time, but its priority says so only to processes of its own session or control
 * group: between those the kernel shares a processor out evenly, a few milliseconds to each. */
static inline void chunk_give_way(size_t row)
{
    enum { ROWS = 64 }; /* some 50 us */
    if (row % ROWS == ROWS - 1)
        sched_yield();
}
/* A copy that lives as long as what is in the chunk. */
struct text chunk_keep(struct chunk *chunk, struct text text);

/* What became of the rows that were sent (copied): those that failed are rejected from now on. False, with
 * `reason`, when some were not tried to the end: then the chunk is not scored. */
bool chunk_answered(struct chunk *chunk, const struct scored *scored, size_t count,
                    char reason[CHUNK_REASON_MAX]);

/* For databases: a float becomes the number that its shortest text reads as: 0.1, and not 0.10000000149. */
void chunk_round_floats(struct chunk *chunk);

/* The prediction of a row that is not rejected. */
static inline const struct scored *chunk_scored(const struct chunk *chunk, const struct chunk_row *row)
{
    return &chunk->scored[row->scored];
}

#endif
