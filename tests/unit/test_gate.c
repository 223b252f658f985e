/* test_gate: the real broker with endpoints on the loopback, and peers with the right key, a wrong one, none:
 * who comes in, who is counted, and that a worker of another host is never taken for a process of this one.
 * SPDX-License-Identifier: MIT */
#include "broker_scene.h"
#include "gate.h"
#include "keys.h"
#include "unix_socket.h"

#include <sys/resource.h>
#include <sys/socket.h>

static char workers_tcp[64], askers_tcp[64];
static struct key_pair broker_pair, host7, host8, stranger;
static char reason[5120];

/* Writes the list: host7 for all, and what is given. */
static void allow(const char *more)
{
    char text[512];
    snprintf(text, sizeof text, "host7 %s\n%s", host7.public_key, more);
    scratch_file("allowed", text);
}

static void allow_both(void)
{
    char line[128];
    snprintf(line, sizeof line, "host8 %s workers\n", host8.public_key);
    allow(line);
}

static void set_up(void)
{
    char settings[4][256];
    const char *list[] = {settings[0], settings[1], settings[2], settings[3], NULL};
    scene_set_up();
    broker_pair = keys_make("broker");
    host7 = keys_make("host7");
    host8 = keys_make("host8");
    stranger = keys_make("stranger");
    allow_both();
    keys_endpoint(workers_tcp, sizeof workers_tcp);
    keys_endpoint(askers_tcp, sizeof askers_tcp);
    snprintf(settings[0], sizeof settings[0], "broker.workers_tcp=%s", workers_tcp);
    snprintf(settings[1], sizeof settings[1], "broker.askers_tcp=%s", askers_tcp);
    snprintf(settings[2], sizeof settings[2], "broker.curve_secret_file=%s",
             scratch_path("broker.key_secret"));
    snprintf(settings[3], sizeof settings[3], "broker.curve_allow=%s", scratch_path("allowed"));
    scene_start(list);
}

static uint64_t refused(const char *cause)
{
    return scene_counter(METRIC_CURVE_REFUSED, cause, NULL, NULL);
}

/* A peer that knows that key of the broker and has that pair (NULL: no keys at all). */
static struct end *knock(const char *endpoint, const struct key_pair *pair, const char *server_key)
{
    struct curve_keys keys = {0};
    const int zero = 0, one = 1;
    struct end *end = &scene_ends[scene_end_count++];
    *end = (struct end){.socket = zmq_socket(scene_context, ZMQ_DEALER)};
    zmq_setsockopt(end->socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(end->socket, ZMQ_PROBE_ROUTER, &one, sizeof one);
    zmq_setsockopt(end->socket, ZMQ_IMMEDIATE, &one, sizeof one);
    if (pair != NULL) {
        memcpy(keys.public_key, pair->public_key, sizeof keys.public_key);
        memcpy(keys.secret_key, pair->secret_key, sizeof keys.secret_key);
        memcpy(keys.server_key, server_key, sizeof keys.server_key);
        ck_assert_int_eq(curve_connecting(end->socket, &keys), 0);
    }
    ck_assert_int_eq(zmq_connect(end->socket, endpoint), 0);
    return end;
}

/* The broker's only remote worker. */
static struct worker *found;
static void find_remote(void *self, struct worker *worker)
{
    (void)self;
    if (worker->remote)
        found = worker;
}
static struct worker *remote_worker(void)
{
    found = NULL;
    pool_each(broker_pool(scene_broker), find_remote, NULL);
    return found;
}

/* A worker that came over tcp; the broker knows it when this returns. */
static struct end *remote(const struct key_pair *pair, uint32_t pid)
{
    struct envelope ready = scene_ready(pid);
    size_t before = pool_count(broker_pool(scene_broker));
    struct end *worker = knock(workers_tcp, pair, broker_pair.public_key);
    scene_next(worker, VERB_BEAT);
    end_send(worker, &ready, "schema");
    SCENE_WAIT_FOR_WORKERS(before + 1);
    return worker;
}

/* Of a peer that speaks ZMTP 3.0 without security. */
static const char null_greeting[64] = "\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL";

/* A connection without ZeroMQ. */
static int connect_raw(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(strrchr(workers_tcp, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        (void)connect(fd, (struct sockaddr *)&address, sizeof address);
    return fd;
}

/* ---- who comes in ---- */

START_TEST(an_allowed_key_serves_and_is_known_by_its_name)
{
    struct end *worker = remote(&host7, 11);
    const struct worker *known = remote_worker();
    ck_assert_ptr_nonnull(known);
    ck_assert_str_eq(known->key_name, "host7");
    ck_assert_str_eq(known->key, host7.public_key);
    ck_assert_str_eq(known->address, "127.0.0.1");
    struct end *asker = scene_asker();
    scene_ask(asker, 1, "one");
    scene_result(worker, scene_expect_batch(worker, "one"), "done");
    scene_expect_reply(asker, 1, "done");
    for (const char *const *cause = (const char *const[]){"unlisted", "mechanism", "key", "barred", NULL};
         *cause != NULL; cause++)
        ck_assert_uint_eq(refused(*cause), 0);
}
END_TEST

START_TEST(an_asker_of_another_host_is_answered)
{
    struct end *worker = scene_worker(1);
    struct end *asker = knock(askers_tcp, &host7, broker_pair.public_key);
    scene_next(asker, VERB_PONG);
    scene_ask(asker, 1, "one");
    scene_result(worker, scene_expect_batch(worker, "one"), "done");
    scene_expect_reply(asker, 1, "done");
}
END_TEST

START_TEST(nobody_else_comes_in_and_each_is_counted)
{
    struct end *worker = scene_worker(1), *asker = scene_asker();
    knock(workers_tcp, &stranger, broker_pair.public_key);
    WAIT_FOR(refused("unlisted") > 0);
    knock(workers_tcp, &host7, stranger.public_key);
    WAIT_FOR(refused("key") > 0);
    int plain = connect_raw();
    WAIT_FOR(send(plain, null_greeting, sizeof null_greeting, MSG_NOSIGNAL) == sizeof null_greeting);
    WAIT_FOR(refused("mechanism") > 0);
    knock(workers_tcp, NULL, NULL); /* it may be the first of both to see that */
    WAIT_FOR(refused("mechanism") + refused("broken") > 1);
    close(plain);
    uint64_t before = refused("unlisted");
    knock(askers_tcp, &host8, broker_pair.public_key); /* which opens the other door */
    WAIT_FOR(refused("unlisted") > before);
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
    ck_assert_uint_eq(scene_counter(METRIC_BAD_MESSAGES, "worker", NULL, NULL), 0);
    scene_ask(asker, 1, "one");
    scene_result(worker, scene_expect_batch(worker, "one"), "done");
    scene_expect_reply(asker, 1, "done");
}
END_TEST

/* The same words as of a peer that ZeroMQ let through to us, without ZeroMQ. */
START_TEST(a_question_that_is_none_is_answered_with_no)
{
    static const char *const questions[][8] = {
        {"1.0", "7", "workers", "10.0.0.1", "", "NULL", "", NULL},
        {"1.0", "7", "workers", "10.0.0.1", "", "CURVE", "short", NULL},
        {"1.0", "7", "elsewhere", "10.0.0.1", "", "CURVE", "0123456789abcdef0123456789abcdef", NULL},
        {"1.0", "7", "workers", "10.0.0.1", "", "CURVE", "0123456789abcdef0123456789abcdef", NULL},
        {"1.0", "7", NULL},
        {"1.0", "7", "workers", "10.0.0.1", "", "CURVE", "0123456789abcdef0123456789abcdef", "more"}};
    struct end *end = &scene_ends[scene_end_count++];
    *end = (struct end){.socket = zmq_socket(scene_context, ZMQ_REQ)};
    ck_assert_int_eq(zmq_connect(end->socket, "inproc://zeromq.zap.01"), 0);
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        char text[8][16];
        int count = 0, length;
        for (size_t j = 0; j < 8 && questions[i][j] != NULL; j++)
            zmq_send(end->socket, questions[i][j], strlen(questions[i][j]),
                     j < 7 && questions[i][j + 1] != NULL ? ZMQ_SNDMORE : 0);
        WAIT_FOR((length = zmq_recv(end->socket, text[0], sizeof text[0], ZMQ_DONTWAIT)) >= 0);
        while (++count < 6)
            text[count][zmq_recv(end->socket, text[count], sizeof text[0] - 1, ZMQ_DONTWAIT)] = '\0';
        ck_assert_str_eq(text[2], "400");
        ck_assert_uint_eq(refused("unlisted"), i + 1);
    }
}
END_TEST

/* ZeroMQ numbers the peers of each socket by itself, and they may number themselves. */
START_TEST(peers_of_both_doors_may_have_the_same_number)
{
    struct envelope ready = scene_ready(1);
    struct end *asker = scene_asker();
    struct end *ends[2];
    for (int i = 0; i < 2; i++) {
        ends[i] = &scene_ends[scene_end_count++];
        *ends[i] = (struct end){.socket = zmq_socket(scene_context, ZMQ_DEALER)};
        struct curve_keys keys = {0};
        const int zero = 0;
        memcpy(keys.public_key, host7.public_key, sizeof keys.public_key);
        memcpy(keys.secret_key, host7.secret_key, sizeof keys.secret_key);
        memcpy(keys.server_key, broker_pair.public_key, sizeof keys.server_key);
        zmq_setsockopt(ends[i]->socket, ZMQ_LINGER, &zero, sizeof zero);
        zmq_setsockopt(ends[i]->socket, ZMQ_ROUTING_ID, "same", 4);
        if (i == 1)
            ck_assert_int_eq(curve_connecting(ends[i]->socket, &keys), 0);
        zmq_connect(ends[i]->socket, i == 0 ? scene_config->broker_workers : workers_tcp);
        end_send(ends[i], &ready, "schema");
        SCENE_WAIT_FOR_WORKERS((size_t)i + 1);
    }
    scene_ask(asker, 1, "one");
    scene_ask(asker, 2, "two");
    for (int i = 0; i < 2; i++) {
        scene_next(ends[i], VERB_BATCH);
        bool one = text_is(letter_payload(scene_letter, 0), "one");
        scene_result(ends[i], scene_letter->envelope.id, one ? "ONE" : "TWO");
        scene_expect_reply(asker, one ? 1 : 2, one ? "ONE" : "TWO");
    }
}
END_TEST

/* ---- the same pid on two hosts ---- */

START_TEST(the_death_of_a_local_pid_is_nothing_to_a_remote_worker)
{
    struct end *far = remote(&host7, 7), *asker = scene_asker();
    ck_assert(!broker_worker_gone(scene_broker, 7)); /* no worker of this host has it */
    scene_worker(7);
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 2);
    scene_kill(7);
    SCENE_WAIT_FOR_WORKERS(1);
    ck_assert_ptr_nonnull(remote_worker());
    scene_ask(asker, 1, "one");
    scene_result(far, scene_expect_batch(far, "one"), "done");
    scene_expect_reply(asker, 1, "done");
}
END_TEST

/* What came to the supervisor's socket; false when nothing did. */
static bool told(int listener, char line[128])
{
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return false;
    ssize_t length = recv(fd, line, 127, 0);
    line[length < 0 ? 0 : length] = '\0';
    close(fd);
    return true;
}

static void lose_by_silence(struct worker *worker)
{
    worker->heard_at -= 3600 * SECOND;
}

START_TEST(the_supervisor_is_not_told_of_a_remote_worker_that_hangs)
{
    char line[128] = "";
    int listener = unix_listen(scratch_path("supervisor.sock"), 0600, (gid_t)-1, 8);
    ck_assert_int_ge(listener, 0);
    remote(&host7, 7);
    scene_managed_worker(7);
    lose_by_silence(remote_worker());
    WAIT_FOR(remote_worker() == NULL);
    ck_assert_uint_eq(scene_counter(METRIC_WORKERS_LOST, "m", "silent", NULL), 1);
    lose_by_silence(pool_find_pid(broker_pool(scene_broker), 7));
    SCENE_WAIT_FOR_WORKERS(0);
    WAIT_FOR(told(listener, line)); /* the local one's alone: in order, the other's would have come before */
    ck_assert_ptr_nonnull(strstr(line, "\"worker-hung\",\"pid\":7"));
    ck_assert(!told(listener, line));
    close(listener);
}
END_TEST

START_TEST(the_status_shows_who_is_not_managed)
{
    remote(&host7, 7);
    scene_managed_worker(7);
    const char *text = scene_command("{\"command\":\"status\"}");
    ck_assert_ptr_nonnull(strstr(text, "\"managed\":false,\"address\":\"127.0.0.1\",\"key_name\":\"host7\""));
    ck_assert_ptr_nonnull(strstr(text, "\"managed\":true}"));
    ck_assert_ptr_nonnull(strstr(text, "\"workers\":2"));
    ck_assert_ptr_nonnull(strstr(text, "\"unmanaged\":1"));
}
END_TEST

/* ---- connections that end ---- */

/* It promises to be heard once a minute only: nothing but the connection can tell. */
START_TEST(a_busy_worker_whose_connection_ends_is_found_at_once)
{
    struct end *far = remote(&host7, 7), *asker = scene_asker();
    scene_ask(asker, 1, "one");
    scene_expect_batch(far, "one");
    struct end *near = scene_worker(1);
    end_close(far);
    scene_result(near, scene_expect_batch(near, "one"), "done");
    scene_expect_reply(asker, 1, "done");
    ck_assert_uint_eq(scene_counter(METRIC_WORKERS_LOST, "m", "died", NULL), 1); /* and not as overdue */
}
END_TEST

START_TEST(a_busy_worker_is_probed_a_bounded_number_of_times)
{
    struct end *far = remote(&host7, 7), *asker = scene_asker();
    scene_ask(asker, 1, "one");
    uint64_t batch = scene_expect_batch(far, "one");
    WAIT_FOR(remote_worker()->probes == 16);
    scene_result(far, batch, "done");
    scene_expect_reply(asker, 1, "done");
    ck_assert_uint_eq(remote_worker()->probes, 0);
}
END_TEST

/* ---- the list is read again ---- */

START_TEST(who_is_taken_out_of_the_list_is_out_and_nobody_else)
{
    struct end *seven = remote(&host7, 7), *eight = remote(&host8, 8), *asker = scene_asker();
    struct envelope ready = scene_ready(8);
    struct worker *known;
    allow("");
    ck_assert_msg(broker_reload_keys(scene_broker, reason, sizeof reason), "%s", reason);
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
    ck_assert_ptr_nonnull(known = remote_worker());
    ck_assert_str_eq(known->key_name, "host7");
    ck_assert_uint_eq(scene_counter(METRIC_WORKERS_LOST, "m", "barred", NULL), 1);
    end_send(eight, &ready, "schema");
    WAIT_FOR(refused("barred") == 1);
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 1);
    ck_assert_uint_eq(scene_counter(METRIC_BAD_MESSAGES, "worker", NULL, NULL), 0);
    end_close(eight);
    knock(workers_tcp, &host8, broker_pair.public_key); /* nor does he come in again */
    WAIT_FOR(refused("unlisted") > 0);
    scene_ask(asker, 1, "one");
    scene_result(seven, scene_expect_batch(seven, "one"), "done");
    scene_expect_reply(asker, 1, "done");
}
END_TEST

START_TEST(what_a_barred_worker_had_in_hand_goes_to_another)
{
    struct end *eight = remote(&host8, 8), *asker = scene_asker();
    scene_ask(asker, 1, "one");
    uint64_t batch = scene_expect_batch(eight, "one");
    struct end *near = scene_worker(1);
    allow("");
    ck_assert(broker_reload_keys(scene_broker, reason, sizeof reason));
    scene_result(eight, batch, "late");
    scene_result(near, scene_expect_batch(near, "one"), "done");
    scene_expect_reply(asker, 1, "done");
    WAIT_FOR(refused("barred") == 1);
    scene_expect_nothing(asker);
}
END_TEST

START_TEST(who_is_allowed_again_serves_again_over_the_same_connection)
{
    struct end *eight = remote(&host8, 8);
    struct envelope ready = scene_ready(8), heartbeat = {.verb = VERB_HEARTBEAT};
    allow("");
    ck_assert(broker_reload_keys(scene_broker, reason, sizeof reason));
    ck_assert_ptr_null(remote_worker());
    allow_both();
    ck_assert(broker_reload_keys(scene_broker, reason, sizeof reason));
    end_send(eight, &heartbeat, NULL);
    do
        scene_next(eight, VERB_BEAT);
    while (scene_letter->envelope.beat.epoch != 0); /* "I do not know you" */
    end_send(eight, &ready, "schema");
    WAIT_FOR(remote_worker() != NULL);
    ck_assert_str_eq(remote_worker()->key_name, "host8");
}
END_TEST

START_TEST(a_new_name_for_a_key_is_no_new_key)
{
    char line[128];
    remote(&host8, 8);
    snprintf(line, sizeof line, "eight %s\n", host8.public_key);
    allow(line);
    ck_assert(broker_reload_keys(scene_broker, reason, sizeof reason));
    ck_assert_ptr_nonnull(remote_worker());
    snprintf(line, sizeof line, "eight %s\n", stranger.public_key); /* the same name, another's key */
    allow(line);
    ck_assert(broker_reload_keys(scene_broker, reason, sizeof reason));
    ck_assert_ptr_null(remote_worker());
}
END_TEST

/* host8 may serve those models. */
static void allow_models(const char *models)
{
    char line[128];
    snprintf(line, sizeof line, "host8 %s workers %s\n", host8.public_key, models);
    allow(line);
    ck_assert_msg(broker_reload_keys(scene_broker, reason, sizeof reason), "%s", reason);
}

START_TEST(a_key_may_serve_some_models_alone)
{
    struct envelope ready = scene_ready(8);
    allow_models("n,other-*");
    struct end *eight = knock(workers_tcp, &host8, broker_pair.public_key);
    scene_next(eight, VERB_BEAT);
    end_send(eight, &ready, "schema");
    scene_next(eight, VERB_DRAIN);
    ck_assert(
        text_is(scene_letter->envelope.drain.message,
                "it is not believed to serve m 1: broker.curve_allow lets its key serve other models alone"));
    ck_assert_uint_eq(scene_counter(METRIC_WORKERS_REFUSED, "key", NULL, NULL), 1);
    ck_assert_ptr_null(remote_worker());
    allow_models("n,m");
    end_send(eight, &ready, "schema");
    WAIT_FOR(remote_worker() != NULL);
    allow_models("m*");
    ck_assert_ptr_nonnull(remote_worker());
    allow_models("n");
    ck_assert_ptr_null(remote_worker());
    ck_assert_uint_eq(scene_counter(METRIC_WORKERS_LOST, "m", "barred", NULL), 1);
}
END_TEST

START_TEST(nobody_of_another_host_takes_anothers_place)
{
    struct envelope ready = scene_ready(7);
    ready.ready.instance = 77;
    struct end *ends[2];
    for (size_t i = 0; i < 2; i++) {
        ends[i] = knock(workers_tcp, i == 0 ? &host7 : &host8, broker_pair.public_key);
        scene_next(ends[i], VERB_BEAT);
        end_send(ends[i], &ready, "schema");
        SCENE_WAIT_FOR_WORKERS(1);
    }
    scene_next(ends[1], VERB_DRAIN);
    ck_assert_uint_eq(scene_counter(METRIC_WORKERS_REFUSED, "instance", NULL, NULL), 1);
    ck_assert_str_eq(remote_worker()->key_name, "host7");
}
END_TEST

START_TEST(a_list_that_cannot_be_read_changes_nothing)
{
    remote(&host8, 8);
    scratch_file("allowed", "nonsense\n");
    ck_assert(!broker_reload_keys(scene_broker, reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "allowed: line 1:"));
    ck_assert_ptr_nonnull(remote_worker());
    remote(&host7, 7);
    ck_assert_uint_eq(pool_count(broker_pool(scene_broker)), 2);
}
END_TEST

START_TEST(an_asker_that_is_taken_out_hears_nothing_more)
{
    char line[128];
    snprintf(line, sizeof line, "eight %s askers\n", host8.public_key);
    allow(line);
    ck_assert(broker_reload_keys(scene_broker, reason, sizeof reason));
    struct end *worker = scene_worker(1), *near = scene_asker();
    struct end *asker = knock(askers_tcp, &host8, broker_pair.public_key);
    scene_next(asker, VERB_PONG);
    scene_next(asker, VERB_CATALOG);
    snprintf(line, sizeof line, "eight %s workers\n", host8.public_key); /* the other door */
    allow(line);
    ck_assert(broker_reload_keys(scene_broker, reason, sizeof reason));
    scene_ask(asker, 1, "one");
    WAIT_FOR(refused("barred") == 1);
    scene_worker(2); /* which the catalog tells */
    scene_ask(near, 2, "two");
    WAIT_FOR(end_take_verb(worker, scene_letter, VERB_BATCH) ||
             end_take_verb(&scene_ends[scene_end_count - 1], scene_letter, VERB_BATCH));
    ck_assert(text_is(letter_payload(scene_letter, 0), "two"));
    ck_assert(!end_take(asker, scene_letter));
}
END_TEST

/* ---- strangers in numbers ---- */

/* ZeroMQ greets first. */
static bool has_ended(int fd)
{
    char bytes[256];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

/* The broker has 400 descriptors here, of which the test itself takes one for each connection. */
static void set_up_with_few(void)
{
    struct rlimit limit = {.rlim_cur = 400, .rlim_max = 400};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    set_up();
}

START_TEST(a_flood_of_connections_leaves_room_for_this_host)
{
    int fds[110];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        ck_assert_int_ge(fds[i] = connect_raw(), 0);
        turn_loop();
    }
    WAIT_FOR(has_ended(fds[0])); /* the endpoint was closed, and all that came in there */
    struct end *worker = scene_worker(1), *asker = scene_asker();
    scene_ask(asker, 1, "one");
    scene_result(worker, scene_expect_batch(worker, "one"), "done");
    scene_expect_reply(asker, 1, "done");
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    remote(&host7, 7); /* as soon as it is open again */
}
END_TEST

/* ---- brokers that do not start ---- */

static struct config *with(const char *secret, const char *allowed)
{
    char settings[3][256];
    const char *list[] = {settings[0], settings[1], settings[2], NULL};
    keys_endpoint(workers_tcp, sizeof workers_tcp);
    snprintf(settings[0], sizeof settings[0], "broker.workers_tcp=%s", workers_tcp);
    snprintf(settings[1], sizeof settings[1], "broker.curve_secret_file=%s", secret);
    snprintf(settings[2], sizeof settings[2], "broker.curve_allow=%s", allowed);
    return repository_config(list);
}

START_TEST(without_fit_keys_there_is_no_broker)
{
    const char *endpoint;
    keys_make("broker");
    const char *secrets[] = {scratch_path("none"), scratch_path("broker.key_secret")};
    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        config_free(scene_config);
        scene_config = with(secrets[i], i == 0 ? scratch_directory : scratch_path("none"));
        ck_assert_ptr_null(broker_new(scene_context, letters_loop, scene_config, scene_metrics, &endpoint));
        ck_assert_int_eq(errno, 0);
    }
}
END_TEST

START_TEST(an_address_that_is_taken_is_told)
{
    const char *endpoint;
    keys_make("broker");
    scene_config = with(scratch_path("broker.key_secret"), scratch_directory);
    void *other = zmq_socket(scene_context, ZMQ_ROUTER);
    ck_assert_int_eq(zmq_bind(other, workers_tcp), 0);
    ck_assert_ptr_null(broker_new(scene_context, letters_loop, scene_config, scene_metrics, &endpoint));
    ck_assert_int_eq(errno, EADDRINUSE);
    ck_assert_str_eq(endpoint, workers_tcp);
    zmq_close(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    const TTest *const doors[] = {an_allowed_key_serves_and_is_known_by_its_name,
                                  an_asker_of_another_host_is_answered,
                                  nobody_else_comes_in_and_each_is_counted,
                                  a_question_that_is_none_is_answered_with_no,
                                  peers_of_both_doors_may_have_the_same_number,
                                  the_death_of_a_local_pid_is_nothing_to_a_remote_worker,
                                  the_supervisor_is_not_told_of_a_remote_worker_that_hangs,
                                  the_status_shows_who_is_not_managed,
                                  a_busy_worker_whose_connection_ends_is_found_at_once,
                                  a_busy_worker_is_probed_a_bounded_number_of_times,
                                  NULL};
    const TTest *const lists[] = {who_is_taken_out_of_the_list_is_out_and_nobody_else,
                                  what_a_barred_worker_had_in_hand_goes_to_another,
                                  who_is_allowed_again_serves_again_over_the_same_connection,
                                  a_new_name_for_a_key_is_no_new_key,
                                  a_key_may_serve_some_models_alone,
                                  nobody_of_another_host_takes_anothers_place,
                                  a_list_that_cannot_be_read_changes_nothing,
                                  an_asker_that_is_taken_out_hears_nothing_more,
                                  NULL};
    const TTest *const starts[] = {without_fit_keys_there_is_no_broker, an_address_that_is_taken_is_told,
                                   NULL};
    suite_add(suite, "doors", set_up, scene_tear_down, doors);
    suite_add(suite, "lists", set_up, scene_tear_down, lists);
    const TTest *const floods[] = {a_flood_of_connections_leaves_room_for_this_host, NULL};
    suite_add(suite, "floods", set_up_with_few, scene_tear_down, floods);
    suite_add(suite, "starts", scene_set_up, scene_tear_down, starts);
    return suite_finish(suite);
}
