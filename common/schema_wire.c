/* schema_wire: a schema as a msgpack map (PROTOCOL.md section 7), written and read. Written by a worker once
 * for READY, read by every frontend from the catalogue, so the reader takes bytes from whoever may connect to
 * the workers' socket: each count and each length has a bound, unknown keys are passed over, a key that comes
 * twice is refused. The keys that the broker looks for are schema_keys.c's, the fields
 * schema_fields_wire.c's. SPDX-License-Identifier: MIT */
#include "schema_fields.h"
#include "schema_keys.h"

#include <stdlib.h>

enum {
    KEY_MAX = 64,           /* bytes of a key that we look at */
    NAME_MAX_BYTES = 512,   /* bytes of a feature's or a label's name */
    DESCRIPTION_MAX = 4096, /* bytes; it is a line or two for people */
    TENSOR_PAIRS = 3,
    MAP_PAIRS = 9, /* that are always there */
    KEYS = 12,
    ELEMENT_OVERHEAD = 9 /* bytes that msgpack puts around one element at most */
};

/* ---- writing ---- */

static size_t names_bound(char *const *names, size_t count)
{
    size_t bound = ELEMENT_OVERHEAD;
    for (size_t i = 0; i < count; i++)
        bound += strlen(names[i]) + ELEMENT_OVERHEAD;
    return bound;
}

static size_t tensors_bound(const struct schema_tensor *tensors, size_t count)
{
    size_t bound = ELEMENT_OVERHEAD;
    for (size_t i = 0; i < count; i++)
        bound += strlen(tensors[i].name) + KEY_MAX + (TENSOR_RANK_MAX + 2 * TENSOR_PAIRS) * ELEMENT_OVERHEAD;
    return bound;
}

static size_t schema_bound(const struct schema *schema)
{
    return strlen(schema->platform) + strlen(schema->description) + strlen(schema_digest(schema)) +
           tensors_bound(schema->inputs, schema->input_count) +
           tensors_bound(schema->outputs, schema->output_count) +
           names_bound(schema->features, schema->feature_count) +
           names_bound(schema->labels, schema->label_count) +
           schema_fields_bound(schema->fields, schema->feature_count) + schema_keys_bound(schema) +
           (MAP_PAIRS + 4) * (KEY_MAX + 2 * ELEMENT_OVERHEAD);
}

static void write_names(struct wire_writer *writer, char *const *names, size_t count)
{
    wire_write_array(writer, count);
    for (size_t i = 0; i < count; i++)
        wire_write_str(writer, names[i]);
}

static void write_tensors(struct wire_writer *writer, const struct schema_tensor *tensors, size_t count)
{
    wire_write_array(writer, count);
    for (size_t i = 0; i < count; i++) {
        wire_write_map(writer, TENSOR_PAIRS);
        wire_write_str(writer, "name");
        wire_write_str(writer, tensors[i].name);
        wire_write_str(writer, "datatype");
        wire_write_str(writer, datatype_name(tensors[i].datatype));
        wire_write_str(writer, "shape");
        wire_write_array(writer, tensors[i].rank);
        for (uint32_t d = 0; d < tensors[i].rank; d++)
            wire_write_int(writer, tensors[i].shape[d]);
    }
}

uint8_t *schema_encode(const struct schema *schema, size_t *length)
{
    size_t capacity = schema_bound(schema);
    uint8_t *bytes = object_alloc(capacity);
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_map(&writer, MAP_PAIRS + (size_t)(schema->fields != NULL) + (size_t)(schema->cost_count > 0) +
                                (size_t)(*schema_digest(schema) != '\0') +
                                (size_t)(schema->kind != SCHEMA_PLAIN) + (size_t)(schema->part_count > 0));
    wire_write_str(&writer, "platform");
    wire_write_str(&writer, schema->platform);
    wire_write_str(&writer, "description");
    wire_write_str(&writer, schema->description);
    wire_write_str(&writer, "inputs");
    write_tensors(&writer, schema->inputs, schema->input_count);
    wire_write_str(&writer, "outputs");
    write_tensors(&writer, schema->outputs, schema->output_count);
    wire_write_str(&writer, "features");
    write_names(&writer, schema->features, schema->feature_count);
    wire_write_str(&writer, "labels");
    write_names(&writer, schema->labels, schema->label_count);
    wire_write_str(&writer, "task");
    wire_write_str(&writer, schema_plain_task(schema));
    if (schema->kind != SCHEMA_PLAIN) {
        wire_write_str(&writer, "kind");
        wire_write_str(&writer, schema_task(schema));
    }
    wire_write_str(&writer, "timeout_ms");
    wire_write_uint(&writer, schema->timeout_ms);
    wire_write_str(&writer, "allow_nan");
    wire_write_bool(&writer, schema->allow_nan);
    if (schema->fields != NULL) {
        wire_write_str(&writer, "fields");
        schema_fields_write(&writer, schema->fields, schema->feature_count);
    }
    if (*schema_digest(schema) != '\0') {
        wire_write_str(&writer, "digest");
        wire_write_str(&writer, schema->digest);
    }
    if (schema->part_count > 0)
        schema_write_parts(&writer, schema);
    if (schema->cost_count > 0)
        schema_write_costs(&writer, schema);
    *length = wire_writer_end(&writer);
    ENSURE(*length > 0);
    return bytes;
}

/* ---- reading; each returns NULL or the complaint ---- */

/* A copy with a terminator; NULL when the text holds a zero byte and so cannot be a C string. */
static char *copy_string(struct text text)
{
    if (text.length > 0 && memchr(text.at, '\0', text.length) != NULL)
        return NULL;
    return text_copy(text, object_alloc(text.length + 1), text.length + 1);
}

static const char *read_string(struct wire_reader *reader, size_t maximum, char **string)
{
    struct text text;
    if (!wire_read_str(reader, maximum, &text))
        return "a text is none or too long";
    char *copy = copy_string(text);
    if (copy == NULL)
        return "a text holds a zero byte";
    free(*string);
    *string = copy;
    return NULL;
}

static const char *read_names(struct wire_reader *reader, char ***names, size_t *count)
{
    uint32_t elements;
    if (!wire_read_array(reader, &elements) || elements > SCHEMA_NAMES_MAX)
        return "features or labels are no array of at most 65536";
    *names = object_alloc(elements * sizeof **names);
    for (*count = 0; *count < elements; ++*count) {
        const char *complaint = read_string(reader, NAME_MAX_BYTES, &(*names)[*count]);
        if (complaint != NULL)
            return complaint;
    }
    return NULL;
}

static const char *read_shape(struct wire_reader *reader, struct schema_tensor *tensor)
{
    if (!wire_read_array(reader, &tensor->rank) || tensor->rank > TENSOR_RANK_MAX)
        return "a shape is no array of at most 8";
    for (uint32_t i = 0; i < tensor->rank; i++)
        if (!wire_read_int(reader, &tensor->shape[i]) || tensor->shape[i] < -1)
            return "a shape holds something else than integers from -1 on";
    return NULL;
}

static const char *read_tensor_value(struct wire_reader *reader, struct text key,
                                     struct schema_tensor *tensor, bool *datatype_said)
{
    struct text datatype;
    if (text_is(key, "name"))
        return read_string(reader, TENSOR_NAME_MAX, &tensor->name);
    if (text_is(key, "shape"))
        return read_shape(reader, tensor);
    if (!text_is(key, "datatype"))
        return wire_skip(reader) ? NULL : "a value is cut off";
    if (!wire_read_str(reader, SIZE_MAX, &datatype) || !datatype_parse(datatype, &tensor->datatype))
        return "a datatype is unknown";
    *datatype_said = true;
    return NULL;
}

static const char *read_tensor(struct wire_reader *reader, struct schema_tensor *tensor)
{
    uint32_t pairs;
    bool datatype_said = false;
    struct text key;
    if (!wire_read_map(reader, &pairs))
        return "a tensor is no map";
    for (uint32_t i = 0; i < pairs; i++) {
        if (!wire_read_str(reader, SIZE_MAX, &key))
            return "a key is no text";
        const char *complaint = read_tensor_value(reader, key, tensor, &datatype_said);
        if (complaint != NULL)
            return complaint;
    }
    return tensor->name != NULL && datatype_said && tensor->rank > 0
               ? NULL
               : "a tensor lacks its name, datatype or shape";
}

static const char *read_tensors(struct wire_reader *reader, struct schema_tensor **tensors, size_t *count)
{
    uint32_t elements;
    if (!wire_read_array(reader, &elements) || elements > TENSOR_COUNT_MAX)
        return "inputs or outputs are no array of at most 64";
    *tensors = object_alloc(elements * sizeof **tensors);
    *count = elements;
    for (uint32_t i = 0; i < elements; i++) {
        const char *complaint = read_tensor(reader, &(*tensors)[i]);
        if (complaint != NULL)
            return complaint;
    }
    return NULL;
}

static const char *read_platform(struct wire_reader *reader, struct schema *schema)
{
    return read_string(reader, NAME_MAX_BYTES, &schema->platform);
}

static const char *read_description(struct wire_reader *reader, struct schema *schema)
{
    return read_string(reader, DESCRIPTION_MAX, &schema->description);
}

static const char *read_inputs(struct wire_reader *reader, struct schema *schema)
{
    return read_tensors(reader, &schema->inputs, &schema->input_count);
}

static const char *read_outputs(struct wire_reader *reader, struct schema *schema)
{
    return read_tensors(reader, &schema->outputs, &schema->output_count);
}

static const char *read_features(struct wire_reader *reader, struct schema *schema)
{
    return read_names(reader, &schema->features, &schema->feature_count);
}

static const char *read_labels(struct wire_reader *reader, struct schema *schema)
{
    return read_names(reader, &schema->labels, &schema->label_count);
}

static const char *read_task(struct wire_reader *reader, struct schema *schema)
{
    struct text task;
    if (!wire_read_str(reader, NAME_MAX_BYTES, &task) ||
        (!text_is(task, "classification") && !text_is(task, "regression")))
        return "task is neither classification nor regression";
    schema->regression = text_is(task, "regression");
    return NULL;
}

/* One that is not known here is read as the plain task. */
static const char *read_kind(struct wire_reader *reader, struct schema *schema)
{
    struct text kind;
    if (!wire_read_str(reader, NAME_MAX_BYTES, &kind))
        return "kind is no text";
    schema->kind = schema_kind_of(kind);
    return NULL;
}

static const char *read_timeout(struct wire_reader *reader, struct schema *schema)
{
    uint64_t timeout;
    if (!wire_read_uint(reader, UINT32_MAX, &timeout))
        return "timeout_ms is out of bounds";
    schema->timeout_ms = (uint32_t)timeout;
    return NULL;
}

static const char *read_allow_nan(struct wire_reader *reader, struct schema *schema)
{
    return wire_read_bool(reader, &schema->allow_nan) ? NULL : "allow_nan is no boolean";
}

static const char *read_digest(struct wire_reader *reader, struct schema *schema)
{
    return read_string(reader, SCHEMA_DIGEST_MAX, &schema->digest);
}

static const char *read_parts(struct wire_reader *reader, struct schema *schema)
{
    struct schema_part parts[SCHEMA_PARTS_MAX];
    size_t count;
    const char *complaint = schema_read_parts(reader, parts, &count);
    if (complaint == NULL)
        schema_set_parts(schema, parts, count);
    return complaint;
}

static const struct {
    const char *key;
    const char *(*read)(struct wire_reader *reader, struct schema *schema);
} keys[KEYS] = {
    {"platform", read_platform},   {"description", read_description},
    {"inputs", read_inputs},       {"outputs", read_outputs},
    {"features", read_features},   {"labels", read_labels},
    {"task", read_task},           {"timeout_ms", read_timeout},
    {"allow_nan", read_allow_nan}, {"digest", read_digest},
    {"kind", read_kind},           {"parts", read_parts},
};

/* `fields` is left where it stands: how many there must be, the features say, which may come later. */
static const char *read_pair(struct wire_reader *reader, struct schema *schema, unsigned *seen,
                             struct wire_reader *fields)
{
    struct text key;
    if (!wire_read_str(reader, SIZE_MAX, &key))
        return "a key is no text";
    for (unsigned i = 0; i < COUNT_OF(keys); i++) {
        if (!text_is(key, keys[i].key))
            continue;
        if (*seen & 1u << i)
            return "a key comes twice";
        *seen |= 1u << i;
        return keys[i].read(reader, schema);
    }
    if (text_is(key, "fields") && fields->at != NULL)
        return "a key comes twice";
    if (text_is(key, "fields"))
        *fields = *reader;
    return wire_skip(reader) ? NULL : "a value is cut off";
}

static const char *read_fields(struct wire_reader *reader, struct schema *schema)
{
    size_t at;
    const char *complaint = schema_fields_read(reader, schema->feature_count, &schema->fields);
    return complaint != NULL ? complaint : schema_fields_misfit(schema, &at);
}

static const char *read_schema(struct wire_reader *reader, struct schema *schema)
{
    struct wire_reader fields = {.at = NULL};
    uint32_t pairs;
    unsigned seen = 0;
    if (!wire_read_map(reader, &pairs))
        return "the schema is no map";
    for (uint32_t i = 0; i < pairs; i++) {
        const char *complaint = read_pair(reader, schema, &seen, &fields);
        if (complaint != NULL)
            return complaint;
    }
    if (!wire_finished(reader))
        return "bytes are left over behind the schema";
    if (schema->input_count == 0 || schema->output_count == 0)
        return "inputs or outputs are missing";
    if (schema->kind != SCHEMA_PLAIN && schema->regression != (schema->kind == SCHEMA_EMBEDDING))
        return "kind is none of its task";
    size_t values = schema_row_values(schema);
    if (schema->feature_count != 0 && values != 0 && schema->feature_count != values)
        return "there are not as many features as values in a row";
    return fields.at == NULL ? NULL : read_fields(&fields, schema);
}

struct schema *schema_decode(const uint8_t *bytes, size_t length, const char **reason)
{
    struct wire_reader reader = wire_reader(bytes, length);
    struct schema *schema = schema_new();
    *reason = read_schema(&reader, schema);
    if (*reason == NULL)
        return schema;
    schema_free(schema);
    return NULL;
}
