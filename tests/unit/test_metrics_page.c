/* test_metrics_page: the page of metrics as a file: whose it is and for whom, where it finds no room, and
 * what others read from it when its process is dead. SPDX-License-Identifier: MIT */
#include "metrics_scene.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* ---- where there is no room ---- */

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

/* ---- what is read from it ---- */

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

int main(void)
{
    const TTest *const tests[] = {the_file_is_there_while_the_page_lives,
                                  a_page_replaces_the_file_of_a_predecessor,
                                  a_page_in_the_folder_of_another_user_is_for_him_to_read,
                                  a_page_of_a_fixed_size_has_room_for_some_and_does_not_grow,
                                  a_page_that_finds_no_disk_counts_the_rest_as_other,
                                  a_page_that_cannot_be_made_is_null_with_errno,
                                  what_a_killed_process_counted_is_read_from_its_page,
                                  a_page_that_is_none_is_refused,
                                  a_page_cut_short_is_refused,
                                  a_damaged_page_is_read_without_harm};
    return SUITE_RUN("metrics_page", scratch_make, scratch_remove, tests);
}
