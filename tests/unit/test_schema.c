/* test_schema: what READY tells of a model, written and read back, and everything that is no schema.
 * SPDX-License-Identifier: MIT */
#include "schema.h"
#include "schema_bytes.h"
#include "suite.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>

static struct schema *schema;
static struct wire_writer writer;
static uint8_t bytes[1 << 20];

static struct schema_tensor tensor(const char *name, enum datatype datatype, int64_t columns)
{
    return (struct schema_tensor){object_strdup(name), datatype, 2, {-1, columns}};
}

static char **names(const char *first, const char *second)
{
    char **list = object_alloc(2 * sizeof *list);
    list[0] = object_strdup(first);
    list[1] = object_strdup(second);
    return list;
}

static void set_up(void)
{
    schema = schema_new();
    schema->inputs = object_alloc(sizeof *schema->inputs);
    schema->inputs[0] = tensor("features", DATATYPE_FP32, 2);
    schema->input_count = 1;
    schema->outputs = object_alloc(2 * sizeof *schema->outputs);
    schema->outputs[0] = (struct schema_tensor){object_strdup("label"), DATATYPE_INT64, 1, {-1}};
    schema->outputs[1] = tensor("probabilities", DATATYPE_FP64, 3);
    schema->output_count = 2;
    schema->features = names("age", "größe");
    schema->feature_count = 2;
    schema->labels = names("no", "yes");
    schema->label_count = 2;
    schema->timeout_ms = 250;
    schema->allow_nan = true;
    wire_writer_begin(&writer, bytes, sizeof bytes);
}

static void tear_down(void)
{
    schema_free(schema);
}

static void replace(char **text, const char *by)
{
    free(*text);
    *text = object_strdup(by);
}

/* ---- there and back ---- */

static void check_equal(const struct schema *a, const struct schema *b)
{
    ck_assert_str_eq(a->platform, b->platform);
    ck_assert_str_eq(a->description, b->description);
    ck_assert_str_eq(a->digest, b->digest);
    ck_assert_uint_eq(a->input_count, b->input_count);
    ck_assert_uint_eq(a->output_count, b->output_count);
    for (size_t i = 0; i < a->output_count; i++) {
        ck_assert_str_eq(a->outputs[i].name, b->outputs[i].name);
        ck_assert_uint_eq(a->outputs[i].datatype, b->outputs[i].datatype);
        ck_assert_uint_eq(a->outputs[i].rank, b->outputs[i].rank);
        ck_assert_mem_eq(a->outputs[i].shape, b->outputs[i].shape, sizeof a->outputs[i].shape);
    }
    ck_assert_uint_eq(a->feature_count, b->feature_count);
    for (size_t i = 0; i < a->feature_count; i++)
        ck_assert_str_eq(a->features[i], b->features[i]);
    ck_assert_uint_eq(a->label_count, b->label_count);
    for (size_t i = 0; i < a->label_count; i++)
        ck_assert_str_eq(a->labels[i], b->labels[i]);
    ck_assert_str_eq(schema_task(a), schema_task(b));
    ck_assert_uint_eq(a->timeout_ms, b->timeout_ms);
    ck_assert_uint_eq(a->allow_nan, b->allow_nan);
}

START_TEST(what_was_written_is_read)
{
    static const char *const tasks[] = {"classification", "regression", "multilabel", "embedding"};
    for (size_t i = 0; i < COUNT_OF(tasks); i++) {
        const char *reason = "unset";
        size_t length;
        ck_assert(schema_set_task(schema, text_of(tasks[i])));
        ck_assert_str_eq(schema_task(schema), tasks[i]);
        ck_assert_uint_eq(schema->regression, i % 2);
        replace(&schema->platform, "onnxruntime_onnx");
        replace(&schema->description, "a line for people");
        replace(&schema->digest, i == 1 ? "" : "sha256:0123");
        uint8_t *encoded = schema_encode(schema, &length);
        struct schema *read = schema_decode(encoded, length, &reason);
        ck_assert_ptr_null(reason);
        ck_assert_ptr_nonnull(read);
        check_equal(schema, read);
        schema_free(read);
        free(encoded);
    }
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    schema_refuses_truncations(schema);
}
END_TEST

START_TEST(no_changed_byte_does_harm)
{
    schema_survives_changes(schema);
}
END_TEST

START_TEST(the_largest_schema_fits)
{
    const char *reason;
    size_t length;
    schema_free(schema);
    schema = schema_new();
    schema->inputs = object_alloc(TENSOR_COUNT_MAX * sizeof *schema->inputs);
    schema->outputs = object_alloc(TENSOR_COUNT_MAX * sizeof *schema->outputs);
    schema->input_count = schema->output_count = TENSOR_COUNT_MAX;
    for (size_t i = 0; i < TENSOR_COUNT_MAX; i++) {
        char name[TENSOR_NAME_MAX + 1];
        memset(name, 'n', TENSOR_NAME_MAX);
        name[TENSOR_NAME_MAX] = '\0';
        schema->inputs[i] = schema->outputs[i] = (struct schema_tensor){
            NULL, DATATYPE_BYTES, TENSOR_RANK_MAX, {-1, INT64_MAX, INT64_MAX, -1, -1, -1, -1, -1}};
        schema->inputs[i].name = object_strdup(name);
        schema->outputs[i].name = object_strdup(name);
    }
    schema->labels = object_alloc(SCHEMA_NAMES_MAX * sizeof *schema->labels);
    schema->label_count = SCHEMA_NAMES_MAX;
    for (size_t i = 0; i < SCHEMA_NAMES_MAX; i++)
        schema->labels[i] = object_strdup("");
    uint8_t *encoded = schema_encode(schema, &length);
    struct schema *read = schema_decode(encoded, length, &reason);
    ck_assert_ptr_nonnull(read);
    check_equal(schema, read);
    schema_free(read);
    free(encoded);
}
END_TEST

/* ---- the values of a row ---- */

START_TEST(row_values_are_summed_over_the_inputs)
{
    struct schema_tensor inputs[3] = {
        {.rank = 2, .shape = {-1, 5}}, {.rank = 1, .shape = {-1}}, {.rank = 3, .shape = {-1, 2, 3}}};
    struct schema some = {.inputs = inputs, .input_count = 3};
    ck_assert_uint_eq(schema_row_values(&some), 12);
    inputs[2].shape[1] = -1;
    ck_assert_uint_eq(schema_row_values(&some), 0);
    inputs[2].shape[1] = INT64_MAX;
    ck_assert_uint_eq(schema_row_values(&some), 0);
    inputs[2].rank = 0;
    ck_assert_uint_eq(schema_row_values(&some), 0);
    inputs[1] = inputs[2] = (struct schema_tensor){.rank = 3, .shape = {-1, INT64_MAX, 2}};
    ck_assert_uint_eq(schema_row_values(&some), 0);
    some.input_count = 0;
    ck_assert_uint_eq(schema_row_values(&some), 0);
}
END_TEST

/* ---- schemas by hand ---- */

static const char *complaint(void)
{
    const char *reason;
    size_t length = wire_writer_end(&writer);
    ck_assert_uint_gt(length, 0);
    struct schema *read = schema_decode(bytes, length, &reason);
    schema_free(read);
    wire_writer_begin(&writer, bytes, sizeof bytes);
    return reason;
}

static void write_tensors(const char *key, size_t count)
{
    wire_write_str(&writer, key);
    wire_write_array(&writer, count);
    for (size_t i = 0; i < count; i++) {
        wire_write_map(&writer, 3);
        wire_write_str(&writer, "shape");
        wire_write_array(&writer, 2);
        wire_write_int(&writer, -1);
        wire_write_int(&writer, 2);
        wire_write_str(&writer, "name");
        wire_write_str(&writer, "x");
        wire_write_str(&writer, "datatype");
        wire_write_str(&writer, "FP32");
    }
}

/* The beginning of a good schema with `more` pairs to come. */
static void begin(size_t more)
{
    wire_write_map(&writer, 2 + more);
    write_tensors("inputs", 1);
    write_tensors("outputs", 1);
}

START_TEST(only_inputs_and_outputs_are_needed)
{
    begin(0);
    ck_assert_ptr_null(complaint());
    wire_write_map(&writer, 1);
    write_tensors("inputs", 1);
    ck_assert_str_eq(complaint(), "inputs or outputs are missing");
    wire_write_map(&writer, 1);
    write_tensors("outputs", 1);
    ck_assert_str_eq(complaint(), "inputs or outputs are missing");
    wire_write_map(&writer, 0);
    ck_assert_str_eq(complaint(), "inputs or outputs are missing");
}
END_TEST

START_TEST(unknown_keys_are_passed_over)
{
    begin(2);
    wire_write_str(&writer, "colour");
    wire_write_map(&writer, 1);
    wire_write_str(&writer, "inputs");
    wire_write_double(&writer, 1.5);
    wire_write_str(&writer, "timeout_ms");
    wire_write_uint(&writer, 7);
    ck_assert_ptr_null(complaint());
    begin(1);
    wire_write_str(&writer, "colour");
    ck_assert_str_eq(complaint(), "a value is cut off");
}
END_TEST

START_TEST(a_key_comes_once)
{
    begin(2);
    wire_write_str(&writer, "platform");
    wire_write_str(&writer, "a");
    wire_write_str(&writer, "platform");
    wire_write_str(&writer, "b");
    ck_assert_str_eq(complaint(), "a key comes twice");
    begin(1);
    write_tensors("inputs", 1);
    ck_assert_str_eq(complaint(), "a key comes twice");
}
END_TEST

START_TEST(values_of_other_types_are_refused)
{
    static const struct {
        const char *key, *complaint;
    } cases[] = {
        {"platform", "a text is none or too long"},
        {"description", "a text is none or too long"},
        {"digest", "a text is none or too long"},
        {"features", "features or labels are no array of at most 65536"},
        {"labels", "features or labels are no array of at most 65536"},
        {"task", "task is neither classification nor regression"},
        {"timeout_ms", "timeout_ms is out of bounds"},
        {"allow_nan", "allow_nan is no boolean"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        begin(1);
        wire_write_str(&writer, cases[i].key);
        wire_write_double(&writer, 0.5);
        ck_assert_str_eq(complaint(), cases[i].complaint);
    }
    wire_write_map(&writer, 1);
    wire_write_str(&writer, "inputs");
    wire_write_str(&writer, "x");
    ck_assert_str_eq(complaint(), "inputs or outputs are no array of at most 64");
    wire_write_array(&writer, 0);
    ck_assert_str_eq(complaint(), "the schema is no map");
    wire_write_map(&writer, 1);
    wire_write_uint(&writer, 1);
    wire_write_uint(&writer, 1);
    ck_assert_str_eq(complaint(), "a key is no text");
    begin(0);
    wire_write_uint(&writer, 1);
    ck_assert_str_eq(complaint(), "bytes are left over behind the schema");
}
END_TEST

START_TEST(bounds_are_kept)
{
    static char text[5000];
    memset(text, 't', sizeof text);
    static const struct {
        const char *key;
        size_t most;
    } texts[] = {{"platform", 512}, {"description", 4096}, {"digest", 128}};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (size_t more = 0; more < 2; more++) {
            begin(1);
            wire_write_str(&writer, texts[i].key);
            wire_write_text(&writer, (struct text){text, texts[i].most + more});
            const char *reason = complaint();
            ck_assert((reason == NULL) == (more == 0));
        }
    begin(1);
    wire_write_str(&writer, "timeout_ms");
    wire_write_uint(&writer, UINT64_C(1) << 32);
    ck_assert_str_eq(complaint(), "timeout_ms is out of bounds");
    begin(1);
    wire_write_str(&writer, "platform");
    wire_write_text(&writer, (struct text){"a\0b", 3});
    ck_assert_str_eq(complaint(), "a text holds a zero byte");
    wire_write_map(&writer, 2);
    write_tensors("inputs", TENSOR_COUNT_MAX + 1);
    write_tensors("outputs", 1);
    ck_assert_str_eq(complaint(), "inputs or outputs are no array of at most 64");
    begin(1);
    wire_write_str(&writer, "labels");
    wire_write_array(&writer, SCHEMA_NAMES_MAX + 1);
    for (int i = 0; i <= SCHEMA_NAMES_MAX; i++)
        wire_write_str(&writer, "");
    ck_assert_str_eq(complaint(), "features or labels are no array of at most 65536");
}
END_TEST

START_TEST(features_are_as_many_as_values)
{
    for (size_t count = 0; count <= 4; count++) {
        begin(1);
        wire_write_str(&writer, "features");
        wire_write_array(&writer, count);
        for (size_t i = 0; i < count; i++)
            wire_write_str(&writer, "f");
        const char *reason = complaint();
        ck_assert((reason == NULL) == (count == 0 || count == 2));
    }
}
END_TEST

/* One input with these pairs: key and a value that write_value makes of the letter. */
static const char *tensor_complaint(const char *keys, const char *values)
{
    wire_write_map(&writer, 2);
    write_tensors("outputs", 1);
    wire_write_str(&writer, "inputs");
    wire_write_array(&writer, 1);
    wire_write_map(&writer, strlen(keys));
    for (size_t i = 0; keys[i] != '\0'; i++) {
        wire_write_str(&writer, keys[i] == 'n'   ? "name"
                                : keys[i] == 'd' ? "datatype"
                                : keys[i] == 's' ? "shape"
                                                 : "other");
        if (values[i] == 's')
            wire_write_str(&writer, "FP32");
        else if (values[i] == 'u')
            wire_write_uint(&writer, 1);
        else {
            wire_write_array(&writer, (size_t)(values[i] - '0'));
            for (int d = 0; d < values[i] - '0'; d++)
                wire_write_int(&writer, d == 3 ? -2 : -1);
        }
    }
    return complaint();
}

START_TEST(tensors_are_whole)
{
    static const char lacks[] = "a tensor lacks its name, datatype or shape";
    ck_assert_ptr_null(tensor_complaint("nds", "ss2"));
    ck_assert_ptr_null(tensor_complaint("ondsns", "2ss1s2"));
    ck_assert_str_eq(tensor_complaint("", ""), lacks);
    ck_assert_str_eq(tensor_complaint("nd", "ss"), lacks);
    ck_assert_str_eq(tensor_complaint("ns", "s2"), lacks);
    ck_assert_str_eq(tensor_complaint("ds", "s2"), lacks);
    ck_assert_str_eq(tensor_complaint("nds", "ss0"), lacks);
    ck_assert_str_eq(tensor_complaint("nds", "ss4"), "a shape holds something else than integers from -1 on");
    ck_assert_str_eq(tensor_complaint("nds", "ss9"), "a shape is no array of at most 8");
    ck_assert_str_eq(tensor_complaint("nds", "sss"), "a shape is no array of at most 8");
    ck_assert_str_eq(tensor_complaint("nds", "su2"), "a datatype is unknown");
    ck_assert_str_eq(tensor_complaint("nds", "us2"), "a text is none or too long");
}
END_TEST

START_TEST(a_tensor_is_a_map_with_texts_as_keys)
{
    wire_write_map(&writer, 1);
    wire_write_str(&writer, "inputs");
    wire_write_array(&writer, 1);
    wire_write_uint(&writer, 1);
    ck_assert_str_eq(complaint(), "a tensor is no map");
    wire_write_map(&writer, 1);
    wire_write_str(&writer, "inputs");
    wire_write_array(&writer, 1);
    wire_write_map(&writer, 1);
    wire_write_uint(&writer, 1);
    wire_write_uint(&writer, 1);
    ck_assert_str_eq(complaint(), "a key is no text");
}
END_TEST

/* ---- costs ---- */

START_TEST(costs_are_taken_out)
{
    struct schema_cost costs[SCHEMA_COSTS_MAX];
    const char *reason;
    size_t without, with, length;
    uint8_t *plain = schema_encode(schema, &without);
    schema->costs[0] = (struct schema_cost){1, 5};
    schema->costs[1] = (struct schema_cost){64, UINT32_MAX};
    schema->cost_count = 2;
    uint8_t *encoded = schema_encode(schema, &with);
    struct schema *read = schema_decode(encoded, with, &reason);
    ck_assert_msg(read != NULL, "%s", reason); /* askers that see them pass them over */
    length = with;
    ck_assert_uint_eq(schema_take_costs(encoded, &length, costs), 2);
    ck_assert_uint_eq(costs[0].rows, 1);
    ck_assert_uint_eq(costs[0].us, 5);
    ck_assert_uint_eq(costs[1].rows, 64);
    ck_assert_uint_eq(costs[1].us, UINT32_MAX);
    ck_assert_uint_eq(length, without);
    ck_assert_mem_eq(encoded, plain, without);
    ck_assert_uint_eq(schema_take_costs(encoded, &length, costs), 0);
    ck_assert_uint_eq(length, without);
    schema_free(read);
    free(encoded);
    free(plain);
}
END_TEST

/* Written: a map of `costs` and of one key behind it. */
static size_t taken_of(size_t count, size_t values, int64_t rows)
{
    struct schema_cost costs[SCHEMA_COSTS_MAX];
    wire_writer_begin(&writer, bytes, sizeof bytes);
    wire_write_map(&writer, 2);
    wire_write_str(&writer, "costs");
    wire_write_array(&writer, count);
    for (size_t i = 0; i < count; i++) {
        wire_write_array(&writer, values);
        for (size_t v = 0; v < values; v++)
            wire_write_int(&writer, rows);
    }
    wire_write_str(&writer, "platform");
    wire_write_str(&writer, "p");
    size_t length = wire_writer_end(&writer), before = length;
    size_t taken = schema_take_costs(bytes, &length, costs);
    ck_assert_int_eq(taken == 0 && count > 0, length == before);
    return taken;
}

START_TEST(costs_of_another_form_stay_where_they_are)
{
    ck_assert_uint_eq(taken_of(2, 2, 7), 2);
    ck_assert_uint_eq(taken_of(SCHEMA_COSTS_MAX, 2, 7), SCHEMA_COSTS_MAX);
    ck_assert_uint_eq(taken_of(SCHEMA_COSTS_MAX + 1, 2, 7), 0);
    ck_assert_uint_eq(taken_of(1, 3, 7), 0);
    ck_assert_uint_eq(taken_of(1, 2, -7), 0);
    ck_assert_uint_eq(taken_of(1, 2, INT64_C(1) << 32), 0);
    struct schema_cost costs[SCHEMA_COSTS_MAX];
    uint8_t nothing = 0x90;
    size_t length = 1;
    ck_assert_uint_eq(schema_take_costs(&nothing, &length, costs), 0);
    length = 0;
    ck_assert_uint_eq(schema_take_costs(&nothing, &length, costs), 0);
}
END_TEST

/* ---- the digest ---- */

START_TEST(the_digest_is_found_without_decoding)
{
    size_t length;
    uint8_t *encoded = schema_encode(schema, &length);
    ck_assert_uint_eq(schema_find_digest(encoded, length).length, 0);
    free(encoded);
    replace(&schema->digest, "sha256:0123");
    schema->costs[0] = (struct schema_cost){1, 5}; /* behind it */
    schema->cost_count = 1;
    encoded = schema_encode(schema, &length);
    ck_assert(text_is(schema_find_digest(encoded, length), "sha256:0123"));
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t *exact = object_alloc(cut + 1); /* reads behind it are seen */
        memcpy(exact, encoded, cut);
        struct text found = schema_find_digest(exact, cut);
        ck_assert(found.length == 0 || text_is(found, "sha256:0123"));
        free(exact);
    }
    free(encoded);
    ck_assert_uint_eq(schema_find_digest(NULL, 0).length, 0);
    begin(1);
    wire_write_str(&writer, "digest");
    wire_write_uint(&writer, 7);
    ck_assert_uint_eq(schema_find_digest(bytes, wire_writer_end(&writer)).length, 0);
}
END_TEST

START_TEST(freeing_nothing_is_fine)
{
    schema_free(NULL);
    schema_free(schema_new());
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_was_written_is_read,
        every_truncation_is_refused,
        no_changed_byte_does_harm,
        the_largest_schema_fits,
        row_values_are_summed_over_the_inputs,
        only_inputs_and_outputs_are_needed,
        unknown_keys_are_passed_over,
        a_key_comes_once,
        values_of_other_types_are_refused,
        bounds_are_kept,
        features_are_as_many_as_values,
        tensors_are_whole,
        a_tensor_is_a_map_with_texts_as_keys,
        costs_are_taken_out,
        costs_of_another_form_stay_where_they_are,
        the_digest_is_found_without_decoding,
        freeing_nothing_is_fine,
    };
    return SUITE_RUN("schema", set_up, tear_down, tests);
}
