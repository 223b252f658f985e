/* tensor: see tensor.h. The one place that knows how PROTOCOL.md section 6 looks in bytes.
 *
 * The frontend writes requests with it and reads answers, the worker the other way round, the fuzzer gives it
 * anything. Whatever tensors_decode lets pass is consistent: shape, datatype and length of the data agree and
 * no product of theirs overflows, also where a dimension of 0 hides the others. So nobody behind it checks
 * again. SPDX-License-Identifier: MIT */
#include "tensor.h"

#include "wire.h"

#include <endian.h>

enum { TENSOR_FIELDS = 4, LENGTH_PREFIX = 4 };

static const struct {
    const char *name;
    size_t bytes;
} datatypes[DATATYPE_COUNT] = {
#define X(name, bytes) [DATATYPE_##name] = {#name, bytes},
    DATATYPES(X)
#undef X
};

const char *datatype_name(enum datatype datatype)
{
    ENSURE((unsigned)datatype < DATATYPE_COUNT);
    return datatypes[datatype].name;
}

size_t datatype_bytes(enum datatype datatype)
{
    ENSURE((unsigned)datatype < DATATYPE_COUNT);
    return datatypes[datatype].bytes;
}

bool datatype_parse(struct text name, enum datatype *datatype)
{
    for (size_t i = 0; i < DATATYPE_COUNT; i++)
        if (text_is(name, datatypes[i].name)) {
            *datatype = (enum datatype)i;
            return true;
        }
    return false;
}

/* The product of shape[first..] with every 0 taken as 1, so that an overflow behind a 0 is seen too. `limit`
 * keeps room for the size of an element. */
static bool span(const struct tensor *tensor, uint32_t first, size_t *product)
{
    const size_t limit = PTRDIFF_MAX / 8;
    *product = 1;
    for (uint32_t i = first; i < tensor->rank; i++) {
        int64_t dimension = tensor->shape[i];
        if (dimension < 0 || __builtin_mul_overflow(*product, dimension == 0 ? 1 : dimension, product) ||
            *product > limit)
            return false;
    }
    return true;
}

static bool has_zero(const struct tensor *tensor, uint32_t first)
{
    for (uint32_t i = first; i < tensor->rank; i++)
        if (tensor->shape[i] == 0)
            return true;
    return false;
}

bool tensor_elements(const struct tensor *tensor, size_t *elements)
{
    if (!span(tensor, 0, elements))
        return false;
    if (has_zero(tensor, 0))
        *elements = 0;
    return true;
}

size_t tensor_row_bytes(const struct tensor *tensor)
{
    size_t values;
    if (!span(tensor, 1, &values) || has_zero(tensor, 1))
        return 0;
    return values * datatype_bytes(tensor->datatype);
}

/* ---- writing ---- */

static size_t uint_size(uint64_t value)
{
    if (value < 0x80)
        return 1;
    if (value <= UINT8_MAX)
        return 2;
    if (value <= UINT16_MAX)
        return 3;
    return value <= UINT32_MAX ? 5 : 9;
}

static size_t str_size(size_t length)
{
    if (length < 32)
        return 1 + length;
    if (length <= UINT8_MAX)
        return 2 + length;
    return (length <= UINT16_MAX ? 3 : 5) + length;
}

static size_t bin_size(size_t length)
{
    if (length <= UINT8_MAX)
        return 2 + length;
    return (length <= UINT16_MAX ? 3 : 5) + length;
}

static size_t array_head_size(size_t count)
{
    return count < 16 ? 1 : 3; /* we write none longer than 64 */
}

static size_t tensor_size(const struct tensor *tensor)
{
    size_t size = array_head_size(TENSOR_FIELDS) + str_size(tensor->name.length) +
                  str_size(strlen(datatype_name(tensor->datatype))) + array_head_size(tensor->rank);
    for (uint32_t i = 0; i < tensor->rank; i++)
        size += uint_size((uint64_t)tensor->shape[i]);
    return size + bin_size(tensor->bytes);
}

size_t tensors_encoded_size(const struct tensor *tensors, size_t count)
{
    ENSURE(count <= TENSOR_COUNT_MAX);
    size_t size = array_head_size(count);
    for (size_t i = 0; i < count; i++)
        size += tensor_size(&tensors[i]);
    return size;
}

/* Writes the head of a bin and leaves `length` bytes behind it as they are. Returns where they start. */
static uint8_t *leave_room(struct wire_writer *writer, size_t length)
{
    msgpack_pack_bin(&writer->packer, length);
    uint8_t *room = writer->bytes + writer->length;
    if (length > writer->capacity - writer->length)
        writer->overflow = true;
    else
        writer->length += length;
    return room;
}

static uint8_t *write_tensor(struct wire_writer *writer, const struct tensor *tensor)
{
    wire_write_array(writer, TENSOR_FIELDS);
    wire_write_text(writer, tensor->name);
    wire_write_str(writer, datatype_name(tensor->datatype));
    wire_write_array(writer, tensor->rank);
    for (uint32_t i = 0; i < tensor->rank; i++)
        wire_write_uint(writer, (uint64_t)tensor->shape[i]);
    uint8_t *room = leave_room(writer, tensor->bytes);
    if (tensor->data != NULL && tensor->bytes > 0 && !writer->overflow)
        memcpy(room, tensor->data, tensor->bytes);
    return room;
}

size_t tensors_encode(const struct tensor *tensors, size_t count, uint8_t *bytes, size_t capacity,
                      uint8_t **data)
{
    ENSURE(count <= TENSOR_COUNT_MAX);
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_array(&writer, count);
    for (size_t i = 0; i < count && !writer.overflow; i++) {
        ENSURE(tensors[i].rank <= TENSOR_RANK_MAX && tensors[i].bytes <= UINT32_MAX);
        uint8_t *room = write_tensor(&writer, &tensors[i]);
        if (data != NULL)
            data[i] = room;
    }
    return wire_writer_end(&writer);
}

/* ---- reading; each returns NULL or the complaint ---- */

static const char *read_shape(struct wire_reader *reader, struct tensor *tensor)
{
    if (!wire_read_array(reader, &tensor->rank))
        return "shape is no array";
    if (tensor->rank > TENSOR_RANK_MAX)
        return "shape has more than 8 dimensions";
    for (uint32_t i = 0; i < tensor->rank; i++)
        if (!wire_read_int(reader, &tensor->shape[i]) || tensor->shape[i] < 0)
            return "shape holds something else than integers from 0 on";
    return NULL;
}

/* BYTES: `elements` times a length and that many bytes, exactly filling the data. */
static const char *check_lengths(const struct tensor *tensor, size_t elements)
{
    const uint8_t *at = tensor->data;
    size_t left = tensor->bytes;
    if (elements > left / LENGTH_PREFIX)
        return "data is shorter than the shape says";
    for (size_t i = 0; i < elements; i++) {
        uint32_t length;
        if (left < LENGTH_PREFIX)
            return "data is shorter than the shape says";
        memcpy(&length, at, LENGTH_PREFIX);
        length = le32toh(length);
        if (length > left - LENGTH_PREFIX)
            return "an element is longer than the data";
        at += LENGTH_PREFIX + length;
        left -= LENGTH_PREFIX + length;
    }
    return left == 0 ? NULL : "data is longer than the shape says";
}

const char *tensor_check(const struct tensor *tensor)
{
    size_t elements;
    if (!tensor_elements(tensor, &elements))
        return "the product of the shape is too large";
    if (tensor->datatype == DATATYPE_BYTES)
        return check_lengths(tensor, elements);
    size_t bytes = elements * datatype_bytes(tensor->datatype);
    return bytes == tensor->bytes ? NULL : "the length of data is not what shape and datatype say";
}

static const char *read_tensor(struct wire_reader *reader, struct tensor *tensor)
{
    uint32_t fields;
    struct text datatype, data;
    if (!wire_read_array(reader, &fields) || fields != TENSOR_FIELDS)
        return "a tensor is no array of 4";
    if (!wire_read_str(reader, TENSOR_NAME_MAX, &tensor->name))
        return "a tensor's name is no text of at most 512 bytes";
    if (!wire_read_str(reader, SIZE_MAX, &datatype) || !datatype_parse(datatype, &tensor->datatype))
        return "the datatype is unknown";
    const char *complaint = read_shape(reader, tensor);
    if (complaint != NULL)
        return complaint;
    if (!wire_read_bin(reader, SIZE_MAX, &data))
        return "data is no bin";
    tensor->data = (const uint8_t *)data.at;
    tensor->bytes = data.length;
    return NULL;
}

static size_t rows_of(const struct tensor *tensor)
{
    return tensor->rank == 0 ? 0 : (size_t)tensor->shape[0];
}

static const char *read_tensors(const uint8_t *bytes, size_t length, struct tensor tensors[TENSOR_COUNT_MAX],
                                size_t *count, size_t *rows, bool with_data)
{
    struct wire_reader reader = wire_reader(bytes, length);
    uint32_t elements;
    if (!wire_read_array(&reader, &elements))
        return "the payload is no array";
    if (elements > TENSOR_COUNT_MAX)
        return "there are more than 64 tensors";
    *count = elements;
    *rows = 0;
    for (uint32_t i = 0; i < elements; i++) {
        const char *complaint = read_tensor(&reader, &tensors[i]);
        if (complaint == NULL && with_data)
            complaint = tensor_check(&tensors[i]);
        if (complaint != NULL)
            return complaint;
        if (i > 0 && rows_of(&tensors[i]) != *rows)
            return "the tensors have different numbers of rows";
        *rows = rows_of(&tensors[i]);
    }
    return wire_finished(&reader) ? NULL : "bytes are left over behind the tensors";
}

const char *tensors_decode(const uint8_t *bytes, size_t length, struct tensor tensors[TENSOR_COUNT_MAX],
                           size_t *count, size_t *rows)
{
    return read_tensors(bytes, length, tensors, count, rows, true);
}

const char *tensors_heads(const uint8_t *bytes, size_t length, struct tensor tensors[TENSOR_COUNT_MAX],
                          size_t *count, size_t *rows)
{
    return read_tensors(bytes, length, tensors, count, rows, false);
}
