/* snapshot: the codec of STATS.md.
 *
 * Both ends are here, so that the page of a living process (metrics.c), the page that a dead one left behind
 * and what the collector believes can never drift apart. Decoding is done in two passes over the same bytes:
 * snapshot_decode looks at everything and changes nothing, then the caller walks the series with
 * snapshot_next, sure that none will fail half-way. SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include <stdio.h>

/* The keys of the body's map, in the order in which we write them. All but the bounds and the exemplars must
 * be there. */
#define KEYS(X)                                                                                              \
    X(VERSION, "version")                                                                                    \
    X(KIND, "kind")                                                                                          \
    X(NAME, "name")                                                                                          \
    X(PID, "pid")                                                                                            \
    X(START, "start")                                                                                        \
    X(SEQUENCE, "sequence")                                                                                  \
    X(INTERVAL, "interval_ms")                                                                               \
    X(DURATION_BOUNDS, "duration_bounds_ns")                                                                 \
    X(SIZE_BOUNDS, "size_bounds")                                                                            \
    X(SERIES, "series")                                                                                      \
    X(EXEMPLARS, "exemplars")

enum key {
#define X(name, text) KEY_##name,
    KEYS(X)
#undef X
        KEY_COUNT
};

static const char *const key_names[KEY_COUNT] = {
#define X(name, text) [KEY_##name] = text,
    KEYS(X)
#undef X
};

enum {
    REQUIRED_KEYS =
        ((1 << KEY_COUNT) - 1) & ~(1 << KEY_DURATION_BOUNDS | 1 << KEY_SIZE_BOUNDS | 1 << KEY_EXEMPLARS),
    EXEMPLAR_FIELDS = 5,
    EXEMPLAR_BYTES_MAX = 1 + 3 + 1 + 9 + 9 + 2 + TRACE_ID_BYTES,
    HEAD_BYTES_MAX = 1024, /* keys about 100, bounds about 240, kind and name 331, numbers 9 each */
    /* the name of a metric 64, its kind 16, labels 3 * 65, numbers 9 each with the heads of two arrays */
    SERIES_BYTES_MAX = 64 + 16 + METRICS_LABELS_MAX * (METRICS_LABEL_BYTES + 1) + SNAPSHOT_NUMBERS_MAX * 9 + 8
};

static const char *const kind_names[] = {
    [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram", [SIZES] = "sizes"};

size_t snapshot_number_count(enum metric metric)
{
    enum metric_kind kind = metric_describe(metric)->kind;
    return kind == COUNTER || kind == GAUGE ? 1 : SNAPSHOT_NUMBERS_MAX;
}

bool snapshot_name_ok(struct text name, size_t maximum)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (name.length == 0 || name.length > maximum)
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (name.at[i] == '\0' || strchr(allowed, name.at[i]) == NULL)
            return false;
    return true;
}

size_t snapshot_topic(const struct snapshot *snapshot, char topic[SNAPSHOT_TOPIC_BYTES])
{
    ENSURE(snapshot->kind.length <= SNAPSHOT_KIND_MAX && snapshot->name.length <= SNAPSHOT_NAME_MAX);
    return (size_t)snprintf(topic, SNAPSHOT_TOPIC_BYTES, "%.*s.%.*s.%u", (int)snapshot->kind.length,
                            snapshot->kind.at, (int)snapshot->name.length, snapshot->name.at, snapshot->pid);
}

/* ---- writing ---- */

size_t snapshot_bound(size_t series_count)
{
    return HEAD_BYTES_MAX + series_count * SERIES_BYTES_MAX + SNAPSHOT_EXEMPLARS_MAX * EXEMPLAR_BYTES_MAX;
}

static void write_bounds(struct wire_writer *writer, enum key key, const int64_t bounds[METRICS_BUCKETS])
{
    wire_write_str(writer, key_names[key]);
    wire_write_array(writer, METRICS_BUCKETS);
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        wire_write_uint(writer, (uint64_t)bounds[i]);
}

static void write_uint(struct wire_writer *writer, enum key key, uint64_t value)
{
    wire_write_str(writer, key_names[key]);
    wire_write_uint(writer, value);
}

static void write_text(struct wire_writer *writer, enum key key, struct text value)
{
    wire_write_str(writer, key_names[key]);
    wire_write_text(writer, value);
}

void snapshot_write_head(struct wire_writer *writer, const struct snapshot *snapshot)
{
    wire_write_map(writer, snapshot->exemplar_count > 0 ? KEY_COUNT : KEY_COUNT - 1);
    write_uint(writer, KEY_VERSION, SNAPSHOT_VERSION);
    write_text(writer, KEY_KIND, snapshot->kind);
    write_text(writer, KEY_NAME, snapshot->name);
    write_uint(writer, KEY_PID, snapshot->pid);
    write_uint(writer, KEY_START, snapshot->start);
    write_uint(writer, KEY_SEQUENCE, snapshot->sequence);
    write_uint(writer, KEY_INTERVAL, snapshot->interval_ms);
    write_bounds(writer, KEY_DURATION_BOUNDS, metrics_duration_bounds);
    write_bounds(writer, KEY_SIZE_BOUNDS, metrics_size_bounds);
    wire_write_str(writer, key_names[KEY_SERIES]);
    wire_write_array(writer, snapshot->series_count);
}

void snapshot_write_series(struct wire_writer *writer, const struct snapshot_series *series)
{
    const struct metric_description *description = metric_describe(series->metric);
    size_t label_count = metric_label_count(series->metric);
    bool histogram = description->kind == HISTOGRAM || description->kind == SIZES;
    wire_write_array(writer, histogram ? 6 : 4);
    wire_write_str(writer, description->name);
    wire_write_str(writer, kind_names[description->kind]);
    wire_write_array(writer, label_count);
    for (size_t i = 0; i < label_count; i++)
        wire_write_text(writer, series->labels[i]);
    if (description->kind == GAUGE)
        wire_write_int(writer, (int64_t)series->numbers[0]);
    else
        wire_write_uint(writer, series->numbers[0]);
    if (!histogram)
        return;
    wire_write_uint(writer, series->numbers[1]);
    wire_write_array(writer, METRICS_BUCKETS + 1);
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        wire_write_uint(writer, series->numbers[2 + i]);
}

void snapshot_write_exemplars(struct wire_writer *writer, const struct snapshot_exemplar *exemplars,
                              uint32_t count)
{
    if (count == 0)
        return;
    wire_write_str(writer, key_names[KEY_EXEMPLARS]);
    wire_write_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        wire_write_array(writer, EXEMPLAR_FIELDS);
        wire_write_uint(writer, exemplars[i].series);
        wire_write_uint(writer, exemplars[i].bucket);
        wire_write_uint(writer, exemplars[i].value);
        wire_write_uint(writer, (uint64_t)exemplars[i].time);
        wire_write_bin(writer, exemplars[i].trace, TRACE_ID_BYTES);
    }
}

/* ---- reading ---- */

static enum metric metric_named(struct text name)
{
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        if (text_is(name, metric_describe((enum metric)metric)->name))
            return (enum metric)metric;
    return METRIC_COUNT;
}

static bool read_labels(struct wire_reader *reader, struct snapshot_series *series)
{
    uint32_t count;
    if (!wire_read_array(reader, &count) || count != metric_label_count(series->metric))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!wire_read_str(reader, METRICS_LABEL_BYTES - 1, &series->labels[i]))
            return false;
    return true;
}

static bool read_gauge(struct wire_reader *reader, uint64_t *number)
{
    int64_t value;
    if (!wire_read_int(reader, &value))
        return false;
    *number = (uint64_t)value;
    return true;
}

static bool read_buckets(struct wire_reader *reader, uint64_t *buckets)
{
    uint32_t count;
    if (!wire_read_array(reader, &count) || count != METRICS_BUCKETS + 1)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!wire_read_uint(reader, UINT64_MAX, &buckets[i]))
            return false;
    return true;
}

/* `elements` counts the series' whole array, name and kind included. */
static bool read_numbers(struct wire_reader *reader, uint32_t elements, enum metric_kind kind,
                         uint64_t *numbers)
{
    switch (kind) {
    case COUNTER:
        return elements == 4 && wire_read_uint(reader, UINT64_MAX, &numbers[0]);
    case GAUGE:
        return elements == 4 && read_gauge(reader, &numbers[0]);
    case HISTOGRAM:
    case SIZES:
        return elements == 6 && wire_read_uint(reader, UINT64_MAX, &numbers[0]) &&
               wire_read_uint(reader, UINT64_MAX, &numbers[1]) && read_buckets(reader, &numbers[2]);
    }
    return false;
}

/* A metric of another build: whatever its array holds is passed over. */
static const char *skip_unknown(struct wire_reader *reader, uint32_t elements)
{
    for (uint32_t i = 0; i < elements; i++)
        if (!wire_skip(reader))
            return "a series is cut off";
    return NULL;
}

const char *snapshot_read_series(struct wire_reader *reader, struct snapshot_series *series)
{
    uint32_t elements;
    struct text name;
    struct text kind;
    if (!wire_read_array(reader, &elements) || elements < 4)
        return "a series is no array of at least 4";
    if (!wire_read_str(reader, SIZE_MAX, &name) || !wire_read_str(reader, SIZE_MAX, &kind))
        return "the name or the kind of a series is no text";
    series->metric = metric_named(name);
    if (series->metric == METRIC_COUNT)
        return skip_unknown(reader, elements - 2);
    enum metric_kind expected = metric_describe(series->metric)->kind;
    if (!text_is(kind, kind_names[expected]))
        return "a series is of another kind than its metric";
    if (!read_labels(reader, series))
        return "the labels of a series are not those of its metric";
    if (!read_numbers(reader, elements, expected, series->numbers))
        return "the numbers of a series are not those of its kind";
    return NULL;
}

static const char *read_bounds(struct wire_reader *reader, const int64_t bounds[METRICS_BUCKETS])
{
    uint32_t count;
    if (!wire_read_array(reader, &count) || count != METRICS_BUCKETS)
        return "the bounds of buckets are not ours";
    for (size_t i = 0; i < count; i++) {
        uint64_t bound;
        if (!wire_read_uint(reader, INT64_MAX, &bound) || (int64_t)bound != bounds[i])
            return "the bounds of buckets are not ours";
    }
    return NULL;
}

static const char *read_all_series(struct wire_reader *reader, struct snapshot *snapshot)
{
    struct snapshot_series series;
    if (!wire_read_array(reader, &snapshot->series_count) || snapshot->series_count > SNAPSHOT_SERIES_MAX)
        return "series is no array within its bound";
    snapshot->series = *reader;
    for (uint32_t i = 0; i < snapshot->series_count; i++) {
        const char *wrong = snapshot_read_series(reader, &series);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static const char *read_exemplar(struct wire_reader *reader, struct snapshot_exemplar *exemplar)
{
    uint32_t fields;
    uint64_t series, bucket, value, time;
    struct text trace;
    if (!wire_read_array(reader, &fields) || fields != EXEMPLAR_FIELDS ||
        !wire_read_uint(reader, SNAPSHOT_SERIES_MAX - 1, &series) ||
        !wire_read_uint(reader, METRICS_BUCKETS, &bucket) || !wire_read_uint(reader, INT64_MAX, &value) ||
        !wire_read_uint(reader, INT64_MAX, &time) || !wire_read_bin(reader, TRACE_ID_BYTES, &trace) ||
        trace.length != TRACE_ID_BYTES)
        return "an exemplar is none";
    if (bucket != metrics_duration_bucket((int64_t)value))
        return "an exemplar is not in its bucket";
    *exemplar = (struct snapshot_exemplar){(uint32_t)series, (uint32_t)bucket, value, (int64_t)time, {0}};
    memcpy(exemplar->trace, trace.at, TRACE_ID_BYTES);
    return NULL;
}

static const char *read_all_exemplars(struct wire_reader *reader, struct snapshot *snapshot)
{
    struct snapshot_exemplar exemplar;
    if (!wire_read_array(reader, &snapshot->exemplar_count) ||
        snapshot->exemplar_count > SNAPSHOT_EXEMPLARS_MAX)
        return "exemplars is no array within its bound";
    snapshot->exemplars = *reader;
    for (uint32_t i = 0; i < snapshot->exemplar_count; i++) {
        const char *wrong = read_exemplar(reader, &exemplar);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static const char *read_kind(struct wire_reader *reader, struct text *kind)
{
    bool good = wire_read_str(reader, SNAPSHOT_KIND_MAX, kind) &&
                snapshot_name_ok(*kind, SNAPSHOT_KIND_MAX) && memchr(kind->at, '.', kind->length) == NULL;
    return good ? NULL : "kind is no name without dots";
}

static const char *read_name(struct wire_reader *reader, struct text *name)
{
    bool good = wire_read_str(reader, SNAPSHOT_NAME_MAX, name) && snapshot_name_ok(*name, SNAPSHOT_NAME_MAX);
    return good ? NULL : "name is no name";
}

static const char *read_small(struct wire_reader *reader, uint64_t maximum, uint32_t *value)
{
    uint64_t wide;
    if (!wire_read_uint(reader, maximum, &wide))
        return "pid or interval_ms is no number within its bound";
    *value = (uint32_t)wide;
    return NULL;
}

static const char *read_value(struct wire_reader *reader, enum key key, struct snapshot *snapshot)
{
    uint64_t version;
    switch (key) {
    case KEY_VERSION:
        return wire_read_uint(reader, UINT64_MAX, &version) && version == SNAPSHOT_VERSION
                   ? NULL
                   : "version is not ours";
    case KEY_KIND:
        return read_kind(reader, &snapshot->kind);
    case KEY_NAME:
        return read_name(reader, &snapshot->name);
    case KEY_PID:
        return read_small(reader, INT32_MAX, &snapshot->pid);
    case KEY_START:
        return wire_read_uint(reader, UINT64_MAX, &snapshot->start) ? NULL : "start is no number";
    case KEY_SEQUENCE:
        return wire_read_uint(reader, UINT64_MAX, &snapshot->sequence) ? NULL : "sequence is no number";
    case KEY_INTERVAL:
        return read_small(reader, SNAPSHOT_INTERVAL_MAX, &snapshot->interval_ms);
    case KEY_DURATION_BOUNDS:
        return read_bounds(reader, metrics_duration_bounds);
    case KEY_SIZE_BOUNDS:
        return read_bounds(reader, metrics_size_bounds);
    case KEY_SERIES:
        return read_all_series(reader, snapshot);
    case KEY_EXEMPLARS:
        return read_all_exemplars(reader, snapshot);
    case KEY_COUNT: /* a key that a later build added */
        return wire_skip(reader) ? NULL : "a value is cut off";
    }
    return NULL;
}

static enum key key_named(struct text name)
{
    for (int key = 0; key < KEY_COUNT; key++)
        if (text_is(name, key_names[key]))
            return (enum key)key;
    return KEY_COUNT;
}

/* Looked at last: the series may stand behind them. */
static bool exemplars_belong(struct snapshot snapshot)
{
    struct snapshot_exemplar exemplar;
    while (snapshot_next_exemplar(&snapshot, &exemplar))
        if (exemplar.series >= snapshot.series_count)
            return false;
    return true;
}

const char *snapshot_decode(const uint8_t *bytes, size_t length, struct snapshot *snapshot)
{
    struct wire_reader reader = wire_reader(bytes, length);
    uint32_t pairs;
    unsigned seen = 0;
    *snapshot = (struct snapshot){0};
    if (length > SNAPSHOT_BYTES_MAX)
        return "it is too long";
    if (!wire_read_map(&reader, &pairs))
        return "it is no map";
    for (uint32_t i = 0; i < pairs; i++) {
        struct text name;
        if (!wire_read_str(&reader, SIZE_MAX, &name))
            return "a key is no text";
        enum key key = key_named(name);
        if (key != KEY_COUNT && (seen & 1u << key) != 0)
            return "a key stands twice";
        seen |= 1u << key;
        const char *wrong = read_value(&reader, key, snapshot);
        if (wrong != NULL)
            return wrong;
    }
    if ((seen & REQUIRED_KEYS) != REQUIRED_KEYS)
        return "a key is missing";
    if (!wire_finished(&reader))
        return "bytes are left over";
    return exemplars_belong(*snapshot) ? NULL : "an exemplar is of no series";
}

bool snapshot_next(struct snapshot *snapshot, struct snapshot_series *series)
{
    if (snapshot->series_count == 0)
        return false;
    snapshot->series_count--;
    ENSURE(snapshot_read_series(&snapshot->series, series) == NULL);
    return true;
}

bool snapshot_next_exemplar(struct snapshot *snapshot, struct snapshot_exemplar *exemplar)
{
    if (snapshot->exemplar_count == 0)
        return false;
    snapshot->exemplar_count--;
    ENSURE(read_exemplar(&snapshot->exemplars, exemplar) == NULL);
    return true;
}
