/* rollout_scene: roll-outs of a model on a virtual clock, with hands that only remember what they did.
 * Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ROLLOUT_SCENE_H
#define OUTRIGGER_ROLLOUT_SCENE_H

#include "audit_scene.h"
#include "clock.h"
#include "rollout.h"

#include <inttypes.h>

/* The world of one model "m", whose version 1 is stable. */
static struct {
    char stable[8], promoting[8], pinned[8];
    enum rollout_version candidate;
    char why[32];
    struct route *said; /* NULL: nothing; `fallback` holds */
    struct route *fallback;
    char refuse_route[32]; /* not "": set_route is refused so */
    char refuse_load[32];
    int loads, promotes, moves;
    int slow_route; /* so many looks long it is under way */
    uint64_t epoch;
    bool away;                       /* the broker does not answer */
    uint64_t answered[3], failed[3]; /* by version */
    struct judged_share agreement, accuracy;
} world;

static struct rollouts *rollouts;
static struct audit *audit;
static struct metrics *metrics;
static int64_t now;
static char reason[512];

/* ---- hands ---- */

static inline bool fake_load(void *self, const char *model, const char *version, char *why, size_t capacity)
{
    (void)self, (void)model, (void)version;
    world.loads++;
    if (world.refuse_load[0] != '\0')
        snprintf(why, capacity, "%s", world.refuse_load);
    return world.refuse_load[0] == '\0';
}

static inline enum rollout_version fake_version(void *self, const char *model, const char *version, char *why,
                                                size_t capacity)
{
    (void)self, (void)model, (void)version;
    snprintf(why, capacity, "%s", world.why);
    return world.candidate;
}

static inline const char *fake_stable(void *self, const char *model)
{
    (void)self;
    return strcmp(model, "m") == 0 && world.stable[0] != '\0' ? world.stable : NULL;
}

static inline struct route *fake_route(void *self, const char *model)
{
    (void)self;
    if (strcmp(model, "m") != 0)
        return NULL;
    return route_copy(world.said != NULL ? world.said : world.fallback);
}

static inline struct route *fake_said(void *self, const char *model)
{
    (void)self, (void)model;
    return world.said == NULL ? NULL : route_copy(world.said);
}

static inline enum rollout_act fake_set_route(void *self, const char *model, const struct route *route,
                                              char *why, size_t capacity)
{
    (void)self, (void)model;
    if (world.refuse_route[0] != '\0') {
        snprintf(why, capacity, "%s", world.refuse_route);
        return ROLLOUT_ACT_REFUSED;
    }
    if (world.slow_route-- > 0)
        return ROLLOUT_ACT_UNDER_WAY;
    struct route *copy = route == NULL ? NULL : route_copy(route);
    route_free(world.said);
    world.said = copy;
    world.moves++;
    return ROLLOUT_ACT_DONE;
}

static inline bool fake_pin(void *self, const char *model, const char *version, char *why, size_t capacity)
{
    (void)self, (void)model, (void)why, (void)capacity;
    snprintf(world.pinned, sizeof world.pinned, "%s", version);
    return true;
}

static inline bool fake_promote(void *self, const char *model, const char *version, char *why,
                                size_t capacity)
{
    (void)self, (void)model, (void)why, (void)capacity;
    world.promotes++;
    snprintf(world.promoting, sizeof world.promoting, "%s", version);
    return true;
}

static inline yyjson_doc *fake_figures(void *self)
{
    (void)self;
    char text[1024];
    size_t length = (size_t)snprintf(text, sizeof text,
                                     "{\"epoch\":%" PRIu64 ",\"models\":[{\"model\":\"m\","
                                     "\"versions\":[",
                                     world.epoch);
    for (int i = 1; i <= 2; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length,
                             "%s{\"version\":\"%d\",\"outcomes\":{\"none\":%" PRIu64
                             ",\"model_failed\":%" PRIu64 "},\"latency_ns\":[[1048576,%" PRIu64 "]]}",
                             i == 1 ? "" : ",", i, world.answered[i], world.failed[i], world.answered[i]);
    length += (size_t)snprintf(text + length, sizeof text - length, "]}]}");
    return world.away ? NULL : yyjson_read(text, length, 0);
}

static inline bool fake_agreement(void *self, const char *model, const char *version,
                                  struct judged_share *share)
{
    (void)self, (void)model, (void)version;
    *share = world.agreement;
    return true;
}

static inline bool fake_accuracy(void *self, const char *model, const char *version,
                                 struct judged_share *share)
{
    (void)self, (void)model, (void)version;
    *share = world.accuracy;
    return true;
}

static const struct rollout_hands hands = {.load = fake_load,
                                           .version = fake_version,
                                           .stable = fake_stable,
                                           .route = fake_route,
                                           .said = fake_said,
                                           .set_route = fake_set_route,
                                           .pin = fake_pin,
                                           .promote = fake_promote,
                                           .figures = fake_figures,
                                           .agreement = fake_agreement,
                                           .accuracy = fake_accuracy};

/* ---- the scene ---- */

static inline void come_back(void)
{
    rollouts_free(rollouts);
    rollouts = rollouts_new(scratch_path("rollouts.json"), &hands, audit, metrics);
}

/* The supervisor is killed: what was not saved before is lost. */
static inline void die_and_come_back(void)
{
    char *text;
    ENSURE(asprintf(&text, "cp %s %s", scratch_path("rollouts.json"), scratch_path("kept")) > 0);
    ck_assert_int_eq(system(text), 0);
    free(text);
    rollouts_free(rollouts); /* which saves */
    ck_assert_int_eq(rename(scratch_path("kept"), scratch_path("rollouts.json")), 0);
    rollouts = rollouts_new(scratch_path("rollouts.json"), &hands, audit, metrics);
}

static inline void set_up(void)
{
    scratch_make();
    memset(&world, 0, sizeof world);
    strcpy(world.stable, "1");
    world.candidate = ROLLOUT_VERSION_READY;
    world.fallback = route_new();
    world.epoch = 7;
    now = 1000 * SECOND;
    metrics = metrics_new(NULL);
    audit = audit_here();
    rollouts = NULL;
    come_back();
}

static inline void tear_down(void)
{
    rollouts_free(rollouts);
    audit_free(audit);
    metrics_free(metrics);
    route_free(world.said);
    route_free(world.fallback);
    scratch_remove();
}

static inline bool begin(const char *fields)
{
    char line[512];
    snprintf(line, sizeof line, "{\"command\":\"rollout\",\"model\":\"m\",\"version\":\"2\"%s%s}",
             *fields == '\0' ? "" : ",", fields);
    yyjson_doc *request = yyjson_read(line, strlen(line), 0);
    ck_assert_msg(request != NULL, "%s", line);
    bool begun = rollouts_begin(rollouts, yyjson_doc_get_root(request), reason, sizeof reason);
    yyjson_doc_free(request);
    return begun;
}

#define BEGIN(fields) ck_assert_msg(begin(fields), "%s", reason)

/* So many seconds pass with a look each, and with so many requests for each version a second. */
static inline void seconds(int count, uint64_t stable, uint64_t candidate)
{
    while (count-- > 0) {
        world.answered[1] += stable;
        world.answered[2] += candidate;
        now += SECOND;
        rollouts_look(rollouts, now);
    }
}

static yyjson_doc *answer;

static inline yyjson_val *status(const char *field)
{
    yyjson_mut_doc *reply = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(reply, yyjson_mut_obj(reply));
    rollouts_status(rollouts, "m", reply);
    yyjson_doc_free(answer);
    answer = yyjson_mut_doc_imut_copy(reply, NULL);
    yyjson_mut_doc_free(reply);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(answer), "rollouts");
    ck_assert_uint_eq(yyjson_arr_size(list), 1);
    yyjson_val *value = yyjson_obj_get(yyjson_arr_get_first(list), field);
    ck_assert_msg(value != NULL, "%s", field);
    return value;
}

static inline void expect(const char *state, double share)
{
    ck_assert_str_eq(yyjson_get_str(status("state")), state);
    ck_assert_double_eq(yyjson_get_num(status("share")), share);
}

static inline void expect_reason(const char *words)
{
    const char *text = yyjson_get_str(status("reason"));
    ck_assert_msg(strstr(text, words) != NULL, "%s", text);
}

/* The weight that the broker gives the candidate. */
static inline uint32_t weight(void)
{
    return world.said == NULL ? 0 : route_weight(world.said, "2");
}

#endif
