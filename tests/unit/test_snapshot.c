/* test_snapshot: STATS.md's body, written, read, cut short and broken. SPDX-License-Identifier: MIT */
#include "snapshot.h"
#include "suite.h"

#include <stdlib.h>

/* ---- bodies to break ---- */

static uint8_t bytes[65536];
static struct wire_writer writer;

static struct snapshot head(uint32_t series_count)
{
    return (struct snapshot){.kind = text_of("worker"),
                             .name = text_of("worker.iris.1"),
                             .pid = 4711,
                             .start = 123456789,
                             .sequence = 42,
                             .interval_ms = 1000,
                             .series_count = series_count};
}

/* One series of each kind. */
static size_t write_good(void)
{
    struct snapshot snapshot = head(4);
    struct snapshot_series counter = {.metric = METRIC_REQUESTS,
                                      .labels = {text_of("iris"), text_of("1"), text_of("none")},
                                      .numbers = {UINT64_MAX}};
    struct snapshot_series gauge = {
        .metric = METRIC_QUEUE_ROWS, .labels = {text_of("")}, .numbers = {(uint64_t)INT64_MIN}};
    struct snapshot_series histogram = {
        .metric = METRIC_QUEUE_DURATION, .labels = {text_of("iris")}, .numbers = {6, 700, 1, 2, [22] = 3}};
    struct snapshot_series sizes = {
        .metric = METRIC_BATCH_ROWS, .labels = {text_of("iris")}, .numbers = {1, 1, 1}};
    wire_writer_begin(&writer, bytes, sizeof bytes);
    snapshot_write_head(&writer, &snapshot);
    snapshot_write_series(&writer, &counter);
    snapshot_write_series(&writer, &gauge);
    snapshot_write_series(&writer, &histogram);
    snapshot_write_series(&writer, &sizes);
    return wire_writer_end(&writer);
}

/* What a test changes about a body; the rest is good. */
struct body {
    uint64_t version;
    const char *kind;
    const char *name;
    uint64_t pid;
    uint64_t interval_ms;
    const char *twice;  /* a key that stands once more */
    const char *extra;  /* an unknown key */
    const char *absent; /* a key that is left out */
    int64_t bounds;     /* the first of the bounds; 0: none are told */
    size_t bound_count;
    void (*series)(void); /* writes one series */
};

static const struct body good_body = {
    .version = 1, .kind = "worker", .name = "w", .pid = 1, .interval_ms = 1};

static bool there(const struct body *body, const char *key)
{
    return body->absent == NULL || strcmp(body->absent, key) != 0;
}

static void write_number(const struct body *body, const char *key, uint64_t value)
{
    if (!there(body, key))
        return;
    wire_write_str(&writer, key);
    wire_write_uint(&writer, value);
}

static void write_text(const struct body *body, const char *key, const char *value)
{
    if (!there(body, key))
        return;
    wire_write_str(&writer, key);
    wire_write_str(&writer, value);
}

static void write_bounds(const struct body *body)
{
    wire_write_str(&writer, "duration_bounds_ns");
    wire_write_array(&writer, body->bound_count);
    for (size_t i = 0; i < body->bound_count; i++)
        wire_write_int(&writer, i == 0 ? body->bounds : metrics_duration_bounds[i % METRICS_BUCKETS]);
}

/* Decodes the body; what is wrong with it. */
static const char *judge(const struct body *body)
{
    struct snapshot snapshot;
    size_t pairs =
        8u - (body->absent != NULL) + (body->twice != NULL) + (body->extra != NULL) + (body->bounds != 0);
    wire_writer_begin(&writer, bytes, sizeof bytes);
    wire_write_map(&writer, pairs);
    write_number(body, "version", body->version);
    write_text(body, "kind", body->kind);
    write_text(body, "name", body->name);
    write_number(body, "pid", body->pid);
    write_number(body, "start", 5);
    write_number(body, "sequence", 6);
    write_number(body, "interval_ms", body->interval_ms);
    if (there(body, "series")) {
        wire_write_str(&writer, "series");
        wire_write_array(&writer, body->series != NULL);
        if (body->series != NULL)
            body->series();
    }
    if (body->bounds != 0)
        write_bounds(body);
    if (body->twice != NULL) {
        wire_write_str(&writer, body->twice);
        wire_write_uint(&writer, 1);
    }
    if (body->extra != NULL) {
        wire_write_str(&writer, body->extra);
        wire_write_array(&writer, 1);
        wire_write_map(&writer, 0);
    }
    return snapshot_decode(bytes, wire_writer_end(&writer), &snapshot);
}

/* Decodes the good body with one change, as .pid = 5. */
#define JUDGE(change)                                                                                        \
    ({                                                                                                       \
        struct body changed = good_body;                                                                     \
        changed change;                                                                                      \
        judge(&changed);                                                                                     \
    })

static const char *judge_bounds(int64_t first, size_t count)
{
    struct body body = good_body;
    body.bounds = first;
    body.bound_count = count;
    return judge(&body);
}

/* ---- what is good ---- */

START_TEST(a_snapshot_comes_back)
{
    size_t length = write_good();
    struct snapshot snapshot;
    struct snapshot_series series;
    ck_assert_ptr_null(snapshot_decode(bytes, length, &snapshot));
    ck_assert(text_is(snapshot.kind, "worker"));
    ck_assert(text_is(snapshot.name, "worker.iris.1"));
    ck_assert_uint_eq(snapshot.pid, 4711);
    ck_assert_uint_eq(snapshot.start, 123456789);
    ck_assert_uint_eq(snapshot.sequence, 42);
    ck_assert_uint_eq(snapshot.interval_ms, 1000);
    ck_assert(snapshot_next(&snapshot, &series));
    ck_assert_int_eq(series.metric, METRIC_REQUESTS);
    ck_assert(text_is(series.labels[2], "none"));
    ck_assert_uint_eq(series.numbers[0], UINT64_MAX);
    ck_assert(snapshot_next(&snapshot, &series));
    ck_assert_int_eq((int64_t)series.numbers[0], INT64_MIN);
    ck_assert_uint_eq(series.labels[0].length, 0);
    ck_assert(snapshot_next(&snapshot, &series));
    ck_assert_uint_eq(series.numbers[1], 700);
    ck_assert_uint_eq(series.numbers[22], 3);
    ck_assert(snapshot_next(&snapshot, &series));
    ck_assert_int_eq(series.metric, METRIC_BATCH_ROWS);
    ck_assert(!snapshot_next(&snapshot, &series));
    ck_assert(!snapshot_next(&snapshot, &series));
}
END_TEST

START_TEST(the_topic_names_the_process)
{
    struct snapshot snapshot = head(0);
    char topic[SNAPSHOT_TOPIC_BYTES];
    ck_assert_uint_eq(snapshot_topic(&snapshot, topic), strlen("worker.worker.iris.1.4711"));
    ck_assert_str_eq(topic, "worker.worker.iris.1.4711");
    char longest[SNAPSHOT_NAME_MAX + 1] = {0};
    memset(longest, 'x', SNAPSHOT_NAME_MAX);
    snapshot.name = text_of(longest);
    snapshot.kind = (struct text){longest, SNAPSHOT_KIND_MAX};
    snapshot.pid = INT32_MAX;
    ck_assert_uint_eq(snapshot_topic(&snapshot, topic), SNAPSHOT_TOPIC_BYTES - 1);
}
END_TEST

START_TEST(names_have_letters_digits_and_three_marks)
{
    ck_assert(snapshot_name_ok(text_of("Az09._-"), 7));
    ck_assert(!snapshot_name_ok(text_of("Az09._-"), 6));
    ck_assert(!snapshot_name_ok(text_of(""), 6));
    ck_assert(!snapshot_name_ok(text_of("a/b"), 6));
    ck_assert(!snapshot_name_ok(text_of("a b"), 6));
    ck_assert(!snapshot_name_ok((struct text){"a\0b", 3}, 6));
    ck_assert(!snapshot_name_ok(text_of("\xc3\xa4"), 6));
}
END_TEST

START_TEST(the_bound_holds_for_the_longest_series)
{
    char label[METRICS_LABEL_BYTES] = {0};
    memset(label, 'x', METRICS_LABEL_BYTES - 1);
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        struct snapshot_series series = {.metric = (enum metric)metric,
                                         .labels = {text_of(label), text_of(label), text_of(label)}};
        memset(series.numbers, 0xee, sizeof series.numbers);
        wire_writer_begin(&writer, bytes, snapshot_bound(1) - snapshot_bound(0));
        snapshot_write_series(&writer, &series);
        ck_assert_uint_gt(wire_writer_end(&writer), 0);
    }
    char longest[SNAPSHOT_NAME_MAX + 1] = {0};
    memset(longest, 'x', SNAPSHOT_NAME_MAX);
    struct snapshot snapshot = {.kind = {longest, SNAPSHOT_KIND_MAX},
                                .name = text_of(longest),
                                .pid = UINT32_MAX,
                                .start = UINT64_MAX,
                                .sequence = UINT64_MAX,
                                .interval_ms = UINT32_MAX,
                                .series_count = UINT32_MAX};
    wire_writer_begin(&writer, bytes, snapshot_bound(0));
    snapshot_write_head(&writer, &snapshot);
    ck_assert_uint_gt(wire_writer_end(&writer), 0);
}
END_TEST

START_TEST(keys_may_be_left_out_or_added_where_the_contract_says_so)
{
    ck_assert_ptr_null(judge(&good_body));
    ck_assert_ptr_null(JUDGE(.extra = "colour"));
    ck_assert_ptr_null(judge_bounds(100000, METRICS_BUCKETS));
    ck_assert_ptr_null(JUDGE(.interval_ms = 0));
    ck_assert_ptr_null(JUDGE(.interval_ms = SNAPSHOT_INTERVAL_MAX));
}
END_TEST

static void write_series_head(size_t elements, const char *metric, const char *kind, size_t labels)
{
    wire_write_array(&writer, elements);
    wire_write_str(&writer, metric);
    wire_write_str(&writer, kind);
    wire_write_array(&writer, labels);
    for (size_t i = 0; i < labels; i++)
        wire_write_str(&writer, "label");
}

static void unknown_metric(void)
{
    write_series_head(5, "outrigger_moon_phase", "phase", 7);
    wire_write_bool(&writer, true);
    wire_write_double(&writer, 0.5);
}

START_TEST(an_unknown_metric_is_passed_over)
{
    struct snapshot snapshot;
    struct snapshot_series series;
    ck_assert_ptr_null(JUDGE(.series = unknown_metric));
    ck_assert_ptr_null(snapshot_decode(bytes, wire_writer_end(&writer), &snapshot));
    ck_assert(snapshot_next(&snapshot, &series));
    ck_assert_int_eq(series.metric, METRIC_COUNT);
    ck_assert(!snapshot_next(&snapshot, &series));
}
END_TEST

/* ---- what is not ---- */

START_TEST(every_truncation_is_refused)
{
    size_t length = write_good();
    struct snapshot snapshot;
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t *exact = malloc(cut + 1); /* so that a sanitizer sees a read beyond the end */
        memcpy(exact, bytes, cut);
        ck_assert_ptr_nonnull(snapshot_decode(exact, cut, &snapshot));
        free(exact);
    }
    bytes[length] = 0;
    ck_assert_str_eq(snapshot_decode(bytes, length + 1, &snapshot), "bytes are left over");
}
END_TEST

START_TEST(every_changed_byte_is_refused_or_read_without_harm)
{
    size_t length = write_good();
    struct snapshot snapshot;
    struct snapshot_series series;
    for (size_t at = 0; at < length; at++) {
        uint8_t before = bytes[at];
        for (int value = 0; value < 256; value++) {
            bytes[at] = (uint8_t)value;
            if (snapshot_decode(bytes, length, &snapshot) == NULL)
                while (snapshot_next(&snapshot, &series))
                    continue;
        }
        bytes[at] = before;
    }
}
END_TEST

START_TEST(a_key_that_is_missing_or_stands_twice_is_refused)
{
    static const char *const required[] = {"version", "kind",     "name",        "pid",
                                           "start",   "sequence", "interval_ms", "series"};
    for (size_t i = 0; i < COUNT_OF(required); i++)
        ck_assert_str_eq(JUDGE(.absent = required[i]), "a key is missing");
    for (size_t i = 0; i < COUNT_OF(required); i++)
        ck_assert_str_eq(JUDGE(.twice = required[i]), "a key stands twice");
}
END_TEST

START_TEST(values_outside_their_bounds_are_refused)
{
    char longer[SNAPSHOT_NAME_MAX + 2] = {0};
    memset(longer, 'x', sizeof longer - 1);
    ck_assert_str_eq(JUDGE(.version = 2), "version is not ours");
    ck_assert_str_eq(JUDGE(.kind = "a.b"), "kind is no name without dots");
    ck_assert_str_eq(JUDGE(.kind = ""), "kind is no name without dots");
    ck_assert_str_eq(JUDGE(.kind = longer), "kind is no name without dots");
    ck_assert_str_eq(JUDGE(.name = "../../etc/passwd"), "name is no name");
    ck_assert_str_eq(JUDGE(.name = longer), "name is no name");
    ck_assert_str_eq(JUDGE(.pid = (uint64_t)INT32_MAX + 1),
                     "pid or interval_ms is no number within its bound");
    ck_assert_str_eq(JUDGE(.interval_ms = SNAPSHOT_INTERVAL_MAX + 1),
                     "pid or interval_ms is no number within its bound");
    ck_assert_str_eq(judge_bounds(100001, METRICS_BUCKETS), "the bounds of buckets are not ours");
    ck_assert_str_eq(judge_bounds(-1, METRICS_BUCKETS), "the bounds of buckets are not ours");
    ck_assert_str_eq(judge_bounds(100000, METRICS_BUCKETS - 1), "the bounds of buckets are not ours");
}
END_TEST

static void wrong_kind(void)
{
    write_series_head(4, "outrigger_retries_total", "gauge", 1);
    wire_write_uint(&writer, 1);
}

static void too_few_labels(void)
{
    write_series_head(4, "outrigger_retries_total", "counter", 0);
    wire_write_uint(&writer, 1);
}

static void too_many_labels(void)
{
    write_series_head(4, "outrigger_retries_total", "counter", 2);
    wire_write_uint(&writer, 1);
}

static void a_long_label(void)
{
    char label[METRICS_LABEL_BYTES + 1] = {0};
    memset(label, 'x', METRICS_LABEL_BYTES);
    wire_write_array(&writer, 4);
    wire_write_str(&writer, "outrigger_retries_total");
    wire_write_str(&writer, "counter");
    wire_write_array(&writer, 1);
    wire_write_str(&writer, label);
    wire_write_uint(&writer, 1);
}

static void a_negative_counter(void)
{
    write_series_head(4, "outrigger_retries_total", "counter", 1);
    wire_write_int(&writer, -1);
}

static void a_gauge_beyond_int64(void)
{
    write_series_head(4, "outrigger_queue_rows", "gauge", 1);
    wire_write_uint(&writer, UINT64_MAX);
}

static void a_counter_with_two_values(void)
{
    write_series_head(5, "outrigger_retries_total", "counter", 1);
    wire_write_uint(&writer, 1);
    wire_write_uint(&writer, 1);
}

static void a_histogram_with_one_value(void)
{
    write_series_head(4, "outrigger_queue_duration_seconds", "histogram", 2);
    wire_write_uint(&writer, 1);
}

static void a_histogram_with_too_few_buckets(void)
{
    write_series_head(6, "outrigger_queue_duration_seconds", "histogram", 2);
    wire_write_uint(&writer, 1);
    wire_write_uint(&writer, 1);
    wire_write_array(&writer, METRICS_BUCKETS);
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        wire_write_uint(&writer, 0);
}

static void a_bucket_that_is_text(void)
{
    write_series_head(6, "outrigger_batch_rows", "sizes", 2);
    wire_write_uint(&writer, 1);
    wire_write_uint(&writer, 1);
    wire_write_array(&writer, METRICS_BUCKETS + 1);
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        wire_write_str(&writer, "0");
}

static void three_elements(void)
{
    write_series_head(3, "outrigger_retries_total", "counter", 1);
}

static void a_name_that_is_a_number(void)
{
    wire_write_array(&writer, 4);
    for (size_t i = 0; i < 4; i++)
        wire_write_uint(&writer, i);
}

START_TEST(a_series_that_is_not_its_metrics_is_refused)
{
    ck_assert_str_eq(JUDGE(.series = wrong_kind), "a series is of another kind than its metric");
    ck_assert_str_eq(JUDGE(.series = too_few_labels), "the labels of a series are not those of its metric");
    ck_assert_str_eq(JUDGE(.series = too_many_labels), "the labels of a series are not those of its metric");
    ck_assert_str_eq(JUDGE(.series = a_long_label), "the labels of a series are not those of its metric");
    static void (*const numbers[])(void) = {a_negative_counter,
                                            a_gauge_beyond_int64,
                                            a_counter_with_two_values,
                                            a_histogram_with_one_value,
                                            a_histogram_with_too_few_buckets,
                                            a_bucket_that_is_text};
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        ck_assert_str_eq(JUDGE(.series = numbers[i]), "the numbers of a series are not those of its kind");
    ck_assert_str_eq(JUDGE(.series = three_elements), "a series is no array of at least 4");
    ck_assert_str_eq(JUDGE(.series = a_name_that_is_a_number), "the name or the kind of a series is no text");
}
END_TEST

START_TEST(claims_of_more_than_there_is_are_refused)
{
    /* A map of 2^32 - 1 pairs, an array of 5,000 series, a body that is no map. */
    static const uint8_t huge[] = {0xdf, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t array[] = {0x90};
    struct snapshot snapshot;
    ck_assert_str_eq(snapshot_decode(huge, sizeof huge, &snapshot), "it is no map");
    ck_assert_str_eq(snapshot_decode(array, sizeof array, &snapshot), "it is no map");
    ck_assert_str_eq(snapshot_decode(NULL, 0, &snapshot), "it is no map");
    wire_writer_begin(&writer, bytes, sizeof bytes);
    wire_write_map(&writer, 1);
    wire_write_str(&writer, "series");
    wire_write_array(&writer, SNAPSHOT_SERIES_MAX + 1);
    size_t length = wire_writer_end(&writer);
    ck_assert_str_eq(snapshot_decode(bytes, length + SNAPSHOT_SERIES_MAX + 1, &snapshot),
                     "series is no array within its bound");
    wire_writer_begin(&writer, bytes, sizeof bytes);
    wire_write_map(&writer, 1);
    wire_write_uint(&writer, 1);
    wire_write_uint(&writer, 1);
    ck_assert_str_eq(snapshot_decode(bytes, wire_writer_end(&writer), &snapshot), "a key is no text");
}
END_TEST

START_TEST(a_body_that_is_too_long_is_refused)
{
    uint8_t *large = calloc(1, SNAPSHOT_BYTES_MAX + 1);
    struct snapshot snapshot;
    ck_assert_str_eq(snapshot_decode(large, SNAPSHOT_BYTES_MAX + 1, &snapshot), "it is too long");
    free(large);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_snapshot_comes_back,
                                  the_topic_names_the_process,
                                  names_have_letters_digits_and_three_marks,
                                  the_bound_holds_for_the_longest_series,
                                  keys_may_be_left_out_or_added_where_the_contract_says_so,
                                  an_unknown_metric_is_passed_over,
                                  every_truncation_is_refused,
                                  every_changed_byte_is_refused_or_read_without_harm,
                                  a_key_that_is_missing_or_stands_twice_is_refused,
                                  values_outside_their_bounds_are_refused,
                                  a_series_that_is_not_its_metrics_is_refused,
                                  claims_of_more_than_there_is_are_refused,
                                  a_body_that_is_too_long_is_refused};
    return SUITE_RUN("snapshot", NULL, NULL, tests);
}
