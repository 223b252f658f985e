/* confinement: a worker's sandbox: what one model may do on this machine. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CONFINEMENT_H
#define OUTRIGGER_CONFINEMENT_H

#include "config.h"
#include "host.h"

struct confinement {
    const char *mode;  /* sandbox.mode */
    const char *name;  /* the worker's */
    const char *path;  /* the model file */
    const char *model; /* the model's folder; NULL: the file's own is all */
    const char
        *models_directory;    /* links in the version's folder that stay below it are followed; NULL: none */
    const char *also;         /* sandbox.worker_read */
    const struct host *host;  /* NULL: a program of its own */
    const char *endpoints[4]; /* to connect to; ended by NULL */
    const char *writes;       /* a file that is there and may be written; NULL: none */
    const char *page;         /* of counters, which it removes at its end; NULL: there is none */
};

/* Gives up all other rights, or ends the process with one line that says why not. Before any thread is
 * started and before the model file is looked at. */
void confine(const struct confinement *confinement);

/* The endpoint with the address in numbers: who is confined cannot ask for names any more. The caller frees
 * it; NULL with `reason` when the name is not known. */
char *confined_endpoint(const char *endpoint, char *reason, size_t capacity);

#endif
