/* scale: see scale.h.
 *
 * The measure is demand: how many workers are kept busy. It is what they computed in the time between two
 * looks, and by how much more waits than before, in workers. Two looks in a row that show too much of it
 * (workers busy above up_percent, or a wait above target_wait) bring as many workers as make it comfortable:
 * in the middle between up_percent and down_percent. A single look is no reason: a burst of a second is over
 * before a worker has started.
 *
 * One worker goes when demand has been low for down_after without a break, and only when the highest that it
 * was in that time is comfortable for those who stay. That alone would not keep a version from going up and
 * down all day: waits depend on how evenly requests come, too. So it is remembered for what demand a number
 * of workers was too few, and that number is not gone back to within the hour unless demand has clearly
 * fallen since. SPDX-License-Identifier: MIT */
#include "scale.h"

#include "clock.h"

#include <math.h>

enum { HIGH_LOOKS = 2, SOON_LOOKS = 5 };

#define REMEMBERED   (3600 * SECOND)
#define CLEARLY_LESS 0.7

static int64_t bounded(const struct scale_pilot *pilot, int64_t target)
{
    return target < pilot->min ? pilot->min : target > pilot->max ? pilot->max : target;
}

/* What was going on is over. */
static void forget_trend(struct scale_pilot *pilot)
{
    pilot->low_since = 0;
    pilot->high_looks = 0;
    pilot->high_demand = pilot->peak = 0;
}

static void set_target(struct scale_pilot *pilot, int64_t target)
{
    if (target != pilot->target)
        forget_trend(pilot);
    pilot->target = target;
}

void scale_bound(struct scale_pilot *pilot, int64_t min, int64_t max)
{
    pilot->min = min;
    pilot->max = max;
    set_target(pilot, bounded(pilot, pilot->target));
}

bool scale_wake(struct scale_pilot *pilot)
{
    if (pilot->target > 0 || pilot->max == 0)
        return false;
    set_target(pilot, 1);
    pilot->idle_since = 0;
    return true;
}

/* What has happened since the look before. */
struct trend {
    bool known; /* false when that cannot be told, as after a new broker's start */
    bool used;  /* somebody asked for something */
    double demand;
    int64_t wait; /* ns that the wait has grown */
};

static struct trend measure(struct scale_pilot *pilot, const struct scale_seen *seen)
{
    int64_t passed = seen->now - pilot->seen_at, computed = seen->busy - pilot->busy;
    struct trend trend = {.known = pilot->seen_at != 0 && passed > 0 && computed >= 0,
                          .used = computed != 0 || seen->open > 0,
                          .wait = seen->wait - pilot->wait};
    double came = (double)computed + (double)trend.wait * (double)seen->workers;
    trend.demand = trend.known && came > 0 ? came / (double)passed : 0;
    pilot->seen_at = seen->now;
    pilot->busy = seen->busy;
    pilot->wait = seen->wait;
    return trend;
}

/* Too much is asked of the workers that there are. A queue that will soon be empty is no reason: it is from
 * before they came. */
static bool is_high(const struct scale_rule *rule, const struct scale_seen *seen, const struct trend *trend)
{
    bool waits = seen->wait > rule->target_wait && seen->wait > -trend->wait * SOON_LOOKS;
    return waits || trend->demand * 100 > (double)rule->up_percent * (double)seen->workers;
}

/* The number of workers that is comfortable with that demand. */
static double comfortable(const struct scale_rule *rule, double demand)
{
    return demand * 200 / (double)(rule->up_percent + rule->down_percent);
}

static void go_up(struct scale_pilot *pilot, const struct scale_rule *rule, const struct scale_seen *seen)
{
    double demand = pilot->high_demand / pilot->high_looks;
    int64_t others = seen->workers > seen->running ? seen->workers - seen->running : 0;
    double needed = ceil(comfortable(rule, demand)) - (double)others;
    int64_t target = needed > SCALE_WORKERS_MAX ? SCALE_WORKERS_MAX : (int64_t)needed;
    int64_t most = pilot->target + (seen->room > 0 ? seen->room : 0);
    target = target <= pilot->target ? pilot->target + 1 : target;
    target = bounded(pilot, target > most ? most : target);
    pilot->high_looks = 0;
    pilot->high_demand = 0;
    if (target == pilot->target)
        return;
    pilot->too_few[pilot->target].at = seen->now;
    pilot->too_few[pilot->target].demand = demand;
    set_target(pilot, target);
}

/* True when so many workers would do for the demand that there was. */
static bool would_do(const struct scale_pilot *pilot, const struct scale_rule *rule, int64_t workers,
                     int64_t now)
{
    bool failed = pilot->too_few[workers].at != 0 && now - pilot->too_few[workers].at < REMEMBERED;
    return comfortable(rule, pilot->peak) <= (double)workers &&
           (!failed || pilot->peak < CLEARLY_LESS * pilot->too_few[workers].demand);
}

static void go_down(struct scale_pilot *pilot, const struct scale_rule *rule, const struct scale_seen *seen,
                    double demand)
{
    if (pilot->low_since == 0)
        pilot->low_since = seen->now;
    if (demand > pilot->peak)
        pilot->peak = demand;
    if (seen->now - pilot->low_since < rule->down_after)
        return;
    int64_t fewer = pilot->target - 1;
    if (fewer >= pilot->min && fewer >= 1 && would_do(pilot, rule, fewer, seen->now))
        set_target(pilot, fewer);
    pilot->low_since = seen->now; /* the next one has its own time */
    pilot->peak = 0;
}

/* The last worker goes when nothing is asked, however small the demand before was. */
static void rest_when_idle(struct scale_pilot *pilot, const struct scale_rule *rule,
                           const struct scale_seen *seen, bool used)
{
    if (used || !seen->known)
        pilot->idle_since = 0;
    else if (pilot->idle_since == 0)
        pilot->idle_since = seen->now;
    else if (pilot->min == 0 && seen->now - pilot->idle_since >= rule->idle)
        set_target(pilot, 0);
}

/* More are on their way, or nothing is known: what is seen now says nothing of what they will do. */
static bool is_blind(const struct scale_pilot *pilot, const struct scale_seen *seen,
                     const struct trend *trend)
{
    return !trend->known || seen->workers == 0 || seen->running < pilot->target;
}

int64_t scale_look(struct scale_pilot *pilot, const struct scale_rule *rule, const struct scale_seen *seen)
{
    struct trend trend = measure(pilot, seen);
    if (pilot->min == pilot->max)
        return pilot->target;
    if (pilot->target == 0) {
        if (seen->open > 0 || !seen->known)
            scale_wake(pilot);
        return pilot->target;
    }
    rest_when_idle(pilot, rule, seen, trend.used || seen->running < pilot->target);
    bool blind = is_blind(pilot, seen, &trend), high = !blind && is_high(rule, seen, &trend);
    bool low = !blind && !high && trend.demand * 100 < (double)rule->down_percent * (double)seen->workers;
    if (!high) {
        pilot->high_looks = 0;
        pilot->high_demand = 0;
    }
    if (high) {
        pilot->high_demand += trend.demand;
        if (++pilot->high_looks >= HIGH_LOOKS)
            go_up(pilot, rule, seen);
    }
    if (low) {
        go_down(pilot, rule, seen, trend.demand);
    } else if (!blind) {
        pilot->low_since = 0;
        pilot->peak = 0;
    }
    return pilot->target;
}
