/* drift_text: a drift_report's histograms as Prometheus text or OpenMetrics. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DRIFT_TEXT_H
#define OUTRIGGER_DRIFT_TEXT_H

#include "drift_report.h"

#include <stdio.h>

/* Writes feature_value, of the shown features that are numbers; nothing when there are none. */
void drift_text_write(const struct drift_report *report, FILE *out, bool open);

#endif
