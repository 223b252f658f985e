/* stream_job: what a job of outrigger-stream is to do. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STREAM_JOB_H
#define OUTRIGGER_STREAM_JOB_H

#include "config.h"
#include "parameter.h"
#include "stream_address.h"

enum stream_format { STREAM_JSON, STREAM_MSGPACK, STREAM_RAW };

/* One member for each row of stream_job.def, and what is read out of them. Strings are owned. */
struct stream_job {
#define INTEGER(section, name, ...) int64_t CONFIG_NAME(section, name);
#define STRING(section, name, ...)  char *CONFIG_NAME(section, name);
#define NAMES(section, name, ...)   struct config_names CONFIG_NAME(section, name);
#include "stream_job.def"
#undef INTEGER
#undef STRING
#undef NAMES
    const struct stream_kind *kind;
    struct stream_address source, sink, dead;
    bool has_dead;
    enum stream_format form;
};

const struct parameter_table *stream_job_parameters(void);

/* What the parameters say together, into the members behind them: addresses, kind, format. Faults are
 * complaints of the reader's, with the place where the parameter was said. */
void stream_job_settle(struct stream_job *job, struct parameter_reader *reader);
/* Frees what it owns; the struct itself stays. */
void stream_job_free(struct stream_job *job);

#endif
