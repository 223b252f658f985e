/* test_rollout: whole roll-outs on a virtual clock, with hands that only remember what they did.
 * SPDX-License-Identifier: MIT */
#include "rollout.h"

#include "audit_scene.h"
#include "clock.h"

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

static bool fake_load(void *self, const char *model, const char *version, char *why, size_t capacity)
{
    (void)self, (void)model, (void)version;
    world.loads++;
    if (world.refuse_load[0] != '\0')
        snprintf(why, capacity, "%s", world.refuse_load);
    return world.refuse_load[0] == '\0';
}

static enum rollout_version fake_version(void *self, const char *model, const char *version, char *why,
                                         size_t capacity)
{
    (void)self, (void)model, (void)version;
    snprintf(why, capacity, "%s", world.why);
    return world.candidate;
}

static const char *fake_stable(void *self, const char *model)
{
    (void)self;
    return strcmp(model, "m") == 0 && world.stable[0] != '\0' ? world.stable : NULL;
}

static struct route *fake_route(void *self, const char *model)
{
    (void)self;
    if (strcmp(model, "m") != 0)
        return NULL;
    return route_copy(world.said != NULL ? world.said : world.fallback);
}

static struct route *fake_said(void *self, const char *model)
{
    (void)self, (void)model;
    return world.said == NULL ? NULL : route_copy(world.said);
}

static enum rollout_act fake_set_route(void *self, const char *model, const struct route *route, char *why,
                                       size_t capacity)
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

static bool fake_pin(void *self, const char *model, const char *version, char *why, size_t capacity)
{
    (void)self, (void)model, (void)why, (void)capacity;
    snprintf(world.pinned, sizeof world.pinned, "%s", version);
    return true;
}

static bool fake_promote(void *self, const char *model, const char *version, char *why, size_t capacity)
{
    (void)self, (void)model, (void)why, (void)capacity;
    world.promotes++;
    snprintf(world.promoting, sizeof world.promoting, "%s", version);
    return true;
}

static yyjson_doc *fake_figures(void *self)
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

static bool fake_agreement(void *self, const char *model, const char *version, struct judged_share *share)
{
    (void)self, (void)model, (void)version;
    *share = world.agreement;
    return true;
}

static bool fake_accuracy(void *self, const char *model, const char *version, struct judged_share *share)
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

static void come_back(void)
{
    rollouts_free(rollouts);
    rollouts = rollouts_new(scratch_path("rollouts.json"), &hands, audit, metrics);
}

/* The supervisor is killed: what was not saved before is lost. */
static void die_and_come_back(void)
{
    char *text;
    ENSURE(asprintf(&text, "cp %s %s", scratch_path("rollouts.json"), scratch_path("kept")) > 0);
    ck_assert_int_eq(system(text), 0);
    free(text);
    rollouts_free(rollouts); /* which saves */
    ck_assert_int_eq(rename(scratch_path("kept"), scratch_path("rollouts.json")), 0);
    rollouts = rollouts_new(scratch_path("rollouts.json"), &hands, audit, metrics);
}

static void set_up(void)
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

static void tear_down(void)
{
    rollouts_free(rollouts);
    audit_free(audit);
    metrics_free(metrics);
    route_free(world.said);
    route_free(world.fallback);
    scratch_remove();
}

static bool begin(const char *fields)
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

static void expect_refusal(const char *fields, const char *words)
{
    ck_assert(!begin(fields));
    ck_assert_msg(strstr(reason, words) != NULL, "%s: %s", fields, reason);
}

/* So many seconds pass with a look each, and with so many requests for each version a second. */
static void seconds(int count, uint64_t stable, uint64_t candidate)
{
    while (count-- > 0) {
        world.answered[1] += stable;
        world.answered[2] += candidate;
        now += SECOND;
        rollouts_look(rollouts, now);
    }
}

static yyjson_doc *answer;

static yyjson_val *status(const char *field)
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

static void expect(const char *state, double share)
{
    ck_assert_str_eq(yyjson_get_str(status("state")), state);
    ck_assert_double_eq(yyjson_get_num(status("share")), share);
}

static void expect_reason(const char *words)
{
    const char *text = yyjson_get_str(status("reason"));
    ck_assert_msg(strstr(text, words) != NULL, "%s", text);
}

/* The weight that the broker gives the candidate. */
static uint32_t weight(void)
{
    return world.said == NULL ? 0 : route_weight(world.said, "2");
}

static uint64_t decisions(const char *what)
{
    return metrics_series(metrics, METRIC_ROLLOUT_DECISIONS, "m", what, NULL)->value;
}

/* ---- tests ---- */

START_TEST(a_good_one_becomes_stable_and_leaves_no_arm)
{
    BEGIN("\"every_ms\":10000");
    expect("loading", 0);
    ck_assert_str_eq(world.pinned, "1");
    seconds(1, 95, 5);
    expect("running", 5);
    ck_assert_uint_eq(weight(), 500);
    seconds(9, 95, 60);
    expect("running", 5);
    seconds(2, 95, 60);
    expect("running", 25);
    ck_assert_uint_eq(weight(), 2500);
    seconds(10, 95, 60);
    expect("running", 50);
    seconds(10, 95, 95);
    expect("running", 100);
    ck_assert_uint_eq(weight(), 10000);
    seconds(10, 0, 95);
    expect("promoting", 100);
    seconds(3, 0, 95);
    ck_assert_int_eq(world.promotes, 1);
    expect("promoting", 100);
    strcpy(world.stable, world.promoting);
    seconds(1, 0, 95);
    expect("done", 100);
    ck_assert_ptr_null(world.said);
    ck_assert(!rollouts_active(rollouts, NULL));
    ck_assert_uint_eq(decisions("step"), 4);
    ck_assert_uint_eq(decisions("advance"), 3);
    ck_assert_uint_eq(decisions("done"), 1);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_ROLLOUT_SHARE, "m", "2", NULL)->value, 10000);
    ck_assert_int_eq(audited("\"decision\":\"advance\""), 3);
    ck_assert_int_eq(audited("\"by\":\"supervisor\",\"act\":\"rollout-decision\",\"model\":\"m\""), 10);
}
END_TEST

START_TEST(too_little_traffic_holds_it)
{
    BEGIN("\"every_ms\":5000,\"steps\":[10],\"min_requests\":1000");
    seconds(1, 9, 1);
    seconds(100, 9, 1);
    expect("holding", 10);
    expect_reason("waits for more traffic: 100 of at least 1000 requests");
    ck_assert_uint_eq(decisions("hold"), 1);
    seconds(1, 9, 950);
    expect("promoting", 10);
}
END_TEST

START_TEST(errors_roll_it_back_at_once)
{
    BEGIN("\"every_ms\":600000,\"max_error_rate\":0.001");
    seconds(10, 95, 5);
    world.failed[2] += 5; /* of one moment */
    seconds(1, 95, 5);
    expect("running", 5);
    world.failed[2] += 5;
    seconds(1, 95, 5);
    expect("rolled back", 0);
    expect_reason("surely more than 0.1 %");
    ck_assert_ptr_null(world.said);
    ck_assert_int_eq(world.promotes, 0);
    ck_assert_uint_eq(decisions("roll back"), 1);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_ROLLOUT_SHARE, "m", "2", NULL)->value, 0);
    ck_assert_int_eq(audited("\"errors\":10"), 1);
    int moves = world.moves;
    seconds(10, 95, 5);
    ck_assert_int_eq(world.moves, moves);
}
END_TEST

START_TEST(the_route_that_was_said_is_put_back)
{
    static const char text[] =
        "{\"by\":\"key\",\"rules\":[{\"header\":\"X\",\"value\":\"y\",\"version\":\"1\"}]}";
    yyjson_doc *document = yyjson_read(text, sizeof text - 1, 0);
    world.said = route_from_json(yyjson_doc_get_root(document), reason, sizeof reason);
    ck_assert_msg(world.said != NULL, "%s", reason);
    struct route *before = route_copy(world.said);
    yyjson_doc_free(document);
    BEGIN("");
    seconds(1, 95, 5);
    ck_assert_uint_eq(weight(), 500);
    ck_assert_int_eq(world.said->by, ROUTE_BY_KEY);
    ck_assert_uint_eq(world.said->rule_count, 1);
    ck_assert(rollouts_abort(rollouts, "m", reason, sizeof reason));
    expect("aborted", 0);
    ck_assert(route_equals(world.said, before));
    route_free(before);
}
END_TEST

START_TEST(a_candidate_that_does_not_get_ready_moves_nothing)
{
    world.candidate = ROLLOUT_VERSION_LOADING;
    BEGIN("");
    seconds(5, 100, 0);
    expect("loading", 0);
    expect_reason("waits for the candidate's workers");
    strcpy(world.why, "golden: 3 of 5 are wrong");
    world.candidate = ROLLOUT_VERSION_FAILED;
    seconds(1, 100, 0);
    expect("failed", 0);
    expect_reason("golden: 3 of 5 are wrong");
    ck_assert_int_eq(world.moves, 0);
    ck_assert_int_eq(world.loads, 1);
}
END_TEST

START_TEST(a_candidate_whose_workers_fail_later_goes_back)
{
    BEGIN("");
    seconds(5, 95, 5);
    strcpy(world.why, "exit 1");
    world.candidate = ROLLOUT_VERSION_FAILED;
    seconds(1, 95, 0);
    expect("failed", 0);
    expect_reason("a worker of the candidate does not start: exit 1");
    ck_assert_ptr_null(world.said);
}
END_TEST

START_TEST(what_cannot_begin_is_refused)
{
    expect_refusal("\"steps\":[]", "steps: expected a list");
    expect_refusal("\"steps\":[5,5]", "larger than the one before");
    expect_refusal("\"steps\":[5,101]", "steps: expected percents");
    expect_refusal("\"steps\":[0]", "steps: expected percents");
    expect_refusal("\"steps\":\"5\"", "steps: expected a list");
    expect_refusal("\"max_error_rate\":2", "max_error_rate: expected a number from 0 to 1");
    expect_refusal("\"max_error_rate\":\"1%\"", "max_error_rate: expected a number");
    expect_refusal("\"every_ms\":1", "every_ms: expected a number from 100");
    strcpy(world.refuse_load, "there is no version 2");
    expect_refusal("", "there is no version 2");
    ck_assert_str_eq(world.pinned, "");
    world.refuse_load[0] = '\0';
    strcpy(world.stable, "2");
    expect_refusal("", "2 is the stable version of m already");
    world.stable[0] = '\0';
    expect_refusal("", "no version of m serves yet");
    strcpy(world.stable, "1");
    world.fallback->arms = object_alloc(sizeof *world.fallback->arms);
    world.fallback->arms[0] = (struct route_arm){object_strdup("3"), 100};
    world.fallback->arm_count = 1;
    expect_refusal("", "has arms already");
    route_free(world.fallback);
    world.fallback = route_new();
    world.fallback->shadow = (struct route_arm){object_strdup("3"), 10000};
    expect_refusal("\"min_agreement\":0.9", "shadows another version");
    ck_assert(!rollouts_active(rollouts, NULL));
    BEGIN(""); /* without comparing, that shadow does not matter */
    expect_refusal("", "a roll-out of m is under way");
    ck_assert(rollouts_active(rollouts, "m"));
    ck_assert(!rollouts_active(rollouts, "n"));
}
END_TEST

START_TEST(a_refused_route_ends_it)
{
    strcpy(world.refuse_route, "cannot write");
    BEGIN("");
    seconds(1, 95, 5);
    expect("going back", 0); /* the first step had begun: what is said must be sure */
    world.refuse_route[0] = '\0';
    seconds(1, 95, 5);
    expect("failed", 0);
    expect_reason("the route cannot be set: cannot write");
    ck_assert_ptr_null(world.said);
}
END_TEST

START_TEST(a_route_that_takes_its_time_is_waited_for)
{
    world.slow_route = 3;
    BEGIN("\"every_ms\":2000,\"min_requests\":10");
    seconds(3, 95, 5);
    expect("running", 0);
    ck_assert_uint_eq(decisions("step"), 0);
    seconds(1, 95, 5);
    expect("running", 5);
    ck_assert_uint_eq(decisions("step"), 1);
    world.slow_route = 2;
    ck_assert(rollouts_abort(rollouts, "m", reason, sizeof reason));
    expect("going back", 5);
    ck_assert(!rollouts_abort(rollouts, "m", reason, sizeof reason));
    seconds(1, 95, 5);
    expect("going back", 5);
    seconds(1, 95, 5);
    expect("aborted", 0);
}
END_TEST

START_TEST(a_change_by_another_hand_ends_it)
{
    BEGIN("");
    seconds(3, 95, 5);
    route_free(world.said);
    world.said = route_new();
    seconds(1, 95, 5);
    expect("failed", 0);
    expect_reason("somebody else changed the route");
    ck_assert_ptr_nonnull(world.said); /* theirs stays */
    route_free(world.said);
    world.said = NULL;
    BEGIN("");
    seconds(3, 95, 5);
    strcpy(world.stable, "3");
    seconds(1, 95, 5);
    expect("failed", 0);
    expect_reason("the stable version was 1 and is 3 now");
    ck_assert_ptr_null(world.said);
}
END_TEST

START_TEST(a_pause_stops_the_clock_but_not_the_watch)
{
    BEGIN("\"every_ms\":10000");
    seconds(6, 95, 95);
    ck_assert(rollouts_pause(rollouts, "m", reason, sizeof reason));
    ck_assert(!rollouts_pause(rollouts, "m", reason, sizeof reason));
    seconds(100, 95, 95);
    expect("running", 5);
    ck_assert(yyjson_get_bool(status("paused")));
    die_and_come_back();
    seconds(100, 95, 95);
    expect("running", 5);
    ck_assert(rollouts_resume(rollouts, "m", reason, sizeof reason));
    ck_assert(!rollouts_resume(rollouts, "m", reason, sizeof reason));
    seconds(3, 95, 95);
    expect("running", 5);
    seconds(8, 95, 95);
    expect("running", 25);
    ck_assert(rollouts_pause(rollouts, "m", reason, sizeof reason));
    for (int look = 0; look < 2; look++) {
        world.failed[2] += 500;
        seconds(1, 95, 95);
    }
    expect("rolled back", 0);
    ck_assert(!rollouts_resume(rollouts, "m", reason, sizeof reason));
    ck_assert(!rollouts_abort(rollouts, "m", reason, sizeof reason));
    ck_assert_str_eq(reason, "no roll-out of m is under way");
    ck_assert(!rollouts_abort(rollouts, NULL, reason, sizeof reason));
}
END_TEST

START_TEST(a_supervisor_that_died_goes_on_with_all_figures)
{
    BEGIN("\"every_ms\":10000,\"min_requests\":1000,\"steps\":[5,50]");
    seconds(6, 95, 50);
    die_and_come_back();
    ck_assert(rollouts_active(rollouts, "m"));
    int moves = world.moves;
    world.answered[2] += 600; /* while nobody looked */
    now += 3600 * SECOND;
    seconds(1, 95, 50);
    expect("running", 5);
    ck_assert_int_eq(world.moves, moves);
    ck_assert_uint_eq(yyjson_get_uint(status("requests")), 5 * 50 + 600 + 50);
    seconds(12, 95, 50);
    expect("running", 50); /* the hour did not count, the requests did */
}
END_TEST

START_TEST(a_broker_that_began_anew_is_added)
{
    BEGIN("\"every_ms\":600000");
    seconds(6, 95, 10); /* the first is what it began with */
    ck_assert_uint_eq(yyjson_get_uint(status("requests")), 50);
    world.away = true;
    seconds(3, 0, 0);
    expect("running", 5);
    expect_reason("the broker does not answer");
    world.away = false;
    world.epoch = 8;
    world.answered[1] = world.answered[2] = 0;
    seconds(2, 95, 10);
    ck_assert_uint_eq(yyjson_get_uint(status("requests")), 70);
    die_and_come_back();
    world.epoch = 9; /* both at once: what that broker counted since the last save is lost */
    world.answered[1] = world.answered[2] = 0;
    seconds(1, 95, 10);
    expect("running", 5);
    ck_assert_uint_ge(yyjson_get_uint(status("requests")), 10);
}
END_TEST

START_TEST(what_was_decided_is_done_after_a_death)
{
    BEGIN("\"every_ms\":1000,\"steps\":[5],\"min_requests\":10");
    seconds(1, 95, 50);
    strcpy(world.refuse_route, "the disk is full");
    for (int look = 0; look < 2; look++) {
        world.failed[2] += 500;
        seconds(1, 95, 50);
    }
    expect("going back", 5);
    die_and_come_back();
    seconds(3, 95, 50);
    expect("going back", 5);
    ck_assert_uint_eq(weight(), 500);
    world.refuse_route[0] = '\0';
    seconds(1, 95, 50);
    expect("rolled back", 0);
    ck_assert_uint_eq(weight(), 0);
    world.failed[2] = 0;
    world.epoch++;
    BEGIN("\"every_ms\":1000,\"steps\":[5],\"min_requests\":10");
    seconds(3, 95, 50);
    expect("promoting", 5);
    die_and_come_back();
    seconds(2, 95, 50);
    ck_assert_int_ge(world.promotes, 1);
    strcpy(world.stable, "2");
    die_and_come_back();
    seconds(1, 95, 50);
    expect("done", 100);
}
END_TEST

START_TEST(agreement_is_compared_in_the_shadow)
{
    world.agreement = (struct judged_share){1000, 0}; /* of an earlier day */
    BEGIN("\"every_ms\":1000,\"steps\":[5,10],\"min_agreement\":0.9,\"min_requests\":100");
    seconds(1, 95, 200);
    ck_assert_str_eq(world.said->shadow.version, "2");
    seconds(3, 95, 200);
    expect("holding", 5);
    expect_reason("agreement of 0 answers is known");
    world.agreement.count += 200;
    world.agreement.good += 190;
    seconds(1, 95, 200);
    expect("running", 10);
    world.agreement = (struct judged_share){300, 100}; /* a collector that began anew */
    seconds(1, 95, 200);
    expect("rolled back", 0);
    expect_reason("agrees with the stable version: 290 of 500 answers");
    ck_assert_ptr_null(world.said);
}
END_TEST

START_TEST(accuracy_is_that_of_truths_since_the_beginning)
{
    world.accuracy = (struct judged_share){1000, 0}; /* of an earlier day */
    BEGIN("\"every_ms\":1000,\"steps\":[5,10],\"min_accuracy\":0.8,\"min_requests\":100");
    seconds(4, 95, 200);
    expect("holding", 5);
    expect_reason("accuracy of 0 answers is known");
    world.accuracy.count += 200;
    world.accuracy.good += 190;
    seconds(1, 95, 200);
    expect("running", 10);
    world.accuracy.count += 300;
    world.accuracy.good += 100;
    seconds(1, 95, 200);
    expect("rolled back", 0);
    expect_reason("right: 290 of 500 answers");
}
END_TEST

START_TEST(a_broken_file_is_kept_aside)
{
    rollouts_free(rollouts);
    scratch_file("rollouts.json", "{\"rollouts\": 7}");
    rollouts = rollouts_new(scratch_path("rollouts.json"), &hands, audit, metrics);
    ck_assert(!rollouts_active(rollouts, NULL));
    ck_assert_int_eq(access(scratch_path("rollouts.json.broken"), F_OK), 0);
    rollouts_free(rollouts);
    scratch_file("rollouts.json", "{\"rollouts\": [{\"model\": \"m\"}, 3, {}]}");
    rollouts = rollouts_new(scratch_path("rollouts.json"), &hands, audit, metrics);
    ck_assert(!rollouts_active(rollouts, NULL));
    BEGIN("");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_good_one_becomes_stable_and_leaves_no_arm,
        too_little_traffic_holds_it,
        errors_roll_it_back_at_once,
        the_route_that_was_said_is_put_back,
        a_candidate_that_does_not_get_ready_moves_nothing,
        a_candidate_whose_workers_fail_later_goes_back,
        what_cannot_begin_is_refused,
        a_refused_route_ends_it,
        a_route_that_takes_its_time_is_waited_for,
        a_change_by_another_hand_ends_it,
        a_pause_stops_the_clock_but_not_the_watch,
        a_supervisor_that_died_goes_on_with_all_figures,
        a_broker_that_began_anew_is_added,
        what_was_decided_is_done_after_a_death,
        agreement_is_compared_in_the_shadow,
        accuracy_is_that_of_truths_since_the_beginning,
        a_broken_file_is_kept_aside,
    };
    return SUITE_RUN("rollout", set_up, tear_down, tests);
}
