/* test_durable: files that are written in one step, and files that grow. SPDX-License-Identifier: MIT */
#include "durable.h"

#include "scratch_directory.h"

#include <errno.h>

static const char *content(const char *name)
{
    static char text[256];
    FILE *file = fopen(scratch_path(name), "r");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

START_TEST(a_file_is_written_anew)
{
    ck_assert_int_eq(durable_write(scratch_path("f"), "long text", 9), 0);
    ck_assert_str_eq(content("f"), "long text");
    ck_assert_uint_eq(scratch_mode(scratch_path("f")), 0600);
    ck_assert_int_eq(durable_write(scratch_path("f"), "short", 5), 0);
    ck_assert_str_eq(content("f"), "short");
    ck_assert_int_eq(durable_write(scratch_path("f"), "", 0), 0);
    ck_assert_str_eq(content("f"), "");
    ck_assert_int_eq(access(scratch_path("f.new"), F_OK), -1);
}
END_TEST

START_TEST(what_cannot_be_written_stays_what_it_was)
{
    scratch_file("f", "before");
    scratch_folder("f.new"); /* in the way */
    ck_assert_int_eq(durable_write(scratch_path("f"), "after", 5), -1);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_str_eq(content("f"), "before");
    ck_assert_int_eq(durable_write(scratch_path("none/f"), "x", 1), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(what_lies_at_its_name_is_not_written_into)
{
    char fresh[128], other[128];
    snprintf(fresh, sizeof fresh, "%s", scratch_path("f.new"));
    scratch_file("other", "of others");
    snprintf(other, sizeof other, "%s", scratch_path("other"));
    ck_assert_int_eq(chmod(other, 0644), 0);
    ck_assert_int_eq(link(other, fresh), 0);
    ck_assert_int_eq(durable_write(scratch_path("f"), "mine", 4), 0);
    ck_assert_str_eq(content("f"), "mine");
    ck_assert_int_eq(symlink(other, fresh), 0);
    ck_assert_int_eq(durable_write(scratch_path("f"), "anew", 4), 0);
    ck_assert_str_eq(content("f"), "anew");
    ck_assert_str_eq(content("other"), "of others");
    ck_assert_uint_eq(scratch_mode(scratch_path("other")), 0644);
}
END_TEST

START_TEST(a_file_grows)
{
    ck_assert_int_eq(durable_append(scratch_path("f"), "one\n", 4), 0);
    ck_assert_int_eq(durable_append(scratch_path("f"), "two\n", 4), 0);
    ck_assert_str_eq(content("f"), "one\ntwo\n");
    ck_assert_uint_eq(scratch_mode(scratch_path("f")), 0600);
    ck_assert_int_eq(durable_append(scratch_path("none/f"), "x", 1), -1);
    ck_assert_int_eq(symlink(scratch_path("f"), scratch_path("link")), 0);
    ck_assert_int_eq(durable_append(scratch_path("link"), "x", 1), -1); /* to whatever it leads */
    ck_assert_str_eq(content("f"), "one\ntwo\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_file_is_written_anew,
        what_cannot_be_written_stays_what_it_was,
        what_lies_at_its_name_is_not_written_into,
        a_file_grows,
    };
    return SUITE_RUN("durable", scratch_make, scratch_remove, tests);
}
