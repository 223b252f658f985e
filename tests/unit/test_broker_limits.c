/* test_broker_limits: rate limits as askers meet them: what is refused and how it is told, what counts and
 * what does not, limits that change while the broker runs, and a Redis that counts for several, is slow, goes
 * and comes back. Limits are made of so many rows, or for so long a time, that no test outlasts them.
 * SPDX-License-Identifier: MIT */
#include "api_key.h"
#include "broker_scene.h"
#include "limit.h"
#include "redis_server.h"
#include "suite.h"

static void tear_down(void)
{
    scene_tear_down();
    redis_stop();
}

static const struct version *version(void)
{
    return model_first(broker_models(scene_broker))->versions;
}

static uint64_t queued(void)
{
    return version()->queue.requests;
}

static uint64_t refused(const char *limit)
{
    return scene_counter(METRIC_RATE_LIMITED, "m", limit, NULL);
}

static uint64_t decided(const char *by)
{
    return scene_counter(METRIC_LIMIT_DECISIONS, by, NULL, NULL);
}

/* A request of so many rows. */
static struct envelope rows_of(uint64_t id, uint32_t rows)
{
    struct envelope request = scene_request(id);
    request.request.rows = rows;
    return request;
}

static void ask_rows(struct end *asker, uint64_t id, uint64_t tenant, uint64_t address, uint32_t rows)
{
    struct envelope request = rows_of(id, rows);
    request.request.tenant = tenant;
    request.request.address = address;
    end_send(asker, &request, "x");
}

/* Keys of which one, or none (NULL), has limits. */
static void write_keys(const struct api_key *key)
{
    struct api_keys keys = {0};
    mkdir(scratch_path(".state"), 0700); /* may be there */
    if (key != NULL)
        ck_assert(api_keys_add(&keys, key));
    ck_assert_int_eq(api_keys_write(scratch_path(".state/keys.json"), &keys), 0);
    free(keys.keys);
}

#define SETTINGS(...)                                                                                        \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

/* ---- refusals ---- */

START_TEST(a_refusal_says_which_limit_and_until_when)
{
    scene_start(SETTINGS("limit.key_rows_per_s=2", "limit.key_burst_s=3600"));
    struct end *asker = scene_asker();
    ask_rows(asker, 1, 5, 0, 7000);
    ask_rows(asker, 2, 5, 0, 300);
    uint64_t wait =
        scene_expect_reject(asker, 2, FAILURE_RATE_LIMITED); /* 100 rows are left, 2 come each second */
    ck_assert_uint_gt(wait, 0);
    ck_assert_uint_le(wait, 50000);
    const struct envelope *reject = &scene_letter->envelope;
    ck_assert(text_is(reject->reject.limit, "key_rows"));
    ck_assert_uint_eq(reject->reject.quota, 7200);
    ck_assert_uint_eq(reject->reject.window_s, 3600);
    ck_assert(text_is(reject->reject.message, "the limit of the API key is 2 rows a second, 7200 at once"));
    ask_rows(asker, 3, 5, 0, 200);  /* the refused one took nothing */
    ask_rows(asker, 4, 6, 0, 7200); /* and another key has its own */
    ask_rows(asker, 5, 0, 0, 8000); /* nobody known */
    WAIT_FOR(queued() == 4);
    scene_expect_nothing(asker);
    ck_assert_uint_eq(refused("key_rows"), 1);
    ck_assert_uint_eq(decided("broker"), 4);
}
END_TEST

START_TEST(what_is_larger_than_a_burst_is_too_large)
{
    scene_start(SETTINGS("limit.key_rows_per_s=10"));
    struct end *asker = scene_asker();
    ask_rows(asker, 1, 5, 0, 11);
    ck_assert_uint_eq(scene_expect_reject(asker, 1, FAILURE_TOO_LARGE), 0);
    ck_assert(text_is(scene_letter->envelope.reject.message,
                      "the request has 11 rows: the limit of the API key is 10 rows a second, 10 at once"));
    ask_rows(asker, 2, 5, 0, 10);
    WAIT_FOR(queued() == 1);
}
END_TEST

START_TEST(addresses_and_models_have_limits)
{
    repository_configure("m", "rate = { rows_per_s = 2; burst_s = 3600; };");
    scene_start(SETTINGS("limit.address_rows_per_s=1", "limit.address_burst_s=3600"));
    struct end *asker = scene_asker();
    ask_rows(asker, 1, 0, 9, 3600);
    ask_rows(asker, 2, 0, 9, 3600);
    scene_expect_reject(asker, 2, FAILURE_RATE_LIMITED);
    ck_assert(text_is(scene_letter->envelope.reject.limit, "address_rows"));
    ask_rows(asker, 3, 0, 10, 3600);
    ask_rows(asker, 4, 0, 11, 3600);
    scene_expect_reject(asker, 4, FAILURE_RATE_LIMITED);
    ck_assert(text_is(scene_letter->envelope.reject.limit, "model_rows"));
    ck_assert_uint_eq(queued(), 2);
    ck_assert_uint_eq(model_first(broker_models(scene_broker))->limited_count, 2);
    repository_configure("m", "rate = { rows_per_s = 0; };");
    broker_reload(scene_broker);
    ask_rows(asker, 5, 0, 11, 3600);
    WAIT_FOR(queued() == 3);
}
END_TEST

/* Waits for the REPLY, which tells that so many of the quota of so many are left. */
static void expect_rest(struct end *asker, uint64_t id, const char *limit, uint64_t left, uint64_t quota)
{
    scene_expect_reply(asker, id, "y");
    const struct envelope *reply = &scene_letter->envelope;
    ck_assert_msg(text_is(reply->reply.limit, limit), "%.*s", (int)reply->reply.limit.length,
                  reply->reply.limit.at);
    ck_assert_uint_ge(reply->reply.left, left); /* time goes on */
    ck_assert_uint_le(reply->reply.left, quota);
    ck_assert_uint_eq(reply->reply.quota, quota);
    ck_assert_uint_eq(reply->reply.window_s, quota == 0 ? 0 : 3600);
    ck_assert_uint_le(reply->reply.whole_s, quota - left);
    ck_assert(quota == 0 || reply->reply.left < quota);
}

START_TEST(an_answer_tells_what_is_left_of_the_tightest_limit)
{
    repository_configure("m", "cache = { ttl_ms = 3600000; };");
    scene_start(SETTINGS("limit.key_rows_per_s=1", "limit.key_burst_s=3600", "limit.address_rows_per_s=1",
                         "limit.address_burst_s=3600"));
    struct end *asker = scene_asker(), *worker = scene_worker(4711);
    ask_rows(asker, 1, 5, 9, 600);
    ask_rows(asker, 2, 6, 9, 700); /* the same bytes: it follows */
    ask_rows(asker, 3, 5, 0, 800);
    ask_rows(asker, 4, 0, 0, 100); /* which no limit holds for */
    scene_expect_nothing(asker);
    scene_result(worker, scene_expect_batch(worker, "x"), "y");
    expect_rest(asker, 2, "address_rows", 2300, 3600);
    expect_rest(asker, 3, "key_rows", 2200, 3600);
    expect_rest(asker, 4, "", 0, 0);
    expect_rest(asker, 1, "key_rows", 3000, 3600); /* as tight as the address: a key is first */
    ask_rows(asker, 5, 6, 9, 1200);                /* kept */
    expect_rest(asker, 5, "address_rows", 1100, 3600);
}
END_TEST

/* ---- what counts ---- */

START_TEST(what_a_broker_had_before_does_not_count)
{
    scene_start(SETTINGS("limit.key_rows_per_s=1", "limit.key_burst_s=3600"));
    struct end *asker = scene_asker();
    for (uint64_t id = 1; id <= 3; id++) {
        struct envelope request = rows_of(id, 3600);
        request.request.tenant = 5;
        request.request.again = true;
        end_send(asker, &request, "x");
    }
    ask_rows(asker, 4, 5, 0, 3600);
    WAIT_FOR(queued() == 4);
    ask_rows(asker, 5, 5, 0, 3600);
    scene_expect_reject(asker, 5, FAILURE_RATE_LIMITED);
}
END_TEST

START_TEST(the_same_over_the_same_connection_counts_once)
{
    scene_start(SETTINGS("limit.key_rows_per_s=2", "limit.key_burst_s=3600"));
    struct end *asker = scene_asker();
    for (int i = 0; i < 5; i++)
        ask_rows(asker, 1, 5, 0, 3600);
    ask_rows(asker, 2, 5, 0, 3600);
    WAIT_FOR(queued() == 2);
    ask_rows(asker, 3, 5, 0, 3600);
    scene_expect_reject(asker, 3, FAILURE_RATE_LIMITED);
}
END_TEST

START_TEST(answers_of_the_cache_count)
{
    repository_configure("m", "cache = { ttl_ms = 3600000; };");
    scene_start(SETTINGS("limit.key_rows_per_s=2", "limit.key_burst_s=3600"));
    struct end *asker = scene_asker(), *worker = scene_worker(4711);
    ask_rows(asker, 1, 5, 0, 3600);
    scene_result(worker, scene_expect_batch(worker, "x"), "y");
    scene_expect_reply(asker, 1, "y");
    ask_rows(asker, 2, 5, 0, 3600);
    scene_expect_reply(asker, 2, "y");
    ask_rows(asker, 3, 5, 0, 3600);
    scene_expect_reject(asker, 3, FAILURE_RATE_LIMITED);
}
END_TEST

START_TEST(limits_of_a_key_change_while_the_broker_runs)
{
    scene_start(NULL);
    struct end *asker = scene_asker();
    struct api_key key = {.id = "0123456789ab",
                          .name = "k",
                          .rights = RIGHT_PREDICT,
                          .created = 1,
                          .requests_per_s = 0.001,
                          .burst = 2};
    uint64_t tenant = api_key_tenant(key.id);
    ask_rows(asker, 1, tenant, 0, 100);
    WAIT_FOR(queued() == 1);
    write_keys(&key);
    uint64_t id = 1;
    while (refused("key") == 0) { /* it is read soon */
        ask_rows(asker, ++id, tenant, 0, 1);
        turn_loop();
    }
    ck_assert(scene_next(asker, VERB_REJECT)->reject.failure == FAILURE_RATE_LIMITED);
    ck_assert(text_is(scene_letter->envelope.reject.message,
                      "the limit of the API key is 0.001 requests a second, 2 at once"));
    uint64_t before = queued();
    ask_rows(asker, ++id, 17, 0, 1); /* another key has none */
    WAIT_FOR(queued() == before + 1);
    write_keys(NULL);
    WAIT_FOR((ask_rows(asker, ++id, tenant, 0, 1), queued() > before + 1));
}
END_TEST

/* ---- Redis ---- */

static bool is_state(const char *state)
{
    return scene_counter(METRIC_LIMIT_REDIS_STATE, state, NULL, NULL) == 1;
}

static void start_with_redis(const char *const *settings)
{
    redis_start(NULL);
    scene_start(settings);
    WAIT_FOR(is_state("ready"));
}

START_TEST(redis_counts_as_the_broker_does)
{
    start_with_redis(SETTINGS(redis_setting(), "limit.key_rows_per_s=2", "limit.key_burst_s=3600",
                              "limit.redis_timeout_ms=10000", "limit.model_rows_per_s=100",
                              "limit.model_burst_s=3600"));
    struct end *asker = scene_asker();
    ask_rows(asker, 1, 5, 0, 7000);
    ask_rows(asker, 2, 5, 0, 300);
    uint64_t wait = scene_expect_reject(asker, 2, FAILURE_RATE_LIMITED);
    ck_assert_uint_gt(wait, 0);
    ck_assert_uint_le(wait, 50000);
    ck_assert(text_is(scene_letter->envelope.reject.limit, "key_rows"));
    ask_rows(asker, 3, 5, 0, 200);
    ask_rows(asker, 4, 6, 0, 7200);
    WAIT_FOR(queued() == 3);
    ck_assert_uint_eq(decided("redis"), 4);
    struct end *worker = scene_worker(4711);
    static const uint64_t left[] = {200, 0, 0, 0};
    for (uint64_t id = 1; id <= 4; id += id == 1 ? 2 : 1) {
        scene_result(worker, scene_expect_batch(worker, "x"), "y");
        scene_expect_reply(asker, id, "y");
        const struct envelope *reply = &scene_letter->envelope;
        ck_assert(text_is(reply->reply.limit, "key_rows"));
        ck_assert(reply->reply.left >= left[id - 1] && reply->reply.left <= left[id - 1] + 200);
        ck_assert(reply->reply.quota == 7200 && reply->reply.window_s == 3600);
        ck_assert(reply->reply.whole_s > 3000 && reply->reply.whole_s <= 3600);
    }
    /* What it let through is counted here, too. */
    redis_stop();
    WAIT_FOR(is_state("away"));
    ask_rows(asker, 5, 6, 0, 7200);
    scene_expect_reject(asker, 5, FAILURE_RATE_LIMITED);
    ask_rows(asker, 6, 7, 0, 7200);
    scene_result(worker, scene_expect_batch(worker, "x"), "y");
    scene_expect_reply(asker, 6, "y");
    ck_assert_uint_lt(scene_letter->envelope.reply.left, 200); /* told by the broker itself */
    ck_assert_uint_eq(decided("away"), 2);
}
END_TEST

START_TEST(a_redis_that_hangs_costs_its_timeout_once)
{
    start_with_redis(SETTINGS(redis_setting(), "limit.key_rows_per_s=1", "limit.key_burst_s=3600"));
    struct end *asker = scene_asker();
    kill(redis_pid, SIGSTOP);
    for (uint64_t id = 1; id <= 3; id++)
        ask_rows(asker, id, 5, 0, 1200);
    WAIT_FOR(queued() == 3);
    ck_assert(is_state("late"));
    ck_assert_uint_eq(decided("late"), 3);
    ask_rows(asker, 4, 5, 0, 1200);
    scene_expect_reject(asker, 4, FAILURE_RATE_LIMITED);
    ask_rows(asker, 5, 6, 0, 1200); /* does not wait */
    scene_expect_nothing(asker);
    ck_assert_uint_eq(queued(), 4);
    kill(redis_pid, SIGCONT);
    WAIT_FOR(is_state("ready"));
    ask_rows(asker, 6, 7, 0, 3600);
    WAIT_FOR(decided("redis") == 1);
    ck_assert_uint_eq(queued(), 5);
}
END_TEST

START_TEST(a_redis_that_goes_comes_back)
{
    scene_start(SETTINGS(redis_setting(), "limit.key_rows_per_s=1", "limit.key_burst_s=3600",
                         "limit.redis_timeout_ms=10000"));
    struct end *asker = scene_asker();
    ck_assert(is_state("away"));
    ask_rows(asker, 1, 5, 0, 3600);
    WAIT_FOR(queued() == 1);
    for (int i = 0; i < 2; i++) {
        redis_start(NULL);
        WAIT_FOR(is_state("ready"));
        ask_rows(asker, 10 + (uint64_t)i, 6, 0, 3600); /* it has forgotten all */
        WAIT_FOR(queued() == 2 + (uint64_t)i);
        redis_stop();
        WAIT_FOR(is_state("away"));
    }
    ck_assert_uint_eq(decided("redis"), 2);
    ck_assert_uint_eq(scene_counter(METRIC_LIMIT_REDIS_CHANGES, "ready", NULL, NULL), 2);
}
END_TEST

/* The script is not there any more: it is sent with the question. */
START_TEST(a_redis_without_the_script_gets_it_again)
{
    start_with_redis(SETTINGS(redis_setting(), "limit.key_rows_per_s=1", "limit.key_burst_s=3600",
                              "limit.redis_timeout_ms=10000"));
    struct end *asker = scene_asker();
    char command[256];
    snprintf(command, sizeof command, "redis-cli -s %s/redis.sock script flush sync >/dev/null",
             scratch_directory);
    ck_assert_int_eq(system(command), 0);
    ask_rows(asker, 1, 5, 0, 3600);
    ask_rows(asker, 2, 5, 0, 3600);
    scene_expect_reject(asker, 2, FAILURE_RATE_LIMITED);
    ck_assert_uint_eq(queued(), 1);
    ck_assert_uint_eq(decided("redis"), 2);
    snprintf(command, sizeof command,
             "redis-cli -s %s/redis.sock lpush outrigger:key_rows:%016x x >/dev/null", scratch_directory, 6);
    ck_assert_int_eq(system(command), 0);
    ask_rows(asker, 3, 6, 0, 3600); /* somebody else's value */
    WAIT_FOR(decided("error") == 1);
    ck_assert_uint_eq(queued(), 2);
}
END_TEST

/* What is none of the script's answers is no answer. A rate of 1 a second counts in 1000 parts. */
START_TEST(what_a_redis_answers_is_bounded)
{
    static const char *const replies[] = {"*3\r\n:0\r\n:5\r\n:1000",
                                          "*3\r\n:0\r\n:5\r\n:-1",
                                          "*3\r\n:0\r\n:5\r\n:9223372036854775807",
                                          "*3\r\n:0\r\n:9223372036854775807\r\n:5",
                                          "*3\r\n:0\r\n:-1\r\n:5",
                                          "*3\r\n:0\r\n:5\r\n+5",
                                          "*2\r\n:0\r\n:5",
                                          "*2\r\n:1\r\n:9223372036854775807",
                                          "*2\r\n:1\r\n:-1",
                                          "*2\r\n:2\r\n:5",
                                          "*2\r\n:-1\r\n:5",
                                          "*0",
                                          ":0",
                                          "*3\r\n:0\r\n:5\r\n:999",
                                          NULL};
    enum { BROKEN = COUNT_OF(replies) - 2 };
    redis_start_false(replies);
    scene_start(SETTINGS(redis_setting(), "limit.key_rows_per_s=1", "limit.key_burst_s=3600",
                         "limit.redis_timeout_ms=10000"));
    WAIT_FOR(is_state("ready"));
    struct end *asker = scene_asker();
    for (uint64_t i = 0; i < BROKEN; i++) {
        ask_rows(asker, 1 + i, 10 + i, 0, 1);
        WAIT_FOR(decided("error") == i + 1);
        ck_assert_uint_eq(queued(), i + 1);
    }
    ask_rows(asker, 1 + BROKEN, 5, 0, 1);
    WAIT_FOR(decided("redis") == 1);
    ck_assert_uint_eq(queued(), BROKEN + 1);
}
END_TEST

START_TEST(a_password_is_needed)
{
    redis_start("s3cret");
    char setting[200];
    snprintf(setting, sizeof setting, "limit.redis_password=%s", scratch_file("password", "s3cret\n"));
    ck_assert_int_eq(chmod(scratch_path("password"), 0600), 0);
    scene_start(SETTINGS(redis_setting(), setting, "limit.key_rows_per_s=1"));
    WAIT_FOR(is_state("ready"));
}
END_TEST

START_TEST(a_wrong_password_leaves_the_limits_here)
{
    redis_start("s3cret");
    char setting[200];
    snprintf(setting, sizeof setting, "limit.redis_password=%s", scratch_file("password", "guess\n"));
    ck_assert_int_eq(chmod(scratch_path("password"), 0600), 0);
    scene_start(SETTINGS(redis_setting(), setting, "limit.key_rows_per_s=1"));
    for (int i = 0; i < 300; i++)
        turn_loop();
    ck_assert(is_state("away"));
    struct end *asker = scene_asker();
    ask_rows(asker, 1, 5, 0, 1);
    WAIT_FOR(queued() == 1);
    ck_assert_uint_eq(decided("away"), 1);
}
END_TEST

START_TEST(a_password_that_cannot_be_read_stops_the_start)
{
    const char *endpoint;
    scene_config = repository_config(SETTINGS(redis_setting(), "limit.redis_password=/nonexistent"));
    ck_assert_ptr_null(broker_new(scene_context, letters_loop, scene_config, scene_metrics, &endpoint));
    ck_assert_int_eq(errno, 0);
}
END_TEST

/* ---- while it waits ---- */

static void start_with_hanging_redis(const char *timeout)
{
    start_with_redis(SETTINGS(redis_setting(), "limit.key_rows_per_s=1", "limit.key_burst_s=3600", timeout));
    kill(redis_pid, SIGSTOP);
}

START_TEST(who_waits_can_take_it_back)
{
    start_with_hanging_redis("limit.redis_timeout_ms=10000");
    struct end *asker = scene_asker();
    ask_rows(asker, 1, 5, 0, 1);
    ask_rows(asker, 1, 5, 0, 1); /* sent again */
    ask_rows(asker, 2, 5, 0, 1);
    scene_cancel(asker, 1);
    scene_expect_nothing(asker);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "cancelled"), 1);
    ck_assert_uint_eq(queued(), 0);
    kill(redis_pid, SIGCONT);
    WAIT_FOR(queued() == 1);
    scene_expect_nothing(asker);
    ck_assert_uint_eq(queued(), 1);
    ck_assert_uint_eq(decided("redis"), 1);
}
END_TEST

START_TEST(who_waits_has_its_name)
{
    start_with_hanging_redis("limit.redis_timeout_ms=10000");
    struct end *asker = scene_asker();
    static const char once[2][PROTOCOL_ONCE_BYTES] = {"one", "another"};
    for (uint64_t id = 1; id <= 3; id++) {
        struct envelope request = rows_of(id, 1);
        request.request.tenant = 5;
        request.request.once = (struct text){once[id == 3], PROTOCOL_ONCE_BYTES};
        end_send(asker, &request, "x");
    }
    scene_expect_nothing(asker);
    ck_assert_uint_eq(queued(), 0);
    kill(redis_pid, SIGCONT);
    scene_expect_reject(asker, 2, FAILURE_KEY_RUNNING);
    WAIT_FOR(queued() == 2);
}
END_TEST

START_TEST(who_waits_has_a_deadline)
{
    start_with_hanging_redis("limit.redis_timeout_ms=10000");
    struct end *asker = scene_asker();
    struct envelope request = rows_of(1, 1);
    request.request.tenant = 5;
    request.request.time_left_us = 30000;
    end_send(asker, &request, "x");
    scene_expect_reject(asker, 1, FAILURE_DEADLINE);
    ck_assert_uint_eq(queued(), 0);
    ck_assert(is_state("ready")); /* its time was short: Redis is not late for that */
}
END_TEST

static void note(void *self)
{
    *(bool *)self = true;
}

START_TEST(who_waits_when_the_broker_stops_is_turned_away)
{
    start_with_hanging_redis("limit.redis_timeout_ms=10000");
    struct end *asker = scene_asker();
    ask_rows(asker, 1, 5, 0, 1);
    scene_expect_nothing(asker);
    bool drained = false;
    broker_drain(scene_broker, note, &drained);
    ck_assert(drained);
    scene_expect_reject(asker, 1, FAILURE_STOPPING);
}
END_TEST

/* Answers that nobody reads any more, after the broker is gone. */
START_TEST(who_waits_at_the_end_is_forgotten)
{
    start_with_hanging_redis("limit.redis_timeout_ms=10000");
    struct end *asker = scene_asker();
    for (uint64_t id = 1; id < 100; id++)
        ask_rows(asker, id, 5, 0, 1);
    scene_expect_nothing(asker);
    ck_assert_uint_eq(queued(), 0);
}
END_TEST

START_TEST(what_waits_is_bounded)
{
    start_with_redis(SETTINGS(redis_setting(), "limit.key_rows_per_s=1000", "broker.max_requests=16",
                              "limit.redis_timeout_ms=10000"));
    kill(redis_pid, SIGSTOP);
    struct end *asker = scene_asker();
    for (uint64_t id = 1; id <= 20; id++)
        ask_rows(asker, id, 5, 0, 1);
    scene_expect_nothing(asker);
    ck_assert_uint_eq(queued(), 4);
    ck_assert_uint_eq(decided("full"), 4);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_refusal_says_which_limit_and_until_when,
                                  what_is_larger_than_a_burst_is_too_large,
                                  addresses_and_models_have_limits,
                                  an_answer_tells_what_is_left_of_the_tightest_limit,
                                  what_a_broker_had_before_does_not_count,
                                  the_same_over_the_same_connection_counts_once,
                                  answers_of_the_cache_count,
                                  limits_of_a_key_change_while_the_broker_runs,
                                  redis_counts_as_the_broker_does,
                                  a_redis_that_hangs_costs_its_timeout_once,
                                  a_redis_that_goes_comes_back,
                                  a_redis_without_the_script_gets_it_again,
                                  what_a_redis_answers_is_bounded,
                                  a_password_is_needed,
                                  a_wrong_password_leaves_the_limits_here,
                                  a_password_that_cannot_be_read_stops_the_start,
                                  who_waits_can_take_it_back,
                                  who_waits_has_its_name,
                                  who_waits_has_a_deadline,
                                  who_waits_when_the_broker_stops_is_turned_away,
                                  who_waits_at_the_end_is_forgotten,
                                  what_waits_is_bounded};
    return SUITE_RUN("broker_limits", scene_set_up, tear_down, tests);
}
