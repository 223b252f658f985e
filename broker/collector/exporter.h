/* exporter: keeps the spans that come, and sends them on. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXPORTER_H
#define OUTRIGGER_EXPORTER_H

#include "metrics.h"
#include "otlp.h"

enum { EXPORTER_SPANS_A_REQUEST = 512 };

/* What came of a request. */
struct export_answer {
    int status;              /* of HTTP; 0: there was none */
    uint64_t retry_after_ms; /* that it asks for; 0: it does not */
    uint64_t rejected;       /* spans that it did not take, of a request that it took */
    bool died;               /* status 0: who sends it has ended, and another one does from now on */
    char complaint[256];     /* status 0: why, for people */
};

struct exporter_context {
    struct otlp_sender sender; /* its texts live longer than the exporter */
    size_t most;               /* spans that are kept */
    int64_t gather,
        first_wait;  /* ns: how long spans wait for company; before a request is tried again, at first */
    int64_t give_up; /* ns: no further try of a request after one that began so long after the first */
    /* Sends a request, in the exporter's thread; may take its time. False: there is nobody to send it. */
    bool (*post)(void *self, const void *bytes, size_t length, struct export_answer *answer);
    void (*interrupt)(void *self); /* ends a `post` that takes its time, from another thread; it and all later
                                      ones are false */
    void *self;
};

struct exporter;

/* Starts the thread. NULL with errno when there can be none. */
struct exporter *exporter_new(const struct exporter_context *context);
/* Sends once what is there, for a moment, and ends the thread. NULL is fine. */
void exporter_end(struct exporter *exporter);
/* Ends it, too. NULL is fine. */
void exporter_free(struct exporter *exporter);
/* An observing_kind's `take`, with an exporter as self: keeps the span, or drops and counts it. */
const char *exporter_take(void *exporter, const struct observation_any *any);
/* Sets the counters. */
void exporter_publish(struct exporter *exporter, struct metrics *metrics);

#endif
