/* test_broker_routes: routes in the real broker: who answers, what becomes of those who wait when the route
 * changes or a version fails, and that no answer is kept across versions. SPDX-License-Identifier: MIT */
#include "broker_scene.h"
#include "example_fields.h"
#include "suite.h"

#define HALF    "version = \"1\"; route = { arms = ( { version = \"2\"; percent = 50; } ); };"
#define ALL     "version = \"1\"; route = { arms = ( { version = \"2\"; percent = 100; } ); };"
#define NO_ARMS "{\"models\":{\"m\":{\"route\":{}}}}"

static struct end *asker;

/* The model m with the versions 1 (stable) and 2. */
static void start(const char *model_conf)
{
    repository_add("m", "2");
    repository_configure("m", model_conf);
    scene_start(NULL);
    asker = scene_asker();
}

static struct end *worker_of(const char *version, uint32_t pid)
{
    struct envelope ready = scene_ready(pid);
    ready.ready.version = text_of(version);
    return scene_worker_with(&ready);
}

static void say(const char *text)
{
    mkdir(scratch_path(".state"), 0700);
    scratch_file(".state/deployments.json", text);
    ck_assert_str_eq(scene_command("{\"command\":\"routes\"}"), "{\"ok\":true}");
}

static void ask_named(uint64_t id, const char *version, const char *payload)
{
    struct envelope request = scene_request(id);
    request.request.version = text_of(version);
    end_send(asker, &request, payload);
    scene_expect_nothing(asker);
}

static void ask(uint64_t id, const char *payload)
{
    ask_named(id, "", payload);
}

static void expect_reply(uint64_t id, const char *version)
{
    const struct envelope *reply = scene_next(asker, VERB_REPLY);
    ck_assert_uint_eq(reply->id, id);
    ck_assert_msg(text_is(reply->reply.version, version), "%.*s, not %s", (int)reply->reply.version.length,
                  reply->reply.version.at, version);
}

/* The next batch goes to one of the two, who answers it; the version is that of the reply. */
static struct text served_by(struct end *first, struct end *second)
{
    struct end *taken = NULL;
    WAIT_FOR((taken = end_take_verb(first, scene_letter, VERB_BATCH)    ? first
                      : end_take_verb(second, scene_letter, VERB_BATCH) ? second
                                                                        : NULL) != NULL);
    scene_result(taken, scene_letter->envelope.id, "y");
    return scene_next(asker, VERB_REPLY)->reply.version;
}

/* A worker that says what it takes: one number, which may be what the text says. */
static struct end *worker_that_takes(const char *version, uint32_t pid, const char *fields)
{
    static const struct example_tensor x = {"x", DATATYPE_FP32, {-1, 1}}, y = {"y", DATATYPE_FP32, {-1, 1}};
    struct envelope ready = scene_ready(pid);
    struct schema *schema = schema_new();
    size_t length;
    example_inputs(schema, &x, 1);
    example_outputs(schema, &y, 1);
    example_fields(schema, fields);
    uint8_t *bytes = schema_encode(schema, &length);
    struct end *worker = scene_connect(scene_config->broker_workers);
    scene_next(worker, VERB_BEAT);
    ready.ready.version = text_of(version);
    end_send_all(worker, &ready, &(struct text){(const char *)bytes, length}, 1);
    WAIT_FOR(pool_find_pid(broker_pool(scene_broker), pid) != NULL);
    scene_pids[worker - scene_ends] = pid;
    free(bytes);
    schema_free(schema);
    return worker;
}

/* All of the next requests are answered by that one. */
static void all_go_to(struct end *one, struct end *other, const char *version, uint64_t id)
{
    for (uint64_t end = id + 4; id < end; id++) {
        scene_ask(asker, id, "x");
        ck_assert(text_is(served_by(one, other), version));
    }
}

START_TEST(an_arm_with_other_inputs_gets_nothing)
{
    start(ALL);
    struct end *first = worker_that_takes("1", 1, "[{'name': 'a', 'max': 9}]");
    struct end *second = worker_that_takes("2", 2, "[{'name': 'a', 'max': 8}]");
    all_go_to(first, second, "1", 1);
    ck_assert_str_eq(
        scene_command("{\"command\":\"inputs\",\"model\":\"m\",\"one\":\"1\",\"other\":\"2\"}"),
        "{\"ok\":true,\"same\":false,\"how\":\"column a: the maximum differs between version 1 and "
        "version 2\"}");
    struct end *third = worker_that_takes("2", 3, "[{'name': 'a', 'max': 9, 'description': 'x'}]");
    scene_kill(2); /* what the newest worker said holds */
    all_go_to(third, first, "2", 10);
    ck_assert_str_eq(scene_command("{\"command\":\"inputs\",\"model\":\"m\",\"one\":\"1\",\"other\":\"2\"}"),
                     "{\"ok\":true,\"same\":true}");
    ck_assert_str_eq(scene_command("{\"command\":\"inputs\",\"model\":\"m\",\"one\":\"1\",\"other\":\"77\"}"),
                     "{\"ok\":true,\"same\":true}");
    worker_that_takes("1", 4, "[{'name': 'b', 'max': 9}]"); /* the stable version is another now */
    scene_kill(1);
    ck_assert_str_eq(
        scene_command("{\"command\":\"inputs\",\"model\":\"m\",\"one\":\"1\",\"other\":\"2\"}"),
        "{\"ok\":true,\"same\":false,\"how\":\"column 1 of version 1 is b, that of version 2 a\"}");
}
END_TEST

START_TEST(both_versions_answer)
{
    start(HALF);
    struct end *first = worker_of("1", 1), *second = worker_of("2", 2);
    int of_second = 0;
    for (uint64_t id = 1; id <= 20; id++) {
        scene_ask(asker, id, "x");
        of_second += text_is(served_by(first, second), "2");
    }
    ck_assert_int_eq(of_second, 10);
}
END_TEST

START_TEST(who_waits_for_an_arm_follows_the_route)
{
    start(ALL);
    struct end *first = worker_of("1", 1);
    ask(1, "a"); /* waits for the workers of 2, which are on their way */
    say(NO_ARMS);
    uint64_t batch = scene_expect_batch(first, "a");
    scene_result(first, batch, "A");
    expect_reply(1, "1");
    ask(2, "b");
    scene_expect_batch(first, "b");
}
END_TEST

/* It was routed there when it came, and there is somebody to answer it. */
START_TEST(who_waits_for_a_worker_of_an_old_arm_stays)
{
    start(ALL);
    worker_of("1", 1);
    struct end *second = worker_of("2", 2);
    ask(1, "a");
    uint64_t batch = scene_expect_batch(second, "a");
    ask(2, "b"); /* while it computes */
    say(NO_ARMS);
    scene_expect_nothing(asker);
    scene_result(second, batch, "A");
    expect_reply(1, "2");
    scene_result(second, scene_expect_batch(second, "b"), "B");
    expect_reply(2, "2");
}
END_TEST

START_TEST(the_requests_of_a_dead_worker_of_an_old_arm_go_on)
{
    start(ALL);
    struct end *first = worker_of("1", 1), *second = worker_of("2", 2);
    ask(1, "a");
    scene_expect_batch(second, "a");
    ask(2, "b");
    ask_named(3, "2", "c"); /* which nobody else may answer, and nobody starts 2 again */
    say(NO_ARMS);
    scene_kill(2);
    scene_expect_reject(asker, 3, FAILURE_NOT_READY);
    scene_result(first, scene_expect_batch(first, "a"), "A");
    expect_reply(1, "1");
    scene_result(first, scene_expect_batch(first, "b"), "B");
    expect_reply(2, "1");
}
END_TEST

/* Its workers come back in a moment, as those of the stable version would. */
START_TEST(an_arm_whose_worker_died_is_waited_for)
{
    start(ALL);
    worker_of("1", 1);
    struct end *second = worker_of("2", 2);
    ask(1, "a");
    scene_expect_batch(second, "a");
    scene_kill(2);
    ask(2, "b");
    struct end *third = worker_of("2", 3);
    scene_result(third, scene_expect_batch(third, "a"), "A");
    expect_reply(1, "2");
    scene_result(third, scene_expect_batch(third, "b"), "B");
    expect_reply(2, "2");
}
END_TEST

START_TEST(an_arm_that_cannot_start_gives_back_what_waits)
{
    start(ALL);
    struct end *first = worker_of("1", 1);
    ask(1, "a");
    ask_named(2, "2", "b");
    scene_command(
        "{\"command\":\"worker-failed\",\"model\":\"m\",\"version\":\"2\",\"all\":true,\"reason\":\"x\"}");
    scene_expect_reject(asker, 2, FAILURE_NOT_READY);
    scene_result(first, scene_expect_batch(first, "a"), "A");
    expect_reply(1, "1");
    ask(3, "c");
    scene_result(first, scene_expect_batch(first, "c"), "C");
    expect_reply(3, "1");
}
END_TEST

START_TEST(nothing_waits_for_a_stable_version_that_cannot_start)
{
    start(ALL);
    scene_command(
        "{\"command\":\"worker-failed\",\"model\":\"m\",\"version\":\"1\",\"all\":true,\"reason\":\"x\"}");
    ask(1, "a");
    scene_command(
        "{\"command\":\"worker-failed\",\"model\":\"m\",\"version\":\"2\",\"all\":true,\"reason\":\"x\"}");
    scene_expect_reject(asker, 1, FAILURE_NOT_READY);
}
END_TEST

START_TEST(a_loaded_version_that_is_not_routed_answers_by_name)
{
    start("version = \"1\";");
    worker_of("1", 1);
    struct end *second = worker_of("2", 2);
    ask_named(1, "2", "a");
    scene_result(second, scene_expect_batch(second, "a"), "A");
    expect_reply(1, "2");
}
END_TEST

START_TEST(who_named_a_version_waits_while_its_workers_are_kept)
{
    static const char *const reasons[] = {"\"loaded\":[\"2\"]", "\"previous\":\"2\"", "\"stable\":\"2\"",
                                          "\"route\":{\"shadow\":{\"version\":\"2\"}}"};
    start("version = \"1\";");
    worker_of("1", 1);
    for (uint32_t i = 0; i < 2; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"models\":{\"m\":{\"serving\":\"1\",%s}}}", reasons[i]);
        say(text);
        ask_named(i + 1, "2", "a");
        struct end *second = worker_of("2", 10 + i);
        scene_result(second, scene_expect_batch(second, "a"), "A");
        expect_reply(i + 1, "2");
        scene_kill(10 + i);
    }
    for (uint32_t i = 2; i < COUNT_OF(reasons); i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"models\":{\"m\":{\"serving\":\"1\",%s}}}", reasons[i]);
        say(text);
        ask_named(i + 1, "2", "a");
    }
    say("{\"models\":{\"m\":{\"loaded\":[\"2\"],\"unloaded\":[\"2\"]}}}");
    scene_expect_reject(asker, 3, FAILURE_NOT_READY);
    scene_expect_reject(asker, 4, FAILURE_NOT_READY);
}
END_TEST

/* Four ask the same: who led asked for 2 by name, who followed did not all. */
START_TEST(followers_of_one_who_named_the_version_go_on)
{
    start("version = \"1\"; cache = { ttl_ms = 3600000; };\n"
          "route = { arms = ( { version = \"2\"; percent = 100; } ); };");
    struct end *first = worker_of("1", 1);
    ask_named(1, "2", "a");
    ask(2, "a");
    ask_named(3, "2", "a");
    ask(4, "a");
    say(NO_ARMS);
    scene_expect_reject(asker, 1, FAILURE_NOT_READY);
    scene_expect_reject(asker, 3, FAILURE_NOT_READY);
    scene_result(first, scene_expect_batch(first, "a"), "A");
    expect_reply(4, "1");
    expect_reply(2, "1");
}
END_TEST

/* The key is the user's, the version is the key's. */
START_TEST(the_same_key_finds_the_same_version_again)
{
    start("version = \"1\"; route = { by = \"key\"; arms = ( { version = \"2\"; percent = 50; } ); };");
    struct end *first = worker_of("1", 1), *second = worker_of("2", 2);
    char versions[8][PROTOCOL_NAME_MAX];
    for (uint64_t id = 1; id <= 24; id++) {
        char key[] = "user0";
        key[4] = (char)('0' + id % 8);
        struct envelope request = scene_request(id);
        request.request.key = text_of(key);
        end_send(asker, &request, "x");
        struct text version = served_by(first, second);
        if (id > 8)
            ck_assert(text_is(version, versions[id % 8]));
        text_copy(version, versions[id % 8], sizeof versions[0]);
    }
}
END_TEST

/* The same question at both versions: each computes it once. */
START_TEST(no_answer_is_kept_across_versions)
{
    start("version = \"1\"; cache = { ttl_ms = 3600000; };\n"
          "route = { arms = ( { version = \"2\"; percent = 100; } ); };");
    struct end *first = worker_of("1", 1), *second = worker_of("2", 2);
    ask(1, "a");
    scene_result(second, scene_expect_batch(second, "a"), "of-2");
    expect_reply(1, "2");
    say(NO_ARMS);
    ask(2, "a");
    scene_result(first, scene_expect_batch(first, "a"), "of-1");
    expect_reply(2, "1");
    scene_ask(asker, 3, "a");
    expect_reply(3, "1");
    say("{\"models\":{}}");
    scene_ask(asker, 4, "a");
    expect_reply(4, "2");
}
END_TEST

/* The leader waits for 2 and moves to 1: who followed it moves along, and what 1 says is not kept as 2's. */
START_TEST(who_follows_a_request_moves_with_it)
{
    start("version = \"1\"; cache = { ttl_ms = 3600000; };\n"
          "route = { arms = ( { version = \"2\"; percent = 100; } ); };");
    struct end *first = worker_of("1", 1);
    ask(1, "a");
    ask(2, "a");
    say(NO_ARMS);
    scene_result(first, scene_expect_batch(first, "a"), "of-1");
    expect_reply(2, "1");
    expect_reply(1, "1");
    say("{\"models\":{}}");
    struct end *second = worker_of("2", 2);
    ask(3, "a");
    scene_result(second, scene_expect_batch(second, "a"), "of-2");
    expect_reply(3, "2");
}
END_TEST

START_TEST(a_promotion_moves_everything_at_once)
{
    start("version = \"1\";");
    struct end *first = worker_of("1", 1), *second = worker_of("2", 2);
    ask(1, "a");
    uint64_t batch = scene_expect_batch(first, "a");
    say("{\"models\":{\"m\":{\"stable\":\"2\",\"serving\":\"2\",\"previous\":\"1\"}}}");
    ask(2, "b");
    scene_result(second, scene_expect_batch(second, "b"), "B");
    expect_reply(2, "2");
    scene_result(first, batch, "A");
    expect_reply(1, "1");
}
END_TEST

/* ---- what askers and operators see ---- */

START_TEST(the_catalog_has_the_route_with_the_stable_version)
{
    start(HALF);
    worker_of("1", 1);
    size_t with_route = 0;
    scene_next(asker, VERB_CATALOG);
    for (size_t i = 0; i < scene_letter->count; i++) {
        struct catalog_entry entry;
        struct text frame = letter_payload(scene_letter, i);
        ck_assert_ptr_null(catalog_entry_decode((const uint8_t *)frame.at, frame.length, &entry));
        ck_assert((entry.route.length > 0) == entry.stable);
        with_route += entry.route.length > 0;
        if (entry.stable)
            ck_assert(text_is(entry.route, "{\"arms\":[{\"version\":\"2\",\"percent\":50}],\"by\":\"random\","
                                           "\"rules\":[],\"force_header\":\"\",\"force_from\":[]}"));
    }
    ck_assert_uint_eq(with_route, 1);
}
END_TEST

START_TEST(the_gauge_says_the_shares)
{
    start("version = \"1\"; route = { arms = ( { version = \"2\"; percent = 12.25; } ); };");
    broker_measure(scene_broker);
    ck_assert_uint_eq(scene_counter(METRIC_ROUTE_SHARE, "m", "1", NULL), 8775);
    ck_assert_uint_eq(scene_counter(METRIC_ROUTE_SHARE, "m", "2", NULL), 1225);
    say(NO_ARMS);
    broker_measure(scene_broker);
    ck_assert_uint_eq(scene_counter(METRIC_ROUTE_SHARE, "m", "1", NULL), ROUTE_WHOLE);
    ck_assert_uint_eq(scene_counter(METRIC_ROUTE_SHARE, "m", "2", NULL), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {both_versions_answer,
                                  an_arm_with_other_inputs_gets_nothing,
                                  who_waits_for_an_arm_follows_the_route,
                                  who_waits_for_a_worker_of_an_old_arm_stays,
                                  the_requests_of_a_dead_worker_of_an_old_arm_go_on,
                                  an_arm_whose_worker_died_is_waited_for,
                                  an_arm_that_cannot_start_gives_back_what_waits,
                                  nothing_waits_for_a_stable_version_that_cannot_start,
                                  a_loaded_version_that_is_not_routed_answers_by_name,
                                  who_named_a_version_waits_while_its_workers_are_kept,
                                  followers_of_one_who_named_the_version_go_on,
                                  the_same_key_finds_the_same_version_again,
                                  no_answer_is_kept_across_versions,
                                  who_follows_a_request_moves_with_it,
                                  a_promotion_moves_everything_at_once,
                                  the_catalog_has_the_route_with_the_stable_version,
                                  the_gauge_says_the_shares};
    return SUITE_RUN("broker_routes", scene_set_up, scene_tear_down, tests);
}
