/* prometheus: the registry as Prometheus text. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROMETHEUS_H
#define OUTRIGGER_PROMETHEUS_H

#include "registry.h"

#include <stdio.h>

/* The figures of the collector's own process, in Prometheus' usual names. */
struct prometheus_process {
    uint64_t resident_bytes;
    uint64_t cpu_us;
    int64_t started; /* nanoseconds since 1970 */
    /* Writes families that are not in the registry; NULL: there are none. */
    void (*more)(void *self, FILE *out);
    void *self;
};

/* Writes everything in the text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). The
 * caller frees the text, which is terminated; *length without the terminator. */
char *prometheus_text(const struct registry *registry, const struct prometheus_process *process,
                      size_t *length);

#endif
