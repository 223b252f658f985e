/* log: formats a line and hands it to the kernel in one write, so that lines of many threads and processes on
 * one descriptor do not mix: a line is at most 4 KB, which a pipe takes whole. What is said may contain bytes
 * from outside; nothing in it can end the line early, break the JSON or move a terminal's cursor.
 * SPDX-License-Identifier: MIT */
#include "log.h"

#include "clock.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 4096,   /* PIPE_BUF: such a write to a pipe is never torn apart */
    REQUEST_MAX_BYTES = 128, /* of a request id, before escaping */
    LINE_END_BYTES = 8       /* kept free for what closes the line */
};

/* Set once by log_open before threads start, only read afterwards. */
static struct {
    char process[64];
    enum log_level level;
    bool plain;
    int fd;
} state = {.process = "outrigger", .level = LOG_INFO, .fd = STDERR_FILENO};

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

/* ---- a line that grows up to its end ---- */

struct line {
    char bytes[LINE_MAX_BYTES];
    size_t length;
};

/* Adds all of the bytes or none. */
static bool add(struct line *line, const char *bytes, size_t length)
{
    if (length > LINE_MAX_BYTES - LINE_END_BYTES - line->length)
        return false;
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
    return true;
}

static void add_string(struct line *line, const char *string)
{
    add(line, string, strlen(string));
}

/* True for C0, DEL and C1 controls; terminals obey the last, too. */
static bool is_control(const unsigned char *at, size_t length)
{
    return (length == 1 && (at[0] < 0x20 || at[0] == 0x7f)) || (length == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

/* Adds one character as JSON (and as a plain line) shows it. */
static bool add_character(struct line *line, const unsigned char *at, size_t length)
{
    char escape[8];
    if (length == 0)
        return add(line, "\xef\xbf\xbd", 3); /* U+FFFD stands for a byte that is no UTF-8 */
    if (is_control(at, length)) {
        snprintf(escape, sizeof escape, "\\u%04x", at[length - 1]);
        return add(line, escape, 6);
    }
    if (!state.plain && (*at == '"' || *at == '\\')) {
        escape[0] = '\\';
        escape[1] = (char)*at;
        return add(line, escape, 2);
    }
    return add(line, (const char *)at, length);
}

static void add_escaped(struct line *line, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text);
    while (left > 0) {
        size_t length = utf8_length((const char *)at, left);
        if (!add_character(line, at, length))
            return; /* the line is full: the text is cut here */
        length = length == 0 ? 1 : length;
        at += length;
        left -= length;
    }
}

/* RFC 3339 in UTC with milliseconds. */
static void add_time(struct line *line)
{
    char text[40];
    int64_t now = clock_wall();
    time_t seconds = (time_t)(now / SECOND);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, sizeof text - length, ".%03dZ", (int)(now % SECOND / MILLISECOND));
    add_string(line, text);
}

/* ---- the two forms ---- */

/* The request id comes before the message, so that a message that is cut does not cost it. */
static void write_json(struct line *line, enum log_level level, const char *request, const char *message)
{
    add_string(line, "{\"time\":\"");
    add_time(line);
    add_string(line, "\",\"level\":\"");
    add_string(line, level_names[level]);
    add_string(line, "\",\"process\":\"");
    add_escaped(line, state.process);
    if (request != NULL) {
        add_string(line, "\",\"request\":\"");
        add_escaped(line, request);
    }
    add_string(line, "\",\"message\":\"");
    add_escaped(line, message);
    memcpy(line->bytes + line->length, "\"}\n", 3);
    line->length += 3;
}

static void write_plain(struct line *line, enum log_level level, const char *request, const char *message)
{
    add_time(line);
    add_string(line, " ");
    add_string(line, level_names[level]);
    add_string(line, " ");
    add_escaped(line, state.process);
    add_string(line, ": ");
    if (request != NULL) {
        add_string(line, "[");
        add_escaped(line, request);
        add_string(line, "] ");
    }
    add_escaped(line, message);
    line->bytes[line->length++] = '\n';
}

/* ---- the doors ---- */

static int find_level(const char *name)
{
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++)
        if (strcmp(level_names[level], name) == 0)
            return level;
    return -1;
}

bool log_level_known(const char *level)
{
    return find_level(level) >= 0;
}

void log_open(const char *process, const char *level)
{
    const char *form = getenv("OUTRIGGER_LOG");
    int number = find_level(level);
    snprintf(state.process, sizeof state.process, "%s", process);
    state.level = number < 0 ? LOG_INFO : (enum log_level)number;
    state.plain = form == NULL ? isatty(STDERR_FILENO) == 1 : strcmp(form, "plain") == 0;
}

void log_keep_stderr(void)
{
    int copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (copy != -1 && state.fd == STDERR_FILENO)
        state.fd = copy;
    else if (copy != -1)
        close(copy);
}

void log_write(enum log_level level, const char *request, const char *format, ...)
{
    if (level > state.level)
        return;
    int saved = errno; /* a caller may log first and look at errno afterwards */
    char message[LINE_MAX_BYTES], id[REQUEST_MAX_BYTES + 1];
    struct line line = {.length = 0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (request != NULL)
        snprintf(id, sizeof id, "%s", request);
    if (state.plain)
        write_plain(&line, level, request == NULL ? NULL : id, message);
    else
        write_json(&line, level, request == NULL ? NULL : id, message);
    while (write(state.fd, line.bytes, line.length) < 0 && errno == EINTR)
        ;
    errno = saved;
}

bool log_allowed(long long *last, int seconds)
{
    long long now = clock_now(), before = __atomic_load_n(last, __ATOMIC_RELAXED);
    if (before != 0 && now - before < seconds * (long long)SECOND)
        return false;
    return __atomic_compare_exchange_n(last, &before, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
