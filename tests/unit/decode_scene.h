/* decode_scene: one body after the other, read and made into the tensors of the model that the test chooses.
 * Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DECODE_SCENE_H
#define OUTRIGGER_DECODE_SCENE_H

#include "decode.h"
#include "example_schema.h"
#include "layout.h"
#include "rows.h"
#include "suite.h"

#include <stdio.h>

enum { MAX_DEPTH = 16 };

static struct decoder *decoder;
static struct schema *schema;
static struct layout *layout;
static struct decode_body body;
static struct problem_faults faults;
static struct rows rows;
static char *bytes; /* of the body */
static uint8_t *payload;
static struct tensor tensors[TENSOR_COUNT_MAX];
static size_t tensor_count;
static size_t row_count;

static inline void set_up(void)
{
    decoder = decoder_new();
}

static inline void forget(void)
{
    free(bytes);
    free(payload);
    bytes = NULL;
    payload = NULL;
}

static inline void use(struct schema *next)
{
    layout_free(layout);
    schema_free(schema);
    schema = next;
    layout = next == NULL ? NULL : layout_new(next);
}

static inline void tear_down(void)
{
    forget();
    use(NULL);
    decoder_free(decoder);
}

static inline struct schema *with_inputs(const struct example_tensor *inputs, size_t count)
{
    struct schema *made = schema_new();
    example_inputs(made, inputs, count);
    return made;
}
#define USE_INPUTS(...)                                                                                      \
    do {                                                                                                     \
        const struct example_tensor inputs[] = {__VA_ARGS__};                                                \
        use(with_inputs(inputs, COUNT_OF(inputs)));                                                          \
        ck_assert_ptr_nonnull(layout);                                                                       \
    } while (0)

static inline void name_features(const char *const *names, size_t count)
{
    schema->features = example_names(names, count);
    schema->feature_count = count;
    layout_free(layout);
    layout = layout_new(schema);
}

static inline bool decode_text(const char *text, size_t length, bool batch, bool in_place)
{
    forget();
    faults.count = 0;
    size_t capacity = length + (in_place ? YYJSON_PADDING_SIZE : 0);
    bytes = object_alloc(capacity); /* exactly: what is read beyond is found by the sanitizer */
    memcpy(bytes, text, length);
    return decode_body(decoder, bytes, length, capacity, batch, MAX_DEPTH, &body, &faults);
}

static inline bool decode(const char *text, bool batch)
{
    return decode_text(text, strlen(text), batch, true);
}

static inline bool same_text(struct text a, struct text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

/* The tree's way. Returns the length of the payload, 0 when the body is refused. */
static inline size_t convert_tree(const char *text, bool batch)
{
    if (!decode(text, batch))
        return 0;
    rows =
        (struct rows){.layout = layout, .allow_nan = schema->allow_nan, .batch = batch, .value = body.rows};
    size_t size = rows_measure(&rows, &faults);
    if (size == 0)
        return 0;
    payload = object_alloc(size);
    return rows_write(&rows, payload, size, &faults) ? size : 0;
}

/* The short cut: it takes nothing that the tree's way refuses, makes the same of what it takes, and else
 * leaves the body as it was. */
static inline void check_short_cut(const char *text, size_t size)
{
    struct decoder *another = decoder_new();
    struct decode_body plain_body;
    size_t length = strlen(text), capacity = length + YYJSON_PADDING_SIZE;
    char *copy = object_alloc(capacity);
    memcpy(copy, text, length);
    bool taken = decode_plain(another, copy, length, capacity, MAX_DEPTH, &plain_body);
    ck_assert_mem_eq(copy, text, length);
    if (taken && rows_take_plain(layout, plain_body.plain)) {
        struct rows plain_rows = {.layout = layout, .batch = true, .plain = plain_body.plain};
        uint8_t *made = object_alloc(size + 1);
        ck_assert_msg(size > 0, "%s", text);
        ck_assert_uint_eq(rows_measure(&plain_rows, &faults), size);
        ck_assert(rows_write(&plain_rows, made, size, &faults));
        ck_assert_mem_eq(made, payload, size);
        ck_assert(plain_rows.count == rows.count && plain_rows.width == rows.width);
        free(made);
    }
    if (taken) {
        ck_assert(decode(text, true));
        ck_assert(same_text(plain_body.model, body.model) && same_text(plain_body.version, body.version));
        ck_assert(same_text(plain_body.key, body.key) && plain_body.timeout_ms == body.timeout_ms);
        ck_assert_uint_eq(plain_body.plain->rows, yyjson_arr_size(body.rows));
        convert_tree(text, true);
    }
    decoder_free(another);
    free(copy);
}

/* Body to tensors, as a request goes. */
static inline bool convert(const char *text, bool batch)
{
    size_t size = convert_tree(text, batch);
    if (batch)
        check_short_cut(text, size);
    if (size == 0)
        return false;
    ck_assert_ptr_null(tensors_decode(payload, size, tensors, &tensor_count, &row_count));
    ck_assert_uint_eq(tensor_count, layout->input_count);
    ck_assert_uint_eq(row_count, rows.count);
    return true;
}

static inline void converts(const char *text, bool batch)
{
    bool good = convert(text, batch);
    ck_assert_msg(good, "%s: %s: %s", text, faults.list[0].field, faults.list[0].message);
}

/* The body is refused with this as its first fault. */
static inline void refused(const char *text, bool batch, const char *field, const char *message)
{
    ck_assert_msg(!convert(text, batch), "%s", text);
    ck_assert_uint_ge(faults.count, 1);
    ck_assert_str_eq(faults.list[0].field, field);
    ck_assert_msg(strstr(faults.list[0].message, message) != NULL, "%s: %s, not %s", text,
                  faults.list[0].message, message);
}

static inline float float_at(size_t tensor, size_t index)
{
    float value;
    memcpy(&value, tensors[tensor].data + index * sizeof value, sizeof value);
    return value;
}

static inline struct schema *three_numbers(void)
{
    return example_classifier(3);
}

static inline void use_named(void)
{
    use(three_numbers());
    name_features((const char *const[]){"mean radius", "age", "\xc3\xa9"}, 3);
    ck_assert_ptr_nonnull(layout->names);
}

#endif
