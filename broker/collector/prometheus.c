/* prometheus: what a scrape shows.
 *
 * Metrics stand in the order of metrics.def; one that nobody counts is left out, since a HELP without a
 * sample only makes people look for it. Time is kept in nanoseconds and shown in seconds, by integer
 * arithmetic: a double would lose nanoseconds after some months of summed CPU time.
 *
 * OpenMetrics is nearly the same text: its families of counters are named without _total, numbers that are
 * labels have a point, the trace that stands for a bucket stands behind it, and an end is said. Called by
 * exposition.c. SPDX-License-Identifier: MIT */
#include "prometheus.h"

#include "clock.h"
#include "triton.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_BYTES = 32 }; /* 20 digits, a sign, a point, a terminator */
enum { SECONDS_DIGITS = 9, SHARE_DIGITS = 2, MILLIONTHS_DIGITS = 6 };

static const char *const type_names[] = {
    [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram", [SIZES] = "histogram"};

/* ---- numbers ---- */

/* A number of which so many digits stand behind the point, without zeros at the end: of 9, 1500000 is 0.0015.
 */
static const char *write_number(uint64_t number, unsigned digits, char text[NUMBER_BYTES])
{
    uint64_t whole = 1;
    for (unsigned i = 0; i < digits; i++)
        whole *= 10;
    int length =
        snprintf(text, NUMBER_BYTES, "%" PRIu64 ".%0*" PRIu64, number / whole, (int)digits, number % whole);
    while (text[length - 1] == '0')
        text[--length] = '\0';
    if (text[length - 1] == '.')
        text[length - 1] = '\0';
    return text;
}

static const char *write_seconds(uint64_t nanoseconds, char text[NUMBER_BYTES])
{
    return write_number(nanoseconds, SECONDS_DIGITS, text);
}

/* What the numbers of a metric are kept in: nanoseconds, hundredths of a percent, millionths, or themselves.
 */
static unsigned digits_of(const struct metric_description *description)
{
    if (description->kind == HISTOGRAM)
        return SECONDS_DIGITS;
    if (description->kind == SIZES)
        return 0;
    size_t length = strlen(description->name);
    bool share = length > 6 && strcmp(description->name + length - 6, "_share") == 0;
    if (share)
        return SHARE_DIGITS;
    if (strstr(description->name, "_seconds") != NULL)
        return SECONDS_DIGITS;
    bool figure = strncmp(description->name, "model_", 6) == 0 && description->kind == GAUGE;
    return figure || strstr(description->name, "_difference") != NULL ? MILLIONTHS_DIGITS : 0;
}

/* ---- samples ---- */

void prometheus_write_label(FILE *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            putc_unlocked('\\', out);
        if (*value == '\n')
            fputs_unlocked("\\n", out);
        else
            putc_unlocked(*value, out);
    }
}

/* What is being written. */
struct writing {
    FILE *out;
    bool open;   /* OpenMetrics */
    bool headed; /* HELP and TYPE of the metric stand */
};

/* Writes {model="iris",version="1"}, with `le` behind them when it is not NULL; nothing for no label at all.
 */
static void write_labels(FILE *out, const struct registry_total *total, const char *le)
{
    const char *name = metric_describe(total->metric)->labels;
    const char *separator = "{";
    for (size_t i = 0; i < metric_label_count(total->metric); i++) {
        size_t length = strcspn(name, ",");
        fputs_unlocked(separator, out);
        fwrite_unlocked(name, 1, length, out);
        fputs_unlocked("=\"", out);
        prometheus_write_label(out, total->labels[i]);
        putc_unlocked('"', out);
        name += length + 1;
        separator = ",";
    }
    if (le != NULL) {
        fputs_unlocked(separator, out);
        fputs_unlocked("le=\"", out);
        fputs_unlocked(le, out);
        putc_unlocked('"', out);
    }
    if (le != NULL || *separator == ',')
        putc_unlocked('}', out);
}

static void write_number_sample(const struct writing *writing, const struct registry_total *total,
                                const char *suffix, const char *le, const char *number)
{
    FILE *out = writing->out;
    fputs_unlocked(metric_describe(total->metric)->name, out);
    fputs_unlocked(suffix, out);
    write_labels(out, total, le);
    putc_unlocked(' ', out);
    fputs_unlocked(number, out);
}

static void write_sample(const struct writing *writing, const struct registry_total *total,
                         const char *suffix, const char *number)
{
    write_number_sample(writing, total, suffix, NULL, number);
    putc_unlocked('\n', writing->out);
}

static void write_value(const struct writing *writing, const struct registry_total *total,
                        const struct metric_description *description)
{
    char text[NUMBER_BYTES + 1] = "-";
    uint64_t value = total->numbers[0];
    bool negative = description->kind == GAUGE && (int64_t)value < 0;
    write_number(negative ? -value : value, digits_of(description), text + 1);
    write_sample(writing, total, "", negative ? text : text + 1);
}

/* The newest trace of the bucket, with what it took and when that was. */
static void write_exemplar(FILE *out, const struct registry_exemplar *exemplar)
{
    char trace[2 * TRACE_ID_BYTES + 1], value[NUMBER_BYTES], time[NUMBER_BYTES];
    trace_id_text(exemplar->trace, trace);
    fprintf(out, " # {trace_id=\"%s\"} %s %s", trace, write_seconds(exemplar->value, value),
            write_seconds((uint64_t)exemplar->time, time));
}

/* A bucket's bound as a label: OpenMetrics wants a point in it. */
static const char *write_bound(const struct writing *writing, int64_t bound, unsigned digits,
                               char text[NUMBER_BYTES])
{
    write_number((uint64_t)bound, digits, text);
    if (writing->open && strchr(text, '.') == NULL)
        strcat(text, ".0");
    return text;
}

static void write_bucket(const struct writing *writing, const struct registry_total *total, size_t bucket,
                         const char *bound, uint64_t count)
{
    char number[NUMBER_BYTES];
    write_number_sample(writing, total, "_bucket", bound, write_number(count, 0, number));
    if (writing->open && total->exemplars != NULL && total->exemplars[bucket].time != 0)
        write_exemplar(writing->out, &total->exemplars[bucket]);
    putc_unlocked('\n', writing->out);
}

/* The count is that of the buckets: a process that was killed between two adds may have counted in the one
 * only. */
static void write_histogram(const struct writing *writing, const struct registry_total *total,
                            const struct metric_description *description)
{
    unsigned digits = digits_of(description);
    const int64_t *bounds = description->kind == HISTOGRAM ? metrics_duration_bounds : metrics_size_bounds;
    uint64_t count = 0;
    char number[NUMBER_BYTES];
    char bound[NUMBER_BYTES];
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        count += total->numbers[2 + i];
        write_bucket(writing, total, i, write_bound(writing, bounds[i], digits, bound), count);
    }
    count += total->numbers[2 + METRICS_BUCKETS];
    write_bucket(writing, total, METRICS_BUCKETS, "+Inf", count);
    write_sample(writing, total, "_sum", write_number(total->numbers[1], digits, number));
    write_sample(writing, total, "_count", write_number(count, 0, number));
}

/* ---- the whole ---- */

static void write_head(const struct writing *writing, const char *name, const char *type, const char *help)
{
    size_t length = strlen(name), suffix = strlen("_total");
    if (writing->open && strcmp(type, "counter") == 0 && length > suffix)
        length -= suffix;
    fprintf(writing->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)length, name, help, (int)length, name,
            type);
}

static void write_total(void *self, const struct registry_total *total)
{
    struct writing *writing = self;
    const struct metric_description *description = metric_describe(total->metric);
    if (!writing->headed)
        write_head(writing, description->name, type_names[description->kind], description->help);
    writing->headed = true;
    if (description->kind == HISTOGRAM || description->kind == SIZES)
        write_histogram(writing, total, description);
    else
        write_value(writing, total, description);
}

static void write_process(const struct writing *writing, const struct prometheus_process *process)
{
    char number[NUMBER_BYTES];
    FILE *out = writing->out;
    write_head(writing, writing->open ? "outrigger_build" : "outrigger_build_info",
               writing->open ? "info" : "gauge", "1, with the version of the collector.");
    fprintf(out, "outrigger_build_info{version=\"%s\"} 1\n", OUTRIGGER_VERSION);
    write_head(writing, "process_cpu_seconds_total", "counter", "User and system time of the collector.");
    fprintf(out, "process_cpu_seconds_total %s\n", write_seconds(process->cpu_us * MICROSECOND, number));
    write_head(writing, "process_resident_memory_bytes", "gauge", "Resident memory of the collector.");
    fprintf(out, "process_resident_memory_bytes %" PRIu64 "\n", process->resident_bytes);
    write_head(writing, "process_start_time_seconds", "gauge",
               "Start of the collector, in seconds since 1970.");
    fprintf(out, "process_start_time_seconds %s\n", write_seconds((uint64_t)process->started, number));
}

unsigned prometheus_digits(enum metric metric)
{
    return digits_of(metric_describe(metric));
}

double prometheus_in_units(enum metric metric, double number)
{
    double whole = 1;
    for (unsigned digits = prometheus_digits(metric); digits > 0; digits--)
        whole *= 10;
    return number / whole;
}

const char *prometheus_type(enum prometheus_format format)
{
    return format == PROMETHEUS_OPEN ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                     : "text/plain; version=0.0.4; charset=utf-8";
}

char *prometheus_text(const struct registry *registry, const struct prometheus_process *process,
                      enum prometheus_format format, bool triton, size_t *length)
{
    char *text = NULL;
    struct writing writing = {.out = open_memstream(&text, length), .open = format == PROMETHEUS_OPEN};
    ENSURE(writing.out != NULL);
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        writing.headed = false;
        registry_each(registry, (enum metric)metric, write_total, &writing);
    }
    if (triton)
        triton_write(writing.out, registry, writing.open);
    write_process(&writing, process);
    if (process->more != NULL)
        process->more(process->self, writing.out, writing.open);
    if (writing.open)
        fputs("# EOF\n", writing.out);
    ENSURE(fclose(writing.out) == 0);
    return text;
}
