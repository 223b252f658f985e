/* schema_keys: the keys of a schema that the broker looks for in one that is encoded, without the rest
 * (schema_take_costs, schema_find_parts, schema_find_digest in schema.h): on the wire. For schema_wire.c.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCHEMA_KEYS_H
#define OUTRIGGER_SCHEMA_KEYS_H

#include "schema.h"
#include "wire.h"

/* Bytes that suffice for what the next two write, without the keys. */
size_t schema_keys_bound(const struct schema *schema);
/* The key and its value. */
void schema_write_parts(struct wire_writer *writer, const struct schema *schema);
void schema_write_costs(struct wire_writer *writer, const struct schema *schema);
/* The value of `parts`, views of what is read. NULL, or a constant complaint. */
const char *schema_read_parts(struct wire_reader *reader, struct schema_part parts[SCHEMA_PARTS_MAX],
                              size_t *count);

#endif
