/* test_tensor: the tensors payload, written and read back; every truncation, every bound, hostile shapes.
 * SPDX-License-Identifier: MIT */
#include "suite.h"
#include "tensor.h"
#include "wire.h"

#include <stdlib.h>

static uint8_t bytes[4096];
static struct tensor decoded[TENSOR_COUNT_MAX];
static size_t count, rows;

static void set_up(void)
{
    memset(bytes, 0xee, sizeof bytes);
    count = rows = 99;
}

static const float floats[6] = {1, 2, 3, 4, 5, 6};

static struct tensor matrix(void)
{
    return (struct tensor){.name = text_of("features"),
                           .datatype = DATATYPE_FP32,
                           .rank = 2,
                           .shape = {2, 3},
                           .data = (const uint8_t *)floats,
                           .bytes = sizeof floats};
}

/* ---- datatypes ---- */

START_TEST(datatypes_have_names_and_sizes)
{
    static const struct {
        const char *name;
        size_t bytes;
    } expected[DATATYPE_COUNT] = {{"BOOL", 1}, {"UINT8", 1}, {"UINT16", 2}, {"UINT32", 4}, {"UINT64", 8},
                                  {"INT8", 1}, {"INT16", 2}, {"INT32", 4},  {"INT64", 8},  {"FP16", 2},
                                  {"BF16", 2}, {"FP32", 4},  {"FP64", 8},   {"BYTES", 0}};
    for (size_t i = 0; i < DATATYPE_COUNT; i++) {
        enum datatype datatype = DATATYPE_COUNT;
        ck_assert_str_eq(datatype_name((enum datatype)i), expected[i].name);
        ck_assert_uint_eq(datatype_bytes((enum datatype)i), expected[i].bytes);
        ck_assert(datatype_parse(text_of(expected[i].name), &datatype));
        ck_assert_uint_eq(datatype, i);
    }
}
END_TEST

START_TEST(unknown_datatypes_are_none)
{
    static const char *const unknown[] = {"", "FP3", "FP322", "fp32", "BF32", "STRING", "FP32 "};
    enum datatype datatype;
    for (size_t i = 0; i < COUNT_OF(unknown); i++)
        ck_assert(!datatype_parse(text_of(unknown[i]), &datatype));
}
END_TEST

/* ---- shapes ---- */

static struct tensor shaped(enum datatype datatype, uint32_t rank, const int64_t *shape)
{
    struct tensor tensor = {.datatype = datatype, .rank = rank};
    if (rank > 0)
        memcpy(tensor.shape, shape, rank * sizeof *shape);
    return tensor;
}

#define SHAPED(datatype, ...)                                                                                \
    shaped(DATATYPE_##datatype, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

START_TEST(elements_are_the_product_of_the_shape)
{
    size_t elements;
    struct tensor scalar = shaped(DATATYPE_FP32, 0, NULL), cube = SHAPED(FP32, 2, 3, 4),
                  empty = SHAPED(FP32, 5, 0, 7);
    ck_assert(tensor_elements(&scalar, &elements) && elements == 1);
    ck_assert(tensor_elements(&cube, &elements) && elements == 24);
    ck_assert(tensor_elements(&empty, &elements) && elements == 0);
}
END_TEST

START_TEST(products_that_overflow_are_refused)
{
    const int64_t large = INT64_C(1) << 32, most = INT64_MAX;
    const struct tensor hostile[] = {SHAPED(FP32, -1, 3),
                                     SHAPED(FP32, 3, -1),
                                     SHAPED(FP32, large, large),
                                     SHAPED(FP32, 0, large, large),
                                     SHAPED(FP32, large, 0, large),
                                     SHAPED(FP32, most),
                                     SHAPED(FP64, INT64_C(1) << 60),
                                     SHAPED(FP32, 2, most),
                                     SHAPED(FP32, most, most, most, most)};
    size_t elements;
    for (size_t i = 0; i < COUNT_OF(hostile); i++)
        ck_assert_msg(!tensor_elements(&hostile[i], &elements), "shape %zu", i);
}
END_TEST

START_TEST(row_bytes_leave_the_rows_out)
{
    const int64_t large = INT64_C(1) << 40;
    struct tensor row = SHAPED(FP64, 100, 3), list = SHAPED(INT16, 100),
                  scalar = shaped(DATATYPE_FP32, 0, NULL), strings = SHAPED(BYTES, 100, 3),
                  hollow = SHAPED(FP32, 100, 3, 0), hostile = SHAPED(FP32, 0, large, large);
    ck_assert_uint_eq(tensor_row_bytes(&row), 24);
    ck_assert_uint_eq(tensor_row_bytes(&list), 2);
    ck_assert_uint_eq(tensor_row_bytes(&scalar), 4);
    ck_assert_uint_eq(tensor_row_bytes(&strings), 0);
    ck_assert_uint_eq(tensor_row_bytes(&hollow), 0);
    ck_assert_uint_eq(tensor_row_bytes(&hostile), 0);
}
END_TEST

/* ---- writing ---- */

START_TEST(a_payload_has_these_bytes)
{
    static const uint8_t two[2] = {1, 0};
    struct tensor tensor = {
        .name = text_of("x"), .datatype = DATATYPE_BOOL, .rank = 1, .shape = {2}, .data = two, .bytes = 2};
    static const uint8_t expected[] = "\x91\x94\xa1x\xa4"
                                      "BOOL"
                                      "\x91\x02\xc4\x02\x01\x00";
    ck_assert_uint_eq(tensors_encode(&tensor, 1, bytes, sizeof bytes, NULL), sizeof expected - 1);
    ck_assert_mem_eq(bytes, expected, sizeof expected - 1);
    ck_assert_uint_eq(bytes[sizeof expected - 1], 0xee);
}
END_TEST

/* Lengths and numbers on both sides of every step of msgpack's formats. */
START_TEST(the_encoded_size_is_exact)
{
    static const size_t steps[] = {0, 1, 15, 16, 31, 32, 127, 128, 255, 256, 65535, 65536, 70000};
    static char name[70001];
    static uint8_t large[300000], data[70000];
    memset(name, 'n', 70000);
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        for (size_t j = 0; j < COUNT_OF(steps); j++)
            for (uint32_t rank = 1; rank <= TENSOR_RANK_MAX; rank += 7) {
                struct tensor tensor = {.name = {name, steps[i]},
                                        .datatype = DATATYPE_UINT8,
                                        .rank = rank,
                                        .shape = {(int64_t)steps[j], 1, 1, 1, 1, 1, 1, 1},
                                        .data = data,
                                        .bytes = steps[j]};
                size_t size = tensors_encoded_size(&tensor, 1);
                ck_assert_uint_eq(tensors_encode(&tensor, 1, large, sizeof large, NULL), size);
                ck_assert_uint_eq(tensors_encode(&tensor, 1, large, size, NULL), size);
                ck_assert_uint_eq(tensors_encode(&tensor, 1, large, size - 1, NULL), 0);
            }
}
END_TEST

START_TEST(many_tensors_go_into_one_payload)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    static uint8_t large[65536];
    for (size_t n = 0; n <= TENSOR_COUNT_MAX; n++) {
        for (size_t i = 0; i < n; i++)
            tensors[i] = matrix();
        size_t length = tensors_encode(tensors, n, large, sizeof large, NULL);
        ck_assert_uint_eq(length, tensors_encoded_size(tensors, n));
        ck_assert_ptr_null(tensors_decode(large, length, decoded, &count, &rows));
        ck_assert_uint_eq(count, n);
        ck_assert_uint_eq(rows, n == 0 ? 0 : 2);
    }
}
END_TEST

START_TEST(no_capacity_fits_a_part_of_a_payload)
{
    struct tensor tensors[2] = {matrix(), matrix()};
    size_t size = tensors_encoded_size(tensors, 2);
    for (size_t capacity = 0; capacity < size; capacity++) {
        memset(bytes, 0xee, sizeof bytes);
        ck_assert_uint_eq(tensors_encode(tensors, 2, bytes, capacity, NULL), 0);
        for (size_t i = capacity; i < sizeof bytes; i++)
            ck_assert_uint_eq(bytes[i], 0xee);
    }
}
END_TEST

START_TEST(the_caller_may_write_the_elements_itself)
{
    struct tensor tensors[2] = {matrix(), matrix()};
    uint8_t *data[2];
    tensors[1].name = text_of("other");
    tensors[0].data = tensors[1].data = NULL;
    size_t length = tensors_encode(tensors, 2, bytes, sizeof bytes, data);
    ck_assert_uint_eq(length, tensors_encoded_size(tensors, 2));
    for (size_t i = 0; i < 2; i++)
        memcpy(data[i], floats, sizeof floats);
    ck_assert_ptr_null(tensors_decode(bytes, length, decoded, &count, &rows));
    ck_assert_uint_eq(count, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_ptr_eq(decoded[i].data, data[i]);
        ck_assert_mem_eq(decoded[i].data, floats, sizeof floats);
    }
}
END_TEST

/* ---- reading ---- */

START_TEST(what_was_written_is_read)
{
    struct tensor tensor = matrix();
    size_t length = tensors_encode(&tensor, 1, bytes, sizeof bytes, NULL);
    ck_assert_ptr_null(tensors_decode(bytes, length, decoded, &count, &rows));
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(rows, 2);
    ck_assert(text_is(decoded[0].name, "features"));
    ck_assert_uint_eq(decoded[0].datatype, DATATYPE_FP32);
    ck_assert_uint_eq(decoded[0].rank, 2);
    ck_assert_int_eq(decoded[0].shape[0], 2);
    ck_assert_int_eq(decoded[0].shape[1], 3);
    ck_assert_uint_eq(decoded[0].bytes, sizeof floats);
    ck_assert_mem_eq(decoded[0].data, floats, sizeof floats);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    struct tensor tensors[2] = {matrix(), matrix()};
    size_t length = tensors_encode(tensors, 2, bytes, sizeof bytes, NULL);
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t *copy = malloc(cut == 0 ? 1 : cut); /* so that a sanitizer sees a read behind the end */
        memcpy(copy, bytes, cut);
        ck_assert_msg(tensors_decode(copy, cut, decoded, &count, &rows) != NULL, "%zu bytes", cut);
        free(copy);
    }
    ck_assert_ptr_nonnull(tensors_decode(bytes, length + 1, decoded, &count, &rows));
    ck_assert_ptr_nonnull(tensors_decode(NULL, 0, decoded, &count, &rows));
}
END_TEST

START_TEST(any_changed_byte_is_refused_or_consistent)
{
    struct tensor tensors[2] = {matrix(), matrix()};
    size_t length = tensors_encode(tensors, 2, bytes, sizeof bytes, NULL);
    for (size_t at = 0; at < length; at++)
        for (int value = 0; value < 256; value++) {
            uint8_t before = bytes[at];
            bytes[at] = (uint8_t)value;
            if (tensors_decode(bytes, length, decoded, &count, &rows) == NULL)
                for (size_t i = 0; i < count; i++) {
                    size_t elements;
                    ck_assert(tensor_elements(&decoded[i], &elements));
                    ck_assert(decoded[i].data >= bytes &&
                              decoded[i].data + decoded[i].bytes <= bytes + length);
                }
            bytes[at] = before;
        }
}
END_TEST

/* Writes one tensor by hand, with whatever values, and returns the complaint. */
static const char *complaint_of(size_t fields, struct text name, const char *datatype, size_t rank,
                                const int64_t *shape, struct text data)
{
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, sizeof bytes);
    wire_write_array(&writer, 1);
    wire_write_array(&writer, fields);
    wire_write_text(&writer, name);
    wire_write_str(&writer, datatype);
    wire_write_array(&writer, rank);
    for (size_t i = 0; i < rank; i++)
        wire_write_int(&writer, shape[i]);
    wire_write_bin(&writer, data.at, data.length);
    return tensors_decode(bytes, wire_writer_end(&writer), decoded, &count, &rows);
}

#define COMPLAINT(datatype, data, ...)                                                                       \
    complaint_of(4, text_of("x"), datatype, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),              \
                 (int64_t[]){__VA_ARGS__}, (struct text){data, sizeof(data) - 1})

START_TEST(each_rule_has_its_complaint)
{
    static char long_name[TENSOR_NAME_MAX + 1];
    const int64_t one = 1, nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    const struct text byte = {"\x01", 1};
    memset(long_name, 'n', sizeof long_name);
    ck_assert_ptr_null(COMPLAINT("UINT8", "\x01", 1));
    ck_assert_ptr_null(complaint_of(4, (struct text){long_name, TENSOR_NAME_MAX}, "UINT8", 1, &one, byte));
    ck_assert_str_eq(complaint_of(4, (struct text){long_name, TENSOR_NAME_MAX + 1}, "UINT8", 1, &one, byte),
                     "a tensor's name is no text of at most 512 bytes");
    ck_assert_str_eq(complaint_of(3, text_of("x"), "UINT8", 1, &one, byte), "a tensor is no array of 4");
    ck_assert_str_eq(COMPLAINT("UINT9", "\x01", 1), "the datatype is unknown");
    ck_assert_ptr_null(complaint_of(4, text_of("x"), "UINT8", 8, nine, byte));
    ck_assert_str_eq(complaint_of(4, text_of("x"), "UINT8", 9, nine, byte),
                     "shape has more than 8 dimensions");
    ck_assert_str_eq(COMPLAINT("UINT8", "\x01", -1), "shape holds something else than integers from 0 on");
    ck_assert_str_eq(COMPLAINT("UINT8", "\x01\x02", 1),
                     "the length of data is not what shape and datatype say");
    ck_assert_str_eq(COMPLAINT("UINT8", "", 1), "the length of data is not what shape and datatype say");
    ck_assert_str_eq(COMPLAINT("FP32", "abc", 1), "the length of data is not what shape and datatype say");
    ck_assert_str_eq(COMPLAINT("UINT8", "", INT64_MAX, 2), "the product of the shape is too large");
    ck_assert_str_eq(COMPLAINT("UINT8", "", 0, INT64_MAX), "the product of the shape is too large");
    ck_assert_ptr_null(COMPLAINT("UINT8", "", 0, 5));
    ck_assert_uint_eq(rows, 0);
}
END_TEST

START_TEST(a_scalar_has_no_rows)
{
    ck_assert_ptr_null(complaint_of(4, text_of("x"), "UINT8", 0, NULL, (struct text){"\x07", 1}));
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(rows, 0);
}
END_TEST

START_TEST(other_types_than_the_document_says_are_refused)
{
    static const struct {
        const char *bytes, *complaint;
    } cases[] = {
        {"\x80", "the payload is no array"},
        {"\xc0", "the payload is no array"},
        {"\x91\x80", "a tensor is no array of 4"},
        {"\x91\x94\x01\xa5UINT8\x91\x01\xc4\x01\x07", "a tensor's name is no text of at most 512 bytes"},
        {"\x91\x94\xa1x\x05\x91\x01\xc4\x01\x07", "the datatype is unknown"},
        {"\x91\x94\xa1x\xa5UINT8\x05\xc4\x01\x07", "shape is no array"},
        {"\x91\x94\xa1x\xa5UINT8\x91\xa1x\xc4\x01\x07", "shape holds something else than integers from 0 on"},
        {"\x91\x94\xa1x\xa5UINT8\x91\x01\xa1x", "data is no bin"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_str_eq(
            tensors_decode((const uint8_t *)cases[i].bytes, strlen(cases[i].bytes), decoded, &count, &rows),
            cases[i].complaint);
}
END_TEST

START_TEST(more_than_64_tensors_are_refused)
{
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, sizeof bytes);
    wire_write_array(&writer, TENSOR_COUNT_MAX + 1);
    for (int i = 0; i <= TENSOR_COUNT_MAX; i++)
        wire_write_array(&writer, 0);
    ck_assert_str_eq(tensors_decode(bytes, wire_writer_end(&writer), decoded, &count, &rows),
                     "there are more than 64 tensors");
}
END_TEST

START_TEST(tensors_must_agree_on_the_rows)
{
    struct tensor tensors[2] = {matrix(), matrix()};
    tensors[1].shape[0] = 3;
    tensors[1].shape[1] = 2;
    size_t length = tensors_encode(tensors, 2, bytes, sizeof bytes, NULL);
    ck_assert_str_eq(tensors_decode(bytes, length, decoded, &count, &rows),
                     "the tensors have different numbers of rows");
    tensors[1] = (struct tensor){
        .name = text_of("s"), .datatype = DATATYPE_FP32, .data = (const uint8_t *)floats, .bytes = 4};
    length = tensors_encode(tensors, 2, bytes, sizeof bytes, NULL);
    ck_assert_str_eq(tensors_decode(bytes, length, decoded, &count, &rows),
                     "the tensors have different numbers of rows");
}
END_TEST

/* ---- BYTES ---- */

START_TEST(bytes_carry_their_lengths)
{
    ck_assert_ptr_null(COMPLAINT("BYTES", "\x03\0\0\0abc\0\0\0\0", 2));
    ck_assert_uint_eq(rows, 2);
    ck_assert_ptr_null(COMPLAINT("BYTES", "", 0));
    ck_assert_str_eq(COMPLAINT("BYTES", "\x03\0\0\0abc", 2), "data is shorter than the shape says");
    ck_assert_str_eq(COMPLAINT("BYTES", "\x04\0\0\0abcd\0\0\0", 2), "data is shorter than the shape says");
    ck_assert_str_eq(COMPLAINT("BYTES", "\x03\0\0\0abc\0\0\0\0", 1), "data is longer than the shape says");
    ck_assert_str_eq(COMPLAINT("BYTES", "\x04\0\0\0abc", 1), "an element is longer than the data");
    ck_assert_str_eq(COMPLAINT("BYTES", "\xff\xff\xff\xff", 1), "an element is longer than the data");
    ck_assert_str_eq(COMPLAINT("BYTES", "\0\0\0\0", 0), "data is longer than the shape says");
    ck_assert_str_eq(COMPLAINT("BYTES", "\0\0\0\0", 1000000000), "data is shorter than the shape says");
    ck_assert_str_eq(COMPLAINT("BYTES", "", INT64_MAX), "the product of the shape is too large");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        datatypes_have_names_and_sizes,
        unknown_datatypes_are_none,
        elements_are_the_product_of_the_shape,
        products_that_overflow_are_refused,
        row_bytes_leave_the_rows_out,
        a_payload_has_these_bytes,
        the_encoded_size_is_exact,
        many_tensors_go_into_one_payload,
        no_capacity_fits_a_part_of_a_payload,
        the_caller_may_write_the_elements_itself,
        what_was_written_is_read,
        every_truncation_is_refused,
        any_changed_byte_is_refused_or_consistent,
        each_rule_has_its_complaint,
        a_scalar_has_no_rows,
        other_types_than_the_document_says_are_refused,
        more_than_64_tensors_are_refused,
        tensors_must_agree_on_the_rows,
        bytes_carry_their_lengths,
    };
    return SUITE_RUN("tensor", set_up, NULL, tests);
}
