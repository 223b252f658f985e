/* postgres_writer: a chunk as the server takes it, and the statements that write it: results as one COPY
 * where that can be, else as arrays. Each lane has its own. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_POSTGRES_WRITER_H
#define OUTRIGGER_BATCH_POSTGRES_WRITER_H

#include "draft.h"
#include "postgres_array.h"
#include "postgres_link.h"
#include "postgres_sql.h"

/* Zeroed = empty. */
struct postgres_writer {
    struct postgres_array first; /* the key of the first row that has a result */
    struct postgres_array keys, results[POSTGRES_RESULTS_COUNT], rejected, reasons;
    struct draft copy;
    bool copying; /* what was put last is in `copy` */
};

/* Of postgres_sql_write, postgres_sql_copy, postgres_sql_reject and postgres_sql_proof. */
struct postgres_writes {
    char *write, *copy, *reject, *proof;
};

/* The key as text; `buffer` is for a number. */
struct text postgres_key_text(const struct row_value *key, char buffer[NUMBER_TEXT_MAX]);
/* Adds a key to an array of such keys. False: it is no integer, and the column takes nothing else. */
bool postgres_put_key(const struct postgres_key *of, struct postgres_array *array,
                      const struct row_value *key);

/* Puts all of the chunk; `copy`: its results for a COPY, if they can be. False with `reason`. */
bool postgres_writer_put(struct postgres_writer *writer, const struct postgres_plan *plan, bool copy,
                         const struct chunk *chunk, char reason[TABLE_REASON_MAX]);
/* An array with the first key of what was put, for postgres_sql_proof; good until the next put. False: all of
 * it is rejected. */
bool postgres_writer_first(struct postgres_writer *writer, struct postgres_value *key);
/* Writes what was put, in the link's transaction. */
enum postgres_outcome postgres_writer_write(struct postgres_writer *writer, struct postgres_link *link,
                                            const struct postgres_plan *plan,
                                            const struct postgres_writes *writes, const char *model,
                                            const char *predicted_at, char reason[TABLE_REASON_MAX]);
void postgres_writer_free(struct postgres_writer *writer);

#endif
