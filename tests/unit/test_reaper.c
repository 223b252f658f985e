/* test_reaper: pages of processes that live, that were killed, that nobody ever heard; and the reaper's own
 * death at the worst moment. SPDX-License-Identifier: MIT */
#include "reaper.h"

#include "clock.h"
#include "process.h"
#include "retired.h"
#include "scratch_directory.h"
#include "suite.h"
#include "tell.h"

#include <signal.h>
#include <sys/wait.h>

static struct registry *registry;
static struct reaper *reaper;

/* A collector starts. */
static void begin(void)
{
    registry = registry_new(100);
    reaper = reaper_new(registry, scratch_directory);
}

/* A collector is killed: nothing is written. */
static void vanish(void)
{
    reaper_free(reaper);
    registry_free(registry);
}

static void set_up(void)
{
    scratch_make();
    begin();
}

static void tear_down(void)
{
    vanish();
    scratch_remove();
}

/* What a process published before it was killed. */
struct victim {
    pid_t pid;
    uint64_t start;
    uint8_t *bytes; /* its only snapshot */
    size_t length;
};

static const char *page_of(pid_t pid)
{
    char name[64];
    snprintf(name, sizeof name, "worker.w.%d", (int)pid);
    return scratch_path(name);
}

static bool page_is_there(const struct victim *victim)
{
    return access(page_of(victim->pid), F_OK) == 0;
}

static void send_whole(int fd, const uint8_t *bytes, size_t length)
{
    if (write(fd, &length, sizeof length) != sizeof length || write(fd, bytes, length) != (ssize_t)length)
        _exit(1);
}

/* The process: counts 5, publishes, counts 2 more, waits for the kill. */
_Noreturn static void live(int fd)
{
    struct metrics *metrics = metrics_new(page_of(getpid()));
    size_t length;
    metrics_set_interval(metrics, 1000);
    series_add(metrics_series(metrics, METRIC_RETRIES, "iris", NULL, NULL), 5);
    series_set(metrics_series(metrics, METRIC_QUEUE_ROWS, "iris", NULL, NULL), 3);
    uint8_t *bytes = metrics_snapshot(metrics, "worker", "w", &length);
    series_add(metrics_series(metrics, METRIC_RETRIES, "iris", NULL, NULL), 2);
    send_whole(fd, bytes, length);
    for (;;)
        pause();
}

static struct victim start_victim(void)
{
    struct victim victim = {0};
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    victim.pid = fork();
    ck_assert_int_ne(victim.pid, -1);
    if (victim.pid == 0)
        live(pipes[1]);
    ck_assert_int_eq(read(pipes[0], &victim.length, sizeof victim.length), sizeof victim.length);
    victim.bytes = malloc(victim.length);
    ck_assert_int_eq(read(pipes[0], victim.bytes, victim.length), (ssize_t)victim.length);
    victim.start = process_start_time(victim.pid);
    close(pipes[0]);
    close(pipes[1]);
    return victim;
}

static void kill_victim(struct victim *victim)
{
    ck_assert_int_eq(kill(victim->pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(victim->pid, NULL, 0), victim->pid);
}

static void hear(const struct victim *victim, int64_t now)
{
    struct snapshot snapshot;
    ck_assert_ptr_null(snapshot_decode(victim->bytes, victim->length, &snapshot));
    registry_take(registry, &snapshot, now);
}

static struct victim heard_and_dead(void)
{
    struct victim victim = start_victim();
    hear(&victim, 0);
    kill_victim(&victim);
    return victim;
}

static uint64_t retries(void)
{
    return look_up(registry, METRIC_RETRIES, "iris").numbers[0];
}

/* Runs once before the patience with a victim is over, and twice after. */
static void run_past_patience(int64_t from)
{
    reaper_run(reaper, from);
    reaper_run(reaper, from + 6 * SECOND);
    reaper_run(reaper, from + 7 * SECOND);
}

START_TEST(what_a_killed_process_counted_last_is_found_in_its_page)
{
    struct victim victim = start_victim();
    hear(&victim, 0);
    ck_assert_uint_eq(retries(), 5);
    kill_victim(&victim);
    reaper_run(reaper, 4 * SECOND);
    ck_assert_uint_eq(retries(), 5);
    ck_assert(page_is_there(&victim));
    run_past_patience(4 * SECOND);
    ck_assert_uint_eq(retries(), 7);
    ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "iris").retired, 7);
    ck_assert(!look_up(registry, METRIC_QUEUE_ROWS, "iris").found);
    ck_assert(!page_is_there(&victim));
    ck_assert_int_eq(access(scratch_path("retired"), F_OK), 0);
    free(victim.bytes);
}
END_TEST

START_TEST(a_silent_process_that_lives_keeps_its_page)
{
    struct victim victim = start_victim();
    hear(&victim, 0);
    run_past_patience(SECOND);
    ck_assert_uint_eq(retries(), 5);
    ck_assert(!look_up(registry, METRIC_QUEUE_ROWS, "iris").found);
    ck_assert(page_is_there(&victim));
    ck_assert_int_eq(access(scratch_path("retired"), F_OK), -1);
    kill_victim(&victim);
    free(victim.bytes);
}
END_TEST

START_TEST(a_page_that_was_never_heard_of_is_counted_too)
{
    struct victim victim = start_victim();
    run_past_patience(0);
    ck_assert(page_is_there(&victim)); /* it lives */
    ck_assert(!look_up(registry, METRIC_RETRIES, "iris").found);
    kill_victim(&victim);
    run_past_patience(10 * SECOND);
    ck_assert_uint_eq(retries(), 7);
    ck_assert(!page_is_there(&victim));
    free(victim.bytes);
}
END_TEST

START_TEST(a_dead_process_without_a_page_keeps_its_last_snapshot)
{
    struct victim victim = heard_and_dead();
    unlink(page_of(victim.pid));
    run_past_patience(0);
    ck_assert_uint_eq(look_up(registry, METRIC_RETRIES, "iris").retired, 5);
    free(victim.bytes);
}
END_TEST

START_TEST(a_page_of_a_later_process_of_the_same_number_is_not_taken)
{
    struct victim victim = start_victim();
    kill_victim(&victim);
    struct teller earlier = {.name = "w", .pid = (uint32_t)victim.pid, .start = victim.start - 1};
    struct snapshot_series series = value(METRIC_RETRIES, "iris", 100);
    registry_take(registry, tell(&earlier, 1000, &series, 1), 0);
    reaper_run(reaper, 6 * SECOND);
    ck_assert_uint_eq(retries(), 100);
    run_past_patience(7 * SECOND);
    ck_assert_uint_eq(retries(), 107); /* both, each once */
    free(victim.bytes);
}
END_TEST

START_TEST(the_sums_outlive_the_collector)
{
    struct victim victim = heard_and_dead();
    run_past_patience(0);
    vanish();
    begin();
    ck_assert_uint_eq(retries(), 7);
    run_past_patience(0);
    ck_assert_uint_eq(retries(), 7);
    free(victim.bytes);
}
END_TEST

START_TEST(a_collector_killed_before_it_removed_a_page_does_not_count_it_twice)
{
    struct victim victim = heard_and_dead();
    ck_assert_int_eq(link(page_of(victim.pid), scratch_path("copy")), 0);
    run_past_patience(0);
    ck_assert_int_eq(link(scratch_path("copy"), page_of(victim.pid)), 0);
    vanish();
    begin();
    run_past_patience(0);
    ck_assert_uint_eq(retries(), 7);
    ck_assert(!page_is_there(&victim));
    free(victim.bytes);
}
END_TEST

START_TEST(a_collector_killed_before_it_wrote_the_sums_finds_the_page_again)
{
    struct victim victim = heard_and_dead();
    scratch_folder("retired.new"); /* the sums cannot be written */
    run_past_patience(0);
    ck_assert_uint_eq(retries(), 7);
    ck_assert(page_is_there(&victim));
    vanish();
    ck_assert_int_eq(rmdir(scratch_path("retired.new")), 0);
    begin();
    run_past_patience(0);
    ck_assert_uint_eq(retries(), 7);
    ck_assert(!page_is_there(&victim));
    free(victim.bytes);
}
END_TEST

START_TEST(sums_that_cannot_be_read_are_passed_over)
{
    vanish();
    scratch_file("retired", "nonsense");
    begin();
    ck_assert_uint_eq(registry_counts(registry).series, 0);
}
END_TEST

START_TEST(other_files_are_left_alone)
{
    static const char *const names[] = {"notes",     "a.b",           "worker.w.12x", "worker.w.-1",
                                        "worker.w.", ".hidden.1",     "w.w.+12",      "worker..12",
                                        "w w.w.12",  "w.w.4294967296"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        scratch_file(names[i], "x");
    run_past_patience(0);
    reaper_finish(reaper);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        ck_assert_msg(access(scratch_path(names[i]), F_OK) == 0, "%s", names[i]);
}
END_TEST

START_TEST(a_page_of_another_build_goes_with_its_process)
{
    struct victim victim = start_victim();
    kill_victim(&victim);
    char own[64];
    snprintf(own, sizeof own, "worker.other.%d", (int)getpid());
    ck_assert_int_eq(truncate(page_of(victim.pid), 16), 0);
    scratch_file(own, "x");
    run_past_patience(0);
    ck_assert(!page_is_there(&victim));
    ck_assert_int_eq(access(scratch_path(own), F_OK), 0);
    free(victim.bytes);
}
END_TEST

/* ---- the end ---- */

START_TEST(when_the_service_is_over_nothing_is_left_behind)
{
    struct victim first = start_victim();
    struct victim second = start_victim();
    hear(&first, 0);
    kill_victim(&first);
    run_past_patience(0);
    kill_victim(&second); /* just now, unheard */
    struct registry_process supervisor = {
        .kind = "supervisor", .name = "s", .pid = (uint32_t)getpid(), .start = process_start_time(getpid())};
    registry_notice(registry, &supervisor, 0);
    reaper_finish(reaper);
    ck_assert(!page_is_there(&first));
    ck_assert(!page_is_there(&second));
    ck_assert_int_eq(access(scratch_path("retired"), F_OK), -1);
    free(first.bytes);
    free(second.bytes);
}
END_TEST

START_TEST(while_others_serve_the_sums_are_kept_for_the_next_collector)
{
    struct victim dead = start_victim();
    struct victim alive = start_victim();
    struct registry_process process = {
        .kind = "worker", .name = "w", .pid = (uint32_t)dead.pid, .start = dead.start};
    hear(&dead, 0);
    hear(&alive, 0);
    kill_victim(&dead);
    registry_retire(registry, &process);
    reaper_finish(reaper);
    ck_assert(page_is_there(&dead));
    ck_assert(page_is_there(&alive));
    vanish();
    begin();
    ck_assert_uint_eq(retries(), 5);
    kill_victim(&alive);
    free(dead.bytes);
    free(alive.bytes);
}
END_TEST

START_TEST(a_folder_that_is_gone_does_no_harm)
{
    vanish();
    registry = registry_new(100);
    reaper = reaper_new(registry, scratch_path("gone"));
    run_past_patience(0);
    reaper_finish(reaper);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_a_killed_process_counted_last_is_found_in_its_page,
                                  a_silent_process_that_lives_keeps_its_page,
                                  a_page_that_was_never_heard_of_is_counted_too,
                                  a_dead_process_without_a_page_keeps_its_last_snapshot,
                                  a_page_of_a_later_process_of_the_same_number_is_not_taken,
                                  the_sums_outlive_the_collector,
                                  a_collector_killed_before_it_removed_a_page_does_not_count_it_twice,
                                  a_collector_killed_before_it_wrote_the_sums_finds_the_page_again,
                                  sums_that_cannot_be_read_are_passed_over,
                                  other_files_are_left_alone,
                                  a_page_of_another_build_goes_with_its_process,
                                  when_the_service_is_over_nothing_is_left_behind,
                                  while_others_serve_the_sums_are_kept_for_the_next_collector,
                                  a_folder_that_is_gone_does_no_harm};
    return SUITE_RUN("reaper", set_up, tear_down, tests);
}
