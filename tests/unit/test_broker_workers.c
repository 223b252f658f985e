/* test_broker_workers: the workers' side of the real broker: how they come and leave, what they may say, and
 * who is refused. How they are lost: test_broker_losing. SPDX-License-Identifier: MIT */
#include "suite.h"
#include "workers_scene.h"

/* ---- leaving ---- */

/* Worker 1 has "b" and room for more; request 1, "a", was with worker 2, which died, and waits for a worker
 * for itself. */
static struct end *suspect_waits(void)
{
    struct end *first = scene_worker_with_slots(1, 2), *second = scene_worker_with_slots(2, 2);
    scene_give(second, asker, 1, "a");
    scene_give(first, asker, 2, "b");
    scene_kill(2);
    return first;
}

START_TEST(who_stands_behind_a_suspect_goes_when_that_is_taken_back)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = suspect_waits();
    scene_ask(asker, 3, "c");
    scene_expect_nothing(asker);
    scene_cancel(asker, 1);
    scene_expect_batch(worker, "c");
}
END_TEST

START_TEST(who_comes_before_a_suspect_because_of_a_follower_goes_at_once)
{
    repository_configure("m", "cache: { ttl_ms = 60000; };");
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = suspect_waits();
    scene_ask(asker, 3, "c");
    scene_expect_nothing(asker);
    struct envelope urgent = scene_request(4);
    urgent.request.priority = 9;
    end_send(asker, &urgent, "c");
    scene_result(worker, scene_expect_batch(worker, "c"), "C");
    scene_expect_reply(asker, 4, "C");
    scene_expect_reply(asker, 3, "C");
}
END_TEST

START_TEST(what_an_old_version_leaves_behind_follows_the_route)
{
    repository_add("m", "2");
    repository_configure("m", "serve = \"all\"; version = \"1\";");
    scene_start(NULL);
    asker = scene_asker();
    struct envelope ready = scene_ready(2);
    ready.ready.version = text_of("2");
    struct end *old = scene_worker(1), *new = scene_worker_with(&ready);
    uint64_t batch = scene_give(old, asker, 1, "begun");
    scene_ask(asker, 2, "waits");
    struct envelope named = scene_request(3);
    named.request.version = text_of("1");
    end_send(asker, &named, "named");
    scene_expect_nothing(asker);
    repository_configure("m", "serve = \"all\"; version = \"2\";");
    broker_reload(scene_broker); /* the old one still has what was meant for it */
    scene_result(old, batch, "B");
    scene_expect_reply(asker, 1, "B");
    scene_expect_batch(old, "waits named");
    end_send(old, &(struct envelope){.verb = VERB_BYE}, NULL);
    scene_result(new, scene_expect_batch(new, "waits"), "W");
    scene_expect_reply(asker, 2, "W");
    ck_assert(text_is(scene_letter->envelope.reply.version, "2"));
    old = scene_worker(3);
    scene_result(old, scene_expect_batch(old, "named"), "N");
    scene_expect_reply(asker, 3, "N");
}
END_TEST

START_TEST(what_an_old_version_leaves_behind_takes_its_followers_along)
{
    repository_add("m", "2");
    repository_configure("m", "serve = \"all\"; version = \"1\"; cache: { ttl_ms = 60000; };");
    scene_start(NULL);
    asker = scene_asker();
    struct envelope ready = scene_ready(2), named = scene_request(3);
    ready.ready.version = text_of("2");
    named.request.version = text_of("1");
    struct end *old = scene_worker(1), *new = scene_worker_with(&ready);
    scene_ask(asker, 1, "a");
    scene_ask(asker, 2, "a");
    scene_expect_batch(old, "a");
    scene_ask(asker, 4, "b");
    end_send(asker, &named, "b"); /* waits for the same answer, but of this version alone */
    scene_expect_nothing(asker);
    repository_configure("m", "serve = \"all\"; version = \"2\"; cache: { ttl_ms = 60000; };");
    broker_reload(scene_broker);
    end_send(old, &(struct envelope){.verb = VERB_BYE}, NULL);
    scene_result(new, scene_expect_batch(new, "a"), "A");
    for (int i = 0; i < 2; i++) {
        scene_next(asker, VERB_REPLY);
        ck_assert(text_is(scene_letter->envelope.reply.version, "2"));
    }
    broker_reload(scene_broker);
    old = scene_worker(3);
    scene_result(old, scene_expect_batch(old, "b"), "B");
    for (int i = 0; i < 2; i++) {
        scene_next(asker, VERB_REPLY);
        ck_assert(text_is(scene_letter->envelope.reply.version, "1"));
    }
}
END_TEST

START_TEST(a_worker_that_leaves_makes_nobody_suspect)
{
    struct end *first;
    scene_start(NULL);
    three_with(&first);
    end_send(first, &(struct envelope){.verb = VERB_BYE}, NULL);
    SCENE_WAIT_FOR_WORKERS(0);
    struct end *second = scene_worker(2);
    scene_result(second, scene_expect_batch(second, "a b c"), "A B C"); /* together, as before */
    for (uint64_t id = 1; id <= 3; id++)
        scene_expect_reply(asker, id, (const char *[]){"A", "B", "C"}[id - 1]);
    ck_assert_uint_eq(lost("left"), 1);
}
END_TEST

/* The supervisor's word is faster than ZeroMQ's thread: the answers of a process that has ended, and its BYE,
 * may still be on their way. */
START_TEST(what_a_dead_worker_said_last_counts)
{
    repository_configure("m", "idempotent = false;");
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = scene_worker_with_slots(1, 2);
    uint64_t batch = scene_give(worker, asker, 1, "a");
    scene_give(worker, asker, 2, "b");
    ck_assert(broker_worker_gone(scene_broker, 1));
    scene_result(worker, batch, "A");
    end_send(worker, &(struct envelope){.verb = VERB_BYE}, NULL);
    scene_expect_reply(asker, 1, "A");
    struct end *second = scene_worker(2);
    scene_result(second, scene_expect_batch(second, "b"), "B"); /* it had not begun it */
    scene_expect_reply(asker, 2, "B");
    ck_assert_uint_eq(lost("died"), 0);
}
END_TEST

START_TEST(a_dead_worker_whose_connection_does_not_end_is_lost_all_the_same)
{
    struct end *first;
    scene_start(NULL);
    three_with(&first);
    ck_assert(broker_worker_gone(scene_broker, 1));
    struct end *second = scene_worker(2);
    scene_expect_batch(second, "a");
    ck_assert_uint_eq(lost("died"), 1);
}
END_TEST

/* A heartbeat that arrives before READY is answered by a BEAT of epoch 0, which asks for READY once more. */
START_TEST(a_worker_that_answers_two_beats_keeps_what_it_has)
{
    repository_configure("m", "idempotent = false;");
    scene_start(NULL);
    asker = scene_asker();
    struct envelope ready = scene_ready(1);
    ready.ready.instance = 77;
    struct end *worker = scene_worker_with(&ready);
    uint64_t batch = scene_give(worker, asker, 1, "a");
    end_send(worker, &ready, "schema");
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
}
END_TEST

START_TEST(a_worker_that_says_ready_again_has_forgotten_what_it_had)
{
    struct end *worker;
    scene_start(NULL);
    uint64_t old = three_with(&worker);
    struct envelope ready = scene_ready(1);
    end_send(worker, &ready, "schema");
    uint64_t batch = scene_expect_batch(worker, "a b c");
    ck_assert_uint_ne(batch, old);
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
    scene_result(worker, old, "x y z");
    WAIT_FOR(scene_counter(METRIC_STRAY_RESULTS, NULL, NULL, NULL) == 1);
    scene_result(worker, batch, "A B C");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

/* ---- results that are not right ---- */

START_TEST(a_worker_that_cannot_count_is_given_up)
{
    struct end *first;
    scene_start(NULL);
    uint64_t batch = three_with(&first);
    scene_result(first, batch, "A B"); /* which of the three? */
    SCENE_WAIT_FOR_WORKERS(0);
    ck_assert_uint_eq(lost("wrong"), 1);
    ck_assert_uint_eq(scene_counter(METRIC_STRAY_RESULTS, NULL, NULL, NULL), 1);
    struct end *second = scene_worker(2);
    scene_result(second, scene_expect_batch(second, "a"), "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

START_TEST(nobody_answers_for_another)
{
    struct end *first;
    scene_start(NULL);
    uint64_t batch = three_with(&first);
    struct end *second = scene_worker(2);
    scene_result(second, batch, "x y z");
    WAIT_FOR(scene_counter(METRIC_STRAY_RESULTS, NULL, NULL, NULL) == 1);
    scene_result(second, batch + 1000, "x");
    WAIT_FOR(scene_counter(METRIC_STRAY_RESULTS, NULL, NULL, NULL) == 2);
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 2);
    struct end *stranger = scene_connect(scene_config->broker_workers);
    scene_next(stranger, VERB_BEAT);
    scene_result(stranger, batch, "x y z");
    WAIT_FOR(scene_counter(METRIC_STRAY_RESULTS, NULL, NULL, NULL) == 3);
    scene_expect_nothing(asker);
    scene_result(first, batch, "A B C");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

START_TEST(the_second_batch_may_be_answered_first)
{
    scene_start(NULL);
    struct end *worker = scene_worker_with_slots(1, 2);
    asker = scene_asker();
    uint64_t first = scene_give(worker, asker, 1, "a");
    uint64_t second = scene_give(worker, asker, 2, "b");
    scene_result(worker, second, "B");
    scene_expect_reply(asker, 2, "B");
    scene_result(worker, second, "B"); /* twice */
    WAIT_FOR(scene_counter(METRIC_STRAY_RESULTS, NULL, NULL, NULL) == 1);
    scene_result(worker, first, "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

/* ---- greetings and beats ---- */

START_TEST(beats_tell_who_is_known)
{
    scene_start(NULL);
    struct end *worker = scene_connect(scene_config->broker_workers);
    uint64_t epoch = scene_next(worker, VERB_BEAT)->beat.epoch; /* the answer to the hello */
    ck_assert_uint_ne(epoch, 0);
    end_send(worker, &(struct envelope){.verb = VERB_BYE},
             NULL); /* a stranger that goes is not called back */
    end_send(worker, &(struct envelope){.verb = VERB_HEARTBEAT}, NULL);
    ck_assert_uint_eq(scene_next(worker, VERB_BEAT)->beat.epoch, 0); /* once: register again */
    struct envelope ready = scene_ready(1);
    end_send(worker, &ready, "schema");
    for (int i = 0; i < 2; i++) /* now they come by themselves */
        ck_assert_uint_eq(scene_next(worker, VERB_BEAT)->beat.epoch, epoch);
    end_send(worker, &(struct envelope){.verb = VERB_HEARTBEAT}, NULL);
    ck_assert_uint_eq(scene_next(worker, VERB_BEAT)->beat.epoch, epoch);
    scene_asker();
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
}
END_TEST

START_TEST(heartbeats_keep_an_idle_worker)
{
    scene_start(NULL);
    struct envelope ready = scene_ready(1);
    ready.ready.heartbeat_ms = 200; /* 600 ms of silence would do */
    struct end *worker = scene_worker_with(&ready);
    int64_t until = clock_now() + SECOND;
    while (clock_now() < until) {
        end_send(worker, &(struct envelope){.verb = VERB_HEARTBEAT}, NULL);
        turn_loop();
    }
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
    ck_assert_uint_eq(lost("silent"), 0);
}
END_TEST

/* ---- refused ---- */

START_TEST(messages_that_break_the_protocol_are_counted_and_harmless)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = scene_worker(1);
    uint64_t bad = 0;
    const struct envelope strange[] = {
        {.verb = VERB_PING, .id = 1}, {.verb = VERB_BEAT}, {.verb = VERB_DRAIN}};
    for (size_t i = 0; i < COUNT_OF(strange); i++)
        end_send(worker, &strange[i], NULL);
    bad += COUNT_OF(strange);
    WAIT_FOR(scene_counter(METRIC_BAD_MESSAGES, "worker", NULL, NULL) == bad);
    struct text rubbish = text_of("rubbish");
    ck_assert(end_send_frames(worker, &rubbish, 1));
    bad++;
    WAIT_FOR(scene_counter(METRIC_BAD_MESSAGES, "worker", NULL, NULL) == bad);
    static char schema[PROTOCOL_SCHEMA_MAX + 1];
    struct text payload = {schema, sizeof schema};
    struct envelope ready = scene_ready(2);
    end_send_all(worker, &ready, &payload, 1); /* would be in every catalog */
    bad++;
    WAIT_FOR(scene_counter(METRIC_BAD_MESSAGES, "worker", NULL, NULL) == bad);
    ck_assert_ptr_nonnull(pool_find_pid(broker_pool(scene_broker), 1)); /* none of it made it go */
    end_send(asker, &ready, "schema");
    end_send(asker, &(struct envelope){.verb = VERB_BYE}, NULL);
    WAIT_FOR(scene_counter(METRIC_BAD_MESSAGES, "asker", NULL, NULL) == 2);
    scene_ask(asker, 1, "a");
    scene_result(worker, scene_expect_batch(worker, "a"), "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

START_TEST(a_routing_id_of_ones_own_may_be_short_but_not_long)
{
    char identity[PEER_MAX + 1];
    memset(identity, 'i', sizeof identity);
    scene_start(NULL);
    for (size_t more = 0; more < 2; more++) {
        void *socket = zmq_socket(scene_context, ZMQ_DEALER);
        int zero = 0;
        zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
        zmq_setsockopt(socket, ZMQ_ROUTING_ID, identity, PEER_MAX + more);
        zmq_connect(socket, scene_config->broker_askers);
        struct end *end = &scene_ends[scene_end_count++];
        *end = (struct end){.socket = socket};
        end_send(end, &(struct envelope){.verb = VERB_PING, .id = 5}, NULL);
        if (more == 0)
            ck_assert_uint_eq(scene_next(end, VERB_PONG)->id, 5);
        else
            WAIT_FOR(scene_counter(METRIC_BAD_MESSAGES, "asker", NULL, NULL) == 1);
    }
}
END_TEST

START_TEST(a_frame_above_the_bound_costs_the_connection)
{
    static char large[200000];
    memset(large, 'x', sizeof large - 1);
    scene_start(
        (const char *const[]){"frontend.max_body_bytes=65536", "broker.max_message_bytes=65536", NULL});
    asker = scene_asker();
    struct end *worker = scene_worker(1);
    scene_ask(asker, 1, large);
    scene_next(asker, VERB_PONG); /* ZeroMQ connects again, and says hello again */
    ck_assert_uint_eq(scene_letter->envelope.id, 0);
    scene_ask(asker, 2, "a");
    scene_result(worker, scene_expect_batch(worker, "a"), "A");
    scene_expect_reply(asker, 2, "A");
}
END_TEST

START_TEST(a_worker_for_which_there_is_no_room_is_sent_away)
{
    scene_start(NULL);
    struct end *worker = scene_connect(scene_config->broker_workers);
    scene_next(worker, VERB_BEAT);
    for (int i = 0; i < MODELS_MAX; i++) { /* "m" is one; each READY takes the place of the one before */
        char name[32];
        snprintf(name, sizeof name, "model%d", i);
        struct envelope ready = scene_ready(1);
        ready.ready.model = text_of(name);
        end_send(worker, &ready, "schema");
    }
    scene_next(worker, VERB_DRAIN);
    ck_assert_uint_gt(scene_letter->envelope.drain.message.length, 0);
    SCENE_WAIT_FOR_WORKERS(0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {who_stands_behind_a_suspect_goes_when_that_is_taken_back,
                                  who_comes_before_a_suspect_because_of_a_follower_goes_at_once,
                                  what_an_old_version_leaves_behind_follows_the_route,
                                  what_an_old_version_leaves_behind_takes_its_followers_along,
                                  a_worker_that_leaves_makes_nobody_suspect,
                                  what_a_dead_worker_said_last_counts,
                                  a_dead_worker_whose_connection_does_not_end_is_lost_all_the_same,
                                  a_worker_that_answers_two_beats_keeps_what_it_has,
                                  a_worker_that_says_ready_again_has_forgotten_what_it_had,
                                  a_worker_that_cannot_count_is_given_up,
                                  nobody_answers_for_another,
                                  the_second_batch_may_be_answered_first,
                                  beats_tell_who_is_known,
                                  heartbeats_keep_an_idle_worker,
                                  messages_that_break_the_protocol_are_counted_and_harmless,
                                  a_routing_id_of_ones_own_may_be_short_but_not_long,
                                  a_frame_above_the_bound_costs_the_connection,
                                  a_worker_for_which_there_is_no_room_is_sent_away};
    return SUITE_RUN("broker_workers", scene_set_up, scene_tear_down, tests);
}
