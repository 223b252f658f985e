/* log: how every program of ours says what happens. Formats a line and hands it to the kernel in one write,
 * so that lines of many threads and processes on one descriptor do not mix: a line is at most 4 KB, which a
 * pipe takes whole. What is said may contain bytes from outside; nothing in it can end the line early, break
 * the JSON or move a terminal's cursor. SPDX-License-Identifier: MIT */
#include "log.h"

#include "clock.h"
#include "fnv.h"
#include "hex.h"
#include "number.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 4096,   /* PIPE_BUF: such a write to a pipe is never torn apart */
    REQUEST_MAX_BYTES = 128, /* of a request id, before escaping */
    TRACE_BYTES = 16,        /* of a trace's id */
    REPEATS = 32,            /* texts that are watched for being repeated */
    REPEATED_TEXT_BYTES = 256,
    LINE_END_BYTES = 8 /* kept free for what closes the line */
};

/* Set once by log_open and its like before threads start, only read afterwards. */
static struct {
    char process[64];
    enum log_level level;
    bool plain, journal;
    bool by_terminal; /* plain for no other reason than that stderr is one */
    int fd;
    log_sink *sink;
    void *sink_self;
} state = {.process = "outrigger", .level = LOG_INFO, .fd = STDERR_FILENO};

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

/* Of syslog(3), as sd-daemon(3) has them. */
static const int priorities[] = {[LOG_ERROR] = 3, [LOG_WARNING] = 4, [LOG_INFO] = 6, [LOG_DEBUG] = 7};

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

/* How many bytes at the beginning are shown as they are, which is nearly always all of them. */
static size_t plain_length(const unsigned char *at, size_t left)
{
    size_t length = 0;
    while (length < left && at[length] >= 0x20 && at[length] < 0x7f && at[length] != '"' &&
           at[length] != '\\')
        length++;
    return length;
}

static void add_escaped(struct line *line, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text);
    while (left > 0) {
        size_t room = LINE_MAX_BYTES - LINE_END_BYTES - line->length;
        size_t plain = plain_length(at, left < room ? left : room);
        if (plain > 0) {
            add(line, (const char *)at, plain);
            at += plain;
            left -= plain;
            continue;
        }
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

static void add_number(struct line *line, int64_t number)
{
    char digits[NUMBER_TEXT_MAX];
    add(line, digits, number_write_integer(number, digits));
}

static void add_trace(struct line *line, const uint8_t *trace)
{
    char digits[2 * TRACE_BYTES];
    hex_write(digits, trace, TRACE_BYTES);
    add(line, digits, sizeof digits);
}

/* What of a line is not its message. */
struct about {
    enum log_level level;
    const char *request; /* at most REQUEST_MAX_BYTES; NULL: none */
    const uint8_t *trace;
    const struct log_field *fields;
    size_t field_count;
};

static void add_json_fields(struct line *line, const struct about *about)
{
    for (size_t i = 0; i < about->field_count; i++) {
        const struct log_field *field = &about->fields[i];
        add_string(line, ",\"");
        add_string(line, field->name);
        add_string(line, field->text == NULL ? "\":" : "\":\"");
        if (field->text == NULL) {
            add_number(line, field->number);
        } else {
            add_escaped(line, field->text);
            add_string(line, "\"");
        }
    }
}

/* Ids and figures come before the message, so that a message that is cut does not cost them. */
static void write_json(struct line *line, const struct about *about, const char *message)
{
    add_string(line, "{\"time\":\"");
    add_time(line);
    add_string(line, "\",\"level\":\"");
    add_string(line, level_names[about->level]);
    add_string(line, "\",\"process\":\"");
    add_escaped(line, state.process);
    add_string(line, "\"");
    if (about->request != NULL) {
        add_string(line, ",\"request\":\"");
        add_escaped(line, about->request);
        add_string(line, "\"");
    }
    if (about->trace != NULL) {
        add_string(line, ",\"trace\":\"");
        add_trace(line, about->trace);
        add_string(line, "\"");
    }
    add_json_fields(line, about);
    add_string(line, ",\"message\":\"");
    add_escaped(line, message);
    memcpy(line->bytes + line->length, "\"}\n", 3);
    line->length += 3;
}

static void write_plain(struct line *line, const struct about *about, const char *message)
{
    add_time(line);
    add_string(line, " ");
    add_string(line, level_names[about->level]);
    add_string(line, " ");
    add_escaped(line, state.process);
    add_string(line, ": ");
    if (about->request != NULL) {
        add_string(line, "[");
        add_escaped(line, about->request);
        add_string(line, "] ");
    }
    add_escaped(line, message);
    for (size_t i = 0; i < about->field_count; i++) {
        add_string(line, " ");
        add_string(line, about->fields[i].name);
        add_string(line, "=");
        if (about->fields[i].text == NULL)
            add_number(line, about->fields[i].number);
        else
            add_escaped(line, about->fields[i].text);
    }
    if (about->trace != NULL) {
        add_string(line, " trace=");
        add_trace(line, about->trace);
    }
    line->bytes[line->length++] = '\n';
}

/* ---- where lines go ---- */

/* Returns the bytes that were taken; fewer where nobody reads any more, or a disk is full. */
static size_t write_out(const struct line *line)
{
    ssize_t written;
    if (state.sink != NULL) {
        state.sink(state.sink_self, line->bytes, line->length);
        return line->length;
    }
    while ((written = write(state.fd, line->bytes, line->length)) < 0 && errno == EINTR)
        ;
    return written < 0 ? 0 : (size_t)written;
}

static void make_line(struct line *line, const struct about *about, const char *message)
{
    line->length = 0;
    if (state.journal && state.sink == NULL) {
        add_string(line, "<");
        add_number(line, priorities[about->level]);
        add_string(line, ">");
    }
    if (state.plain)
        write_plain(line, about, message);
    else
        write_json(line, about, message);
}

static void put(const struct about *about, const char *message)
{
    struct line line;
    make_line(&line, about, message);
    (void)write_out(&line); /* there is nobody else to tell */
}

/* ---- repeats ---- */

/* What one place said, and how often within a second. A few places at a time say much. The same of another
 * request is the same: a flood of requests that fail must not be one of lines; whose it was last is told. */
struct repeat {
    uint64_t key; /* 0: free */
    int64_t since;
    uint64_t count;
    enum log_level level;
    bool has_trace;
    uint8_t trace[TRACE_BYTES];
    char request[REQUEST_MAX_BYTES + 1]; /* "": nobody's */
    char text[REPEATED_TEXT_BYTES];
};

static struct repeat repeats[REPEATS];
static pthread_mutex_t repeats_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Tells how often what was held back was said, and forgets it. */
static void end_repeat(struct repeat *repeat)
{
    char message[REPEATED_TEXT_BYTES + 64];
    if (repeat->key != 0 && repeat->count > LOG_REPEATS_A_SECOND) {
        snprintf(message, sizeof message, "%s ... repeated %llu times", repeat->text,
                 (unsigned long long)(repeat->count - LOG_REPEATS_A_SECOND));
        put(&(struct about){.level = repeat->level,
                            .request = *repeat->request == '\0' ? NULL : repeat->request,
                            .trace = repeat->has_trace ? repeat->trace : NULL},
            message);
    }
    repeat->key = 0;
}

static void end_old_repeats(int64_t now)
{
    for (size_t i = 0; i < REPEATS; i++)
        if (repeats[i].key != 0 && now - repeats[i].since >= SECOND)
            end_repeat(&repeats[i]);
}

/* True when the row is the better one to take for another text: free, or said less often, or before. */
static bool is_spare(const struct repeat *row, const struct repeat *than)
{
    if (row->key == 0 || than->key == 0)
        return than->key != 0;
    return row->count != than->count ? row->count < than->count : row->since < than->since;
}

/* Its row, or the one that can be spared most. */
static struct repeat *find_repeat(uint64_t key)
{
    struct repeat *best = &repeats[0];
    for (size_t i = 0; i < REPEATS; i++) {
        if (repeats[i].key == key)
            return &repeats[i];
        if (is_spare(&repeats[i], best))
            best = &repeats[i];
    }
    end_repeat(best);
    return best;
}

static uint64_t key_of(const char *place, const char *message)
{
    uint64_t hash = fnv_of(text_of(message)) ^ (uint64_t)(uintptr_t)place;
    return hash == 0 ? 1 : hash;
}

static void note_request(struct repeat *repeat, const struct about *about)
{
    snprintf(repeat->request, sizeof repeat->request, "%s", about->request == NULL ? "" : about->request);
    repeat->has_trace = about->trace != NULL;
    if (repeat->has_trace)
        memcpy(repeat->trace, about->trace, TRACE_BYTES);
}

/* False when the place has said the same too often in this second. A thread that would have to wait to know
 * does not: it is rare, and a line too many is better. */
static bool may_say(const struct about *about, const char *place, const char *message)
{
    if (pthread_mutex_trylock(&repeats_mutex) != 0)
        return true;
    int64_t now = clock_now();
    end_old_repeats(now);
    uint64_t key = key_of(place, message);
    struct repeat *repeat = find_repeat(key);
    if (repeat->key == 0) {
        *repeat = (struct repeat){.key = key, .since = now, .level = about->level};
        snprintf(repeat->text, sizeof repeat->text, "%.*s", REPEATED_TEXT_BYTES - 1, message);
    }
    bool may = ++repeat->count <= LOG_REPEATS_A_SECOND;
    if (!may)
        note_request(repeat, about);
    pthread_mutex_unlock(&repeats_mutex);
    return may;
}

/* ---- figures ---- */

/* Lines of figures that go out together: each write wakes the supervisor. */
static struct line gathered;
static pthread_mutex_t gathered_mutex = PTHREAD_MUTEX_INITIALIZER;

/* A pipe that can be written to takes a line, which is no longer than it takes whole, at once. */
static bool is_free(void)
{
    struct pollfd out = {.fd = state.fd, .events = POLLOUT};
    return state.sink != NULL || (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0);
}

/* False when they must stay, or the rest of them. */
static bool write_gathered(void)
{
    if (gathered.length == 0)
        return true;
    if (!is_free())
        return false;
    size_t written = write_out(&gathered);
    gathered.length -= written;
    memmove(gathered.bytes, gathered.bytes + written, gathered.length);
    return gathered.length == 0;
}

/* False when there is no room, and none can be made. */
static bool gather(const struct line *line, bool at_once)
{
    pthread_mutex_lock(&gathered_mutex);
    bool room = gathered.length + line->length <= LINE_MAX_BYTES || write_gathered();
    if (room) {
        memcpy(gathered.bytes + gathered.length, line->bytes, line->length);
        gathered.length += line->length;
        if (at_once)
            write_gathered();
    }
    pthread_mutex_unlock(&gathered_mutex);
    return room;
}

void log_settle(void)
{
    if (pthread_mutex_trylock(&repeats_mutex) == 0) {
        end_old_repeats(clock_now());
        pthread_mutex_unlock(&repeats_mutex);
    }
    pthread_mutex_lock(&gathered_mutex);
    write_gathered();
    pthread_mutex_unlock(&gathered_mutex);
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

/* JOURNAL_STREAM names the device and inode of what the service manager gave as stderr; children may have
 * been given something else since. */
static bool leads_to_journal(int fd)
{
    struct stat status;
    unsigned long long device, inode;
    const char *stream = getenv("JOURNAL_STREAM");
    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &status) == 0 &&
           status.st_dev == device && status.st_ino == inode;
}

void log_open(const char *process, const char *level)
{
    const char *form = getenv("OUTRIGGER_LOG");
    int number = find_level(level);
    snprintf(state.process, sizeof state.process, "%s", process);
    state.level = number < 0 ? LOG_INFO : (enum log_level)number;
    state.by_terminal = form == NULL && isatty(STDERR_FILENO) == 1;
    state.plain = state.by_terminal || (form != NULL && strcmp(form, "plain") == 0);
    state.journal = leads_to_journal(STDERR_FILENO);
}

void log_shape(const char *format)
{
    if (strcmp(format, "auto") == 0)
        return;
    state.plain = strcmp(format, "plain") == 0;
    state.by_terminal = false;
}

void log_keep_stderr(void)
{
    int copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (copy != -1 && state.fd == STDERR_FILENO)
        state.fd = copy;
    else if (copy != -1)
        close(copy);
}

void log_divert(log_sink *sink, void *self)
{
    if (state.by_terminal) /* and the sink is none */
        state.plain = sink == NULL;
    state.sink_self = self;
    state.sink = sink;
}

bool log_pass(const char *bytes, size_t length)
{
    if (state.sink == NULL)
        return false;
    state.sink(state.sink_self, bytes, length);
    return true;
}

bool log_is_journal(void)
{
    return state.journal;
}

int log_priority_of(const char *line, size_t length)
{
    static const char member[] = "\"level\":\"";
    const char *found = length > 0 && line[0] == '{' ? memmem(line, length, member, sizeof member - 1) : NULL;
    const char *blank = length > 0 && line[0] == '2' ? memchr(line, ' ', length) : NULL; /* behind a time */
    const char *name = found != NULL ? found + sizeof member - 1 : blank != NULL ? blank + 1 : NULL;
    size_t left = name == NULL ? 0 : length - (size_t)(name - line);
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        size_t known = strlen(level_names[level]);
        if (left > known && memcmp(name, level_names[level], known) == 0 &&
            (name[known] == '"' || name[known] == ' '))
            return priorities[level];
    }
    return priorities[LOG_INFO];
}

bool log_is_on(enum log_level level)
{
    return level <= state.level;
}

static void write_message(enum log_level level, const struct log_of *of, const char *format,
                          va_list arguments)
{
    char message[LINE_MAX_BYTES], id[REQUEST_MAX_BYTES + 1];
    int saved = errno; /* a caller may log first and look at errno afterwards */
    struct about about = {.level = level};
    vsnprintf(message, sizeof message, format, arguments);
    if (of != NULL && of->request != NULL) {
        snprintf(id, sizeof id, "%s", of->request);
        about.request = id;
    }
    if (of != NULL)
        about.trace = of->trace;
    if (may_say(&about, format, message))
        put(&about, message);
    errno = saved;
}

void log_write(enum log_level level, const char *request, const char *format, ...)
{
    va_list arguments;
    if (!log_is_on(level))
        return;
    va_start(arguments, format);
    write_message(level, &(struct log_of){.request = request}, format, arguments);
    va_end(arguments);
}

void log_write_of(enum log_level level, const struct log_of *of, const char *format, ...)
{
    va_list arguments;
    if (!log_is_on(level))
        return;
    va_start(arguments, format);
    write_message(level, of, format, arguments);
    va_end(arguments);
}

bool log_event(enum log_level level, const struct log_of *of, const struct log_field *fields, size_t count,
               const char *message)
{
    if (!log_is_on(level))
        return false;
    int saved = errno;
    struct line line;
    make_line(&line,
              &(struct about){.level = level,
                              .request = of->request,
                              .trace = of->trace,
                              .fields = fields,
                              .field_count = count},
              message);
    bool taken = gather(&line, level <= LOG_WARNING);
    errno = saved;
    return taken;
}

bool log_allowed(long long *last, int seconds)
{
    long long now = clock_now(), before = __atomic_load_n(last, __ATOMIC_RELAXED);
    if (before != 0 && now - before < seconds * (long long)SECOND)
        return false;
    return __atomic_compare_exchange_n(last, &before, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
