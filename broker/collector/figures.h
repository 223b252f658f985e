/* figures: what people are told of a span of the history. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FIGURES_H
#define OUTRIGGER_FIGURES_H

#include "history.h"

#include <yyjson.h>

/* One column of the history, and of the object of figures_to_json. */
struct figure {
    const char *name;
    double (*of)(const struct history_point *point); /* NaN: not known */
};
extern const struct figure figures[];
extern const size_t figures_count;

/* A number of four significant digits; null for NaN. */
yyjson_mut_val *figures_number(yyjson_mut_doc *document, double value);
/* {"seconds", NAME: number or null ...} */
yyjson_mut_val *figures_to_json(yyjson_mut_doc *document, const struct history_point *point);

/* Requests answered in any way. */
double figures_requests(const struct history_point *point);
/* How many times faster than allowed the budget of an objective is used up: 1 uses it up just at the end of
 * its period. NaN: nothing was asked. */
struct figures_burn {
    double unavailable; /* 5xx of all requests, by slo.availability_ppm */
    double errors;      /* those of them that failed, 500 and 502, by slo.error_ppm */
    double slow;        /* of those answered, slower than slo.latency_ms, which 1 % may be */
};
struct figures_slo {
    int64_t latency_ms;
    int64_t availability_ppm;
    int64_t error_ppm;
};
struct figures_burn figures_burn(const struct history_point *point, const struct figures_slo *slo);

#endif
