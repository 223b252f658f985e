/* limit: see limit.h. Pure but for its tables: no clock, no sockets.
 *
 * GCRA in integers. At a rate of R in 1000 s each cell costs 10^12 / R nanoseconds, which is a whole number
 * for few rates; what is left over is kept beside the theoretical arrival time as a part of a nanosecond with
 * the denominator R. So nothing is ever rounded: in any time t after a rest exactly burst + R t cells come
 * through, after an hour as after a second.
 *
 * A request has up to six limits. All are looked at before any is changed: who is refused by one is charged
 * by none. Owned by broker.c (limiting.c speaks for it). SPDX-License-Identifier: MIT */
#include "limit.h"

#include "clock.h"
#include "config.h"

#include <stdlib.h>
#include <sys/random.h>

enum { LIMITS_MAGIC = 0x01114175 };

#define SECOND_OF_RATE UINT64_C(1000000000000) /* 1000 s in ns: what per_1000s counts in */

const char *limit_name(enum limit_of of, enum limit_in in)
{
    static const char *const names[LIMIT_OF_COUNT][LIMIT_IN_COUNT] = {
#define X(name, requests, rows) [LIMIT_OF_##name] = {requests, rows},
        LIMIT_SUBJECTS(X)
#undef X
    };
    return names[of][in];
}

/* ---- one limit ---- */

struct limit_rate limit_rate(double per_s, double burst)
{
    struct limit_rate rate = {0};
    double most = LIMIT_RATE_MAX;
    if (!(per_s > 0))
        return rate;
    rate.per_1000s = (uint64_t)((per_s < most ? per_s : most) * 1000 + 0.5);
    rate.per_1000s += rate.per_1000s == 0;
    uint64_t longest = rate.per_1000s * (LIMIT_SPAN_MAX_S / 1000);
    most = (double)(longest < LIMIT_BURST_MAX ? longest : LIMIT_BURST_MAX);
    rate.burst = (uint64_t)(burst < most ? burst : most);
    rate.burst += rate.burst == 0;
    struct limit_state span = limit_cost(&rate, rate.burst);
    rate.span = span.at;
    rate.rest = span.part;
    return rate;
}

struct limit_state limit_cost(const struct limit_rate *rate, uint64_t cells)
{
    unsigned __int128 total = (unsigned __int128)cells * SECOND_OF_RATE;
    return (struct limit_state){(int64_t)(total / rate->per_1000s), (uint64_t)(total % rate->per_1000s)};
}

/* The state after so many cells more. Who comes in the very nanosecond in which his time has come is as good
 * as punctual: else each of those who always do would lose the rest of it. */
static struct limit_state after(const struct limit_rate *rate, const struct limit_state *state,
                                uint64_t cells, int64_t now)
{
    struct limit_state next = *state, cost = limit_cost(rate, cells);
    if (next.at + (next.part > 0) < now)
        next = (struct limit_state){now, 0};
    else if (next.part >= rate->per_1000s)
        next.part = 0; /* of another rate */
    next.at += cost.at;
    next.part += cost.part;
    if (next.part >= rate->per_1000s) {
        next.at++;
        next.part -= rate->per_1000s;
    }
    return next;
}

void limit_forgive(const struct limit_rate *rate, struct limit_state *state, int64_t now)
{
    if (state->at - now > rate->span)
        *state = (struct limit_state){now + rate->span, rate->rest};
}

/* How far it is beyond what the burst allows; ns, rounded up. */
static int64_t excess(const struct limit_rate *rate, const struct limit_state *next, int64_t now)
{
    return next->at - now - rate->span + (next->part > rate->rest);
}

int64_t limit_wait(const struct limit_rate *rate, const struct limit_state *state, uint64_t cells,
                   int64_t now)
{
    struct limit_state next = after(rate, state, cells, now);
    return excess(rate, &next, now);
}

void limit_count(const struct limit_rate *rate, struct limit_state *state, uint64_t cells, int64_t now)
{
    *state = after(rate, state, cells, now);
}

/* In parts of a nanosecond, of which there are per_1000s in one, a cell is SECOND_OF_RATE long, whatever the
 * rate, and a burst is as long as all of its cells: what the state is not ahead by is left. */
uint64_t limit_left(const struct limit_rate *rate, const struct limit_state *state, int64_t now)
{
    unsigned __int128 burst = (unsigned __int128)rate->burst * SECOND_OF_RATE;
    if (state->at < now)
        return rate->burst;
    unsigned __int128 ahead = (unsigned __int128)(state->at - now) * rate->per_1000s + state->part;
    return ahead >= burst ? 0 : (uint64_t)((burst - ahead) / SECOND_OF_RATE);
}

int64_t limit_whole_at(const struct limit_state *state, int64_t now)
{
    int64_t at = state->at + (state->part > 0);
    return at < now ? now : at;
}

uint64_t limit_window_s(const struct limit_rate *rate)
{
    return (rate->burst * 1000 + rate->per_1000s - 1) / rate->per_1000s;
}

/* ---- those of a request ---- */

struct limit_rule limit_rule(double requests_per_s, double rows_per_s, double burst_s)
{
    return (struct limit_rule){
        {limit_rate(requests_per_s, requests_per_s * burst_s), limit_rate(rows_per_s, rows_per_s * burst_s)}};
}

bool limit_rule_limits(const struct limit_rule *rule)
{
    return rule->in[LIMIT_IN_REQUESTS].per_1000s != 0 || rule->in[LIMIT_IN_ROWS].per_1000s != 0;
}

void limit_list_add(struct limit_list *list, enum limit_of of, uint64_t whom, const struct limit_rule *rule,
                    uint32_t rows)
{
    for (size_t in = 0; whom != 0 && in < LIMIT_IN_COUNT; in++)
        if (rule->in[in].per_1000s != 0)
            list->limits[list->count++] = (struct limit){.of = of,
                                                         .in = (enum limit_in)in,
                                                         .whom = whom,
                                                         .cells = in == LIMIT_IN_ROWS ? rows : 1,
                                                         .rate = rule->in[in]};
}

const struct limit *limit_list_never(const struct limit_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->limits[i].cells > list->limits[i].rate.burst)
            return &list->limits[i];
    return NULL;
}

void limit_rest_note(struct limit_rest *rest, const struct limit *limit, const struct limit_state *state,
                     int64_t now)
{
    uint64_t left = limit_left(&limit->rate, state, now), requests = left / limit->cells;
    if (rest->name != NULL && requests >= rest->requests)
        return;
    *rest = (struct limit_rest){.name = limit_name(limit->of, limit->in),
                                .quota = limit->rate.burst,
                                .window_s = limit_window_s(&limit->rate),
                                .left = left,
                                .requests = requests,
                                .whole_at = limit_whole_at(state, now)};
}

/* ---- the tables ---- */

/* A place; numbers of places are their index + 1, 0 is none. */
struct place {
    uint64_t whom;
    struct limit_state in[LIMIT_IN_COUNT];
    uint32_t next;         /* in its bucket */
    uint32_t newer, older; /* by when they were heard */
};

struct table {
    struct place *places;
    uint32_t *buckets; /* a power of two of them */
    uint32_t mask;
    uint32_t count, most;
    uint32_t newest, oldest;
    struct series *tracked, *forgotten;
};

struct limits {
    unsigned magic;
    uint64_t seed; /* nobody outside can choose addresses that share a bucket */
    struct table tables[LIMIT_OF_COUNT];
};

/* The memory comes with its use: what no limit counts has none. */
static void open_table(struct table *table)
{
    uint32_t buckets = 16;
    while (buckets < table->most)
        buckets *= 2;
    table->places = calloc(table->most, sizeof *table->places);
    table->buckets = calloc(buckets, sizeof *table->buckets);
    ENSURE(table->places != NULL && table->buckets != NULL);
    table->mask = buckets - 1;
}

static struct place *place_at(const struct table *table, uint32_t number)
{
    return &table->places[number - 1];
}

static uint32_t *bucket_of(const struct limits *limits, const struct table *table, uint64_t whom)
{
    uint64_t mixed = (whom ^ limits->seed) * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 32) * (limits->seed | 1);
    return &table->buckets[(mixed >> 32) & table->mask];
}

static void unlink_age(struct table *table, const struct place *place)
{
    *(place->newer == 0 ? &table->newest : &place_at(table, place->newer)->older) = place->older;
    *(place->older == 0 ? &table->oldest : &place_at(table, place->older)->newer) = place->newer;
}

static void make_newest(struct table *table, uint32_t number)
{
    struct place *place = place_at(table, number);
    place->newer = 0;
    place->older = table->newest;
    *(table->newest == 0 ? &table->oldest : &place_at(table, table->newest)->newer) = number;
    table->newest = number;
}

/* Takes the place of whoever was not heard for longest. */
static uint32_t forget_oldest(const struct limits *limits, struct table *table)
{
    uint32_t number = table->oldest;
    struct place *place = place_at(table, number);
    uint32_t *link = bucket_of(limits, table, place->whom);
    while (*link != number)
        link = &place_at(table, *link)->next;
    *link = place->next;
    unlink_age(table, place);
    series_add(table->forgotten, 1);
    return number;
}

/* The place of whom, who is heard now, also where he is refused: who goes on asking is not forgotten. NULL:
 * there is none. */
static struct place *hear(const struct limits *limits, struct table *table, uint64_t whom)
{
    if (table->places == NULL)
        return NULL;
    uint32_t number = *bucket_of(limits, table, whom);
    while (number != 0 && place_at(table, number)->whom != whom)
        number = place_at(table, number)->next;
    if (number == 0)
        return NULL;
    struct place *place = place_at(table, number);
    if (table->newest != number) {
        unlink_age(table, place);
        make_newest(table, number);
    }
    return place;
}

/* The same, made when it is not there. */
static struct place *require(const struct limits *limits, struct table *table, uint64_t whom)
{
    struct place *place = hear(limits, table, whom);
    if (place != NULL)
        return place;
    if (table->places == NULL)
        open_table(table);
    uint32_t number = table->count < table->most ? ++table->count : forget_oldest(limits, table);
    series_set(table->tracked, table->count);
    place = place_at(table, number);
    uint32_t *bucket = bucket_of(limits, table, whom);
    *place = (struct place){.whom = whom, .next = *bucket};
    *bucket = number;
    make_newest(table, number);
    return place;
}

struct limits *limits_new(const struct config *config, struct metrics *metrics)
{
    struct limits *limits = object_alloc(sizeof *limits);
    limits->magic = LIMITS_MAGIC;
    ENSURE(getrandom(&limits->seed, sizeof limits->seed, 0) == sizeof limits->seed);
    for (size_t of = 0; of < LIMIT_OF_COUNT; of++) {
        const char *name = limit_name((enum limit_of)of, LIMIT_IN_REQUESTS);
        struct table *table = &limits->tables[of];
        table->most = (uint32_t)config->limit_max_tracked;
        table->tracked = metrics_series(metrics, METRIC_LIMIT_TRACKED, name, NULL, NULL);
        table->forgotten = metrics_series(metrics, METRIC_LIMIT_FORGOTTEN, name, NULL, NULL);
    }
    return limits;
}

void limits_free(struct limits *limits)
{
    if (limits == NULL)
        return;
    CHECK_OBJECT(limits, LIMITS_MAGIC);
    for (size_t of = 0; of < LIMIT_OF_COUNT; of++) {
        free(limits->tables[of].places);
        free(limits->tables[of].buckets);
    }
    limits->magic = 0;
    free(limits);
}

size_t limits_tracked(const struct limits *limits, enum limit_of of)
{
    CHECK_OBJECT(limits, LIMITS_MAGIC);
    return limits->tables[of].count;
}

const struct limit *limits_take(struct limits *limits, const struct limit_list *list, int64_t now,
                                int64_t *wait, struct limit_rest *rest)
{
    CHECK_OBJECT(limits, LIMITS_MAGIC);
    static const struct limit_state rested;
    const struct limit *refuses = NULL;
    *wait = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct limit *limit = &list->limits[i];
        struct place *place = hear(limits, &limits->tables[limit->of], limit->whom);
        if (place != NULL)
            limit_forgive(&limit->rate, &place->in[limit->in], now);
        int64_t until =
            limit_wait(&limit->rate, place == NULL ? &rested : &place->in[limit->in], limit->cells, now);
        if (until <= *wait)
            continue;
        *wait = until;
        refuses = limit;
    }
    if (refuses == NULL)
        limits_count(limits, list, now, rest);
    return refuses;
}

void limits_count(struct limits *limits, const struct limit_list *list, int64_t now, struct limit_rest *rest)
{
    CHECK_OBJECT(limits, LIMITS_MAGIC);
    *rest = (struct limit_rest){.name = NULL};
    for (size_t i = 0; i < list->count; i++) {
        const struct limit *limit = &list->limits[i];
        struct place *place = require(limits, &limits->tables[limit->of], limit->whom);
        limit_count(&limit->rate, &place->in[limit->in], limit->cells, now);
        limit_rest_note(rest, limit, &place->in[limit->in], now);
    }
}
