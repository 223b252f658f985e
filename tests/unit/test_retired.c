/* test_retired: the sums of ended processes through a file and back. SPDX-License-Identifier: MIT */
#include "retired.h"

#include "scratch_directory.h"
#include "suite.h"
#include "tell.h"

#include <errno.h>

static struct registry *registry;
static struct registry *restored;
static struct teller ended = {.name = "ended", .pid = 10, .start = 100, .sequence = 6};
static struct teller alive = {.name = "alive", .pid = 20, .start = 200};

/* An ended process and one that lives, in a registry; and an empty one. */
static void set_up(void)
{
    scratch_make();
    registry = registry_new(100);
    restored = registry_new(100);
    struct snapshot_series last[] = {
        value(METRIC_RETRIES, "iris", 5),
        value(METRIC_QUEUE_ROWS, "iris", 3),
        {.metric = METRIC_QUEUE_DURATION, .labels = {text_of("iris")}, .numbers = {3, 500, 1, 2}}};
    struct snapshot_series now[] = {value(METRIC_RETRIES, "iris", 2), value(METRIC_RETRIES, "lily", 9),
                                    value(METRIC_QUEUE_ROWS, "iris", 4)};
    registry_take(registry, tell(&ended, 0, last, 3), 0);
    registry_take(registry, tell(&alive, 1000, now, 3), 0);
}

static void tear_down(void)
{
    registry_free(registry);
    registry_free(restored);
    scratch_remove();
}

static void check_restored(void)
{
    struct registry_process process = process_of(&ended);
    struct registry_process other = process_of(&alive);
    ck_assert(registry_is_retired(restored, &process));
    ck_assert(!registry_is_retired(restored, &other));
    ck_assert_uint_eq(look_up(restored, METRIC_RETRIES, "iris").numbers[0], 5);
    ck_assert(!look_up(restored, METRIC_RETRIES, "lily").found);
    ck_assert(!look_up(restored, METRIC_QUEUE_ROWS, "iris").found);
    ck_assert_uint_eq(look_up(restored, METRIC_QUEUE_DURATION, "iris").numbers[1], 500);
    ck_assert_uint_eq(look_up(restored, METRIC_QUEUE_DURATION, "iris").numbers[3], 2);
}

START_TEST(what_ended_comes_back_through_the_file)
{
    const char *path = scratch_path("retired");
    ck_assert_int_eq(retired_save(registry, path), 0);
    ck_assert_int_eq(access(scratch_path("retired.new"), F_OK), -1);
    ck_assert_ptr_null(retired_load(restored, path));
    check_restored();
}
END_TEST

START_TEST(a_file_is_replaced_as_a_whole)
{
    const char *path =
        scratch_file("retired", "an older one, which is longer than what comes: ................");
    scratch_file("retired.new", "left behind by a predecessor that was killed while it wrote");
    ck_assert_int_eq(retired_save(registry, path), 0);
    ck_assert_ptr_null(retired_load(restored, path));
    check_restored();
}
END_TEST

START_TEST(no_file_is_no_error)
{
    ck_assert_ptr_null(retired_load(restored, scratch_path("retired")));
    ck_assert_uint_eq(registry_counts(restored).series, 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_leaves_the_old_one)
{
    ck_assert_int_eq(retired_save(registry, scratch_path("no/folder")), -1);
    ck_assert_int_eq(errno, ENOENT);
    const char *path = scratch_path("retired");
    ck_assert_int_eq(retired_save(registry, path), 0);
    ck_assert_int_eq(symlink(path, scratch_path("retired.new")), 0); /* somebody's who may make files there */
    ck_assert_int_eq(retired_save(registry, path), 0);
    scratch_folder("retired.new"); /* in the way */
    ck_assert_int_eq(retired_save(registry, path), -1);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_ptr_null(retired_load(restored, path));
    check_restored();
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    ck_assert_str_eq(retired_load(restored, scratch_directory), "it is no file of a sensible size");
    ck_assert_int_eq(symlink("/dev/null", scratch_path("link")), 0);
    ck_assert_str_eq(retired_load(restored, scratch_path("link")), "it cannot be opened");
    ck_assert_str_eq(retired_load(restored, scratch_file("empty", "")), "it is no array of 3");
}
END_TEST

START_TEST(every_truncation_is_refused_and_nothing_of_it_taken)
{
    size_t length;
    uint8_t *bytes = retired_encode(registry, &length);
    for (size_t cut = 0; cut < length; cut++)
        ck_assert_ptr_nonnull(retired_decode(restored, bytes, cut));
    ck_assert_uint_eq(registry_counts(restored).series, 0);
    ck_assert_uint_eq(registry_counts(restored).retired, 0);
    ck_assert_ptr_null(retired_decode(restored, bytes, length));
    check_restored();
    free(bytes);
}
END_TEST

START_TEST(every_changed_byte_is_refused_or_read_without_harm)
{
    size_t length;
    uint8_t *bytes = retired_encode(registry, &length);
    for (size_t at = 0; at < length; at++)
        for (int value = 0; value < 256; value++) {
            uint8_t before = bytes[at];
            struct registry *other = registry_new(100);
            bytes[at] = (uint8_t)value;
            retired_decode(other, bytes, length);
            bytes[at] = before;
            registry_free(other);
        }
    free(bytes);
}
END_TEST

START_TEST(bytes_that_are_left_over_are_refused)
{
    size_t length;
    uint8_t *bytes = retired_encode(registry, &length);
    uint8_t *longer = calloc(1, length + 1);
    memcpy(longer, bytes, length);
    ck_assert_str_eq(retired_decode(restored, longer, length + 1), "bytes are left over");
    longer[1] = 2;
    ck_assert_str_eq(retired_decode(restored, longer, length), "its version is not ours");
    free(longer);
    free(bytes);
}
END_TEST

START_TEST(much_fits)
{
    char label[METRICS_LABEL_BYTES];
    struct registry *large = registry_new(5000);
    struct snapshot_series series = {.metric = METRIC_COMPUTE_DURATION};
    memset(series.numbers, 0xee, sizeof series.numbers);
    for (int i = 0; i < 5000; i++) {
        snprintf(label, sizeof label, "%063d", i);
        series.labels[0] = series.labels[1] = text_of(label);
        registry_restore_series(large, &series);
    }
    const char *path = scratch_path("retired");
    ck_assert_int_eq(retired_save(large, path), 0);
    struct registry *back = registry_new(5000);
    ck_assert_ptr_null(retired_load(back, path));
    ck_assert_uint_eq(registry_counts(back).series, 5000);
    registry_free(large);
    registry_free(back);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_ended_comes_back_through_the_file,
                                  a_file_is_replaced_as_a_whole,
                                  no_file_is_no_error,
                                  a_file_that_cannot_be_written_leaves_the_old_one,
                                  what_is_no_file_is_refused,
                                  every_truncation_is_refused_and_nothing_of_it_taken,
                                  every_changed_byte_is_refused_or_read_without_harm,
                                  bytes_that_are_left_over_are_refused,
                                  much_fits};
    return SUITE_RUN("retired", set_up, tear_down, tests);
}
