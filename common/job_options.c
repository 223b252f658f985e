/* job_options: the command line of the jobs, which a person or a timer starts and not the supervisor: what
 * Outrigger is told by -c and -s, what the job is told by a file of its own and by --job-set.
 * SPDX-License-Identifier: MIT */
#include "job_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

enum { JSON_OPTION = 256 /* above every letter */, DRY_RUN_OPTION, TEMPLATE_OPTION, VERSION_OPTION };

static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                             {"set", required_argument, NULL, 's'},
                                             {"name", required_argument, NULL, 'n'},
                                             {"job", required_argument, NULL, 'j'},
                                             {"job-set", required_argument, NULL, 'S'},
                                             {"json", no_argument, NULL, JSON_OPTION},
                                             {"dry-run", no_argument, NULL, DRY_RUN_OPTION},
                                             {"template", no_argument, NULL, TEMPLATE_OPTION},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, VERSION_OPTION},
                                             {0}};

static const char help[] =
    "  -c, --config FILE          the configuration; without it every parameter has its default\n"
    "  -s, --set SECTION.NAME=VALUE\n"
    "                             one parameter; it overrides the file; any number of them\n"
    "  -n, --name NAME            what this process is called in logs and counters\n"
    "  -j, --job FILE             what to do\n"
    "  -S, --job-set NAME=VALUE   one parameter of the job; it overrides that file; any number of them\n"
    "      --json                 tell how it goes as JSON lines\n"
    "      --dry-run              look whether all is there, and change nothing\n"
    "      --template             print a job file with every parameter at its default\n"
    "  -h, --help                 this text\n"
    "      --version              the version of Outrigger\n";

_Noreturn static void try_help(const char *program)
{
    fprintf(stderr, "Try: %s --help\n", program);
    exit(2);
}

/* What ends the program; false when the option is none of these. */
static bool answer(int option, const char *program, const char *summary, const struct parameter_table *table)
{
    if (option == 'h')
        printf("usage: %s [OPTION]...\n\n%s\n\n%s", program, summary, help);
    else if (option == VERSION_OPTION)
        printf("%s %s\n", program_invocation_short_name, OUTRIGGER_VERSION);
    else if (option == TEMPLATE_OPTION)
        parameters_print(table, stdout);
    else
        return false;
    return true;
}

static void take(struct job_options *job, int option, const char *program)
{
    struct options *options = &job->options;
    switch (option) {
    case 'c':
        options->config_file = optarg;
        break;
    case 's':
        options->settings[options->setting_count++] = optarg;
        break;
    case 'n':
        options->name = optarg;
        break;
    case 'j':
        job->job_file = optarg;
        break;
    case 'S':
        job->job_settings[job->job_setting_count++] = optarg;
        break;
    case JSON_OPTION:
        job->json = true;
        break;
    case DRY_RUN_OPTION:
        job->dry_run = true;
        break;
    default: /* getopt_long has said what is wrong */
        try_help(program);
    }
}

struct job_options job_options_parse(int argc, char **argv, const char *name, const char *summary,
                                     const struct parameter_table *table)
{
    struct job_options job = {.options = {.name = name, .ready_fd = -1, .token_fd = -1}};
    /* No more settings than arguments: room for all at once. */
    job.options.settings = object_alloc((size_t)argc * sizeof(char *));
    job.job_settings = object_alloc((size_t)argc * sizeof(char *));
    int option;
    while ((option = getopt_long(argc, argv, "c:s:n:j:S:h", long_options, NULL)) != -1) {
        if (answer(option, argv[0], summary, table))
            exit(0);
        take(&job, option, argv[0]);
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument %s\n", argv[0], argv[optind]);
        try_help(argv[0]);
    }
    return job;
}

struct parameter_reader *job_options_read(const struct job_options *options,
                                          const struct parameter_table *table, void *target,
                                          struct config_errors *errors)
{
    const char *file = options->job_file == NULL ? "" : options->job_file;
    parameters_default(table, target);
    struct parameter_reader *reader =
        parameter_reader_new(table, target, *file == '\0' ? "the job" : file, errors);
    if (*file != '\0')
        parameter_read_file(reader, file);
    for (size_t i = 0; i < options->job_setting_count; i++)
        parameter_set_by(reader, "--job-set", options->job_settings[i]);
    return reader;
}

void job_options_free(struct job_options *options)
{
    options_free(&options->options);
    free(options->job_settings);
    *options = (struct job_options){.options = {.ready_fd = -1, .token_fd = -1}};
}
