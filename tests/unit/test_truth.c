/* test_truth: truths meet their predictions in whichever order and file they come; what the windows come to
 * is held against figures that were computed by hand or another way; a start goes on where the last one
 * ended. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "config.h"
#include "log.h"
#include "scratch_directory.h"
#include "truth.h"

#include <math.h>
#include <stdlib.h>

static struct config config;
static struct metrics *metrics;
static struct accuracy *accuracy;
static struct truth *truth;
static struct predictions *frontend;
static int64_t now_ms;

static void begin(void)
{
    accuracy = accuracy_new(metrics, (size_t)config.feedback_window, config.feedback_window_s * 1000);
    truth = truth_new(&config, metrics, accuracy);
    ck_assert_ptr_nonnull(truth);
}

static void finish(void)
{
    truth_free(truth);
    accuracy_free(accuracy);
}

static void set_up(void)
{
    log_open("test", "error");
    scratch_make();
    config = (struct config){.state_directory = scratch_directory,
                             .feedback_keep = 10000,
                             .feedback_window = 100,
                             .feedback_window_s = 3600};
    metrics = metrics_new(NULL);
    now_ms = 1000000;
    begin();
    frontend = predictions_new(scratch_path("predictions"), "frontend.1", 10000);
}

static void tear_down(void)
{
    predictions_free(frontend);
    finish();
    metrics_free(metrics);
    scratch_remove();
}

static void answer(uint64_t request, double class, double probability)
{
    const struct prediction prediction = {.kind = PREDICTION_ANSWERED,
                                          .flags = PREDICTION_BINARY,
                                          .request = request,
                                          .at_ms = now_ms,
                                          .value = class,
                                          .probability = probability,
                                          .label = prediction_label(text_of(class > 0 ? "yes" : "no")),
                                          .positive = prediction_label(text_of("yes")),
                                          .model = text_of("m"),
                                          .version = text_of("1")};
    ck_assert(predictions_add(frontend, &prediction, 1));
}

static void say_as(const char *allowed, uint64_t request, double actual)
{
    const struct prediction prediction = {.kind = PREDICTION_ACTUAL,
                                          .flags = PREDICTION_BY_NUMBER,
                                          .request = request,
                                          .at_ms = now_ms,
                                          .actual = actual,
                                          .allowed = text_of(allowed)};
    ck_assert(predictions_add(frontend, &prediction, 1));
}

static void say(uint64_t request, double actual)
{
    say_as("", request, actual);
}

static void say_label(uint64_t request, const char *label)
{
    const struct prediction prediction = {.kind = PREDICTION_ACTUAL,
                                          .flags = PREDICTION_BY_LABEL,
                                          .request = request,
                                          .at_ms = now_ms,
                                          .actual_label = prediction_label(text_of(label))};
    ck_assert(predictions_add(frontend, &prediction, 1));
}

static void look(void)
{
    ck_assert(predictions_flush(frontend));
    truth_look(truth, now_ms);
}

static struct accuracy_figures figures(void)
{
    struct accuracy_figures found;
    ck_assert(accuracy_of(accuracy, text_of("m"), text_of("1"), now_ms, &found));
    return found;
}

static uint64_t counted(const char *result)
{
    return metrics_series(metrics, METRIC_FEEDBACK, result, NULL, NULL)->value;
}

static bool near(double one, double other)
{
    return fabs(one - other) < 1e-12;
}

START_TEST(figures_are_those_of_the_definitions)
{
    struct accuracy_figures none;
    ck_assert(!accuracy_of(accuracy, text_of("m"), text_of("1"), now_ms, &none));
    answer(1, 0, 0.1);
    answer(2, 0, 0.4);
    answer(3, 1, 0.8);
    answer(4, 1, 0.5);
    answer(5, 1, 0.5); /* a tie across the classes */
    say(1, 0);
    say(2, 1);
    say(3, 1);
    say(4, 0);
    say_label(5, "yes");
    look();
    struct accuracy_figures found = figures();
    ck_assert(found.count == 5 && found.known == 5 && found.right == 3);
    ck_assert(near(found.accuracy, 0.6));
    /* pairs (positive, negative): (2,1) won, (2,4) lost, (3,1) (3,4) won, (5,1) won, (5,4) tied: 4.5 of 6 */
    ck_assert(near(found.auc, 0.75));
    ck_assert(near(found.brier, (0.01 + 0.36 + 0.04 + 0.25 + 0.25) / 5));
    ck_assert(isnan(found.mae) && isnan(found.rmse));
    ck_assert_uint_eq(counted("joined"), 5);
    accuracy_publish(accuracy, now_ms);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_MODEL_ACCURACY, "m", "1", NULL)->value, 600000);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_MODEL_AUC, "m", "1", NULL)->value, 750000);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_FEEDBACK_WINDOW, "m", "1", NULL)->value, 5);
}
END_TEST

START_TEST(a_regression_has_errors)
{
    const double predicted[] = {1, 2, 3}, actual[] = {1.5, 2, 1};
    for (uint64_t i = 0; i < 3; i++) {
        const struct prediction prediction = {.kind = PREDICTION_ANSWERED,
                                              .flags = PREDICTION_REGRESSION,
                                              .request = i + 1,
                                              .at_ms = now_ms,
                                              .value = predicted[i],
                                              .probability = NAN,
                                              .model = text_of("m"),
                                              .version = text_of("1")};
        ck_assert(predictions_add(frontend, &prediction, 1));
        say(i + 1, actual[i]);
    }
    look();
    struct accuracy_figures found = figures();
    ck_assert(near(found.mae, 2.5 / 3) && near(found.rmse, sqrt(4.25 / 3)));
    ck_assert(isnan(found.accuracy) && isnan(found.auc) && isnan(found.brier));
    say_label(1, "yes");
    look();
    ck_assert_uint_eq(counted("unusable"), 1);
}
END_TEST

START_TEST(truths_may_come_before_and_long_after)
{
    say(1, 1); /* the frontend that answered writes a moment later */
    look();
    now_ms += 2000;
    answer(1, 1, 0.9);
    look();
    ck_assert_uint_eq(figures().known, 1);
    for (uint64_t i = 2; i < 3000; i++)
        answer(i, 1, 0.9);
    look();
    say(2, 0); /* read long ago */
    say(9999999, 0);
    look();
    ck_assert_uint_eq(figures().known, 2);
    now_ms += 20000;
    look();
    ck_assert(counted("unmatched") == 1 && counted("joined") == 2);
}
END_TEST

START_TEST(a_truth_counts_once_and_may_be_corrected)
{
    answer(1, 1, 0.9);
    say(1, 1);
    look();
    say(1, 1);
    look();
    ck_assert(figures().known == 1 && figures().right == 1 && counted("repeated") == 1);
    say(1, 0);
    look();
    ck_assert(figures().known == 1 && figures().right == 0 && figures().count == 1);
    ck_assert(near(figures().accuracy, 0));
}
END_TEST

START_TEST(a_truth_counts_for_models_that_its_teller_may_use)
{
    answer(1, 1, 0.9);
    answer(2, 1, 0.9);
    say_as("other n* mm", 1, 0);
    say_as("other m*", 2, 1);
    look();
    ck_assert(figures().known == 1 && figures().right == 1 && counted("joined") == 1);
    now_ms += 20000;
    look();
    ck_assert(counted("forbidden") == 1 && counted("unmatched") == 0 && counted("unusable") == 0);
    say_as("other", 2, 0); /* what is known is not corrected by it either */
    look();
    ck_assert(figures().known == 1 && figures().right == 1);
}
END_TEST

START_TEST(nobody_takes_the_place_of_another)
{
    say_as("m", 1, 1);
    say_as("other", 1, 0); /* before the prediction is read */
    answer(1, 1, 0.9);
    look();
    ck_assert(figures().known == 1 && figures().right == 1);
    answer(2, 1, 0.9);
    say_as("m", 2, 0);
    say_as("m", 2, 1); /* one's own it takes */
    look();
    ck_assert(figures().known == 2 && figures().right == 2 && counted("joined") == 2);
    answer(3, 1, 0.9);
    say_as("m", 3, 1);
    say_as("m n", 3, 0); /* the last one of those who may */
    say_as("m", 3, 1);
    look();
    ck_assert(figures().known == 3 && figures().right == 3);
}
END_TEST

/* Two clients of two models chose one id. */
START_TEST(a_truth_passes_by_a_prediction_that_it_cannot_mean)
{
    const struct prediction of_other = {.kind = PREDICTION_ANSWERED,
                                        .request = 1,
                                        .at_ms = now_ms,
                                        .value = 0,
                                        .model = text_of("other"),
                                        .version = text_of("1")};
    struct accuracy_figures found;
    ck_assert(predictions_add(frontend, &of_other, 1));
    answer(1, 1, 0.9);
    say_as("m", 1, 1);
    look();
    ck_assert(figures().known == 1 && figures().right == 1);
    ck_assert(!accuracy_of(accuracy, text_of("other"), text_of("1"), now_ms, &found));
    now_ms += 20000;
    look();
    ck_assert(counted("joined") == 1 && counted("forbidden") == 0);
}
END_TEST

START_TEST(the_window_slides)
{
    for (uint64_t i = 1; i <= 250; i++) {
        answer(i, 1, 0.5 + (double)i / 1000);
        say(i, i > 200);
    }
    look();
    ck_assert(figures().count == 100 && figures().known == 250 && figures().right == 50);
    ck_assert(near(figures().accuracy, 0.5) && near(figures().auc, 1));
    accuracy_publish(accuracy, now_ms);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_FEEDBACK_WINDOW, "m", "1", NULL)->value, 100);
    now_ms += 3600 * 1000 + 1;
    ck_assert(figures().count == 0 && isnan(figures().accuracy));
    accuracy_publish(accuracy, now_ms); /* also when nothing comes any more */
    ck_assert_uint_eq(metrics_series(metrics, METRIC_FEEDBACK_WINDOW, "m", "1", NULL)->value, 0);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_MODEL_ACCURACY, "m", "1", NULL)->value,
                      0); /* forgotten */
    answer(251, 1, 0.9);
    say(251, true);
    look();
    accuracy_publish(accuracy, now_ms);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_MODEL_ACCURACY, "m", "1", NULL)->value, 1000000);
}
END_TEST

/* The area by its other definition: how often a positive one has the higher probability. */
static double by_pairs(const double *probabilities, const bool *positive, size_t count)
{
    double won = 0, pairs = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if (positive[i] && !positive[j]) {
                pairs++;
                won += probabilities[i] > probabilities[j]    ? 1
                       : probabilities[i] == probabilities[j] ? 0.5
                                                              : 0;
            }
    return won / pairs;
}

START_TEST(the_area_is_that_of_all_pairs)
{
    double probabilities[90];
    bool positive[90];
    srand(3);
    for (size_t i = 0; i < COUNT_OF(probabilities); i++) {
        probabilities[i] = (double)(rand() % 20) / 20;
        positive[i] = rand() % 3 == 0;
        answer(i + 1, probabilities[i] >= 0.5, probabilities[i]);
        say(i + 1, positive[i]);
    }
    look();
    ck_assert(near(figures().auc, by_pairs(probabilities, positive, COUNT_OF(probabilities))));
}
END_TEST

START_TEST(a_start_goes_on)
{
    for (uint64_t i = 1; i <= 40; i++) {
        answer(i, (double)(i % 2), 0.3 + (double)(i % 5) / 10);
        say(i, i % 3 == 0);
    }
    answer(41, 1, 0.9);
    say_as("other", 41, 0);
    look();
    struct accuracy_figures before = figures();
    finish();
    begin();
    look(); /* the frontend's file is read once more, too */
    struct accuracy_figures after = figures();
    ck_assert(near(before.accuracy, after.accuracy) && near(before.auc, after.auc));
    ck_assert(near(before.brier, after.brier) && before.count == after.count && after.known == 40);
    ck_assert_uint_eq(counted("repeated"), 40);
    now_ms += 20000;
    look();
    ck_assert_uint_eq(counted("forbidden"), 1); /* by the one that ended it was not counted yet */
}
END_TEST

START_TEST(nothing_is_kept_where_nothing_shall_be)
{
    config.feedback_keep = 0;
    ck_assert_ptr_null(truth_new(&config, metrics, accuracy));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {figures_are_those_of_the_definitions,
                                  a_regression_has_errors,
                                  truths_may_come_before_and_long_after,
                                  a_truth_counts_once_and_may_be_corrected,
                                  a_truth_counts_for_models_that_its_teller_may_use,
                                  nobody_takes_the_place_of_another,
                                  a_truth_passes_by_a_prediction_that_it_cannot_mean,
                                  the_window_slides,
                                  the_area_is_that_of_all_pairs,
                                  a_start_goes_on,
                                  nothing_is_kept_where_nothing_shall_be};
    return SUITE_RUN("truth", set_up, tear_down, tests);
}
