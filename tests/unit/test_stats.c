/* test_stats: a process that publishes and asks, with a collector that is there, late, silent or gone.
 * SPDX-License-Identifier: MIT */
#include "stats.h"

#include "clock.h"
#include "scratch_directory.h"
#include "snapshot.h"
#include "suite.h"

#include <zmq.h>

enum { TIME_LIMIT = 30 }; /* seconds for anything that is waited for */

static void *context;
static struct loop *loop;
static struct config *config;
static struct metrics *metrics;

static void set_up(void)
{
    char setting[300];
    const char *settings[] = {setting, "collector.interval_ms=50"};
    struct config_errors errors = {0};
    scratch_make();
    snprintf(setting, sizeof setting, "runtime_directory=%s", scratch_directory);
    config = config_load(NULL, settings, 2, &errors);
    ck_assert_msg(config != NULL, "%s", errors.text);
    context = zmq_ctx_new();
    loop = loop_new();
    metrics = stats_page(config, "worker", "w.1");
}

static void tear_down(void)
{
    metrics_free(metrics);
    loop_free(loop);
    zmq_ctx_term(context);
    config_free(config);
    scratch_remove();
}

static void give_up(void *self)
{
    (void)self;
    ck_abort_msg("waited in vain");
}

/* Runs the loop until somebody stops it. */
static void run(void)
{
    struct loop_timer limit = {0};
    loop_timer_set(loop, &limit, clock_now() + TIME_LIMIT * SECOND, give_up, NULL);
    loop_run(loop);
    loop_timer_cancel(loop, &limit);
}

static void *bind_fake(int type, const char *file)
{
    char endpoint[300];
    int none = 0;
    void *socket = zmq_socket(context, type);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/%s", scratch_directory, file);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    if (type == ZMQ_SUB)
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    ck_assert_int_eq(zmq_bind(socket, endpoint), 0);
    return socket;
}

/* ---- publishing ---- */

struct listener {
    void *socket;
    unsigned wanted; /* snapshots, then the loop stops */
    unsigned count;
    char topic[SNAPSHOT_TOPIC_BYTES];
    struct snapshot snapshot;
    struct snapshot_series series; /* its first */
    uint8_t bytes[65536];
};

static void listen_once(void *self)
{
    struct listener *listener = self;
    int length;
    while ((length = zmq_recv(listener->socket, listener->topic, sizeof listener->topic - 1, ZMQ_DONTWAIT)) !=
           -1) {
        listener->topic[length] = '\0';
        length = zmq_recv(listener->socket, listener->bytes, sizeof listener->bytes, ZMQ_DONTWAIT);
        ck_assert_int_gt(length, 0);
        ck_assert_ptr_null(snapshot_decode(listener->bytes, (size_t)length, &listener->snapshot));
        struct snapshot copy = listener->snapshot;
        snapshot_next(&copy, &listener->series);
        if (++listener->count == listener->wanted)
            loop_stop(loop);
    }
}

static struct listener *listener_new(unsigned wanted)
{
    struct listener *listener = calloc(1, sizeof *listener);
    listener->socket = bind_fake(ZMQ_SUB, "stats.ipc");
    listener->wanted = wanted;
    ck_assert_int_eq(loop_zmq_add(loop, listener->socket, listen_once, listener), 0);
    return listener;
}

static void listener_free(struct listener *listener)
{
    loop_zmq_remove(loop, listener->socket);
    zmq_close(listener->socket);
    free(listener);
}

static void count_up(void *self)
{
    (void)self;
    series_add(metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL), 1);
}

START_TEST(snapshots_are_published_again_and_again)
{
    struct listener *listener = listener_new(3);
    struct stats_publisher *publisher = stats_publisher_new(context, loop, config, metrics, "worker", "w.1");
    stats_publisher_before(publisher, count_up, NULL);
    run();
    char topic[64];
    snprintf(topic, sizeof topic, "worker.w.1.%d", (int)getpid());
    ck_assert_str_eq(listener->topic, topic);
    ck_assert_uint_eq(listener->snapshot.interval_ms, 50);
    ck_assert_uint_ge(listener->snapshot.sequence, 3);
    ck_assert_int_eq(listener->series.metric, METRIC_STRAY_RESULTS);
    ck_assert_uint_eq(listener->series.numbers[0], listener->snapshot.sequence);
    stats_publisher_free(publisher);
    listener_free(listener);
}
END_TEST

START_TEST(the_last_snapshot_says_that_it_is_the_last)
{
    struct listener *listener = listener_new(1);
    struct stats_publisher *publisher = stats_publisher_new(context, loop, config, metrics, "worker", "w.1");
    run(); /* connected now */
    series_add(metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL), 77);
    stats_publisher_free(publisher);
    int64_t limit = clock_now() + TIME_LIMIT * SECOND;
    while (listener->snapshot.interval_ms != 0 && clock_now() < limit) {
        zmq_pollitem_t item = {.socket = listener->socket, .events = ZMQ_POLLIN};
        zmq_poll(&item, 1, 1000);
        listen_once(listener);
    }
    ck_assert_uint_eq(listener->snapshot.interval_ms, 0);
    ck_assert_uint_eq(listener->series.numbers[0], 77);
    listener_free(listener);
}
END_TEST

static void start_listening(void *self)
{
    *(struct listener **)self = listener_new(2);
}

START_TEST(a_collector_may_come_late)
{
    struct listener *listener = NULL;
    struct loop_timer later = {0};
    struct stats_publisher *publisher = stats_publisher_new(context, loop, config, metrics, "worker", "w.1");
    loop_timer_set(loop, &later, clock_now() + 200 * MILLISECOND, start_listening, &listener);
    run();
    ck_assert_uint_gt(listener->snapshot.sequence, 2); /* the first went nowhere, and waited for nobody */
    stats_publisher_free(publisher);
    listener_free(listener);
}
END_TEST

static void stop(void *self)
{
    (void)self;
    loop_stop(loop);
}

START_TEST(without_a_collector_nothing_waits)
{
    struct loop_timer later = {0};
    struct stats_publisher *publisher = stats_publisher_new(context, loop, config, metrics, "worker", "w.1");
    stats_publisher_before(publisher, count_up, NULL);
    loop_timer_set(loop, &later, clock_now() + 200 * MILLISECOND, stop, NULL);
    run();
    stats_publisher_free(publisher);
    stats_publisher_free(NULL);
    ck_assert_uint_ge(metrics_series(metrics, METRIC_STRAY_RESULTS, NULL, NULL, NULL)->value, 2);
}
END_TEST

START_TEST(strange_names_harm_nobody)
{
    char longer[1000] = {0};
    memset(longer, '/', sizeof longer - 1);
    struct metrics *page = stats_page(config, longer, longer);
    ck_assert_ptr_nonnull(page);
    struct stats_publisher *publisher = stats_publisher_new(context, loop, config, page, longer, longer);
    stats_publisher_free(publisher);
    metrics_free(page);
}
END_TEST

START_TEST(a_path_that_is_too_long_for_a_socket_harms_nobody)
{
    struct config_errors errors = {0};
    struct config *deep = config_load(NULL, NULL, 0, &errors);
    ck_assert_ptr_nonnull(deep);
    free(deep->runtime_directory);
    ck_assert_int_ne(asprintf(&deep->runtime_directory, "%s/%0*d", scratch_directory, 200, 1), -1);
    struct stats_publisher *publisher = stats_publisher_new(context, loop, deep, metrics, "worker", "w.1");
    struct stats_exposition *exposition = stats_exposition_new(context, loop, deep);
    stats_publisher_free(publisher);
    stats_exposition_free(exposition);
    config_free(deep);
}
END_TEST

START_TEST(a_page_lies_in_the_runtime_directory)
{
    char name[64];
    snprintf(name, sizeof name, "stats/worker.w.1.%d", (int)getpid());
    ck_assert_int_eq(access(scratch_path(name), F_OK), 0);
}
END_TEST

START_TEST(without_a_runtime_directory_a_page_is_private_memory)
{
    const char *settings[] = {"runtime_directory=/proc/none"};
    struct config_errors errors = {0};
    struct config *other = config_load(NULL, settings, 1, &errors);
    ck_assert_msg(other != NULL, "%s", errors.text);
    struct metrics *page = stats_page(other, "worker", "w.1");
    series_add(metrics_series(page, METRIC_STRAY_RESULTS, NULL, NULL, NULL), 1);
    metrics_free(page);
    config_free(other);
}
END_TEST

/* ---- asking ---- */

static const struct page_request metrics_page = {.path = {"text", 4}};

/* What came back for the asks of a test. */
struct answers {
    unsigned wanted;
    unsigned texts;
    unsigned nothings;
    char last[64];
};

static void note(void *self, const struct page_answer *page)
{
    struct answers *answers = self;
    if (page == NULL) {
        answers->nothings++;
    } else {
        answers->texts++;
        text_copy(page->body, answers->last, sizeof answers->last);
    }
    if (answers->texts + answers->nothings == answers->wanted)
        loop_stop(loop);
}

/* A collector that counts asks and answers each with its number. */
struct responder {
    void *socket;
    unsigned asks;
    bool silent;
    bool echoes_late;
};

static void respond_page(struct responder *responder, const char *peer, size_t peer_length, uint64_t number,
                         struct text path)
{
    uint8_t envelope[PAGE_ANSWER_BYTES_MAX];
    char text[64];
    struct page_answer page = {.status = 200};
    size_t length = page_answer_encode(&page, number, envelope, sizeof envelope);
    snprintf(text, sizeof text, "%.*s %u", (int)path.length, path.at, responder->asks);
    zmq_send(responder->socket, peer, peer_length, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(responder->socket, envelope, length, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(responder->socket, text, strlen(text), ZMQ_DONTWAIT);
}

static void respond(void *self)
{
    struct responder *responder = self;
    char peer[256];
    uint8_t ask[PAGE_REQUEST_BYTES_MAX];
    int length;
    while ((length = zmq_recv(responder->socket, peer, sizeof peer, ZMQ_DONTWAIT)) != -1) {
        struct page_request request;
        uint64_t number;
        int ask_length = zmq_recv(responder->socket, ask, sizeof ask, ZMQ_DONTWAIT);
        ck_assert(page_request_decode(ask, (size_t)ask_length, &request, &number));
        responder->asks++;
        if (responder->silent)
            continue;
        if (responder->echoes_late) /* what was asked before, and went astray */
            respond_page(responder, peer, (size_t)length, number - 1, text_of("an old page"));
        respond_page(responder, peer, (size_t)length, number, request.path);
    }
}

static struct responder responder_start(void)
{
    return (struct responder){.socket = bind_fake(ZMQ_ROUTER, "exposition.ipc")};
}

static void responder_stop(struct responder *responder)
{
    loop_zmq_remove(loop, responder->socket);
    zmq_close(responder->socket);
}

START_TEST(one_text_answers_all_who_wait)
{
    struct responder responder = responder_start();
    struct answers answers = {.wanted = 10};
    ck_assert_int_eq(loop_zmq_add(loop, responder.socket, respond, &responder), 0);
    struct stats_exposition *exposition = stats_exposition_new(context, loop, config);
    for (int i = 0; i < 10; i++)
        stats_exposition_ask(exposition, &metrics_page, TIME_LIMIT * 1000, note, &answers);
    run();
    ck_assert_uint_eq(answers.texts, 10);
    ck_assert_str_eq(answers.last, "text 1");
    ck_assert_uint_eq(responder.asks, 1);
    stats_exposition_free(exposition);
    responder_stop(&responder);
}
END_TEST

struct again {
    struct stats_exposition *exposition;
    struct answers answers;
};

static void ask_again(void *self, const struct page_answer *page)
{
    struct again *again = self;
    if (again->answers.texts + 1 < again->answers.wanted)
        stats_exposition_ask(again->exposition, &metrics_page, TIME_LIMIT * 1000, ask_again, again);
    note(&again->answers, page);
}

START_TEST(who_is_answered_may_ask_again_at_once)
{
    struct responder responder = responder_start();
    struct again again = {.answers = {.wanted = 5}};
    ck_assert_int_eq(loop_zmq_add(loop, responder.socket, respond, &responder), 0);
    again.exposition = stats_exposition_new(context, loop, config);
    stats_exposition_ask(again.exposition, &metrics_page, TIME_LIMIT * 1000, ask_again, &again);
    run();
    ck_assert_uint_eq(again.answers.texts, 5);
    ck_assert_str_eq(again.answers.last, "text 5");
    stats_exposition_free(again.exposition);
    responder_stop(&responder);
}
END_TEST

START_TEST(a_collector_that_is_away_or_silent_ends_in_nothing)
{
    struct answers answers = {.wanted = 2};
    struct stats_exposition *exposition = stats_exposition_new(context, loop, config);
    stats_exposition_ask(exposition, &metrics_page, 50, note, &answers);
    stats_exposition_ask(exposition, &metrics_page, 100, note, &answers);
    run();
    ck_assert_uint_eq(answers.nothings, 2);
    stats_exposition_free(exposition);
    stats_exposition_free(NULL);
}
END_TEST

/* Each page is another question, and an answer to an older one is nobody's. */
START_TEST(different_pages_are_different_questions)
{
    struct responder responder = responder_start();
    struct answers answers[3] = {{.wanted = 9}, {.wanted = 9}, {.wanted = 1}};
    responder.echoes_late = true;
    ck_assert_int_eq(loop_zmq_add(loop, responder.socket, respond, &responder), 0);
    struct stats_exposition *exposition = stats_exposition_new(context, loop, config);
    for (int i = 0; i < 2; i++) {
        stats_exposition_ask(exposition, &metrics_page, TIME_LIMIT * 1000, note, &answers[0]);
        stats_exposition_ask(exposition, &(struct page_request){.path = {"text", 4}, .query = {"q", 1}},
                             TIME_LIMIT * 1000, note, &answers[1]);
    }
    stats_exposition_ask(exposition, &(struct page_request){.path = {"other", 5}}, TIME_LIMIT * 1000, note,
                         &answers[2]);
    run();
    ck_assert_uint_eq(answers[0].texts, 2);
    ck_assert_str_eq(answers[0].last, "text 1");
    ck_assert_uint_eq(answers[1].texts, 2);
    ck_assert_str_eq(answers[1].last, "text 2");
    ck_assert_str_eq(answers[2].last, "other 3");
    stats_exposition_free(exposition);
    responder_stop(&responder);
}
END_TEST

static void find_voice(void *self)
{
    ((struct responder *)self)->silent = false;
}

START_TEST(an_ask_that_a_collector_took_to_its_grave_is_sent_again)
{
    struct responder responder = responder_start();
    struct answers answers = {.wanted = 1};
    struct loop_timer later = {0};
    responder.silent = true; /* takes the first ask and forgets it */
    ck_assert_int_eq(loop_zmq_add(loop, responder.socket, respond, &responder), 0);
    loop_timer_set(loop, &later, clock_now() + 500 * MILLISECOND, find_voice, &responder);
    struct stats_exposition *exposition = stats_exposition_new(context, loop, config);
    stats_exposition_ask(exposition, &metrics_page, TIME_LIMIT * 1000, note, &answers);
    run();
    ck_assert_uint_eq(answers.texts, 1);
    ck_assert_uint_ge(responder.asks, 1);
    stats_exposition_free(exposition);
    responder_stop(&responder);
}
END_TEST

START_TEST(asks_beyond_the_bound_end_in_nothing_at_once)
{
    struct answers answers = {.wanted = 1000};
    struct stats_exposition *exposition = stats_exposition_new(context, loop, config);
    for (int i = 0; i < 64; i++)
        stats_exposition_ask(exposition, &metrics_page, TIME_LIMIT * 1000, note, &answers);
    ck_assert_uint_eq(answers.nothings, 0);
    stats_exposition_ask(exposition, &metrics_page, TIME_LIMIT * 1000, note, &answers);
    ck_assert_uint_eq(answers.nothings, 1);
    stats_exposition_free(exposition); /* each ask ends exactly once */
    ck_assert_uint_eq(answers.nothings, 65);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {snapshots_are_published_again_and_again,
                                  the_last_snapshot_says_that_it_is_the_last,
                                  a_collector_may_come_late,
                                  without_a_collector_nothing_waits,
                                  strange_names_harm_nobody,
                                  a_path_that_is_too_long_for_a_socket_harms_nobody,
                                  a_page_lies_in_the_runtime_directory,
                                  without_a_runtime_directory_a_page_is_private_memory,
                                  different_pages_are_different_questions,
                                  one_text_answers_all_who_wait,
                                  who_is_answered_may_ask_again_at_once,
                                  a_collector_that_is_away_or_silent_ends_in_nothing,
                                  an_ask_that_a_collector_took_to_its_grave_is_sent_again,
                                  asks_beyond_the_bound_end_in_nothing_at_once};
    return SUITE_RUN("stats", set_up, tear_down, tests);
}
