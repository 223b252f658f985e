/* kafka_mock: librdkafka's mock cluster as a process of its own, for tests: prints where it listens, then
 * does what lines on stdin say, each answered by "ok" or by what is wrong, until stdin closes.
 *
 *    kafka_mock BROKERS            prints 127.0.0.1:PORT,127.0.0.1:PORT
 *    topic NAME PARTITIONS         makes a topic
 *    error API CODE COUNT          the next COUNT requests of that kind (the protocol's number) fail so
 *    down BROKER / up BROKER       the broker (1, ...) cuts its connections and takes none / takes them again
 *
 * It keeps offsets that a consumer commits, not those of transactions, knows of no aborted transaction, and
 * forgets the oldest of more than 5 MB of a partition: what needs more is tested on a real Kafka.
 * SPDX-License-Identifier: MIT */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERRORS_MAX = 1000 };

static const char *push_errors(rd_kafka_mock_cluster_t *cluster, int api, int code, int count)
{
    static rd_kafka_resp_err_t errors[ERRORS_MAX];
    if (count < 1 || count > ERRORS_MAX)
        return "so many errors are not pushed";
    for (int i = 0; i < count; i++)
        errors[i] = (rd_kafka_resp_err_t)code;
    rd_kafka_mock_push_request_errors_array(cluster, (int16_t)api, (size_t)count, errors);
    return "ok";
}

static const char *obey(rd_kafka_mock_cluster_t *cluster, const char *line)
{
    char name[250];
    int first, second, third;
    if (sscanf(line, "topic %249s %d", name, &first) == 2)
        return rd_kafka_mock_topic_create(cluster, name, first, 1) == 0 ? "ok" : "no such topic can be made";
    if (sscanf(line, "error %d %d %d", &first, &second, &third) == 3)
        return push_errors(cluster, first, second, third);
    if (sscanf(line, "down %d", &first) == 1)
        return rd_kafka_mock_broker_set_down(cluster, first) == 0 ? "ok" : "no such broker";
    if (sscanf(line, "up %d", &first) == 1)
        return rd_kafka_mock_broker_set_up(cluster, first) == 0 ? "ok" : "no such broker";
    return "no such command";
}

int main(int argc, char **argv)
{
    char reason[512], line[1024];
    rd_kafka_t *owner = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    rd_kafka_mock_cluster_t *cluster =
        owner == NULL ? NULL : rd_kafka_mock_cluster_new(owner, argc == 2 ? atoi(argv[1]) : 1);
    if (cluster == NULL) {
        fprintf(stderr, "kafka_mock: the cluster cannot be made\n");
        return 1;
    }
    puts(rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        puts(obey(cluster, line));
        fflush(stdout);
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
    return 0;
}
