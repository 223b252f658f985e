/* postgres_copy: results as COPY ... FROM STDIN takes them in binary form, which costs the server a third of
 * an INSERT. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_POSTGRES_COPY_H
#define OUTRIGGER_BATCH_POSTGRES_COPY_H

#include "chunk.h"
#include "draft.h"
#include "postgres_sql.h"

/* True where results go to a table of their own whose columns, the key's too, are of types that are written
 * here, and which has no rules, as COPY heeds none. */
bool postgres_copy_can(const struct postgres_plan *plan);
/* All results of the chunk, for a statement of postgres_sql_copy, into `copy`, which is emptied before.
 * False: one of them is no value of its column, which an INSERT would make one of, or refuse. */
bool postgres_copy_put(struct draft *copy, const struct postgres_plan *plan, const struct chunk *chunk);

#endif
