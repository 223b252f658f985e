/* observation: see observation.h. Texts are bounded as in PROTOCOL.md; what is not what our processes
 * write is refused as a whole, but a kind that comes later is passed over. SPDX-License-Identifier: MIT */
#include "observation.h"

enum {
    OBSERVATION_HEAD_FIELDS = 2,
    SHADOW_FIELDS = 10,    /* of its array, the two of every kind among them */
    NUMBERS_BYTES_MAX = 64 /* of all that is neither text nor answer, with the heads of those */
};

/* ---- writing ---- */

size_t observation_bound(const struct observation *observation)
{
    return observation->model.length + observation->version.length + observation->shadow.length +
           observation->answer.length + observation->shadow_answer.length + NUMBERS_BYTES_MAX;
}

size_t observation_encode(const struct observation *observation, uint8_t *bytes, size_t capacity)
{
    ENSURE(observation->kind == OBSERVATION_SHADOW);
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_array(&writer, SHADOW_FIELDS);
    wire_write_uint(&writer, OBSERVATION_VERSION);
    wire_write_uint(&writer, observation->kind);
    wire_write_text(&writer, observation->model);
    wire_write_text(&writer, observation->version);
    wire_write_text(&writer, observation->shadow);
    wire_write_uint(&writer, observation->task);
    wire_write_uint(&writer, observation->tolerance_ppm);
    wire_write_uint(&writer, observation->failure);
    wire_write_bin(&writer, observation->answer.at, observation->answer.length);
    wire_write_bin(&writer, observation->shadow_answer.at, observation->shadow_answer.length);
    return wire_writer_end(&writer);
}

/* ---- reading ---- */

static const char *read_shadow(struct wire_reader *reader, struct observation *observation)
{
    uint64_t task, tolerance, failure;
    if (!wire_read_str(reader, PROTOCOL_NAME_MAX, &observation->model) ||
        !wire_read_str(reader, PROTOCOL_NAME_MAX, &observation->version) ||
        !wire_read_str(reader, PROTOCOL_NAME_MAX, &observation->shadow))
        return "a name is none";
    if (!wire_read_uint(reader, TASK_LABELS, &task) || !wire_read_uint(reader, UINT32_MAX, &tolerance) ||
        !wire_read_uint(reader, UINT8_MAX, &failure)) /* as in a RESULT, where later ones may come */
        return "a number is out of its bounds";
    if (!wire_read_bin(reader, OBSERVATION_BYTES_MAX, &observation->answer) ||
        !wire_read_bin(reader, OBSERVATION_BYTES_MAX, &observation->shadow_answer))
        return "an answer is none";
    observation->kind = OBSERVATION_SHADOW;
    observation->task = (enum observation_task)task;
    observation->tolerance_ppm = (uint32_t)tolerance;
    observation->failure = (enum failure)failure;
    return NULL;
}

const char *observation_shadow(const struct observation_any *any, struct observation *observation)
{
    struct wire_reader reader = wire_reader(any->body.at, any->body.length);
    *observation = (struct observation){.kind = OBSERVATION_UNKNOWN};
    return any->fields == SHADOW_FIELDS - OBSERVATION_HEAD_FIELDS ? read_shadow(&reader, observation)
                                                                  : "its array has another length";
}

const char *observation_next(struct wire_reader *reader, struct observation_any *any)
{
    uint32_t fields;
    uint64_t version;
    if (!wire_read_array(reader, &fields) || fields < OBSERVATION_HEAD_FIELDS ||
        !wire_read_uint(reader, UINT32_MAX, &version) || !wire_read_uint(reader, UINT32_MAX, &any->kind))
        return "it is no array that begins with two numbers";
    if (version != OBSERVATION_VERSION)
        return "its version is not ours";
    if (fields > OBSERVATION_FIELDS_MAX)
        return "its array is too long";
    const uint8_t *body = reader->at;
    any->fields = fields - OBSERVATION_HEAD_FIELDS;
    for (uint32_t i = 0; i < any->fields; i++)
        if (!wire_skip(reader))
            return "a field of it is cut off";
    any->body = (struct text){(const char *)body, (size_t)(reader->at - body)};
    return NULL;
}

const char *observation_read(struct wire_reader *reader, struct observation *observation)
{
    struct observation_any any;
    const char *wrong = observation_next(reader, &any);
    *observation = (struct observation){.kind = OBSERVATION_UNKNOWN};
    if (wrong != NULL || any.kind != OBSERVATION_SHADOW)
        return wrong;
    return observation_shadow(&any, observation);
}
