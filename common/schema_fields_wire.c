/* schema_fields_wire: the key `fields` of a schema (PROTOCOL.md section 7), written and read. The reader
 * takes bytes from whoever may connect to the workers' socket: all has a bound, and a field that contradicts
 * itself is refused, so that nobody who follows it need think of that. SPDX-License-Identifier: MIT */
#include "schema_fields.h"

#include <stdlib.h>

enum {
    KEYS = 8,
    KEY_BYTES = 16,      /* of the longest key, and what stands in front of it */
    ELEMENT_OVERHEAD = 9 /* bytes that msgpack puts around one element at most */
};

/* ---- writing ---- */

static size_t value_bound(const struct schema_value *value)
{
    return ELEMENT_OVERHEAD + (value->text == NULL ? 0 : strlen(value->text));
}

size_t schema_fields_bound(const struct schema_field *fields, size_t count)
{
    size_t bound = KEY_BYTES + ELEMENT_OVERHEAD;
    for (size_t i = 0; fields != NULL && i < count; i++) {
        const struct schema_field *field = &fields[i];
        bound += (KEYS + 1) * (KEY_BYTES + ELEMENT_OVERHEAD) + strlen(field->name);
        bound += field->description == NULL ? 0 : strlen(field->description);
        bound += value_bound(&field->standard);
        for (size_t j = 0; j < field->allowed_count; j++)
            bound += value_bound(&field->allowed[j]);
    }
    return bound;
}

static void write_value(struct wire_writer *writer, const struct schema_value *value)
{
    if (value->text != NULL)
        wire_write_str(writer, value->text);
    else
        wire_write_double(writer, value->number);
}

static bool is_described(const struct schema_field *field)
{
    return field->description != NULL && field->description[0] != '\0';
}

static size_t count_pairs(const struct schema_field *field)
{
    return 1 + (size_t)is_described(field) + (field->type != SCHEMA_ANY) + field->has_minimum +
           field->has_maximum + (field->allowed_count > 0) + 2 * (size_t)field->optional;
}

static void write_bound(struct wire_writer *writer, const char *key, bool said, double bound)
{
    if (!said)
        return;
    wire_write_str(writer, key);
    wire_write_double(writer, bound);
}

static void write_field(struct wire_writer *writer, const struct schema_field *field)
{
    wire_write_map(writer, count_pairs(field));
    wire_write_str(writer, "name");
    wire_write_str(writer, field->name);
    if (is_described(field)) {
        wire_write_str(writer, "description");
        wire_write_str(writer, field->description);
    }
    if (field->type != SCHEMA_ANY) {
        wire_write_str(writer, "type");
        wire_write_str(writer, schema_type_name(field->type));
    }
    write_bound(writer, "min", field->has_minimum, field->minimum);
    write_bound(writer, "max", field->has_maximum, field->maximum);
    if (field->allowed_count > 0) {
        wire_write_str(writer, "allowed");
        wire_write_array(writer, field->allowed_count);
    }
    for (size_t i = 0; i < field->allowed_count; i++)
        write_value(writer, &field->allowed[i]);
    if (!field->optional)
        return;
    wire_write_str(writer, "required");
    wire_write_bool(writer, false);
    wire_write_str(writer, "default");
    write_value(writer, &field->standard);
}

void schema_fields_write(struct wire_writer *writer, const struct schema_field *fields, size_t count)
{
    wire_write_array(writer, count);
    for (size_t i = 0; i < count; i++)
        write_field(writer, &fields[i]);
}

/* ---- reading; each returns NULL or the complaint ---- */

/* What of a field is no member of it. */
struct reading {
    bool required_said, required, has_standard;
};

static const char *read_text(struct wire_reader *reader, size_t maximum, char **copy)
{
    struct text text;
    if (!wire_read_str(reader, maximum, &text))
        return "a text of a field is none or too long";
    if (text.length > 0 && memchr(text.at, '\0', text.length) != NULL)
        return "a text of a field holds a zero byte";
    *copy = text_copy(text, object_alloc(text.length + 1), text.length + 1);
    return NULL;
}

/* A string, a number or a boolean, which is the number 1 or 0. */
static const char *read_value(struct wire_reader *reader, struct schema_value *value)
{
    struct wire_reader before = *reader;
    bool truth;
    if (wire_read_double(reader, &value->number))
        return NULL;
    *reader = before;
    if (wire_read_bool(reader, &truth)) {
        value->number = truth;
        return NULL;
    }
    *reader = before;
    return read_text(reader, SCHEMA_VALUE_MAX, &value->text);
}

static const char *read_name(struct wire_reader *reader, struct schema_field *field, struct reading *reading)
{
    (void)reading;
    return read_text(reader, SCHEMA_VALUE_MAX, &field->name);
}

static const char *read_description(struct wire_reader *reader, struct schema_field *field,
                                    struct reading *reading)
{
    (void)reading;
    return read_text(reader, SCHEMA_FIELD_TEXT_MAX, &field->description);
}

static const char *read_type(struct wire_reader *reader, struct schema_field *field, struct reading *reading)
{
    struct text type;
    (void)reading;
    return wire_read_str(reader, KEY_BYTES, &type) && schema_type_parse(type, &field->type)
               ? NULL
               : "the type of a field is unknown";
}

static const char *read_minimum(struct wire_reader *reader, struct schema_field *field,
                                struct reading *reading)
{
    (void)reading;
    field->has_minimum = wire_read_double(reader, &field->minimum);
    return field->has_minimum ? NULL : "a bound of a field is no number";
}

static const char *read_maximum(struct wire_reader *reader, struct schema_field *field,
                                struct reading *reading)
{
    (void)reading;
    field->has_maximum = wire_read_double(reader, &field->maximum);
    return field->has_maximum ? NULL : "a bound of a field is no number";
}

static const char *read_allowed(struct wire_reader *reader, struct schema_field *field,
                                struct reading *reading)
{
    uint32_t count;
    (void)reading;
    if (!wire_read_array(reader, &count) || count > SCHEMA_ALLOWED_MAX)
        return "the allowed values of a field are no array of at most 1024";
    field->allowed = object_alloc(count * sizeof *field->allowed);
    while (field->allowed_count < count) {
        const char *complaint = read_value(reader, &field->allowed[field->allowed_count++]);
        if (complaint != NULL)
            return complaint;
    }
    return NULL;
}

static const char *read_required(struct wire_reader *reader, struct schema_field *field,
                                 struct reading *reading)
{
    (void)field;
    reading->required_said = wire_read_bool(reader, &reading->required);
    return reading->required_said ? NULL : "whether a field is required is no boolean";
}

static const char *read_standard(struct wire_reader *reader, struct schema_field *field,
                                 struct reading *reading)
{
    reading->has_standard = true;
    return read_value(reader, &field->standard);
}

static const struct {
    const char *key;
    const char *(*read)(struct wire_reader *reader, struct schema_field *field, struct reading *reading);
} keys[KEYS] = {{"name", read_name},         {"description", read_description},
                {"type", read_type},         {"min", read_minimum},
                {"max", read_maximum},       {"allowed", read_allowed},
                {"required", read_required}, {"default", read_standard}};

static const char *read_pair(struct wire_reader *reader, struct schema_field *field, struct reading *reading,
                             unsigned *seen)
{
    struct text key;
    if (!wire_read_str(reader, SIZE_MAX, &key))
        return "a key of a field is no text";
    for (unsigned i = 0; i < KEYS; i++) {
        if (!text_is(key, keys[i].key))
            continue;
        if (*seen & 1u << i)
            return "a key of a field comes twice";
        *seen |= 1u << i;
        return keys[i].read(reader, field, reading);
    }
    return wire_skip(reader) ? NULL : "a value is cut off";
}

static const char *read_field(struct wire_reader *reader, struct schema_field *field)
{
    char words[SCHEMA_CONTRADICTION_MAX];
    struct reading reading = {0};
    const char *member;
    uint32_t pairs;
    unsigned seen = 0;
    if (!wire_read_map(reader, &pairs))
        return "a field is no map";
    for (uint32_t i = 0; i < pairs; i++) {
        const char *complaint = read_pair(reader, field, &reading, &seen);
        if (complaint != NULL)
            return complaint;
    }
    if (field->name == NULL)
        return "a field has no name";
    field->optional = reading.has_standard;
    if (reading.required_said && reading.required == reading.has_standard)
        return "a field is required and has a default, or neither";
    return schema_field_consistent(field, &member, words) ? NULL : "a field contradicts itself";
}

const char *schema_fields_read(struct wire_reader *reader, size_t count, struct schema_field **fields)
{
    uint32_t elements;
    const char *complaint = NULL;
    if (!wire_read_array(reader, &elements) || elements != count)
        return "there is not one field for each feature";
    struct schema_field *list = object_alloc(count * sizeof *list);
    for (size_t i = 0; i < count && complaint == NULL; i++)
        complaint = read_field(reader, &list[i]);
    if (complaint == NULL)
        *fields = list;
    else
        schema_fields_free(list, count);
    return complaint;
}
