/* test_metrics: the table, counting, the page as a file, what a dead process leaves, the snapshot.
 * SPDX-License-Identifier: MIT */
#include "metrics_page.h"
#include "process.h"
#include "scratch_directory.h"
#include "snapshot.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LABEL_SETS = 1024 }; /* that one page keeps apart, as STATS.md says */

/* ---- helpers ---- */

/* The series with that metric and first label in a snapshot; fails the test when there is none. */
static struct snapshot_series find(const uint8_t *bytes, size_t length, enum metric metric, const char *label)
{
    struct snapshot snapshot;
    struct snapshot_series series;
    ck_assert_ptr_null(snapshot_decode(bytes, length, &snapshot));
    while (snapshot_next(&snapshot, &series))
        if (series.metric == metric && (label == NULL || text_is(series.labels[0], label)))
            return series;
    ck_abort_msg("%s{%s} is not in the snapshot", metric_describe(metric)->name, label);
    return series;
}

static struct snapshot head_of(const uint8_t *bytes, size_t length)
{
    struct snapshot snapshot;
    ck_assert_ptr_null(snapshot_decode(bytes, length, &snapshot));
    return snapshot;
}

/* Counts in a child process that is then killed with signal 9, and returns its pid. */
static pid_t count_and_die(const char *path, void (*count)(struct metrics *metrics))
{
    pid_t pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0) {
        struct metrics *metrics = metrics_new(path);
        count(metrics);
        raise(SIGKILL);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    return pid;
}

/* ---- the table ---- */

START_TEST(every_row_has_a_name_of_its_own_and_a_help)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_description *row = metric_describe((enum metric)i);
        ck_assert_uint_gt(strlen(row->help), 0);
        ck_assert_uint_lt(strlen(row->name), 64);
        ck_assert_uint_le(metric_label_count((enum metric)i), METRICS_LABELS_MAX);
        ck_assert_ptr_null(strchr(row->help, '\n'));
        ck_assert_ptr_null(strchr(row->help, '\\'));
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(row->name, metric_describe((enum metric)j)->name);
    }
}
END_TEST

START_TEST(labels_are_counted)
{
    ck_assert_uint_eq(metric_label_count(METRIC_STRAY_RESULTS), 0);
    ck_assert_uint_eq(metric_label_count(METRIC_QUEUE_ROWS), 1);
    ck_assert_uint_eq(metric_label_count(METRIC_BATCHES), 3);
    ck_assert_uint_eq(metric_label_count(METRIC_REQUESTS), 3);
}
END_TEST

START_TEST(bounds_ascend)
{
    ck_assert_int_eq(metrics_duration_bounds[0], 100000);
    ck_assert_int_eq(metrics_duration_bounds[METRICS_BUCKETS - 1], 10000000000);
    ck_assert_int_eq(metrics_size_bounds[0], 1);
    for (size_t i = 1; i < METRICS_BUCKETS; i++) {
        ck_assert_int_gt(metrics_duration_bounds[i], metrics_duration_bounds[i - 1]);
        ck_assert_int_eq(metrics_size_bounds[i], 2 * metrics_size_bounds[i - 1]);
    }
}
END_TEST

/* ---- counting ---- */

START_TEST(the_same_labels_are_the_same_series)
{
    struct metrics *metrics = metrics_new(NULL);
    struct series *series = metrics_series(metrics, METRIC_REQUESTS, "iris", "1", "none");
    ck_assert_ptr_eq(series, metrics_series(metrics, METRIC_REQUESTS, "iris", "1", "none"));
    ck_assert_ptr_ne(series, metrics_series(metrics, METRIC_REQUESTS, "iris", "1", "deadline"));
    ck_assert_ptr_ne(series, metrics_series(metrics, METRIC_REQUESTS, "iris", "2", "none"));
    ck_assert_ptr_ne(series, metrics_series(metrics, METRIC_REQUESTS, "lily", "1", "none"));
    ck_assert_ptr_ne(series, metrics_series(metrics, METRIC_PREDICTION_ERRORS, "iris", "1", "none"));
    metrics_free(metrics);
}
END_TEST

START_TEST(labels_that_a_metric_does_not_have_are_passed_over)
{
    struct metrics *metrics = metrics_new(NULL);
    ck_assert_ptr_eq(metrics_series(metrics, METRIC_QUEUE_ROWS, "iris", NULL, NULL),
                     metrics_series(metrics, METRIC_QUEUE_ROWS, "iris", "x", "y"));
    ck_assert_ptr_eq(metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL),
                     metrics_series(metrics, METRIC_STRAY_RESULTS, "x", NULL, NULL));
    ck_assert_ptr_eq(metrics_series(metrics, METRIC_QUEUE_ROWS, NULL, NULL, NULL),
                     metrics_series(metrics, METRIC_QUEUE_ROWS, "", NULL, NULL));
    metrics_free(metrics);
}
END_TEST

START_TEST(adding_and_setting)
{
    struct metrics *metrics = metrics_new(NULL);
    struct series *counter = metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL);
    series_add(counter, 3);
    series_add(counter, UINT64_C(1) << 40);
    ck_assert_uint_eq(counter->value, (UINT64_C(1) << 40) + 3);
    struct series *gauge = metrics_series(metrics, METRIC_QUEUE_ROWS, "iris", NULL, NULL);
    series_set(gauge, 7);
    series_set(gauge, -7);
    ck_assert_int_eq((int64_t)gauge->value, -7);
    metrics_free(metrics);
}
END_TEST

START_TEST(an_observation_is_in_the_bucket_whose_bound_holds_it)
{
    struct metrics *metrics = metrics_new(NULL);
    struct series *series = metrics_series(metrics, METRIC_QUEUE_DURATION, "iris", NULL, NULL);
    uint64_t sum = 0;
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        series_observe_duration(series, metrics_duration_bounds[i]);
        series_observe_duration(series, metrics_duration_bounds[i] + 1);
        sum += 2 * (uint64_t)metrics_duration_bounds[i] + 1;
    }
    ck_assert_uint_eq(series->buckets[0], 1);
    for (size_t i = 1; i < METRICS_BUCKETS; i++)
        ck_assert_uint_eq(series->buckets[i], 2);
    ck_assert_uint_eq(series->buckets[METRICS_BUCKETS], 1);
    ck_assert_uint_eq(series->value, 2 * METRICS_BUCKETS);
    ck_assert_uint_eq(series->sum, sum);
    metrics_free(metrics);
}
END_TEST

START_TEST(strange_observations_are_counted_too)
{
    struct metrics *metrics = metrics_new(NULL);
    struct series *series = metrics_series(metrics, METRIC_QUEUE_DURATION, "iris", NULL, NULL);
    series_observe_duration(series, 0);
    series_observe_duration(series, -5);
    series_observe_duration(series, INT64_MIN);
    series_observe_duration(series, INT64_MAX);
    ck_assert_uint_eq(series->buckets[0], 3);
    ck_assert_uint_eq(series->buckets[METRICS_BUCKETS], 1);
    ck_assert_uint_eq(series->sum, INT64_MAX);
    struct series *sizes = metrics_series(metrics, METRIC_BATCH_ROWS, "iris", NULL, NULL);
    series_observe_size(sizes, 1);
    series_observe_size(sizes, 3);
    series_observe_size(sizes, 4);
    series_observe_size(sizes, 524289);
    ck_assert_uint_eq(sizes->buckets[0], 1);
    ck_assert_uint_eq(sizes->buckets[2], 2);
    ck_assert_uint_eq(sizes->buckets[METRICS_BUCKETS], 1);
    ck_assert_uint_eq(sizes->sum, 524297);
    metrics_free(metrics);
}
END_TEST

START_TEST(long_and_strange_label_values_are_tamed)
{
    struct metrics *metrics = metrics_new(NULL);
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[199] = '\0';
    struct series *series = metrics_series(metrics, METRIC_QUEUE_ROWS, longer, NULL, NULL);
    longer[63] = '\0';
    ck_assert_ptr_eq(series, metrics_series(metrics, METRIC_QUEUE_ROWS, longer, NULL, NULL));
    longer[62] = '\0';
    ck_assert_ptr_ne(series, metrics_series(metrics, METRIC_QUEUE_ROWS, longer, NULL, NULL));
    ck_assert_ptr_eq(metrics_series(metrics, METRIC_QUEUE_ROWS, "a\nb\x01\x7f\xff~", NULL, NULL),
                     metrics_series(metrics, METRIC_QUEUE_ROWS, "a?b???~", NULL, NULL));
    metrics_free(metrics);
}
END_TEST

/* ---- a full page ---- */

static void fill(struct metrics *metrics, int label_sets)
{
    for (int i = 0; i < label_sets; i++) {
        char label[16];
        snprintf(label, sizeof label, "%d", i);
        series_add(metrics_series(metrics, METRIC_RETRIES, label, NULL, NULL), 1);
    }
}

static void check_full(const char *path)
{
    struct metrics *metrics = metrics_new(path);
    fill(metrics, LABEL_SETS + 10);
    struct series *other = metrics_series(metrics, METRIC_RETRIES, "other", NULL, NULL);
    ck_assert_uint_eq(other->value, 10);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_SERIES_DROPPED, NULL, NULL, NULL)->value, 10);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_RETRIES, "17", NULL, NULL)->value, 1);
    /* Every other metric still has its place, with labels and without. */
    ck_assert_ptr_ne(metrics_series(metrics, METRIC_REQUESTS, "a", "b", "c"), other);
    ck_assert_ptr_eq(metrics_series(metrics, METRIC_REQUESTS, "a", "b", "c"),
                     metrics_series(metrics, METRIC_REQUESTS, "other", "other", "other"));
    series_add(metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL), 1);
    size_t length;
    uint8_t *bytes = metrics_snapshot(metrics, "test", "full", &length);
    ck_assert_uint_lt(length, 512 * 1024);
    ck_assert_uint_eq(find(bytes, length, METRIC_RETRIES, "other").numbers[0], 10);
    ck_assert_uint_eq(head_of(bytes, length).series_count, LABEL_SETS + 4);
    free(bytes);
    metrics_free(metrics);
}

START_TEST(a_full_page_counts_the_rest_as_other)
{
    check_full(NULL);
    check_full(scratch_path("page"));
}
END_TEST

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

/* Of a process that does this alone. */
static int status_of(int (*what)(void))
{
    pid_t pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0)
        _exit(what());
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static mode_t mode_of_new_page(void)
{
    struct stat status;
    struct metrics *metrics = metrics_new(scratch_path("page"));
    ck_assert_ptr_nonnull(metrics);
    ck_assert_int_eq(stat(scratch_path("page"), &status), 0);
    metrics_free(metrics);
    return status.st_mode & 0777;
}

START_TEST(a_page_in_the_folder_of_another_user_is_for_him_to_read)
{
    umask(077);
    ck_assert_uint_eq(mode_of_new_page(), 0600);
    if (geteuid() != 0) {
        fprintf(stderr, "NOT TESTED, since not root: a page in the folder of another user\n");
        return;
    }
    ck_assert_int_eq(chown(scratch_directory, 1, 1), 0);
    ck_assert_uint_eq(mode_of_new_page(), 0644);
}
END_TEST

/* In a process of its own: from then on the file must not grow at all. */
static int fill_fixed(void)
{
    struct metrics *metrics = metrics_new(scratch_path("page"));
    ENSURE(metrics != NULL);
    metrics_fix_size(metrics);
    ENSURE(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
    ENSURE(setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0}) == 0);
    fill(metrics, LABEL_SETS);
    uint64_t other = metrics_series(metrics, METRIC_RETRIES, "other", NULL, NULL)->value;
    uint64_t dropped = metrics_series(metrics, METRIC_SERIES_DROPPED, NULL, NULL, NULL)->value;
    metrics_free(metrics);
    return other <= LABEL_SETS - 80 && other > LABEL_SETS / 2 && dropped == other ? 0 : 2;
}

START_TEST(a_page_of_a_fixed_size_has_room_for_some_and_does_not_grow)
{
    ck_assert_int_eq(status_of(fill_fixed), 0);
}
END_TEST

/* In a process of its own, with a file system of its own that has room for some slots. */
static int fill_small_file_system(void)
{
    if (unshare(CLONE_NEWNS) == -1 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("small", scratch_directory, "tmpfs", 0, "size=160k") == -1) {
        fprintf(stderr, "SKIPPED: a full file system: no right to mount one: %s\n", strerror(errno));
        return 0;
    }
    struct metrics *metrics = metrics_new(scratch_path("page"));
    if (metrics == NULL)
        return 1;
    fill(metrics, LABEL_SETS);
    uint64_t first = metrics_series(metrics, METRIC_RETRIES, "0", NULL, NULL)->value;
    uint64_t other = metrics_series(metrics, METRIC_RETRIES, "other", NULL, NULL)->value;
    uint64_t dropped = metrics_series(metrics, METRIC_SERIES_DROPPED, NULL, NULL, NULL)->value;
    metrics_free(metrics);
    return first == 1 && other > 500 && other < LABEL_SETS && dropped == other ? 0 : 2;
}

START_TEST(a_page_that_finds_no_disk_counts_the_rest_as_other)
{
    ck_assert_int_eq(status_of(fill_small_file_system), 0);
}
END_TEST

START_TEST(a_page_that_cannot_be_made_is_null_with_errno)
{
    ck_assert_ptr_null(metrics_new(scratch_path("no/such/folder")));
    ck_assert_int_eq(errno, ENOENT);
    struct rlimit none = {1, RLIM_INFINITY};
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    none.rlim_max = before.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    ck_assert_ptr_null(metrics_new(scratch_path("page")));
    ck_assert_int_eq(errno, EFBIG);
    ck_assert_int_eq(access(scratch_path("page"), F_OK), -1);
    setrlimit(RLIMIT_FSIZE, &before);
}
END_TEST

/* ---- the file ---- */

START_TEST(the_file_is_there_while_the_page_lives)
{
    const char *path = scratch_path("page");
    struct metrics *metrics = metrics_new(path);
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777 & ~0640u, 0);
    ck_assert_int_lt(status.st_blocks * 512, 128 * 1024); /* sparse */
    ck_assert_int_gt(status.st_size, 384 * 1024);
    uint32_t pid;
    uint64_t start;
    ck_assert(metrics_page_owner(path, &pid, &start));
    ck_assert_uint_eq(pid, (uint32_t)getpid());
    ck_assert_uint_eq(start, process_start_time(getpid()));
    metrics_free(metrics);
    ck_assert_int_eq(access(path, F_OK), -1);
    metrics_free(NULL);
}
END_TEST

START_TEST(a_page_replaces_the_file_of_a_predecessor)
{
    const char *path = scratch_file("page", "something else");
    struct metrics *metrics = metrics_new(path);
    ck_assert_ptr_nonnull(metrics);
    series_add(metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL), 1);
    metrics_free(metrics);
}
END_TEST

static void count_some(struct metrics *metrics)
{
    size_t length;
    metrics_set_interval(metrics, 500);
    series_add(metrics_series(metrics, METRIC_REQUESTS, "iris", "1", "none"), 5);
    series_set(metrics_series(metrics, METRIC_QUEUE_ROWS, "iris", NULL, NULL), -3);
    free(metrics_snapshot(metrics, "worker", "w.1", &length));
    series_add(metrics_series(metrics, METRIC_REQUESTS, "iris", "1", "none"), 2);
    series_observe_duration(metrics_series(metrics, METRIC_QUEUE_DURATION, "iris", NULL, NULL), 150000);
}

START_TEST(what_a_killed_process_counted_is_read_from_its_page)
{
    const char *path = scratch_path("page");
    pid_t dead = count_and_die(path, count_some);
    size_t length;
    uint8_t *bytes = metrics_page_snapshot(path, "worker", "w.1", &length);
    ck_assert_ptr_nonnull(bytes);
    struct snapshot head = head_of(bytes, length);
    ck_assert(text_is(head.kind, "worker"));
    ck_assert(text_is(head.name, "w.1"));
    ck_assert_uint_eq(head.pid, (uint32_t)dead);
    ck_assert_uint_gt(head.start, 0);
    ck_assert_uint_eq(head.sequence, 2);
    ck_assert_uint_eq(head.interval_ms, 0);
    ck_assert_uint_eq(head.series_count, 3);
    ck_assert_uint_eq(find(bytes, length, METRIC_REQUESTS, "iris").numbers[0], 7);
    ck_assert_int_eq((int64_t)find(bytes, length, METRIC_QUEUE_ROWS, "iris").numbers[0], -3);
    struct snapshot_series histogram = find(bytes, length, METRIC_QUEUE_DURATION, "iris");
    ck_assert_uint_eq(histogram.numbers[0], 1);
    ck_assert_uint_eq(histogram.numbers[1], 150000);
    ck_assert_uint_eq(histogram.numbers[2 + 1], 1);
    free(bytes);
}
END_TEST

/* Writes `count` bytes of `value` at an offset of a page that a process left. */
static void damage(const char *path, off_t offset, uint8_t value, size_t count)
{
    int fd = open(path, O_WRONLY);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(pwrite(fd, &value, 1, offset + (off_t)i), 1);
    close(fd);
}

START_TEST(a_page_that_is_none_is_refused)
{
    const char *path = scratch_path("page");
    uint32_t pid;
    uint64_t start;
    size_t length;
    ck_assert(!metrics_page_owner(path, &pid, &start));
    ck_assert_ptr_null(metrics_page_snapshot(path, "a", "b", &length));
    ck_assert(!metrics_page_owner(scratch_directory, &pid, &start));
    ck_assert(!metrics_page_owner(scratch_file("short", "OUTR"), &pid, &start));
    ck_assert_int_eq(mkfifo(scratch_path("fifo"), 0600), 0);
    ck_assert(!metrics_page_owner(scratch_path("fifo"), &pid, &start)); /* and does not wait for a writer */
    for (off_t field = 0; field < 12; field += 4) {                     /* magic, layout, table */
        count_and_die(path, count_some);
        ck_assert(metrics_page_owner(path, &pid, &start));
        damage(path, field, 0x5a, 1);
        ck_assert(!metrics_page_owner(path, &pid, &start));
        ck_assert_ptr_null(metrics_page_snapshot(path, "a", "b", &length));
    }
    ck_assert_int_eq(symlink(path, scratch_path("link")), 0);
    count_and_die(path, count_some);
    ck_assert(!metrics_page_owner(scratch_path("link"), &pid, &start));
}
END_TEST

START_TEST(a_page_cut_short_is_refused)
{
    const char *path = scratch_path("page");
    struct stat status;
    size_t length;
    count_and_die(path, count_some);
    ck_assert_int_eq(stat(path, &status), 0);
    for (off_t size = status.st_size - 1; size > 0; size /= 2) {
        ck_assert_int_eq(truncate(path, size), 0);
        ck_assert_ptr_null(metrics_page_snapshot(path, "a", "b", &length));
    }
}
END_TEST

START_TEST(a_damaged_page_is_read_without_harm)
{
    const char *path = scratch_path("page");
    struct stat status;
    count_and_die(path, count_some);
    ck_assert_int_eq(stat(path, &status), 0);
    damage(path, 64, 0xff, 65536); /* kinds, labels without an end, flags that are neither 0 nor 1 */
    size_t length;
    uint8_t *bytes = metrics_page_snapshot(path, "a", "b", &length);
    ck_assert_ptr_nonnull(bytes);
    struct snapshot snapshot;
    ck_assert_ptr_null(snapshot_decode(bytes, length, &snapshot));
    free(bytes);
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

/* ---- the snapshot ---- */

START_TEST(only_series_that_were_found_are_in_a_snapshot)
{
    struct metrics *metrics = metrics_new(NULL);
    size_t length;
    uint8_t *bytes = metrics_snapshot(metrics, "test", "empty", &length);
    struct snapshot head = head_of(bytes, length);
    ck_assert_uint_eq(head.series_count, 0);
    ck_assert_uint_eq(head.sequence, 1);
    ck_assert_uint_eq(head.interval_ms, 0);
    free(bytes);
    metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL);
    metrics_series(metrics, METRIC_REQUESTS, "iris", "1", "none");
    metrics_set_interval(metrics, 1000);
    bytes = metrics_snapshot(metrics, "test", "two", &length);
    head = head_of(bytes, length);
    ck_assert_uint_eq(head.series_count, 2);
    ck_assert_uint_eq(head.sequence, 2);
    ck_assert_uint_eq(head.interval_ms, 1000);
    ck_assert_uint_eq(head.pid, (uint32_t)getpid());
    ck_assert_uint_eq(head.start, process_start_time(getpid()));
    free(bytes);
    metrics_free(metrics);
}
END_TEST

START_TEST(names_are_cut_to_their_bounds)
{
    struct metrics *metrics = metrics_new(NULL);
    char longer[1000];
    size_t length;
    memset(longer, 'n', sizeof longer);
    longer[999] = '\0';
    uint8_t *bytes = metrics_snapshot(metrics, longer, longer, &length);
    ck_assert_uint_eq(head_of(bytes, length).kind.length, SNAPSHOT_KIND_MAX);
    ck_assert_uint_eq(head_of(bytes, length).name.length, SNAPSHOT_NAME_MAX);
    free(bytes);
    metrics_free(metrics);
}
END_TEST

static void *add_many(void *self)
{
    for (int i = 0; i < 100000; i++)
        series_add(self, 1);
    return NULL;
}

/* One writer; a reader in another thread sees whole numbers that only grow. ThreadSanitizer watches. */
START_TEST(a_reader_may_look_while_the_writer_adds)
{
    struct metrics *metrics = metrics_new(NULL);
    struct series *series = metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL);
    pthread_t writer;
    ck_assert_int_eq(pthread_create(&writer, NULL, add_many, series), 0);
    uint64_t before = 0;
    while (before < 100000) {
        uint64_t value = __atomic_load_n(&series->value, __ATOMIC_RELAXED);
        ck_assert_uint_ge(value, before);
        before = value;
    }
    pthread_join(writer, NULL);
    metrics_free(metrics);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_row_has_a_name_of_its_own_and_a_help,
                                  labels_are_counted,
                                  a_page_in_the_folder_of_another_user_is_for_him_to_read,
                                  bounds_ascend,
                                  the_same_labels_are_the_same_series,
                                  labels_that_a_metric_does_not_have_are_passed_over,
                                  adding_and_setting,
                                  an_observation_is_in_the_bucket_whose_bound_holds_it,
                                  strange_observations_are_counted_too,
                                  long_and_strange_label_values_are_tamed,
                                  a_full_page_counts_the_rest_as_other,
                                  a_gauge_that_is_forgotten_makes_room,
                                  a_page_that_finds_no_disk_counts_the_rest_as_other,
                                  a_page_of_a_fixed_size_has_room_for_some_and_does_not_grow,
                                  a_page_that_cannot_be_made_is_null_with_errno,
                                  the_file_is_there_while_the_page_lives,
                                  a_page_replaces_the_file_of_a_predecessor,
                                  what_a_killed_process_counted_is_read_from_its_page,
                                  a_page_that_is_none_is_refused,
                                  a_page_cut_short_is_refused,
                                  a_damaged_page_is_read_without_harm,
                                  a_number_is_never_told_of_another_gauge,
                                  only_series_that_were_found_are_in_a_snapshot,
                                  names_are_cut_to_their_bounds,
                                  a_reader_may_look_while_the_writer_adds};
    return SUITE_RUN("metrics", scratch_make, scratch_remove, tests);
}
