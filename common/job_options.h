/* job_options: the command line that jobs share, and how a job is read. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_JOB_OPTIONS_H
#define OUTRIGGER_JOB_OPTIONS_H

#include "options.h"
#include "parameter.h"

/*   -c, --config FILE    -s, --set SECTION.NAME=VALUE (any number)   -n, --name NAME   (the process's name)
 *   -j, --job FILE       -S, --job-set NAME=VALUE (any number; it overrides the file)
 *       --json           --dry-run      --template (print a job file)   -h, --help   --version */
struct job_options {
    struct options options; /* for options_config */
    const char *job_file;   /* NULL: none */
    const char **job_settings;
    size_t job_setting_count;
    bool json;
    bool dry_run;
};

/* Parses; prints help, version or the template of `table` and exits 0, or a complaint and exits 2. `summary`
 * is one line on what the program is; `name` is the default process name. */
struct job_options job_options_parse(int argc, char **argv, const char *name, const char *summary,
                                     const struct parameter_table *table);
/* Gives the zeroed `target` its defaults, reads the job file and the settings into it; every fault is a
 * complaint in `errors`. The reader is for complaints of later checks (parameter_complain); the caller frees
 * it, and the target with parameters_free. All arguments must outlive the reader. */
struct parameter_reader *job_options_read(const struct job_options *options,
                                          const struct parameter_table *table, void *target,
                                          struct config_errors *errors);
void job_options_free(struct job_options *options);

#endif
