/* test_history: an hour of seconds and a day of minutes in a file: differences of totals that go up, fall and
 * begin anew; what a crash leaves; slots that are given on. The clock is the test's. SPDX-License-Identifier:
 * MIT */
#include "history.h"

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { START = 1800000000 }; /* a whole minute, in seconds since 1970 */

static const struct history_scope host = {"", NULL};
static const struct history_scope all = {NULL, NULL};
static const struct history_scope iris = {"iris", NULL};
static const struct history_scope iris_1 = {"iris", "1"};

static int file;
static struct history *history;
static int64_t second;
static uint64_t ok_total;

static void open_history(uint64_t run)
{
    history_free(history);
    history = history_new(dup(file), run);
}

static void set_up(void)
{
    file = memfd_create("history", 0);
    second = START;
    ok_total = 0;
    open_history(1);
}

static void tear_down(void)
{
    history_free(history);
    history = NULL;
    close(file);
}

/* Both clocks say the same. */
static bool begin_at(struct history *one, int64_t now_ms)
{
    return history_begin(one, now_ms, now_ms);
}

/* One sample, half a second into `second`, which goes up. */
static void sample_total(uint64_t ok, uint64_t queue)
{
    ck_assert(begin_at(history, second * 1000 + 500));
    history_set(history, "iris", "1", HISTORY_OK, ok);
    history_set(history, "iris", "", HISTORY_QUEUE_ROWS, queue);
    ck_assert(history_end(history));
    second++;
}

static void sample(uint64_t more, uint64_t queue)
{
    ok_total += more;
    sample_total(ok_total, queue);
}

static struct history_point at(struct history_scope scope, int64_t from, int64_t step)
{
    struct history_point point;
    history_read(history, scope, from, step, 1, &point);
    return point;
}

static void expect_ok(int64_t from, int64_t step, double seconds, uint64_t ok)
{
    struct history_point point = at(iris_1, from, step);
    ck_assert_double_eq_tol(point.seconds, seconds, 0.01);
    ck_assert_uint_eq(point.numbers[HISTORY_OK], ok);
}

/* ---- differences ---- */

START_TEST(a_second_has_what_came_since_the_one_before)
{
    sample(100, 0); /* the first total is where it begins */
    sample(7, 3);
    sample(9, 5);
    expect_ok(START, 1, 1, 0);
    expect_ok(START + 1, 1, 1, 7);
    expect_ok(START + 2, 1, 1, 9);
    expect_ok(START + 3, 1, 0, 0);
    expect_ok(START, 3, 3, 16);
    ck_assert_int_eq(history_newest(history), START + 2);
    ck_assert_uint_eq(at(iris, START, 3).numbers[HISTORY_QUEUE_ROWS], 5);
    ck_assert_uint_eq(at(all, START, 3).numbers[HISTORY_OK], 16);
    ck_assert_uint_eq(at(host, START, 3).numbers[HISTORY_OK], 0);
}
END_TEST

START_TEST(one_second_is_sampled_once)
{
    sample(0, 0);
    ck_assert(!begin_at(history, (second - 1) * 1000 + 999));
    ck_assert(begin_at(history, second * 1000));
    ck_assert(history_end(history));
}
END_TEST

START_TEST(a_pause_is_the_time_that_what_came_in_it_took)
{
    sample(0, 0);
    second += 9;
    sample(50, 0);
    expect_ok(START + 10, 1, 10, 50);
    expect_ok(START + 5, 1, 0, 0);
}
END_TEST

START_TEST(a_clock_that_is_set_back_begins_again_there)
{
    sample(0, 0);
    second -= 1000;
    sample(5, 0);
    sample(6, 0);
    expect_ok(START - 999, 1, 1, 5);
    expect_ok(START - 998, 1, 1, 6);
}
END_TEST

/* Where a sample belongs is the wall clock's to say, but not what time has passed. */
START_TEST(a_clock_that_is_set_ahead_makes_no_second_longer)
{
    sample(0, 0);
    ok_total += 50;
    ck_assert(history_begin(history, (second + 7200) * 1000 + 500, second * 1000 + 500));
    history_set(history, "iris", "1", HISTORY_OK, ok_total);
    ck_assert(history_end(history));
    expect_ok(second + 7200, 1, 1, 50);
}
END_TEST

START_TEST(a_total_that_falls_for_a_while_counts_from_where_it_was)
{
    sample_total(100, 0);
    sample_total(110, 0);
    sample_total(40, 0); /* somebody is not heard */
    sample_total(45, 0);
    sample_total(130, 0);
    expect_ok(START, 5, 5, 10 + 20);
    expect_ok(START + 2, 2, 2, 0);
}
END_TEST

START_TEST(a_total_that_stays_below_begins_anew)
{
    sample_total(100, 0);
    for (int i = 0; i < 10; i++)
        sample_total(40, 0);
    sample_total(48, 0);
    expect_ok(second - 1, 1, 1, 8);
    expect_ok(START, 11, 11, 0);
}
END_TEST

START_TEST(a_version_that_appears_begins_at_nothing)
{
    sample(0, 0);
    ck_assert(begin_at(history, second * 1000 + 500));
    history_set(history, "iris", "2", HISTORY_OK, 12);
    ck_assert(history_end(history));
    struct history_scope scope = {"iris", "2"};
    ck_assert_uint_eq(at(scope, second, 1).numbers[HISTORY_OK], 12);
}
END_TEST

START_TEST(what_is_set_several_times_is_added_up)
{
    sample(0, 0);
    ck_assert(begin_at(history, second * 1000 + 500));
    history_set(history, "iris", "1", HISTORY_FAILED, 2);
    history_set(history, "iris", "1", HISTORY_FAILED, 3);
    ck_assert(history_end(history));
    ck_assert_uint_eq(at(iris_1, second, 1).numbers[HISTORY_FAILED], 5);
}
END_TEST

/* ---- minutes ---- */

START_TEST(a_day_is_kept_by_the_minute)
{
    for (int i = 0; i < 2 * HISTORY_SECONDS; i++)
        sample(2, i == 30 ? 77 : 1);
    expect_ok(START + 1800, 10, 0, 0); /* beyond the hour */
    expect_ok(START + 60, 60, 60, 120);
    expect_ok(START + 60, 600, 600, 1200);
    ck_assert_uint_eq(at(iris, START, 60).numbers[HISTORY_QUEUE_ROWS], 77);
    ck_assert_uint_eq(at(iris, START + 60, 60).numbers[HISTORY_QUEUE_ROWS], 1);
    expect_ok(second - 3600, 10, 10, 20);
}
END_TEST

START_TEST(the_minute_under_way_is_told_from_its_seconds)
{
    for (int i = 0; i < 90; i++)
        sample(i > 0 ? 3 : 0, 0);
    expect_ok(START + 60, 60, 30, 90);
    expect_ok(START, 120, 90, 267);
}
END_TEST

START_TEST(the_last_minutes_end_now)
{
    for (int i = 0; i < 100; i++)
        sample(i > 0 ? 1 : 0, 0);
    ck_assert_uint_eq(history_last(history, iris, 60).numbers[HISTORY_OK], 60);
    ck_assert_double_eq_tol(history_last(history, iris, 60).seconds, 60, 0.01);
    ck_assert_uint_eq(history_last(history, iris, 300).numbers[HISTORY_OK], 99);
    ck_assert_uint_eq(history_last(history, iris, 3600).numbers[HISTORY_OK], 99);
    ck_assert_uint_eq(history_last(history, iris, 6 * 3600).numbers[HISTORY_OK], 99);
}
END_TEST

/* ---- restarts and crashes ---- */

START_TEST(another_process_goes_on_in_the_same_run)
{
    sample(0, 0);
    sample(10, 0);
    open_history(1);
    second += 2;
    sample_total(4, 0); /* not all have been heard */
    sample(20, 0);
    expect_ok(START + 1, 1, 1, 10);
    expect_ok(START + 4, 1, 3, 0);
    expect_ok(START + 5, 1, 1, 20);
}
END_TEST

START_TEST(what_was_idle_for_long_goes_on_too)
{
    sample(0, 0);
    sample(10, 0);
    for (int i = 0; i < 150; i++)
        sample(0, 0);
    open_history(1);
    sample(5, 0);
    expect_ok(second - 1, 1, 1, 5);
}
END_TEST

START_TEST(a_new_run_begins_at_nothing_and_keeps_the_past)
{
    sample(0, 0);
    sample(10, 0);
    open_history(2);
    sample_total(3, 0);
    sample_total(5, 0);
    expect_ok(START + 1, 1, 1, 10);
    expect_ok(START + 2, 1, 1, 0);
    expect_ok(START + 3, 1, 1, 2);
}
END_TEST

START_TEST(a_minute_that_nobody_had_time_for_is_made_later)
{
    for (int i = 0; i < 59; i++)
        sample(i > 0 ? 1 : 0, 0);
    open_history(1);
    second += 5;
    sample(1, 0);
    for (int i = 0; i < HISTORY_SECONDS; i++)
        sample(0, 0);
    expect_ok(START, 60, 59, 58);
}
END_TEST

START_TEST(a_torn_record_is_passed_over)
{
    for (int i = 0; i < 5; i++)
        sample(i > 0 ? 10 : 0, 0);
    struct stat status;
    ck_assert_int_eq(fstat(file, &status), 0);
    /* Any byte of the file may be another one: the records it is in go, no other does, and nothing is made
     * up. */
    for (off_t place = status.st_size - 1; place > 0; place -= place > 200000 ? 7 : 131) {
        char byte, other;
        ck_assert_int_eq(pread(file, &byte, 1, place), 1);
        other = (char)~byte;
        ck_assert_int_eq(pwrite(file, &other, 1, place), 1);
        uint64_t ok = at(iris_1, START, 5).numbers[HISTORY_OK];
        ck_assert_msg(ok == 40 || ok == 30, "%llu at %lld", (unsigned long long)ok, (long long)place);
        ck_assert_int_eq(pwrite(file, &byte, 1, place), 1);
    }
    expect_ok(START, 5, 5, 40);
}
END_TEST

START_TEST(a_file_that_is_cut_off_has_what_is_left)
{
    for (int i = 0; i < 5; i++)
        sample(i > 0 ? 10 : 0, 0);
    struct stat status;
    ck_assert_int_eq(fstat(file, &status), 0);
    static const off_t left[] = {4095, 5000, 200000, 900000};
    for (size_t i = COUNT_OF(left); i-- > 0;) {
        ck_assert_int_eq(ftruncate(file, left[i]), 0);
        open_history(1);
        ck_assert_uint_eq(at(iris_1, START, 5).numbers[HISTORY_OK], 0);
    }
    sample(0, 0);
    sample(4, 0);
    expect_ok(second - 1, 1, 1, 4);
}
END_TEST

START_TEST(another_version_of_the_file_is_begun_anew)
{
    sample(0, 0);
    sample(10, 0);
    uint32_t version = 99;
    ck_assert_int_eq(pwrite(file, &version, sizeof version, 8), (ssize_t)sizeof version);
    open_history(1);
    expect_ok(START, 2, 0, 0);
    ck_assert_int_eq(history_newest(history), 0);
}
END_TEST

START_TEST(a_full_disk_is_told)
{
    int fd = open("/dev/full", O_RDWR);
    ck_assert_int_ne(fd, -1);
    struct history *full = history_new(fd, 1);
    ck_assert(begin_at(full, START * INT64_C(1000)));
    history_set(full, "iris", "1", HISTORY_OK, 1);
    ck_assert(!history_end(full));
    ck_assert_int_eq(errno, ENOSPC);
    history_free(full);
}
END_TEST

/* ---- slots ---- */

static void name(char text[16], int i)
{
    snprintf(text, 16, "m%d", i);
}

/* A sample in which models from m`first` to m`last` have come to that. */
static void sample_models(int first, int last, uint64_t ok)
{
    char text[16];
    ck_assert(begin_at(history, second++ * 1000 + 500));
    for (int i = first; i <= last; i++) {
        name(text, i);
        history_set(history, text, "1", HISTORY_OK, ok);
        history_set(history, text, "1", HISTORY_ROWS, ok);
    }
    ck_assert(history_end(history));
}

static uint64_t rows_of(int i)
{
    char text[16];
    name(text, i);
    return at((struct history_scope){text, "1"}, second - 1, 1).numbers[HISTORY_ROWS];
}

START_TEST(places_are_bounded_and_the_one_that_is_gone_for_longest_is_given_on)
{
    enum { LAST = HISTORY_SLOTS - 2 };
    sample_models(0, LAST, 1000);
    ck_assert(!history_is_full(history));
    sample_models(0, LAST + 1, 1000);
    ck_assert(history_is_full(history));
    sample_models(1, LAST + 1, 1000); /* m0 was there a sample ago, and keeps its place */
    ck_assert(history_is_full(history));
    sample_models(1, LAST + 1, 1000);
    ck_assert(!history_is_full(history));
    ck_assert_uint_eq(rows_of(LAST + 1), 0); /* it has been here before, for all that is known */
    sample_models(1, LAST + 1, 1003);
    ck_assert_uint_eq(rows_of(LAST + 1), 3);
    ck_assert_uint_eq(rows_of(1), 3);
}
END_TEST

/* Those that were seen in a future that will not be are gone for longest. */
START_TEST(a_clock_that_is_set_back_keeps_no_place)
{
    enum { LAST = HISTORY_SLOTS - 2 };
    sample_models(0, LAST, 1000);
    second -= 5000;
    sample_models(1, LAST, 1000);
    sample_models(1, LAST + 1, 1000);
    ck_assert(!history_is_full(history));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_second_has_what_came_since_the_one_before,
                                  one_second_is_sampled_once,
                                  a_pause_is_the_time_that_what_came_in_it_took,
                                  a_clock_that_is_set_back_begins_again_there,
                                  a_clock_that_is_set_ahead_makes_no_second_longer,
                                  a_total_that_falls_for_a_while_counts_from_where_it_was,
                                  a_total_that_stays_below_begins_anew,
                                  a_version_that_appears_begins_at_nothing,
                                  what_is_set_several_times_is_added_up,
                                  a_day_is_kept_by_the_minute,
                                  the_minute_under_way_is_told_from_its_seconds,
                                  the_last_minutes_end_now,
                                  another_process_goes_on_in_the_same_run,
                                  what_was_idle_for_long_goes_on_too,
                                  a_new_run_begins_at_nothing_and_keeps_the_past,
                                  a_minute_that_nobody_had_time_for_is_made_later,
                                  a_torn_record_is_passed_over,
                                  a_file_that_is_cut_off_has_what_is_left,
                                  another_version_of_the_file_is_begun_anew,
                                  a_full_disk_is_told,
                                  places_are_bounded_and_the_one_that_is_gone_for_longest_is_given_on,
                                  a_clock_that_is_set_back_keeps_no_place};
    return SUITE_RUN("history", set_up, tear_down, tests);
}
