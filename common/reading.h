/* reading: what the readers of model.conf's groups share (route_read.c, model_inputs.c): a value in JSON's
 * form is taken apart field by field, and every fault is told with its field, what was expected and what
 * came. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_READING_H
#define OUTRIGGER_READING_H

#include "parameter.h"

enum { READING_FIELD_MAX = 96, READING_SHOWN_MAX = 80 };

/* Where faults go, and how many there were. */
struct reading {
    parameter_fault *fault;
    void *self;
    bool lenient; /* unknown keys are no fault */
    size_t faults;
};

/* Tells one fault. */
void reading_complain(struct reading *reading, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same as "expected ..., got ...", the value in a few words. */
void reading_expect(struct reading *reading, const char *field, const char *expected, yyjson_val *value);
/* "arms[0].percent", of its two parts. Returns `field`. */
char *reading_field(const char *parent, const char *name, char field[READING_FIELD_MAX]);
/* Tells every key of the object that is not one of `known`, with the nearest that is. */
void reading_check_keys(struct reading *reading, const char *field, yyjson_val *object,
                        const char *const *known, size_t count);

#endif
