/* main: the program outrigger-batch: rows of a table in, predictions out, once.
 * SPDX-License-Identifier: MIT */
#include "job.h"
#include "job_options.h"

#include <stdlib.h>

/* Prints the complaints and exits 2 when the job is wrong. */
static void read_job(const struct job_options *options, struct job *job)
{
    struct config_errors errors = {0};
    struct parameter_reader *reader = job_options_read(options, job_parameters(), job, &errors);
    job_settle(job, reader);
    parameter_reader_free(reader);
    if (errors.count == 0)
        return;
    config_errors_print(&errors, stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    struct job_options options =
        job_options_parse(argc, argv, "batch", "scores the rows of a table", job_parameters());
    struct job job = {0};
    read_job(&options, &job);
    struct config *config = options_config(&options.options);
    config_free(config);
    job_free(&job);
    job_options_free(&options);
    return 0;
}
