/* test_broker_repeating: the real broker and requests whose clients gave them a name: who is answered without
 * being computed, who is refused, and what a name outlives. SPDX-License-Identifier: MIT */
#include "broker_scene.h"
#include "suite.h"

static struct end *asker, *other, *worker;

static void start_with(const char *configuration, const char *const *settings)
{
    repository_configure("m", configuration);
    scene_start(settings);
    asker = scene_asker();
    other = scene_asker();
    worker = scene_worker(1);
}

static void start(const char *configuration)
{
    start_with(configuration, NULL);
}

/* A request of the name that asks `payload`: the test changes what it wants. */
static struct envelope named(uint64_t id, char name, const char *payload)
{
    static char once[PROTOCOL_ONCE_BYTES];
    memset(once, name, sizeof once / 2);
    memset(once + sizeof once / 2, 0, sizeof once / 2);
    memcpy(once + sizeof once / 2, payload, strlen(payload));
    struct envelope request = scene_request(id);
    request.request.once = (struct text){once, sizeof once};
    request.request.tag = text_of("first");
    return request;
}

static void ask(struct end *end, uint64_t id, char name, const char *payload)
{
    struct envelope request = named(id, name, payload);
    end_send(end, &request, payload);
}

static void ask_within(struct end *end, uint64_t id, char name, const char *payload, uint64_t microseconds)
{
    struct envelope request = named(id, name, payload);
    request.request.time_left_us = microseconds;
    end_send(end, &request, payload);
}

static void ask_again(struct end *end, uint64_t id, char name, const char *payload)
{
    struct envelope request = named(id, name, payload);
    request.request.again = true;
    end_send(end, &request, payload);
}

static void cancel(struct end *end, uint64_t id)
{
    end_send(end, &(struct envelope){.verb = VERB_CANCEL, .id = id}, NULL);
}

static void refuse(uint64_t batch, enum failure failure)
{
    struct envelope result = {
        .verb = VERB_RESULT, .id = batch, .result = {1, 77, {(char[]){(char)failure}, 1}}};
    end_send(worker, &result, "why");
}

/* The first of the name k waits for "q" with the worker; returns the batch. */
static uint64_t first_asks(void)
{
    ask(asker, 1, 'k', "q");
    return scene_expect_batch(worker, "q");
}

static void expect_replay(struct end *end, uint64_t id, const char *payload)
{
    scene_expect_reply(end, id, payload);
    const struct envelope *reply = &scene_letter->envelope;
    ck_assert(reply->reply.replayed && reply->reply.age_us >= 1 && text_is(reply->reply.version, "1"));
    ck_assert(reply->reply.batch_rows == 0 && reply->reply.compute_us == 0 && reply->reply.queue_us == 0);
}

static void expect_no_batch(void)
{
    scene_expect_nothing(asker); /* the broker has done all that it was told */
    ck_assert(!end_take_verb(worker, scene_letter, VERB_BATCH));
}

static uint64_t replayed(void)
{
    return scene_counter(METRIC_IDEMPOTENCY_REPLAYED, "m", NULL, NULL);
}

static uint64_t conflicts(const char *reason)
{
    return scene_counter(METRIC_IDEMPOTENCY_CONFLICTS, "m", reason, NULL);
}

START_TEST(what_is_sent_again_is_answered_as_before)
{
    start("");
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    ck_assert(!scene_letter->envelope.reply.replayed && scene_letter->envelope.reply.tag.length == 0);
    scene_kill(1); /* nobody is needed for it */
    for (uint64_t id = 2; id <= 3; id++) {
        ask(other, id, 'k', "q");
        expect_replay(other, id, "A");
        ck_assert(text_is(scene_letter->envelope.reply.tag, "first"));
    }
    ck_assert_uint_eq(replayed(), 2);
    ck_assert_uint_eq(scene_counter(METRIC_REQUESTS, "m", "1", "none"), 1);
    ck_assert_uint_eq(scene_counter(METRIC_IDEMPOTENCY_KEYS, NULL, NULL, NULL), 1);
}
END_TEST

START_TEST(another_request_of_the_name_is_refused)
{
    start("");
    uint64_t batch = first_asks();
    ask(other, 2, 'k', "another");
    scene_expect_reject(other, 2, FAILURE_KEY_REUSED);
    scene_result(worker, batch, "A");
    scene_expect_reply(asker, 1, "A");
    ask(other, 3, 'k', "another");
    scene_expect_reject(other, 3, FAILURE_KEY_REUSED);
    expect_no_batch();
    ck_assert_uint_eq(conflicts("reused"), 2);
    ask(other, 4, 'l', "another");
    scene_expect_batch(worker, "another");
}
END_TEST

START_TEST(one_that_comes_while_the_first_is_under_way_is_refused)
{
    start("");
    uint64_t batch = first_asks();
    ask(other, 2, 'k', "q");
    scene_expect_reject(other, 2, FAILURE_KEY_RUNNING);
    ask(asker, 3, 'w', "waits"); /* the worker is busy */
    ask(other, 4, 'w', "waits");
    scene_expect_reject(other, 4, FAILURE_KEY_RUNNING);
    ck_assert_uint_eq(conflicts("running"), 2);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "waits"), "B");
    scene_expect_reply(asker, 1, "A");
    scene_expect_reply(asker, 3, "B");
    ask(other, 5, 'w', "waits");
    expect_replay(other, 5, "B");
}
END_TEST

START_TEST(what_is_wrong_with_the_request_is_kept)
{
    start("");
    refuse(first_asks(), FAILURE_INVALID);
    scene_expect_reject(asker, 1, FAILURE_INVALID);
    ck_assert(!scene_letter->envelope.reject.replayed);
    ask(other, 2, 'k', "q");
    scene_expect_reject(other, 2, FAILURE_INVALID);
    ck_assert(scene_letter->envelope.reject.replayed);
    ck_assert(text_is(scene_letter->envelope.reject.message, "why"));
    expect_no_batch();
    ck_assert_uint_eq(replayed(), 1);
}
END_TEST

START_TEST(any_other_failure_frees_the_name)
{
    static const enum failure failures[] = {FAILURE_MODEL_FAILED, FAILURE_INTERNAL, FAILURE_OVERLOADED,
                                            FAILURE_DEADLINE};
    start("");
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        ask_within(asker, 1, 'k', "q", failures[i] == FAILURE_DEADLINE ? 50000 : 30000000);
        uint64_t batch = scene_expect_batch(worker, "q");
        if (failures[i] == FAILURE_DEADLINE) /* the worker says so when it is over here, too */
            scene_expect_reject(asker, 1, FAILURE_DEADLINE);
        refuse(batch, failures[i]);
        if (failures[i] != FAILURE_DEADLINE)
            scene_expect_reject(asker, 1, failures[i]);
        else
            scene_expect_nothing(asker);
    }
    ask(other, 2, 'k', "another");
    scene_expect_batch(worker, "another");
    ck_assert_uint_eq(conflicts("running") + conflicts("reused") + replayed(), 0);
}
END_TEST

START_TEST(what_never_came_in_takes_no_name)
{
    start_with("queue: { max_rows = 1; };",
               (const char *const[]){"limit.address_rows_per_s=1", "limit.address_burst_s=1", NULL});
    uint64_t batch = first_asks();
    scene_ask(asker, 2, "waits");
    ask(asker, 3, 'f', "q");
    scene_expect_reject(asker, 3, FAILURE_OVERLOADED);
    struct envelope request = named(4, 'f', "q");
    request.request.version = text_of("9");
    end_send(asker, &request, "q");
    scene_expect_reject(asker, 4, FAILURE_UNKNOWN_VERSION);
    request.request.version = text_of("");
    request.request.address = 5;
    request.request.rows = 2;
    request.id = 5;
    end_send(asker, &request, "q"); /* more at once than its limit ever lets through */
    scene_expect_reject(asker, 5, FAILURE_TOO_LARGE);
    scene_result(worker, batch, "A");
    scene_result(worker, scene_expect_batch(worker, "waits"), "B");
    ask(asker, 6, 'f', "another");
    scene_expect_batch(worker, "another");
}
END_TEST

/* Nobody could read it: the frontends know the outputs of that version no more. */
START_TEST(what_a_version_answered_that_is_gone_is_refused)
{
    repository_add("m", "2");
    start("version = \"1\";");
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    ask(asker, 2, 'i', "q");
    refuse(scene_expect_batch(worker, "q"), FAILURE_INVALID);
    scene_expect_reject(asker, 2, FAILURE_INVALID);
    ck_assert_int_eq(unlink(scratch_path("m/1/model.echo")), 0);
    ck_assert_int_eq(rmdir(scratch_path("m/1")), 0);
    repository_configure("m", "version = \"2\";");
    broker_reload(scene_broker);
    ask(other, 3, 'k', "q"); /* its worker is still here */
    expect_replay(other, 3, "A");
    scene_kill(1);
    broker_reload(scene_broker);
    struct envelope ready = scene_ready(2);
    ready.ready.version = text_of("2");
    worker = scene_worker_with(&ready);
    ask(other, 4, 'k', "q");
    scene_expect_reject(other, 4, FAILURE_KEY_REUSED);
    ck_assert(
        text_is(scene_letter->envelope.reject.message,
                "the version that answered the request with this Idempotency-Key is not here any more"));
    ck_assert_uint_eq(conflicts("reused"), 1);
    ask(other, 5, 'i', "q"); /* a failure is no version's */
    scene_expect_reject(other, 5, FAILURE_INVALID);
    ck_assert(scene_letter->envelope.reject.replayed);
    expect_no_batch();
    ask(other, 6, 'n', "q"); /* under another name it is computed by the one that is here */
    scene_result(worker, scene_expect_batch(worker, "q"), "B");
    scene_expect_reply(other, 6, "B");
    ck_assert(text_is(scene_letter->envelope.reply.version, "2"));
}
END_TEST

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
    cancel(asker, 1);
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
    cancel(asker, 1);
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
    cancel(asker, 2);
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
    cancel(asker, 1);
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
                cancel(asker, id);
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
    cancel(asker, 1);
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

/* ---- together with the model's own cache ---- */

#define CACHE "cache: { ttl_ms = 600000; };"

START_TEST(an_answer_of_the_cache_is_kept_for_the_name)
{
    start(CACHE);
    scene_ask(asker, 1, "q");
    scene_result(worker, scene_expect_batch(worker, "q"), "A");
    scene_expect_reply(asker, 1, "A");
    ask(asker, 2, 'k', "q");
    scene_expect_reply(asker, 2, "A");
    ck_assert(!scene_letter->envelope.reply.replayed);
    uint64_t age = scene_letter->envelope.reply.age_us;
    broker_reload(scene_broker); /* the cache is empty */
    ask(other, 3, 'k', "q");
    expect_replay(other, 3, "A");
    ck_assert_uint_ge(scene_letter->envelope.reply.age_us, age); /* it has not become younger */
    ask(other, 4, 'k', "another");
    scene_expect_reject(other, 4, FAILURE_KEY_REUSED);
}
END_TEST

START_TEST(those_who_share_a_computation_keep_their_names)
{
    start(CACHE);
    uint64_t batch = first_asks();
    ask(other, 2, 'f', "q");
    ask(other, 3, 'g', "q");
    WAIT_FOR(scene_counter(METRIC_CACHE_COALESCED, "m", NULL, NULL) == 2);
    ask(asker, 4, 'f', "q");
    scene_expect_reject(asker, 4, FAILURE_KEY_RUNNING);
    cancel(asker, 1); /* its place goes to the first who follows, and its name is free */
    cancel(other, 3);
    scene_expect_nothing(asker);
    scene_result(worker, batch, "A");
    scene_expect_reply(other, 2, "A");
    broker_reload(scene_broker);
    ask(other, 5, 'f', "q");
    expect_replay(other, 5, "A");
    ask(asker, 6, 'k', "another");
    scene_result(worker, scene_expect_batch(worker, "another"), "B");
    scene_expect_reply(asker, 6, "B");
    ask(asker, 7, 'g', "third");
    scene_expect_batch(worker, "third");
}
END_TEST

/* ---- bounds ---- */

START_TEST(the_oldest_goes)
{
    start_with("", (const char *const[]){"idempotency.keys=2", NULL});
    for (uint64_t id = 1; id <= 3; id++) {
        ask(asker, id, "bcd"[id - 1], "q");
        scene_result(worker, scene_expect_batch(worker, "q"), "A");
        scene_expect_reply(asker, id, "A");
    }
    ck_assert_uint_eq(scene_counter(METRIC_IDEMPOTENCY_EVICTIONS, NULL, NULL, NULL), 1);
    ask(asker, 4, 'b', "another");
    scene_expect_batch(worker, "another");
    ask(asker, 5, 'c', "q");
    expect_replay(asker, 5, "A");
}
END_TEST

START_TEST(the_oldest_of_the_tenant_with_the_most_goes)
{
    start_with("", (const char *const[]){"idempotency.keys=3", NULL});
    for (uint64_t id = 1; id <= 6; id++) {
        struct envelope request = named(id, (char)('a' + id), "q");
        request.request.tenant = id == 1 ? 7 : 8;
        end_send(asker, &request, "q");
        scene_result(worker, scene_expect_batch(worker, "q"), "A");
        scene_expect_reply(asker, id, "A");
    }
    ck_assert_uint_eq(scene_counter(METRIC_IDEMPOTENCY_EVICTIONS, NULL, NULL, NULL), 3);
    ask(asker, 7, 'b', "q");
    expect_replay(asker, 7, "A");
    ask(asker, 8, 'e', "another");
    scene_expect_batch(worker, "another");
}
END_TEST

START_TEST(all_go_in_time)
{
    start_with("", (const char *const[]){"idempotency.ttl_s=1", NULL});
    scene_result(worker, first_asks(), "A");
    scene_expect_reply(asker, 1, "A");
    WAIT_FOR(scene_counter(METRIC_IDEMPOTENCY_KEYS, NULL, NULL, NULL) == 0); /* nobody has to ask for that */
    ask(asker, 2, 'k', "another");
    scene_expect_batch(worker, "another");
}
END_TEST

START_TEST(names_may_be_off)
{
    start_with("", (const char *const[]){"idempotency.keys=0", NULL});
    for (uint64_t id = 1; id <= 2; id++) {
        ask(asker, id, 'k', "q");
        scene_result(worker, scene_expect_batch(worker, "q"), "A");
        scene_expect_reply(asker, id, "A");
        ck_assert(!scene_letter->envelope.reply.replayed);
    }
}
END_TEST

START_TEST(the_end_of_the_broker_frees_what_is_held)
{
    start("");
    first_asks();
    cancel(asker, 1);
    ask(asker, 2, 'w', "waits");
    scene_expect_nothing(asker);
    broker_free(scene_broker);
    scene_broker = NULL;
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_is_sent_again_is_answered_as_before,
                                  another_request_of_the_name_is_refused,
                                  one_that_comes_while_the_first_is_under_way_is_refused,
                                  what_is_wrong_with_the_request_is_kept,
                                  any_other_failure_frees_the_name,
                                  what_never_came_in_takes_no_name,
                                  what_a_version_answered_that_is_gone_is_refused,
                                  a_deadline_leaves_the_name_to_the_worker,
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
                                  what_an_asker_sends_again_takes_the_place_of_the_first,
                                  what_another_asker_sends_again_is_another_request,
                                  an_answer_of_the_cache_is_kept_for_the_name,
                                  those_who_share_a_computation_keep_their_names,
                                  the_oldest_goes,
                                  the_oldest_of_the_tenant_with_the_most_goes,
                                  all_go_in_time,
                                  names_may_be_off,
                                  the_end_of_the_broker_frees_what_is_held};
    return SUITE_RUN("broker_repeating", scene_set_up, scene_tear_down, tests);
}
