/* figures: per version, what the judge of a roll-out and `outrigger top` compare.
 *
 * Metrics are for people and graphs: their buckets are coarse, and are the same for all that is measured in
 * seconds. To tell a version that is a third slower from one that is not takes finer ones, and to tell whose
 * fault a request's end was takes more than its outcome:
 *
 * - An answer from the cache, or one that was computed for another request, says nothing of how long the
 *   version computes and would make a new version (whose cache is empty) look slow: it is counted as
 * `shared`, and not in the histogram.
 * - A deadline that passed in the queue is a matter of load; one that passed while a worker of the version
 * had the request is its own: `late_computing`.
 * - A request whose worker died is given to another and mostly answered with success. So that a version that
 *   kills its workers is seen all the same, each death is counted, once: requests of one batch die together
 *   and would count as many errors for one fault.
 *
 * Which of these are a version's errors is the judge's business (supervisor/judge.c).
 * SPDX-License-Identifier: MIT */
#include "figures.h"

_Static_assert(LATENCY_BUCKETS * sizeof(uint64_t) <= 2048, "each version of each model has one of these");

static void add_outcomes(const struct figures *figures, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    uint64_t requests = 0;
    for (size_t i = 0; i < FIGURES_OUTCOMES; i++)
        requests += figures->outcomes[i];
    yyjson_mut_obj_add_uint(document, object, "requests", requests);
    yyjson_mut_val *outcomes = yyjson_mut_obj_add_obj(document, object, "outcomes");
    for (size_t i = 0; i < FIGURES_OUTCOMES; i++)
        if (figures->outcomes[i] > 0)
            yyjson_mut_obj_add_uint(document, outcomes, failure_label((enum failure)i), figures->outcomes[i]);
}

void figures_to_json(const struct figures *figures, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    add_outcomes(figures, document, object);
    yyjson_mut_obj_add_uint(document, object, "shared", figures->shared);
    yyjson_mut_obj_add_uint(document, object, "late_computing", figures->late_computing);
    yyjson_mut_obj_add_uint(document, object, "deaths", figures->deaths);
    yyjson_mut_val *latency = yyjson_mut_obj_add_arr(document, object, "latency_ns");
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        if (figures->latency.counts[i] == 0)
            continue;
        yyjson_mut_val *part = yyjson_mut_arr_add_arr(document, latency);
        yyjson_mut_arr_add_sint(document, part, latency_bound(i));
        yyjson_mut_arr_add_uint(document, part, figures->latency.counts[i]);
    }
}
