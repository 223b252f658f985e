/* say: how commands say what came of them: text for people, with --json one object for programs.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SAY_H
#define OUTRIGGER_SAY_H

#include "ctl.h"

#include <yyjson.h>

/* Prints "outrigger: ..." to stderr and, with --json, {"ok": false, "error": "..."} to stdout: who reads JSON
 * always gets one object. Returns `status`, an exit status. */
int say_fault(const struct arguments *arguments, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The command line itself is wrong: prints "outrigger NAME: ...", and how to get help. Returns CTL_USAGE. */
int say_usage(const struct arguments *arguments, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A document whose root is the object {"ok": true}; the caller adds to it and gives it to say_json. */
yyjson_mut_doc *say_new(void);
/* Prints the document in one line to stdout, and frees it. */
void say_json(yyjson_mut_doc *document);
/* Makes the document {"ok": false, "error": text, ...}; the text is copied. */
void say_set_error(yyjson_mut_doc *document, const char *text);
/* Prints {"ok": false, "error": text} to stdout. */
void say_json_error(const char *text);
/* Prints `text` and a newline, with --json {"ok": true} instead. Returns CTL_GOOD. */
int say_good(const struct arguments *arguments, const char *text);
/* Prints the answer of a control socket as it is. Returns CTL_GOOD. */
int say_answer(yyjson_doc *answer);

/* The two largest units of a time: 3d 4h, 5m 6s, 7s. Returns `text`. */
enum { SAY_DURATION_BYTES = 48 };
char *say_duration(int64_t ms, char text[SAY_DURATION_BYTES]);

/* True when tables on stdout may have colours: a terminal, and no NO_COLOR. */
bool say_coloured(void);

#endif
