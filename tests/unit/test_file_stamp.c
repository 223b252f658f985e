/* test_file_stamp: what makes a file another one. SPDX-License-Identifier: MIT */
#include "file_stamp.h"
#include "scratch_directory.h"
#include "suite.h"

static const char *path;
static struct file_stamp stamp;

static void set_up(void)
{
    scratch_make();
    stamp = (struct file_stamp){0};
    path = scratch_path("file");
}

/* Once, and not again. */
static void expect_change(void)
{
    ck_assert(file_stamp_changed(&stamp, path));
    ck_assert(!file_stamp_changed(&stamp, path));
}

START_TEST(a_file_comes_and_goes)
{
    expect_change(); /* the first look */
    ck_assert_int_ne(stamp.error, 0);
    scratch_file("file", "a");
    expect_change();
    ck_assert_int_eq(stamp.error, 0);
    ck_assert_int_eq(unlink(path), 0);
    expect_change();
}
END_TEST

START_TEST(another_size_or_another_file_is_a_change)
{
    char from[128];
    scratch_file("file", "a");
    expect_change();
    scratch_file("file", "ab");
    expect_change();
    snprintf(from, sizeof from, "%s/other", scratch_directory);
    scratch_file("other", "ab");
    path = "/";
    expect_change();
    path = from;
    expect_change();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_file_comes_and_goes, another_size_or_another_file_is_a_change};
    return SUITE_RUN("file_stamp", set_up, scratch_remove, tests);
}
