/* test_sampled: rows that are shown read as they were written; what breaks the contract is refused.
 * SPDX-License-Identifier: MIT */
#include "sampled.h"
#include "suite.h"

static const double scores[] = {0.25, -1e300};
static double read_scores[SAMPLED_ROWS_MAX];
static uint8_t bytes[1024];

static struct sampled example(void)
{
    return (struct sampled){.model = text_of("iris"),
                            .version = text_of("2"),
                            .score_kind = SCORE_VALUE,
                            .rows = 2,
                            .inputs = text_of("tensors"),
                            .scores = scores};
}

static const char *read_again(size_t length, struct sampled *sampled)
{
    struct observation_any any;
    struct wire_reader reader = wire_reader(bytes, length);
    const char *wrong = observation_next(&reader, &any);
    if (wrong == NULL)
        ck_assert_uint_eq(any.kind, OBSERVATION_ROWS);
    return wrong != NULL ? wrong : sampled_read(&any, sampled, read_scores);
}

START_TEST(rows_read_as_they_were_written)
{
    struct sampled written = example(), sampled;
    size_t length = sampled_encode(&written, bytes, sampled_bound(&written));
    ck_assert_ptr_null(read_again(length, &sampled));
    ck_assert(text_is(sampled.model, "iris") && text_is(sampled.version, "2"));
    ck_assert(text_is(sampled.inputs, "tensors"));
    ck_assert_int_eq(sampled.score_kind, SCORE_VALUE);
    ck_assert_uint_eq(sampled.rows, 2);
    ck_assert_mem_eq(sampled.scores, scores, sizeof scores);
    for (size_t cut = 0; cut < length; cut++)
        ck_assert_ptr_nonnull(read_again(cut, &sampled));
}
END_TEST

static const char *read_with(void (*spoil)(struct sampled *))
{
    struct sampled sampled = example();
    spoil(&sampled);
    return read_again(sampled_encode(&sampled, bytes, sizeof bytes), &sampled);
}

static void no_model(struct sampled *sampled)
{
    sampled->model = (struct text){"", 0};
}

static void no_rows(struct sampled *sampled)
{
    sampled->rows = 0;
}

static void strange_kind(struct sampled *sampled)
{
    sampled->score_kind = SCORE_KIND_COUNT;
}

START_TEST(what_is_out_of_bounds_is_refused)
{
    ck_assert_str_eq(read_with(no_model), "a name is none");
    ck_assert_str_eq(read_with(no_rows), "a number is out of its bounds");
    ck_assert_str_eq(read_with(strange_kind), "a number is out of its bounds");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {rows_read_as_they_were_written, what_is_out_of_bounds_is_refused};
    return SUITE_RUN("sampled", NULL, NULL, tests);
}
