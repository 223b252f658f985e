/* report: a ring of the last events. Kept as a constant text and numbers, because millions of them are never
 * read. Here is also what the real programs have in common/log.c: its lines go to the same story.
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include "log.h"
#include "object.h"
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EVENTS_KEPT = 60 };

struct event {
    int64_t at;
    const char *text;
    uint64_t numbers[3];
};

static struct {
    bool verbose;
    uint64_t count;
    struct event events[EVENTS_KEPT];
} story;

static void print_event(const struct event *event)
{
    size_t next = 0;
    fprintf(stderr, "  %12.6f ", (double)event->at / 1e9);
    for (const char *at = event->text; *at != '\0'; at++)
        if (*at == '#' && next < COUNT_OF(event->numbers))
            fprintf(stderr, "%" PRIu64, event->numbers[next++]);
        else
            fputc(*at, stderr);
    fputc('\n', stderr);
}

void report_event(const char *text, uint64_t first, uint64_t second, uint64_t third)
{
    struct event *event = &story.events[story.count++ % EVENTS_KEPT];
    *event = (struct event){.at = world_now(), .text = text, .numbers = {first, second, third}};
    if (story.verbose)
        print_event(event);
}

static void print_story(void)
{
    fprintf(stderr, "the last events (virtual seconds):\n");
    for (uint64_t i = story.count < EVENTS_KEPT ? 0 : story.count - EVENTS_KEPT; i < story.count; i++)
        print_event(&story.events[i % EVENTS_KEPT]);
}

_Noreturn void report_violation(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!story.verbose)
        print_story();
    fprintf(stderr, "at %.6f s, turn %" PRIu64 ": ", (double)world_now() / 1e9, world_turns());
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _exit(1);
}

void report_begin(bool verbose)
{
    story.verbose = verbose;
}

/* ---- a failed assertion of the product tells the story, too ---- */

_Noreturn void __real_object_panic(const char *file, int line, const char *text);
_Noreturn void __wrap_object_panic(const char *file, int line, const char *text);

_Noreturn void __wrap_object_panic(const char *file, int line, const char *text)
{
    if (!story.verbose)
        print_story();
    __real_object_panic(file, line, text);
}

/* ---- common/log.h: no line a request, so formatting is affordable, but only to be seen ---- */

static void print_line(const char *request, const char *format, va_list arguments)
{
    fprintf(stderr, "  %12.6f   %s%s", (double)world_now() / 1e9, request == NULL ? "" : request,
            request == NULL ? "" : ": ");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void log_write(enum log_level level, const char *request, const char *format, ...)
{
    (void)level;
    if (!story.verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    print_line(request, format, arguments);
    va_end(arguments);
}

void log_write_of(enum log_level level, const struct log_of *of, const char *format, ...)
{
    (void)level;
    if (!story.verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    print_line(of == NULL ? NULL : of->request, format, arguments);
    va_end(arguments);
}

void log_shape(const char *format)
{
    (void)format;
}

bool log_allowed(long long *last, int seconds)
{
    (void)last;
    (void)seconds;
    return story.verbose;
}

bool log_level_known(const char *level)
{
    (void)level;
    return true;
}

void log_open(const char *process, const char *level)
{
    (void)process;
    (void)level;
}
