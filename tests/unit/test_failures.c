/* test_failures: wrong credentials by address: when there are too many, for how long, in how much memory, and
 * that several processes and threads count as one. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "failures.h"
#include "log.h"
#include "scratch_directory.h"

#include <pthread.h>
#include <sched.h>

enum { LIMIT = 20 };

#define BEGIN (1000 * SECOND + 7)

static struct failures *failures;
static char path[128];

static void set_up(void)
{
    log_open("test_failures", "error");
    scratch_make();
    snprintf(path, sizeof path, "%s/failures.table", scratch_directory);
    failures = failures_new(path);
}

static void tear_down(void)
{
    failures_free(failures);
    scratch_remove();
}

static uint64_t add(uint64_t address, int64_t now)
{
    return failures_add(failures, address, now, LIMIT);
}

static void add_many(uint64_t address, int count, int64_t now)
{
    for (int i = 0; i < count; i++)
        add(address, now);
}

START_TEST(one_more_than_the_limit_is_too_many)
{
    for (int i = 0; i < LIMIT; i++)
        ck_assert_uint_eq(add(7, BEGIN + i * SECOND), 0);
    ck_assert_uint_eq(add(7, BEGIN + 20 * SECOND), 40);
    ck_assert_uint_eq(add(7, BEGIN + 59 * SECOND), 1); /* never less */
    ck_assert_uint_eq(add(8, BEGIN + 59 * SECOND), 0); /* somebody else */
    ck_assert_uint_eq(add(0, BEGIN + 59 * SECOND), 0); /* all that are not known together */
}
END_TEST

START_TEST(a_minute_later_it_begins_anew)
{
    add_many(7, LIMIT, BEGIN);
    ck_assert_uint_gt(add(7, BEGIN), 0);
    for (int i = 0; i < LIMIT; i++)
        ck_assert_uint_eq(add(7, BEGIN + 60 * SECOND), 0);
    ck_assert_uint_eq(add(7, BEGIN + 61 * SECOND), 59);
}
END_TEST

START_TEST(no_limit_is_none)
{
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(failures_add(failures, 7, BEGIN, 0), 0);
}
END_TEST

/* Four times as many addresses as there are places. */
START_TEST(the_table_is_bounded_and_the_latest_are_kept)
{
    add_many(7, LIMIT, BEGIN + 100 * SECOND);
    for (uint64_t i = 0; i < 16384; i++)
        add(i << 8 | 1, BEGIN);
    ck_assert_uint_gt(add(7, BEGIN + 101 * SECOND), 0); /* its minute began last */
    ck_assert_uint_eq(add(UINT64_C(16383) << 8 | 1, BEGIN), 0);
}
END_TEST

START_TEST(an_address_that_lost_its_place_begins_anew)
{
    add_many(5, LIMIT, BEGIN);
    for (uint64_t i = 1; i <= 4; i++) /* the same set of places */
        add(i << 10 | 5, BEGIN + SECOND);
    ck_assert_uint_eq(add(5, BEGIN + 2 * SECOND), 0);
}
END_TEST

START_TEST(processes_count_together)
{
    struct failures *other = failures_new(path);
    for (int i = 0; i < LIMIT; i++)
        ck_assert_uint_eq(failures_add(i % 2 == 0 ? failures : other, 7, BEGIN, LIMIT), 0);
    ck_assert_uint_gt(failures_add(failures, 7, BEGIN, LIMIT), 0);
    ck_assert_uint_gt(failures_add(other, 7, BEGIN, LIMIT), 0);
    failures_free(other);
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
}
END_TEST

/* The file of an earlier start of the machine, whose clock was further. */
START_TEST(a_minute_of_the_future_is_over)
{
    add_many(7, LIMIT + 1, BEGIN + 5000 * SECOND);
    ck_assert_uint_eq(add(7, BEGIN), 0);
}
END_TEST

START_TEST(without_a_file_one_counts_alone)
{
    char nowhere[160];
    struct failures *alone = failures_new(NULL);
    for (int i = 0; i < LIMIT; i++)
        ck_assert_uint_eq(failures_add(alone, 7, BEGIN, LIMIT), 0);
    ck_assert_uint_gt(failures_add(alone, 7, BEGIN, LIMIT), 0);
    failures_free(alone);
    snprintf(nowhere, sizeof nowhere, "%s/none/table", scratch_directory);
    alone = failures_new(nowhere);
    ck_assert_uint_eq(failures_add(alone, 7, BEGIN, LIMIT), 0);
    failures_free(alone);
}
END_TEST

static void *add_a_thousand(void *self)
{
    (void)self;
    for (int i = 0; i < 1000; i++)
        failures_add(failures, 7, BEGIN, 1000000);
    return NULL;
}

/* Two threads go on at the same moment: they spin, since who is woken comes late. */
static void meet(unsigned *arrived, unsigned meeting)
{
    __atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL);
    for (unsigned spins = 1; __atomic_load_n(arrived, __ATOMIC_ACQUIRE) < 2 * meeting; spins++)
        if (spins % 1024 == 0)
            sched_yield();
}

/* Many more addresses than there are places: most of them take another's. Where others have the processors
 * most meetings cost a turn of theirs, and some seconds of them are enough. */
struct meetings {
    unsigned arrived;
    bool last; /* set between the two meetings of an address */
};

static void *add_to_new_places(void *self)
{
    struct meetings *with = self;
    unsigned meetings = 0;
    bool last = false;
    for (uint64_t address = 1; !last; address++) {
        meet(&with->arrived, ++meetings);
        failures_add(failures, address, BEGIN, 1000000);
        meet(&with->arrived, ++meetings);
        last = with->last;
        failures_add(failures, address, BEGIN, 1000000);
    }
    return NULL;
}

START_TEST(threads_that_come_first_together_are_all_counted)
{
    pthread_t other;
    struct meetings with = {0};
    unsigned meetings = 0, missed = 0;
    int64_t until = clock_now() + 5 * SECOND;
    ck_assert_int_eq(pthread_create(&other, NULL, add_to_new_places, &with), 0);
    for (uint64_t address = 1; !with.last; address++) {
        meet(&with.arrived, ++meetings);
        with.last = address == 200000 || clock_now() > until;
        failures_add(failures, address, BEGIN, 1000000);
        meet(&with.arrived, ++meetings);
        missed += failures_add(failures, address, BEGIN, 2) == 0; /* the third or fourth */
    }
    pthread_join(other, NULL);
    ck_assert_uint_eq(missed, 0);
}
END_TEST

START_TEST(threads_count_together)
{
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_a_thousand, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(failures_add(failures, 7, BEGIN, 4001), 0);
    ck_assert_uint_gt(failures_add(failures, 7, BEGIN, 4001), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {one_more_than_the_limit_is_too_many,
                                  a_minute_later_it_begins_anew,
                                  no_limit_is_none,
                                  the_table_is_bounded_and_the_latest_are_kept,
                                  an_address_that_lost_its_place_begins_anew,
                                  processes_count_together,
                                  a_minute_of_the_future_is_over,
                                  without_a_file_one_counts_alone,
                                  threads_count_together,
                                  threads_that_come_first_together_are_all_counted};
    return SUITE_RUN("failures", set_up, tear_down, tests);
}
