/* test_broker_losing: how the real broker loses workers that die, hang or fall silent, and what becomes of
 * the requests that they had. SPDX-License-Identifier: MIT */
#include "quarantined.h"
#include "suite.h"
#include "workers_scene.h"

#include <dirent.h>

START_TEST(a_dead_workers_requests_are_tried_each_alone)
{
    struct end *first;
    scene_start(NULL);
    three_with(&first);
    scene_ask(asker, 4, "d"); /* waits behind them */
    scene_expect_nothing(asker);
    broker_measure(scene_broker);
    ck_assert_uint_eq(scene_counter(METRIC_MODEL_IN_FLIGHT, "m", NULL, NULL), 4);
    ck_assert_uint_eq(scene_counter(METRIC_QUEUE_ROWS, "m", NULL, NULL), 1);
    ck_assert_uint_eq(scene_counter(METRIC_QUEUE_MAX_ROWS, "m", NULL, NULL),
                      model_version(model_first(broker_models(scene_broker)), text_of("1"))->queue.max_rows);
    scene_kill(1);
    struct end *second = scene_worker(2);
    scene_result(second, scene_expect_batch(second, "a"), "A");
    scene_result(second, scene_expect_batch(second, "b"), "B");
    scene_result(second, scene_expect_batch(second, "c"), "C");
    scene_result(second, scene_expect_batch(second, "d"), "D");
    for (uint64_t id = 1; id <= 4; id++)
        scene_expect_reply(asker, id, (const char *[]){"A", "B", "C", "D"}[id - 1]);
    ck_assert_uint_eq(lost("died"), 1);
    ck_assert_uint_eq(scene_counter(METRIC_RETRIES, "m", NULL, NULL), 3);
    ck_assert_uint_eq(scene_counter(METRIC_KILLS, "m", "1", NULL), 1);
    ck_assert_uint_eq(scene_counter(METRIC_BATCHES, "m", "1", "alone"), 3);
    ck_assert_uint_eq(scene_counter(METRIC_QUEUE_DURATION, "m", "1", NULL), 7);
    ck_assert_uint_eq(scene_counter(METRIC_BATCH_WAIT, "m", "1", NULL), 4);
    ck_assert(!broker_worker_gone(scene_broker, 1)); /* it is not known any more */
    ck_assert(!broker_worker_gone(scene_broker, 77));
}
END_TEST

START_TEST(poison_is_found_and_the_innocent_are_answered)
{
    struct end *first;
    scene_start(NULL);
    three_with(&first); /* b kills */
    scene_kill(1);
    struct end *second = scene_worker(2);
    scene_result(second, scene_expect_batch(second, "a"), "A");
    scene_expect_batch(second, "b");
    scene_kill(2);
    scene_expect_reply(asker, 1, "A");
    struct end *third = scene_worker(3);
    scene_expect_batch(third, "b");
    scene_kill(3); /* max_kills of them, and the one of the first batch */
    scene_expect_reject(asker, 2, FAILURE_POISON);
    struct end *fourth = scene_worker(4);
    scene_result(fourth, scene_expect_batch(fourth, "c"), "C");
    scene_expect_reply(asker, 3, "C");
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "poison"), 1);
    scene_expect_nothing(asker);
}
END_TEST

/* The name of the one file in the quarantine; NULL while there is none. */
static const char *kept_file(void)
{
    static char name[256];
    DIR *folder = opendir(scratch_path(".state/quarantine"));
    const struct dirent *entry;
    bool found = false;
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (strstr(entry->d_name, QUARANTINE_SUFFIX) != NULL && strstr(entry->d_name, ".new") == NULL) {
            ck_assert(!found);
            found = true;
            snprintf(name, sizeof name, ".state/quarantine/%.200s", entry->d_name);
        }
    if (folder != NULL)
        closedir(folder);
    return found ? name : NULL;
}

START_TEST(what_kills_is_kept_with_all_that_is_known_of_it)
{
    scene_start(NULL);
    asker = scene_asker();
    struct envelope request = scene_request(1);
    request.request.rows = 3;
    request.request.tag = text_of("the-tag");
    end_send(asker, &request, "poison");
    for (uint32_t pid = 1; pid <= 2; pid++) {
        scene_expect_batch(scene_worker(pid), "poison");
        scene_kill(pid);
    }
    scene_expect_reject(asker, 1, FAILURE_POISON);
    WAIT_FOR(kept_file() != NULL);
    uint8_t bytes[1024];
    FILE *file = fopen(scratch_path(kept_file()), "rb");
    ck_assert_ptr_nonnull(file);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    struct quarantined kept;
    ck_assert_ptr_null(quarantined_decode(bytes, length, &kept));
    ck_assert(text_is(kept.model, "m") && text_is(kept.version, "1") && text_is(kept.tag, "the-tag"));
    ck_assert(text_is(kept.payload, "poison") && text_is(kept.cause, "died"));
    ck_assert(kept.rows == 3 && kept.kills == 2 && kept.time_ms > 1600000000000);
    broker_measure(scene_broker);
    WAIT_FOR((broker_measure(scene_broker), scene_counter(METRIC_QUARANTINED, "kept", NULL, NULL)) == 1);
    ck_assert_uint_eq(scene_counter(METRIC_QUARANTINED, "dropped", NULL, NULL), 0);
}
END_TEST

START_TEST(a_suspect_waits_for_a_worker_with_empty_hands)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *first = scene_worker(1);
    scene_give(first, asker, 1, "suspect");
    scene_expect_nothing(asker);
    struct end *second = scene_worker_with_slots(2, 2);
    uint64_t other = scene_give(second, asker, 2, "other");
    scene_kill(1);
    scene_expect_nothing(asker);
    ck_assert_uint_eq(pool_find_pid(broker_pool(scene_broker), 2)->in_flight, 1); /* though it has a slot */
    scene_result(second, other, "O");
    scene_expect_reply(asker, 2, "O");
    uint64_t suspect = scene_expect_batch(second, "suspect");
    scene_ask(asker, 3, "late");
    scene_expect_nothing(asker);
    ck_assert_uint_eq(pool_find_pid(broker_pool(scene_broker), 2)->in_flight, 1); /* nothing beside it */
    scene_result(second, suspect, "S");
    scene_expect_reply(asker, 1, "S");
    scene_result(second, scene_expect_batch(second, "late"), "L");
    scene_expect_reply(asker, 3, "L");
}
END_TEST

START_TEST(max_kills_is_how_many_workers_a_request_may_cost)
{
    repository_configure("m", "limits: { max_kills = 3; };");
    scene_start(NULL);
    asker = scene_asker();
    scene_ask(asker, 1, "a");
    for (uint32_t pid = 1; pid <= 3; pid++) {
        scene_expect_batch(scene_worker(pid), "a");
        scene_kill(pid);
    }
    scene_expect_reject(asker, 1, FAILURE_POISON);
    ck_assert_uint_eq(scene_counter(METRIC_RETRIES, "m", NULL, NULL), 2);
}
END_TEST

/* It may have answered the first batch and died of the second; the answer is lost with it. */
START_TEST(all_that_a_dead_worker_had_is_tried_alone_and_nobody_innocent_is_blamed)
{
    scene_start(NULL);
    struct end *worker = scene_worker_with_slots(1, 2);
    asker = scene_asker();
    scene_give(worker, asker, 1, "innocent");
    scene_give(worker, asker, 2, "killer"); /* in the worker's second slot */
    scene_kill(1);
    worker = scene_worker_with_slots(2, 2);
    scene_result(worker, scene_expect_batch(worker, "innocent"), "I");
    scene_expect_reply(asker, 1, "I");
    for (uint32_t pid = 2; pid <= 3; pid++) {
        scene_expect_batch(worker, "killer");
        scene_kill(pid);
        worker = scene_worker_with_slots(pid + 1, 2);
    }
    scene_expect_reject(asker, 2, FAILURE_POISON);
}
END_TEST

/* A worker with a batch goes without a word, and another batch is on its way to it. True when the broker
 * found nobody there, false when the batch left before the connection's end was known. */
static bool found_unreachable(uint32_t pid)
{
    struct end *worker = scene_worker_with_slots(pid, 2);
    scene_give(worker, asker, 2 * pid, "begun");
    end_close(worker);
    scene_expect_nothing(asker); /* time for ZeroMQ to see it */
    scene_ask(asker, 2 * pid + 1, "next");
    const struct worker *known;
    WAIT_FOR((known = pool_find_pid(broker_pool(scene_broker), pid)) == NULL || known->in_flight == 2);
    return known == NULL;
}

START_TEST(a_busy_worker_that_cannot_be_reached_has_died)
{
    repository_configure("m", "idempotent = false;");
    scene_start(NULL);
    asker = scene_asker();
    uint32_t pid = 1;
    while (!found_unreachable(pid)) {
        scene_kill(pid);
        scene_next(asker, VERB_REJECT);
        scene_next(asker, VERB_REJECT);
        ck_assert_uint_lt(++pid, COUNT_OF(scene_ends) - 1);
    }
    ck_assert_uint_eq(lost("died"), pid); /* and not "left": what it had begun is not tried again */
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "worker_died"), 2 * pid - 1);
}
END_TEST

START_TEST(what_must_not_run_twice_is_not_tried_again)
{
    struct end *first;
    repository_configure("m", "idempotent = false;");
    scene_start(NULL);
    three_with(&first);
    scene_kill(1);
    for (int i = 0; i < 3; i++)
        scene_next(asker, VERB_REJECT);
    ck_assert_int_eq(scene_letter->envelope.reject.failure, FAILURE_WORKER_DIED);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "worker_died"), 3);
    struct end *second = scene_worker(2); /* gets nothing of it */
    scene_give(second, asker, 4, "d");
}
END_TEST

START_TEST(who_registers_again_may_have_begun_what_must_not_run_twice)
{
    struct end *worker;
    repository_configure("m", "idempotent = false;");
    scene_start(NULL);
    three_with(&worker);
    struct envelope ready = scene_ready(1);
    end_send(worker, &ready, "schema"); /* it may have begun what it had */
    for (int i = 0; i < 3; i++)
        scene_next(asker, VERB_REJECT);
    ck_assert_int_eq(scene_letter->envelope.reject.failure, FAILURE_WORKER_DIED);
    scene_give(worker, asker, 4, "d");
    end_send(worker, &(struct envelope){.verb = VERB_BYE}, NULL); /* it had not begun this */
    struct end *second = scene_worker(2);
    scene_result(second, scene_expect_batch(second, "d"), "D");
    scene_expect_reply(asker, 4, "D");
}
END_TEST

START_TEST(what_nobody_waits_for_dies_with_its_worker)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *first = scene_worker(1);
    scene_give(first, asker, 1, "a");
    scene_cancel(asker, 1);
    scene_expect_nothing(asker);
    scene_kill(1);
    struct end *second = scene_worker(2);
    scene_give(second, asker, 2, "b");
}
END_TEST

START_TEST(a_worker_that_hangs_is_given_up_at_its_batchs_deadline)
{
    repository_configure("m", "limits: { compute_timeout_ms = 30; };");
    scene_start(NULL);
    asker = scene_asker();
    struct end *first = scene_worker(1);
    uint64_t batch = scene_give(first, asker, 1, "a");
    SCENE_WAIT_FOR_WORKERS(0);
    ck_assert_uint_eq(lost("overdue"), 1);
    repository_configure("m", "");
    broker_reload(scene_broker); /* the second may take its time */
    struct end *second = scene_worker(2);
    uint64_t again = scene_expect_batch(second, "a");
    scene_result(first, batch, "late"); /* it was not dead after all: its answer does not count */
    WAIT_FOR(scene_counter(METRIC_STRAY_RESULTS, NULL, NULL, NULL) == 1);
    scene_result(second, again, "A");
    scene_expect_reply(asker, 1, "A");
    scene_expect_nothing(asker);
}
END_TEST

START_TEST(an_idle_worker_that_is_silent_is_forgotten)
{
    scene_start(NULL);
    struct envelope ready = scene_ready(1);
    ready.ready.heartbeat_ms = 10;
    scene_worker_with(&ready);
    scene_worker(2);
    SCENE_WAIT_FOR_WORKERS(1);
    ck_assert_uint_eq(lost("silent"), 1);
    ck_assert_ptr_nonnull(pool_find_pid(broker_pool(scene_broker), 2));
}
END_TEST

/* A busy worker with this instance, whose silence may last 30 ms. */
static struct end *busy_with(uint64_t instance)
{
    struct envelope ready = scene_ready(1);
    ready.ready.heartbeat_ms = 10;
    ready.ready.instance = instance;
    asker = scene_asker();
    scene_ask(asker, 1, "a");
    struct end *worker = scene_connect(scene_config->broker_workers);
    scene_next(worker, VERB_BEAT);
    end_send(worker, &ready, "schema");
    scene_expect_batch(worker, "a");
    return worker;
}

START_TEST(a_busy_worker_that_was_stopped_is_found_by_its_silence)
{
    scene_start(NULL);
    busy_with(77);
    SCENE_WAIT_FOR_WORKERS(0);
    ck_assert_uint_eq(lost("silent"), 1);
    struct end *second = scene_worker(2);
    scene_result(second, scene_expect_batch(second, "a"), "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

START_TEST(a_busy_worker_that_cannot_be_heard_is_not_missed)
{
    scene_start(NULL);
    struct end *worker = busy_with(0);
    int64_t until = clock_now() + 500 * MILLISECOND;
    while (clock_now() < until)
        turn_loop();
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
    (void)worker;
}
END_TEST

START_TEST(heartbeats_of_another_connection_count_by_their_instance)
{
    scene_start(NULL);
    struct envelope beat = {.verb = VERB_HEARTBEAT, .heartbeat = {.instance = 77}};
    struct end *thread = scene_connect(scene_config->broker_workers);
    scene_next(thread, VERB_BEAT); /* the answer to a hello, which such a thread need not send */
    end_send(thread, &beat, NULL); /* of nobody that is known yet: no answer */
    asker = scene_asker();
    struct envelope ready = scene_ready(1);
    ready.ready.heartbeat_ms = 200;
    ready.ready.instance = 77;
    struct end *worker = scene_worker_with(&ready);
    uint64_t batch = scene_give(worker, asker, 1, "a");
    int64_t until = clock_now() + SECOND;
    while (clock_now() < until) {
        end_send(thread, &beat, NULL);
        turn_loop();
    }
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
    ck_assert(!end_take(thread, scene_letter));
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

START_TEST(nobody_is_blamed_for_what_the_broker_slept_through)
{
    scene_start(NULL);
    struct envelope ready = scene_ready(1);
    ready.ready.heartbeat_ms = 300;
    ready.ready.instance = 77;
    struct end *worker = scene_worker_with(&ready);
    scene_next(worker, VERB_BEAT); /* the janitor has looked at least once */
    int64_t until = clock_now() + 1200 * MILLISECOND;
    while (clock_now() < until)
        continue; /* as if the broker's process had been stopped */
    end_send(worker, &(struct envelope){.verb = VERB_HEARTBEAT, .heartbeat = {.instance = 77}}, NULL);
    for (int i = 0; i < 3; i++)
        scene_next(worker, VERB_BEAT);
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
}
END_TEST

START_TEST(the_same_instance_on_a_new_connection_is_the_same_worker)
{
    scene_start(NULL);
    struct envelope ready = scene_ready(1);
    ready.ready.instance = 77;
    scene_worker_with(&ready);
    struct end *again = scene_connect(scene_config->broker_workers);
    scene_next(again, VERB_BEAT);
    end_send(again, &ready, "schema");
    WAIT_FOR(lost("left") == 1);
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
    struct envelope other = scene_ready(2);
    other.ready.instance = 78;
    struct end *second = scene_worker_with(&other);
    end_send(second, &ready, "schema"); /* changes its mind, and takes the other's */
    WAIT_FOR(lost("left") == 3);
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
    asker = scene_asker();
    scene_ask(asker, 1, "a");
    scene_result(second, scene_expect_batch(second, "a"), "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

START_TEST(a_worker_that_is_not_there_is_found_when_it_is_needed)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *first = scene_worker(1);
    end_close(first); /* no BYE, and nobody says that it died */
    scene_ask(asker, 1, "a");
    struct end *second = scene_worker(2);
    scene_result(second, scene_expect_batch(second, "a"), "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_dead_workers_requests_are_tried_each_alone,
                                  poison_is_found_and_the_innocent_are_answered,
                                  max_kills_is_how_many_workers_a_request_may_cost,
                                  what_kills_is_kept_with_all_that_is_known_of_it,
                                  a_suspect_waits_for_a_worker_with_empty_hands,
                                  all_that_a_dead_worker_had_is_tried_alone_and_nobody_innocent_is_blamed,
                                  a_busy_worker_that_cannot_be_reached_has_died,
                                  a_busy_worker_that_was_stopped_is_found_by_its_silence,
                                  a_busy_worker_that_cannot_be_heard_is_not_missed,
                                  heartbeats_of_another_connection_count_by_their_instance,
                                  nobody_is_blamed_for_what_the_broker_slept_through,
                                  the_same_instance_on_a_new_connection_is_the_same_worker,
                                  what_must_not_run_twice_is_not_tried_again,
                                  who_registers_again_may_have_begun_what_must_not_run_twice,
                                  what_nobody_waits_for_dies_with_its_worker,
                                  a_worker_that_hangs_is_given_up_at_its_batchs_deadline,
                                  an_idle_worker_that_is_silent_is_forgotten,
                                  a_worker_that_is_not_there_is_found_when_it_is_needed};
    return SUITE_RUN("broker_losing", scene_set_up, scene_tear_down, tests);
}
