/* comparison: see comparison.h. Sums of differences are kept as doubles here, and as whole millionths in the
 * counters. Filled in the thread of observing.c, published by main.c's loop. SPDX-License-Identifier: MIT */
#include "comparison.h"

#include <math.h>
#include <stdlib.h>
#include <uthash.h>

enum {
    COMPARISON_MAGIC = 0xc0390001,
    PAIRS_MAX = 1024 /* of versions; a page of counters has room for fewer */
};
#define MILLION        1e6
#define MILLIONTHS_MAX 9e18 /* below what an int64_t holds */

/* The names of a model, the version that answered, and its shadow: zero-padded, hashed whole. */
struct pair_key {
    char model[PROTOCOL_NAME_MAX + 1];
    char version[PROTOCOL_NAME_MAX + 1];
    char shadow[PROTOCOL_NAME_MAX + 1];
};

/* What is counted of a pair, and where it is shown. */
enum {
    ANSWERED,
    FAILED,
    COMPARED,
    AGREED,
    ELEMENTS,
    DIFFERENCE, /* of all, in millionths */
    LARGEST,    /* likewise */
    SUM_COUNT
};
static const enum metric shown_as[SUM_COUNT] = {
    [ANSWERED] = METRIC_SHADOW_ANSWERED, [FAILED] = METRIC_SHADOW_FAILED,
    [COMPARED] = METRIC_SHADOW_COMPARED, [AGREED] = METRIC_SHADOW_AGREED,
    [ELEMENTS] = METRIC_SHADOW_ELEMENTS, [DIFFERENCE] = METRIC_SHADOW_DIFFERENCE,
    [LARGEST] = METRIC_SHADOW_LARGEST,
};

struct pair {
    struct pair_key key;
    double sum, largest;              /* the taker's */
    uint64_t sums[SUM_COUNT];         /* written by the taker alone, read by the publisher: atomically */
    struct series *series[SUM_COUNT]; /* the publisher's; NULL: not found yet */
    uint64_t told[SUM_COUNT];         /* likewise: what of `sums` the series have */
    struct pair *next;                /* for the publisher: the one that came before */
    UT_hash_handle hh;                /* the taker's */
};

struct comparison {
    unsigned magic;
    struct pair *pairs;  /* the taker's table */
    struct pair *newest; /* the publisher's list; new ones are put before it, atomically */
};

struct comparison *comparison_new(void)
{
    struct comparison *comparison = object_alloc(sizeof *comparison);
    comparison->magic = COMPARISON_MAGIC;
    return comparison;
}

void comparison_free(struct comparison *comparison)
{
    if (comparison == NULL)
        return;
    CHECK_OBJECT(comparison, COMPARISON_MAGIC);
    struct pair *pair, *next;
    HASH_ITER(hh, comparison->pairs, pair, next)
    {
        HASH_DEL(comparison->pairs, pair);
        free(pair);
    }
    comparison->magic = 0;
    free(comparison);
}

static struct pair *add_pair(struct comparison *comparison, const struct pair_key *key)
{
    struct pair *pair = object_alloc(sizeof *pair);
    pair->key = *key;
    pair->next = comparison->newest;
    HASH_ADD(hh, comparison->pairs, key, sizeof pair->key, pair);
    __atomic_store_n(&comparison->newest, pair, __ATOMIC_RELEASE);
    return pair;
}

/* NULL when there are too many. */
static struct pair *pair_of(struct comparison *comparison, const struct observation *observation)
{
    struct pair_key key = {0};
    struct pair *pair;
    text_copy(observation->model, key.model, sizeof key.model);
    text_copy(observation->version, key.version, sizeof key.version);
    text_copy(observation->shadow, key.shadow, sizeof key.shadow);
    HASH_FIND(hh, comparison->pairs, &key, sizeof key, pair);
    if (pair == NULL && HASH_COUNT(comparison->pairs) < PAIRS_MAX)
        pair = add_pair(comparison, &key);
    return pair;
}

static int64_t millionths(double number)
{
    return (int64_t)fmin(number * MILLION, MILLIONTHS_MAX);
}

static void set_sum(struct pair *pair, int sum, uint64_t value)
{
    __atomic_store_n(&pair->sums[sum], value, __ATOMIC_RELAXED);
}

static void add_sum(struct pair *pair, int sum, uint64_t amount)
{
    set_sum(pair, sum, pair->sums[sum] + amount);
}

const char *comparison_take(void *self, const struct observation_any *any)
{
    struct comparison *comparison = self;
    struct observation observation;
    struct agreement agreement;
    CHECK_OBJECT(comparison, COMPARISON_MAGIC);
    const char *wrong = observation_shadow(any, &observation);
    struct pair *pair = wrong == NULL ? pair_of(comparison, &observation) : NULL;
    if (pair == NULL)
        return wrong != NULL ? wrong : "there are too many pairs of versions";
    if (observation.failure != FAILURE_NONE || comparison_of(&observation, &agreement) != NULL) {
        add_sum(pair, FAILED, 1);
        return NULL;
    }
    pair->sum += agreement.sum;
    pair->largest = fmax(pair->largest, agreement.largest);
    add_sum(pair, ANSWERED, 1);
    add_sum(pair, COMPARED, agreement.rows);
    add_sum(pair, AGREED, agreement.agreed);
    add_sum(pair, ELEMENTS, agreement.elements);
    set_sum(pair, DIFFERENCE, (uint64_t)millionths(pair->sum));
    set_sum(pair, LARGEST, (uint64_t)millionths(pair->largest));
    return NULL;
}

static void publish_pair(struct pair *pair, struct metrics *metrics)
{
    for (int i = 0; i < SUM_COUNT; i++) {
        if (pair->series[i] == NULL)
            pair->series[i] =
                metrics_series(metrics, shown_as[i], pair->key.model, pair->key.version, pair->key.shadow);
        uint64_t sum = __atomic_load_n(&pair->sums[i], __ATOMIC_RELAXED);
        if (i == LARGEST)
            series_set(pair->series[i], (int64_t)sum);
        else /* a page that is full has one series for many pairs */
            series_add(pair->series[i], sum - pair->told[i]);
        pair->told[i] = sum;
    }
}

void comparison_publish(struct comparison *comparison, struct metrics *metrics)
{
    CHECK_OBJECT(comparison, COMPARISON_MAGIC);
    struct pair *pair = __atomic_load_n(&comparison->newest, __ATOMIC_ACQUIRE);
    for (; pair != NULL; pair = pair->next)
        publish_pair(pair, metrics);
}
