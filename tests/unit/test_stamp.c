/* test_stamp: files that are others, and files that are still being written, are told from those that are at
 * rest. SPDX-License-Identifier: MIT */
#include "stamp.h"

#include "object.h"
#include "scratch_directory.h"
#include "suite.h"

#include <fcntl.h>
#include <time.h>

enum { LONG_MS = 600000 };

static char *before;

static void set_up(void)
{
    scratch_make();
    scratch_folder("v");
    scratch_file("v/model.onnx", "one");
    before = stamp_of_folder(scratch_path("v"));
}

static void tear_down(void)
{
    free(before);
    scratch_remove();
}

static bool is_same(void)
{
    char *now = stamp_of_folder(scratch_path("v"));
    bool same = stamp_same_files(before, now);
    ck_assert_int_eq(same, stamp_fits(before, now));
    free(before);
    before = now;
    return same;
}

/* Long ago by its content's time. */
static void set_old(const char *name)
{
    const struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    ck_assert_int_eq(utimensat(AT_FDCWD, scratch_path(name), old, 0), 0);
}

START_TEST(a_stamp_changes_with_the_files)
{
    ck_assert(is_same());
    scratch_file("v/model.onnx", "three");
    ck_assert(!is_same());
    scratch_file("v/more.bin", "");
    ck_assert(!is_same());
    ck_assert_int_eq(rename(scratch_path("v/more.bin"), scratch_path("v/other.bin")), 0);
    ck_assert(!is_same());
    ck_assert_int_eq(unlink(scratch_path("v/other.bin")), 0);
    ck_assert(!is_same());
    set_old("v/model.onnx");
    ck_assert(!is_same());
    /* Another file of that name, size and time. */
    scratch_file("v/.fresh", "three");
    set_old("v/.fresh");
    ck_assert(is_same());
    ck_assert_int_eq(rename(scratch_path("v/.fresh"), scratch_path("v/model.onnx")), 0);
    ck_assert(!is_same());
}
END_TEST

START_TEST(what_is_no_file_of_the_model_does_not_count)
{
    scratch_folder("v/__pycache__");
    scratch_file("v/__pycache__/model.pyc", "");
    scratch_file("v/.hidden", "");
    ck_assert(is_same());
}
END_TEST

START_TEST(files_in_folders_count)
{
    scratch_folder("v/words");
    ck_assert(is_same());
    scratch_file("v/words/0.txt", "a");
    ck_assert(!is_same());
    ck_assert(is_same());
    scratch_file("v/words/0.txt", "ab");
    ck_assert(!is_same());
    ck_assert_int_gt(stamp_unsettled_ms(scratch_path("v"), LONG_MS), 0);
    scratch_folder("v/more");
    char *from = object_strdup(scratch_path("v/words/0.txt"));
    ck_assert_int_eq(rename(from, scratch_path("v/more/0.txt")), 0);
    free(from);
    ck_assert(!is_same());
    ck_assert_int_eq(symlink(".", scratch_path("v/again")), 0);
    ck_assert_int_eq(symlink("..", scratch_path("v/more/above")), 0); /* this has an end, too */
    ck_assert(!is_same());
}
END_TEST

START_TEST(the_same_files_can_be_wanted_once_more)
{
    char *once = stamp_renewed(before), *twice = stamp_renewed(once);
    ck_assert(stamp_same_files(before, twice));
    ck_assert(!stamp_fits(before, once) && !stamp_fits(once, twice));
    ck_assert(stamp_fits(twice, once) && stamp_fits(twice, before));
    ck_assert(!stamp_fits("", before) && stamp_fits("", ""));
    free(once);
    free(twice);
}
END_TEST

START_TEST(a_single_file)
{
    char *file = stamp_of_file(scratch_path("v/model.onnx")), *none = stamp_of_file(scratch_path("v/none"));
    ck_assert_str_ne(file, "");
    ck_assert_str_eq(none, "");
    free(file);
    free(none);
}
END_TEST

START_TEST(what_has_just_changed_is_not_settled)
{
    int64_t left = stamp_unsettled_ms(scratch_path("v"), LONG_MS);
    ck_assert(left > 0 && left <= LONG_MS);
    ck_assert_int_gt(stamp_unsettled_ms(scratch_path("v/model.onnx"), LONG_MS), 0);
    set_old("v/model.onnx"); /* as a copy with the times of the original does */
    set_old("v");
    ck_assert_int_gt(stamp_unsettled_ms(scratch_path("v"), LONG_MS), 0);
    ck_assert_int_eq(stamp_unsettled_ms(scratch_path("v"), 0), 0);
    ck_assert_int_eq(stamp_unsettled_ms(scratch_path("none"), LONG_MS), 0);
}
END_TEST

/* The settling time is so short that it is over at some look. */
static void wait_until_settled(const char *path)
{
    while (stamp_unsettled_ms(path, 1) > 0)
        continue;
}

START_TEST(who_has_a_file_open_is_still_writing)
{
    wait_until_settled(scratch_path("v"));
    int fd = open(scratch_path("v/model.onnx"), O_WRONLY | O_APPEND);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(stamp_unsettled_ms(scratch_path("v"), 1), 1);
    ck_assert_int_eq(stamp_unsettled_ms(scratch_path("v/model.onnx"), 1), 1);
    close(fd);
    wait_until_settled(scratch_path("v"));
    fd = open(scratch_path("v/model.onnx"), O_RDONLY);
    ck_assert_int_eq(stamp_unsettled_ms(scratch_path("v"), 1), 0); /* who reads does not */
    close(fd);
}
END_TEST

START_TEST(a_folder_that_is_renamed_into_place_is_settled)
{
    wait_until_settled(scratch_path("v"));
    ck_assert_int_eq(rename(scratch_path("v"), scratch_path("w")), 0);
    ck_assert_int_eq(stamp_unsettled_ms(scratch_path("w"), 1), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_stamp_changes_with_the_files,
                                  what_is_no_file_of_the_model_does_not_count,
                                  files_in_folders_count,
                                  the_same_files_can_be_wanted_once_more,
                                  a_single_file,
                                  what_has_just_changed_is_not_settled,
                                  who_has_a_file_open_is_still_writing,
                                  a_folder_that_is_renamed_into_place_is_settled};
    return SUITE_RUN("stamp", set_up, tear_down, tests);
}
