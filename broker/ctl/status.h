/* status: what the supervisor and the broker say of themselves, and what follows from it. Pure: the asking is
 * done in status_command.c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STATUS_H
#define OUTRIGGER_STATUS_H

#include <stdbool.h>
#include <stdio.h>
#include <yyjson.h>

/* Their answers to {"command":"status"}, and the supervisor's to "models"; NULL of one that does not answer.
 */
struct status {
    yyjson_val *supervisor;
    yyjson_val *broker;
    yyjson_val *models;
};

/* True when every required model is ready and, where frontends are wanted, one runs. Else `missing` lists
 * what is not, as "digits 2 (loading), frontend.1 (starting)", cut where it does not fit. */
bool status_is_ready(const struct status *status, char *missing, size_t capacity);

/* In one line whether all is ready, and what is not; the tables of models and of processes; why versions have
 * failed, and the last words of the processes that do not start. */
void status_print(const struct status *status, FILE *out, bool coloured);
/* {"ready", "missing", "supervisor": {...} or null, "broker": {...} or null, "models": [...] or null} in one
 * line. */
void status_print_json(const struct status *status, FILE *out);

#endif
