/* stats: the two things that a process has to do with the collector: tell what it counts (common/STATS.md),
 * and, for a frontend, fetch what it shows for its /metrics and /outrigger/.
 *
 * Neither may ever hold a process up. PUB does not wait; what a collector that is stopped or gone does not
 * take is dropped, and since counters are cumulative the next snapshot makes good for it. A page is asked
 * for without waiting, and whoever wants it gets NULL after a while. SPDX-License-Identifier: MIT */
#include "stats.h"

#include "clock.h"
#include "log.h"
#include "process.h"
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>
#include <zmq.h>

enum {
    PUBLISHER_MAGIC = 0x73700001,
    EXPOSITION_MAGIC = 0x73650001,
    SNAPSHOTS_WAITING_MAX = 16, /* for a collector that is behind */
    RECONNECT_MS = 10,
    /* The last snapshot is worth this short wait at the end of a process; with no collector there is nothing
     * to wait for. */
    LINGER_MS = 100,
    ASKS_MAX = 64,
    TEXT_BYTES_MAX =
        256 << 20 /* as many series as collector.max_series allows make so much at the very most */
};

#define ASK_AGAIN_AWAY (20 * MILLISECOND) /* while there is no collector */
#define ASK_AGAIN_LOST                                                                                       \
    (1 * SECOND) /* the collector took the ask and has not answered: it was started again */

/* ---- the page ---- */

/* A path, or NULL after a complaint. */
static char *make_page_path(const struct config *config, const char *kind, const char *name)
{
    char *path;
    ENSURE(asprintf(&path, "%s/stats", config->runtime_directory) != -1);
    int made = process_make_directory(path, 0750);
    if (made != 0)
        log_warning("%s: %s", path, strerror(errno));
    free(path);
    if (made != 0)
        return NULL;
    ENSURE(asprintf(&path, "%s/stats/%s.%s.%d", config->runtime_directory, kind, name, (int)getpid()) != -1);
    return path;
}

struct metrics *stats_page(const struct config *config, const char *kind, const char *name)
{
    char *path = make_page_path(config, kind, name);
    struct metrics *metrics = metrics_new(path);
    if (metrics == NULL && path != NULL) {
        log_warning("%s: %s; what this process counts last is lost if it is killed", path, strerror(errno));
        metrics = metrics_new(NULL);
    }
    ENSURE(metrics != NULL);
    free(path);
    return metrics;
}

/* ---- sockets ---- */

static bool set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* A socket connected to a file of the collector's; NULL after a complaint. */
static void *connect_socket(void *zmq_context, int type, const struct config *config, const char *file)
{
    char endpoint[4096];
    int64_t frame_bytes_max = TEXT_BYTES_MAX;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/%s", config->runtime_directory, file);
    void *socket = zmq_socket(zmq_context, type);
    if (socket != NULL && set_option(socket, ZMQ_IMMEDIATE, 1) && set_option(socket, ZMQ_LINGER, 0) &&
        set_option(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
        set_option(socket, ZMQ_SNDHWM, SNAPSHOTS_WAITING_MAX) &&
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof frame_bytes_max) == 0 &&
        zmq_connect(socket, endpoint) == 0)
        return socket;
    log_warning("%s: %s", endpoint, zmq_strerror(zmq_errno()));
    if (socket != NULL)
        zmq_close(socket);
    return NULL;
}

/* ---- publishing ---- */

struct stats_publisher {
    unsigned magic;
    struct loop *loop;
    struct metrics *metrics;
    char *kind;
    char *name;
    char topic[SNAPSHOT_TOPIC_BYTES];
    size_t topic_length;
    void *socket; /* NULL: could not be made; then nothing is published */
    int64_t interval;
    struct loop_timer timer;
    loop_call *before;
    void *before_self;
};

static void publish(struct stats_publisher *publisher)
{
    if (publisher->before != NULL)
        publisher->before(publisher->before_self);
    if (publisher->socket == NULL)
        return;
    size_t length;
    uint8_t *bytes = metrics_snapshot(publisher->metrics, publisher->kind, publisher->name, &length);
    if (zmq_send(publisher->socket, publisher->topic, publisher->topic_length, ZMQ_SNDMORE | ZMQ_DONTWAIT) !=
        -1)
        zmq_send(publisher->socket, bytes, length, ZMQ_DONTWAIT);
    free(bytes);
}

/* Each process has moments of its own, which stay the same as long as it lives: within the first eight tenths
 * of each interval. */
static int64_t next_turn(const struct stats_publisher *publisher)
{
    int64_t now = clock_now();
    int64_t place = (int64_t)((uint32_t)getpid() * UINT32_C(2654435761) % 1000);
    int64_t phase = place * publisher->interval / 1000 * 8 / 10;
    return now - (now - phase) % publisher->interval + publisher->interval;
}

int64_t stats_next_look(int64_t now, int64_t interval)
{
    int64_t phase = interval * 9 / 10;
    return now - (now - phase) % interval + interval;
}

static void publish_again(void *self)
{
    struct stats_publisher *publisher = self;
    log_settle();
    publish(publisher);
    loop_timer_set(publisher->loop, &publisher->timer, next_turn(publisher), publish_again, publisher);
}

static void set_names(struct stats_publisher *publisher, const char *kind, const char *name)
{
    publisher->kind = strndup(kind, SNAPSHOT_KIND_MAX);
    publisher->name = strndup(name, SNAPSHOT_NAME_MAX);
    ENSURE(publisher->kind != NULL && publisher->name != NULL);
    struct snapshot names = {
        .kind = text_of(publisher->kind), .name = text_of(publisher->name), .pid = (uint32_t)getpid()};
    if (!snapshot_name_ok(names.kind, SNAPSHOT_KIND_MAX) || !snapshot_name_ok(names.name, SNAPSHOT_NAME_MAX))
        log_warning("the counters of \"%s\" will not be added up: a name has only A-Z a-z 0-9 . _ -", name);
    publisher->topic_length = snapshot_topic(&names, publisher->topic);
}

struct stats_publisher *stats_publisher_new(void *zmq_context, struct loop *loop, const struct config *config,
                                            struct metrics *metrics, const char *kind, const char *name)
{
    struct stats_publisher *publisher = object_alloc(sizeof *publisher);
    publisher->magic = PUBLISHER_MAGIC;
    publisher->loop = loop;
    publisher->metrics = metrics;
    publisher->interval = config->collector_interval_ms * MILLISECOND;
    metrics_set_interval(metrics, (uint32_t)config->collector_interval_ms);
    set_names(publisher, kind, name);
    publisher->socket = connect_socket(zmq_context, ZMQ_PUB, config, "stats.ipc");
    loop_timer_set(loop, &publisher->timer, next_turn(publisher), publish_again, publisher);
    return publisher;
}

void stats_publisher_free(struct stats_publisher *publisher)
{
    if (publisher == NULL)
        return;
    CHECK_OBJECT(publisher, PUBLISHER_MAGIC);
    loop_timer_cancel(publisher->loop, &publisher->timer);
    metrics_set_interval(publisher->metrics, 0);
    publish(publisher);
    if (publisher->socket != NULL) {
        set_option(publisher->socket, ZMQ_LINGER, LINGER_MS);
        zmq_close(publisher->socket);
    }
    free(publisher->kind);
    free(publisher->name);
    publisher->magic = 0;
    free(publisher);
}

void stats_publisher_before(struct stats_publisher *publisher, loop_call *call, void *self)
{
    CHECK_OBJECT(publisher, PUBLISHER_MAGIC);
    publisher->before = call;
    publisher->before_self = self;
}

/* ---- fetching pages ---- */

/* Somebody who waits for a page. */
struct ask {
    struct ask *prev;
    struct ask *next;
    struct stats_exposition *exposition;
    struct page_request *request; /* ours */
    struct loop_timer timeout;
    stats_answered *done;
    void *self;
};

/* One question is on its way at a time, and its answer is good for all who wait for the same page: the
 * collector makes one for all, too. */
struct stats_exposition {
    unsigned magic;
    struct loop *loop;
    void *socket; /* NULL: could not be made; then every ask ends with NULL */
    struct ask *asks;
    size_t ask_count;
    struct page_request *asked; /* what is on its way, ours; NULL: nothing */
    uint64_t number;            /* of that question: an answer to an older one is passed over */
    struct loop_timer again;
};

static void finish(struct ask *ask, const struct page_answer *answer)
{
    struct stats_exposition *exposition = ask->exposition;
    stats_answered *done = ask->done;
    void *self = ask->self;
    loop_timer_cancel(exposition->loop, &ask->timeout);
    DL_DELETE(exposition->asks, ask);
    exposition->ask_count--;
    free(ask->request);
    free(ask);
    done(self, answer);
}

static void give_up(void *self)
{
    finish(self, NULL);
}

/* Whoever waits longest; tried again until it is answered or nobody waits. */
static void send_ask(void *self)
{
    struct stats_exposition *exposition = self;
    uint8_t bytes[PAGE_REQUEST_BYTES_MAX];
    loop_timer_cancel(exposition->loop, &exposition->again);
    free(exposition->asked);
    exposition->asked = NULL;
    if (exposition->asks == NULL)
        return;
    size_t length = page_request_encode(exposition->asks->request, ++exposition->number, bytes, sizeof bytes);
    ENSURE(length > 0);
    if (zmq_send(exposition->socket, bytes, length, ZMQ_DONTWAIT) != -1)
        exposition->asked = page_request_copy(exposition->asks->request);
    loop_zmq_touch(exposition->loop, exposition->socket);
    loop_timer_set(exposition->loop, &exposition->again,
                   clock_now() + (exposition->asked != NULL ? ASK_AGAIN_LOST : ASK_AGAIN_AWAY), send_ask,
                   exposition);
}

static struct ask *first_for(const struct stats_exposition *exposition, const struct page_request *request,
                             size_t *left)
{
    for (struct ask *ask = exposition->asks; ask != NULL && *left > 0; ask = ask->next, --*left)
        if (page_request_equal(ask->request, request))
            return ask;
    return NULL;
}

/* Ends the asks for that page that wait now; one that `done` makes anew waits for the next answer. */
static void answer(struct stats_exposition *exposition, const struct page_answer *page)
{
    struct page_request *request = exposition->asked;
    exposition->asked = NULL;
    for (size_t now = exposition->ask_count; now > 0; now--) {
        size_t left = now;
        struct ask *ask = first_for(exposition, request, &left);
        if (ask == NULL)
            break;
        finish(ask, page);
    }
    free(request);
    if (exposition->asked == NULL) /* else one that was made anew is on its way */
        send_ask(exposition);
}

/* An envelope and a body, to what was asked last; anything else is passed over. */
static void take(struct stats_exposition *exposition, zmq_msg_t *envelope, zmq_msg_t *body)
{
    struct page_answer page;
    uint64_t number;
    if (exposition->asked == NULL ||
        !page_answer_decode(zmq_msg_data(envelope), zmq_msg_size(envelope), &page, &number) ||
        number != exposition->number)
        return;
    page.body = (struct text){zmq_msg_data(body), zmq_msg_size(body)};
    answer(exposition, &page);
}

static void receive(void *self)
{
    struct stats_exposition *exposition = self;
    zmq_msg_t envelope, body;
    zmq_msg_init(&envelope);
    zmq_msg_init(&body);
    while (zmq_msg_recv(&envelope, exposition->socket, ZMQ_DONTWAIT) != -1) {
        if (!zmq_msg_more(&envelope))
            continue;
        while (zmq_msg_recv(&body, exposition->socket, ZMQ_DONTWAIT) != -1 && zmq_msg_more(&body))
            ;
        take(exposition, &envelope, &body);
    }
    zmq_msg_close(&envelope);
    zmq_msg_close(&body);
}

struct stats_exposition *stats_exposition_new(void *zmq_context, struct loop *loop,
                                              const struct config *config)
{
    struct stats_exposition *exposition = object_alloc(sizeof *exposition);
    exposition->magic = EXPOSITION_MAGIC;
    exposition->loop = loop;
    exposition->socket = connect_socket(zmq_context, ZMQ_DEALER, config, "exposition.ipc");
    if (exposition->socket != NULL && loop_zmq_add(loop, exposition->socket, receive, exposition) != 0) {
        zmq_close(exposition->socket);
        exposition->socket = NULL;
    }
    return exposition;
}

void stats_exposition_free(struct stats_exposition *exposition)
{
    if (exposition == NULL)
        return;
    CHECK_OBJECT(exposition, EXPOSITION_MAGIC);
    loop_timer_cancel(exposition->loop, &exposition->again);
    while (exposition->asks != NULL)
        finish(exposition->asks, NULL);
    if (exposition->socket != NULL) {
        loop_zmq_remove(exposition->loop, exposition->socket);
        zmq_close(exposition->socket);
    }
    free(exposition->asked);
    exposition->magic = 0;
    free(exposition);
}

void stats_exposition_ask(struct stats_exposition *exposition, const struct page_request *request,
                          int timeout_ms, stats_answered *done, void *self)
{
    CHECK_OBJECT(exposition, EXPOSITION_MAGIC);
    if (exposition->socket == NULL || exposition->ask_count == ASKS_MAX) {
        done(self, NULL);
        return;
    }
    struct ask *ask = object_alloc(sizeof *ask);
    ask->exposition = exposition;
    ask->request = page_request_copy(request);
    ask->done = done;
    ask->self = self;
    loop_timer_set(exposition->loop, &ask->timeout, clock_now() + timeout_ms * MILLISECOND, give_up, ask);
    DL_APPEND(exposition->asks, ask);
    exposition->ask_count++;
    if (exposition->asked == NULL)
        send_ask(exposition);
}
