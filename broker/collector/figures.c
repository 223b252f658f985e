/* figures: see figures.h. One table names the columns, for points of the history and for the last minute
 * alike. Called by dashboard_now.c and dashboard_history.c. SPDX-License-Identifier: MIT */
#include "figures.h"

#include "clock.h"
#include "percentile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS = 4, NUMBER_BYTES = 32 };

#define SLOW_SHARE 0.01 /* the objective is of the 99th percentile */

static double rate(const struct history_point *point, enum history_number number)
{
    return point->seconds > 0 ? (double)point->numbers[number] / point->seconds : NAN;
}

#define RATE(function, number)                                                                               \
    static double function(const struct history_point *point)                                                \
    {                                                                                                        \
        return rate(point, number);                                                                          \
    }
RATE(ok, HISTORY_OK)
RATE(client, HISTORY_CLIENT)
RATE(limited, HISTORY_LIMITED)
RATE(unavailable, HISTORY_UNAVAILABLE)
RATE(late, HISTORY_LATE)
RATE(failed, HISTORY_FAILED)
RATE(rows, HISTORY_ROWS)

static double percentile(const struct history_point *point, double q)
{
    return percentile_of(metrics_duration_bounds, &point->numbers[HISTORY_BUCKET], q) / (double)MILLISECOND;
}

static double p50(const struct history_point *point)
{
    return percentile(point, 0.50);
}

static double p90(const struct history_point *point)
{
    return percentile(point, 0.90);
}

static double p99(const struct history_point *point)
{
    return percentile(point, 0.99);
}

static double batch(const struct history_point *point)
{
    double batches = (double)point->numbers[HISTORY_BATCHES];
    return batches > 0 ? (double)point->numbers[HISTORY_BATCH_ROWS] / batches : NAN;
}

static double gauge(const struct history_point *point, enum history_number number)
{
    return point->seconds > 0 ? (double)point->numbers[number] : NAN;
}

static double queue(const struct history_point *point)
{
    return gauge(point, HISTORY_QUEUE_ROWS);
}

const struct figure figures[] = {
    {"ok", ok},     {"client", client}, {"limited", limited}, {"unavailable", unavailable},
    {"late", late}, {"failed", failed}, {"rows", rows},       {"p50", p50},
    {"p90", p90},   {"p99", p99},       {"batch", batch},     {"queue", queue},
};
const size_t figures_count = COUNT_OF(figures);

yyjson_mut_val *figures_number(yyjson_mut_doc *document, double value)
{
    char text[NUMBER_BYTES];
    if (!isfinite(value))
        return yyjson_mut_null(document);
    if (value == floor(value) && fabs(value) < 1e15)
        return yyjson_mut_sint(document, (int64_t)value);
    snprintf(text, sizeof text, "%.*g", DIGITS, value);
    return yyjson_mut_real(document, strtod(text, NULL));
}

yyjson_mut_val *figures_to_json(yyjson_mut_doc *document, const struct history_point *point)
{
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_obj_add_val(document, object, "seconds", figures_number(document, point->seconds));
    for (size_t i = 0; i < COUNT_OF(figures); i++)
        yyjson_mut_obj_add_val(document, object, figures[i].name,
                               figures_number(document, figures[i].of(point)));
    return object;
}

double figures_requests(const struct history_point *point)
{
    double sum = 0;
    for (size_t i = HISTORY_OK; i <= HISTORY_FAILED; i++)
        sum += (double)point->numbers[i];
    return sum;
}

static double used_up(double bad, double all, double allowed)
{
    return all > 0 ? bad / all / (allowed > 0 ? allowed : 1e-6) : NAN;
}

struct figures_burn figures_burn(const struct history_point *point, const struct figures_slo *slo)
{
    const uint64_t *numbers = point->numbers;
    double all = figures_requests(point);
    double unserved = (double)(numbers[HISTORY_UNAVAILABLE] + numbers[HISTORY_LATE]);
    double failed = (double)numbers[HISTORY_FAILED];
    double slow = percentile_above(&numbers[HISTORY_BUCKET], slo->latency_ms * MILLISECOND);
    return (struct figures_burn){.unavailable =
                                     used_up(unserved + failed, all, 1 - (double)slo->availability_ppm / 1e6),
                                 .errors = used_up(failed, all, (double)slo->error_ppm / 1e6),
                                 .slow = slow / SLOW_SHARE};
}
