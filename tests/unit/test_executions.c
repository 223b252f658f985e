/* test_executions: sums of what requests and batches took, and how they are told. SPDX-License-Identifier:
 * MIT */
#include "clock.h"
#include "executions.h"
#include "suite.h"

static struct executions executions;

static void set_up(void)
{
    executions = (struct executions){0};
}

static void tear_down(void)
{
    executions_free(&executions);
}

static void is_told(const char *expected)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    executions_to_json(&executions, document, root);
    char *text = yyjson_mut_write(document, 0, NULL);
    ck_assert_str_eq(text, expected);
    free(text);
    yyjson_mut_doc_free(document);
}

START_TEST(nothing_has_happened)
{
    is_told("{\"last_ms\":0,\"rows\":0,\"batches\":0,\"success\":[0,0],\"fail\":[0,0],\"shared\":[0,0],"
            "\"queue\":[0,0],\"handed\":[0,0],\"computed\":[0,0],\"sizes\":[]}");
}
END_TEST

START_TEST(parts_are_added_up)
{
    executions_answered(&executions, 3, 10, 100, 60);
    executions_answered(&executions, 4, 20, 200, 70);
    executions_shared(&executions, 5);
    executions_failed(&executions, 1000);
    executions_batch(&executions, 7, 200, 70, 1234 * MILLISECOND);
    executions_batch(&executions, 7, 100, 60, 1235 * MILLISECOND);
    executions_batch(&executions, 1, 9, 8, 1236 * MILLISECOND);
    is_told("{\"last_ms\":1236,\"rows\":7,\"batches\":3,\"success\":[3,335],\"fail\":[1,1000],"
            "\"shared\":[1,5],\"queue\":[2,30],\"handed\":[2,170],\"computed\":[2,130],"
            "\"sizes\":[[1,1,1,8],[7,2,170,130]]}");
}
END_TEST

/* Clocks of two processes: the engine may seem to have taken longer than its batch was away. The parts add up
 * to the whole all the same. */
START_TEST(no_time_is_negative)
{
    executions_answered(&executions, 1, -5, 100, 120);
    executions_batch(&executions, 2, 100, 120, 0);
    is_told("{\"last_ms\":0,\"rows\":1,\"batches\":1,\"success\":[1,120],\"fail\":[0,0],\"shared\":[0,0],"
            "\"queue\":[1,0],\"handed\":[1,0],\"computed\":[1,120],\"sizes\":[[2,1,0,120]]}");
}
END_TEST

START_TEST(more_sizes_than_are_told_apart_are_counted_all_the_same)
{
    for (uint32_t rows = 1; rows <= 3 * EXECUTIONS_SIZES_MAX; rows++)
        executions_batch(&executions, rows * 37, 2, 1, 0);
    ck_assert_uint_eq(executions.batches, 3 * EXECUTIONS_SIZES_MAX);
    uint64_t told = 0;
    for (size_t i = 0; i < EXECUTIONS_SIZES_MAX; i++)
        told += executions.sizes[i].count;
    ck_assert_uint_eq(told, EXECUTIONS_SIZES_MAX);
    for (uint32_t rows = 1; rows <= EXECUTIONS_SIZES_MAX; rows++) /* those that were first keep their place */
        executions_batch(&executions, rows * 37, 2, 1, 0);
    for (size_t i = 0; i < EXECUTIONS_SIZES_MAX; i++)
        ck_assert_uint_eq(executions.sizes[i].count, 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        nothing_has_happened,
        parts_are_added_up,
        no_time_is_negative,
        more_sizes_than_are_told_apart_are_counted_all_the_same,
    };
    return SUITE_RUN("executions", set_up, tear_down, tests);
}
