/* stats_follow: a subscriber of the collector's (common/STATS.md section 1), for `outrigger stats --follow`.
 * It may be as slow as its reader is: the collector drops what is not taken, and counters are cumulative.
 * SPDX-License-Identifier: MIT */
#include "stats_follow.h"

#include "ask.h"
#include "say.h"

#include "snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

enum {
    WAITING_MAX = 64, /* snapshots for a slow reader, as many as here again in the collector */
    RECONNECT_MS = 100
};

/* ---- printing ---- */

static bool is_histogram(enum metric metric)
{
    enum metric_kind kind = metric_describe(metric)->kind;
    return kind == HISTOGRAM || kind == SIZES;
}

/* The next label's name; *rest, which goes on behind it, is the metric's "model,version" at first. */
static struct text next_name(const char **rest)
{
    struct text name = {*rest, strcspn(*rest, ",")};
    *rest += name.length + (name.at[name.length] == ',');
    return name;
}

/* The next series that is known, and wanted: `part` is in the metric's name, or NULL. */
static bool next_series(struct snapshot *snapshot, const char *part, struct snapshot_series *series)
{
    while (snapshot_next(snapshot, series))
        if (series->metric != METRIC_COUNT &&
            (part == NULL || strstr(metric_describe(series->metric)->name, part) != NULL))
            return true;
    return false;
}

static void print_series(const struct snapshot_series *series, FILE *out)
{
    const char *names = metric_describe(series->metric)->labels;
    fprintf(out, "  %s", metric_describe(series->metric)->name);
    for (size_t i = 0; i < metric_label_count(series->metric); i++) {
        struct text name = next_name(&names), value = series->labels[i];
        fprintf(out, " %.*s=%.*s", (int)name.length, name.at, (int)value.length, value.at);
    }
    if (is_histogram(series->metric))
        fprintf(out, ": count %" PRIu64 ", sum %" PRIu64 "\n", series->numbers[0], series->numbers[1]);
    else if (metric_describe(series->metric)->kind == GAUGE)
        fprintf(out, ": %" PRId64 "\n", (int64_t)series->numbers[0]);
    else
        fprintf(out, ": %" PRIu64 "\n", series->numbers[0]);
}

static void print_text(struct snapshot *snapshot, const char *part, FILE *out)
{
    struct snapshot_series series;
    fprintf(out, "%.*s %.*s, pid %" PRIu32 ", no. %" PRIu64 "%s\n", (int)snapshot->kind.length,
            snapshot->kind.at, (int)snapshot->name.length, snapshot->name.at, snapshot->pid,
            snapshot->sequence, snapshot->interval_ms == 0 ? ", its last" : "");
    while (next_series(snapshot, part, &series))
        print_series(&series, out);
}

static void add_labels(yyjson_mut_doc *document, yyjson_mut_val *entry, const struct snapshot_series *series)
{
    yyjson_mut_val *labels = yyjson_mut_obj_add_obj(document, entry, "labels");
    const char *names = metric_describe(series->metric)->labels;
    for (size_t i = 0; i < metric_label_count(series->metric); i++) {
        struct text name = next_name(&names), value = series->labels[i];
        yyjson_mut_obj_add(labels, yyjson_mut_strncpy(document, name.at, name.length),
                           yyjson_mut_strncpy(document, value.at, value.length));
    }
}

static void add_series(yyjson_mut_doc *document, yyjson_mut_val *list, const struct snapshot_series *series)
{
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, list);
    yyjson_mut_obj_add_str(document, entry, "metric", metric_describe(series->metric)->name);
    add_labels(document, entry, series);
    if (!is_histogram(series->metric)) {
        if (metric_describe(series->metric)->kind == GAUGE)
            yyjson_mut_obj_add_sint(document, entry, "value", (int64_t)series->numbers[0]);
        else
            yyjson_mut_obj_add_uint(document, entry, "value", series->numbers[0]);
        return;
    }
    yyjson_mut_obj_add_uint(document, entry, "count", series->numbers[0]);
    yyjson_mut_obj_add_uint(document, entry, "sum", series->numbers[1]);
    yyjson_mut_val *buckets = yyjson_mut_obj_add_arr(document, entry, "buckets");
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        yyjson_mut_arr_add_uint(document, buckets, series->numbers[2 + i]);
}

static void print_json(struct snapshot *snapshot, const char *part, FILE *out)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    struct snapshot_series series;
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_strncpy(document, root, "kind", snapshot->kind.at, snapshot->kind.length);
    yyjson_mut_obj_add_strncpy(document, root, "name", snapshot->name.at, snapshot->name.length);
    yyjson_mut_obj_add_uint(document, root, "pid", snapshot->pid);
    yyjson_mut_obj_add_uint(document, root, "start", snapshot->start);
    yyjson_mut_obj_add_uint(document, root, "sequence", snapshot->sequence);
    yyjson_mut_obj_add_uint(document, root, "interval_ms", snapshot->interval_ms);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, "series");
    while (next_series(snapshot, part, &series))
        add_series(document, list, &series);
    char *line = yyjson_mut_write(document, 0, NULL);
    fprintf(out, "%s\n", line == NULL ? "{}" : line);
    free(line);
    yyjson_mut_doc_free(document);
}

static void print(struct snapshot *snapshot, const struct arguments *arguments, FILE *out)
{
    if (arguments->json)
        print_json(snapshot, arguments->operands[0], out);
    else
        print_text(snapshot, arguments->operands[0], out);
}

/* ---- listening ---- */

/* Waits for a message of two frames; false when none can come any more. */
static bool receive(void *socket, zmq_msg_t *topic, zmq_msg_t *body)
{
    do {
        if (zmq_msg_recv(topic, socket, 0) == -1 && errno != EINTR)
            return false;
    } while (!zmq_msg_more(topic));
    while (zmq_msg_recv(body, socket, 0) != -1 && zmq_msg_more(body))
        ;
    return true;
}

static void print_all(void *socket, const struct arguments *arguments)
{
    zmq_msg_t topic, body;
    zmq_msg_init(&topic);
    zmq_msg_init(&body);
    while (!ferror(stdout) && receive(socket, &topic, &body)) {
        struct snapshot snapshot;
        if (snapshot_decode(zmq_msg_data(&body), zmq_msg_size(&body), &snapshot) == NULL)
            print(&snapshot, arguments, stdout);
        fflush(stdout);
    }
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
}

/* "worker." for `worker`; a topic that goes on is taken as it is. */
static bool subscribe(void *socket, const char *topic)
{
    char prefix[SNAPSHOT_TOPIC_BYTES] = "";
    if (topic != NULL)
        snprintf(prefix, sizeof prefix, strchr(topic, '.') == NULL ? "%s." : "%s", topic);
    return zmq_setsockopt(socket, ZMQ_SUBSCRIBE, prefix, strlen(prefix)) == 0;
}

static bool set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

int stats_follow(const struct arguments *arguments, const struct config *config)
{
    char path[PATH_MAX], endpoint[PATH_MAX + 8];
    int64_t most = SNAPSHOT_BYTES_MAX;
    snprintf(path, sizeof path, "%s/stats-out.ipc", config->runtime_directory);
    snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
    if (access(path, F_OK) != 0)
        return ask_say_absent(arguments, config, "no collector");
    void *zmq = zmq_ctx_new();
    void *socket = zmq == NULL ? NULL : zmq_socket(zmq, ZMQ_SUB);
    bool good = socket != NULL && set_option(socket, ZMQ_RCVHWM, WAITING_MAX) &&
                set_option(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) && set_option(socket, ZMQ_LINGER, 0) &&
                zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most) == 0 &&
                subscribe(socket, arguments_text(arguments, OPTION_TOPIC)) &&
                zmq_connect(socket, endpoint) == 0;
    int status = CTL_GOOD;
    if (good)
        print_all(socket, arguments);
    else
        status = say_fault(arguments, CTL_FAULT, "%s: %s", endpoint, zmq_strerror(zmq_errno()));
    if (socket != NULL)
        zmq_close(socket);
    if (zmq != NULL)
        zmq_ctx_term(zmq);
    return status;
}
