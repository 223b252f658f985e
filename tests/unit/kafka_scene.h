/* kafka_scene: a stream of Kafka and its job, on librdkafka's mock cluster in the same process. Include it in
 * one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_KAFKA_SCENE_H
#define OUTRIGGER_KAFKA_SCENE_H

#include "clock.h"
#include "stream.h"
#include "suite.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

enum { SCENE_MESSAGES_MAX = 4096, SCENE_PATIENCE_MS = 60000 };

/* What a job does with its messages. */
struct scene_job {
    struct stream_job job;
    struct stream *stream;
    bool keeps;      /* messages are not answered, but kept */
    size_t skip_one; /* every so many messages one is skipped, and one bad; 0: none */
    struct stream_message *kept[SCENE_MESSAGES_MAX];
    size_t kept_count;
    size_t taken, settled, dropped;
    size_t too_large[3]; /* answers that were given back, by their outcome; they become bad, then skipped */
    int64_t lag[3];      /* of each partition */
    bool is_drained;
    char failed[STREAM_REASON_MAX];
};

static struct {
    rd_kafka_t *owner;
    rd_kafka_mock_cluster_t *cluster;
    struct loop *loop;
    struct loop_timer timer;
    struct scene_job first, second;
    int session_ms; /* of members. The mock waits 3 s for members before it begins; later on all but a second
                       of a session's time */
} scene;

static inline void scene_answer_as(struct scene_job *job, struct stream_message *message,
                                   enum stream_outcome outcome)
{
    char value[64];
    int length =
        snprintf(value, sizeof value, "answer to %.*s", (int)message->value.length, message->value.at);
    struct stream_answer answer = {.outcome = outcome,
                                   .key = message->key,
                                   .value = {value, (size_t)length},
                                   .headers = message->headers,
                                   .header_count = message->header_count};
    job->stream->kind->answer(job->stream, message, &answer);
}

static inline void scene_answer(struct scene_job *job, struct stream_message *message)
{
    size_t place = job->skip_one == 0 ? 2 : job->taken % job->skip_one;
    scene_answer_as(job, message, place == 0 ? STREAM_SKIPPED : place == 1 ? STREAM_BAD : STREAM_SCORED);
}

/* The last first. */
static inline void scene_answer_kept(struct scene_job *job)
{
    while (job->kept_count > 0)
        scene_answer(job, job->kept[--job->kept_count]);
}

static inline void scene_message(void *self, struct stream_message *message)
{
    struct scene_job *job = self;
    job->taken++;
    if (job->keeps)
        job->kept[job->kept_count++] = message;
    else
        scene_answer(job, message);
}

static inline void scene_settled(void *self, enum stream_outcome outcome, int64_t at_ms, bool dropped)
{
    (void)outcome, (void)at_ms;
    struct scene_job *job = self;
    if (dropped)
        job->dropped++;
    else
        job->settled++;
}

static inline void scene_lag(void *self, const char *partition, int64_t messages)
{
    ((struct scene_job *)self)->lag[atoi(partition)] = messages;
}

static inline void scene_too_large(void *self, struct stream_message *message,
                                   const struct stream_answer *refused)
{
    struct scene_job *job = self;
    job->too_large[refused->outcome]++;
    ck_assert_uint_eq(refused->key.length, message->key.length);
    ck_assert_mem_eq(refused->key.at, message->key.at, message->key.length);
    ck_assert_uint_eq(refused->header_count, message->header_count);
    scene_answer_as(job, message, refused->outcome == STREAM_SCORED ? STREAM_BAD : STREAM_SKIPPED);
}

static inline void scene_connected(void *self, bool is)
{
    (void)self, (void)is;
}

static inline void scene_failed(void *self, const char *reason)
{
    snprintf(((struct scene_job *)self)->failed, STREAM_REASON_MAX, "%s", reason);
}

static inline void scene_drained(void *self)
{
    ((struct scene_job *)self)->is_drained = true;
}

static const struct stream_events scene_events = {.message = scene_message,
                                                  .settled = scene_settled,
                                                  .lag = scene_lag,
                                                  .connected = scene_connected,
                                                  .too_large = scene_too_large,
                                                  .failed = scene_failed};

static inline void scene_set(struct scene_job *job, const char *setting)
{
    struct config_names *names = &job->job.kafka;
    names->names = realloc(names->names, (names->count + 1) * sizeof *names->names);
    names->names[names->count++] = object_strdup(setting);
}

static inline void scene_job_fill(struct scene_job *job, const char *options)
{
    char reason[STREAM_ADDRESS_REASON_MAX], from[512], session[64];
    parameters_default(stream_job_parameters(), &job->job);
    snprintf(from, sizeof from, "kafka:%s/in?membership=dynamic&%s",
             rd_kafka_mock_cluster_bootstraps(scene.cluster), options);
    ck_assert(stream_address_read(from, NULL, &job->job.source, reason));
    ck_assert(stream_address_read("out", &job->job.source, &job->job.sink, reason));
    ck_assert(stream_address_read("dead", &job->job.source, &job->job.dead, reason));
    job->job.has_dead = true;
    snprintf(session, sizeof session, "session.timeout.ms=%d", scene.session_ms);
    scene_set(job, session);
    scene_set(job, "heartbeat.interval.ms=100");
    scene_set(job, "linger.ms=0");
}

static inline bool scene_try_open(struct scene_job *job, char reason[STREAM_REASON_MAX])
{
    const struct stream_context context = {
        .loop = scene.loop, .job = &job->job, .events = &scene_events, .self = job};
    job->stream = stream_kafka.open(&context, reason);
    return job->stream != NULL;
}

static inline void scene_open(struct scene_job *job, const char *options, bool exactly_once)
{
    char reason[STREAM_REASON_MAX] = "";
    scene_job_fill(job, options);
    job->job.exactly_once = exactly_once;
    if (!scene_try_open(job, reason))
        ck_abort_msg("%s", reason);
}

static inline void scene_close(struct scene_job *job)
{
    if (job->stream != NULL)
        job->stream->kind->close(job->stream);
    stream_job_free(&job->job);
    *job = (struct scene_job){0};
}

static inline void scene_tick(void *self)
{
    (void)self;
    loop_stop(scene.loop);
}

/* Runs the loop until the condition holds. */
#define SCENE_WAIT(condition)                                                                                \
    for (int64_t end = clock_now() + SCENE_PATIENCE_MS * MILLISECOND; !(condition);) {                       \
        ck_assert_msg(clock_now() < end, "waited in vain for " #condition);                                  \
        loop_timer_set(scene.loop, &scene.timer, clock_now() + 5 * MILLISECOND, scene_tick, NULL);           \
        loop_run(scene.loop);                                                                                \
    }

static inline void scene_drain(struct scene_job *job)
{
    job->stream->kind->drain(job->stream, scene_drained, job);
    SCENE_WAIT(job->is_drained);
}

/* Whether the group has given it any just now. */
static inline bool scene_has_partitions(struct scene_job *job)
{
    const int64_t untold = -2;
    for (int i = 0; i < 3; i++)
        job->lag[i] = untold;
    job->stream->kind->measure(job->stream);
    return job->lag[0] != untold || job->lag[1] != untold || job->lag[2] != untold;
}

/* ---- the other side ---- */

/* Messages "FROM" to "FROM + COUNT - 1", with that as the key and in a header, spread over partitions; each
 * with so many bytes more in another header. */
static inline void scene_produce_with(int from, int count, int bytes)
{
    char reason[256], *more = object_alloc((size_t)bytes + 1);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(scene.cluster), NULL, 0);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    for (int i = from; i < from + count; i++) {
        char text[16];
        size_t length = (size_t)snprintf(text, sizeof text, "%d", i);
        rd_kafka_resp_err_t error = rd_kafka_producev(
            client, RD_KAFKA_V_TOPIC("in"), RD_KAFKA_V_PARTITION(i % 3), RD_KAFKA_V_KEY(text, length),
            RD_KAFKA_V_VALUE(text, length), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_HEADER("n", text, (ssize_t)length), RD_KAFKA_V_HEADER("more", more, (ssize_t)bytes),
            RD_KAFKA_V_END);
        ck_assert_int_eq(error, 0);
    }
    ck_assert_int_eq(rd_kafka_flush(client, SCENE_PATIENCE_MS), 0);
    rd_kafka_destroy(client);
    free(more);
}

static inline void scene_produce(int from, int count)
{
    scene_produce_with(from, count, 0);
}

/* How often each number is a key of the topic; the number of messages. Each message must be what
 * `scene_answer` made of it. Keys of one input partition must come in their order, if they come once. */
static inline int scene_read(const char *topic, int *times, int capacity)
{
    char reason[256], expected[64];
    const void *header;
    size_t length;
    rd_kafka_headers_t *headers;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(scene.cluster), NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    rd_kafka_poll_set_consumer(client);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(client, list);
    rd_kafka_topic_partition_list_destroy(list);
    int count = 0, last[3] = {-1, -1, -1};
    memset(times, 0, (size_t)capacity * sizeof *times);
    for (bool end = false; !end;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, SCENE_PATIENCE_MS);
        ck_assert_ptr_nonnull(message);
        end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (message->err == 0) {
            char key[16] = "";
            memcpy(key, message->key, message->key_len);
            int number = atoi(key), size = snprintf(expected, sizeof expected, "answer to %d", number);
            ck_assert(number >= 0 && number < capacity);
            ck_assert_uint_eq(message->len, (size_t)size);
            ck_assert_mem_eq(message->payload, expected, message->len);
            ck_assert_int_eq(rd_kafka_message_headers(message, &headers), 0);
            ck_assert_int_eq(rd_kafka_header_get_last(headers, "n", &header, &length), 0);
            ck_assert_uint_eq(length, message->key_len);
            ck_assert_mem_eq(header, key, length);
            if (times[number]++ == 0) {
                ck_assert_int_gt(number, last[number % 3]);
                last[number % 3] = number;
            }
            count++;
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    return count;
}

/* The sum of the offsets that the group has committed. */
static inline int64_t scene_committed(const char *group)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(scene.cluster), NULL, 0);
    rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(3);
    for (int i = 0; i < 3; i++)
        rd_kafka_topic_partition_list_add(list, "in", i);
    ck_assert_int_eq(rd_kafka_committed(client, list, SCENE_PATIENCE_MS), 0);
    int64_t sum = 0;
    for (int i = 0; i < 3; i++)
        sum += list->elems[i].offset > 0 ? list->elems[i].offset : 0;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
    return sum;
}

static inline void scene_setup(void)
{
    char reason[256];
    scene.loop = loop_new();
    scene.session_ms = 30000; /* for a machine that is busy */
    scene.owner = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    scene.cluster = rd_kafka_mock_cluster_new(scene.owner, 1);
    ck_assert_int_eq(rd_kafka_mock_topic_create(scene.cluster, "in", 3, 1), 0);
    ck_assert_int_eq(rd_kafka_mock_topic_create(scene.cluster, "out", 1, 1), 0);
    ck_assert_int_eq(rd_kafka_mock_topic_create(scene.cluster, "dead", 1, 1), 0);
}

static inline void scene_teardown(void)
{
    scene_close(&scene.first);
    scene_close(&scene.second);
    loop_timer_cancel(scene.loop, &scene.timer);
    rd_kafka_mock_cluster_destroy(scene.cluster);
    rd_kafka_destroy(scene.owner);
    loop_free(scene.loop);
}

#endif
