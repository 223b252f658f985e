/* metrics_table: the rows of metrics.def, the bounds of histograms, and how labels are told. Pure.
 * SPDX-License-Identifier: MIT */
#include "metrics_page.h"

static const struct metric_description descriptions[METRIC_COUNT] = {
#define METRIC(identifier, kind, name, labels, help) {kind, name, labels, help},
#include "metrics.def"
#undef METRIC
};

/* A prediction of a small model takes well under a millisecond, with a slow one or a queue it takes seconds:
 * so 1, 2.5, 5 in each decade, and twice as many between 0.5 and 10 ms where most answers lie; 200 ms in the
 * place of 250, since that is what most objectives say, and a share is only exact at a bound. */
const int64_t metrics_duration_bounds[METRICS_BUCKETS] = {
    100000,    250000,    500000,     750000,     1000000,    1500000,    2000000,
    3000000,   5000000,   7500000,    10000000,   25000000,   50000000,   100000000,
    200000000, 500000000, 1000000000, 2500000000, 5000000000, 10000000000};

const int64_t metrics_size_bounds[METRICS_BUCKETS] = {1,     2,     4,     8,      16,     32,    64,
                                                      128,   256,   512,   1024,   2048,   4096,  8192,
                                                      16384, 32768, 65536, 131072, 262144, 524288};

const struct metric_description *metric_describe(enum metric metric)
{
    ENSURE((unsigned)metric < METRIC_COUNT);
    return &descriptions[metric];
}

size_t metric_label_count(enum metric metric)
{
    const char *labels = metric_describe(metric)->labels;
    size_t count = labels[0] == '\0' ? 0 : 1;
    for (const char *at = labels; *at != '\0'; at++)
        count += *at == ',';
    return count;
}

void metrics_label(struct text value, char label[METRICS_LABEL_BYTES])
{
    size_t length = value.length < METRICS_LABEL_BYTES ? value.length : METRICS_LABEL_BYTES - 1;
    memset(label, 0, METRICS_LABEL_BYTES);
    for (size_t i = 0; i < length; i++)
        label[i] = value.at[i] >= ' ' && value.at[i] <= '~' ? value.at[i] : '?';
}

static uint32_t hash_text(uint32_t hash, const char *text)
{
    do {
        hash = (hash ^ (uint8_t)*text) * 16777619; /* FNV-1a */
    } while (*text++ != '\0');
    return hash;
}

uint32_t metrics_fingerprint(void)
{
    uint32_t hash = 2166136261;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        hash = hash_text(hash, descriptions[i].name);
        hash = hash_text(hash, descriptions[i].labels);
        hash = (hash ^ descriptions[i].kind) * 16777619;
    }
    return hash;
}
