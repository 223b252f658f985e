/* asker_scene: an asker, and a ROUTER in the same loop that plays the broker and the model behind it: the sum
 * of a row's numbers. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ASKER_SCENE_H
#define OUTRIGGER_ASKER_SCENE_H

#include "asker.h"
#include "example_schema.h"
#include "played_broker.h"
#include "roles.h"
#include "scratch_directory.h"
#include "suite.h"

enum { SCENE_AT_A_TIME = 4, SCENE_WIDTH = 2, SCENE_BYTES_MAX = 65536 };

static void *context;
static struct metrics *metrics;
static struct config config;
static struct asker *asker;
static struct end broker;
static struct letter *letter;
static char endpoint[128], reason[ASKER_REASON_MAX];
static const struct schema *told;

/* What a request is refused with; FAILURE_NONE: it is answered by the model; NO_ANSWER: it is not answered.
 */
enum { NO_ANSWER = 1000 };
static int (*refusal_of)(const struct envelope *request, const struct tensor *rows);
static uint64_t retry_after_ms;
static int requests;               /* that came, */
static uint32_t request_rows[512]; /* and how many rows each had */
static struct envelope last;       /* of them; its texts are gone */
static char last_version[PROTOCOL_NAME_MAX + 1];
static uint64_t compute_us; /* that a row takes, as REPLYs tell it; 0: they do not */
static char last_trace[PROTOCOL_TRACE_BYTES];
static char answering[PROTOCOL_NAME_MAX + 1]; /* the version that answers */

/* ---- the broker's part ---- */

static inline void scene_tell(const struct catalog_entry *entries, size_t count)
{
    played_catalog(&broker, entries, count);
    loop_zmq_touch(letters_loop, broker.socket);
}

static struct text scene_schemas[3]; /* encoded, of versions 1 and 2, and of 3, which takes other rows */

/* Versions 1 and 2 of model "m", of which that is the stable one; and a model that has no version. */
static inline void scene_tell_stable(const char *stable)
{
    static const char *const names[] = {"1", "2", "3"};
    struct catalog_entry entries[4] = {{.model = text_of("empty")}};
    for (size_t i = 0; i < 3; i++)
        entries[1 + i] = played_entry("m", names[i], strcmp(names[i], stable) == 0, scene_schemas[i]);
    scene_tell(entries, 4);
}

static inline void scene_reject(uint64_t id, enum failure failure)
{
    played_reject(&broker, id, failure, retry_after_ms, "so it is");
}

/* Class 1 when a row's sum is positive, and the sum as the probability. */
static inline void scene_compute(uint64_t id, const struct tensor *rows)
{
    enum { MOST = 512 };
    static int64_t classes[MOST];
    static float probabilities[MOST][2];
    size_t count = (size_t)rows->shape[0];
    ck_assert_uint_le(count, MOST);
    for (size_t row = 0; row < count; row++) {
        double sum = 0;
        for (size_t i = 0; i < SCENE_WIDTH; i++)
            sum += value_float(rows, row * SCENE_WIDTH + i);
        classes[row] = sum > 0;
        probabilities[row][1] = (float)sum;
        probabilities[row][0] = (float)(1 - sum);
    }
    const struct envelope reply = {.verb = VERB_REPLY,
                                   .id = id,
                                   .reply = {.version = text_of(answering),
                                             .compute_us = compute_us * count,
                                             .batch_rows = compute_us > 0 ? (uint32_t)count : 0}};
    played_classes(&broker, &reply, classes, probabilities, count);
}

static inline void scene_on_request(void)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows;
    struct text payload = letter_payload(letter, 0);
    ck_assert_ptr_null(tensors_decode((const uint8_t *)payload.at, payload.length, tensors, &count, &rows));
    last = letter->envelope;
    text_copy(last.request.version, last_version, sizeof last_version);
    if (last.request.trace.length > 0)
        memcpy(last_trace, last.request.trace.at, sizeof last_trace);
    ck_assert(text_is(last.request.model, "m") && last.request.rows == rows);
    if ((size_t)requests < COUNT_OF(request_rows))
        request_rows[requests] = last.request.rows;
    requests++;
    int refusal = refusal_of == NULL ? FAILURE_NONE : refusal_of(&last, tensors);
    if (refusal == FAILURE_NONE)
        scene_compute(last.id, tensors);
    else if (refusal != NO_ANSWER)
        scene_reject(last.id, (enum failure)refusal);
}

static inline void scene_readable(void *self)
{
    (void)self;
    while (end_take(&broker, letter)) {
        if (letter->hello)
            played_pong(&broker, 0, 1);
        if (letter->hello)
            scene_tell_stable("2");
        else if (letter->envelope.verb == VERB_REQUEST)
            scene_on_request();
    }
    loop_zmq_touch(letters_loop, broker.socket);
}

static inline void scene_start_broker(void)
{
    broker = end_open(context, ZMQ_ROUTER, endpoint);
    ck_assert_int_eq(loop_zmq_add(letters_loop, broker.socket, scene_readable, NULL), 0);
}

static inline void scene_stop_broker(void)
{
    if (broker.socket != NULL)
        loop_zmq_remove(letters_loop, broker.socket);
    end_close(&broker);
}

/* ---- the whole ---- */

static inline struct text scene_schema(int64_t width)
{
    struct schema *schema = example_classifier(width);
    size_t length;
    uint8_t *bytes = schema_encode(schema, &length);
    schema_free(schema);
    return (struct text){(const char *)bytes, length};
}

static struct asker_context scene_wants; /* what it has beside */

static inline void scene_open_asker(bool follow)
{
    struct asker_context wanted = scene_wants;
    wanted.zmq = context;
    wanted.loop = letters_loop;
    wanted.metrics = metrics;
    wanted.config = &config;
    wanted.tenant = "nightly";
    wanted.priority = PROTOCOL_PRIORITY_JOB;
    wanted.deadline = 30 * SECOND;
    wanted.at_a_time = SCENE_AT_A_TIME;
    wanted.follow = follow;
    asker = asker_new(&wanted);
}

static inline void scene_make(bool follow)
{
    scratch_make();
    snprintf(endpoint, sizeof endpoint, "ipc://%s/askers.ipc", scratch_directory);
    config.broker_askers = endpoint;
    config.broker_max_message_bytes = SCENE_BYTES_MAX;
    context = zmq_ctx_new();
    letters_loop = loop_new();
    metrics = metrics_new(NULL);
    letter = letter_new();
    scene_schemas[0] = scene_schema(SCENE_WIDTH);
    scene_schemas[1] = scene_schema(SCENE_WIDTH);
    scene_schemas[2] = scene_schema(SCENE_WIDTH + 1);
    strcpy(answering, "2");
    scene_open_asker(follow);
}

static inline void scene_unmake(void)
{
    asker_free(asker);
    scene_stop_broker();
    letter_free(letter);
    free(letter);
    for (size_t i = 0; i < COUNT_OF(scene_schemas); i++)
        free((void *)scene_schemas[i].at);
    zmq_ctx_term(context);
    loop_free(letters_loop);
    metrics_free(metrics);
    scratch_remove();
}

static inline void scene_find(const char *version)
{
    told = asker_version(asker, "m", version, 30 * SECOND, reason);
    ck_assert_msg(told != NULL, "%s", reason);
}

#endif
