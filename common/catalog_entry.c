/* catalog_entry: what CATALOG says of one version (PROTOCOL.md section 4). Written by broker/askers.c
 * whenever something changes, read by whoever asks. SPDX-License-Identifier: MIT */
#include "protocol_fields.h"

enum { ENTRY_FIELDS = 9, ENTRY_OVERHEAD = 2 * PROTOCOL_NAME_MAX + PROTOCOL_TEXT_MAX + 64 };

size_t catalog_entry_bound(const struct catalog_entry *entry)
{
    return ENTRY_OVERHEAD + entry->schema.length + entry->route.length;
}

size_t catalog_entry_encode(const struct catalog_entry *entry, uint8_t *bytes, size_t capacity)
{
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_array(&writer, ENTRY_FIELDS);
    wire_write_text(&writer, entry->model);
    wire_write_text(&writer, entry->version);
    wire_write_uint(&writer, entry->state);
    wire_write_uint(&writer, entry->workers);
    wire_write_bool(&writer, entry->stable);
    wire_write_bool(&writer, entry->required);
    wire_write_bin(&writer, entry->schema.at, entry->schema.length);
    wire_write_text(&writer, entry->reason);
    wire_write_bin(&writer, entry->route.at, entry->route.length);
    return wire_writer_end(&writer);
}

const char *catalog_entry_decode(const uint8_t *bytes, size_t length, struct catalog_entry *entry)
{
    struct wire_reader reader = wire_reader(bytes, length);
    uint32_t fields;
    uint64_t state;
    TAKE(wire_read_array(&reader, &fields) && fields >= ENTRY_FIELDS, "the entry is no array of at least 9");
    TAKE(protocol_take_name(&reader, false, &entry->model), "the entry's model is no name");
    TAKE(protocol_take_name(&reader, true, &entry->version), "the entry's version is no name");
    TAKE(wire_read_uint(&reader, CATALOG_FAILED, &state), "the entry's state is unknown");
    TAKE(protocol_take_u32(&reader, 0, UINT32_MAX, &entry->workers), "the entry's workers is no number");
    TAKE(wire_read_bool(&reader, &entry->stable), "the entry's stable is no boolean");
    TAKE(wire_read_bool(&reader, &entry->required), "the entry's required is no boolean");
    TAKE(wire_read_bin(&reader, PROTOCOL_SCHEMA_MAX, &entry->schema),
         "the entry's schema is no bin of at most 8 MiB");
    TAKE(wire_read_str(&reader, PROTOCOL_TEXT_MAX, &entry->reason),
         "the entry's reason is no text of at most 512 bytes");
    TAKE(wire_read_bin(&reader, PROTOCOL_ROUTE_MAX, &entry->route),
         "the entry's route is no bin of at most 65536 bytes");
    for (uint32_t i = ENTRY_FIELDS; i < fields; i++) /* what a later broker adds */
        TAKE(wire_skip(&reader), "the entry is cut off");
    TAKE(wire_finished(&reader), "bytes are left over behind the entry");
    entry->state = (enum catalog_state)state;
    return NULL;
}
