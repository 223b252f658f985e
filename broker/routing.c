/* routing: the one place that turns names into the queue of a version.
 *
 * A request that names no version goes to one of the route's arms or, with what they leave, to the stable
 * version. Without a key the points of a golden-ratio sequence fall upon the shares, which they fill more
 * evenly than any dice: of any number of requests in a row each arm gets its share but for a few. With a key
 * the arms race (weighted rendezvous): each draws a time from the key and its name, an exponential one whose
 * rate is its weight, and the first wins. So the same key always finds the same version, nothing has to be
 * remembered, and when an arm's weight grows at the cost of the stable version's, keys only move to it. All
 * of that is whole numbers: the same on every machine.
 *
 * A version without workers is chosen all the same when its workers are loading or being started again, and
 * the request waits for them within its deadline: that is so for the stable version and those that the route
 * names, unless it is known that none of them can start. What an arm cannot take goes to the stable version.
 * Another version that was asked for by name gets that grace only while it has a worker.
 * SPDX-License-Identifier: MIT */
#include "routing.h"

#include <xxhash.h>

/* 2^64 divided by the golden ratio: the multiples of no number are more evenly spread. */
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

enum { LOG_BITS = 32 }; /* behind the point of a logarithm */

__extension__ typedef unsigned __int128 wide;

/* -log2((bits + 1) / 2^64), cut to LOG_BITS behind the point: 0 to 64. The mantissa is squared once for each
 * bit: whether that passes 2 is the bit. */
static uint64_t minus_log2(uint64_t bits)
{
    uint64_t number = bits + 1;
    if (number == 0)
        return 0;
    int zeros = __builtin_clzll(number);
    uint64_t mantissa = number << zeros, logarithm = (uint64_t)(63 - zeros); /* 63 bits behind the point */
    for (int i = 0; i < LOG_BITS; i++) {
        wide square = (wide)mantissa * mantissa;
        unsigned passed = (unsigned)(square >> 127);
        mantissa = (uint64_t)(square >> (63 + passed));
        logarithm = logarithm << 1 | passed;
    }
    return (UINT64_C(64) << LOG_BITS) - logarithm;
}

/* ---- the two ways to choose ---- */

uint32_t route_point(uint64_t *turn)
{
    *turn += GOLDEN;
    return (uint32_t)((wide)*turn * ROUTE_WHOLE >> 64);
}

/* NULL: the stable version. */
static struct version *by_turn(struct model *model)
{
    uint32_t point = route_point(&model->turn);
    for (size_t i = 0; i < model->arm_count; i++) {
        if (point < model->arms[i].weight)
            return model->arms[i].version;
        point -= model->arms[i].weight;
    }
    return NULL;
}

/* How late an arm is, when the time of weight 1 is -log2 of an even draw: less is better. */
struct racer {
    uint64_t time;
    uint32_t weight; /* 0: not in the race */
};

static bool is_faster(const struct racer *racer, const struct racer *best)
{
    if (racer->weight == 0 || best->weight == 0)
        return racer->weight > 0;
    return racer->time * best->weight < best->time * racer->weight; /* below 2^39 times below 2^14 */
}

static struct racer racer(uint64_t seed, const char *name, uint32_t weight)
{
    return (struct racer){minus_log2(XXH3_64bits_withSeed(name, strlen(name), seed)), weight};
}

/* The stable version races without its name, so that the arms keep their keys when another takes its place.
 */
static struct version *by_key(const struct model *model, struct text key)
{
    uint64_t seed = XXH3_64bits(key.at, key.length);
    struct version *chosen = NULL;
    struct racer best = racer(seed, "", model->stable_weight);
    for (size_t i = 0; i < model->arm_count; i++) {
        const struct model_arm *arm = &model->arms[i];
        struct racer next = racer(seed, arm->name, arm->weight);
        if (!is_faster(&next, &best))
            continue;
        best = next;
        chosen = arm->version;
    }
    return chosen;
}

/* ---- the door ---- */

bool route_holds(const struct version *version)
{
    return version->worker_count > 0 || (version->expected && !version->failed);
}

static struct version *by_route(struct model *model, struct text key)
{
    if (model->arm_count == 0)
        return model->stable;
    bool keyed = model->route->by != ROUTE_BY_RANDOM && key.length > 0;
    struct version *version = keyed ? by_key(model, key) : by_turn(model);
    return version != NULL && route_holds(version) ? version : model->stable;
}

enum failure route_choose(struct model_table *models, struct text model_name, struct text version_name,
                          struct text key, struct version **chosen)
{
    struct model *model = model_find(models, model_name);
    if (model == NULL)
        return FAILURE_UNKNOWN_MODEL;
    struct version *version =
        version_name.length == 0 ? by_route(model, key) : model_version(model, version_name);
    if (version == NULL)
        return version_name.length == 0 ? FAILURE_NOT_READY : FAILURE_UNKNOWN_VERSION;
    if (!route_holds(version))
        return FAILURE_NOT_READY;
    *chosen = version;
    return FAILURE_NONE;
}
