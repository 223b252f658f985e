/* log: one line per event, JSON for machines, a short form on a terminal. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LOG_H
#define OUTRIGGER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOG_REPEATS_A_SECOND = 10 /* lines of one place with one text; more are told as one, the last one's */
};

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Once, at the start of main: `process` is the name that each line carries ("frontend.1"); level as text
 * ("error" "warning" "info" "debug"). Lines go to stderr in one write each: JSON, or plain when it is a
 * terminal (or OUTRIGGER_LOG=plain). */
void log_open(const char *process, const char *level);

/* By log.format: "json", "plain", or "auto", as log_open found. */
void log_shape(const char *format);

/* Lines go where stderr leads now, whatever it is made to lead to later: an engine is silenced while it loads
 * a model, the sandbox is not. */
void log_keep_stderr(void);

/* True for the four level names. */
bool log_level_known(const char *level);

/* False when lines of that level are not written: then there is no need to make one. */
bool log_is_on(enum log_level level);

/* `request` is the request id that the line belongs to, or NULL. */
void log_write(enum log_level level, const char *request, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whose line it is. NULL: nobody's. */
struct log_of {
    const char *request;  /* its id */
    const uint8_t *trace; /* 16 bytes, of its trace */
};
void log_write_of(enum log_level level, const struct log_of *of, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a line says beside its message. */
struct log_field {
    const char *name;
    const char *text; /* NULL: it is a number */
    int64_t number;
};
/* A line of figures, of which there may be many: they go out some at a time, by log_settle at the latest, but
 * for errors and warnings, and only if that waits for nobody. False: there is no room for it, and it is lost;
 * or log_is_on says that it is not wanted. */
bool log_event(enum log_level level, const struct log_of *of, const struct log_field *fields, size_t count,
               const char *message);

/* What was repeated too often in the last second is told now, as one line, and lines of figures go out: to be
 * called once a second. */
void log_settle(void);

/* From now on all lines go to `sink`, not to stderr; NULL: to stderr again. It takes bytes, most often whole
 * lines, from any thread, and must not write to the log. A line that was plain because stderr is a terminal
 * is JSON there. */
typedef void log_sink(void *self, const char *bytes, size_t length);
void log_divert(log_sink *sink, void *self);
/* Passes on what others wrote, as it is, where our own lines go, if that is a sink. False: there is none. */
bool log_pass(const char *bytes, size_t length);

/* True when stderr is the journal of systemd: what is written there begins with "<N>", its priority. */
bool log_is_journal(void);
/* The priority of a line that one of our programs, or anybody, wrote: 3 (error) to 7 (debug). */
int log_priority_of(const char *line, size_t length);

#define log_error(...)   log_write(LOG_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, NULL, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_DEBUG, NULL, __VA_ARGS__)

/* True at most once per `seconds` for each place that owns a `last` (starts at 0): for complaints about
 * outside bytes, which may come in thousands. */
bool log_allowed(long long *last, int seconds);

#endif
