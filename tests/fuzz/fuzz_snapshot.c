/* fuzz_snapshot: any bytes as a snapshot on its way through the collector, and as the sums that it keeps on
 * the disk. What is accepted must be shown, must be kept within the bounds, and must come back from the disk
 * as it was. SPDX-License-Identifier: MIT */
#include "prometheus.h"
#include "registry.h"
#include "retired.h"

#include <stdlib.h>

enum { MAX_SERIES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void expect_text(const struct registry *registry)
{
    struct prometheus_process process = {0};
    size_t length;
    for (int format = 0; format < PROMETHEUS_FORMATS; format++) {
        char *text = prometheus_text(registry, &process, (enum prometheus_format)format, true, &length);
        ENSURE(strlen(text) == length && text[length - 1] == '\n');
        free(text);
    }
}

/* Writing down, reading and writing again gives the same bytes. */
static void expect_same_sums(const struct registry *registry)
{
    size_t length;
    size_t again_length;
    struct registry *other = registry_new(MAX_SERIES);
    uint8_t *sums = retired_encode(registry, &length);
    ENSURE(retired_decode(other, sums, length) == NULL);
    uint8_t *again = retired_encode(other, &again_length);
    ENSURE(length == again_length && memcmp(sums, again, length) == 0);
    free(sums);
    free(again);
    registry_free(other);
}

static void retire(void *self, const struct registry_process *process)
{
    registry_retire(self, process);
}

static void as_a_snapshot(const uint8_t *bytes, size_t length)
{
    struct snapshot snapshot;
    char topic[SNAPSHOT_TOPIC_BYTES];
    if (snapshot_decode(bytes, length, &snapshot) != NULL)
        return;
    ENSURE(snapshot_topic(&snapshot, topic) < SNAPSHOT_TOPIC_BYTES);
    struct registry *registry = registry_new(MAX_SERIES);
    struct snapshot copy = snapshot;
    ENSURE(registry_take(registry, &copy, 0) == REGISTRY_TAKEN);
    ENSURE(registry_take(registry, &snapshot, 1) == REGISTRY_STALE);
    ENSURE(registry_counts(registry).series <= MAX_SERIES);
    expect_text(registry);
    registry_check(registry, INT64_MAX, retire, registry);
    ENSURE(registry_counts(registry).processes == 0);
    expect_text(registry);
    expect_same_sums(registry);
    registry_free(registry);
}

static void as_sums(const uint8_t *bytes, size_t length)
{
    struct registry *registry = registry_new(MAX_SERIES);
    if (retired_decode(registry, bytes, length) == NULL)
        expect_text(registry);
    registry_free(registry);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    as_a_snapshot(bytes, length);
    as_sums(bytes, length);
    return 0;
}
