/* test_log_file: lines in a file, its turns, and what happens when it cannot be written.
 * SPDX-License-Identifier: MIT */
#include "log.h"
#include "log_file.h"
#include "scratch_directory.h"

#include <fcntl.h>
#include <unistd.h>

static struct config config;
static struct metrics *metrics;
static int error_fd, error_reader;
static char path[256];

static void set_up(void)
{
    int pipes[2];
    scratch_make();
    snprintf(path, sizeof path, "%s", scratch_path("out.log"));
    config = (struct config){.log_file = path, .log_max_bytes = 1 << 20, .log_keep = 2};
    metrics = metrics_new(NULL);
    ck_assert_int_eq(pipe2(pipes, O_NONBLOCK), 0);
    error_reader = pipes[0];
    error_fd = pipes[1];
    log_open("test", "info");
}

static void tear_down(void)
{
    metrics_free(metrics);
    close(error_reader);
    close(error_fd);
    scratch_remove();
}

/* The text of a file of that name; "" when there is none. Good until the next call. */
static const char *text_of_file(const char *name)
{
    static char text[1 << 20];
    FILE *file = fopen(scratch_path(name), "r");
    size_t length = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL)
        fclose(file);
    text[length] = '\0';
    return text;
}

static int64_t counted(struct log_file *file, const char *outcome)
{
    log_file_measure(file, metrics);
    return (int64_t)metrics_series(metrics, METRIC_LOG_BYTES, outcome, NULL, NULL)->value;
}

START_TEST(all_lines_are_in_the_file)
{
    struct log_file *file = log_file_new(&config, error_fd);
    log_info("ours");
    ck_assert(log_pass("theirs\n", 7));
    log_file_free(file);
    ck_assert_ptr_nonnull(strstr(text_of_file("out.log"), "\"ours\"}\ntheirs\n"));
    file = log_file_new(&config, error_fd);
    ck_assert(log_pass("more\n", 5));
    log_file_free(file);
    ck_assert_ptr_nonnull(strstr(text_of_file("out.log"), "theirs\nmore\n"));
    ck_assert(!log_pass("none\n", 5));
}
END_TEST

START_TEST(without_a_name_there_is_no_file)
{
    config.log_file = (char *)"";
    ck_assert_ptr_null(log_file_new(&config, error_fd));
    ck_assert(!log_pass("none\n", 5));
    log_file_free(NULL);
    log_file_measure(NULL, metrics);
}
END_TEST

/* Waits until that many bytes have ended in any way. */
static void wait_for(struct log_file *file, int64_t bytes)
{
    while (counted(file, "written") + counted(file, "unwritten") + counted(file, "lost") < bytes)
        usleep(1000);
}

static void say(struct log_file *file, const char *line)
{
    int64_t before = counted(file, "written") + counted(file, "unwritten") + counted(file, "lost");
    ck_assert(log_pass(line, strlen(line)));
    wait_for(file, before + (int64_t)strlen(line));
}

START_TEST(a_file_that_grew_is_put_aside)
{
    config.log_max_bytes = 12;
    struct log_file *file = log_file_new(&config, error_fd);
    for (int i = 1; i <= 8; i++) {
        char line[32];
        snprintf(line, sizeof line, "line%d\n", i);
        say(file, line);
    }
    log_file_free(file);
    ck_assert_str_eq(text_of_file("out.log"), "line7\nline8\n");
    ck_assert_str_eq(text_of_file("out.log.1"), "line5\nline6\n");
    ck_assert_str_eq(text_of_file("out.log.2"), "line3\nline4\n");
    ck_assert_str_eq(text_of_file("out.log.3"), "");
}
END_TEST

START_TEST(none_may_be_kept)
{
    config.log_max_bytes = 12;
    config.log_keep = 0;
    struct log_file *file = log_file_new(&config, error_fd);
    for (int i = 0; i < 3; i++)
        say(file, "line.\n");
    log_file_free(file);
    ck_assert_str_eq(text_of_file("out.log"), "line.\n");
    ck_assert_str_eq(text_of_file("out.log.1"), "");
}
END_TEST

/* As many lines as are there, and one of ours that says why. */
START_TEST(a_file_that_cannot_be_put_aside_grows_and_that_is_said)
{
    config.log_max_bytes = 12;
    config.log_keep = 1;
    scratch_folder("out.log.1");
    scratch_folder("out.log.1/full");
    struct log_file *file = log_file_new(&config, error_fd);
    for (int i = 0; i < 3; i++)
        say(file, "line.\n");
    log_file_free(file);
    const char *text = text_of_file("out.log");
    ck_assert_int_eq(strncmp(text, "line.\nline.\n", 12), 0);
    ck_assert_ptr_nonnull(strstr(text + 12, "line.\n"));
    ck_assert_ptr_nonnull(strstr(text, "out.log.1: Is a directory; it grows beyond log.max_bytes"));
}
END_TEST

/* As logrotate does with copytruncate. */
START_TEST(a_file_that_somebody_cut_is_as_short_as_it_is)
{
    config.log_max_bytes = 12;
    struct log_file *file = log_file_new(&config, error_fd);
    say(file, "line1\n");
    say(file, "line2\n");
    ck_assert_int_eq(truncate(path, 0), 0);
    say(file, "line3\n");
    say(file, "line4\n");
    log_file_free(file);
    ck_assert_str_eq(text_of_file("out.log"), "line3\nline4\n");
    ck_assert_str_eq(text_of_file("out.log.1"), "");
}
END_TEST

START_TEST(a_new_file_may_be_read_by_the_group_whatever_the_umask)
{
    umask(077);
    log_file_free(log_file_new(&config, error_fd));
    ck_assert_uint_eq(scratch_mode(path), 0640);
    ck_assert_int_eq(chmod(path, 0600), 0); /* as somebody wants it */
    log_file_free(log_file_new(&config, error_fd));
    ck_assert_uint_eq(scratch_mode(path), 0600);
}
END_TEST

static const char *said_to_stderr(void)
{
    static char text[1 << 16];
    ssize_t length = read(error_reader, text, sizeof text - 1);
    text[length < 0 ? 0 : length] = '\0';
    return text;
}

START_TEST(what_cannot_be_written_goes_to_stderr_until_it_can)
{
    ck_assert_int_eq(mkdir(path, 0700), 0);
    struct log_file *file = log_file_new(&config, error_fd);
    say(file, "one\n");
    say(file, "two\n");
    ck_assert_ptr_nonnull(strstr(said_to_stderr(), "one\ntwo\n"));
    ck_assert_int_eq(counted(file, "unwritten"), 8);
    ck_assert_int_eq(rmdir(path), 0);
    say(file, "three\n");
    ck_assert_str_eq(text_of_file("out.log"), "three\n");
    ck_assert_int_eq(counted(file, "written"), 6);
    log_file_free(file);
}
END_TEST

START_TEST(a_full_disk_costs_no_line)
{
    config.log_file = (char *)"/dev/full";
    struct log_file *file = log_file_new(&config, error_fd);
    say(file, "one\n");
    log_file_free(file);
    ck_assert_str_eq(said_to_stderr(), "one\n");
}
END_TEST

START_TEST(a_stderr_that_is_full_as_well_loses_lines_and_stops_nobody)
{
    static char filler[1 << 16];
    config.log_file = (char *)"/dev/full";
    while (write(error_fd, filler, sizeof filler) > 0)
        continue;
    struct log_file *file = log_file_new(&config, error_fd);
    say(file, "one\n");
    ck_assert_int_eq(counted(file, "lost"), 4);
    log_file_free(file);
}
END_TEST

/* Each pass writes a line, so none waits for the look that there is once a second. */
START_TEST(a_file_that_somebody_took_away_is_begun_anew)
{
    struct log_file *file = log_file_new(&config, error_fd);
    say(file, "before\n");
    ck_assert_int_eq(rename(path, scratch_path("taken")), 0);
    while (access(path, F_OK) != 0) {
        say(file, "x\n");
        usleep(1000);
    }
    log_file_free(file);
    ck_assert_int_eq(strncmp(text_of_file("taken"), "before\n", 7), 0);
    ck_assert_str_eq(text_of_file("out.log"), "x\n");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {all_lines_are_in_the_file,
                            without_a_name_there_is_no_file,
                            a_file_that_grew_is_put_aside,
                            none_may_be_kept,
                            a_file_that_cannot_be_put_aside_grows_and_that_is_said,
                            a_file_that_somebody_cut_is_as_short_as_it_is,
                            a_new_file_may_be_read_by_the_group_whatever_the_umask,
                            what_cannot_be_written_goes_to_stderr_until_it_can,
                            a_full_disk_costs_no_line,
                            a_stderr_that_is_full_as_well_loses_lines_and_stops_nobody,
                            a_file_that_somebody_took_away_is_begun_anew};
    return SUITE_RUN("log_file", set_up, tear_down, tests);
}
