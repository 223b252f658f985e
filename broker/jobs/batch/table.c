/* table: which struct of functions a place has, and what they have in common. SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdio.h>

bool table_fault(const struct place *place, const char *words, char reason[TABLE_REASON_MAX])
{
    snprintf(reason, TABLE_REASON_MAX, "%s%s%s", *words == '\0' ? "" : place->at, *words == '\0' ? "" : ": ",
             words);
    return false;
}

const struct table *table_of(const struct place *place, enum table_part part)
{
    switch (place->kind) {
    case PLACE_SQLITE:
        return &table_sqlite;
    case PLACE_POSTGRES:
        return &table_postgres;
    case PLACE_CSV:
        return part == TABLE_SINK ? &table_output : &table_csv;
    case PLACE_JSONL:
        return part == TABLE_SINK ? &table_output : &table_jsonl;
    case PLACE_COLUMN:
    case PLACE_TABLE:
        break; /* of the source's table, which is both */
    }
    return NULL;
}
