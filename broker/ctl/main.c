/* outrigger: the operator's hand. It talks to the supervisor and the broker over their control sockets and
 * owns nothing itself. Each command is a file of its own; commands.c is their table. SPDX-License-Identifier:
 * MIT */
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
