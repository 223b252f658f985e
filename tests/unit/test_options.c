/* test_options: the command line of the programs, and that of the command `outrigger`.
 * SPDX-License-Identifier: MIT */
#include "ctl.h"
#include "options.h"
#include "scratch_directory.h"
#include "suite.h"

#include <getopt.h>
#include <stdlib.h>

enum { ARGUMENTS_MAX = 16 };
static char *argv[ARGUMENTS_MAX];
static struct options options;
static struct arguments arguments;

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
    arguments_free(&arguments);
    scratch_remove();
}

static void expect_said(const char *expected)
{
    char text[4096];
    fflush(stderr);
    rewind(stderr);
    text[fread(text, 1, sizeof text - 1, stderr)] = '\0';
    ck_assert_msg(strstr(text, expected) != NULL, "%s", text);
}

/* ---- the programs ---- */

START_TEST(without_options_all_is_default)
{
    parse("outrigger-broker");
    ck_assert_ptr_null(options.config_file);
    ck_assert_uint_eq(options.setting_count, 0);
    ck_assert_str_eq(options.name, "broker");
    ck_assert_ptr_null(options.model);
    ck_assert_int_eq(options.ready_fd, -1);
}
END_TEST

START_TEST(every_option_is_taken)
{
    parse("x -c f -s a=1 -s b=2 -n broker.1 -r 3 -m cancer -V 7");
    ck_assert_str_eq(options.config_file, "f");
    ck_assert_uint_eq(options.setting_count, 2);
    ck_assert_str_eq(options.settings[0], "a=1");
    ck_assert_str_eq(options.settings[1], "b=2");
    ck_assert_str_eq(options.name, "broker.1");
    ck_assert_int_eq(options.ready_fd, 3);
    ck_assert_str_eq(options.model, "cancer");
    ck_assert_str_eq(options.model_version, "7");
    options_free(&options);
    parse("x --config=f --set a=1 --name n --ready-fd 0 --model m --model-version v");
    ck_assert_str_eq(options.config_file, "f");
    ck_assert_str_eq(options.model_version, "v");
    ck_assert_int_eq(options.ready_fd, 0);
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

/* ---- the command ---- */

static int parse_command(const char *line)
{
    arguments_free(&arguments);
    int count = split(line);
    return arguments_parse(command_find(argv[0]), count, argv, &arguments);
}

START_TEST(a_command_takes_its_options)
{
    ck_assert_int_eq(parse_command("status"), 0);
    ck_assert_int_eq(arguments.wait_seconds, -1);
    ck_assert(!arguments.json);
    ck_assert_int_eq(parse_command("status -c f -s a=1 --json --wait 30"), 0);
    ck_assert_str_eq(arguments.config_file, "f");
    ck_assert_uint_eq(arguments.setting_count, 1);
    ck_assert(arguments.json);
    ck_assert_int_eq(arguments.wait_seconds, 30);
    ck_assert_int_eq(parse_command("check --template --model-template"), 0);
    ck_assert(arguments.configuration_template && arguments.model_template);
    ck_assert_int_eq(parse_command("check -s a=1 file"), 0);
    ck_assert_str_eq(arguments.operand, "file");
    ck_assert_int_eq(parse_command("check --help"), 1);
}
END_TEST

START_TEST(what_a_command_does_not_take_is_said)
{
    static const struct {
        const char *line;
        const char *said;
    } rows[] = {
        {"run --json", "run takes no option --json"},
        {"reload --wait 3", "reload takes no option"},
        {"status file", "unexpected argument file"},
        {"check one two", "unexpected argument two"},
        {"status --wait x", "--wait: expected seconds from 0 to 86400, got x"},
        {"status --wait -1", "--wait: expected seconds from 0 to 86400, got -1"},
        {"status --wait 86401", "--wait: expected seconds"},
        {"stop --nonsense", "--nonsense"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ck_assert_int_eq(parse_command(rows[i].line), -1);
        expect_said(rows[i].said);
    }
}
END_TEST

START_TEST(commands_are_found_and_guessed)
{
    ck_assert_ptr_null(command_find("statsu"));
    ck_assert_str_eq(command_nearest("statsu"), "status");
    ck_assert_str_eq(command_nearest("relaod"), "reload");
    ck_assert_ptr_null(command_nearest("xyzzyxyzzy"));
    size_t count = 0;
    for (const struct command *command; (command = command_at(count)) != NULL; count++) {
        ck_assert_ptr_eq(command_find(command->name), command);
        ck_assert_int_eq(help_command(&(struct arguments){.operand = command->name}), CTL_GOOD);
    }
    ck_assert_uint_gt(count, 0);
    ck_assert_int_eq(help_command(&(struct arguments){.operand = "stat"}), CTL_USAGE);
    expect_said("there is no command stat; the nearest known is status");
}
END_TEST

START_TEST(where_nothing_runs_the_status_is_3)
{
    char setting[256];
    snprintf(setting, sizeof setting, "runtime_directory=%s", scratch_directory);
    const char *settings[] = {setting};
    struct arguments there = {.settings = settings, .setting_count = 1, .wait_seconds = -1};
    ck_assert_int_eq(status_command(&there), CTL_NOT_RUNNING);
    ck_assert_int_eq(reload_command(&there), CTL_NOT_RUNNING);
    ck_assert_int_eq(stop_command(&there), CTL_NOT_RUNNING);
    there.wait_seconds = 0;
    ck_assert_int_eq(status_command(&there), CTL_NOT_RUNNING);
    expect_said("nothing runs in ");
    settings[0] = "nonsense=1";
    ck_assert_int_eq(status_command(&there), CTL_FAULT);
    ck_assert_int_eq(reload_command(&there), CTL_FAULT);
    ck_assert_int_eq(stop_command(&there), CTL_FAULT);
    ck_assert_int_eq(check_command(&there), CTL_FAULT);
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
    tcase_add_test(group, a_command_takes_its_options);
    tcase_add_test(group, what_a_command_does_not_take_is_said);
    tcase_add_test(group, commands_are_found_and_guessed);
    tcase_add_test(group, where_nothing_runs_the_status_is_3);
    return suite_finish(suite);
}
