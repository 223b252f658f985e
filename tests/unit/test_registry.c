/* test_registry: sums over processes that come, go, fall silent, come back and lie. SPDX-License-Identifier:
 * MIT */
#include "registry.h"

#include "clock.h"
#include "suite.h"
#include "tell.h"

enum { MAX_SERIES = 100 };

static struct registry *registry;
static struct teller a = {.name = "a", .pid = 10, .start = 100};
static struct teller b = {.name = "b", .pid = 20, .start = 200};

static void set_up(void)
{
    registry = registry_new(MAX_SERIES);
}

static void tear_down(void)
{
    registry_free(registry);
}

/* One counter and one gauge, both of model "iris". */
static enum registry_answer say(struct teller *teller, uint64_t counter, int64_t gauge, int64_t now)
{
    struct snapshot_series series[] = {value(METRIC_RETRIES, "iris", counter),
                                       value(METRIC_QUEUE_ROWS, "iris", (uint64_t)gauge)};
    return registry_take(registry, tell(teller, 1000, series, 2), now);
}

static uint64_t counter_total(void)
{
    return look_up(registry, METRIC_RETRIES, "iris").numbers[0];
}

static int64_t gauge_total(void)
{
    return (int64_t)look_up(registry, METRIC_QUEUE_ROWS, "iris").numbers[0];
}

static void count_call(void *self, const struct registry_process *process)
{
    (void)process;
    ++*(int *)self;
}

/* How many processes are called silent at that time. */
static int silent_at(int64_t now)
{
    int calls = 0;
    registry_check(registry, now, count_call, &calls);
    return calls;
}

/* ---- adding up ---- */

START_TEST(the_newest_snapshots_of_all_processes_are_added_up)
{
    ck_assert(!look_up(registry, METRIC_RETRIES, "iris").found);
    ck_assert_int_eq(say(&a, 5, 3, 0), REGISTRY_TAKEN);
    ck_assert_int_eq(say(&b, 7, -4, 0), REGISTRY_TAKEN);
    ck_assert_uint_eq(counter_total(), 12);
    ck_assert_int_eq(gauge_total(), -1);
    say(&a, 6, 0, 0);
    say(&a, 9, 2, 0);
    ck_assert_uint_eq(counter_total(), 16);
    ck_assert_int_eq(gauge_total(), -2);
    ck_assert_uint_eq(registry_counts(registry).series, 2);
    ck_assert_uint_eq(registry_counts(registry).processes, 2);
    ck_assert_uint_eq(registry_counts(registry).taken, 4);
}
END_TEST

START_TEST(histograms_are_added_up_bucket_by_bucket)
{
    struct snapshot_series first = {
        .metric = METRIC_QUEUE_DURATION, .labels = {text_of("iris")}, .numbers = {3, 500, 1, 2}};
    struct snapshot_series second = {
        .metric = METRIC_QUEUE_DURATION, .labels = {text_of("iris")}, .numbers = {2, 90, 0, 1, [22] = 1}};
    registry_take(registry, tell(&a, 1000, &first, 1), 0);
    registry_take(registry, tell(&b, 1000, &second, 1), 0);
    struct sought sought = look_up(registry, METRIC_QUEUE_DURATION, "iris");
    ck_assert_uint_eq(sought.numbers[0], 5);
    ck_assert_uint_eq(sought.numbers[1], 590);
    ck_assert_uint_eq(sought.numbers[2], 1);
    ck_assert_uint_eq(sought.numbers[3], 3);
    ck_assert_uint_eq(sought.numbers[22], 1);
}
END_TEST

START_TEST(different_labels_are_different_series)
{
    struct snapshot_series series[] = {value(METRIC_RETRIES, "iris", 1), value(METRIC_RETRIES, "lily", 2),
                                       value(METRIC_RETRIES, "", 3), value(METRIC_QUEUE_BYTES, "iris", 4),
                                       value(METRIC_STRAY_RESULTS, "", 5)};
    registry_take(registry, tell(&a, 1000, series, COUNT_OF(series)), 0);
    ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "iris").numbers[0], 1);
    ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "lily").numbers[0], 2);
    ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "").numbers[0], 3);
    ck_assert_uint_eq(look_up(registry, METRIC_QUEUE_BYTES, "iris").numbers[0], 4);
    ck_assert_uint_eq(look_up(registry, METRIC_STRAY_RESULTS, NULL).numbers[0], 5);
}
END_TEST

START_TEST(labels_that_are_no_printable_text_are_shown_as_question_marks)
{
    struct snapshot_series series = {.metric = METRIC_RETRIES, .labels = {{"a\0b\n\xff", 5}}, .numbers = {1}};
    registry_take(registry, tell(&a, 1000, &series, 1), 0);
    ck_assert(look_up(registry, METRIC_RETRIES, "a?b??").found);
}
END_TEST

START_TEST(a_series_that_stands_twice_in_a_snapshot_is_counted_once)
{
    struct snapshot_series series[] = {value(METRIC_RETRIES, "iris", 4), value(METRIC_RETRIES, "iris", 6)};
    registry_take(registry, tell(&a, 1000, series, 2), 0);
    ck_assert_uint_eq(counter_total(), 6);
}
END_TEST

START_TEST(a_counter_that_goes_back_takes_only_its_own_part_along)
{
    say(&a, 50, 0, 0);
    say(&b, 7, 0, 0);
    say(&a, 2, 0, 0);
    ck_assert_uint_eq(counter_total(), 9);
    say(&a, UINT64_MAX, 0, 0);
    say(&a, 3, 0, 0);
    ck_assert_uint_eq(counter_total(), 10);
}
END_TEST

/* ---- sequences ---- */

START_TEST(an_old_snapshot_is_stale)
{
    say(&a, 4, 1, 0);
    say(&a, 5, 1, 0);
    say(&a, 8, 1, 0);
    a.sequence = 1;
    ck_assert_int_eq(say(&a, 5, 1, 0), REGISTRY_STALE);
    ck_assert_int_eq(say(&a, 5, 1, 0), REGISTRY_STALE);
    ck_assert_uint_eq(counter_total(), 8);
    ck_assert_int_eq(say(&a, 9, 1, 0), REGISTRY_TAKEN);
    ck_assert_uint_eq(registry_counts(registry).taken, 4);
}
END_TEST

/* A process that became another program: what it had counted stays, and what it counts is added. */
START_TEST(a_sequence_that_begins_again_is_another_program)
{
    say(&a, 5, 1, 0);
    say(&a, 8, 1, 0);
    a.sequence = 0;
    ck_assert_int_eq(say(&a, 2, 1, 0), REGISTRY_TAKEN);
    ck_assert_uint_eq(counter_total(), 10);
    ck_assert_int_eq(say(&a, 3, 1, 0), REGISTRY_TAKEN);
    ck_assert_uint_eq(counter_total(), 11);
    ck_assert_uint_eq(registry_counts(registry).lost, 0);
}
END_TEST

START_TEST(gaps_in_a_sequence_are_counted_as_lost)
{
    a.sequence = 56; /* the collector came late: that is no loss */
    say(&a, 5, 1, 0);
    ck_assert_uint_eq(registry_counts(registry).lost, 0);
    say(&a, 5, 1, 0);
    ck_assert_uint_eq(registry_counts(registry).lost, 0);
    a.sequence += 3;
    say(&a, 5, 1, 0);
    ck_assert_uint_eq(registry_counts(registry).lost, 3);
}
END_TEST

/* ---- ends ---- */

START_TEST(a_process_that_is_started_again_adds_to_its_predecessor)
{
    struct teller again = {.name = "a", .pid = 11, .start = 101};
    struct registry_process process = process_of(&a);
    say(&a, 5, 3, 0);
    registry_retire(registry, &process);
    say(&again, 2, 1, 0);
    ck_assert_uint_eq(counter_total(), 7);
    ck_assert_int_eq(gauge_total(), 1);
    ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "iris").retired, 5);
    ck_assert_uint_eq(look_up(registry, METRIC_QUEUE_ROWS, "iris").retired, 0);
    ck_assert_uint_eq(registry_counts(registry).processes, 1);
    ck_assert_uint_eq(registry_counts(registry).retired, 1);
}
END_TEST

START_TEST(any_part_of_the_identity_makes_another_process)
{
    struct teller others[] = {{.name = "c", .pid = 10, .start = 100},
                              {.name = "a", .pid = 11, .start = 100},
                              {.name = "a", .pid = 10, .start = 101}};
    say(&a, 1, 1, 0);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ck_assert_int_eq(say(&others[i], 1, 1, 0), REGISTRY_TAKEN);
    ck_assert_uint_eq(counter_total(), 4);
}
END_TEST

START_TEST(the_last_snapshot_retires_its_process)
{
    struct snapshot_series series[] = {value(METRIC_RETRIES, "iris", 9), value(METRIC_QUEUE_ROWS, "iris", 4)};
    struct registry_process process = process_of(&a);
    say(&a, 5, 3, 0);
    ck_assert(!registry_is_retired(registry, &process));
    registry_take(registry, tell(&a, 0, series, 2), 0);
    ck_assert(registry_is_retired(registry, &process));
    ck_assert_uint_eq(counter_total(), 9);
    ck_assert(!look_up(registry, METRIC_QUEUE_ROWS, "iris").found);
    ck_assert_uint_eq(registry_counts(registry).series, 1);
}
END_TEST

START_TEST(a_retired_process_is_not_counted_again)
{
    struct registry_process process = process_of(&a);
    say(&a, 5, 3, 0);
    registry_retire(registry, &process);
    registry_retire(registry, &process);
    ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "iris").retired, 5);
    a.sequence--;
    ck_assert_int_eq(say(&a, 5, 3, 0), REGISTRY_STALE); /* was still on its way */
    ck_assert_uint_eq(counter_total(), 5);
}
END_TEST

START_TEST(a_process_that_was_retired_too_early_goes_on_from_a_new_base_line)
{
    struct registry_process process = process_of(&a);
    say(&a, 5, 3, 0);
    registry_retire(registry, &process);
    say(&a, 6, 4, 0); /* what it counted meanwhile is lost, nothing is counted twice */
    ck_assert(!registry_is_retired(registry, &process));
    ck_assert_uint_eq(counter_total(), 5);
    ck_assert_int_eq(gauge_total(), 4);
    say(&a, 9, 2, 0);
    ck_assert_uint_eq(counter_total(), 8);
    ck_assert_int_eq(gauge_total(), 2);
    registry_retire(registry, &process);
    ck_assert_uint_eq(counter_total(), 8);
    ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "iris").retired, 8);
    ck_assert(!look_up(registry, METRIC_QUEUE_ROWS, "iris").found);
}
END_TEST

/* ---- silence ---- */

START_TEST(gauges_of_a_silent_process_go_and_come_back)
{
    say(&a, 5, 3, 0);
    say(&b, 7, 4, 3 * SECOND);
    ck_assert_int_eq(silent_at(5 * SECOND), 0);
    ck_assert_int_eq(gauge_total(), 7);
    ck_assert_int_eq(silent_at(5 * SECOND + 1), 1);
    ck_assert_int_eq(gauge_total(), 4);
    ck_assert_uint_eq(counter_total(), 12);
    ck_assert_uint_eq(registry_counts(registry).processes, 1);
    ck_assert_int_eq(silent_at(6 * SECOND), 1); /* and is told again each time */
    ck_assert_int_eq(gauge_total(), 4);
    say(&a, 6, 2, 6 * SECOND);
    ck_assert_int_eq(gauge_total(), 6);
    ck_assert_uint_eq(counter_total(), 13);
    ck_assert_uint_eq(registry_counts(registry).processes, 2);
}
END_TEST

START_TEST(silence_is_measured_in_the_processes_own_intervals)
{
    struct snapshot_series series = value(METRIC_QUEUE_ROWS, "iris", 1);
    registry_take(registry, tell(&a, 50, &series, 1), 0);
    registry_take(registry, tell(&b, 60000, &series, 1), 0);
    ck_assert_int_eq(silent_at(251 * MILLISECOND), 1);
    ck_assert_int_eq(silent_at(299 * SECOND), 1);
    ck_assert_int_eq(silent_at(301 * SECOND), 2);
}
END_TEST

/* What the reaper does: one more snapshot, then the end. */
static void take_and_retire(void *self, const struct registry_process *process)
{
    struct snapshot_series series = value(METRIC_RETRIES, "iris", 8);
    registry_take(registry, tell(self, 0, &series, 1), 10 * SECOND);
    registry_retire(registry, process);
}

START_TEST(a_silent_process_may_be_taken_from_and_retired_while_checking)
{
    say(&a, 5, 3, 0);
    say(&b, 7, 4, 9 * SECOND);
    registry_check(registry, 10 * SECOND, take_and_retire, &a);
    ck_assert_uint_eq(counter_total(), 15);
    ck_assert_int_eq(gauge_total(), 4);
    ck_assert_int_eq(silent_at(10 * SECOND), 0);
}
END_TEST

START_TEST(a_noticed_process_is_silent_after_a_while)
{
    struct registry_process process = process_of(&a);
    ck_assert(registry_notice(registry, &process, 0));
    ck_assert(registry_notice(registry, &process, 4 * SECOND)); /* the first time counts */
    ck_assert_int_eq(silent_at(4 * SECOND), 0);
    ck_assert_uint_eq(registry_counts(registry).processes, 0);
    ck_assert_int_eq(silent_at(5 * SECOND + 1), 1);
    say(&a, 5, 3, 6 * SECOND);
    ck_assert_uint_eq(counter_total(), 5);
    ck_assert_int_eq(silent_at(7 * SECOND), 0);
}
END_TEST

/* ---- what a predecessor knew ---- */

START_TEST(restored_sums_and_processes_are_as_if_they_had_been_retired_here)
{
    struct registry_process process = process_of(&a);
    struct snapshot_series counter = value(METRIC_RETRIES, "iris", 40);
    struct snapshot_series gauge = value(METRIC_QUEUE_ROWS, "iris", 40);
    struct snapshot_series unknown = {.metric = METRIC_COUNT};
    registry_restore_process(registry, &process, 12);
    registry_restore_process(registry, &process, 13);
    registry_restore_series(registry, &counter);
    registry_restore_series(registry, &gauge);
    registry_restore_series(registry, &unknown);
    ck_assert(registry_is_retired(registry, &process));
    ck_assert_uint_eq(counter_total(), 40);
    ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "iris").retired, 40);
    ck_assert(!look_up(registry, METRIC_QUEUE_ROWS, "iris").found);
    a.sequence = 11;
    ck_assert_int_eq(say(&a, 40, 1, 0), REGISTRY_STALE);
    say(&b, 2, 1, 0);
    ck_assert_uint_eq(counter_total(), 42);
}
END_TEST

/* ---- bounds ---- */

START_TEST(series_beyond_the_bound_are_dropped_and_counted)
{
    struct snapshot_series series[MAX_SERIES + 10];
    char labels[MAX_SERIES + 10][8];
    for (size_t i = 0; i < COUNT_OF(series); i++) {
        snprintf(labels[i], sizeof labels[i], "%zu", i);
        series[i] = value(METRIC_RETRIES, labels[i], 1);
    }
    registry_take(registry, tell(&a, 1000, series, COUNT_OF(series)), 0);
    ck_assert_uint_eq(registry_counts(registry).series, MAX_SERIES);
    ck_assert_uint_eq(registry_counts(registry).dropped, 10);
    ck_assert(look_up(registry, METRIC_RETRIES, "99").found);
    ck_assert(!look_up(registry, METRIC_RETRIES, "100").found);
    registry_take(registry, tell(&a, 1000, series, COUNT_OF(series)), 0);
    ck_assert_uint_eq(registry_counts(registry).dropped, 20);
    registry_restore_series(registry, &series[COUNT_OF(series) - 1]);
    ck_assert_uint_eq(registry_counts(registry).dropped, 21);
}
END_TEST

START_TEST(gauges_that_went_make_room)
{
    for (uint64_t i = 0; i < 10 * MAX_SERIES; i++) {
        char label[8];
        struct teller process = {.name = "w", .pid = 1, .start = i};
        snprintf(label, sizeof label, "%u", (unsigned)i);
        struct snapshot_series gauge = value(METRIC_QUEUE_ROWS, label, 1);
        registry_take(registry, tell(&process, 0, &gauge, 1), 0);
    }
    ck_assert_uint_eq(registry_counts(registry).series, 0);
    ck_assert_uint_eq(registry_counts(registry).dropped, 0);
}
END_TEST

/* A snapshot names all gauges of its process; another process may still name the one that is gone there. */
START_TEST(a_gauge_that_is_not_named_any_more_is_none)
{
    struct snapshot_series named[] = {value(METRIC_RETRIES, "iris", 3), value(METRIC_QUEUE_ROWS, "iris", 4),
                                      value(METRIC_QUEUE_ROWS, "lily", 5)};
    registry_take(registry, tell(&a, 1000, named, 3), 0);
    registry_take(registry, tell(&b, 1000, &named[1], 1), 0);
    struct snapshot_series instead[] = {value(METRIC_QUEUE_ROWS, "rose", 6),
                                        value(METRIC_QUEUE_ROWS, "tulip", 7)};
    registry_take(registry, tell(&a, 1000, instead, 2), 0);
    ck_assert_int_eq(gauge_total(), 4);
    ck_assert_uint_eq(counter_total(), 3); /* what was counted stays */
    ck_assert_uint_eq(registry_counts(registry).series, 4);
    registry_take(registry, tell(&b, 1000, NULL, 0), 0);
    ck_assert_uint_eq(registry_counts(registry).series, 3);
    registry_take(registry, tell(&a, 1000, named, 3), 0);
    ck_assert_int_eq(gauge_total(), 4);
    ck_assert_uint_eq(registry_counts(registry).series, 3);
}
END_TEST

START_TEST(holdings_are_bounded_too)
{
    struct snapshot_series series[MAX_SERIES];
    char labels[MAX_SERIES][8];
    for (size_t i = 0; i < MAX_SERIES; i++) {
        snprintf(labels[i], sizeof labels[i], "%zu", i);
        series[i] = value(METRIC_RETRIES, labels[i], 1);
    }
    for (uint32_t i = 0; i < 17; i++) {
        struct teller process = {.name = "w", .pid = i, .start = 1};
        registry_take(registry, tell(&process, 1000, series, MAX_SERIES), 0);
    }
    ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "0").numbers[0], 16);
    ck_assert_uint_eq(registry_counts(registry).dropped, MAX_SERIES);
}
END_TEST

START_TEST(processes_are_bounded_and_retired_ones_make_room)
{
    struct teller process = {.name = "w", .start = 1};
    for (uint32_t i = 0; i < 1024; i++) {
        process.pid = i;
        ck_assert_int_eq(registry_take(registry, tell(&process, 1000, NULL, 0), 0), REGISTRY_TAKEN);
    }
    process.pid = 1024;
    struct registry_process identity = process_of(&process);
    ck_assert_int_eq(registry_take(registry, tell(&process, 1000, NULL, 0), 0), REGISTRY_FULL);
    ck_assert(!registry_notice(registry, &identity, 0));
    struct registry_process first = {.kind = "worker", .name = "w", .pid = 0, .start = 1};
    registry_retire(registry, &first);
    ck_assert_int_eq(registry_take(registry, tell(&process, 1000, NULL, 0), 0), REGISTRY_TAKEN);
}
END_TEST

static void count_process(void *self, const struct registry_process *process, uint64_t sequence)
{
    (void)process, (void)sequence;
    ++*(int *)self;
}

START_TEST(retired_processes_are_forgotten_in_the_end_the_oldest_first)
{
    struct teller process = {.name = "w", .start = 1};
    for (uint32_t i = 0; i < 1000; i++) {
        process.pid = i;
        registry_take(registry, tell(&process, 0, NULL, 0), 0);
    }
    int remembered = 0;
    int others = 0;
    registry_each_retired(registry, count_process, &remembered);
    registry_each_process(registry, count_process, &others);
    ck_assert_int_ge(remembered, 256);
    ck_assert_int_le(remembered, 257);
    ck_assert_int_eq(others, 0);
    struct registry_process last = {.kind = "worker", .name = "w", .pid = 999, .start = 1};
    struct registry_process first = {.kind = "worker", .name = "w", .pid = 0, .start = 1};
    ck_assert(registry_is_retired(registry, &last));
    ck_assert(!registry_is_retired(registry, &first));
}
END_TEST

/* ---- against a model of itself ---- */

/* Many processes say random things, end and begin; the totals must always be what a plain sum says. */
START_TEST(totals_are_plain_sums_whatever_happens)
{
    enum { PROCESSES = 8, STEPS = 20000 };
    struct teller *tellers = calloc(PROCESSES, sizeof *tellers);
    uint64_t counters[PROCESSES] = {0};
    int64_t gauges[PROCESSES] = {0};
    uint64_t ended = 0;
    unsigned seed = 1;
    for (unsigned i = 0; i < PROCESSES; i++)
        tellers[i] = (struct teller){.name = "w", .pid = i, .start = 1};
    for (int step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)rand_r(&seed) % PROCESSES;
        if (rand_r(&seed) % 10 == 0) {
            struct registry_process process = process_of(&tellers[i]);
            registry_retire(registry, &process);
            ended += counters[i];
            counters[i] = 0;
            gauges[i] = 0;
            tellers[i].start++;
            tellers[i].sequence = 0;
        } else {
            counters[i] += (unsigned)rand_r(&seed) % 100;
            gauges[i] = rand_r(&seed) % 100 - 50;
            say(&tellers[i], counters[i], gauges[i], 0);
        }
        uint64_t counter = ended;
        int64_t gauge = 0;
        for (unsigned j = 0; j < PROCESSES; j++) {
            counter += counters[j];
            gauge += gauges[j];
        }
        ck_assert_uint_eq(counter_total(), counter);
        ck_assert_int_eq(gauge_total(), gauge);
        ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "iris").retired, ended);
    }
    free(tellers);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_newest_snapshots_of_all_processes_are_added_up,
                                  histograms_are_added_up_bucket_by_bucket,
                                  different_labels_are_different_series,
                                  labels_that_are_no_printable_text_are_shown_as_question_marks,
                                  a_series_that_stands_twice_in_a_snapshot_is_counted_once,
                                  a_counter_that_goes_back_takes_only_its_own_part_along,
                                  an_old_snapshot_is_stale,
                                  a_sequence_that_begins_again_is_another_program,
                                  gaps_in_a_sequence_are_counted_as_lost,
                                  a_process_that_is_started_again_adds_to_its_predecessor,
                                  any_part_of_the_identity_makes_another_process,
                                  the_last_snapshot_retires_its_process,
                                  a_retired_process_is_not_counted_again,
                                  a_process_that_was_retired_too_early_goes_on_from_a_new_base_line,
                                  gauges_of_a_silent_process_go_and_come_back,
                                  silence_is_measured_in_the_processes_own_intervals,
                                  a_silent_process_may_be_taken_from_and_retired_while_checking,
                                  a_noticed_process_is_silent_after_a_while,
                                  restored_sums_and_processes_are_as_if_they_had_been_retired_here,
                                  series_beyond_the_bound_are_dropped_and_counted,
                                  gauges_that_went_make_room,
                                  a_gauge_that_is_not_named_any_more_is_none,
                                  holdings_are_bounded_too,
                                  processes_are_bounded_and_retired_ones_make_room,
                                  retired_processes_are_forgotten_in_the_end_the_oldest_first,
                                  totals_are_plain_sums_whatever_happens};
    return SUITE_RUN("registry", set_up, tear_down, tests);
}
