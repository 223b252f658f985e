/* test_reading_file: files read from their beginning or from a place in them, packed or not.
 * SPDX-License-Identifier: MIT */
#include "reading_file.h"
#include "writing_file.h"

#include "scratch_directory.h"

#include <fcntl.h>

static struct reading_file *file;
static char reason[READING_REASON_MAX];

static void set_up(void)
{
    scratch_make();
}

static void tear_down(void)
{
    reading_free(file);
    scratch_remove();
}

/* Two members of gzip with that many lines of four bytes each. */
static const char *packed(int lines)
{
    char words[WRITING_REASON_MAX], line[8];
    const char *path = scratch_path("lines.gz");
    struct writing_file *out = writing_open(path, true, NULL, NULL, words);
    ck_assert_msg(out != NULL, "%s", words);
    for (int member = 0; member < 2; member++) {
        char *text = object_alloc((size_t)lines * 4 + 1);
        for (int i = 0; i < lines; i++) {
            snprintf(line, sizeof line, "%03d\n", i % 1000);
            memcpy(text + 4 * i, line, 4);
        }
        ck_assert(writing_add(out, text, (size_t)lines * 4, words));
        free(text);
    }
    writing_free(out);
    return path;
}

/* All that is left of it. The caller frees. */
static char *rest(size_t *length)
{
    char piece[1000], *text = NULL;
    ssize_t got;
    *length = 0;
    while ((got = reading_read(file, piece, sizeof piece, reason)) > 0) {
        char *longer = realloc(text, *length + (size_t)got + 1);
        ck_assert_ptr_nonnull(longer);
        text = longer;
        memcpy(text + *length, piece, (size_t)got);
        text[ *length += (size_t)got] = '\0';
    }
    ck_assert_msg(got == 0, "%s", reason);
    return text;
}

static void expect_rest(size_t length, const char *begin)
{
    size_t got;
    char *text = rest(&got);
    ck_assert_uint_eq(got, length);
    ck_assert_int_eq(strncmp(text, begin, strlen(begin)), 0);
    free(text);
}

START_TEST(a_file_is_read_to_its_end_and_tells_how_far_it_is)
{
    file = reading_open(scratch_file("a.txt", "abcdefgh"), false, NULL, NULL, reason);
    char four[4];
    ck_assert_int_eq(reading_read(file, four, 4, reason), 4);
    ck_assert_double_eq(reading_part(file, 4), 0.5);
    ck_assert_uint_eq(reading_offset(file), 4);
    expect_rest(4, "efgh");
    ck_assert_double_eq(reading_part(file, 9), 1);
    ck_assert(reading_seek(file, 2, reason));
    expect_rest(6, "cdefgh");
    ck_assert(!reading_seek(file, 9, reason));
}
END_TEST

START_TEST(members_of_gzip_are_one_text_and_places_in_it_are_found)
{
    file = reading_open(packed(50000), true, NULL, NULL, reason);
    ck_assert(reading_seek(file, 4 * 49998, reason));
    expect_rest(4 * 50002, "998\n999\n000\n");
    ck_assert(reading_part(file, 0) > 0.9);
    ck_assert(!reading_seek(file, 1000000000, reason));
}
END_TEST

START_TEST(a_gzip_that_is_cut_off_is_no_end)
{
    const char *path = packed(50000);
    struct stat status;
    char piece[4096];
    ssize_t got;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(truncate(path, status.st_size - 10), 0);
    file = reading_open(path, true, NULL, NULL, reason);
    while ((got = reading_read(file, piece, sizeof piece, reason)) > 0)
        ;
    ck_assert_int_eq(got, -1);
    ck_assert_ptr_nonnull(strstr(reason, "cut off"));
}
END_TEST

static bool to_end(void *self)
{
    return --*(int *)self < 0;
}

START_TEST(neither_waiting_nor_searching_outlasts_the_job)
{
    char piece[10];
    int looks = 3;
    const char *path = scratch_path("pipe");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    file = reading_open(path, false, to_end, &looks, reason);
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(reading_read(file, piece, sizeof piece, reason), -1); /* nobody writes */
    ck_assert_str_eq(reason, "");
    ck_assert_int_eq(looks, -1);
    looks = 1000;
    int writer = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(write(writer, "ab", 2), 2);
    ck_assert_int_eq(reading_read(file, piece, sizeof piece, reason), 2);
    ck_assert_int_eq(close(writer), 0);
    ck_assert_int_eq(reading_read(file, piece, sizeof piece, reason), 0);
    reading_free(file);
    looks = 2;
    file = reading_open(packed(200000), true, to_end, &looks, reason);
    ck_assert(!reading_seek(file, 4 * 199998, reason));
    ck_assert_str_eq(reason, "");
    ck_assert_uint_lt(reading_offset(file), 4 * 199998);
}
END_TEST

START_TEST(what_cannot_be_read_is_told)
{
    ck_assert_ptr_null(reading_open(scratch_path("none"), false, NULL, NULL, reason));
    ck_assert_ptr_nonnull(strstr(reason, "No such file"));
    ck_assert_ptr_null(reading_open(scratch_directory, false, NULL, NULL, reason));
    ck_assert_ptr_nonnull(strstr(reason, "folder"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_file_is_read_to_its_end_and_tells_how_far_it_is,
        members_of_gzip_are_one_text_and_places_in_it_are_found, a_gzip_that_is_cut_off_is_no_end,
        neither_waiting_nor_searching_outlasts_the_job, what_cannot_be_read_is_told};
    return SUITE_RUN("reading_file", set_up, tear_down, tests);
}
