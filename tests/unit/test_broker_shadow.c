/* test_broker_shadow: copies for a shadow version in the real broker: who gets one and when, what becomes of
 * them, what the collector hears, and that clients never notice. SPDX-License-Identifier: MIT */
#include "broker_scene.h"
#include "observation.h"
#include "suite.h"

#define SHADOW(percent) "version = \"1\"; route = { shadow = { version = \"2\"; percent = " #percent "; }; };"
#define NO_SHADOW       "{\"models\":{\"m\":{\"route\":{}}}}"
#define STABLE_3        "{\"models\":{\"m\":{\"stable\":\"3\"}}}"

static struct end *asker;
static void *collector;
static uint8_t frame[4 << 20];
static struct wire_reader frame_reader;

static void collector_binds(void)
{
    char endpoint[160];
    int zero = 0;
    snprintf(endpoint, sizeof endpoint, "ipc://%s", scratch_path("observations.ipc"));
    collector = zmq_socket(scene_context, ZMQ_PULL);
    zmq_setsockopt(collector, ZMQ_LINGER, &zero, sizeof zero);
    ck_assert_int_eq(zmq_bind(collector, endpoint), 0);
}

static void set_up(void)
{
    scene_set_up();
    frame_reader = wire_reader(frame, 0);
    collector_binds();
}

static void tear_down(void)
{
    zmq_close(collector);
    scene_tear_down();
}

static struct end *worker_that_takes(const char *version, uint32_t pid, uint32_t rows)
{
    struct envelope ready = scene_ready(pid);
    ready.ready.version = text_of(version);
    ready.ready.capacity_rows = rows;
    return scene_worker_with(&ready);
}

static struct end *worker_of(const char *version, uint32_t pid)
{
    return worker_that_takes(version, pid, 64);
}

static struct end *stable, *shadow;

/* The model m with the versions 1 (stable) and 2, and a worker of each. */
static void start_with(const char *model_conf, const char *const *settings)
{
    repository_add("m", "2");
    repository_configure("m", model_conf);
    scene_start(settings);
    asker = scene_asker();
    stable = worker_of("1", 1);
    shadow = worker_of("2", 2);
}

static void start(const char *model_conf)
{
    start_with(model_conf, NULL);
}

/* The stable version answers it. */
static void serve(uint64_t id, const char *question, const char *answer)
{
    scene_ask(asker, id, question);
    scene_result(stable, scene_expect_batch(stable, question), answer);
    scene_expect_reply(asker, id, answer);
}

static bool frame_came(void)
{
    if (wire_finished(&frame_reader)) {
        int length = zmq_recv(collector, frame, sizeof frame, ZMQ_DONTWAIT);
        ck_assert_int_le(length, (int)sizeof frame);
        frame_reader = wire_reader(frame, length < 0 ? 0 : (size_t)length);
    }
    return !wire_finished(&frame_reader);
}

static void expect_observed_of(const char *version, const char *answer, const char *shadow_answer,
                               enum failure failure)
{
    struct observation observation;
    WAIT_FOR(frame_came());
    ck_assert_ptr_null(observation_read(&frame_reader, &observation));
    ck_assert_int_eq(observation.kind, OBSERVATION_SHADOW);
    ck_assert(text_is(observation.model, "m"));
    ck_assert(text_is(observation.version, version));
    ck_assert(text_is(observation.shadow, "2"));
    ck_assert_int_eq(observation.failure, failure);
    ck_assert_msg(text_is(observation.answer, answer), "%.*s, not %s", (int)observation.answer.length,
                  observation.answer.at, answer);
    ck_assert(text_is(observation.shadow_answer, shadow_answer));
}

static void expect_observed(const char *answer, const char *shadow_answer, enum failure failure)
{
    expect_observed_of("1", answer, shadow_answer, failure);
}

static uint64_t copies(void)
{
    return scene_counter(METRIC_SHADOW_COPIES, "m", "1", "2");
}

static uint64_t dropped(const char *reason)
{
    return scene_counter(METRIC_SHADOW_DROPPED, "m", "2", reason);
}

static struct model *model(void)
{
    return model_find(broker_models(scene_broker), text_of("m"));
}

static void expect_none_open(void)
{
    ck_assert_uint_eq(model()->shadow.open, 0);
    ck_assert_uint_eq(model()->shadow.bytes, 0);
    for (struct version *version = model()->versions; version != NULL; version = version->next) {
        ck_assert_ptr_null(version->copies);
        ck_assert_uint_eq(version->copied_rows, 0);
        ck_assert_uint_eq(version->copied_from, 0);
    }
}

static struct figures *figures_of(const char *version)
{
    return &model_version(model(), text_of(version))->figures;
}

START_TEST(both_answers_go_to_the_collector)
{
    start(SHADOW(100));
    serve(1, "question", "ANSWER");
    scene_result(shadow, scene_expect_batch(shadow, "question"), "other");
    expect_observed("ANSWER", "other", FAILURE_NONE);
    scene_expect_nothing(asker);
    ck_assert_uint_eq(copies(), 1);
    expect_none_open();
}
END_TEST

/* In its own counters only. */
START_TEST(copies_are_not_among_the_requests)
{
    start(SHADOW(100));
    serve(1, "question", "ANSWER");
    ck_assert_uint_eq(model_version(model(), text_of("2"))->queue.requests, 0);
    scene_result(shadow, scene_expect_batch(shadow, "question"), "other");
    expect_observed("ANSWER", "other", FAILURE_NONE);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "2", "none"), 0);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "none"), 1);
    ck_assert_uint_eq(scene_counter(METRIC_QUEUE_DURATION, "m", "1", NULL), 1);
    ck_assert_uint_eq(scene_counter(METRIC_BATCHES, "m", "2", "shadow"), 1);
    ck_assert_uint_eq(figures_of("2")->outcomes[FAILURE_NONE], 0);
    ck_assert_uint_eq(figures_of("1")->outcomes[FAILURE_NONE], 1);
}
END_TEST

START_TEST(copies_wait_for_company)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    serve(2, "b", "B");
    uint64_t batch = scene_expect_batch(shadow, "a b");
    scene_result(shadow, batch, "x y");
    expect_observed("A", "x", FAILURE_NONE);
    expect_observed("B", "y", FAILURE_NONE);
}
END_TEST

START_TEST(a_full_batch_goes_at_once)
{
    start(SHADOW(100) "batching = { max_batch_rows = 1; };");
    for (uint64_t id = 1; id <= 3; id++)
        serve(id, "a", "A");
    for (int i = 0; i < 3; i++) {
        scene_result(shadow, scene_expect_batch(shadow, "a"), "x");
        expect_observed("A", "x", FAILURE_NONE);
    }
}
END_TEST

START_TEST(a_worker_that_takes_less_gets_less)
{
    start(SHADOW(100));
    scene_kill(2);
    shadow = worker_that_takes("2", 3, 2);
    serve(1, "a", "A");
    serve(2, "b", "B");
    uint64_t batch = scene_expect_batch(shadow, "a b");
    for (uint64_t id = 3; id <= 5; id++)
        serve(id, "c", "C");
    scene_result(shadow, batch, "x y");
    batch = scene_expect_batch(shadow, "c c");
    scene_result(shadow, batch, "x y");
    scene_result(shadow, scene_expect_batch(shadow, "c"), "x");
}
END_TEST

/* What was put together for a worker that takes more does not fit, and is not put together anew. */
START_TEST(the_next_worker_may_take_less)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    scene_expect_batch(shadow, "a");
    serve(2, "b", "B");
    serve(3, "c", "C");
    scene_kill(2);
    shadow = worker_that_takes("2", 3, 1);
    WAIT_FOR(dropped("left") == 2);
    serve(4, "d", "D");
    scene_result(shadow, scene_expect_batch(shadow, "d"), "x");
    expect_observed("", "", FAILURE_WORKER_DIED);
    expect_observed("D", "x", FAILURE_NONE);
    expect_none_open();
}
END_TEST

/* They wait for one that takes them all, if there is one. */
START_TEST(a_smaller_worker_beside_is_passed_over)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    uint64_t batch = scene_expect_batch(shadow, "a");
    serve(2, "b", "B");
    serve(3, "c", "C");
    struct end *small = worker_that_takes("2", 3, 1);
    serve(4, "d", "D");
    scene_expect_nothing(asker);
    ck_assert(!end_take_verb(small, scene_letter, VERB_BATCH));
    ck_assert_uint_eq(dropped("left"), 0);
    scene_result(shadow, batch, "x");
    scene_result(shadow, scene_expect_batch(shadow, "b c"), "y z");
}
END_TEST

START_TEST(a_share_is_exact)
{
    start(SHADOW(30));
    for (uint64_t id = 1; id <= 100; id++)
        serve(id, "a", "A");
    ck_assert_uint_eq(copies(), 30);
}
END_TEST

static void ask_named(uint64_t id, const char *version, const char *payload)
{
    struct envelope request = scene_request(id);
    request.request.version = text_of(version);
    end_send(asker, &request, payload);
}

/* Nor one that the stable version could not answer. */
START_TEST(who_chose_a_version_is_not_copied)
{
    start(SHADOW(100));
    ask_named(1, "1", "a");
    scene_result(stable, scene_expect_batch(stable, "a"), "A");
    scene_expect_reply(asker, 1, "A");
    ask_named(2, "2", "b");
    scene_result(shadow, scene_expect_batch(shadow, "b"), "B");
    scene_expect_reply(asker, 2, "B");
    ck_assert_uint_eq(figures_of("2")->outcomes[FAILURE_NONE], 1);
    scene_ask(asker, 3, "c");
    uint64_t batch = scene_expect_batch(stable, "c");
    struct text reason = text_of("no");
    char failed = FAILURE_INVALID;
    struct envelope result = {.verb = VERB_RESULT, .id = batch, .result = {1, 77, {&failed, 1}}};
    end_send_all(stable, &result, &reason, 1);
    scene_expect_reject(asker, 3, FAILURE_INVALID);
    ck_assert_uint_eq(copies(), 0);
}
END_TEST

/* Kept answers make no work, and a leader is copied for all. */
START_TEST(what_is_shared_is_copied_once)
{
    start(SHADOW(100) "cache = { ttl_ms = 60000; };");
    scene_ask(asker, 1, "a");
    scene_ask(asker, 2, "a");
    scene_result(stable, scene_expect_batch(stable, "a"), "A");
    for (int i = 0; i < 2; i++)
        scene_next(asker, VERB_REPLY);
    scene_ask(asker, 3, "a");
    scene_expect_reply(asker, 3, "A");
    ck_assert_uint_eq(copies(), 1);
    scene_result(shadow, scene_expect_batch(shadow, "a"), "x");
    expect_observed("A", "x", FAILURE_NONE);
}
END_TEST

START_TEST(beyond_the_bound_copies_are_dropped)
{
    const char *const settings[] = {"broker.max_shadow_requests=2", NULL};
    start_with(SHADOW(100), settings);
    for (uint64_t id = 1; id <= 5; id++)
        serve(id, "a", "A");
    ck_assert_uint_eq(copies(), 5);
    ck_assert_uint_eq(dropped("full"), 3);
    scene_result(shadow, scene_expect_batch(shadow, "a a"), "x y");
    expect_observed("A", "x", FAILURE_NONE);
    expect_observed("A", "y", FAILURE_NONE);
    serve(6, "b", "B");
    ck_assert_uint_eq(dropped("full"), 3);
}
END_TEST

START_TEST(bytes_are_bounded_as_well)
{
    static char large[40000];
    const char *const settings[] = {"broker.max_shadow_bytes=65536", NULL};
    memset(large, 'x', sizeof large - 1);
    start_with(SHADOW(100), settings);
    for (uint64_t id = 1; id <= 2; id++) {
        scene_ask(asker, id, large);
        scene_result(stable, scene_next(stable, VERB_BATCH)->id, "A");
        scene_expect_reply(asker, id, "A");
    }
    ck_assert_uint_eq(copies(), 2);
    ck_assert_uint_eq(dropped("full"), 1);
}
END_TEST

START_TEST(without_a_worker_there_is_no_copy)
{
    start(SHADOW(100));
    scene_kill(2);
    serve(1, "a", "A");
    ck_assert_uint_eq(dropped("absent"), 1);
    expect_none_open();
}
END_TEST

/* Nobody is blamed, and nothing is tried again: the next worker begins with what is new. */
START_TEST(a_copy_that_kills_has_failed)
{
    start(SHADOW(100));
    serve(1, "poison", "A");
    serve(2, "innocent", "B");
    scene_expect_batch(shadow, "poison innocent");
    scene_kill(2);
    expect_observed("", "", FAILURE_WORKER_DIED);
    expect_observed("", "", FAILURE_WORKER_DIED);
    expect_none_open();
    ck_assert_uint_eq(figures_of("2")->deaths, 0);
    ck_assert_uint_eq(scene_counter(METRIC_RETRIES, "m", NULL, NULL), 0);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "2", "poison"), 0);
    shadow = worker_of("2", 3);
    serve(3, "next", "C");
    scene_result(shadow, scene_expect_batch(shadow, "next"), "x");
    expect_observed("C", "x", FAILURE_NONE);
}
END_TEST

START_TEST(a_worker_that_leaves_takes_its_copies_with_it)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    scene_expect_batch(shadow, "a");
    end_send(shadow, &(struct envelope){.verb = VERB_BYE}, NULL);
    WAIT_FOR(dropped("left") == 1);
    expect_none_open();
}
END_TEST

START_TEST(a_failure_of_the_shadow_is_told)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    uint64_t batch = scene_expect_batch(shadow, "a");
    struct text reason = text_of("no");
    char failed = (char)200; /* of a later version of the wire: passed on */
    struct envelope result = {.verb = VERB_RESULT, .id = batch, .result = {1, 77, {&failed, 1}}};
    end_send_all(shadow, &result, &reason, 1);
    expect_observed("", "", (enum failure)200);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "2", "internal"), 0);
}
END_TEST

/* They would be the first of all others in the worker's hands. */
START_TEST(requests_go_before_copies)
{
    start(SHADOW(100) "batching = { max_batch_rows = 1; };");
    ask_named(1, "2", "own");
    uint64_t batch = scene_expect_batch(shadow, "own");
    serve(2, "copied", "A");
    ask_named(3, "2", "next");
    scene_expect_nothing(asker);
    scene_result(shadow, batch, "x");
    scene_expect_reply(asker, 1, "x");
    scene_result(shadow, scene_expect_batch(shadow, "next"), "y");
    scene_expect_reply(asker, 3, "y");
    scene_result(shadow, scene_expect_batch(shadow, "copied"), "z");
    expect_observed("A", "z", FAILURE_NONE);
}
END_TEST

/* A client's request that was with the worker which a copy killed is tried alone, and answered. */
START_TEST(requests_survive_a_copy_that_kills)
{
    start(SHADOW(100) "limits = { max_kills = 1; };");
    serve(1, "poison", "A");
    scene_expect_batch(shadow, "poison");
    ask_named(2, "2", "own");
    scene_expect_nothing(asker);
    scene_kill(2);
    shadow = worker_of("2", 3);
    scene_result(shadow, scene_expect_batch(shadow, "own"), "x");
    scene_expect_reply(asker, 2, "x");
}
END_TEST

static int64_t overdue_in(uint32_t pid)
{
    const struct worker *worker = pool_find_pid(broker_pool(scene_broker), pid);
    return worker->batches[0].overdue_at - worker->batches[0].sent_at;
}

/* It computes in the background: it may take longer than a worker for whom clients wait. */
START_TEST(workers_of_copies_have_more_time)
{
    start(SHADOW(100));
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(stable, "a");
    int64_t usual = overdue_in(1);
    scene_result(stable, batch, "A");
    scene_expect_batch(shadow, "a");
    ck_assert_int_gt(overdue_in(2), usual);
}
END_TEST

START_TEST(not_where_clients_are_served_as_well)
{
    start("version = \"1\"; route = { arms = ( { version = \"2\"; percent = 1; } );"
          "shadow = { version = \"2\"; percent = 100; }; };");
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(stable, "a");
    int64_t usual = overdue_in(1);
    scene_result(stable, batch, "A");
    scene_expect_batch(shadow, "a");
    ck_assert_int_eq(overdue_in(2), usual);
}
END_TEST

static void say(const char *text)
{
    mkdir(scratch_path(".state"), 0700);
    scratch_file(".state/deployments.json", text);
    broker_route(scene_broker);
}

/* Copies of two versions' requests wait side by side; each answer is compared with the right one's. */
START_TEST(another_version_may_become_stable)
{
    repository_add("m", "3");
    start(SHADOW(100));
    struct end *next = worker_of("3", 3);
    serve(1, "a", "A");
    uint64_t batch = scene_expect_batch(shadow, "a");
    serve(2, "b", "B");
    say(STABLE_3);
    scene_ask(asker, 3, "c");
    scene_result(next, scene_expect_batch(next, "c"), "C");
    scene_expect_reply(asker, 3, "C");
    scene_result(shadow, batch, "x");
    expect_observed("A", "x", FAILURE_NONE);
    scene_result(shadow, scene_expect_batch(shadow, "b"), "y");
    expect_observed("B", "y", FAILURE_NONE);
    scene_result(shadow, scene_expect_batch(shadow, "c"), "z");
    expect_observed_of("3", "C", "z", FAILURE_NONE);
    expect_none_open();
}
END_TEST

START_TEST(a_route_without_a_shadow_drops_what_waits)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    scene_expect_batch(shadow, "a");
    serve(2, "b", "B"); /* waits, as the worker is busy */
    say(NO_SHADOW);
    serve(3, "c", "C");
    WAIT_FOR(dropped("route") == 1);
    ck_assert_uint_eq(copies(), 2);
    ck_assert_uint_eq(model()->shadow.open, 1); /* with the worker */
}
END_TEST

/* The version that takes the traffic has nobody to be compared with. */
START_TEST(the_stable_version_is_no_shadow)
{
    start("version = \"2\"; route = { shadow = { version = \"2\"; percent = 100; }; };");
    scene_ask(asker, 1, "a");
    scene_result(shadow, scene_expect_batch(shadow, "a"), "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert_ptr_null(model()->shadow.version);
}
END_TEST

/* A version that is gone stays until its last copy is. */
START_TEST(copies_outlive_the_version_that_answered)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    uint64_t batch = scene_expect_batch(shadow, "a");
    scene_kill(1);
    suite_remove_folder(scratch_path("m/1"));
    repository_configure("m", "route = { };");
    broker_reload(scene_broker);
    broker_reload(scene_broker);
    scene_result(shadow, batch, "x");
    expect_observed("A", "x", FAILURE_NONE);
    broker_reload(scene_broker);
    WAIT_FOR(model_version(model(), text_of("1")) == NULL);
}
END_TEST

static void set_flag(void *flag)
{
    *(bool *)flag = true;
}

START_TEST(copies_do_not_hold_up_the_end)
{
    start(SHADOW(100));
    serve(1, "a", "A");
    scene_expect_batch(shadow, "a");
    bool drained = false;
    broker_drain(scene_broker, set_flag, &drained);
    ck_assert(drained);
}
END_TEST

/* What does not go into the buffer is counted; what did comes when somebody is there. */
START_TEST(a_collector_that_is_away_costs_nothing)
{
    enum { LARGE = 700000, COUNT = 5 };
    start(SHADOW(100));
    zmq_close(collector);
    char *large = malloc(LARGE + 1);
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    serve(1, "a", "A");
    scene_result(shadow, scene_expect_batch(shadow, "a"), "x");
    WAIT_FOR(model()->shadow.open == 0);
    for (uint64_t id = 2; id < 2 + COUNT; id++) {
        serve(id, "b", "B");
        struct text answer = {large, LARGE};
        struct envelope result = {
            .verb = VERB_RESULT, .id = scene_expect_batch(shadow, "b"), .result = {1, 77, {0}}};
        end_send_all(shadow, &result, &answer, 1);
        WAIT_FOR(model()->shadow.open == 0);
    }
    ck_assert_uint_eq(dropped("collector"), COUNT - 2);
    collector_binds();
    WAIT_FOR(zmq_recv(collector, frame, sizeof frame, ZMQ_DONTWAIT) > 2 * LARGE);
    frame_reader = wire_reader(frame, sizeof frame);
    expect_observed("A", "x", FAILURE_NONE);
    frame_reader = wire_reader(frame, 0);
    free(large);
}
END_TEST

START_TEST(answers_that_are_too_large_are_not_shown)
{
    start(SHADOW(100));
    size_t length = OBSERVATION_BYTES_MAX;
    char *large = malloc(length);
    memset(large, 'x', length);
    serve(1, "a", "A");
    struct text answer = {large, length};
    struct envelope result = {
        .verb = VERB_RESULT, .id = scene_expect_batch(shadow, "a"), .result = {1, 77, {0}}};
    end_send_all(shadow, &result, &answer, 1);
    WAIT_FOR(dropped("size") == 1);
    expect_none_open();
    free(large);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        both_answers_go_to_the_collector,
        copies_are_not_among_the_requests,
        copies_wait_for_company,
        a_full_batch_goes_at_once,
        a_worker_that_takes_less_gets_less,
        the_next_worker_may_take_less,
        a_smaller_worker_beside_is_passed_over,
        a_share_is_exact,
        who_chose_a_version_is_not_copied,
        what_is_shared_is_copied_once,
        beyond_the_bound_copies_are_dropped,
        bytes_are_bounded_as_well,
        without_a_worker_there_is_no_copy,
        a_copy_that_kills_has_failed,
        a_worker_that_leaves_takes_its_copies_with_it,
        a_failure_of_the_shadow_is_told,
        requests_go_before_copies,
        requests_survive_a_copy_that_kills,
        workers_of_copies_have_more_time,
        not_where_clients_are_served_as_well,
        another_version_may_become_stable,
        a_route_without_a_shadow_drops_what_waits,
        the_stable_version_is_no_shadow,
        copies_outlive_the_version_that_answered,
        copies_do_not_hold_up_the_end,
        a_collector_that_is_away_costs_nothing,
        answers_that_are_too_large_are_not_shown,
    };
    return SUITE_RUN("broker_shadow", set_up, tear_down, tests);
}
