/* report: what the supervisor tells: answers to commands, and gauges. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REPORT_H
#define OUTRIGGER_REPORT_H

#include "control.h"
#include "fleet.h"

struct audit;
struct log_file;
struct rollouts;

struct report {
    struct fleet *fleet;
    struct metrics *metrics;
    struct rollouts *rollouts;
    struct audit *audit;
    struct log_file *log_file; /* NULL: there is none */
    struct control *control;   /* whose commands these are */
    int64_t began_ms;          /* this supervisor; since 1970 */
    /* Asks the owner to become the program that lies in our place, as soon as the answer is out; with `self`.
     */
    loop_call *upgrade;
    void *self;
};

/* A control_command; `self` is the report. */
void report_command(void *self, yyjson_val *request, yyjson_mut_doc *reply);
/* Sets memory and CPU time of each process; before each snapshot. `self` is the report. */
void report_measure(void *self);

#endif
