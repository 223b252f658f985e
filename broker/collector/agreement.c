/* agreement: see agreement.h. It is read from the sums over all processes, so that it is right also after
 * brokers and collectors were started again; only the largest difference is this collector's alone.
 * Called by main.c, for the control socket. SPDX-License-Identifier: MIT */
#include "agreement.h"

#define MILLION 1e6

/* One pair while its numbers are looked for. */
struct search {
    const char *model, *version, *shadow;
    uint64_t found;
};

static void add_if_same(void *self, const struct registry_total *total)
{
    struct search *search = self;
    if (strcmp(total->labels[0], search->model) == 0 && strcmp(total->labels[1], search->version) == 0 &&
        strcmp(total->labels[2], search->shadow) == 0)
        search->found += total->numbers[0];
}

/* Labels are the model, the shadow and the reason. */
static void add_if_dropped(void *self, const struct registry_total *total)
{
    struct search *search = self;
    if (strcmp(total->labels[0], search->model) == 0 && strcmp(total->labels[1], search->shadow) == 0)
        search->found += total->numbers[0];
}

struct list {
    const struct registry *registry;
    yyjson_mut_doc *document;
    yyjson_mut_val *models;
};

static uint64_t number_of(const struct list *list, enum metric metric, struct search search)
{
    registry_each(list->registry, metric, metric == METRIC_SHADOW_DROPPED ? add_if_dropped : add_if_same,
                  &search);
    return search.found;
}

static void add_pair(void *self, const struct registry_total *total)
{
    static const struct {
        const char *name;
        enum metric metric;
    } numbers[] = {{"copies", METRIC_SHADOW_COPIES},     {"answered", METRIC_SHADOW_ANSWERED},
                   {"failed", METRIC_SHADOW_FAILED},     {"dropped", METRIC_SHADOW_DROPPED},
                   {"compared", METRIC_SHADOW_COMPARED}, {"agreed", METRIC_SHADOW_AGREED},
                   {"elements", METRIC_SHADOW_ELEMENTS}};
    struct list *list = self;
    yyjson_mut_doc *document = list->document;
    struct search pair = {total->labels[0], total->labels[1], total->labels[2], 0};
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, list->models);
    yyjson_mut_obj_add_strcpy(document, entry, "model", pair.model);
    yyjson_mut_obj_add_strcpy(document, entry, "stable", pair.version);
    yyjson_mut_obj_add_strcpy(document, entry, "shadow", pair.shadow);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        yyjson_mut_obj_add_uint(document, entry, numbers[i].name, number_of(list, numbers[i].metric, pair));
    double elements = (double)number_of(list, METRIC_SHADOW_ELEMENTS, pair);
    double sum = (double)number_of(list, METRIC_SHADOW_DIFFERENCE, pair) / MILLION;
    yyjson_mut_obj_add_real(document, entry, "largest",
                            (double)number_of(list, METRIC_SHADOW_LARGEST, pair) / MILLION);
    yyjson_mut_obj_add_real(document, entry, "mean", elements > 0 ? sum / elements : 0);
}

void agreement_to_json(const struct registry *registry, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    struct list list = {registry, document, yyjson_mut_obj_add_arr(document, object, "models")};
    registry_each(registry, METRIC_SHADOW_COPIES, add_pair, &list);
}
