/* test_options: the command line of the programs.
 * SPDX-License-Identifier: MIT */
#include "options.h"
#include "scratch_directory.h"
#include "suite.h"

#include <getopt.h>
#include <stdlib.h>

enum { ARGUMENTS_MAX = 24 };
static char *argv[ARGUMENTS_MAX];
static struct options options;

/* The words as an argv of their own, since getopt moves them about; their count. */
static int split(const char *line)
{
    static char copy[1024];
    int count = 0;
    optind = 0; /* getopt starts anew */
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word != NULL && count < ARGUMENTS_MAX - 1; word = strtok(NULL, " "))
        argv[count++] = word;
    argv[count] = NULL;
    return count;
}

static void parse(const char *line)
{
    int count = split(line);
    options = options_parse(count, argv, "broker", "a summary");
}

/* Between tests nothing may be printed where people look. */
static void set_up(void)
{
    scratch_make();
    ck_assert_ptr_nonnull(freopen(scratch_path("out"), "w", stdout));
    ck_assert_ptr_nonnull(freopen(scratch_path("error"), "w+", stderr));
}

static void tear_down(void)
{
    options_free(&options);
    scratch_remove();
}

START_TEST(without_options_all_is_default)
{
    parse("outrigger-broker");
    ck_assert_ptr_null(options.config_file);
    ck_assert_uint_eq(options.setting_count, 0);
    ck_assert_str_eq(options.name, "broker");
    ck_assert_ptr_null(options.model);
    ck_assert_int_eq(options.ready_fd, -1);
    ck_assert_int_eq(options.token_fd, -1);
}
END_TEST

START_TEST(every_option_is_taken)
{
    parse("x -c f -s a=1 -s b=2 -n broker.1 -r 3 -m cancer -V 7 -t 4");
    ck_assert_str_eq(options.config_file, "f");
    ck_assert_uint_eq(options.setting_count, 2);
    ck_assert_str_eq(options.settings[0], "a=1");
    ck_assert_str_eq(options.settings[1], "b=2");
    ck_assert_str_eq(options.name, "broker.1");
    ck_assert_int_eq(options.ready_fd, 3);
    ck_assert_int_eq(options.token_fd, 4);
    ck_assert_str_eq(options.model, "cancer");
    ck_assert_str_eq(options.model_version, "7");
    options_free(&options);
    parse("x --config=f --set a=1 --name n --ready-fd 0 --model m --model-version v --token-fd 5");
    ck_assert_str_eq(options.config_file, "f");
    ck_assert_str_eq(options.model_version, "v");
    ck_assert_int_eq(options.ready_fd, 0);
    ck_assert_int_eq(options.token_fd, 5);
}
END_TEST

START_TEST(help_exits_0)
{
    parse("x --help");
}
END_TEST

START_TEST(version_exits_0)
{
    parse("x --version");
}
END_TEST

START_TEST(bad_command_lines_exit_2)
{
    static const char *const lines[] = {
        "x --unknown", "x -c", "x -r three", "x -r -1", "x -r 3x", "x -r 99999999999999999999", "x operand"};
    parse(lines[_i]);
}
END_TEST

START_TEST(a_bad_configuration_exits_1)
{
    parse("x -s nonsense=1");
    options_config(&options);
}
END_TEST

START_TEST(a_good_configuration_is_returned)
{
    parse("x -s log_level=debug");
    struct config *config = options_config(&options);
    ck_assert_str_eq(config->log_level, "debug");
    config_free(config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *group = suite_group(suite, "options", set_up, tear_down);
    tcase_add_test(group, without_options_all_is_default);
    tcase_add_test(group, every_option_is_taken);
    tcase_add_exit_test(group, help_exits_0, 0);
    tcase_add_exit_test(group, version_exits_0, 0);
    tcase_add_loop_exit_test(group, bad_command_lines_exit_2, 2, 0, 7);
    tcase_add_exit_test(group, a_bad_configuration_exits_1, 1);
    tcase_add_test(group, a_good_configuration_is_returned);
    return suite_finish(suite);
}
