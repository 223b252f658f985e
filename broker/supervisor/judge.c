/* judge: compares a candidate with what is allowed, and with the stable version beside it.
 *
 * It is asked each second for hours, and an ordinary test that is asked again and again finds something in
 * the end: at 1 % a look, every fourth roll-out of the very same version would be rolled back. So
 * nothing here is an ordinary test. Each is a bet against the candidate, at fair odds as long as it is as
 * good as it should be: the gain of such a bet ("evidence") exceeds 1,000 at any moment of a step with a
 * chance of at most 1 in 1,000, however often one looks (Ville's inequality). A step makes five bets or
 * fewer, a roll-out has some four steps: less than 2 % of good roll-outs are given up, in truth far fewer
 * (the suite of this file counts them). Nothing has to be remembered but the figures since the step began,
 * and no number of looks has to be planned.
 *
 * - Errors and the bound: the stake is spread over rates above the bound, from 1.4 times to thousands of
 * times its odds; each error multiplies, each success divides what stands on a rate by what that rate makes
 * of it. This is the sequential form of the exact binomial test, and needs no minimum: with a bound of 0.1 %
 * four errors in sixty requests are enough.
 * - Errors and the stable version: of all errors, the candidate's part is, when both err equally often, its
 * part of the requests: the two-proportion test that is conditioned on the number of errors, exact where they
 * are rare, as the same bet. What is tested is whether the candidate errs more than twice as often: with
 * enough requests one finds a difference between any two versions.
 * - Requests that a version did not serve (its queue was full, the deadline passed in it, the input was
 *   refused) are nobody's error, but a candidate of which far more are lost than of the stable version does
 * harm: the same bet, and the difference must be a percent at least, since what is lost is lost in bursts.
 * - The 99th percentile and the bound: no more than 1 % may take longer: a binomial again, which is what a
 *   confidence bound of an order statistic is, without any assumption on how times are distributed.
 * - Times and the stable version: ranks (Mann-Whitney), since times have tails that no mean survives, on the
 *   buckets of the histograms with their ties. The stable version's times are made half as long again first:
 * so the question is not whether the candidate is slower, but whether it is more than 1.5 times as slow. The
 *   bet is Robbins's on a normal sum, whose variance is the larger of the null's (with ties) and the one
 *   estimated from the placements. It is asked only while the candidate has at most half of the requests:
 * with more, its workers have more to do than the stable version's, and would be blamed for it.
 *
 *  * What is wrong must be so in more than one look: the one that brought most errors does not count for
 * errors, nor the one with most long times for the bound on times, nor the one that left most unserved.
 * Requests of one moment share its fate (a batch that fails, a host that stands still), and are no more than
 * one witness.
 *
 * When the candidate breaks a bound and the stable version breaks it as surely at the same time, and the
 * candidate not more than twice as often, the cause is elsewhere (the host, a flood): then the roll-out
 * holds, since going back would help nobody.
 *
 * All comparisons with the stable version take the requests of both for the same: so they are when the route
 * deals them by chance. Where it deals them by key each version has its own clients, and one of them that
 * does odd things, and many, can make the difference.
 *
 * To be rolled back something must be sure. To go on, it is enough that the figures themselves are within the
 * bounds, after the time and the requests that the operator wants to have seen.
 * SPDX-License-Identifier: MIT */
#include "judge.h"

#include "clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define EVIDENCE       1000.0 /* what is called sure */
#define TIMES_AS_OFTEN 2.0    /* errors of the candidate per error of the stable version that are borne */
#define TIMES_AS_SLOW  1.5
#define UNSERVED_MORE  0.01  /* of the requests */
#define SHARE_BESIDE   0.5   /* times are compared up to this share */
#define TAIL           0.01  /* what is above the 99th percentile */
#define RANK_EXPECTED  100.0 /* pairs of samples at which the rank test is keenest */
#define RANK_SMALLEST  20    /* of each, before a sum of ranks is taken for normal */

enum { STAKES = 24 }; /* odds of 2^(1/2) to 2^12 times the bound's */

/* ---- bets ---- */

/* The logarithm of what a bet has gained by now: that of `count` more than a share of `bound` are bad. */
static double bet(double bad, double count, double bound)
{
    double shares[STAKES], most = -INFINITY, sum = 0;
    if (bound <= 0) /* none at all is allowed */
        return bad > 0 ? INFINITY : 0;
    bound = bound > 0.999 ? 0.999 : bound;
    for (int i = 0; i < STAKES; i++) {
        double odds = bound / (1 - bound) * exp2((i + 1) / 2.0);
        double rate = odds / (1 + odds);
        shares[i] = bad * log(rate / bound) + (count - bad) * (log1p(-rate) - log1p(-bound));
        most = fmax(most, shares[i]);
    }
    for (int i = 0; i < STAKES; i++)
        sum += exp(shares[i] - most);
    return most + log(sum / STAKES);
}

/* The same for: the candidate is bad more than `times` as often as the stable version. */
static double bet_between(double bad, double count, double stable_bad, double stable_count, double times)
{
    if (count <= 0 || stable_count <= 0)
        return 0;
    double part = times * count / (times * count + stable_count);
    return bet(bad, bad + stable_bad, part);
}

static bool is_sure(double gain)
{
    return gain >= log(EVIDENCE);
}

/* ---- ranks ---- */

/* What comparing each request of one version with each of the other gives. */
struct ranks {
    double slower;   /* pairs in which the candidate took longer, ties counted half, 0 to 1 */
    double variance; /* of that */
};

/* The stable version's buckets as they would be if it took `slack` times as long; rounded up. */
static void stretch(const struct latency *latency, double slack, struct latency *stretched)
{
    *stretched = (struct latency){0};
    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        if (latency->counts[i] > 0)
            stretched->counts[latency_bucket((int64_t)((double)latency_bound(i) * slack) - 1)] +=
                latency->counts[i];
}

/* Sums over the buckets, of one side seen from the other. */
struct placements {
    double sum, squares; /* of the share of the other side that is below, ties half */
    double ties;         /* sum of t^3 - t, t = what both have in a bucket */
};

static struct placements place(const struct latency *left, const struct latency *right, double right_count)
{
    struct placements result = {0};
    double below = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        double here = (double)left->counts[i], there = (double)right->counts[i], both = here + there;
        double share = (below + there / 2) / right_count;
        result.sum += here * share;
        result.squares += here * share * share;
        result.ties += both * both * both - both;
        below += there;
    }
    return result;
}

/* Variance of the mean of `count` placements. */
static double spread(const struct placements *placements, double count)
{
    double mean = placements->sum / count;
    return fmax(0, placements->squares / count - mean * mean) / (count - 1);
}

static struct ranks compare(const struct latency *candidate, const struct latency *stable, double count,
                            double stable_count)
{
    struct placements above = place(candidate, stable, stable_count);
    struct placements below = place(stable, candidate, count);
    double all = count + stable_count;
    double null = (all + 1 - above.ties / (all * (all - 1))) / (12 * count * stable_count);
    double estimated = spread(&above, count) + spread(&below, stable_count);
    return (struct ranks){above.sum / count, fmax(null, estimated)};
}

double judged_slower(const struct judged *candidate, const struct judged *stable, double slack)
{
    struct latency stretched;
    double count = (double)latency_total(&candidate->latency);
    double stable_count = (double)latency_total(&stable->latency);
    if (count <= 0 || stable_count <= 0)
        return 0.5;
    stretch(&stable->latency, slack, &stretched);
    return place(&candidate->latency, &stretched, stable_count).sum / count;
}

/* The logarithm of the gain of the bet that the candidate is more than TIMES_AS_SLOW. */
static double bet_on_ranks(const struct judged *candidate, const struct judged *stable)
{
    struct latency stretched;
    double count = (double)latency_total(&candidate->latency);
    double stable_count = (double)latency_total(&stable->latency);
    if (count < RANK_SMALLEST || stable_count < RANK_SMALLEST)
        return 0;
    stretch(&stable->latency, TIMES_AS_SLOW, &stretched);
    struct ranks ranks = compare(&candidate->latency, &stretched, count, stable_count);
    if (ranks.slower <= 0.5 || ranks.variance <= 0)
        return 0;
    double samples = count * stable_count / (count + stable_count);
    double square = (ranks.slower - 0.5) * (ranks.slower - 0.5) / ranks.variance;
    return square / 2 * samples / (samples + RANK_EXPECTED) - log1p(samples / RANK_EXPECTED) / 2;
}

/* ---- figures ---- */

uint64_t judged_requests(const struct judged *judged)
{
    return judged->answered + judged->errors;
}

double judged_error_rate(const struct judged *judged)
{
    uint64_t requests = judged_requests(judged);
    return requests == 0 ? 0 : (double)judged->errors / (double)requests;
}

static double unserved_rate(const struct judged *judged)
{
    double all = (double)(judged_requests(judged) + judged->unserved);
    return all > 0 ? (double)judged->unserved / all : 0;
}

uint64_t judged_longer(const struct judged *judged, int64_t bound)
{
    uint64_t count = 0;
    for (size_t i = latency_bucket(bound) + 1; i < LATENCY_BUCKETS; i++)
        count += judged->latency.counts[i];
    return count;
}

static double share_of(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

static double milliseconds(int64_t nanoseconds)
{
    return (double)nanoseconds / 1e6;
}

/* ---- what may be wrong ---- */

/* NULL in none of them: `reason` is filled in and the answer is theirs. */
struct verdict {
    enum judge_answer answer; /* CONTINUE: nothing to object to */
    char *reason;
};

#define SAY(verdict, ...) snprintf((verdict)->reason, JUDGE_REASON_BYTES, __VA_ARGS__)

static double bad_of(const struct judged_share *share)
{
    return (double)(share->count - share->good);
}

/* That bet without the worst look; where nothing bad is allowed at all, one is enough. */
static double bet_on_bound(uint64_t bad, uint64_t count, const struct judged_share *worst, double bound)
{
    if (bound <= 0)
        return bet((double)bad, (double)count, bound);
    return bet((double)bad - bad_of(worst), (double)(count - worst->count), bound);
}

/* A bound that the candidate surely breaks: unless the stable version does, too, and not much less. */
static enum judge_answer broken(double bad, double count, double stable_bad, double stable_count,
                                double bound)
{
    bool both = is_sure(bet(stable_bad, stable_count, bound)) && stable_count > 0 &&
                bad / count <= TIMES_AS_OFTEN * stable_bad / stable_count;
    return both ? JUDGE_HOLD : JUDGE_ROLL_BACK;
}

static void check_errors(const struct judge_case *facts, struct verdict *verdict)
{
    const struct judged *candidate = facts->candidate, *stable = facts->stable;
    double requests = (double)judged_requests(candidate), bound = facts->bounds.max_error_rate;
    double stable_requests = (double)judged_requests(stable);
    double errors = (double)candidate->errors, stable_errors = (double)stable->errors;
    if (is_sure(bet_on_bound(candidate->errors, judged_requests(candidate), &facts->worst_errors, bound))) {
        verdict->answer = broken(errors, requests, stable_errors, stable_requests, bound);
        SAY(verdict,
            "%" PRIu64 " of %.0f requests failed (%.3g %%): surely more than %.3g %%; of the stable "
            "version %.3g %% did%s",
            candidate->errors, requests, 100 * errors / requests, 100 * bound,
            100 * judged_error_rate(stable),
            verdict->answer == JUDGE_HOLD ? ", so that the cause is elsewhere" : "");
    } else if (is_sure(bet_between(errors - bad_of(&facts->worst_errors),
                                   requests - (double)facts->worst_errors.count, stable_errors,
                                   stable_requests, TIMES_AS_OFTEN))) {
        verdict->answer = JUDGE_ROLL_BACK;
        SAY(verdict,
            "%" PRIu64 " of %.0f requests failed (%.3g %%): surely more than twice as often as of the "
            "stable version (%" PRIu64 " of %.0f, %.3g %%)",
            candidate->errors, requests, 100 * errors / requests, stable->errors, stable_requests,
            100 * judged_error_rate(stable));
    }
}

static void check_unserved(const struct judge_case *facts, struct verdict *verdict)
{
    const struct judged *candidate = facts->candidate, *stable = facts->stable;
    double all = (double)(judged_requests(candidate) + candidate->unserved);
    double stable_all = (double)(judged_requests(stable) + stable->unserved);
    double rate = unserved_rate(candidate), stable_rate = unserved_rate(stable);
    if (rate < stable_rate + UNSERVED_MORE ||
        !is_sure(bet_between((double)candidate->unserved - bad_of(&facts->worst_unserved),
                             all - (double)facts->worst_unserved.count, (double)stable->unserved, stable_all,
                             TIMES_AS_OFTEN)))
        return;
    verdict->answer = JUDGE_ROLL_BACK;
    SAY(verdict,
        "%" PRIu64 " of %.0f requests were not served (%.3g %%), of the stable version %.3g %%: it "
        "does not bear its load",
        candidate->unserved, all, 100 * rate, 100 * stable_rate);
}

static void check_p99(const struct judge_case *facts, struct verdict *verdict)
{
    const struct latency *candidate = &facts->candidate->latency, *stable = &facts->stable->latency;
    int64_t bound = facts->bounds.max_p99;
    uint64_t count = latency_total(candidate), longer = judged_longer(facts->candidate, bound);
    if (bound == 0 || !is_sure(bet_on_bound(longer, count, &facts->worst_times, TAIL)))
        return;
    verdict->answer = broken((double)longer, (double)count, (double)judged_longer(facts->stable, bound),
                             (double)latency_total(stable), TAIL);
    SAY(verdict,
        "%" PRIu64 " of %" PRIu64 " answers (%.3g %%) took longer than %.4g ms: the 99th percentile "
        "(%.4g ms, of the stable version %.4g ms) is surely above it%s",
        longer, count, 100 * share_of(longer, count), milliseconds(bound),
        milliseconds(latency_quantile(candidate, 0.99)), milliseconds(latency_quantile(stable, 0.99)),
        verdict->answer == JUDGE_HOLD ? "; so it is of the stable version, and the cause is elsewhere" : "");
}

static void check_ranks(const struct judge_case *facts, struct verdict *verdict)
{
    const struct judged *candidate = facts->candidate, *stable = facts->stable;
    if (facts->share > SHARE_BESIDE || !is_sure(bet_on_ranks(candidate, stable)))
        return;
    verdict->answer = JUDGE_ROLL_BACK;
    SAY(verdict,
        "surely more than %g times as slow as the stable version: median %.4g ms and %.4g ms, slower "
        "in %.3g %% of all pairs of %" PRIu64 " and %" PRIu64 " answers",
        TIMES_AS_SLOW, milliseconds(latency_quantile(&candidate->latency, 0.5)),
        milliseconds(latency_quantile(&stable->latency, 0.5)), 100 * judged_slower(candidate, stable, 1),
        latency_total(&candidate->latency), latency_total(&stable->latency));
}

static void check_share(const struct judged_share *share, double bound, const char *what,
                        struct verdict *verdict)
{
    if (bound <= 0 || share->count == 0 ||
        !is_sure(bet((double)(share->count - share->good), (double)share->count, 1 - bound)))
        return;
    verdict->answer = JUDGE_ROLL_BACK;
    SAY(verdict, "%s: %" PRIu64 " of %" PRIu64 " answers (%.4g %%): surely less than %.4g %%", what,
        share->good, share->count, 100 * share_of(share->good, share->count), 100 * bound);
}

static void check_agreement(const struct judge_case *facts, struct verdict *verdict)
{
    check_share(&facts->agreement, facts->bounds.min_agreement, "agrees with the stable version", verdict);
}

static void check_accuracy(const struct judge_case *facts, struct verdict *verdict)
{
    check_share(&facts->accuracy, facts->bounds.min_accuracy, "right", verdict);
}

/* ---- what may be missing ---- */

static bool lacks_share(const struct judged_share *share, double bound, uint64_t wanted, const char *what,
                        struct verdict *verdict)
{
    if (bound <= 0 || (share->count >= wanted && share_of(share->good, share->count) >= bound))
        return false;
    if (share->count < wanted)
        SAY(verdict, "waits for more traffic: %s of %" PRIu64 " answers is known, of %" PRIu64 " it must be",
            what, share->count, wanted);
    else
        SAY(verdict, "%s is %.4g %%, not surely less than %.4g %%, but not that much either", what,
            100 * share_of(share->good, share->count), 100 * bound);
    return true;
}

static bool lacks_something(const struct judge_case *facts, struct verdict *verdict)
{
    const struct judge_bounds *bounds = &facts->bounds;
    const struct judged *candidate = facts->candidate;
    uint64_t requests = judged_requests(candidate);
    double longer = share_of(judged_longer(candidate, bounds->max_p99), latency_total(&candidate->latency));
    if (requests < bounds->min_requests)
        SAY(verdict, "waits for more traffic: %" PRIu64 " of at least %" PRIu64 " requests", requests,
            bounds->min_requests);
    else if (judged_error_rate(candidate) > bounds->max_error_rate)
        SAY(verdict, "%" PRIu64 " of %" PRIu64 " requests failed: more than %.3g %%, but too few to be sure",
            candidate->errors, requests, 100 * bounds->max_error_rate);
    else if (bounds->max_p99 > 0 && longer > TAIL)
        SAY(verdict, "%.3g %% of the answers took longer than %.4g ms: too many, but not surely",
            100 * longer, milliseconds(bounds->max_p99));
    else
        return lacks_share(&facts->agreement, bounds->min_agreement, bounds->min_requests, "agreement",
                           verdict) ||
               lacks_share(&facts->accuracy, bounds->min_accuracy, bounds->min_requests, "accuracy", verdict);
    return true;
}

/* ---- the answer ---- */

static void say_figures(const struct judge_case *facts, const char *what, struct verdict *verdict)
{
    const struct judged *candidate = facts->candidate, *stable = facts->stable;
    SAY(verdict,
        "%s: %" PRIu64 " of %" PRIu64 " requests failed, p99 %.4g ms; of the stable version %" PRIu64
        " of %" PRIu64 ", %.4g ms",
        what, candidate->errors, judged_requests(candidate),
        milliseconds(latency_quantile(&candidate->latency, 0.99)), stable->errors, judged_requests(stable),
        milliseconds(latency_quantile(&stable->latency, 0.99)));
}

struct judgement judge(const struct judge_case *facts)
{
    static void (*const checks[])(const struct judge_case *, struct verdict *) = {
        check_errors, check_p99, check_ranks, check_agreement, check_accuracy, check_unserved};
    struct judgement judgement = {.answer = JUDGE_CONTINUE};
    struct verdict verdict = {JUDGE_CONTINUE, judgement.reason};
    for (size_t i = 0; i < COUNT_OF(checks) && verdict.answer != JUDGE_ROLL_BACK; i++)
        checks[i](facts, &verdict);
    if (verdict.answer == JUDGE_CONTINUE && !facts->time_is_over) {
        say_figures(facts, "nothing is wrong so far", &verdict);
    } else if (verdict.answer == JUDGE_CONTINUE) {
        verdict.answer = lacks_something(facts, &verdict) ? JUDGE_HOLD : JUDGE_ADVANCE;
        if (verdict.answer == JUDGE_ADVANCE)
            say_figures(facts, "within the bounds", &verdict);
    }
    judgement.answer = verdict.answer;
    return judgement;
}

const char *judge_answer_name(enum judge_answer answer)
{
    static const char *const names[] = {
#define X(name, text) [JUDGE_##name] = text,
        JUDGE_ANSWERS(X)
#undef X
    };
    ENSURE(answer < JUDGE_ANSWER_COUNT);
    return names[answer];
}
