/* log_file: where all our processes' lines go when log.file is set. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LOG_FILE_H
#define OUTRIGGER_LOG_FILE_H

#include "config.h"
#include "metrics.h"

struct log_file;

/* Opens the file, starts a thread that writes to it, and diverts the log of this process there (log_divert).
 * NULL: log.file is empty, or, after a complaint, no thread could be had. A file that cannot be opened is
 * tried again with each line; lines go to `error_fd` meanwhile. */
struct log_file *log_file_new(const struct config *config, int error_fd);
/* Writes what is left, and ends. The log goes to stderr again. NULL is fine. */
void log_file_free(struct log_file *file);
/* Adds what became of bytes since the call before to the counters. NULL is fine. */
void log_file_measure(struct log_file *file, struct metrics *metrics);

#endif
