/* test_writing_file: files that are added to, and cut off. SPDX-License-Identifier: MIT */
#include "writing_file.h"

#include "scratch_directory.h"

#include <signal.h>
#include <sys/resource.h>

static struct writing_file *file;
static char reason[WRITING_REASON_MAX];

static void set_up(void)
{
    scratch_make();
}

static void tear_down(void)
{
    writing_free(file);
    scratch_remove();
}

static void expect(const char *path, const char *text)
{
    char got[256] = "";
    FILE *in = fopen(path, "r");
    ck_assert_ptr_nonnull(in);
    got[fread(got, 1, sizeof got - 1, in)] = '\0';
    fclose(in);
    ck_assert_str_eq(got, text);
}

START_TEST(what_is_there_stays_and_is_cut_where_it_is_wanted)
{
    const char *path = scratch_file("a.txt", "first\n");
    file = writing_open(path, false, NULL, NULL, reason);
    ck_assert_uint_eq(writing_length(file), 6);
    ck_assert(!writing_is_stream(file));
    ck_assert(writing_add(file, "second\n", 7, reason) && writing_sync(file, reason));
    expect(path, "first\nsecond\n");
    ck_assert(writing_cut(file, 6, reason));
    ck_assert(writing_add(file, "third\n", 6, reason));
    ck_assert_uint_eq(writing_length(file), 12);
    expect(path, "first\nthird\n");
    ck_assert(!writing_cut(file, 100, reason));
    ck_assert_ptr_nonnull(strstr(reason, "100"));
}
END_TEST

START_TEST(two_jobs_do_not_write_to_one_file)
{
    const char *path = scratch_path("a.txt");
    file = writing_open(path, false, NULL, NULL, reason);
    ck_assert_ptr_null(writing_open(path, false, NULL, NULL, reason));
    ck_assert_ptr_nonnull(strstr(reason, "another job"));
    writing_free(file);
    file = writing_open(path, false, NULL, NULL, reason);
    ck_assert_ptr_nonnull(file);
}
END_TEST

/* A disk that is full, as far as a process can have one of its own: the limit of a file's size. */
START_TEST(what_was_written_of_a_chunk_when_the_disk_became_full_is_cut_off_again)
{
    struct rlimit limit, small = {.rlim_cur = 20, .rlim_max = RLIM_INFINITY};
    char much[100000];
    uint32_t noise = 1;
    for (size_t i = 0; i < sizeof much; i++)
        much[i] = (char)((noise = noise * 1664525 + 1013904223) >> 24); /* is not packed into a few bytes */
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    small.rlim_max = limit.rlim_max;
    for (int packed = 0; packed < 2; packed++) {
        const char *path = scratch_file("a.txt", "first\n");
        writing_free(file);
        file = writing_open(path, packed == 1, NULL, NULL, reason);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        ck_assert(!writing_add(file, much, sizeof much, reason));
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        ck_assert_ptr_nonnull(strstr(reason, "File too large"));
        ck_assert_uint_eq(writing_length(file), 6);
        expect(path, "first\n");
    }
    signal(SIGXFSZ, SIG_DFL);
}
END_TEST

static bool to_end(void *self)
{
    (void)self;
    return true;
}

START_TEST(a_pipe_that_nobody_reads_does_not_outlast_the_job)
{
    const char *path = scratch_path("pipe");
    char *much = object_alloc(1 << 20);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    file = writing_open(path, false, to_end, NULL, reason);
    ck_assert(writing_add(file, "x", 1, reason));
    ck_assert(!writing_add(file, much, 1 << 20, reason));
    ck_assert_str_eq(reason, "");
    free(much);
}
END_TEST

START_TEST(what_cannot_be_written_is_told)
{
    ck_assert_ptr_null(writing_open(scratch_path("none/a.txt"), false, NULL, NULL, reason));
    ck_assert_ptr_nonnull(strstr(reason, "No such file"));
    file = writing_open("/dev/full", false, NULL, NULL, reason);
    ck_assert(writing_is_stream(file));
    ck_assert(!writing_add(file, "x", 1, reason));
    ck_assert_ptr_nonnull(strstr(reason, "No space"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_is_there_stays_and_is_cut_where_it_is_wanted, two_jobs_do_not_write_to_one_file,
        what_was_written_of_a_chunk_when_the_disk_became_full_is_cut_off_again,
        a_pipe_that_nobody_reads_does_not_outlast_the_job, what_cannot_be_written_is_told};
    return SUITE_RUN("writing_file", set_up, tear_down, tests);
}
