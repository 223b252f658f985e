/* outrigger: the operator's hand. It talks to the supervisor and the broker over their control sockets and
 * owns nothing itself. Each command is a file of its own; commands.c is their table.
 *
 * The files here, by what they are for; a command is X_command.c, but for check.c, help.c and run.c:
 *     words             commands.c, arguments.c, value.c; become.c starts another program instead
 *     asking, telling   ask.c, say.c, table.c, bar.c; follow.c waits for what the supervisor does;
 *                       questions.c asks models
 *     check             check_plan.c, check_print.c, check_json.c; check_route.c, check_pipeline.c,
 *                       check_token.c and check_writers.c look for faults, inspect.c into model files
 *     status, top       status_command.c with status.c; top_command.c with top.c, top_frame.c,
 *                       top_screen.c, top_terminal.c
 *     models            models_command.c with batching_view.c, scale_command.c, promote_command.c,
 *                       route_command.c, rollout_command.c with rollout_view.c, accuracy_command.c,
 *                       shadowed.c
 *     versions, by rows validate_command.c with validate_X.c and private_stack.c; optimize_command.c
 *                       with optimize_X.c and measured.c; both with wanted_version.c; profile_command.c
 *                       with profile_table.c; all read their rows by row_file.c; drift_command.c;
 *                       folder.c removes what they worked in
 *     its life          reload_command.c, restart_command.c, stop_command.c, version_command.c
 *     keys              key_command.c with key_view.c, keygen_command.c
 *     what was          audit_command.c with audit_read.c and audit_look.c; flight_command.c with
 *                       flight_view.c; replay_command.c with replay_against.c, kept.c and outcome.c;
 *                       stats_command.c with stats_follow.c
 *     shells, jobs      completion_command.c with complete.c; job_command.c
 * SPDX-License-Identifier: MIT */
#include "ctl.h"

static int refuse(const char *word)
{
    const char *nearest = command_nearest("", word);
    fprintf(stderr, "outrigger: unknown command %s", word);
    if (nearest != NULL)
        fprintf(stderr, "; the nearest known is %s", nearest);
    fputs("\nTry: outrigger help\n", stderr);
    return CTL_USAGE;
}

/* argv[0...] are the words behind the command's name. */
static int run(const struct command *command, int argc, char **argv)
{
    struct arguments arguments;
    int parsed = arguments_parse(command, argc, argv, &arguments);
    int status = parsed < 0 ? CTL_USAGE : CTL_GOOD;
    if (parsed > 0)
        help_print(command, stdout);
    else if (parsed == 0)
        status = command->run(&arguments);
    arguments_free(&arguments);
    return status;
}

int main(int argc, char **argv)
{
    const char *word = argc < 2 ? "" : argv[1];
    if (*word == '\0') {
        help_command(&(struct arguments){0});
        return CTL_USAGE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help_command(&(struct arguments){0});
    if (strcmp(word, "--version") == 0)
        return version_command(&(struct arguments){0});
    size_t used;
    const struct command *command = command_of((const char *const *)argv + 1, (size_t)argc - 1, &used);
    if (command == NULL)
        return refuse(word);
    return run(command, argc - 1 - (int)used, argv + 1 + used);
}
