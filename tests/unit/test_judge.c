/* test_judge: what the judge of a roll-out says to single cases, and how often it is wrong, and how fast it
 * is right, in whole roll-outs of made-up requests. Those are drawn from fixed seeds: the counts that are
 * printed are the same each time. SPDX-License-Identifier: MIT */
#include "judge.h"

#include "clock.h"
#include "splitmix.h"
#include "suite.h"

#include <inttypes.h>
#include <math.h>

static struct judged candidate, stable;
static struct judge_case facts;

static void set_up(void)
{
    candidate = stable = (struct judged){0};
    facts = (struct judge_case){.bounds = {.max_error_rate = 0.001, .min_requests = 500},
                                .candidate = &candidate,
                                .stable = &stable,
                                .share = 0.05};
}

static void answer(struct judged *judged, uint64_t count, int64_t nanoseconds)
{
    judged->answered += count;
    judged->latency.counts[latency_bucket(nanoseconds)] += count;
}

static void expect(enum judge_answer answer_, const char *words)
{
    struct judgement found = judge(&facts);
    ck_assert_msg(found.answer == answer_, "%s: %s", judge_answer_name(found.answer), found.reason);
    ck_assert_msg(strstr(found.reason, words) != NULL, "%s", found.reason);
}

/* ---- single cases ---- */

START_TEST(nothing_is_known_at_first)
{
    expect(JUDGE_CONTINUE, "nothing is wrong so far: 0 of 0 requests failed");
    facts.time_is_over = true;
    expect(JUDGE_HOLD, "0 of at least 500 requests");
    facts.bounds.min_requests = 0;
    expect(JUDGE_ADVANCE, "within the bounds");
}
END_TEST

START_TEST(time_and_requests_advance_it)
{
    answer(&candidate, 499, MILLISECOND);
    answer(&stable, 10000, MILLISECOND);
    expect(JUDGE_CONTINUE, "nothing is wrong so far");
    facts.time_is_over = true;
    expect(JUDGE_HOLD, "waits for more traffic: 499 of at least 500");
    answer(&candidate, 1, MILLISECOND);
    expect(JUDGE_ADVANCE, "within the bounds: 0 of 500 requests failed");
    facts.time_is_over = false;
    expect(JUDGE_CONTINUE, "nothing is wrong so far");
}
END_TEST

START_TEST(few_errors_hold_it_and_more_end_it)
{
    answer(&candidate, 600, MILLISECOND);
    answer(&stable, 10000, MILLISECOND);
    facts.time_is_over = true;
    candidate.errors = 1;
    expect(JUDGE_HOLD, "1 of 601 requests failed: more than 0.1 %, but too few to be sure");
    answer(&candidate, 400, MILLISECOND);
    expect(JUDGE_ADVANCE, "within the bounds: 1 of 1001 requests failed");
    candidate.errors = 12;
    expect(JUDGE_ROLL_BACK, "12 of 1012 requests failed (1.19 %): surely more than 0.1 %");
}
END_TEST

START_TEST(one_error_is_no_reason_whatever_is_allowed)
{
    static const double bounds[] = {0, 0.0001, 0.001, 0.01, 0.5};
    candidate.errors = 1;
    answer(&candidate, 50, MILLISECOND);
    answer(&stable, 500, MILLISECOND);
    for (size_t i = 1; i < COUNT_OF(bounds); i++) {
        facts.bounds.max_error_rate = bounds[i];
        expect(JUDGE_CONTINUE, "1 of 51 requests failed");
    }
    facts.bounds.max_error_rate = bounds[0]; /* none at all is allowed */
    expect(JUDGE_ROLL_BACK, "surely more than 0 %");
}
END_TEST

START_TEST(within_the_bound_but_far_worse_than_stable_is_too_much)
{
    facts.bounds.max_error_rate = 0.05;
    answer(&candidate, 4900, MILLISECOND);
    answer(&stable, 95000, MILLISECOND);
    candidate.errors = 100;
    stable.errors = 1000; /* half as many of a hundred */
    expect(JUDGE_CONTINUE, "100 of 5000 requests failed");
    stable.errors = 100;
    expect(JUDGE_ROLL_BACK, "surely more than twice as often as of the stable version");
}
END_TEST

START_TEST(what_breaks_both_is_not_the_candidates_fault)
{
    answer(&candidate, 900, MILLISECOND);
    answer(&stable, 18000, MILLISECOND);
    candidate.errors = 100;
    stable.errors = 2000;
    expect(JUDGE_HOLD, "so that the cause is elsewhere");
    stable.errors = 200; /* those, too, are more than one in a thousand */
    expect(JUDGE_ROLL_BACK, "100 of 1000 requests failed");
    stable = (struct judged){0}; /* the last step: nothing to compare with */
    expect(JUDGE_ROLL_BACK, "100 of 1000 requests failed");
}
END_TEST

START_TEST(the_99th_percentile_is_bound)
{
    facts.bounds.max_p99 = 200 * MILLISECOND;
    facts.time_is_over = true;
    answer(&candidate, 980, 20 * MILLISECOND);
    answer(&stable, 10000, 20 * MILLISECOND);
    answer(&candidate, 11, 300 * MILLISECOND);
    expect(JUDGE_HOLD, "1.11 % of the answers took longer than 200 ms: too many, but not surely");
    answer(&candidate, 200, 20 * MILLISECOND);
    expect(JUDGE_ADVANCE, "within the bounds");
    answer(&candidate, 30, 300 * MILLISECOND);
    expect(JUDGE_ROLL_BACK, "took longer than 200 ms");
    answer(&stable, 500, 300 * MILLISECOND);
    expect(JUDGE_HOLD, "the cause is elsewhere");
}
END_TEST

START_TEST(what_lies_in_the_bucket_of_the_bound_does_not_break_it)
{
    facts.bounds.max_p99 = 200 * MILLISECOND;
    facts.time_is_over = true;
    answer(&candidate, 1000, 201 * MILLISECOND);
    answer(&stable, 1000, 201 * MILLISECOND);
    expect(JUDGE_ADVANCE, "within the bounds");
}
END_TEST

START_TEST(no_single_look_breaks_a_bound)
{
    facts.bounds.max_p99 = 200 * MILLISECOND;
    facts.time_is_over = true;
    answer(&stable, 10000, MILLISECOND);
    answer(&candidate, 1000, MILLISECOND);
    candidate.errors = 64;
    judged_worst(&facts.worst_errors, 100, 64); /* a batch failed */
    judged_worst(&facts.worst_errors, 500, 0);
    expect(JUDGE_HOLD, "64 of 1064 requests failed: more than 0.1 %");
    candidate.errors += 5;
    judged_worst(&facts.worst_errors, 100, 5);
    expect(JUDGE_ROLL_BACK, "69 of 1069 requests failed");
    set_up();
    facts.bounds.max_p99 = 200 * MILLISECOND;
    answer(&stable, 10000, MILLISECOND);
    answer(&candidate, 1000, MILLISECOND);
    answer(&candidate, 50, 900 * MILLISECOND); /* the host stood still */
    judged_worst(&facts.worst_times, 50, 50);
    expect(JUDGE_CONTINUE, "nothing is wrong so far");
    answer(&candidate, 50, 900 * MILLISECOND);
    expect(JUDGE_ROLL_BACK, "took longer than 200 ms");
}
END_TEST

START_TEST(only_half_as_slow_again_is_too_slow)
{
    answer(&stable, 2000, 10 * MILLISECOND);
    answer(&candidate, 2000, 13 * MILLISECOND); /* and nobody doubts that it is slower */
    ck_assert_double_eq(judged_slower(&candidate, &stable, 1), 1);
    ck_assert_double_eq(judged_slower(&candidate, &stable, 1.5), 0);
    expect(JUDGE_CONTINUE, "nothing is wrong so far");
    candidate = (struct judged){0};
    answer(&candidate, 2000, 20 * MILLISECOND);
    expect(JUDGE_ROLL_BACK, "surely more than 1.5 times as slow as the stable version");
    facts.share = 0.75; /* its workers have three times as much to do */
    expect(JUDGE_CONTINUE, "nothing is wrong so far");
}
END_TEST

START_TEST(what_nobody_feels_is_not_too_slow)
{
    answer(&stable, 2000, 60 * MICROSECOND);
    answer(&candidate, 2000, 150 * MICROSECOND); /* its workers sleep more deeply */
    expect(JUDGE_CONTINUE, "nothing is wrong so far");
    candidate = (struct judged){0};
    answer(&candidate, 2000, 600 * MICROSECOND);
    expect(JUDGE_ROLL_BACK, "surely more than 1.5 times as slow as the stable version");
}
END_TEST

START_TEST(a_few_slow_answers_are_no_reason)
{
    answer(&stable, 2000, 10 * MILLISECOND);
    answer(&candidate, 19, 100 * MILLISECOND);
    expect(JUDGE_CONTINUE, "nothing is wrong so far");
    answer(&candidate, 1000, 10 * MILLISECOND);
    expect(JUDGE_CONTINUE, "nothing is wrong so far");
}
END_TEST

START_TEST(ranks_count_ties_half)
{
    ck_assert_double_eq(judged_slower(&candidate, &stable, 1), 0.5);
    answer(&stable, 10, 10 * MILLISECOND);
    answer(&candidate, 30, 10 * MILLISECOND);
    ck_assert_double_eq(judged_slower(&candidate, &stable, 1), 0.5);
    answer(&candidate, 10, 20 * MILLISECOND);
    ck_assert_double_eq_tol(judged_slower(&candidate, &stable, 1), 0.625, 1e-9);
    answer(&stable, 10, 40 * MILLISECOND);
    ck_assert_double_eq_tol(judged_slower(&candidate, &stable, 1), 0.3125, 1e-9);
}
END_TEST

START_TEST(what_it_does_not_serve_is_compared)
{
    answer(&candidate, 900, MILLISECOND);
    answer(&stable, 9000, MILLISECOND);
    candidate.unserved = 5;
    expect(JUDGE_CONTINUE, "nothing is wrong so far"); /* less than a percent more */
    candidate.unserved = stable.unserved = 100;
    expect(JUDGE_ROLL_BACK, "100 of 1000 requests were not served (10 %), of the stable version 1.1 %");
    stable.unserved = 1000;
    expect(JUDGE_CONTINUE, "nothing is wrong so far"); /* a flood */
}
END_TEST

START_TEST(agreement_and_accuracy_are_bound)
{
    facts.bounds.min_agreement = 0.99;
    facts.bounds.min_accuracy = 0.8;
    facts.time_is_over = true;
    answer(&candidate, 1000, MILLISECOND);
    answer(&stable, 1000, MILLISECOND);
    expect(JUDGE_HOLD, "agreement of 0 answers is known, of 500 it must be");
    facts.agreement = (struct judged_share){600, 593};
    expect(JUDGE_HOLD, "agreement is 98.83 %, not surely less than 99 %");
    facts.agreement.good = 596;
    expect(JUDGE_HOLD, "accuracy of 0 answers is known, of 500 it must be");
    facts.accuracy = (struct judged_share){600, 500};
    expect(JUDGE_ADVANCE, "within the bounds");
    facts.accuracy.good = 400;
    expect(JUDGE_ROLL_BACK, "right: 400 of 600 answers (66.67 %): surely less than 80 %");
    facts.agreement.good = 500;
    expect(JUDGE_ROLL_BACK, "agrees with the stable version: 500 of 600 answers");
}
END_TEST

/* ---- whole roll-outs ---- */

enum { ROLL_OUTS = 200, LOOKS = 300, REQUESTS_A_LOOK = 30 };

/* What the requests of a made-up service are like. */
struct service {
    double error_rate, stable_error_rate;
    double times_as_slow; /* of the candidate */
    double sigma;         /* of the logarithm of the times, whose median is 10 ms */
    double hiccups;       /* looks in which everything takes five times as long */
    bool bound_p99;       /* to exactly the candidate's */
};

static uint64_t state;

/* 0 to 1. */
static double chance(void)
{
    return (double)(splitmix_next(&state) >> 11) * 0x1p-53;
}

static double normal(void)
{
    return sqrt(-2 * log(1 - chance())) * cos(2 * M_PI * chance());
}

static void request(struct judged *judged, double error_rate, double median_ms, double sigma)
{
    if (chance() < error_rate)
        judged->errors++;
    else
        answer(judged, 1, (int64_t)(median_ms * exp(sigma * normal()) * (double)MILLISECOND));
}

/* What passes between two looks. */
static void second_passes(const struct service *service)
{
    double median = chance() < service->hiccups ? 50 : 10;
    for (int i = 0; i < REQUESTS_A_LOOK; i++)
        if (chance() < facts.share)
            request(&candidate, service->error_rate, median * service->times_as_slow, service->sigma);
        else
            request(&stable, service->stable_error_rate, median, service->sigma);
}

/* An ordinary test of the same times, at 1 %. */
static bool ordinary_test_objects(void)
{
    double count = (double)latency_total(&candidate.latency), others = (double)latency_total(&stable.latency);
    if (count < 20 || others < 20)
        return false;
    double deviation = sqrt((count + others + 1) / (12 * count * others));
    return judged_slower(&candidate, &stable, 1) - 0.5 > 2.326 * deviation;
}

/* How a roll-out of four steps ends. */
struct end {
    bool rolled_back, ordinary;
    uint64_t requests; /* that the candidate had had, in all steps */
    char reason[JUDGE_REASON_BYTES];
};

static struct end roll_out(const struct service *service, uint64_t seed)
{
    static const double shares[] = {0.05, 0.25, 0.5, 1};
    struct end end = {0};
    set_up();
    state = seed;
    facts.bounds.max_p99 =
        service->bound_p99 ? (int64_t)(10e6 * service->times_as_slow * exp(2.3263479 * service->sigma)) : 0;
    for (size_t step = 0; step < COUNT_OF(shares); step++) {
        candidate = stable = (struct judged){0};
        facts.worst_errors = facts.worst_times = (struct judged_share){0};
        facts.share = shares[step];
        for (int look = 0; look < LOOKS; look++) {
            struct judged before = candidate;
            second_passes(service);
            judged_worst(&facts.worst_errors, judged_requests(&candidate) - judged_requests(&before),
                         candidate.errors - before.errors);
            judged_worst(&facts.worst_times, candidate.answered - before.answered,
                         judged_longer(&candidate, facts.bounds.max_p99) -
                             judged_longer(&before, facts.bounds.max_p99));
            struct judgement judgement = judge(&facts);
            end.ordinary = end.ordinary || ordinary_test_objects();
            if (judgement.answer == JUDGE_ROLL_BACK) {
                end.rolled_back = true;
                end.requests += judged_requests(&candidate);
                memcpy(end.reason, judgement.reason, sizeof end.reason);
                return end;
            }
        }
        end.requests += judged_requests(&candidate);
    }
    return end;
}

/* Each kind is a test of its own, with a timeout of its own: ThreadSanitizer makes a kind take tens of
 * seconds. */
static const struct {
    const char *name;
    struct service service;
    int most; /* that may be rolled back of ROLL_OUTS */
} good_kinds[] = {
    {"the same version again", {0.0002, 0.0002, 1, 0.5, 0, false}, 0},
    {"2 % slower, times that vary little", {0.0002, 0.0002, 1.02, 0.05, 0, false}, 0},
    {"20 % slower, the host stumbles", {0.0002, 0.0002, 1.2, 1, 0.02, false}, 0},
    {"exactly at the bounds of errors and times", {0.001, 0.001, 1, 0.5, 0, true}, 4},
    {"exactly 1.5 times as slow", {0.0002, 0.0002, 1.5, 0.7, 0, false}, 1},
};

START_TEST(good_roll_outs_are_not_rolled_back)
{
    int bad = 0, ordinary = 0;
    for (uint64_t seed = 0; seed < ROLL_OUTS; seed++) {
        struct end end = roll_out(&good_kinds[_i].service, 1000 * seed + (uint64_t)_i);
        bad += end.rolled_back;
        ordinary += end.ordinary;
        if (end.rolled_back)
            printf("  seed %" PRIu64 ": %s\n", seed, end.reason);
    }
    printf("%s: %d of %d roll-outs of 4 steps and %d looks each were rolled back (an ordinary rank test at 1 "
           "%% a look: %d)\n",
           good_kinds[_i].name, bad, ROLL_OUTS, LOOKS, ordinary);
    ck_assert_int_le(bad, good_kinds[_i].most);
    if (_i == 0) /* what all of this is for */
        ck_assert_int_gt(ordinary, ROLL_OUTS / 10);
}
END_TEST

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static const struct {
    const char *name;
    struct service service;
    uint64_t median, most; /* requests that the candidate may have had */
} bad_kinds[] = {
    {"errs 5 % of the time", {0.05, 0.0002, 1, 0.5, 0, false}, 150, 400},
    {"errs 1 % of the time", {0.01, 0.0002, 1, 0.5, 0, false}, 1500, 4000},
    {"5 times as slow, times that vary little", {0.0002, 0.0002, 5, 0.1, 0, false}, 120, 200},
    {"5 times as slow, times that vary", {0.0002, 0.0002, 5, 1, 0, false}, 120, 400},
    {"twice as slow, times that vary", {0.0002, 0.0002, 2, 1, 0, false}, 4000, 20000},
};

START_TEST(bad_roll_outs_are_caught_soon)
{
    uint64_t requests[ROLL_OUTS];
    for (uint64_t seed = 0; seed < ROLL_OUTS; seed++) {
        struct end end = roll_out(&bad_kinds[_i].service, 1000 * seed + (uint64_t)_i);
        ck_assert_msg(end.rolled_back, "%s: seed %" PRIu64, bad_kinds[_i].name, seed);
        requests[seed] = end.requests;
    }
    qsort(requests, ROLL_OUTS, sizeof *requests, by_size);
    printf("%s: rolled back after %" PRIu64 " requests (median), %" PRIu64 " at most\n", bad_kinds[_i].name,
           requests[ROLL_OUTS / 2], requests[ROLL_OUTS - 1]);
    ck_assert_uint_le(requests[ROLL_OUTS / 2], bad_kinds[_i].median);
    ck_assert_uint_le(requests[ROLL_OUTS - 1], bad_kinds[_i].most);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        nothing_is_known_at_first,
        time_and_requests_advance_it,
        few_errors_hold_it_and_more_end_it,
        one_error_is_no_reason_whatever_is_allowed,
        within_the_bound_but_far_worse_than_stable_is_too_much,
        what_breaks_both_is_not_the_candidates_fault,
        the_99th_percentile_is_bound,
        what_lies_in_the_bucket_of_the_bound_does_not_break_it,
        no_single_look_breaks_a_bound,
        only_half_as_slow_again_is_too_slow,
        what_nobody_feels_is_not_too_slow,
        a_few_slow_answers_are_no_reason,
        ranks_count_ties_half,
        what_it_does_not_serve_is_compared,
        agreement_and_accuracy_are_bound,
        NULL,
    };
    Suite *suite = suite_create("judge");
    suite_add(suite, "judge", set_up, NULL, tests);
    TCase *group = suite_group(suite, "roll-outs", set_up, NULL);
    tcase_add_loop_test(group, good_roll_outs_are_not_rolled_back, 0, COUNT_OF(good_kinds));
    tcase_add_loop_test(group, bad_roll_outs_are_caught_soon, 0, COUNT_OF(bad_kinds));
    return suite_finish(suite);
}
