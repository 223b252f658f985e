/* test_observation: what is written reads as the same; what breaks the contract is refused, and a kind that
 * comes later passed over. SPDX-License-Identifier: MIT */
#include "observation.h"
#include "suite.h"

static uint8_t bytes[4096];

static struct observation example(void)
{
    return (struct observation){.kind = OBSERVATION_SHADOW,
                                .model = text_of("iris"),
                                .version = text_of("2"),
                                .shadow = text_of("3"),
                                .task = TASK_REGRESSION,
                                .tolerance_ppm = 250,
                                .failure = FAILURE_NONE,
                                .answer = text_of("answer"),
                                .shadow_answer = text_of("other answer")};
}

static void expect_equal(struct text left, struct text right)
{
    ck_assert_uint_eq(left.length, right.length);
    ck_assert_int_eq(memcmp(left.at, right.at, left.length), 0);
}

static void expect_same(const struct observation *read, const struct observation *written)
{
    ck_assert_int_eq(read->kind, written->kind);
    expect_equal(read->model, written->model);
    expect_equal(read->version, written->version);
    expect_equal(read->shadow, written->shadow);
    ck_assert_int_eq(read->task, written->task);
    ck_assert_uint_eq(read->tolerance_ppm, written->tolerance_ppm);
    ck_assert_int_eq(read->failure, written->failure);
    expect_equal(read->answer, written->answer);
    expect_equal(read->shadow_answer, written->shadow_answer);
}

START_TEST(many_in_a_frame_read_as_they_were_written)
{
    struct observation first = example(), second = example(), read;
    second.failure = (enum failure)UINT8_MAX;
    second.answer = second.shadow_answer = (struct text){"", 0};
    size_t length = observation_encode(&first, bytes, sizeof bytes);
    ck_assert_uint_gt(length, 0);
    ck_assert_uint_le(length, observation_bound(&first));
    length += observation_encode(&second, bytes + length, sizeof bytes - length);
    struct wire_reader reader = wire_reader(bytes, length);
    ck_assert_ptr_null(observation_read(&reader, &read));
    expect_same(&read, &first);
    ck_assert(!wire_finished(&reader));
    ck_assert_ptr_null(observation_read(&reader, &read));
    expect_same(&read, &second);
    ck_assert(wire_finished(&reader));
}
END_TEST

/* The bound holds for the longest names, too, and less room than is needed gives nothing. */
START_TEST(the_bound_is_enough)
{
    char name[PROTOCOL_NAME_MAX];
    memset(name, 'n', sizeof name);
    struct observation longest = example();
    longest.model = longest.version = longest.shadow = (struct text){name, sizeof name};
    longest.tolerance_ppm = UINT32_MAX;
    size_t length = observation_encode(&longest, bytes, observation_bound(&longest));
    ck_assert_uint_gt(length, 0);
    ck_assert_uint_eq(observation_encode(&longest, bytes, length), length);
    ck_assert_uint_eq(observation_encode(&longest, bytes, length - 1), 0);
}
END_TEST

static const char *read_again(size_t length)
{
    struct observation read;
    struct wire_reader reader = wire_reader(bytes, length);
    return observation_read(&reader, &read);
}

START_TEST(what_is_cut_off_is_refused)
{
    struct observation observation = example();
    size_t length = observation_encode(&observation, bytes, sizeof bytes);
    for (size_t cut = 0; cut < length; cut++)
        ck_assert_ptr_nonnull(read_again(cut));
    ck_assert_ptr_null(read_again(length));
}
END_TEST

static const char *read_with(void (*spoil)(struct observation *))
{
    struct observation observation = example();
    spoil(&observation);
    return read_again(observation_encode(&observation, bytes, sizeof bytes));
}

static void long_name(struct observation *observation)
{
    static char name[PROTOCOL_NAME_MAX + 1];
    memset(name, 'n', sizeof name);
    observation->shadow = (struct text){name, sizeof name};
}

static void strange_task(struct observation *observation)
{
    observation->task = (enum observation_task)(TASK_LABELS + 1);
}

static void strange_failure(struct observation *observation)
{
    observation->failure = (enum failure)(UINT8_MAX + 1);
}

START_TEST(what_is_out_of_bounds_is_refused)
{
    ck_assert_str_eq(read_with(long_name), "a name is none");
    ck_assert_str_eq(read_with(strange_task), "a number is out of its bounds");
    ck_assert_str_eq(read_with(strange_failure), "a number is out of its bounds");
}
END_TEST

/* An array of two numbers and as many fields more. */
static size_t write_array(uint64_t version, uint64_t kind, size_t more)
{
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, sizeof bytes);
    wire_write_array(&writer, 2 + more);
    wire_write_uint(&writer, version);
    wire_write_uint(&writer, kind);
    for (size_t i = 0; i < more; i++)
        wire_write_str(&writer, "field");
    return wire_writer_end(&writer);
}

START_TEST(a_later_kind_is_passed_over)
{
    struct observation read, observation = example();
    size_t length = write_array(1, 7, 3);
    length += observation_encode(&observation, bytes + length, sizeof bytes - length);
    struct wire_reader reader = wire_reader(bytes, length);
    ck_assert_ptr_null(observation_read(&reader, &read));
    ck_assert_int_eq(read.kind, OBSERVATION_UNKNOWN);
    ck_assert_ptr_null(observation_read(&reader, &read));
    expect_same(&read, &observation);
}
END_TEST

START_TEST(another_version_is_refused)
{
    ck_assert_str_eq(read_again(write_array(2, 1, 8)), "its version is not ours");
    ck_assert_str_eq(read_again(write_array(1, 1, 9)), "its array has another length");
    ck_assert_str_eq(read_again(write_array(1, 7, 100)), "its array is too long");
    ck_assert_str_eq(read_again(0), "it is no array that begins with two numbers");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        many_in_a_frame_read_as_they_were_written, the_bound_is_enough,         what_is_cut_off_is_refused,
        what_is_out_of_bounds_is_refused,          a_later_kind_is_passed_over, another_version_is_refused,
    };
    return SUITE_RUN("observation", NULL, NULL, tests);
}
