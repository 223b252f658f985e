/* protocol_fields: how the fields of a message are read, each with its bound; and the verbs' rows, by which
 * protocol.c writes and reads envelopes. For the files of the protocol alone. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROTOCOL_FIELDS_H
#define OUTRIGGER_PROTOCOL_FIELDS_H

#include "protocol.h"
#include "wire.h"

/* In a function that returns NULL or the complaint. */
#define TAKE(expression, complaint)                                                                          \
    do {                                                                                                     \
        if (!(expression))                                                                                   \
            return complaint;                                                                                \
    } while (0)

static inline bool protocol_take_u32(struct wire_reader *reader, uint64_t minimum, uint64_t maximum,
                                     uint32_t *value)
{
    uint64_t wide;
    if (!wire_read_uint(reader, maximum, &wide) || wide < minimum)
        return false;
    *value = (uint32_t)wide;
    return true;
}

static inline bool protocol_take_name(struct wire_reader *reader, bool may_be_empty, struct text *name)
{
    if (!wire_read_str(reader, PROTOCOL_NAME_MAX, name))
        return false;
    return (may_be_empty && name->length == 0) || protocol_name_ok(*name);
}

/* What may be left out at the end of an array. */
struct later_fields {
    uint32_t known; /* at most so many are read; what stands behind them is passed over */
    uint32_t (*count)(const struct envelope *envelope); /* up to the last that says something */
    void (*write)(struct wire_writer *writer, const struct envelope *envelope, uint32_t count);
    const char *(*read)(struct wire_reader *reader, struct envelope *envelope, uint32_t count);
};

/* A verb: its name and its fields. */
struct verb_row {
    enum verb verb;
    const char *name;
    uint32_t fields; /* after version, verb and id */
    void (*write)(struct wire_writer *writer, const struct envelope *envelope);
    const char *(*read)(struct wire_reader *reader, struct envelope *envelope);
    const struct later_fields *later; /* NULL: there are none, and nothing may stand behind the fields */
};

enum {
    PROTOCOL_VERB_COUNT = 0
#define X(name, number) +1
    PROTOCOL_VERBS(X)
#undef X
};

/* Every verb has its row. */
extern const struct verb_row protocol_verb_rows[PROTOCOL_VERB_COUNT];

#endif
