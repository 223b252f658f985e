/* schema_keys: see schema_keys.h. Called by schema_wire.c, and by the broker, for which an encoded schema is
 * bytes that it hands on. They come from whoever may connect to the workers' socket: all has a bound.
 * SPDX-License-Identifier: MIT */
#include "schema_keys.h"

#include "protocol.h"

enum {
    COST_VALUES = 2,
    PART_VALUES = 3,
    ELEMENT_OVERHEAD = 9 /* bytes that msgpack puts around one element at most */
};

size_t schema_keys_bound(const struct schema *schema)
{
    size_t bound = ELEMENT_OVERHEAD + schema->cost_count * (COST_VALUES + 1) * ELEMENT_OVERHEAD;
    for (size_t i = 0; i < schema->part_count; i++)
        bound += schema->parts[i].step.length + schema->parts[i].model.length +
                 schema->parts[i].version.length + (PART_VALUES + 1) * ELEMENT_OVERHEAD;
    return bound;
}

/* ---- parts ---- */

void schema_write_parts(struct wire_writer *writer, const struct schema *schema)
{
    wire_write_str(writer, "parts");
    wire_write_array(writer, schema->part_count);
    for (size_t i = 0; i < schema->part_count; i++) {
        wire_write_array(writer, PART_VALUES);
        wire_write_text(writer, schema->parts[i].step);
        wire_write_text(writer, schema->parts[i].model);
        wire_write_text(writer, schema->parts[i].version);
    }
}

const char *schema_read_parts(struct wire_reader *reader, struct schema_part parts[SCHEMA_PARTS_MAX],
                              size_t *count)
{
    uint32_t elements, values;
    if (!wire_read_array(reader, &elements) || elements > SCHEMA_PARTS_MAX)
        return "parts is no array of at most 256";
    for (*count = 0; *count < elements; ++*count) {
        struct schema_part *part = &parts[*count];
        if (!wire_read_array(reader, &values) || values != PART_VALUES ||
            !wire_read_str(reader, PROTOCOL_NAME_MAX, &part->step) ||
            !wire_read_str(reader, PROTOCOL_NAME_MAX, &part->model) ||
            !wire_read_str(reader, PROTOCOL_NAME_MAX, &part->version))
            return "a part is no array of step, model and version";
        if (!protocol_name_ok(part->step) || !protocol_name_ok(part->model) ||
            (part->version.length > 0 && !protocol_name_ok(part->version)))
            return "a part's step, model or version is no name";
    }
    return NULL;
}

/* ---- costs ---- */

void schema_write_costs(struct wire_writer *writer, const struct schema *schema)
{
    wire_write_str(writer, "costs");
    wire_write_array(writer, schema->cost_count);
    for (size_t i = 0; i < schema->cost_count; i++) {
        wire_write_array(writer, COST_VALUES);
        wire_write_uint(writer, schema->costs[i].rows);
        wire_write_uint(writer, schema->costs[i].us);
    }
}

static bool read_costs(struct wire_reader *reader, struct schema_cost *costs, uint32_t *count)
{
    if (!wire_read_array(reader, count) || *count > SCHEMA_COSTS_MAX)
        return false;
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t values;
        uint64_t rows, us;
        if (!wire_read_array(reader, &values) || values != COST_VALUES ||
            !wire_read_uint(reader, UINT32_MAX, &rows) || !wire_read_uint(reader, UINT32_MAX, &us))
            return false;
        costs[i] = (struct schema_cost){(uint32_t)rows, (uint32_t)us};
    }
    return true;
}

/* ---- single keys, of a schema that is encoded ---- */

/* Leaves the reader before the value of that key. Where the key stands; NULL when there is none, or the bytes
 * are no map. */
static const uint8_t *find_key(struct wire_reader *reader, const char *name)
{
    struct text key;
    uint32_t pairs;
    if (!wire_read_map(reader, &pairs))
        return NULL;
    for (uint32_t i = 0; i < pairs; i++) {
        const uint8_t *place = reader->at;
        if (!wire_read_str(reader, SIZE_MAX, &key))
            return NULL;
        if (text_is(key, name))
            return place;
        if (!wire_skip(reader))
            return NULL;
    }
    return NULL;
}

/* Only of a map whose head is one byte: at most 15 pairs. */
size_t schema_take_costs(uint8_t *bytes, size_t *length, struct schema_cost costs[SCHEMA_COSTS_MAX])
{
    struct wire_reader reader = wire_reader(bytes, *length);
    uint32_t count;
    const uint8_t *pair = find_key(&reader, "costs");
    if (pair == NULL || (bytes[0] & 0xf0) != 0x80 || !read_costs(&reader, costs, &count))
        return 0;
    memmove(bytes + (pair - bytes), reader.at, (size_t)(reader.end - reader.at));
    *length -= (size_t)(reader.at - pair);
    bytes[0]--;
    return count;
}

struct text schema_find_digest(const uint8_t *bytes, size_t length)
{
    struct wire_reader reader = wire_reader(bytes, length);
    struct text digest;
    return find_key(&reader, "digest") != NULL && wire_read_str(&reader, SCHEMA_DIGEST_MAX, &digest)
               ? digest
               : (struct text){.at = NULL};
}

size_t schema_find_parts(const uint8_t *bytes, size_t length, struct schema_part parts[SCHEMA_PARTS_MAX])
{
    struct wire_reader reader = wire_reader(bytes, length);
    size_t count;
    return find_key(&reader, "parts") != NULL && schema_read_parts(&reader, parts, &count) == NULL ? count
                                                                                                   : 0;
}
