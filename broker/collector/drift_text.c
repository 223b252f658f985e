/* drift_text: see drift_text.h. These histograms have buckets of their own, the bins of the baseline, so the
 * registry cannot keep them. Called by drift.c when somebody asks for metrics. SPDX-License-Identifier: MIT
 */
#include "drift_text.h"

#include "number.h"
#include "prometheus.h"

#include <inttypes.h>
#include <math.h>

static void write_sample(FILE *out, const struct drift_version *version, const struct drift_line *line,
                         const char *suffix, const char *le, const char *value)
{
    char name[METRICS_LABEL_BYTES];
    fprintf(out, "feature_value%s{model=\"", suffix);
    metrics_label(text_of(version->model), name);
    prometheus_write_label(out, name);
    fputs("\",version=\"", out);
    metrics_label(text_of(version->version), name);
    prometheus_write_label(out, name);
    fputs("\",feature=\"", out);
    prometheus_write_label(out, line->label);
    fprintf(out, le == NULL ? "\"%s} %s\n" : "\",le=\"%s\"} %s\n", le == NULL ? "" : le, value);
}

/* Sums of large values leave the range of numbers, and then JSON has no words for them. */
static const char *number_text(double number, char text[NUMBER_TEXT_MAX + 1])
{
    if (!isfinite(number))
        return isnan(number) ? "NaN" : number < 0 ? "-Inf" : "+Inf";
    text[number_write_double(number, text)] = '\0';
    return text;
}

/* OpenMetrics wants sums to grow: where there are buckets below 0 it has neither sum nor count. */
static void write_histogram(FILE *out, const struct drift_version *version, const struct drift_line *line,
                            bool open)
{
    char le[NUMBER_TEXT_MAX + 1], value[NUMBER_TEXT_MAX + 1] = "0";
    uint64_t below = 0;
    for (size_t bin = 0; bin < line->bins; bin++) {
        below += line->totals[bin];
        snprintf(value, sizeof value, "%" PRIu64, below);
        write_sample(out, version, line, "_bucket",
                     bin + 1 < line->bins ? number_text(line->edges[bin], le) : "+Inf", value);
    }
    if (open && line->bins > 1 && line->edges[0] < 0)
        return;
    write_sample(out, version, line, "_count", NULL, value);
    write_sample(out, version, line, "_sum", NULL, number_text(line->sum, value));
}

void drift_text_write(const struct drift_report *report, FILE *out, bool open)
{
    bool headed = false;
    for (size_t i = 0; i < report->count; i++) {
        const struct drift_version *version = &report->versions[i];
        for (size_t j = 0; j < version->feature_count; j++) {
            const struct drift_line *line = &version->features[j];
            if (line->categorical || !line->shown)
                continue;
            if (!headed)
                fputs("# HELP feature_value Values of numeric features in the rows that were looked at since "
                      "the window of their version began; buckets are the bins of the baseline.\n"
                      "# TYPE feature_value histogram\n",
                      out);
            headed = true;
            write_histogram(out, version, line, open);
        }
    }
}
