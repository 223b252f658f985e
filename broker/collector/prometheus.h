/* prometheus: the registry as Prometheus text or OpenMetrics. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROMETHEUS_H
#define OUTRIGGER_PROMETHEUS_H

#include "registry.h"

#include <stdio.h>

/* The figures of the collector's own process, in Prometheus' usual names. */
struct prometheus_process {
    uint64_t resident_bytes;
    uint64_t cpu_us;
    int64_t started; /* nanoseconds since 1970 */
    /* Writes families that are not in the registry, `open`: as OpenMetrics; NULL: there are none. */
    void (*more)(void *self, FILE *out, bool open);
    void *self;
};

enum prometheus_format {
    PROMETHEUS_TEXT, /* the text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats) */
    PROMETHEUS_OPEN  /* OpenMetrics 1.0, with exemplars */
};
enum { PROMETHEUS_FORMATS = PROMETHEUS_OPEN + 1 };

/* Writes everything, with `triton` under Triton's names, too. The caller frees the text, which is terminated;
 * *length without the terminator. */
char *prometheus_text(const struct registry *registry, const struct prometheus_process *process,
                      enum prometheus_format format, bool triton, size_t *length);
/* Writes a label's value as both formats want it: backslash, line feed and quote are escaped. */
void prometheus_write_label(FILE *out, const char *value);
/* The format's Content-Type. */
const char *prometheus_type(enum prometheus_format format);
/* How many digits of a metric's numbers stand behind the point: it is kept in nanoseconds, say, and shown in
 * seconds. */
unsigned prometheus_digits(enum metric metric);
/* One of its numbers as it is shown. */
double prometheus_in_units(enum metric metric, double number);

#endif
