/* trace_settings: which of the parameters trace.* contradict each other. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TRACE_SETTINGS_H
#define OUTRIGGER_TRACE_SETTINGS_H

#include "config.h"

struct parameter_reader;
/* Complains of what contradicts itself. */
void trace_settings_check(struct parameter_reader *reader, const struct config *config);

#endif
