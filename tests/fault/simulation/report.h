/* report: what happened last, and the end of a run that found something. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REPORT_H
#define OUTRIGGER_REPORT_H

#include <stdbool.h>
#include <stdint.h>

/* One event for the story that a violation tells: the last 60 are kept, with their virtual time. `text` must
 * be a constant with a "#" for each number, at most 3. */
void report_event(const char *text, uint64_t first, uint64_t second, uint64_t third);

/* A promise was broken: prints what and the last events, and ends the process with status 1. */
_Noreturn void report_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define PROMISE(condition, ...)                                                                              \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0))                                                               \
            report_violation(__VA_ARGS__);                                                                   \
    } while (0)

/* `verbose`: events and the log lines of the product are printed as they come. */
void report_begin(bool verbose);

#endif
