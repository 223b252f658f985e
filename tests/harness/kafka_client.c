/* kafka_client: a producer and a reader of Kafka for tests and measurements, of the mock cluster and of the
 * real. kafka_client topic SERVERS NAME PARTITIONS, and so on:
 *
 *    topic NAME PARTITIONS [SETTING=VALUE]
 *        makes a topic (not of the mock: that has a command)
 *    produce TOPIC [SETTING=VALUE]
 *        messages from stdin, one JSON object a line: {"key": text, "value": text or null, "hex": bytes of
 *        the value, "headers": [[name, text]], "partition": number}; the setting is the producer's
 *    load TOPIC COUNT RATE
 *        COUNT messages whose values are lines of stdin in turn, keys 0, 1, ...; the header "sent" says when
 *        (ns); RATE a second, 0: as fast as they go
 *    read TOPIC COUNT
 *        prints messages as JSON, those of committed transactions only, until there were COUNT; 0: until the
 *        end
 *    count TOPIC COUNT [PASS]
 *        the same, but prints only what they are together: count, distinct keys (numbers), seconds from the
 *        first to the last, and percentiles of the time since "sent", without the first PASS messages
 *
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "object.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum { LINES_MAX = 4096, LINE_BYTES = 1 << 20, PATIENCE_MS = 60000 };

_Noreturn static void die(const char *what, const char *why)
{
    fprintf(stderr, "kafka_client: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char reason[512];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        die(name, reason);
}

static rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *servers)
{
    char reason[512];
    set(conf, "bootstrap.servers", servers);
    rd_kafka_t *client = rd_kafka_new(type, conf, reason, sizeof reason);
    if (client == NULL)
        die("a client cannot be made", reason);
    return client;
}

/* NAME=VALUE; returns the value. */
static const char *split(const char *setting, char *name, size_t capacity)
{
    const char *equals = strchr(setting, '=');
    if (equals == NULL)
        die(setting, "expected NAME=VALUE");
    text_copy((struct text){setting, (size_t)(equals - setting)}, name, capacity);
    return equals + 1;
}

/* ---- topic ---- */

static int make_topic(const char *servers, const char *name, int partitions, const char *setting)
{
    char reason[512];
    rd_kafka_t *client = client_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), servers);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, reason, sizeof reason);
    if (topic == NULL)
        die(name, reason);
    if (setting != NULL) {
        char key[128];
        const char *value = split(setting, key, sizeof key);
        rd_kafka_NewTopic_set_config(topic, key, value);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, PATIENCE_MS);
    if (event == NULL || rd_kafka_event_error(event))
        die(name, event ? rd_kafka_event_error_string(event) : "no answer");
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    if (count != 1 || rd_kafka_topic_result_error(results[0]))
        die(name, count == 1 ? rd_kafka_topic_result_error_string(results[0]) : "no result");
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_destroy(client);
    return 0;
}

/* ---- produce, load ---- */

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    if (message->err)
        die("a message was not delivered", rd_kafka_err2str(message->err));
}

static rd_kafka_t *producer_new(const char *servers, const char *setting)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "enable.idempotence", "true");
    set(conf, "linger.ms", "5");
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    if (setting != NULL) {
        char name[128];
        const char *value = split(setting, name, sizeof name);
        set(conf, name, value);
    }
    return client_new(RD_KAFKA_PRODUCER, conf, servers);
}

/* `headers` are taken over when it succeeds, as they always do here in the end: a full queue is waited for.
 */
static void put(rd_kafka_t *client, const char *topic, int32_t partition, struct text key, struct text value,
                rd_kafka_headers_t *headers)
{
    for (;;) {
        rd_kafka_resp_err_t error = rd_kafka_producev(
            client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
            RD_KAFKA_V_KEY(key.at, key.length), RD_KAFKA_V_VALUE((void *)(uintptr_t)value.at, value.length),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die("a message cannot be produced", rd_kafka_err2str(error));
        rd_kafka_poll(client, 100);
    }
    rd_kafka_poll(client, 0);
}

static int producer_end(rd_kafka_t *client)
{
    if (rd_kafka_flush(client, PATIENCE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("flush", "not all was delivered");
    rd_kafka_destroy(client);
    return 0;
}

static struct text text_member(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return (struct text){yyjson_get_str(value), yyjson_get_len(value)};
}

static struct text from_hex(struct text hex, char *bytes)
{
    for (size_t i = 0; i + 1 < hex.length; i += 2) {
        char digits[3] = {hex.at[i], hex.at[i + 1], 0};
        bytes[i / 2] = (char)strtoul(digits, NULL, 16);
    }
    return (struct text){bytes, hex.length / 2};
}

static void put_line(rd_kafka_t *client, const char *topic, const char *line)
{
    static char bytes[LINE_BYTES];
    yyjson_doc *document = yyjson_read(line, strlen(line), 0);
    yyjson_val *object = yyjson_doc_get_root(document), *pair;
    if (object == NULL)
        die("not JSON", line);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    yyjson_arr_iter pairs = yyjson_arr_iter_with(yyjson_obj_get(object, "headers"));
    while ((pair = yyjson_arr_iter_next(&pairs)) != NULL) {
        yyjson_val *name = yyjson_arr_get(pair, 0), *value = yyjson_arr_get(pair, 1);
        rd_kafka_header_add(headers, yyjson_get_str(name), (ssize_t)yyjson_get_len(name),
                            yyjson_get_str(value), (ssize_t)yyjson_get_len(value));
    }
    struct text hex = text_member(object, "hex");
    yyjson_val *partition = yyjson_obj_get(object, "partition");
    put(client, topic, partition ? yyjson_get_int(partition) : RD_KAFKA_PARTITION_UA,
        text_member(object, "key"), hex.at ? from_hex(hex, bytes) : text_member(object, "value"), headers);
    yyjson_doc_free(document);
}

static int produce(const char *servers, const char *topic, const char *setting)
{
    static char line[LINE_BYTES];
    rd_kafka_t *client = producer_new(servers, setting);
    while (fgets(line, sizeof line, stdin) != NULL)
        put_line(client, topic, line);
    return producer_end(client);
}

static size_t read_lines(char **lines)
{
    static char line[LINE_BYTES];
    size_t count = 0;
    while (count < LINES_MAX && fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        lines[count++] = object_strdup(line);
    }
    if (count == 0)
        die("load", "no values on stdin");
    return count;
}

static int load(const char *servers, const char *topic, long count, long rate)
{
    static char *lines[LINES_MAX];
    size_t line_count = read_lines(lines);
    rd_kafka_t *client = producer_new(servers, "queue.buffering.max.messages=100000");
    int64_t begin = clock_now();
    for (long i = 0; i < count; i++) {
        for (int64_t due = rate ? begin + i * SECOND / rate : 0; clock_now() < due;)
            rd_kafka_poll(client, 1);
        char key[24], sent[24];
        int key_length = snprintf(key, sizeof key, "%ld", i);
        int sent_length = snprintf(sent, sizeof sent, "%lld", (long long)clock_wall());
        rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
        rd_kafka_header_add(headers, "sent", -1, sent, sent_length);
        put(client, topic, RD_KAFKA_PARTITION_UA, (struct text){key, (size_t)key_length},
            text_of(lines[(size_t)i % line_count]), headers);
    }
    for (size_t i = 0; i < line_count; i++)
        free(lines[i]);
    return producer_end(client);
}

/* ---- read, count ---- */

struct counted {
    long count;
    long distinct;
    uint8_t *seen; /* by key, which is a number */
    size_t room;
    double *waits; /* ms */
    long pass;     /* so many messages have none */
    size_t wait_room;
    size_t wait_count;
    int64_t first_at, last_at;
};

static void print_text(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, const void *at,
                       size_t length)
{
    if (at == NULL)
        yyjson_mut_obj_add_null(document, object, name);
    else
        yyjson_mut_obj_add_strn(document, object, name, at, length);
}

static void print_headers(yyjson_mut_doc *document, yyjson_mut_val *object, const rd_kafka_message_t *message)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "headers");
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t length;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &length) == 0; i++) {
        yyjson_mut_val *pair = yyjson_mut_arr_add_arr(document, list);
        yyjson_mut_arr_add_str(document, pair, name);
        yyjson_mut_arr_add_strn(document, pair, value ? value : "", length);
    }
}

static void print_message(const rd_kafka_message_t *message)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    yyjson_mut_obj_add_int(document, object, "partition", message->partition);
    yyjson_mut_obj_add_int(document, object, "offset", message->offset);
    print_text(document, object, "key", message->key, message->key_len);
    print_text(document, object, "value", message->payload, message->len);
    print_headers(document, object, message);
    char *line = yyjson_mut_write(document, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    puts(line ? line : "{}");
    fflush(stdout);
    free(line);
    yyjson_mut_doc_free(document);
}

static void count_key(struct counted *counted, const rd_kafka_message_t *message)
{
    char text[24] = "";
    memcpy(text, message->key, message->key_len < sizeof text ? message->key_len : sizeof text - 1);
    size_t key = strtoul(text, NULL, 10);
    if (key >= counted->room) {
        size_t room = (key + 1) * 2;
        counted->seen = realloc(counted->seen, room);
        memset(counted->seen + counted->room, 0, room - counted->room);
        counted->room = room;
    }
    counted->distinct += !counted->seen[key];
    counted->seen[key] = 1;
}

static void count_message(struct counted *counted, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t length;
    int64_t now = clock_wall();
    counted->first_at = counted->count++ == 0 ? now : counted->first_at;
    counted->last_at = now;
    count_key(counted, message);
    if (counted->count <= counted->pass ||
        rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, "sent", &value, &length) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    if (counted->wait_count == counted->wait_room) {
        counted->wait_room = (counted->wait_room + 1024) * 2;
        counted->waits = realloc(counted->waits, counted->wait_room * sizeof *counted->waits);
    }
    counted->waits[counted->wait_count++] = (double)(now - strtoll(value, NULL, 10)) / 1e6;
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double percentile(const struct counted *counted, double part)
{
    return counted->wait_count == 0 ? 0 : counted->waits[(size_t)((double)(counted->wait_count - 1) * part)];
}

static void print_counted(struct counted *counted)
{
    if (counted->wait_count > 0)
        qsort(counted->waits, counted->wait_count, sizeof *counted->waits, by_size);
    printf("{\"count\":%ld,\"distinct\":%ld,\"seconds\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
           counted->count, counted->distinct, (double)(counted->last_at - counted->first_at) / 1e9,
           percentile(counted, 0.5), percentile(counted, 0.99));
    free(counted->seen);
    free(counted->waits);
}

/* All partitions of the topic, from their beginnings. Their number. */
static int assign_all(rd_kafka_t *client, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, topic, &metadata, PATIENCE_MS);
    if (error)
        die(name, rd_kafka_err2str(error));
    int count = metadata->topics[0].partition_cnt;
    if (metadata->topics[0].err)
        die(name, rd_kafka_err2str(metadata->topics[0].err));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, name, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(client, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    return count;
}

static int read_topic(const char *servers, const char *topic, long wanted, struct counted *counted)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "group.id", "kafka_client");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.partition.eof", wanted == 0 ? "true" : "false");
    set(conf, "isolation.level", "read_committed");
    set(conf, "fetch.wait.max.ms", "10");
    rd_kafka_t *client = client_new(RD_KAFKA_CONSUMER, conf, servers);
    rd_kafka_poll_set_consumer(client);
    int left = assign_all(client, topic);
    for (long seen = 0; wanted ? seen < wanted : left > 0;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 1000);
        if (message == NULL)
            continue;
        left -= message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            seen++;
            if (counted)
                count_message(counted, message);
            else
                print_message(message);
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    if (counted)
        print_counted(counted);
    return 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 3 ? argv[1] : "";
    struct counted counted = {0};
    if (strcmp(command, "topic") == 0 && (argc == 5 || argc == 6))
        return make_topic(argv[2], argv[3], atoi(argv[4]), argv[5]);
    if (strcmp(command, "produce") == 0)
        return produce(argv[2], argv[3], argc == 5 ? argv[4] : NULL);
    if (strcmp(command, "load") == 0 && argc == 6)
        return load(argv[2], argv[3], atol(argv[4]), atol(argv[5]));
    if (strcmp(command, "read") == 0 && argc == 5)
        return read_topic(argv[2], argv[3], atol(argv[4]), NULL);
    counted.pass = argc == 6 ? atol(argv[5]) : 0;
    if (strcmp(command, "count") == 0 && (argc == 5 || argc == 6))
        return read_topic(argv[2], argv[3], atol(argv[4]), &counted);
    die("usage", "topic|produce|load|read|count SERVERS TOPIC ...");
}
