/* test_metrics_forget: gauges that are forgotten: their places go to others, and whoever reads the page
 * meanwhile takes no number for another's. SPDX-License-Identifier: MIT */
#include "metrics_scene.h"

#include <sys/syscall.h>
#include <unistd.h>

/* The place of a gauge goes to the next one who wants one; those of counters, and the one for the others,
 * stay. */
START_TEST(a_gauge_that_is_forgotten_makes_room)
{
    size_t length;
    struct metrics *metrics = metrics_new(NULL);
    struct series *counter = metrics_series(metrics, METRIC_RETRIES, "iris", NULL, NULL);
    series_add(counter, 3);
    for (int i = 0; i < 3 * LABEL_SETS; i++) {
        char label[16];
        snprintf(label, sizeof label, "%d", i);
        struct series *gauge = metrics_series(metrics, METRIC_QUEUE_ROWS, label, NULL, NULL);
        ck_assert_uint_eq(gauge->value, 0);
        series_set(gauge, 7);
        metrics_forget(metrics, METRIC_QUEUE_ROWS, label, NULL, NULL);
        metrics_forget(metrics, METRIC_QUEUE_ROWS, label, NULL, NULL); /* it is not there */
    }
    metrics_forget(metrics, METRIC_QUEUE_ROWS, "other", NULL, NULL);
    uint8_t *bytes = metrics_snapshot(metrics, "test", "room", &length);
    ck_assert_uint_eq(head_of(bytes, length).series_count, 1);
    ck_assert_uint_eq(find(bytes, length, METRIC_RETRIES, "iris").numbers[0], 3);
    free(bytes);
    series_set(metrics_series(metrics, METRIC_QUEUE_ROWS, "2", NULL, NULL), 5);
    bytes = metrics_snapshot(metrics, "test", "room", &length);
    ck_assert_uint_eq(find(bytes, length, METRIC_QUEUE_ROWS, "2").numbers[0], 5);
    free(bytes);
    metrics_free(metrics);
}
END_TEST

/* ---- a reader beside the writer ---- */

/* What comes between the two halves of a read of a page; libc's, for all others. */
static struct {
    void (*between)(void);
    off_t at; /* where the halves meet; 0: reads are whole */
    int reads, which;
} torn;

ssize_t torn_pread(int fd, void *memory, size_t bytes, off_t offset) __asm__("pread");

ssize_t torn_pread(int fd, void *memory, size_t bytes, off_t offset)
{
    char *at = memory;
    if (torn.at == 0 || torn.reads++ != torn.which || bytes <= (size_t)torn.at)
        return syscall(SYS_pread64, fd, memory, bytes, offset);
    ssize_t first = syscall(SYS_pread64, fd, at, torn.at, offset);
    torn.between();
    ssize_t second = syscall(SYS_pread64, fd, at + torn.at, bytes - (size_t)torn.at, offset + torn.at);
    return first < 0 || second < 0 ? -1 : first + second;
}

static struct metrics *live;

static void pass_on(void)
{
    metrics_forget(live, METRIC_QUEUE_ROWS, "old", NULL, NULL);
    series_set(metrics_series(live, METRIC_QUEUE_ROWS, "new", NULL, NULL), 22);
}

/* Bytes of a slot: within its key, before what says that it is used, before the number, behind it. */
static const size_t tears[] = {4,
                               6,
                               offsetof(struct slot, turn),
                               offsetof(struct slot, series),
                               offsetof(struct slot, series) + sizeof(uint64_t),
                               sizeof(struct slot)};

/* A page may be read while its process goes on: the supervisor does so with those of frontends. Whichever
 * of the reads is under way while a place passes to another gauge, and wherever in it. */
START_TEST(a_number_is_never_told_of_another_gauge)
{
    const char *path = scratch_path("page");
    size_t length;
    for (int i = 0; i < 3 * (int)COUNT_OF(tears); i++) {
        struct snapshot snapshot;
        struct snapshot_series series;
        live = metrics_new(path);
        series_set(metrics_series(live, METRIC_QUEUE_ROWS, "old", NULL, NULL), 11);
        torn.between = pass_on;
        torn.at = (off_t)offsetof(struct page, slots[METRIC_COUNT]) + (off_t)tears[i / 3];
        torn.reads = 0;
        torn.which = i % 3;
        uint8_t *bytes = metrics_page_snapshot(path, "a", "b", &length);
        ck_assert_int_gt(torn.reads, torn.which);
        torn.at = 0;
        ck_assert_ptr_null(snapshot_decode(bytes, length, &snapshot));
        while (snapshot_next(&snapshot, &series)) {
            bool old = text_is(series.labels[0], "old");
            ck_assert(old || text_is(series.labels[0], "new"));
            ck_assert_uint_eq(series.numbers[0], old ? 11 : 22);
        }
        free(bytes);
        bytes = metrics_page_snapshot(path, "a", "b", &length);
        ck_assert_uint_eq(find(bytes, length, METRIC_QUEUE_ROWS, "new").numbers[0], 22);
        free(bytes);
        metrics_free(live);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_gauge_that_is_forgotten_makes_room,
                                  a_number_is_never_told_of_another_gauge};
    return SUITE_RUN("metrics_forget", scratch_make, scratch_remove, tests);
}
