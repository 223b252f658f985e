/* postgres_catalog: what a database has of what a job names: tables, columns, keys; what is missing is said,
 * or made. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_POSTGRES_CATALOG_H
#define OUTRIGGER_BATCH_POSTGRES_CATALOG_H

#include "postgres_link.h"
#include "postgres_sql.h"

/* The plan of a job, and what it points to. */
struct postgres_found {
    struct postgres_plan plan;
    struct postgres_relation source, sink; /* without columns: there is none of its own */
    char *rejects, *progress;              /* quoted; NULL: not needed */
};

/* Looks for all that the job needs as that part, and makes what it may make. False with `reason`. Free what
 * was found in any case. */
bool postgres_find(struct postgres_link *link, const struct table_job *job, enum table_part part,
                   struct postgres_found *found, char reason[TABLE_REASON_MAX]);
void postgres_found_free(struct postgres_found *found);

#endif
