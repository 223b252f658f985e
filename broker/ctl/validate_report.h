/* validate_report: what a validation came to: its checks, for people, for programs (JSON) and for CI (JUnit).
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VALIDATE_REPORT_H
#define OUTRIGGER_VALIDATE_REPORT_H

#include "protocol.h"
#include "schema.h"

#include <stdio.h>
#include <yyjson.h>

enum check_result { CHECK_PASSED, CHECK_FAILED, CHECK_SKIPPED };
enum { CHECK_NOTE_MAX = 600, CHECKS_MAX = 32 };

struct check {
    const char *name; /* "accuracy"; a constant */
    enum check_result result;
    double value;         /* NaN: there is none */
    const char *relation; /* ">": to the threshold, of a value that passes; a constant; NULL: there is none */
    double threshold;
    char note[CHECK_NOTE_MAX]; /* what there is to say about it; "" */
};

struct validation {
    char model[PROTOCOL_NAME_MAX + 1], version[PROTOCOL_NAME_MAX + 1];
    char against[PROTOCOL_NAME_MAX + 1]; /* the version that it was compared with; "": none */
    char digest[SCHEMA_DIGEST_MAX + 1];  /* of the files that were validated; "": not known */
    const char *data;                    /* the file */
    size_t rows;
    int64_t began_ms; /* since 1970 */
    double seconds;
    struct check checks[CHECKS_MAX];
    size_t count;
};

/* Adds a check; the note is printed as `format` says. A result for which `relation` is NULL is as given; else
 * it follows from the two numbers (a value that is NaN fails), and `result` is CHECK_PASSED. */
void validation_add(struct validation *validation, const char *name, enum check_result result, double value,
                    const char *relation, double threshold, const char *format, ...)
    __attribute__((format(printf, 7, 8)));
/* True when no check has failed, and one has passed. */
bool validation_passed(const struct validation *validation);
size_t validation_count(const struct validation *validation, enum check_result result);

/* A table of the checks, and a line that says what came of it all. */
void validation_print(const struct validation *validation, FILE *out, bool coloured);
/* Adds {"model", "version", "digest", "against", "data", "rows", "time", "seconds", "passed", "checks":
 * [{"name", "result", "value", "relation", "threshold", "note"}]} to an object; what is not there is left
 * out. */
void validation_to_json(const struct validation *validation, yyjson_mut_doc *document,
                        yyjson_mut_val *object);
/* As XML of JUnit: a test suite with a case for each check. */
void validation_to_junit(const struct validation *validation, FILE *out);

#endif
