/* stream_value: see stream_value.h. Bytes from outside: JSON, msgpack, or numbers as they lie in memory.
 *
 * A row is an object of values by the names of the columns, of which members that the model does not know are
 * passed over (messages carry more than a model needs), or a list of values by position, or an object whose
 * member `features` is one of these. What a value may be is row_builder's to say; what it cannot say (a list
 * where a number belongs, a name twice) is said here.
 * SPDX-License-Identifier: MIT */
#include "stream_value.h"

#include "element.h"
#include "number.h"
#include "wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SHOWN_MAX = 64 };

struct stream_values {
    enum stream_format format;
    struct row_builder *builder;
    const struct layout *layout;
    struct row_value *row;
    bool *set; /* which of them are said */
    size_t width, room;
    char *faults; /* of the value at hand */
    size_t faults_length;
};

/* ---- faults ---- */

static void fault(struct stream_values *values, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As row_builder has them: parted by "; ", cut at what fits. */
static void fault(struct stream_values *values, const char *format, ...)
{
    size_t left = ROW_FAULTS_MAX - values->faults_length;
    char *at = values->faults + values->faults_length;
    if (values->faults_length > 0 && left > 2) {
        memcpy(at, "; ", 3);
        at += 2;
        left -= 2;
    }
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(at, left, format, arguments);
    va_end(arguments);
    ENSURE(length >= 0);
    values->faults_length =
        (size_t)(at - values->faults) + ((size_t)length < left ? (size_t)length : left - 1);
}

static void fault_of(struct stream_values *values, size_t column, const char *complaint)
{
    struct text name = values->layout->names != NULL ? values->layout->names[column] : (struct text){0};
    if (name.length == 0)
        fault(values, "column %zu: %s", column + 1, complaint);
    else
        fault(values, "%.*s: %s", (int)(name.length < NAME_SHOWN_MAX ? name.length : NAME_SHOWN_MAX), name.at,
              complaint);
}

/* ---- a row that is begun ---- */

static bool fits(const struct stream_values *values, size_t width)
{
    size_t own = row_builder_width(values->builder);
    return own == width || values->layout->width == 0;
}

/* Room for a row of so many values, all missing. */
static void begin_row(struct stream_values *values, size_t width)
{
    if (width > values->room) {
        free(values->row);
        free(values->set);
        values->room = width;
        values->row = object_alloc(width * sizeof *values->row);
        values->set = object_alloc(width * sizeof *values->set);
    }
    values->width = width;
    for (size_t i = 0; i < width; i++)
        values->row[i].kind = ROW_MISSING;
    memset(values->set, 0, width * sizeof *values->set);
}

/* The place of the value of that name; NULL: there is none (it is passed over), or it is there twice. */
static struct row_value *place_of(struct stream_values *values, struct text name)
{
    size_t column;
    if (!layout_find(values->layout, name, &column))
        return NULL;
    if (values->set[column]) {
        fault_of(values, column, "is there twice");
        return NULL;
    }
    values->set[column] = true;
    return &values->row[column];
}

static bool begin_list(struct stream_values *values, size_t count)
{
    if (count == 0 || !fits(values, count)) {
        size_t width = row_builder_width(values->builder);
        if (values->layout->width == 0)
            fault(values, "expected a list of values, got an empty one");
        else
            fault(values, "expected %zu values, got %zu", width, count);
        return false;
    }
    begin_row(values, count);
    return true;
}

static bool begin_object(struct stream_values *values)
{
    if (values->layout->names == NULL) {
        fault(values, "the model's columns have no names: expected a list of values");
        return false;
    }
    begin_row(values, values->layout->width);
    return true;
}

/* ---- JSON ---- */

static void take_json(struct stream_values *values, struct row_value *place, yyjson_val *value)
{
    static const char wants[] = "expected one value, got ";
    char complaint[sizeof wants + 32];
    if (yyjson_is_str(value)) {
        place->kind = ROW_STRING;
        place->text = (struct text){yyjson_get_str(value), yyjson_get_len(value)};
    } else if (yyjson_is_real(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX)) {
        place->kind = ROW_NUMBER;
        place->number = yyjson_get_num(value);
    } else if (yyjson_is_int(value)) {
        place->kind = ROW_INTEGER;
        place->integer = yyjson_get_sint(value);
    } else if (yyjson_is_bool(value)) {
        place->kind = ROW_TRUTH;
        place->truth = yyjson_get_bool(value);
    } else if (!yyjson_is_null(value)) {
        snprintf(complaint, sizeof complaint, "%s%s", wants, element_kind(value));
        fault_of(values, (size_t)(place - values->row), complaint);
    }
}

static bool read_json_list(struct stream_values *values, yyjson_val *list)
{
    yyjson_arr_iter iter;
    yyjson_arr_iter_init(list, &iter);
    yyjson_val *value;
    if (!begin_list(values, yyjson_arr_size(list)))
        return false;
    for (size_t i = 0; (value = yyjson_arr_iter_next(&iter)) != NULL; i++)
        take_json(values, &values->row[i], value);
    return true;
}

static bool read_json_object(struct stream_values *values, yyjson_val *object)
{
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(object, &iter);
    yyjson_val *name;
    if (!begin_object(values))
        return false;
    while ((name = yyjson_obj_iter_next(&iter)) != NULL) {
        struct row_value *place = place_of(values, (struct text){yyjson_get_str(name), yyjson_get_len(name)});
        if (place != NULL)
            take_json(values, place, yyjson_obj_iter_get_val(name));
    }
    return true;
}

/* The row may stand in a member of its own, unless that is the name of a column. */
static bool is_wrapped(const struct stream_values *values)
{
    size_t column;
    return !layout_find(values->layout, text_of("features"), &column);
}

static bool read_json(struct stream_values *values, struct text bytes, yyjson_doc **document)
{
    yyjson_read_err error;
    *document = yyjson_read_opts((char *)bytes.at, bytes.length, 0, NULL, &error);
    if (*document == NULL) {
        fault(values, "no JSON: %s at byte %zu", error.msg, error.pos);
        return false;
    }
    yyjson_val *root = yyjson_doc_get_root(*document);
    yyjson_val *inner = yyjson_obj_get(root, "features");
    if ((yyjson_is_obj(inner) || yyjson_is_arr(inner)) && is_wrapped(values))
        root = inner;
    if (yyjson_is_obj(root))
        return read_json_object(values, root);
    if (yyjson_is_arr(root))
        return read_json_list(values, root);
    fault(values, "expected an object or a list of values, got %s", element_kind(root));
    return false;
}

/* ---- msgpack ---- */

static bool is_map(uint8_t type)
{
    return (type & 0xf0) == 0x80 || type == 0xde || type == 0xdf;
}

static bool is_list(uint8_t type)
{
    return (type & 0xf0) == 0x90 || type == 0xdc || type == 0xdd;
}

static bool is_string(uint8_t type)
{
    return (type & 0xe0) == 0xa0 || (type >= 0xd9 && type <= 0xdb);
}

static bool is_integer(uint8_t type)
{
    return type <= 0x7f || type >= 0xe0 || (type >= 0xcc && type <= 0xd3);
}

/* The type byte of what comes next; that of nothing at the end. */
static uint8_t next_type(const struct wire_reader *reader)
{
    return reader->failed || reader->at == reader->end ? 0xc1 : *reader->at;
}

static bool take_integer(struct row_value *place, struct wire_reader *reader)
{
    struct wire_reader again = *reader;
    uint64_t large;
    place->kind = ROW_INTEGER;
    if (wire_read_int(reader, &place->integer))
        return true;
    *reader = again; /* above what an int64_t holds, or cut off */
    place->kind = ROW_NUMBER;
    if (!wire_read_uint(reader, UINT64_MAX, &large))
        return false;
    place->number = (double)large;
    return true;
}

/* False when the bytes are no msgpack. */
static bool take_packed(struct stream_values *values, struct row_value *place, struct wire_reader *reader)
{
    uint8_t type = next_type(reader);
    if (is_string(type)) {
        place->kind = ROW_STRING;
        return wire_read_str(reader, STREAM_VALUE_MAX, &place->text);
    }
    if (is_integer(type))
        return take_integer(place, reader);
    if (type == 0xca || type == 0xcb) {
        place->kind = ROW_NUMBER;
        return wire_read_double(reader, &place->number);
    }
    if (type == 0xc2 || type == 0xc3) {
        place->kind = ROW_TRUTH;
        return wire_read_bool(reader, &place->truth);
    }
    if (type != 0xc0)
        fault_of(values, (size_t)(place - values->row), "expected a string, a number, true, false or nil");
    return wire_skip(reader);
}

static bool read_packed_list(struct stream_values *values, struct wire_reader *reader)
{
    uint32_t count;
    if (!wire_read_array(reader, &count))
        return true; /* told by the end */
    if (!begin_list(values, count))
        return false;
    for (size_t i = 0; i < count && take_packed(values, &values->row[i], reader);)
        i++;
    return true;
}

static bool read_packed_map(struct stream_values *values, struct wire_reader *reader)
{
    uint32_t pairs;
    struct text name;
    if (!wire_read_map(reader, &pairs))
        return true;
    if (!begin_object(values))
        return false;
    for (; pairs > 0 && wire_read_str(reader, STREAM_VALUE_MAX, &name); pairs--) {
        struct row_value *place = place_of(values, name);
        if (place == NULL ? !wire_skip(reader) : !take_packed(values, place, reader))
            break;
    }
    return true;
}

static bool read_packed_row(struct stream_values *values, struct wire_reader *reader)
{
    uint8_t type = next_type(reader);
    if (is_map(type))
        return read_packed_map(values, reader);
    if (is_list(type))
        return read_packed_list(values, reader);
    fault(values, "expected a map or a list of values in msgpack");
    return false;
}

/* Where the member `features` stands, if it is a row. */
static bool find_wrapped(struct wire_reader reader, struct wire_reader *inner)
{
    uint32_t pairs;
    struct text name;
    if (!wire_read_map(&reader, &pairs))
        return false;
    for (; pairs > 0 && wire_read_str(&reader, STREAM_VALUE_MAX, &name); pairs--) {
        *inner = reader;
        if (text_is(name, "features"))
            return is_map(next_type(inner)) || is_list(next_type(inner));
        if (!wire_skip(&reader))
            return false;
    }
    return false;
}

static bool read_packed(struct stream_values *values, struct text bytes)
{
    struct wire_reader all = wire_reader(bytes.at, bytes.length), whole = all, inner;
    if (!wire_skip(&all) || !wire_finished(&all)) {
        fault(values, "no msgpack, or bytes behind it");
        return false;
    }
    if (is_map(next_type(&whole)) && is_wrapped(values) && find_wrapped(whole, &inner))
        return read_packed_row(values, &inner);
    return read_packed_row(values, &whole);
}

/* ---- raw numbers ---- */

static size_t size_at(const struct stream_values *values, size_t column)
{
    return datatype_bytes(layout_datatype(values->layout, column));
}

static int64_t read_signed(const uint8_t *at, size_t size)
{
    uint64_t raw = 0;
    memcpy(&raw, at, size);
    unsigned unused = (unsigned)(64 - size * 8);
    return (int64_t)(raw << unused) >> unused;
}

static void take_unsigned(struct row_value *place, uint64_t value)
{
    place->kind = value > INT64_MAX ? ROW_NUMBER : ROW_INTEGER;
    if (value > INT64_MAX)
        place->number = (double)value;
    else
        place->integer = (int64_t)value;
}

static double read_float(enum datatype datatype, const uint8_t *at)
{
    float single;
    double number;
    uint16_t half;
    memcpy(&half, at, sizeof half);
    if (datatype == DATATYPE_FP16)
        return number_from_half(half);
    if (datatype == DATATYPE_BF16)
        return number_from_bfloat(half);
    if (datatype == DATATYPE_FP32) {
        memcpy(&single, at, sizeof single);
        return single;
    }
    memcpy(&number, at, sizeof number);
    return number;
}

static void take_raw(struct row_value *place, enum datatype datatype, const uint8_t *at)
{
    uint64_t raw = 0;
    size_t size = datatype_bytes(datatype);
    memcpy(&raw, at, size);
    switch (datatype) {
    case DATATYPE_BOOL:
    case DATATYPE_UINT8:
    case DATATYPE_UINT16:
    case DATATYPE_UINT32:
    case DATATYPE_UINT64:
        take_unsigned(place, raw);
        break;
    case DATATYPE_INT8:
    case DATATYPE_INT16:
    case DATATYPE_INT32:
    case DATATYPE_INT64:
        place->kind = ROW_INTEGER;
        place->integer = read_signed(at, size);
        break;
    default:
        place->kind = ROW_NUMBER;
        place->number = read_float(datatype, at);
    }
}

static size_t raw_bytes(const struct stream_values *values, size_t width)
{
    size_t bytes = 0;
    for (size_t i = 0; i < width; i++)
        bytes += size_at(values, i);
    return bytes;
}

static bool read_raw(struct stream_values *values, struct text bytes)
{
    size_t width = values->layout->width;
    if (width == 0)
        width = bytes.length / size_at(values, 0);
    if (width == 0 || raw_bytes(values, width) != bytes.length) {
        if (values->layout->width == 0)
            fault(values, "expected numbers of %zu bytes, got %zu bytes", size_at(values, 0), bytes.length);
        else
            fault(values, "expected %zu values in %zu bytes, got %zu bytes", width, raw_bytes(values, width),
                  bytes.length);
        return false;
    }
    begin_row(values, width);
    const uint8_t *at = (const uint8_t *)bytes.at;
    for (size_t i = 0; i < width; i++) {
        take_raw(&values->row[i], layout_datatype(values->layout, i), at);
        at += size_at(values, i);
    }
    return true;
}

/* ---- the whole ---- */

static bool read_value(struct stream_values *values, struct text value, yyjson_doc **document)
{
    if (value.length > STREAM_VALUE_MAX) {
        fault(values, "%zu bytes: a value has at most %d", value.length, STREAM_VALUE_MAX);
        return false;
    }
    if (values->format == STREAM_JSON)
        return read_json(values, value, document);
    return values->format == STREAM_MSGPACK ? read_packed(values, value) : read_raw(values, value);
}

static enum stream_value_result add_row(struct stream_values *values, char faults[ROW_FAULTS_MAX])
{
    if (values->width != row_builder_width(values->builder) &&
        !row_builder_widen(values->builder, values->width))
        return STREAM_VALUE_APART;
    return row_builder_add(values->builder, values->row, faults) ? STREAM_VALUE_ADDED : STREAM_VALUE_REFUSED;
}

enum stream_value_result stream_values_add(struct stream_values *values, struct text value,
                                           char faults[ROW_FAULTS_MAX])
{
    yyjson_doc *document = NULL;
    values->faults = faults;
    values->faults_length = 0;
    faults[0] = '\0';
    bool good = read_value(values, value, &document) && values->faults_length == 0;
    enum stream_value_result result = good ? add_row(values, faults) : STREAM_VALUE_REFUSED;
    yyjson_doc_free(document);
    return result;
}

size_t stream_values_rows(const struct stream_values *values)
{
    return row_builder_rows(values->builder);
}

const uint8_t *stream_values_payload(struct stream_values *values, size_t *bytes)
{
    return row_builder_payload(values->builder, 0, row_builder_rows(values->builder), bytes);
}

void stream_values_clear(struct stream_values *values)
{
    row_builder_clear(values->builder);
}

struct stream_values *stream_values_new(const struct schema *schema, enum stream_format format,
                                        size_t rows_max)
{
    struct row_builder *builder = row_builder_new(schema, rows_max);
    if (builder == NULL)
        return NULL;
    const struct layout *layout = row_builder_layout(builder);
    if (format == STREAM_RAW && layout->has_bytes) {
        row_builder_free(builder);
        return NULL;
    }
    struct stream_values *values = object_alloc(sizeof *values);
    values->format = format;
    values->builder = builder;
    values->layout = layout;
    return values;
}

void stream_values_free(struct stream_values *values)
{
    if (values == NULL)
        return;
    row_builder_free(values->builder);
    free(values->row);
    free(values->set);
    free(values);
}
