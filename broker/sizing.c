/* sizing: see sizing.h.
 *
 * A row in a larger batch costs less, down to what the model itself takes for a row; from there on a larger
 * batch only makes everybody in it wait longer. How soon that is depends on the model and on the machine. So
 * each size of the curve has what workers measured of it (worker/warm_up.c), and the fewest rows win that
 * cost nearly as little as the best.
 *
 * What was measured at load is where it begins; what batches take in truth corrects it. Machines are now
 * quick and now slow, for all sizes alike, so a batch is held against those just before it: how much slower
 * than told the last dozen was is the slowness that all sizes share, and what one size takes more or less
 * than that is its shape. Both are means of logarithms: then noise, however much, does not move a shape, and
 * a machine that becomes slower hardly does. Sizes beside the chosen one are tried now and then. One batch
 * counts for no more than four times what was expected of it: somebody else had the core.
 *
 * The knee of the curve is not all: batches that are over before anybody would notice are not made smaller.
 *
 * serving.c teaches it with each result and asks it before each batch; model.c tells it what READY said.
 * SPDX-License-Identifier: MIT */
#include "sizing.h"

#include "clock.h"

#include <math.h>

/* A row may cost so much more than in the best batch. */
#define HARDLY_MORE 1.05
/* And so much when somebody's time is short. */
#define IN_A_HURRY 1.25
/* A batch that takes less is not made smaller: nobody would notice that he is answered sooner, and each batch
 * is a turn of messages and processes. */
#define UNNOTICED (10.0 * (double)MILLISECOND)
/* One batch counts for no more than so many times what was expected, and no less than such a part. */
#define OUTLIER 4
/* Of the slowness, with each batch; and of what passes between them. */
#define FORGETS         (1.0 / 16)
#define FORGETS_BETWEEN (1.0 / 64)

enum {
    SETTLED = 64,      /* batches, after which shapes are learned */
    SURE = 8,          /* batches of a size, after which it is tried less often */
    SHAPE_OF = 1024,   /* batches whose mean a shape is, at most */
    CHOOSE_EVERY = 16, /* batches */
    TRY_SOON = 64,     /* batches of the chosen size for one of another, until that has been seen so often */
    TRY_LATER = 8      /* times as many then: so few that their rows are not in the p99 */
};

/* ---- the curve ---- */

static double shape_at(const struct sizing *sizing, const struct sizing_point *point)
{
    (void)sizing;
    return point->told * point->shape;
}

static double cost_at(const struct sizing *sizing, const struct sizing_point *point)
{
    return point->told * point->shape * exp(sizing->slowness) + fmax(0, sizing->between);
}

static double row_cost(const struct sizing *sizing, size_t at)
{
    return cost_at(sizing, &sizing->points[at]) / sizing->points[at].rows;
}

int64_t sizing_cost(const struct sizing *sizing, size_t at)
{
    ENSURE(at < sizing->count);
    return (int64_t)ceil(cost_at(sizing, &sizing->points[at]));
}

/* The last size of no more than so many rows; the first, where all have more. */
static size_t size_below(const struct sizing *sizing, uint32_t rows)
{
    size_t at = sizing->count - 1;
    while (at > 0 && sizing->points[at].rows > rows)
        at--;
    return at;
}

/* That of so many rows: between two sizes in proportion, beyond the last as a row of it. */
static double between(const struct sizing *sizing, uint32_t rows,
                      double (*value)(const struct sizing *, const struct sizing_point *))
{
    size_t at = size_below(sizing, rows);
    const struct sizing_point *point = &sizing->points[at], *next = point + 1;
    double here = value(sizing, point);
    if (rows <= point->rows)
        return here;
    if (at + 1 == sizing->count)
        return here / point->rows * rows;
    double share = (double)(rows - point->rows) / (double)(next->rows - point->rows);
    return here + (value(sizing, next) - here) * share;
}

/* ---- what is chosen ---- */

/* What a row costs in the best batch. */
static double best_row_cost(const struct sizing *sizing)
{
    double best = row_cost(sizing, 0);
    for (size_t i = 1; i < sizing->count; i++)
        best = fmin(best, row_cost(sizing, i));
    return best;
}

/* The first size at which a row costs no more than that. */
static size_t first_within(const struct sizing *sizing, double most)
{
    size_t at = 0;
    while (row_cost(sizing, at) > most)
        at++;
    return at;
}

static void choose(struct sizing *sizing)
{
    double most = best_row_cost(sizing) * HARDLY_MORE;
    size_t chosen = first_within(sizing, most);
    for (size_t i = chosen + 1; i < sizing->count; i++)
        if (cost_at(sizing, &sizing->points[i]) <= UNNOTICED && row_cost(sizing, i) <= most)
            chosen = i;
    sizing->chosen = sizing->points[chosen].rows;
}

/* The size at which to look now instead of the one at `at`: larger ones and smaller ones in turn. */
static size_t tried(const struct sizing *sizing, size_t at)
{
    uint64_t turn = sizing->full / TRY_SOON;
    bool larger = turn % 2 == 0;
    if (sizing->full % TRY_SOON != TRY_SOON - 1 || (larger ? at + 1 == sizing->count : at == 0))
        return at;
    size_t other = larger ? at + 1 : at - 1;
    bool sure = sizing->points[other].seen >= SURE;
    return sure && turn % TRY_LATER >= 2 ? at : other;
}

uint32_t sizing_rows(const struct sizing *sizing, uint32_t most)
{
    if (sizing->chosen == 0)
        return most;
    uint32_t rows = sizing->points[tried(sizing, size_below(sizing, sizing->chosen))].rows;
    return rows < most ? rows : most;
}

uint32_t sizing_in_time(const struct sizing *sizing, uint32_t rows, int64_t left)
{
    if (sizing->chosen == 0)
        return rows;
    if (between(sizing, rows, cost_at) <= (double)left)
        return rows;
    size_t least = first_within(sizing, best_row_cost(sizing) * IN_A_HURRY), at = size_below(sizing, rows);
    if (sizing->points[least].rows >= rows)
        return rows;
    while (at > least && cost_at(sizing, &sizing->points[at]) > (double)left)
        at--;
    return sizing->points[at].rows;
}

/* ---- what is told ---- */

/* The size of so many rows, made where there is none; NULL when there are too many. */
static struct sizing_point *require(struct sizing *sizing, uint32_t rows)
{
    size_t at = 0;
    while (at < sizing->count && sizing->points[at].rows < rows)
        at++;
    struct sizing_point *point = &sizing->points[at];
    if (at < sizing->count && point->rows == rows)
        return point;
    if (sizing->count == SCHEMA_COSTS_MAX)
        return NULL;
    memmove(point + 1, point, (sizing->count - at) * sizeof *point);
    sizing->count++;
    *point = (struct sizing_point){.rows = rows, .guessed = true, .shape = 1};
    return point;
}

/* Whatever else runs on a machine makes a batch slower. But a batch takes no longer than a larger one, and no
 * longer than the two of half its rows: so one bad moment, or several, are found by their neighbours. A size
 * that does take longer than two of the half is as good as that is, and so not chosen. */
static void mend(struct sizing *sizing)
{
    struct sizing_point *points = sizing->points;
    for (size_t i = sizing->count; i-- > 1;)
        points[i - 1].told = fmin(points[i - 1].told, points[i].told);
    for (size_t i = 1; i < sizing->count; i++)
        points[i].told =
            fmin(points[i].told, points[i - 1].told * ceil((double)points[i].rows / points[i - 1].rows));
}

/* Rows beyond what was measured cost what those between the last two sizes do; half of what a row of the only
 * one does. It is rather too little, so that the size is tried. */
static void guess(struct sizing *sizing, uint32_t most)
{
    while (sizing->count > 0 && sizing->count < SCHEMA_COSTS_MAX &&
           sizing->points[sizing->count - 1].rows < most) {
        const struct sizing_point *last = &sizing->points[sizing->count - 1];
        double a_row = last->told / last->rows, slope = a_row / 2;
        if (sizing->count > 1)
            slope = fmax(0, fmin(a_row, (last->told - last[-1].told) / (last->rows - last[-1].rows)));
        uint32_t rows = last->rows > most / 2 ? most : last->rows * 2;
        double told = last->told + slope * (rows - last->rows);
        require(sizing, rows)->told = told;
    }
}

static void forget_guesses(struct sizing *sizing)
{
    size_t kept = 0;
    for (size_t i = 0; i < sizing->count; i++)
        if (!sizing->points[i].guessed)
            sizing->points[kept++] = sizing->points[i];
    sizing->count = kept;
}

void sizing_expect(struct sizing *sizing, const struct schema_cost *costs, size_t count, uint32_t most)
{
    struct sizing before = *sizing;
    forget_guesses(sizing);
    for (size_t i = 0; i < count; i++) {
        double told = fmax(1, costs[i].us) * (double)MICROSECOND;
        struct sizing_point *point = costs[i].rows == 0 ? NULL : require(sizing, costs[i].rows);
        if (point == NULL)
            continue;
        point->told = point->guessed ? told : fmin(point->told, told);
        point->guessed = false;
    }
    mend(sizing);
    guess(sizing, most);
    for (size_t i = 0; i < before.count; i++) { /* what a guessed one has learned is as true as before */
        struct sizing_point *point = &sizing->points[size_below(sizing, before.points[i].rows)];
        if (point->rows == before.points[i].rows && before.points[i].seen > 0) {
            point->shape = before.points[i].shape * before.points[i].told / point->told;
            point->seen = before.points[i].seen;
        }
    }
    if (sizing->count > 0)
        choose(sizing);
}

/* ---- what is learned ---- */

/* The size that is nearest, in proportion. */
static struct sizing_point *nearest(struct sizing *sizing, uint32_t rows)
{
    struct sizing_point *point = &sizing->points[size_below(sizing, rows)];
    bool last = point + 1 == sizing->points + sizing->count;
    return !last && (double)rows * rows > (double)point->rows * point[1].rows ? point + 1 : point;
}

void sizing_learn(struct sizing *sizing, uint32_t rows, int64_t took)
{
    if (sizing->count == 0 || rows == 0 || took < 0)
        return;
    struct sizing_point *point = nearest(sizing, rows);
    double slower = log(fmax(1, (double)took) / between(sizing, rows, shape_at));
    slower -= sizing->slowness; /* than those before it */
    slower = fmax(-log(OUTLIER), fmin(slower, log(OUTLIER)));
    if (sizing->learned++ >= SETTLED) { /* else it is not yet known how slow the machine is */
        point->shape *= exp(slower / (point->seen + 2));
        point->seen += point->seen + 2 < SHAPE_OF;
    }
    sizing->slowness += slower * FORGETS;
    if (sizing->learned % CHOOSE_EVERY == 0)
        choose(sizing);
}

void sizing_learn_between(struct sizing *sizing, int64_t passed)
{
    sizing->between += ((double)passed - sizing->between) * FORGETS_BETWEEN;
}
