/* test_broker_admission: which worker is believed by the real broker: what the supervisor has announced, and
 * nothing that a model says in its worker's name. SPDX-License-Identifier: MIT */
#include "admin.h"
#include "broker_scene.h"
#include "suite.h"
#include "unix_socket.h"

#include <sys/socket.h>

static int supervisor = -1; /* what listens in its place; -1: nobody does */

static void set_up(void)
{
    scene_set_up();
    repository_add("n", "1");
    scene_strict = true;
}

static void tear_down(void)
{
    if (supervisor != -1)
        close(supervisor);
    supervisor = -1;
    scene_tear_down();
}

static void start(void)
{
    scene_start((const char *const[]){"default_model=m", NULL});
}

static void start_with_supervisor(void)
{
    supervisor = unix_listen(scratch_path("supervisor.sock"), 0600, (gid_t)-1, 8);
    ck_assert_int_ge(supervisor, 0);
    start();
}

static uint64_t refused(const char *why)
{
    return scene_counter(METRIC_WORKERS_REFUSED, why, NULL, NULL);
}

static size_t workers(void)
{
    return pool_count(broker_pool(scene_broker));
}

/* The number of the question that came to the supervisor; 0: none came. */
static uint64_t question(void)
{
    char line[128] = "";
    int fd = accept(supervisor, NULL, NULL);
    if (fd < 0)
        return 0;
    ck_assert_int_gt(recv(fd, line, sizeof line - 1, 0), 0);
    close(fd);
    const char *number = strstr(line, "\"worker-unknown\",\"question\":");
    ck_assert_msg(number != NULL, "%s", line);
    return strtoull(strrchr(number, ':') + 1, NULL, 10);
}

/* Connects and says READY, whatever comes of it. */
static struct end *say(const struct envelope *ready)
{
    struct end *end = scene_connect(scene_config->broker_workers);
    scene_next(end, VERB_BEAT);
    end_send(end, ready, "schema");
    return end;
}

/* READY of a worker that nobody has announced yet, and what would be said of it. */
static struct envelope unannounced(uint32_t pid, struct claim *claim)
{
    struct envelope ready = scene_ready(pid);
    *claim = (struct claim){.token = worker_token_draw(), .model = "m", .version = "1", .pid = pid};
    ready.ready.token = text_of(claim->token.text);
    return ready;
}

/* It is sent away, with a message that holds these words. */
static void expect_sent_away(struct end *end, const char *words)
{
    char message[PROTOCOL_TEXT_MAX + 1];
    text_copy(scene_next(end, VERB_DRAIN)->drain.message, message, sizeof message);
    ck_assert_msg(strstr(message, words) != NULL, "%s", message);
}

/* ---- what the supervisor has said ---- */

START_TEST(who_was_announced_comes_in_as_what_he_was_announced)
{
    start();
    struct envelope ready = scene_ready(7);
    scene_announce(&ready);
    ready.ready.pid = 4711; /* it says another number, which may be that of another worker */
    struct end *worker = say(&ready), *asker = scene_asker();
    SCENE_WAIT_FOR_WORKERS(1);
    ck_assert_ptr_null(pool_find_pid(broker_pool(scene_broker), 4711));
    ck_assert_ptr_nonnull(pool_find_pid(broker_pool(scene_broker), 7));
    scene_ask(asker, 1, "a");
    scene_result(worker, scene_expect_batch(worker, "a"), "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert_ptr_nonnull(strstr(scene_command("{\"command\":\"status\"}"), "\"pid\":7,"));
    ck_assert_ptr_nonnull(strstr(scene_command("{\"command\":\"status\"}"), "\"managed\":true"));
}
END_TEST

START_TEST(another_model_is_not_his_to_serve)
{
    start();
    struct envelope evil = scene_ready(7), good = scene_ready(8);
    evil.ready.model = text_of("n");
    scene_announce(&evil);
    struct end *ours = scene_worker_with(&evil), *asker = scene_asker();
    evil.ready.model = text_of("m");
    end_send(ours, &evil, "schema"); /* over the worker's own connection, */
    expect_sent_away(ours,
                     "it is not believed to serve m 1: its token is that of process 7, which serves n 1");
    expect_sent_away(say(&evil), "serves n 1"); /* and over one of its own */
    evil.ready.model = text_of("n");
    evil.ready.version = text_of("2");
    expect_sent_away(say(&evil), "not believed to serve n 2");
    evil.ready.model = text_of("of-its-own");
    expect_sent_away(say(&evil), "of-its-own");
    ck_assert_uint_eq(refused("other"), 4);
    ck_assert_ptr_null(model_find(broker_models(scene_broker), text_of("of-its-own")));
    ck_assert_uint_eq(workers(), 1); /* as what it is */
    scene_ask(asker, 1, "a");
    scene_expect_nothing(asker);
    scene_announce(&good);
    struct end *worker = scene_worker_with(&good);
    scene_result(worker, scene_expect_batch(worker, "a"), "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

START_TEST(who_shows_nothing_is_sent_away)
{
    start();
    struct envelope ready = scene_ready(7);
    expect_sent_away(say(&ready), "no supervisor has started it (broker.workers_by_hand");
    ready.ready.token = text_of("something");
    expect_sent_away(say(&ready), "no supervisor");
    ck_assert_uint_eq(refused("missing"), 2);
    ck_assert_uint_eq(workers(), 0);
}
END_TEST

START_TEST(by_hand_when_that_is_wished)
{
    scene_strict = false;
    start();
    struct envelope ready = scene_ready(7), other = scene_ready(8);
    scene_worker_with(&ready);
    ck_assert_ptr_nonnull(strstr(scene_command("{\"command\":\"status\"}"), "\"managed\":false}"));
    ck_assert_ptr_nonnull(strstr(scene_command("{\"command\":\"status\"}"), "\"unmanaged\":1"));
    scene_announce(&other); /* one with a token is held to it all the same */
    other.ready.model = text_of("n");
    expect_sent_away(say(&other), "serves m 1");
    ck_assert_uint_eq(workers(), 1);
}
END_TEST

/* ---- who comes before he is announced ---- */

START_TEST(who_comes_too_early_is_asked_again)
{
    start_with_supervisor();
    struct claim claim;
    struct envelope ready = unannounced(7, &claim);
    struct end *worker = say(&ready);
    WAIT_FOR(question() == 1);
    ck_assert_uint_eq(workers(), 0);
    broker_announce(scene_broker, &claim);
    broker_announced(scene_broker, 0);
    do
        scene_next(worker, VERB_BEAT);
    while (scene_letter->envelope.beat.epoch != 0); /* which no worker knows: it says READY again */
    end_send(worker, &ready, "schema");
    SCENE_WAIT_FOR_WORKERS(1);
    ck_assert_uint_eq(refused("unknown"), 0);
}
END_TEST

START_TEST(the_supervisor_that_is_away_is_asked_until_it_answers)
{
    start();
    struct claim claim;
    struct envelope ready = unannounced(7, &claim);
    struct end *worker = say(&ready);
    end_send(worker, &(struct envelope){.verb = VERB_HEARTBEAT}, NULL);
    scene_next(worker, VERB_BEAT); /* it is still asked for READY */
    end_send(worker, &ready, "schema");
    supervisor = unix_listen(scratch_path("supervisor.sock"), 0600, (gid_t)-1, 8);
    uint64_t number;
    WAIT_FOR((number = question()) > 1);
    ck_assert_uint_eq(refused("unknown"), 0);
    /* It answers, and does not know it. */
    char line[64];
    snprintf(line, sizeof line, "{\"command\":\"announce\",\"workers\":[],\"answer\":%d}", (int)number);
    ck_assert_str_eq(scene_command(line), "{\"ok\":true}");
    expect_sent_away(worker, "the supervisor does not know its token");
    ck_assert_uint_eq(refused("unknown"), 1);
}
END_TEST

START_TEST(an_answer_from_before_he_came_says_nothing_of_him)
{
    start_with_supervisor();
    struct worker_token one = worker_token_draw(), two = worker_token_draw();
    struct envelope ready = scene_ready(7);
    ready.ready.token = text_of(one.text);
    struct end *first = say(&ready);
    WAIT_FOR(question() == 1);
    ready.ready.token = text_of(two.text);
    struct end *second = say(&ready);
    end_send(second, &(struct envelope){.verb = VERB_HEARTBEAT}, NULL);
    scene_next(second, VERB_BEAT); /* READY before it was read */
    scene_command("{\"command\":\"announce\",\"workers\":[],\"answer\":1}");
    expect_sent_away(first, "does not know");
    ck_assert_uint_eq(refused("unknown"), 1);
    WAIT_FOR(question() == 2);
    scene_command("{\"command\":\"announce\",\"workers\":[],\"answer\":2}");
    expect_sent_away(second, "does not know");
}
END_TEST

START_TEST(a_new_broker_asks_and_nobody_is_lost)
{
    enum { MANY = 3 };
    struct envelope ready[MANY];
    struct claim claims[MANY];
    struct end *ends[MANY];
    start_with_supervisor();
    for (uint32_t i = 0; i < MANY; i++) {
        ready[i] = unannounced(10 + i, &claims[i]);
        ready[i].ready.instance = 100 + i;
        ends[i] = say(&ready[i]);
    }
    struct end *asker = scene_asker();
    scene_ask(asker, 1, "a");
    scene_expect_nothing(asker); /* it waits */
    WAIT_FOR(question() == 1);
    for (size_t i = 0; i < MANY; i++)
        broker_announce(scene_broker, &claims[i]);
    broker_announced(scene_broker, 1);
    for (size_t i = 0; i < MANY; i++) {
        do
            scene_next(ends[i], VERB_BEAT);
        while (scene_letter->envelope.beat.epoch != 0);
        end_send(ends[i], &ready[i], "schema");
    }
    SCENE_WAIT_FOR_WORKERS(MANY);
    ck_assert_uint_eq(refused("unknown"), 0);
}
END_TEST

START_TEST(what_is_announced_badly_is_refused)
{
    static const char *const lines[] = {"{\"command\":\"announce\"}",
                                        "{\"command\":\"announce\",\"workers\":7}",
                                        "{\"command\":\"announce\",\"workers\":[7]}",
                                        "{\"command\":\"announce\",\"workers\":[{\"token\":\"ab\",\"model\":"
                                        "\"m\",\"version\":\"1\",\"pid\":1}]}",
                                        "{\"command\":\"announce\",\"workers\":[{\"token\":\"" /* 64 digits */
                                        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                                        "\",\"model\":\"\",\"version\":\"1\",\"pid\":1}]}"};
    start();
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        ck_assert_msg(strstr(scene_command(lines[i]), "\"ok\":false") != NULL, "%s", lines[i]);
    ck_assert_str_eq(scene_command("{\"command\":\"announce\",\"workers\":[{\"token\":\""
                                   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                                   "\",\"model\":\"m\",\"version\":\"1\",\"pid\":9}]}"),
                     "{\"ok\":true}");
    struct envelope ready = scene_ready(9);
    ready.ready.token = text_of("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    scene_worker_with(&ready);
}
END_TEST

/* ---- the same twice ---- */

START_TEST(a_token_lets_in_one_worker)
{
    start();
    struct envelope ready = scene_ready(7);
    ready.ready.instance = 1;
    scene_announce(&ready);
    struct end *first = scene_worker_with(&ready), *asker = scene_asker();
    ready.ready.instance = 2;
    expect_sent_away(say(&ready), "another worker has come with its token");
    ready.ready.instance = 0;
    expect_sent_away(say(&ready), "another worker");
    ck_assert_uint_eq(refused("twice"), 2);
    scene_ask(asker, 1, "a");
    scene_result(first, scene_expect_batch(first, "a"), "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert_uint_eq(workers(), 1);
}
END_TEST

START_TEST(who_connects_anew_takes_his_own_place)
{
    start();
    for (uint64_t instance = 0; instance < 2; instance++) {
        struct envelope ready = scene_ready(7 + (uint32_t)instance);
        ready.ready.instance = instance;
        scene_announce(&ready);
        scene_worker_with(&ready);
        struct end *second = say(&ready);
        WAIT_FOR(scene_counter(METRIC_WORKERS_LOST, "m", "left", NULL) == 2 * instance + 1);
        SCENE_WAIT_FOR_WORKERS(1);
        ck_assert_uint_eq(refused("twice"), 0);
        end_send(second, &(struct envelope){.verb = VERB_BYE}, NULL);
        SCENE_WAIT_FOR_WORKERS(0);
    }
}
END_TEST

START_TEST(nobody_takes_anothers_place)
{
    start();
    struct envelope victim = scene_ready(7), evil = scene_ready(8);
    victim.ready.instance = evil.ready.instance = 77;
    scene_announce(&victim);
    scene_announce(&evil);
    struct end *worker = scene_worker_with(&victim), *asker = scene_asker();
    expect_sent_away(say(&evil), "its instance is that of another worker");
    ck_assert_uint_eq(refused("instance"), 1);
    ck_assert_uint_eq(workers(), 1);
    scene_ask(asker, 1, "a");
    scene_result(worker, scene_expect_batch(worker, "a"), "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert_uint_eq(scene_counter(METRIC_WORKERS_LOST, "m", "left", NULL), 0);
}
END_TEST

START_TEST(nobody_answers_what_another_was_asked)
{
    start();
    struct envelope good = scene_ready(7), evil = scene_ready(8);
    evil.ready.model = text_of("n");
    scene_announce(&good);
    scene_announce(&evil);
    struct end *worker = scene_worker_with(&good), *other = scene_worker_with(&evil), *asker = scene_asker();
    scene_ask(asker, 1, "a");
    uint64_t batch = scene_expect_batch(worker, "a");
    scene_result(other, batch, "forged");
    struct end *stranger = scene_connect(scene_config->broker_workers);
    scene_next(stranger, VERB_BEAT);
    scene_result(stranger, batch, "forged");
    WAIT_FOR(scene_counter(METRIC_STRAY_RESULTS, NULL, NULL, NULL) == 2);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

/* ---- the end ---- */

START_TEST(the_token_of_the_dead_is_worth_nothing)
{
    start_with_supervisor();
    struct envelope ready = scene_ready(7);
    scene_announce(&ready);
    scene_worker_with(&ready);
    scene_kill(7);
    say(&ready);
    WAIT_FOR(question() == 1);
    ck_assert_uint_eq(workers(), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {who_was_announced_comes_in_as_what_he_was_announced,
                                  another_model_is_not_his_to_serve,
                                  who_shows_nothing_is_sent_away,
                                  by_hand_when_that_is_wished,
                                  who_comes_too_early_is_asked_again,
                                  the_supervisor_that_is_away_is_asked_until_it_answers,
                                  an_answer_from_before_he_came_says_nothing_of_him,
                                  a_new_broker_asks_and_nobody_is_lost,
                                  what_is_announced_badly_is_refused,
                                  a_token_lets_in_one_worker,
                                  who_connects_anew_takes_his_own_place,
                                  nobody_takes_anothers_place,
                                  nobody_answers_what_another_was_asked,
                                  the_token_of_the_dead_is_worth_nothing};
    return SUITE_RUN("broker_admission", set_up, tear_down, tests);
}
