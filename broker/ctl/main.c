/* outrigger: the operator's hand. It talks to the supervisor and the broker over their control sockets and
 * owns nothing itself. Each command is a file of its own; commands.c is their table. SPDX-License-Identifier:
 * MIT */
#include "ctl.h"

#include <stdlib.h>

#ifndef OUTRIGGER_VERSION
#define OUTRIGGER_VERSION "unknown"
#endif

static int refuse(const char *word)
{
    const char *nearest = command_nearest(word);
    fprintf(stderr, "outrigger: unknown command %s", word);
    if (nearest != NULL)
        fprintf(stderr, "; the nearest known is %s", nearest);
    fputs("\nTry: outrigger help\n", stderr);
    return CTL_USAGE;
}

int main(int argc, char **argv)
{
    const char *word = argc < 2 ? "" : argv[1];
    if (*word == '\0' || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        int status = help_command(&(struct arguments){0});
        return *word == '\0' ? CTL_USAGE : status;
    }
    if (strcmp(word, "--version") == 0) {
        puts("outrigger " OUTRIGGER_VERSION);
        return CTL_GOOD;
    }
    const struct command *command = command_find(word);
    if (command == NULL)
        return refuse(word);
    struct arguments arguments;
    int parsed = arguments_parse(command, argc - 1, argv + 1, &arguments);
    int status = parsed < 0 ? CTL_USAGE : parsed > 0 ? CTL_GOOD : command->run(&arguments);
    arguments_free(&arguments);
    return status;
}
