/* oip_task: what a call of the Open Inference Protocol asks our other processes, and needs to know when they
 * have answered. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_TASK_H
#define OUTRIGGER_OIP_TASK_H

#include "errands.h"
#include "protocol.h"

struct oip_task {
    struct errand errand; /* what to ask now */
    char model[PROTOCOL_NAME_MAX + 1];
    char version[PROTOCOL_NAME_MAX + 1]; /* "": not named */
    uint64_t operation;                  /* loading and unloading: the supervisor's number; 0: not begun */
    bool done;                           /* the supervisor is; what is left is that we hear of it */
    int64_t patience;                    /* for how long, monotonic nanoseconds */
};

#endif
