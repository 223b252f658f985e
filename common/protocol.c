/* protocol: envelopes to bytes and back, exactly as PROTOCOL.md says.
 *
 * Called by client (askers), session (workers) and broker for every message, and by the fuzzer with anything.
 * What an envelope holds besides its verb and its id is its verb's affair (protocol_verbs.c); here it is
 * found by its number, and nothing may be left over behind its fields. Beside that: what failures are called.
 * SPDX-License-Identifier: MIT */
#include "protocol_fields.h"

enum { HEAD_FIELDS = 3 }; /* protocol version, verb and id */

static const struct verb_row *row_of(uint64_t verb)
{
    for (size_t i = 0; i < PROTOCOL_VERB_COUNT; i++)
        if ((uint64_t)protocol_verb_rows[i].verb == verb)
            return &protocol_verb_rows[i];
    return NULL;
}

size_t protocol_encode(const struct envelope *envelope, uint8_t *bytes, size_t capacity)
{
    const struct verb_row *row = row_of(envelope->verb);
    ENSURE(row != NULL);
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, capacity);
    uint32_t later = row->later == NULL ? 0 : row->later->count(envelope);
    wire_write_array(&writer, HEAD_FIELDS + row->fields + later);
    wire_write_uint(&writer, PROTOCOL_VERSION);
    wire_write_uint(&writer, envelope->verb);
    wire_write_uint(&writer, envelope->id);
    if (row->write != NULL)
        row->write(&writer, envelope);
    if (later > 0)
        row->later->write(&writer, envelope, later);
    return wire_writer_end(&writer);
}

/* So many elements are left: those that this version knows are read, what a newer one added is passed over.
 */
static const char *read_later(struct wire_reader *reader, const struct later_fields *later,
                              struct envelope *envelope, uint32_t count)
{
    const char *complaint = later->read(reader, envelope, count < later->known ? count : later->known);
    for (uint32_t i = later->known; i < count && complaint == NULL; i++)
        TAKE(wire_skip(reader), "the envelope is cut off");
    return complaint;
}

const char *protocol_decode_first(const uint8_t *bytes, size_t length, struct envelope *envelope,
                                  size_t *used)
{
    struct wire_reader reader =
        wire_reader(bytes, length < PROTOCOL_ENVELOPE_MAX ? length : PROTOCOL_ENVELOPE_MAX);
    uint32_t elements;
    uint64_t version, verb;
    TAKE(wire_read_array(&reader, &elements), "the envelope is no array");
    TAKE(wire_read_uint(&reader, UINT64_MAX, &version), "version is no number");
    TAKE(version == PROTOCOL_VERSION, "the protocol version is not 1");
    TAKE(wire_read_uint(&reader, UINT64_MAX, &verb), "verb is no number");
    TAKE(wire_read_uint(&reader, UINT64_MAX, &envelope->id), "id is no number");
    const struct verb_row *row = row_of(verb);
    TAKE(row != NULL, "the verb is unknown");
    uint32_t fields = HEAD_FIELDS + row->fields;
    TAKE(elements == fields || (elements > fields && row->later != NULL),
         "the verb has another number of fields");
    envelope->verb = row->verb;
    const char *complaint = row->read == NULL ? NULL : row->read(&reader, envelope);
    if (complaint == NULL && row->later != NULL)
        complaint = read_later(&reader, row->later, envelope, elements - fields);
    TAKE(complaint == NULL, complaint);
    *used = (size_t)(reader.at - bytes);
    return NULL;
}

const char *protocol_decode(const uint8_t *bytes, size_t length, struct envelope *envelope)
{
    size_t used;
    TAKE(length <= PROTOCOL_ENVELOPE_MAX, "the envelope is longer than 4096 bytes");
    const char *complaint = protocol_decode_first(bytes, length, envelope, &used);
    TAKE(complaint == NULL, complaint);
    TAKE(used == length, "bytes are left over behind the envelope");
    return NULL;
}

uint32_t protocol_payload_count(const struct envelope *envelope)
{
    switch (envelope->verb) {
    case VERB_REQUEST:
    case VERB_REPLY:
    case VERB_READY:
        return 1;
    case VERB_CATALOG:
        return envelope->catalog.count;
    case VERB_RESULT:
        return envelope->result.count;
    case VERB_BATCH:
        return envelope->batch.count;
    default:
        return 0;
    }
}

bool protocol_name_ok(struct text name)
{
    if (name.length == 0 || name.length > PROTOCOL_NAME_MAX || name.at[0] == '.')
        return false;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
              c == '_' || c == '-'))
            return false;
    }
    return true;
}

const char *protocol_verb_name(enum verb verb)
{
    const struct verb_row *row = row_of((uint64_t)verb);
    return row == NULL ? "?" : row->name;
}

const char *failure_label(enum failure failure)
{
    switch (failure) {
#define X(name, number, http, label)                                                                         \
    case FAILURE_##name:                                                                                     \
        return label;
        FAILURES(X)
#undef X
    }
    return "internal";
}

int failure_http_status(enum failure failure)
{
    switch (failure) {
#define X(name, number, http, label)                                                                         \
    case FAILURE_##name:                                                                                     \
        return http;
        FAILURES(X)
#undef X
    }
    return 500;
}
