/* help: the list of commands, and one command in full. SPDX-License-Identifier: MIT */
#include "ctl.h"

static void print_commands(void)
{
    fputs("usage: outrigger COMMAND [OPTION]...\n\n"
          "Serves machine-learning models beside a web server that already runs.\n\nCommands:\n",
          stdout);
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        printf("  %-8s %s\n", command->name, command->summary);
    fputs(
        "\n  outrigger help COMMAND tells more about one of them; outrigger --version prints the version.\n",
        stdout);
}

static void print_command(const struct command *command)
{
    printf("usage: outrigger %s%s%s%s%s\n\n%c%s.\n\n%s", command->name,
           *command->options == '\0' ? "" : " [OPTION]...", command->operand == NULL ? "" : " [",
           command->operand == NULL ? "" : command->operand, command->operand == NULL ? "" : "]",
           command->summary[0] - 'a' + 'A', command->summary + 1, command->text);
    if (*command->options != '\0') {
        fputs("\nOptions:\n", stdout);
        arguments_print_help(command->options);
    }
}

int help_command(const struct arguments *arguments)
{
    if (arguments->operand == NULL) {
        print_commands();
        return CTL_GOOD;
    }
    const struct command *command = command_find(arguments->operand);
    if (command != NULL) {
        print_command(command);
        return CTL_GOOD;
    }
    const char *nearest = command_nearest(arguments->operand);
    fprintf(stderr, "outrigger: there is no command %s%s%s\n", arguments->operand,
            nearest == NULL ? "" : "; the nearest known is ", nearest == NULL ? "" : nearest);
    return CTL_USAGE;
}
