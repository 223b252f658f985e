/* stream_kafka_conf: how librdkafka is set for a job: what the guarantees need is fixed, the rest is the
 * job's. SPDX-License-Identifier: MIT */
#include "secret.h"
#include "stream_kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 96, INSTANCES_MAX = 1000 };

struct setting {
    const char *name;
    const char *value;
};

/* The job may say otherwise. */
static const struct setting defaults[] = {
    /* A member of the group that comes back under its name gets its partitions back at once; one that does
     * not is missed for so long. */
    {"session.timeout.ms", "10000"},
    {"heartbeat.interval.ms", "1000"},
    /* Each generation of the group has all partitions. In a cooperative one some are nobody's until those
     * that gave them up join again: when such a member dies before, and comes back under its name, Kafka
     * gives it what it had without another generation, and the partitions stay nobody's. */
    {"partition.assignment.strategy", "range"},
    /* What is fetched ahead: bounded in bytes and in number. When it is more, librdkafka looks again after a
     * second only: it must last for one. */
    {"queued.max.messages.kbytes", "65536"},
    {"queued.min.messages", "100000"},
    {"queue.buffering.max.messages", "100000"},
    {"queue.buffering.max.kbytes", "65536"},
    {"linger.ms", "2"},
    /* A peer that is gone without a word is noticed. */
    {"socket.keepalive.enable", "true"},
    {"socket.timeout.ms", "30000"},
};

/* It may not: nothing would be lost or twice by accident only. */
static const struct setting fixed[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"enable.idempotence", "true"},
    {"enable.partition.eof", "false"},
};

/* These are said elsewhere. */
static const char *const elsewhere[] = {"bootstrap.servers", "metadata.broker.list", "group.id",
                                        "group.instance.id", "transactional.id",     "sasl.username",
                                        "sasl.password",     "auto.offset.reset"};

/* From any thread of librdkafka. CONFWARN: a setting of the one client was told to the other, too. */
static void pass_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client;
    if (level >= 7 || strcmp(facility, "CONFWARN") == 0)
        log_debug("kafka: %s: %s", facility, text);
    else if (level >= 5)
        log_info("kafka: %s: %s", facility, text);
    else
        log_warning("kafka: %s: %s", facility, text);
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, char reason[STREAM_REASON_MAX])
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return true;
    snprintf(reason, STREAM_REASON_MAX, "kafka: %s: %s", name, why);
    return false;
}

static bool set_all(rd_kafka_conf_t *conf, const struct setting *settings, size_t count,
                    char reason[STREAM_REASON_MAX])
{
    for (size_t i = 0; i < count; i++)
        if (!set(conf, settings[i].name, settings[i].value, reason))
            return false;
    return true;
}

/* Sets to what the reference leads to. librdkafka's complaint would hold the value: it is not passed on. Both
 * clients need it: only the second, the producer, takes a variable out of the environment. */
static bool set_secret(rd_kafka_conf_t *conf, const struct kafka *kafka, const char *name,
                       const char *reference, char reason[STREAM_REASON_MAX])
{
    char why[256];
    struct secret *secret = kafka->consumer == NULL ? secret_peek(reference, why, sizeof why)
                                                    : secret_read(reference, why, sizeof why);
    if (secret == NULL) {
        snprintf(reason, STREAM_REASON_MAX, "kafka: %s: %s", name, why);
        return false;
    }
    char *value = object_alloc(SECRET_MAX + 1);
    text_copy(secret_text(secret), value, SECRET_MAX + 1);
    secret_free(secret);
    bool good = rd_kafka_conf_set(conf, name, value, NULL, 0) == RD_KAFKA_CONF_OK;
    explicit_bzero(value, SECRET_MAX + 1);
    free(value);
    if (!good)
        snprintf(reason, STREAM_REASON_MAX, "kafka: %s: there is no such setting, or the value is wrong",
                 name);
    return good;
}

static bool may_be_set(const char *name, char reason[STREAM_REASON_MAX])
{
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++)
        if (strcmp(name, elsewhere[i]) == 0) {
            snprintf(reason, STREAM_REASON_MAX,
                     "kafka: %s is not set here: from, to, user, password and their options say it", name);
            return false;
        }
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        if (strcmp(name, fixed[i].name) == 0) {
            snprintf(reason, STREAM_REASON_MAX, "kafka: %s is always %s", name, fixed[i].value);
            return false;
        }
    return true;
}

/* "name=value", "name=@reference". */
static bool set_line(rd_kafka_conf_t *conf, const struct kafka *kafka, const char *line,
                     char reason[STREAM_REASON_MAX])
{
    char name[NAME_MAX_BYTES];
    const char *equals = strchr(line, '=');
    if (equals == NULL || (size_t)(equals - line) >= sizeof name) {
        snprintf(reason, STREAM_REASON_MAX, "kafka: expected name=value, got %.80s", line);
        return false;
    }
    text_copy((struct text){line, (size_t)(equals - line)}, name, sizeof name);
    if (!may_be_set(name, reason))
        return false;
    return equals[1] == '@' ? set_secret(conf, kafka, name, equals + 2, reason)
                            : set(conf, name, equals + 1, reason);
}

static bool set_user(rd_kafka_conf_t *conf, const struct kafka *kafka, char reason[STREAM_REASON_MAX])
{
    const struct stream_job *job = kafka->job;
    if (*job->user == '\0')
        return true;
    /* Never in the clear, unless the job says so. */
    return set(conf, "security.protocol", "sasl_ssl", reason) &&
           set(conf, "sasl.mechanisms", "PLAIN", reason) && set(conf, "sasl.username", job->user, reason) &&
           (*job->password == '\0' || set_secret(conf, kafka, "sasl.password", job->password, reason));
}

static bool set_common(rd_kafka_conf_t *conf, const struct kafka *kafka, char reason[STREAM_REASON_MAX])
{
    const struct stream_job *job = kafka->job;
    rd_kafka_conf_set_log_cb(conf, pass_log);
    if (!set_all(conf, defaults, COUNT_OF(defaults), reason) ||
        !set_all(conf, fixed, COUNT_OF(fixed), reason) ||
        !set(conf, "bootstrap.servers", job->source.place, reason) ||
        !set(conf, "client.id", "outrigger-stream", reason) || !set_user(conf, kafka, reason))
        return false;
    for (size_t i = 0; i < job->kafka.count; i++)
        if (!set_line(conf, kafka, job->kafka.names[i], reason))
            return false;
    return true;
}

/* True when no other process of this host has the name: it is ours as long as we live. */
static bool lock_instance(struct kafka *kafka, const char *group, unsigned number)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "outrigger-stream-%u-%.64s",
                          number, group);
    kafka->instance_lock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (kafka->instance_lock >= 0 &&
        bind(kafka->instance_lock, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0)
        return true;
    if (kafka->instance_lock >= 0)
        close(kafka->instance_lock);
    kafka->instance_lock = -1;
    return false;
}

/* A name that a restarted job gets again, and no other job has meanwhile: the group then knows it again, and
 * the transaction that its predecessor left is ended at once. */
static bool name_instance(struct kafka *kafka, const char *group, char reason[STREAM_REASON_MAX])
{
    const char *given = stream_address_option(&kafka->job->source, "instance", NULL);
    char host[64];
    kafka->instance_lock = -1;
    if (given != NULL)
        return snprintf(kafka->instance, sizeof kafka->instance, "%s", given) > 0;
    if (gethostname(host, sizeof host) != 0)
        snprintf(host, sizeof host, "host");
    host[sizeof host - 1] = '\0';
    for (unsigned number = 1; number <= INSTANCES_MAX; number++)
        if (lock_instance(kafka, group, number)) {
            snprintf(kafka->instance, sizeof kafka->instance, "%s.%u", host, number);
            return true;
        }
    snprintf(reason, STREAM_REASON_MAX,
             "no instance of group %s is free on this host: say from's ?instance=", group);
    return false;
}

/* The group keeps the partitions of a member that ends for it until it is missed; of a dynamic one, that
 * leaves when it ends, it gives them to others at once, but waits for one that died. */
static bool is_static(const struct kafka *kafka)
{
    return strcmp(stream_address_option(&kafka->job->source, "membership", "static"), "dynamic") != 0;
}

static bool set_consumer(rd_kafka_conf_t *conf, struct kafka *kafka, const char *group,
                         char reason[STREAM_REASON_MAX])
{
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE |
                                       RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_ERROR);
    return set_common(conf, kafka, reason) && set(conf, "group.id", group, reason) &&
           (!is_static(kafka) || set(conf, "group.instance.id", kafka->instance, reason)) &&
           set(conf, "auto.offset.reset", stream_address_option(&kafka->job->source, "offset", "earliest"),
               reason);
}

static bool set_producer(rd_kafka_conf_t *conf, struct kafka *kafka, const char *group,
                         char reason[STREAM_REASON_MAX])
{
    char id[2 * KAFKA_INSTANCE_MAX];
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    /* At least once waits for a broker as long as it takes; a transaction has a time of its own. */
    if (!kafka->job->exactly_once && !set(conf, "message.timeout.ms", "0", reason))
        return false;
    if (!set_common(conf, kafka, reason))
        return false;
    snprintf(id, sizeof id, "outrigger-stream.%s.%s", group, kafka->instance);
    return !kafka->job->exactly_once || set(conf, "transactional.id", id, reason);
}

static rd_kafka_t *client_new(struct kafka *kafka, rd_kafka_type_t type, const char *group,
                              char reason[STREAM_REASON_MAX])
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = type == RD_KAFKA_CONSUMER ? set_consumer(conf, kafka, group, reason)
                                          : set_producer(conf, kafka, group, reason);
    rd_kafka_t *client = good ? rd_kafka_new(type, conf, why, sizeof why) : NULL;
    if (client != NULL)
        return client;
    if (good)
        snprintf(reason, STREAM_REASON_MAX, "kafka: %s", why);
    rd_kafka_conf_destroy(conf);
    return NULL;
}

bool kafka_clients_new(struct kafka *kafka, char reason[STREAM_REASON_MAX])
{
    const char *group = stream_address_option(&kafka->job->source, "group", "outrigger");
    if (!name_instance(kafka, group, reason))
        return false;
    kafka->consumer = client_new(kafka, RD_KAFKA_CONSUMER, group, reason);
    if (kafka->consumer == NULL)
        return false;
    kafka->producer = client_new(kafka, RD_KAFKA_PRODUCER, group, reason);
    return kafka->producer != NULL;
}
