/* totals: all sums, for `outrigger stats`. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TOTALS_H
#define OUTRIGGER_TOTALS_H

#include "registry.h"

#include <yyjson.h>

enum { TOTALS_MAX = 20000 }; /* of one answer: they fit what control.h takes */

/* Adds `metrics`: [{"name", "kind", "labels": {}, "value"}, ...], of a histogram `count`, `sum`, `mean`, and
 * `p50`, `p95`, `p99` (percentile.h) instead of the value. In the units of the Prometheus text. `left_out`:
 * how many there are beyond TOTALS_MAX. */
void totals_to_json(const struct registry *registry, yyjson_mut_doc *document, yyjson_mut_val *object);

#endif
