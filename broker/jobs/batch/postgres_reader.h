/* postgres_reader: the rows of an answer, into a chunk. Each lane has its own.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_POSTGRES_READER_H
#define OUTRIGGER_BATCH_POSTGRES_READER_H

#include "postgres_link.h"
#include "postgres_sql.h"

/* Zeroed = empty. */
struct postgres_reader {
    struct row_value *values; /* of one row */
};

/* The key of a row of the link's last answer, as it came: good as long as that is. */
struct text postgres_reader_key(const struct postgres_link *link, size_t row);
/* A key that came so as a parameter of a statement. */
struct postgres_value postgres_reader_parameter(const struct postgres_plan *plan, struct text key);
/* Adds all rows of the link's last answer, to a statement of postgres_sql_take. */
void postgres_reader_add(struct postgres_reader *reader, const struct postgres_link *link,
                         const struct postgres_plan *plan, struct chunk *chunk);
/* The same of an answer that has rows, without those that have a result since; in the transaction that has
 * locked them. `done`: a statement of postgres_sql_done, which is asked. */
enum postgres_outcome postgres_reader_add_undone(struct postgres_reader *reader, struct postgres_link *link,
                                                 const struct postgres_plan *plan, const char *done,
                                                 struct chunk *chunk, char reason[TABLE_REASON_MAX]);
void postgres_reader_free(struct postgres_reader *reader);

#endif
