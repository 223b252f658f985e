/* test_broker_concurrent: workers that compute side by side, as those of pipelines do, before the real
 * broker: what they are told of each request, that their answers come in any order, and what becomes of a
 * version whose parts are not there. SPDX-License-Identifier: MIT */
#include "broker_scene.h"
#include "schema.h"
#include "suite.h"

#define TRACE "0123456789abcdefABCDEFGH\x01"

static struct end *asker;

static struct end *concurrent_worker(uint32_t pid, uint32_t slots)
{
    struct envelope ready = scene_ready(pid);
    ready.ready.slots = slots;
    ready.ready.capacity_rows = 1;
    return scene_worker_with(&ready);
}

START_TEST(each_request_is_told_of_and_answered_by_itself)
{
    uint64_t ids[3];
    static const char *const payloads[] = {"a", "b", "c"};
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = concurrent_worker(1, 3);
    for (uint64_t i = 0; i < 3; i++) {
        struct envelope request = scene_request(i + 1);
        request.request.priority = 7;
        request.request.rows = 5; /* more than its capacity: alone all the same */
        request.request.tag = text_of("people see this");
        request.request.trace = text_of(TRACE);
        end_send(asker, &request, payloads[i]);
        ids[i] = scene_expect_batch(worker, payloads[i]);
        const struct envelope *batch = &scene_letter->envelope;
        ck_assert(batch->batch.told);
        ck_assert_uint_eq(batch->batch.priority, 7);
        ck_assert(text_is(batch->batch.tag, "people see this"));
        ck_assert(text_is(batch->batch.trace, TRACE));
    }
    scene_ask(asker, 4, "d"); /* there is no slot for it */
    scene_expect_nothing(asker);
    scene_result(worker, ids[2], "C");
    scene_expect_reply(asker, 3, "C");
    scene_expect_batch(worker, "d");
    scene_result(worker, ids[0], "A");
    scene_expect_reply(asker, 1, "A");
    scene_result(worker, ids[1], "B");
    scene_expect_reply(asker, 2, "B");
}
END_TEST

START_TEST(others_are_told_nothing_of_single_requests)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = scene_worker_with_slots(1, 2);
    uint64_t id = scene_give(worker, asker, 1, "a");
    ck_assert(!scene_letter->envelope.batch.told);
    scene_cancel(asker, 1);
    scene_expect_nothing(asker);
    scene_result(worker, id, "A");
    scene_ask(asker, 2, "b");
    WAIT_FOR(end_take(worker, scene_letter)); /* no CANCEL came before it */
    ck_assert_int_eq(scene_letter->envelope.verb, VERB_BATCH);
}
END_TEST

START_TEST(what_nobody_waits_for_is_taken_back)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = concurrent_worker(1, 8);
    scene_give(worker, asker, 1, "a");
    uint64_t id = scene_give(worker, asker, 2, "b");
    scene_cancel(asker, 2);
    ck_assert_uint_eq(scene_next(worker, VERB_CANCEL)->id, id);
}
END_TEST

START_TEST(all_that_one_had_goes_to_another)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = concurrent_worker(1, 8);
    scene_give(worker, asker, 1, "a");
    scene_give(worker, asker, 2, "b");
    end_send(worker, &(struct envelope){.verb = VERB_BYE}, NULL);
    worker = concurrent_worker(2, 8);
    scene_expect_batch(worker, "a");
    scene_expect_batch(worker, "b");
}
END_TEST

START_TEST(jobs_leave_half_of_its_slots_to_clients)
{
    scene_start(NULL);
    asker = scene_asker();
    struct end *worker = concurrent_worker(1, 4);
    uint64_t client = scene_give(worker, asker, 1, "client");
    struct envelope job = scene_request(2);
    job.request.priority = PROTOCOL_PRIORITY_JOB;
    end_send(asker, &job, "job");
    scene_expect_batch(worker, "job"); /* beside the client's */
    ck_assert_uint_eq(scene_letter->envelope.batch.priority, PROTOCOL_PRIORITY_JOB);
    job.id = 3;
    end_send(asker, &job, "waits");
    scene_give(worker, asker, 4, "another"); /* before the job that was there first */
    scene_result(worker, client, "C");
    scene_expect_reply(asker, 1, "C");
}
END_TEST

/* ---- parts ---- */

/* READY of version 1 of the model, with a schema that names the part. */
static struct end *pipeline_worker(const char *part_model, const char *part_version)
{
    struct schema *schema = schema_new();
    struct schema_part part = {text_of("scale"), text_of(part_model), text_of(part_version)};
    schema->inputs = object_alloc(sizeof *schema->inputs);
    schema->outputs = object_alloc(sizeof *schema->outputs);
    schema->inputs[schema->input_count++] =
        (struct schema_tensor){object_strdup("x"), DATATYPE_FP32, 2, {-1, 4}};
    schema->outputs[schema->output_count++] =
        (struct schema_tensor){object_strdup("y"), DATATYPE_FP32, 2, {-1, 1}};
    schema_set_parts(schema, &part, 1);
    struct text payload;
    uint8_t *bytes = schema_encode(schema, &payload.length);
    payload.at = (const char *)bytes;
    struct envelope ready = scene_ready(1);
    ready.ready.slots = 8;
    struct end *worker = scene_connect(scene_config->broker_workers);
    scene_next(worker, VERB_BEAT);
    end_send_all(worker, &ready, &payload, 1);
    WAIT_FOR(pool_find_pid(broker_pool(scene_broker), 1) != NULL);
    scene_pids[worker - scene_ends] = 1;
    schema_free(schema);
    free(bytes);
    return worker;
}

/* Waits for a catalog in which version 1 of the model m is in that state; the reason stands in `reason`. */
static void expect_state(enum catalog_state state, const char *reason)
{
    struct catalog_entry entry;
    for (;;) {
        scene_next(asker, VERB_CATALOG);
        for (size_t i = 0; i < scene_letter->count; i++) {
            struct text frame = letter_payload(scene_letter, i);
            ck_assert_ptr_null(catalog_entry_decode((const uint8_t *)frame.at, frame.length, &entry));
            if (text_is(entry.model, "m") && entry.workers > 0 && entry.state == state) {
                ck_assert_msg(text_is(entry.reason, reason), "%.*s", (int)entry.reason.length,
                              entry.reason.at);
                return;
            }
        }
    }
}

static struct end *part_worker(uint32_t pid)
{
    struct envelope ready = scene_ready(pid);
    ready.ready.model = text_of("scaler");
    return scene_worker_with(&ready);
}

START_TEST(a_pipeline_is_ready_when_its_parts_are)
{
    repository_add("scaler", "1");
    static const char *const settings[] = {"default_model=m", NULL};
    scene_start(settings);
    asker = scene_asker();
    pipeline_worker("scaler", "");
    expect_state(CATALOG_LOADING, "step scale: model scaler is not ready");
    struct end *part = part_worker(2);
    expect_state(CATALOG_READY, "");
    end_send(part, &(struct envelope){.verb = VERB_BYE}, NULL);
    expect_state(CATALOG_LOADING, "step scale: model scaler is not ready");
}
END_TEST

START_TEST(a_part_that_is_nowhere_is_named)
{
    scene_start(NULL);
    asker = scene_asker();
    pipeline_worker("gone", "7");
    expect_state(CATALOG_LOADING, "step scale: model gone 7 is not ready");
}
END_TEST

/* Its workers may die at any time, and come again: nobody who waits for them is told otherwise. */
START_TEST(a_version_that_a_pipeline_names_is_kept)
{
    repository_add("scaler", "1");
    repository_add("scaler", "2");
    static const char *const settings[] = {"default_model=m", NULL};
    scene_start(settings);
    asker = scene_asker();
    part_worker(2);
    pipeline_worker("scaler", "1");
    expect_state(CATALOG_READY, "");
    const struct version *version =
        model_version(model_find(broker_models(scene_broker), text_of("scaler")), text_of("1"));
    ck_assert(version->expected);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {each_request_is_told_of_and_answered_by_itself,
                                  others_are_told_nothing_of_single_requests,
                                  what_nobody_waits_for_is_taken_back,
                                  all_that_one_had_goes_to_another,
                                  jobs_leave_half_of_its_slots_to_clients,
                                  a_pipeline_is_ready_when_its_parts_are,
                                  a_part_that_is_nowhere_is_named,
                                  a_version_that_a_pipeline_names_is_kept};
    return SUITE_RUN("broker_concurrent", scene_set_up, scene_tear_down, tests);
}
