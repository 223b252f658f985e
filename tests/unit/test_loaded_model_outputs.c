/* test_loaded_model_outputs: what is learned of a model's outputs by a call. SPDX-License-Identifier: MIT */
#include "loaded_scene.h"

START_TEST(zeros_are_a_payload)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t bytes, count, rows;
    engine.input_count = 2;
    engine.inputs[1] = (struct backend_tensor){"z", "BYTES", 2, {-1, -1}};
    load();
    uint8_t *payload = loaded_model_zeros(model, 5, 5 * 3 * 4 + 5 * 4, &bytes);
    ck_assert_ptr_nonnull(payload);
    ck_assert_ptr_null(tensors_decode(payload, bytes, tensors, &count, &rows));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(rows, 5);
    ck_assert(text_is(tensors[1].name, "z"));
    ck_assert_int_eq(tensors[1].shape[1], 1);
    ck_assert_uint_eq(tensors[0].bytes, 60);
    ck_assert_mem_eq(tensors[0].data, zeros, 60);
    free(payload);
    ck_assert_ptr_null(loaded_model_zeros(model, 5, 5 * 3 * 4 + 5 * 4 - 1, &bytes));
    ck_assert_ptr_null(loaded_model_zeros(model, SIZE_MAX / 2, SIZE_MAX, &bytes));
}
END_TEST

START_TEST(outputs_without_a_shape_get_one)
{
    engine.outputs[0].rank = 0;
    engine.outputs[1].shape[0] = 7;
    const struct schema *schema = warm();
    ck_assert_uint_eq(schema->outputs[0].rank, 2);
    ck_assert_int_eq(schema->outputs[0].shape[0], -1);
    ck_assert_int_eq(schema->outputs[0].shape[1], 2);
    ck_assert_int_eq(schema->outputs[1].shape[0], -1);
    ck_assert(!schema->regression);
}
END_TEST

START_TEST(columns_that_change_with_the_rows_are_any_number)
{
    const struct tensor later[] = {{.rank = 2, .shape = {2, 3}}, {.rank = 1, .shape = {2}}};
    engine.outputs[0].shape[1] = -1;
    ck_assert_int_eq(warm()->outputs[0].shape[1], 2);
    ck_assert(loaded_model_learn(model, later, false, error));
    ck_assert_int_eq(model->schema->outputs[0].shape[1], -1);
}
END_TEST

START_TEST(columns_that_follow_the_inputs_stay_any_number)
{
    engine.inputs[0].shape[1] = -1;
    engine.outputs[0].shape[1] = -1;
    ck_assert_int_eq(warm()->outputs[0].shape[1], -1);
    engine.outputs[0].rank = 0;
    ck_assert_int_eq(warm()->outputs[0].shape[1], -1);
}
END_TEST

START_TEST(outputs_need_a_row_for_each_row)
{
    engine.extra_rows = 1;
    ck_assert_str_eq(cold_refusal(), "output probabilities has no row for each row of the inputs");
    engine.extra_rows = 0;
    engine.given[1].rank = 0;
    ck_assert_str_eq(cold_refusal(), "output label has no row for each row of the inputs");
    engine.given[1].rank = 2;
    ck_assert_str_eq(cold_refusal(), "output label has another rank than the model says");
}
END_TEST

START_TEST(an_engine_that_fails_on_zeros_is_served_when_its_outputs_are_known)
{
    engine.fails = true;
    warm();
    ck_assert(loaded_model_knows_outputs(model));
    engine.outputs[0].rank = 0;
    ck_assert_str_eq(cold_refusal(), "zeros are no good");
}
END_TEST

START_TEST(labels_are_checked_when_the_columns_are_known)
{
    static const char *const three[] = {"a", "b", "c"};
    engine.outputs[0].rank = 0;
    config.labels = names(three, 3);
    ck_assert_str_eq(cold_refusal(), "model.conf: labels: 3 names, but output probabilities has 2 columns");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        zeros_are_a_payload,
        outputs_without_a_shape_get_one,
        columns_that_change_with_the_rows_are_any_number,
        columns_that_follow_the_inputs_stay_any_number,
        outputs_need_a_row_for_each_row,
        an_engine_that_fails_on_zeros_is_served_when_its_outputs_are_known,
        labels_are_checked_when_the_columns_are_known,
    };
    return SUITE_RUN("loaded_model_outputs", set_up, tear_down, tests);
}
