/* options: the command line of the programs that the supervisor starts, and of the supervisor itself. One
 * form for all, so that the supervisor can pass on what it was given, and a person can start any of them by
 * hand. SPDX-License-Identifier: MIT */
#include "options.h"

#include "log.h"
#include "safety.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

enum { VERSION_OPTION = 256, DRY_RUN_OPTION }; /* above every letter */

static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                             {"set", required_argument, NULL, 's'},
                                             {"name", required_argument, NULL, 'n'},
                                             {"ready-fd", required_argument, NULL, 'r'},
                                             {"model", required_argument, NULL, 'm'},
                                             {"model-version", required_argument, NULL, 'V'},
                                             {"token-fd", required_argument, NULL, 't'},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, VERSION_OPTION},
                                             {"dry-run", no_argument, NULL, DRY_RUN_OPTION},
                                             {0}};

static const char help[] =
    "  -c, --config FILE          the configuration; without it every parameter has its default\n"
    "  -s, --set SECTION.NAME=VALUE\n"
    "                             one parameter; it overrides the file; any number of them\n"
    "  -n, --name NAME            what this process is called in logs and counters\n"
    "  -r, --ready-fd FD          the descriptor on which to say \"ready\"\n"
    "  -m, --model NAME           the model to serve (the worker alone)\n"
    "  -V, --model-version NAME   its version (the worker alone)\n"
    "  -t, --token-fd FD          the descriptor from which to read what the supervisor gave it to show to "
    "the\n"
    "                             broker (the worker alone)\n"
    "      --dry-run              say what is wrong with the configuration, and start nothing (the "
    "supervisor "
    "alone)\n"
    "  -h, --help                 this text\n"
    "      --version              the version of Outrigger\n";

_Noreturn static void refuse(const char *program, const char *reason, const char *what)
{
    fprintf(stderr, "%s: %s%s\nTry: %s --help\n", program, reason, what, program);
    exit(2);
}

_Noreturn static void print_help(const char *program, const char *summary)
{
    printf("usage: %s [OPTION]...\n\n%s\n\n%s", program, summary, help);
    exit(0);
}

/* `complaint` is what is said of a text that is none. */
static int parse_descriptor(const char *program, const char *complaint, const char *text)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < 0 || number > INT_MAX)
        refuse(program, complaint, text);
    return (int)number;
}

struct options options_parse(int argc, char **argv, const char *name, const char *summary)
{
    struct options options = {.name = name, .ready_fd = -1, .token_fd = -1};
    /* No more settings than arguments: room for all at once. */
    options.settings = object_alloc((size_t)argc * sizeof(char *));
    int option;
    while ((option = getopt_long(argc, argv, "c:s:n:r:m:V:t:h", long_options, NULL)) != -1) {
        switch (option) {
        case 'c':
            options.config_file = optarg;
            break;
        case 's':
            options.settings[options.setting_count++] = optarg;
            break;
        case 'n':
            options.name = optarg;
            break;
        case 'r':
            options.ready_fd =
                parse_descriptor(argv[0], "--ready-fd: expected the number of a descriptor, got ", optarg);
            break;
        case 't':
            options.token_fd =
                parse_descriptor(argv[0], "--token-fd: expected the number of a descriptor, got ", optarg);
            break;
        case 'm':
            options.model = optarg;
            break;
        case 'V':
            options.model_version = optarg;
            break;
        case DRY_RUN_OPTION:
            options.dry_run = true;
            break;
        case 'h':
            print_help(argv[0], summary);
        case VERSION_OPTION:
            printf("%s %s\n", program_invocation_short_name, OUTRIGGER_VERSION);
            exit(0);
        default: /* getopt_long has said what is wrong */
            fprintf(stderr, "Try: %s --help\n", argv[0]);
            exit(2);
        }
    }
    if (optind < argc)
        refuse(argv[0], "unexpected argument ", argv[optind]);
    return options;
}

struct config *options_config(const struct options *options)
{
    struct config_errors errors = {0};
    struct config *config =
        config_load(options->config_file, options->settings, options->setting_count, &errors);
    if (config == NULL) {
        config_errors_print(&errors, stderr);
        exit(1);
    }
    log_open(options->name, config->log_level);
    log_shape(config->log_format);
    safety_limit_core(config);
    return config;
}

void options_free(struct options *options)
{
    free(options->settings);
    *options = (struct options){.ready_fd = -1, .token_fd = -1};
}
