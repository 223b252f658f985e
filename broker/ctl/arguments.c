/* arguments: the options of all commands, once; each command's row says which of them it takes.
 * SPDX-License-Identifier: MIT */
#include "ctl.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

enum { WAIT_MAX_SECONDS = 86400 };

static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                             {"set", required_argument, NULL, 's'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"wait", required_argument, NULL, 'w'},
                                             {"template", no_argument, NULL, 't'},
                                             {"model-template", no_argument, NULL, 'T'},
                                             {"list", no_argument, NULL, 'l'},
                                             {"model", required_argument, NULL, 'M'},
                                             {"version", required_argument, NULL, 'V'},
                                             {"name", required_argument, NULL, 'n'},
                                             {"directory", required_argument, NULL, 'd'},
                                             {"help", no_argument, NULL, 'h'},
                                             {0}};

static const struct {
    char letter;
    const char *text;
} helps[] = {
    {'c', "-c, --config FILE              the configuration; without it every parameter has its default"},
    {'s', "-s, --set SECTION.NAME=VALUE   one parameter; it overrides the file; any number of them"},
    {'j', "    --json                     print JSON instead of tables"},
    {'l', "    --list                     list the files"},
    {'M', "    --model NAME               this model alone"},
    {'V', "    --version NAME             the version; without it the one that the request was for"},
    {'n', "    --name NAME                what the key is called, and its files: NAME.key, NAME.key_secret"},
    {'d', "    --directory DIRECTORY      where they go, instead of the working directory"},
    {'w', "    --wait SECONDS             wait at most so long"},
    {'t', "    --template                 print a configuration with every parameter at its default"},
    {'T', "    --model-template           print a model.conf likewise"},
};

void arguments_print_help(const char *letters)
{
    for (size_t i = 0; i < COUNT_OF(helps); i++)
        if (strchr(letters, helps[i].letter) != NULL)
            printf("  %s\n", helps[i].text);
}

static bool parse_seconds(const char *text, int *seconds)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    *seconds = (int)number;
    if (end != text && *end == '\0' && errno == 0 && number >= 0 && number <= WAIT_MAX_SECONDS)
        return true;
    fprintf(stderr, "outrigger: --wait: expected seconds from 0 to %d, got %s\n", WAIT_MAX_SECONDS, text);
    return false;
}

static bool take_option(struct arguments *arguments, int letter)
{
    switch (letter) {
    case 'c':
        arguments->config_file = optarg;
        return true;
    case 's':
        arguments->settings[arguments->setting_count++] = optarg;
        return true;
    case 'j':
        arguments->json = true;
        return true;
    case 'w':
        return parse_seconds(optarg, &arguments->wait_seconds);
    case 'l':
        arguments->list = true;
        return true;
    case 'M':
        arguments->model = optarg;
        return true;
    case 'V':
        arguments->version = optarg;
        return true;
    case 'n':
        arguments->name = optarg;
        return true;
    case 'd':
        arguments->directory = optarg;
        return true;
    case 't':
        arguments->configuration_template = true;
        return true;
    default:
        arguments->model_template = true;
        return true;
    }
}

static bool take_operand(struct arguments *arguments, const struct command *command, int count,
                         char **operands)
{
    if (count == 0)
        return true;
    if (command->operand == NULL || count > 1) {
        fprintf(stderr, "outrigger %s: unexpected argument %s\n", command->name,
                operands[command->operand == NULL ? 0 : 1]);
        return false;
    }
    arguments->operand = operands[0];
    return true;
}

int arguments_parse(const struct command *command, int argc, char **argv, struct arguments *arguments)
{
    *arguments = (struct arguments){.wait_seconds = -1};
    /* No more settings than arguments: room for all at once. */
    arguments->settings = object_alloc((size_t)argc * sizeof(char *));
    argv[0] = program_invocation_short_name; /* getopt_long complains as that */
    int letter;
    while ((letter = getopt_long(argc, argv, "c:s:h", long_options, NULL)) != -1) {
        if (letter == 'h') {
            help_command(&(struct arguments){.operand = command->name});
            return 1;
        }
        if (letter == '?')
            break;
        if (strchr(command->options, letter) == NULL) {
            fprintf(stderr, "outrigger: %s takes no option %s\n", command->name, argv[optind - 1]);
            letter = '?';
            break;
        }
        if (!take_option(arguments, letter))
            return -1;
    }
    if (letter != '?' && take_operand(arguments, command, argc - optind, argv + optind))
        return 0;
    fprintf(stderr, "Try: outrigger help %s\n", command->name);
    return -1;
}

void arguments_free(struct arguments *arguments)
{
    free(arguments->settings);
}

struct config *arguments_config(const struct arguments *arguments)
{
    struct config_errors errors = {0};
    struct config *config =
        config_load(arguments->config_file, arguments->settings, arguments->setting_count, &errors);
    if (config == NULL)
        config_errors_print(&errors, stderr);
    return config;
}
