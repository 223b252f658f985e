/* log: one line per event, JSON for machines, a short form on a terminal. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LOG_H
#define OUTRIGGER_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Once, at the start of main: `process` is the name that each line carries ("frontend.1"); level as text
 * ("error" "warning" "info" "debug"). Lines go to stderr in one write each: JSON, or plain when it is a
 * terminal (or OUTRIGGER_LOG=plain). */
void log_open(const char *process, const char *level);

/* Lines go where stderr leads now, whatever it is made to lead to later: an engine is silenced while it loads
 * a model, the sandbox is not. */
void log_keep_stderr(void);

/* True for the four level names. */
bool log_level_known(const char *level);

/* `request` is the request id that the line belongs to, or NULL. */
void log_write(enum log_level level, const char *request, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(...)   log_write(LOG_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, NULL, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_DEBUG, NULL, __VA_ARGS__)

/* True at most once per `seconds` for each place that owns a `last` (starts at 0): for complaints about
 * outside bytes, which may come in thousands. */
bool log_allowed(long long *last, int seconds);

#endif
