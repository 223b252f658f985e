/* main: the program outrigger-stream: messages of a stream in, answers out, until it is stopped.
 * SPDX-License-Identifier: MIT */
#include "job_options.h"
#include "stream.h"

#include <stdlib.h>

/* Prints the complaints and exits 2 when the job is wrong. */
static void read_job(const struct job_options *options, struct stream_job *job)
{
    struct config_errors errors = {0};
    struct parameter_reader *reader = job_options_read(options, stream_job_parameters(), job, &errors);
    stream_job_settle(job, reader);
    parameter_reader_free(reader);
    if (errors.count == 0)
        return;
    config_errors_print(&errors, stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    struct job_options options =
        job_options_parse(argc, argv, "stream", "scores the messages of a stream", stream_job_parameters());
    struct stream_job job = {0};
    read_job(&options, &job);
    struct config *config = options_config(&options.options);
    config_free(config);
    stream_job_free(&job);
    job_options_free(&options);
    return 0;
}
