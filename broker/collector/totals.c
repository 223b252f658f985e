/* totals: see totals.h. Called by main.c, for the control socket. SPDX-License-Identifier: MIT */
#include "totals.h"

#include "percentile.h"
#include "prometheus.h"

static const char *const kinds[] = {
    [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram", [SIZES] = "sizes"};

struct list {
    yyjson_mut_doc *document;
    yyjson_mut_val *entries;
    size_t count;
};

static void add_labels(yyjson_mut_doc *document, yyjson_mut_val *entry, const struct registry_total *total)
{
    yyjson_mut_val *labels = yyjson_mut_obj_add_obj(document, entry, "labels");
    const char *name = metric_describe(total->metric)->labels;
    for (size_t i = 0; i < metric_label_count(total->metric); i++) {
        size_t length = strcspn(name, ",");
        yyjson_mut_obj_add(labels, yyjson_mut_strncpy(document, name, length),
                           yyjson_mut_strcpy(document, total->labels[i]));
        name += length + 1;
    }
}

static void add_percentile(yyjson_mut_doc *document, yyjson_mut_val *entry, const char *name, double q,
                           const struct registry_total *total)
{
    bool durations = metric_describe(total->metric)->kind == HISTOGRAM;
    double number =
        percentile_of(durations ? metrics_duration_bounds : metrics_size_bounds, total->numbers + 2, q);
    yyjson_mut_obj_add_real(document, entry, name, prometheus_in_units(total->metric, number));
}

static void add_histogram(yyjson_mut_doc *document, yyjson_mut_val *entry, const struct registry_total *total)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        count += total->numbers[2 + i];
    double sum = prometheus_in_units(total->metric, (double)total->numbers[1]);
    yyjson_mut_obj_add_uint(document, entry, "count", count);
    yyjson_mut_obj_add_real(document, entry, "sum", sum);
    if (count == 0)
        return;
    yyjson_mut_obj_add_real(document, entry, "mean", sum / (double)count);
    add_percentile(document, entry, "p50", 0.50, total);
    add_percentile(document, entry, "p95", 0.95, total);
    add_percentile(document, entry, "p99", 0.99, total);
}

static void add_value(yyjson_mut_doc *document, yyjson_mut_val *entry, const struct registry_total *total)
{
    unsigned digits = prometheus_digits(total->metric);
    bool gauge = metric_describe(total->metric)->kind == GAUGE;
    uint64_t number = total->numbers[0];
    if (digits > 0)
        yyjson_mut_obj_add_real(
            document, entry, "value",
            prometheus_in_units(total->metric, gauge ? (double)(int64_t)number : (double)number));
    else if (gauge)
        yyjson_mut_obj_add_sint(document, entry, "value", (int64_t)number);
    else
        yyjson_mut_obj_add_uint(document, entry, "value", number);
}

static void add_total(void *self, const struct registry_total *total)
{
    struct list *list = self;
    const struct metric_description *description = metric_describe(total->metric);
    if (list->count++ >= TOTALS_MAX)
        return;
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(list->document, list->entries);
    yyjson_mut_obj_add_str(list->document, entry, "name", description->name);
    yyjson_mut_obj_add_str(list->document, entry, "kind", kinds[description->kind]);
    add_labels(list->document, entry, total);
    if (description->kind == HISTOGRAM || description->kind == SIZES)
        add_histogram(list->document, entry, total);
    else
        add_value(list->document, entry, total);
}

void totals_to_json(const struct registry *registry, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    struct list list = {document, yyjson_mut_obj_add_arr(document, object, "metrics"), 0};
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        registry_each(registry, (enum metric)metric, add_total, &list);
    if (list.count > TOTALS_MAX)
        yyjson_mut_obj_add_uint(document, object, "left_out", list.count - TOTALS_MAX);
}
