/* table: which struct of functions a place has. SPDX-License-Identifier: MIT */
#include "table.h"

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
