/* job: what a job of outrigger-batch is to do. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BATCH_JOB_H
#define OUTRIGGER_BATCH_JOB_H

#include "config.h"
#include "parameter.h"
#include "place.h"

/* One member for each row of job.def, and what is read out of them. Strings are owned. */
struct job {
#define INTEGER(section, name, ...) int64_t CONFIG_NAME(section, name);
#define STRING(section, name, ...)  char *CONFIG_NAME(section, name);
#include "job.def"
#undef INTEGER
#undef STRING
    struct place source;
    struct place sink;  /* of column and table: with `at` and parameters of their own */
    char *rejects_name; /* a table's name, or a file's path; "": the default beside the sink */
    bool together;      /* source and sink are one database */
    bool database_sink; /* the sink is a database */
};

const struct parameter_table *job_parameters(void);

/* What the parameters say together, into the members behind them. Faults are complaints of the reader's, with
 * the place where the parameter was said. */
void job_settle(struct job *job, struct parameter_reader *reader);
/* Frees what it owns; the struct itself stays. */
void job_free(struct job *job);

#endif
