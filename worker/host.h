/* host: what carries a worker: a program of its own (host.c), or an interpreter that has loaded it as a
 * library (worker/python). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HOST_H
#define OUTRIGGER_HOST_H

#include "sandbox.h"

struct host {
    enum sandbox_role role;
    int64_t started;   /* when, by clock_now; 0: main was the first thing that it did */
    const char *reads; /* of its own, beside what every worker may read: PATH:PATH; "": nothing */
};

/* What it is is known before anything else, and stays. */
const struct host *host(void);

#endif
