/* fuzz_baseline: any bytes as a baseline: what is read is written as JSON that reads as the same, and any
 * number has a bin of it. SPDX-License-Identifier: MIT */
#include "drift_window.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void expect_bins(const struct baseline_feature *feature)
{
    static const double numbers[] = {-INFINITY, -1e308, -1, 0, 0.5, 1, 3, 1e308};
    uint64_t sum = 0;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        uint8_t code = baseline_code(feature, (struct column_value){.number = numbers[i]});
        ENSURE(code == BASELINE_MISSING || baseline_bin(feature, code) < baseline_bins(feature));
    }
    for (size_t bin = 0; bin < baseline_bins(feature); bin++)
        sum += baseline_count(feature, bin);
    ENSURE(sum == feature->count);
}

static void expect_figures(const struct baseline *baseline)
{
    struct drift_window *window = drift_window_new(baseline, 8);
    for (size_t i = 0; i < baseline->feature_count; i++) {
        expect_bins(&baseline->features[i]);
        ENSURE(drift_window_feature(window, i).values == 0);
    }
    expect_bins(&baseline->score);
    drift_window_free(window);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *reason;
    size_t first_length, second_length;
    struct baseline *first = baseline_read((const char *)bytes, length, &reason);
    if (first == NULL)
        return 0;
    expect_figures(first);
    char *text = baseline_to_json(first, &first_length);
    struct baseline *second = baseline_read(text, first_length, &reason);
    ENSURE(second != NULL);
    char *again = baseline_to_json(second, &second_length);
    ENSURE(first_length == second_length && memcmp(text, again, first_length) == 0);
    free(text);
    free(again);
    baseline_free(first);
    baseline_free(second);
    return 0;
}
