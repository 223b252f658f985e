/* test_arguments: the command line of `outrigger`: rows of the table, options, operands, complaints.
 * SPDX-License-Identifier: MIT */
#include "ctl.h"
#include "scratch_directory.h"
#include "suite.h"

#include <stdlib.h>

enum { WORDS_MAX = 16 };
static struct arguments arguments;

/* Rows as they are not in our table, yet might be. */
static const struct command scale = {
    .name = "scale",
    .operands = "MODEL [N] [show|set]",
    .options = {OPTION_CONFIG, OPTION_SET, OPTION_JSON, OPTION_WAIT, OPTION_MODEL}};

static void set_up(void)
{
    scratch_make();
    ck_assert_ptr_nonnull(freopen(scratch_path("out"), "w+", stdout));
    ck_assert_ptr_nonnull(freopen(scratch_path("error"), "w+", stderr));
}

static void tear_down(void)
{
    arguments_free(&arguments);
    scratch_remove();
}

/* What was printed since the last time. */
static const char *printed(FILE *stream)
{
    static char text[65536];
    fflush(stream);
    rewind(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    ck_assert_int_eq(ftruncate(fileno(stream), 0), 0);
    rewind(stream);
    return text;
}

static int parse_as(const struct command *command, const char *line)
{
    static char copy[1024];
    char *words[WORDS_MAX];
    int count = 0;
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word != NULL && count < WORDS_MAX; word = strtok(NULL, " "))
        words[count++] = word;
    arguments_free(&arguments);
    return arguments_parse(command, count, words, &arguments);
}

static int parse(const char *name, const char *line)
{
    return parse_as(command_find(name), line);
}

START_TEST(a_command_takes_its_options)
{
    ck_assert_int_eq(parse("status", ""), 0);
    ck_assert(!arguments.json && !arguments_has(&arguments, OPTION_WAIT));
    ck_assert_int_eq(arguments_number(&arguments, OPTION_WAIT, -1), -1);
    ck_assert_ptr_null(arguments.config_file);
    ck_assert_int_eq(parse("status", "-c f -s a=1 --json --wait 30 --set=b=2"), 0);
    ck_assert_str_eq(arguments.config_file, "f");
    ck_assert_uint_eq(arguments.setting_count, 2);
    ck_assert_str_eq(arguments.settings[1], "b=2");
    ck_assert(arguments.json);
    ck_assert_int_eq(arguments_number(&arguments, OPTION_WAIT, -1), 30000);
    ck_assert_str_eq(arguments_text_at(&arguments, OPTION_SET, 0), "a=1");
    ck_assert_str_eq(arguments_text_at(&arguments, OPTION_SET, 1), "b=2");
    ck_assert_ptr_null(arguments_text_at(&arguments, OPTION_SET, 2));
    ck_assert_int_eq(parse("status", "--wait=1 --wait 2m -cf"), 0);
    ck_assert_int_eq(arguments_number(&arguments, OPTION_WAIT, -1), 120000);
    ck_assert_str_eq(arguments.config_file, "f");
    ck_assert_int_eq(parse("check", "--template --model-template"), 0);
    ck_assert(arguments_has(&arguments, OPTION_TEMPLATE) && arguments_has(&arguments, OPTION_MODEL_TEMPLATE));
}
END_TEST

START_TEST(operands_stand_in_their_order)
{
    ck_assert_int_eq(parse("check", "-s a=1 file"), 0);
    ck_assert_str_eq(arguments.operands[0], "file");
    ck_assert_int_eq(parse_as(&scale, "m --json 4 show"), 0);
    ck_assert_str_eq(arguments.operands[0], "m");
    ck_assert_str_eq(arguments.operands[1], "4");
    ck_assert_str_eq(arguments.operands[2], "show");
    ck_assert(arguments.json);
    ck_assert_int_eq(parse_as(&scale, "m"), 0);
    ck_assert_ptr_null(arguments.operands[1]);
    ck_assert_int_eq(parse("replay", "-- --list"), 0);
    ck_assert_str_eq(arguments.operands[0], "--list");
    ck_assert_int_eq(parse("replay", "-"), 0);
    ck_assert_str_eq(arguments.operands[0], "-");
}
END_TEST

START_TEST(help_is_given_before_anything_is_complained_of)
{
    ck_assert_int_eq(parse_as(&scale, "--help"), 1);
    ck_assert_int_eq(parse_as(&scale, "-h"), 1);
    ck_assert_int_eq(parse_as(&scale, "m -h"), 1);
    ck_assert_int_eq(parse("restart", "--help"), 1);
    ck_assert_str_eq(printed(stderr), "");
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
    static const struct {
        const char *line;
        const char *said;
    } rows[] = {
        {"", "outrigger scale: expected MODEL, got nothing\nTry: outrigger help scale\n"},
        {"a/b", "outrigger scale: MODEL: expected a model's name ("},
        {"m x", "outrigger scale: N: expected a whole number from 0 on, got x\n"},
        {"m 1 sho", "outrigger scale: expected show|set, got sho; the nearest known is show\n"},
        {"m 1 show 2", "outrigger scale: unexpected argument 2\n"},
        {"m --jsno", "outrigger scale: unknown option --jsno; the nearest known is --json\n"},
        {"m --wiat=3", "outrigger scale: unknown option --wiat; the nearest known is --wait\n"},
        {"m --template", "outrigger scale: unknown option --template\n"},
        {"m -x", "outrigger scale: unknown option -x\n"},
        {"m --wait", "outrigger scale: --wait: expected a duration such as 30, 30s or 2m, got nothing\n"},
        {"m --wait -1", "--wait: expected a duration such as 30, 30s or 2m, got -1\n"},
        {"m --wait=", "--wait: expected a duration such as 30, 30s or 2m, got an empty text\n"},
        {"m --json=1", "outrigger scale: --json: expected no value, got 1\n"},
        {"m -s a", "outrigger scale: --set: expected SECTION.NAME=VALUE, got a\n"},
        {"m -c", "outrigger scale: --config: expected a path, got nothing\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ck_assert_int_eq(parse_as(&scale, rows[i].line), -1);
        const char *said = printed(stderr);
        ck_assert_msg(strstr(said, rows[i].said) != NULL, "%s: %s", rows[i].line, said);
    }
}
END_TEST

START_TEST(commands_are_found_and_guessed)
{
    size_t used;
    ck_assert_ptr_eq(command_of((const char *[]){"status"}, 1, &used), command_find("status"));
    ck_assert_uint_eq(used, 1);
    ck_assert_ptr_eq(command_of((const char *[]){"status", "file"}, 2, &used), command_find("status"));
    ck_assert_uint_eq(used, 1);
    ck_assert_ptr_null(command_of((const char *[]){"statuss"}, 1, &used));
    ck_assert_uint_eq(used, 0);
    ck_assert_str_eq(command_nearest("", "statuss"), "status");
    ck_assert_str_eq(command_nearest("", "relaod"), "reload");
    ck_assert_ptr_null(command_nearest("", "xyzzyxyzzy"));
    ck_assert_ptr_null(command_nearest("status", "status"));
}
END_TEST

static void expect_row_is_whole(const struct command *command)
{
    struct operand operands[OPERANDS_MAX];
    char name[64];
    bool optional = false;
    ck_assert_ptr_eq(command_find(command->name), command);
    ck_assert_ptr_nonnull(command->run);
    ck_assert_msg(command->summary[0] >= 'a' && command->summary[0] <= 'z', "%s", command->name);
    ck_assert_msg(command->text[0] == '\0' || command->text[strlen(command->text) - 1] == '\n', "%s",
                  command->name);
    ck_assert_int_eq(command->options[COMMAND_OPTIONS_MAX - 1], OPTION_END);
    for (size_t i = 0, count = command_operands(command, operands); i < count; i++) {
        ck_assert_msg(!optional || operands[i].optional, "%s", command->name);
        optional = operands[i].optional;
    }
    for (size_t i = 0; command->options[i] != OPTION_END; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(option_row(command->options[i])->name, option_row(command->options[j])->name);
    /* A verb is of a command that has a row, too. */
    text_copy((struct text){command->name, strcspn(command->name, " ")}, name, sizeof name);
    ck_assert_msg(command_find(name) != NULL, "%s", command->name);
}

START_TEST(the_table_is_in_order)
{
    size_t count = 0;
    for (const struct command *command; (command = command_at(count)) != NULL; count++) {
        expect_row_is_whole(command);
        help_print(command, stdout);
        ck_assert_ptr_nonnull(strstr(printed(stdout), command->name));
    }
    ck_assert_uint_gt(count, 0);
}
END_TEST

START_TEST(help_knows_every_command)
{
    ck_assert_int_eq(parse("help", ""), 0);
    ck_assert_int_eq(help_command(&arguments), CTL_GOOD);
    const char *list = printed(stdout);
    for (size_t i = 0; command_at(i) != NULL; i++)
        ck_assert(command_at(i)->hidden || strstr(list, command_at(i)->summary) != NULL);
    ck_assert_int_eq(parse("help", "--json"), 0);
    ck_assert_int_eq(help_command(&arguments), CTL_GOOD);
    ck_assert_ptr_nonnull(strstr(printed(stdout), "{\"name\":\"status\",\"summary\":"));
    ck_assert_int_eq(parse("help", "stat"), 0);
    ck_assert_int_eq(help_command(&arguments), CTL_USAGE);
    ck_assert_str_eq(printed(stderr), "outrigger: there is no command stat; the nearest known is stats\n");
}
END_TEST

START_TEST(where_nothing_runs_the_status_is_3)
{
    static const struct {
        const char *name;
        const char *operands;
        int (*run)(const struct arguments *);
    } rows[] = {{"status", "", status_command},
                {"status", "--wait 0", status_command},
                {"reload", "", reload_command},
                {"stop", "", stop_command},
                {"restart", "all", restart_command}};
    char line[512];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(line, sizeof line, "%s -s runtime_directory=%s", rows[i].operands, scratch_directory);
        ck_assert_int_eq(parse(rows[i].name, line), 0);
        ck_assert_int_eq(rows[i].run(&arguments), CTL_NOT_RUNNING);
        ck_assert_ptr_nonnull(strstr(printed(stderr), " runs in /"));
        ck_assert_str_eq(printed(stdout), "");
        strcat(line, " --json");
        ck_assert_int_eq(parse(rows[i].name, line), 0);
        ck_assert_int_eq(rows[i].run(&arguments), CTL_NOT_RUNNING);
        ck_assert_ptr_nonnull(strstr(printed(stdout), "{\"ok\":false,\"error\":\"no"));
        printed(stderr);
        snprintf(line, sizeof line, "%s --json -s nonsense=1", rows[i].operands);
        ck_assert_int_eq(parse(rows[i].name, line), 0);
        ck_assert_int_eq(rows[i].run(&arguments), CTL_FAULT);
        ck_assert_ptr_nonnull(strstr(printed(stdout), "{\"ok\":false,\"error\":\""));
        printed(stderr);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_command_takes_its_options,
                                  operands_stand_in_their_order,
                                  help_is_given_before_anything_is_complained_of,
                                  what_is_wrong_is_said,
                                  commands_are_found_and_guessed,
                                  the_table_is_in_order,
                                  help_knows_every_command,
                                  where_nothing_runs_the_status_is_3};
    return SUITE_RUN("arguments", set_up, tear_down, tests);
}
