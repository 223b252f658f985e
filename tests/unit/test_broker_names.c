/* test_broker_names: what the name of a request outlives: its deadline, a cancel, the death of its worker,
 * the connection of its asker; and what is known of one that may have been computed. SPDX-License-Identifier:
 * MIT */
#include "repeating_scene.h"
#include "suite.h"

/* ---- nobody waits for it any more ---- */

START_TEST(a_deadline_leaves_the_name_to_the_worker)
{
    start("");
    ask_within(asker, 1, 'k', "q", 50000);
    uint64_t batch = scene_expect_batch(worker, "q");
    scene_expect_reject(asker, 1, FAILURE_DEADLINE);
    ask(other, 2, 'k', "q");
    scene_expect_reject(other, 2, FAILURE_KEY_RUNNING);
    scene_result(worker, batch, "A");
    scene_expect_nothing(other);
    ask(other, 3, 'k', "q");
    expect_replay(other, 3, "A");
    expect_no_batch();
}
END_TEST

START_TEST(a_cancel_leaves_the_name_to_the_worker_whatever_it_says)
{
    start("");
    uint64_t batch = first_asks();
    scene_cancel(asker, 1);
    ask(asker, 2, 'k', "q");
    scene_expect_reject(asker, 2, FAILURE_KEY_RUNNING);
    ask_again(asker, 1, 'k', "q"); /* it was taken back: it is another one of the name */
    scene_expect_reject(asker, 1, FAILURE_KEY_RUNNING);
    refuse(batch, FAILURE_INVALID);
    scene_expect_nothing(asker);
    ask(other, 3, 'k', "q");
    scene_expect_reject(other, 3, FAILURE_INVALID);
    ck_assert(scene_letter->envelope.reject.replayed);
}
END_TEST

START_TEST(the_death_of_the_worker_frees_what_nobody_waits_for)
{
    start("");
    first_asks();
    scene_cancel(asker, 1);
    scene_expect_nothing(asker);
    scene_kill(1);
    worker = scene_worker(2);
    ask(other, 2, 'k', "another");
    scene_expect_batch(worker, "another");
}
END_TEST

START_TEST(what_waits_in_the_queue_gives_its_name_back)
{
    start("");
    uint64_t batch = first_asks();
    ask(asker, 2, 'w', "waits");
    scene_cancel(asker, 2);
    ask(asker, 3, 'w', "another");
    ask_within(asker, 4, 'd', "waits", 50000);
    scene_expect_reject(asker, 4, FAILURE_DEADLINE);
    ask(asker, 5, 'd', "third");
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    scene_expect_batch(worker, "another third");
}
END_TEST

/* ---- the broker tries again by itself ---- */

START_TEST(a_death_of_the_worker_is_no_second_request)
{
    start("");
    first_asks();
    scene_kill(1);
    ask(other, 2, 'k', "q");
    scene_expect_reject(other, 2, FAILURE_KEY_RUNNING);
    worker = scene_worker(2);
    scene_result(worker, scene_expect_batch(worker, "q"), "A");
    scene_expect_reply(asker, 1, "A");
    ask(other, 3, 'k', "q");
    expect_replay(other, 3, "A");
}
END_TEST

START_TEST(poison_stays_poison)
{
    start("limits: { max_kills = 1; };");
    first_asks();
    scene_kill(1);
    scene_expect_reject(asker, 1, FAILURE_POISON);
    worker = scene_worker(2);
    ask(other, 2, 'k', "q");
    scene_expect_reject(other, 2, FAILURE_POISON);
    ck_assert(scene_letter->envelope.reject.replayed);
    expect_no_batch();
}
END_TEST

/* ---- a model that is not idempotent ---- */

#define ONCE "idempotent = false;"

/* The same of the name is told what the first ended with, or would have, and nothing is computed for it. */
static void expect_verdict(enum failure failure)
{
    struct end *next = scene_worker(2);
    for (uint64_t id = 8; id <= 9; id++) {
        ask(other, id, 'k', "q");
        scene_expect_reject(other, id, failure);
        ck_assert(scene_letter->envelope.reject.replayed);
    }
    ask(other, 10, 'k', "another");
    scene_expect_reject(other, 10, FAILURE_KEY_REUSED);
    scene_expect_nothing(other);
    ck_assert(!end_take_verb(worker, scene_letter, VERB_BATCH) &&
              !end_take_verb(next, scene_letter, VERB_BATCH));
}

START_TEST(what_may_have_been_computed_is_not_computed_again)
{
    start(ONCE);
    first_asks();
    scene_kill(1);
    scene_expect_reject(asker, 1, FAILURE_WORKER_DIED);
    ck_assert(!scene_letter->envelope.reject.replayed);
    expect_verdict(FAILURE_WORKER_DIED);
}
END_TEST

START_TEST(who_registers_again_may_have_computed_it)
{
    start(ONCE);
    first_asks();
    struct envelope ready = scene_ready(1);
    end_send(worker, &ready, "schema");
    scene_expect_reject(asker, 1, FAILURE_WORKER_DIED);
    expect_verdict(FAILURE_WORKER_DIED);
}
END_TEST

START_TEST(what_was_taken_back_may_have_been_computed)
{
    start(ONCE);
    first_asks();
    scene_cancel(asker, 1);
    scene_expect_nothing(asker);
    scene_kill(1);
    expect_verdict(FAILURE_WORKER_DIED);
}
END_TEST

START_TEST(what_came_too_late_may_have_been_computed)
{
    start(ONCE);
    ask_within(asker, 1, 'k', "q", 50000);
    scene_expect_batch(worker, "q");
    scene_expect_reject(asker, 1, FAILURE_DEADLINE);
    ask(other, 2, 'k', "q");
    scene_expect_reject(other, 2, FAILURE_KEY_RUNNING);
    scene_kill(1);
    expect_verdict(FAILURE_WORKER_DIED);
}
END_TEST

START_TEST(a_failure_in_the_midst_of_it_is_kept)
{
    static const enum failure failures[] = {FAILURE_MODEL_FAILED, FAILURE_INTERNAL, FAILURE_DEADLINE};
    start(ONCE);
    for (size_t i = 0; i < COUNT_OF(failures); i++)
        for (int late = 0; late < 2; late++) {
            char name = (char)('a' + 2 * (int)i + late);
            uint64_t id = (uint64_t)name; /* none that was answered before */
            ask(asker, id, name, "q");
            uint64_t batch = scene_expect_batch(worker, "q");
            if (late == 1) {
                scene_cancel(asker, id);
                scene_expect_nothing(asker);
            }
            refuse(batch, failures[i]);
            if (late == 0)
                scene_expect_reject(asker, id, failures[i]);
            ask(other, 2, name, "q");
            scene_expect_reject(other, 2, failures[i]);
            ck_assert(scene_letter->envelope.reject.replayed);
            ck_assert(text_is(scene_letter->envelope.reject.message, "why"));
        }
    expect_no_batch();
}
END_TEST

START_TEST(what_was_not_begun_may_be_asked_anew)
{
    start(ONCE);
    first_asks();
    ask_within(asker, 2, 'w', "waits", 50000); /* its time is over before a worker is free */
    scene_expect_reject(asker, 2, FAILURE_DEADLINE);
    scene_cancel(asker, 1);
    scene_expect_nothing(asker);
    end_send(worker, &(struct envelope){.verb = VERB_BYE}, NULL); /* it had not begun it */
    WAIT_FOR(pool_count(broker_pool(scene_broker)) == 0);
    worker = scene_worker(2);
    ask(other, 3, 'k', "q");
    uint64_t batch = scene_expect_batch(worker, "q");
    refuse(batch, FAILURE_OVERLOADED);
    scene_expect_reject(other, 3, FAILURE_OVERLOADED);
    ask(other, 4, 'k', "another");
    scene_result(worker, scene_expect_batch(worker, "another"), "B");
    scene_expect_reply(other, 4, "B");
    ask(other, 5, 'w', "another waits");
    scene_expect_batch(worker, "another waits");
}
END_TEST

/* ---- another broker ---- */

static int handed_over;

static void on_handed_over(void *self)
{
    (void)self;
    handed_over++;
}

/* The broker makes room for the next, which starts. */
static void replace_broker(void)
{
    handed_over = 0;
    broker_hand_over(scene_broker, on_handed_over, NULL);
    WAIT_FOR(handed_over == 1);
    scene_restart();
    asker = scene_asker();
    worker = scene_worker(9);
}

START_TEST(a_broker_that_makes_room_leaves_what_it_knows)
{
    start(ONCE);
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    ask(asker, 2, 'i', "q");
    uint64_t batch = scene_expect_batch(worker, "q");
    scene_cancel(asker, 2);
    broker_hand_over(scene_broker, on_handed_over, NULL);
    scene_expect_nothing(asker);
    refuse(batch, FAILURE_INVALID); /* what it comes to know while it waits for workers, too */
    replace_broker();
    ask(asker, 3, 'k', "q");
    expect_replay(asker, 3, "A");
    ck_assert(text_is(scene_letter->envelope.reply.tag, "first"));
    ask(asker, 4, 'k', "another");
    scene_expect_reject(asker, 4, FAILURE_KEY_REUSED);
    ask(asker, 5, 'i', "q");
    scene_expect_reject(asker, 5, FAILURE_INVALID);
    ck_assert(scene_letter->envelope.reject.replayed);
    ck_assert(text_is(scene_letter->envelope.reject.message, "why"));
    expect_no_batch();
    replace_broker(); /* and the next to the next */
    ask(asker, 6, 'k', "q");
    expect_replay(asker, 6, "A");
}
END_TEST

START_TEST(a_broker_that_dies_leaves_nothing)
{
    start("");
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    replace_broker();
    scene_restart(); /* it said nothing at its end */
    asker = scene_asker();
    worker = scene_worker(10);
    ask(asker, 2, 'k', "q");
    scene_result(worker, scene_expect_batch(worker, "q"), "B");
    scene_expect_reply(asker, 2, "B");
}
END_TEST

/* ---- over another connection ---- */

/* The connection broke, and the asker sends what is open over another one. */
START_TEST(what_an_asker_sends_again_takes_the_place_of_the_first)
{
    start("");
    uint64_t batch = first_asks();
    ask(asker, 2, 'w', "waits");
    scene_expect_nothing(asker);
    ask_again(other, 1, 'k', "q");
    ask_again(other, 2, 'w', "waits");
    scene_expect_nothing(other);
    scene_result(worker, batch, "A");
    scene_expect_reply(other, 1, "A");
    ck_assert(!scene_letter->envelope.reply.replayed);
    scene_result(worker, scene_expect_batch(worker, "waits"), "B");
    scene_expect_reply(other, 2, "B");
    scene_expect_nothing(asker);
    ask_again(other, 1, 'k', "q"); /* the answer was lost with the connection */
    expect_replay(other, 1, "A");
}
END_TEST

START_TEST(what_another_asker_sends_again_is_another_request)
{
    start("");
    uint64_t batch = first_asks();
    ask_again(other, 7, 'k', "q");
    scene_expect_reject(other, 7, FAILURE_KEY_RUNNING);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_deadline_leaves_the_name_to_the_worker,
                                  a_cancel_leaves_the_name_to_the_worker_whatever_it_says,
                                  the_death_of_the_worker_frees_what_nobody_waits_for,
                                  what_waits_in_the_queue_gives_its_name_back,
                                  a_death_of_the_worker_is_no_second_request,
                                  poison_stays_poison,
                                  what_may_have_been_computed_is_not_computed_again,
                                  who_registers_again_may_have_computed_it,
                                  what_was_taken_back_may_have_been_computed,
                                  what_came_too_late_may_have_been_computed,
                                  a_failure_in_the_midst_of_it_is_kept,
                                  what_was_not_begun_may_be_asked_anew,
                                  a_broker_that_makes_room_leaves_what_it_knows,
                                  a_broker_that_dies_leaves_nothing,
                                  what_an_asker_sends_again_takes_the_place_of_the_first,
                                  what_another_asker_sends_again_is_another_request};
    return SUITE_RUN("broker_names", scene_set_up, scene_tear_down, tests);
}
