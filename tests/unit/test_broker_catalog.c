/* test_broker_catalog: what the real broker tells of itself: the catalog, pongs, its gauges, and the commands
 * of its control socket. SPDX-License-Identifier: MIT */
#include "broker_scene.h"
#include "suite.h"
#include "unix_socket.h"

#include <sys/socket.h>
#include <unistd.h>

/* ---- the catalog ---- */

/* The entry of a model and version in the CATALOG that scene_letter is; false when there is none. */
static bool find_entry(const char *model, const char *version, struct catalog_entry *entry)
{
    for (size_t i = 0; i < scene_letter->count; i++) {
        struct text frame = letter_payload(scene_letter, i);
        ck_assert_ptr_null(catalog_entry_decode((const uint8_t *)frame.at, frame.length, entry));
        if (text_is(entry->model, model) && text_is(entry->version, version))
            return true;
    }
    return false;
}

START_TEST(the_hello_brings_the_whole_catalog)
{
    repository_add("m", "2");
    repository_configure("n", "required = false;");
    scene_start(NULL);
    struct end *asker = scene_connect(scene_config->broker_askers);
    uint64_t epoch = scene_next(asker, VERB_PONG)->pong.epoch;
    ck_assert_uint_ne(epoch, 0);
    scene_next(asker, VERB_CATALOG);
    struct catalog_entry entry;
    ck_assert_uint_eq(scene_letter->envelope.catalog.count, 3);
    ck_assert(find_entry("m", "1", &entry) && !entry.stable);
    ck_assert(find_entry("m", "2", &entry) && entry.stable && entry.required);
    ck_assert(entry.state == CATALOG_LOADING && entry.workers == 0 && entry.schema.length == 0);
    ck_assert(find_entry("n", "", &entry) && !entry.stable && !entry.required); /* it has no version yet */
    end_send(asker, &(struct envelope){.verb = VERB_PING, .id = 9}, NULL);
    WAIT_FOR(end_take(asker, scene_letter)); /* PONG alone */
    ck_assert_int_eq(scene_letter->envelope.verb, VERB_PONG);
    ck_assert_uint_eq(scene_letter->envelope.id, 9);
    ck_assert_uint_eq(scene_letter->envelope.pong.epoch, epoch);
    end_send(asker, &(struct envelope){.verb = VERB_PING, .id = 10}, NULL);
    WAIT_FOR(end_take(asker, scene_letter));
    ck_assert_uint_eq(scene_letter->envelope.id, 10);
}
END_TEST

START_TEST(each_change_is_told_to_all_askers)
{
    struct catalog_entry entry;
    scene_start(NULL);
    struct end *askers[] = {scene_asker(), scene_asker()};
    scene_worker(1);
    for (size_t i = 0; i < 2; i++) {
        scene_next(askers[i], VERB_CATALOG); /* the first comes with the first worker */
        ck_assert(find_entry("m", "1", &entry));
        ck_assert(entry.state == CATALOG_READY && entry.workers == 1);
        ck_assert(text_is(entry.schema, "schema"));
    }
    uint64_t number = scene_letter->envelope.id;
    scene_kill(1);
    for (size_t i = 0; i < 2; i++) {
        scene_next(askers[i], VERB_CATALOG);
        ck_assert_uint_gt(scene_letter->envelope.id, number);
        ck_assert(find_entry("m", "1", &entry));
        ck_assert(entry.state == CATALOG_LOADING && entry.workers == 0);
        ck_assert(text_is(entry.schema, "schema")); /* what is known stays known */
    }
}
END_TEST

START_TEST(a_reload_is_told)
{
    struct catalog_entry entry;
    scene_start(NULL);
    struct end *asker = scene_asker();
    scene_next(asker, VERB_CATALOG);
    repository_add("n", "1");
    broker_reload(scene_broker);
    scene_next(asker, VERB_CATALOG);
    ck_assert(find_entry("n", "1", &entry));
    scene_next(scene_connect(scene_config->broker_askers), VERB_CATALOG);
    ck_assert(find_entry("n", "1", &entry));
}
END_TEST

START_TEST(askers_that_went_are_forgotten)
{
    scene_start(NULL);
    struct end *gone = scene_asker(), *asker = scene_asker();
    scene_next(asker, VERB_CATALOG);
    end_close(gone);
    for (uint32_t pid = 1; pid < 4; pid++) {
        scene_worker(pid);
        scene_next(asker, VERB_CATALOG);
    }
}
END_TEST

START_TEST(askers_that_came_and_went_do_not_keep_new_ones_from_the_catalog)
{
    enum { ASKERS = 1100 }; /* more than the broker remembers */
    scene_start(NULL);
    scene_next(scene_asker(), VERB_CATALOG);
    for (int i = 0; i < ASKERS; i++) {
        struct end end = end_open(scene_context, ZMQ_DEALER, scene_config->broker_askers);
        WAIT_FOR(end_take_verb(&end, scene_letter, VERB_PONG));
        end_close(&end);
    }
    struct end *asker = scene_asker();
    scene_next(asker, VERB_CATALOG);
    end_send(asker, &(struct envelope){.verb = VERB_PING, .id = 1}, NULL);
    scene_next(asker, VERB_PONG);
    scene_next(asker, VERB_CATALOG); /* one that is not remembered gets it with each PING */
}
END_TEST

START_TEST(a_new_broker_keeps_its_catalog_until_its_workers_are_back)
{
    struct catalog_entry entry;
    repository_add("n", "1");
    int64_t started = clock_now();
    scene_start((const char *const[]){"default_model=m", NULL});
    struct end *first = scene_asker(), *second = scene_asker();
    struct envelope ready = scene_ready(2);
    ready.ready.model = text_of("n");
    scene_worker(1);
    scene_worker_with(&ready);
    bool in_time = clock_now() - started < SECOND / 2; /* it does not wait for more than a second */
    struct end *askers[] = {first, second};
    for (size_t i = 0; i < 2; i++) {
        scene_next(askers[i], VERB_CATALOG); /* the first that comes has both */
        ck_assert(find_entry("m", "1", &entry) && (!in_time || entry.workers == 1));
        ck_assert(find_entry("n", "1", &entry) && (!in_time || entry.workers == 1));
    }
    scene_next(scene_asker(), VERB_CATALOG); /* from now on it comes with the hello */
    ck_assert(find_entry("n", "1", &entry) && entry.workers == 1);
    scene_kill(2);
    scene_next(first, VERB_CATALOG); /* and with each change */
    ck_assert(find_entry("n", "1", &entry) && entry.workers == 0);
}
END_TEST

/* ---- versions that rest ---- */

/* What the broker says to the supervisor, whom this stands for; "" while it says nothing. */
static const char *heard(int listener)
{
    static char line[512];
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    line[0] = '\0';
    if (fd == -1)
        return line;
    size_t length = 0;
    ssize_t count;
    while ((count = read(fd, line + length, sizeof line - 1 - length)) > 0)
        length += (size_t)count;
    line[length] = '\0';
    close(fd);
    return line;
}

static int listen_as_supervisor(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s/supervisor.sock", scene_config->runtime_directory);
    int listener = unix_listen(path, 0600, (gid_t)-1, 8);
    ck_assert_int_ne(listener, -1);
    return listener;
}

START_TEST(a_version_that_rests_is_ready_and_calls_for_a_worker)
{
    struct catalog_entry entry;
    repository_configure("m", "scaling = { min = 0; max = 2; };");
    scene_start(NULL);
    int listener = listen_as_supervisor();
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    end_send(worker, &(struct envelope){.verb = VERB_BYE}, NULL);
    SCENE_WAIT_FOR_WORKERS(0);
    do
        scene_next(asker, VERB_CATALOG);
    while (!find_entry("m", "1", &entry) || entry.workers > 0);
    ck_assert_int_eq(entry.state, CATALOG_READY);
    ck_assert_uint_gt(entry.schema.length, 0);
    ck_assert_str_eq(heard(listener), "");
    scene_ask(asker, 1, "a");
    for (int i = 0; i < 2; i++) { /* again as long as nobody comes */
        const char *line;
        WAIT_FOR(*(line = heard(listener)) != '\0');
        ck_assert_str_eq(line, "{\"command\":\"wanted\",\"model\":\"m\",\"version\":\"1\"}\n");
    }
    worker = scene_worker(2);
    scene_result(worker, scene_expect_batch(worker, "a"), "b");
    scene_expect_reply(asker, 1, "b");
    close(listener);
}
END_TEST

START_TEST(nobody_is_called_for_a_version_that_shall_have_workers)
{
    struct catalog_entry entry;
    repository_configure("m", "scaling = { min = 1; max = 2; };");
    scene_start(NULL);
    int listener = listen_as_supervisor();
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    end_send(worker, &(struct envelope){.verb = VERB_BYE}, NULL);
    SCENE_WAIT_FOR_WORKERS(0);
    do
        scene_next(asker, VERB_CATALOG);
    while (!find_entry("m", "1", &entry) || entry.workers > 0);
    ck_assert_int_eq(entry.state, CATALOG_LOADING);
    scene_ask(asker, 1, "a");
    worker = scene_worker(2);
    scene_expect_batch(worker, "a");
    ck_assert_str_eq(heard(listener), "");
    close(listener);
}
END_TEST

/* ---- gauges ---- */

START_TEST(the_gauges_say_what_is_there)
{
    scene_start(NULL);
    struct end *asker = scene_asker(), *worker = scene_worker(1);
    struct envelope request = scene_request(1);
    scene_worker(2);
    end_send(asker, &request, "aa");
    scene_expect_nothing(asker);
    request.id = 2;
    request.request.rows = 7;
    end_send(asker, &request, "bbb");
    scene_expect_nothing(asker);
    request.id = 3;
    end_send(asker, &request, "cccc");
    scene_expect_nothing(asker);
    broker_measure(scene_broker);
    ck_assert_uint_eq(scene_counter(METRIC_QUEUE_REQUESTS, "m", NULL, NULL), 1);
    ck_assert_uint_eq(scene_counter(METRIC_QUEUE_ROWS, "m", NULL, NULL), 7);
    ck_assert_uint_eq(scene_counter(METRIC_QUEUE_BYTES, "m", NULL, NULL), 4);
    ck_assert_uint_eq(scene_counter(METRIC_WORKERS, "m", "1", "busy"), 2);
    ck_assert_uint_eq(scene_counter(METRIC_WORKERS, "m", "1", "idle"), 0);
    end_send(worker, &(struct envelope){.verb = VERB_BYE}, NULL);
    SCENE_WAIT_FOR_WORKERS(1);
    broker_measure(scene_broker);
    ck_assert_uint_eq(scene_counter(METRIC_WORKERS, "m", "1", "busy"), 1);
}
END_TEST

/* ---- commands ---- */

/* Without the figures of the load, which are times. */
static char *without_load(const char *text)
{
    static char rest[2048];
    const char *from = strstr(text, "\"busy_us\""), *to = strstr(text, "\"known\"");
    ck_assert(from != NULL && to != NULL && from < to);
    snprintf(rest, sizeof rest, "%.*s%s", (int)(from - text), text, to);
    return rest;
}

START_TEST(status_lists_workers_and_versions)
{
    scene_start(NULL);
    ck_assert_str_eq(
        without_load(scene_command("{\"command\":\"status\"}")),
        "{\"ok\":true,\"workers\":[],\"models\":[{\"model\":\"m\",\"version\":\"1\",\"state\":"
        "\"loading\",\"stable\":true,\"workers\":0,\"queue_rows\":0,\"queue_requests\":0,"
        "\"in_flight\":0,\"known\":false,\"unmanaged\":0}],\"limits\":{\"any\":false,\"refused\":0}}");
    struct end *asker = scene_asker(), *worker = scene_managed_worker(11);
    struct envelope request = scene_request(1);
    end_send(asker, &request, "a");
    scene_expect_batch(worker, "a");
    request.id = 2;
    request.request.rows = 3;
    end_send(asker, &request, "b");
    scene_expect_nothing(asker);
    ck_assert_str_eq(
        without_load(scene_command("{\"command\":\"status\"}")),
        "{\"ok\":true,\"workers\":[{\"model\":\"m\",\"version\":\"1\",\"pid\":11,\"state\":"
        "\"busy\",\"in_flight\":1,\"answered\":0,\"managed\":true}],\"models\":[{\"model\":"
        "\"m\",\"version\":\"1\",\"state\":"
        "\"ready\",\"stable\":true,\"workers\":1,\"queue_rows\":3,\"queue_requests\":1,"
        "\"in_flight\":1,\"known\":true,\"unmanaged\":0}],\"limits\":{\"any\":false,\"refused\":0}}");
}
END_TEST

#define FAILED(all, reason)                                                                                  \
    "{\"command\":\"worker-failed\",\"model\":\"m\",\"version\":\"1\",\"all\":" all ",\"reason\":\"" reason  \
    "\"}"

START_TEST(a_version_that_cannot_start_is_failed_until_it_does)
{
    struct catalog_entry entry;
    scene_start(NULL);
    struct end *asker = scene_asker();
    scene_ask(asker, 1, "a");
    scene_expect_nothing(asker);
    ck_assert_str_eq(scene_command(FAILED("false", "exit 1: no file")), "{\"ok\":true,\"known\":true}");
    scene_next(asker, VERB_CATALOG);
    ck_assert(find_entry("m", "1", &entry) && entry.state == CATALOG_LOADING);
    ck_assert(text_is(entry.reason, "exit 1: no file"));
    scene_expect_nothing(asker); /* there is hope: what waits goes on waiting */
    ck_assert_str_eq(scene_command(FAILED("true", "exit 1: still no file")), "{\"ok\":true,\"known\":true}");
    scene_next(asker, VERB_CATALOG);
    ck_assert(find_entry("m", "1", &entry) && entry.state == CATALOG_FAILED);
    ck_assert(text_is(entry.reason, "exit 1: still no file"));
    scene_expect_reject(asker, 1, FAILURE_NOT_READY);
    ck_assert_ptr_nonnull(strstr(scene_command("{\"command\":\"status\"}"),
                                 "\"state\":\"failed\",\"reason\":\"exit 1: still no file\""));
    scene_ask(asker, 2, "b");
    scene_expect_reject(asker, 2, FAILURE_NOT_READY); /* at once */
    struct end *worker = scene_worker(1);
    scene_ask(asker, 3, "c");
    scene_expect_batch(worker, "c");
    WAIT_FOR(end_take_verb(asker, scene_letter, VERB_CATALOG) && find_entry("m", "1", &entry) &&
             entry.state == CATALOG_READY);
    ck_assert_uint_eq(entry.reason.length, 0);
    scene_command(FAILED("true", "another one")); /* of a version that serves: nothing follows */
    ck_assert_ptr_null(strstr(scene_command("{\"command\":\"status\"}"), "another one"));
}
END_TEST

START_TEST(a_reload_gives_a_failed_version_another_chance)
{
    scene_start(NULL);
    struct end *asker = scene_asker();
    scene_command(FAILED("true", "x"));
    scene_ask(asker, 1, "a");
    scene_expect_reject(asker, 1, FAILURE_NOT_READY);
    broker_reload(scene_broker);
    scene_ask(asker, 2, "b");
    scene_expect_batch(scene_worker(1), "b");
}
END_TEST

START_TEST(failures_that_are_told_wrongly_are_refused)
{
    scene_start(NULL);
    const char *const wrong[] = {
        "{\"command\":\"worker-failed\"}",
        "{\"command\":\"worker-failed\",\"model\":1,\"version\":\"1\",\"all\":true,\"reason\":\"x\"}",
        "{\"command\":\"worker-failed\",\"model\":\"m\",\"version\":\"1\",\"all\":1,\"reason\":\"x\"}",
        "{\"command\":\"worker-failed\",\"model\":\"m\",\"version\":\"1\",\"all\":true}"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_ptr_nonnull(strstr(scene_command(wrong[i]), "\"ok\":false"));
    ck_assert_str_eq(
        scene_command("{\"command\":\"worker-failed\",\"model\":\"\",\"version\":\"1\",\"all\":true,"
                      "\"reason\":\"x\"}"),
        "{\"ok\":true,\"known\":false}"); /* not the default model */
    ck_assert_str_eq(
        scene_command("{\"command\":\"worker-failed\",\"model\":\"m\",\"version\":\"9\",\"all\":true,"
                      "\"reason\":\"x\"}"),
        "{\"ok\":true,\"known\":false}");
}
END_TEST

START_TEST(a_long_reason_is_cut_between_characters)
{
    struct catalog_entry entry;
    char line[1024], reason[600];
    scene_start(NULL);
    struct end *asker = scene_asker();
    memset(reason, 'x', sizeof reason);
    memcpy(reason + PROTOCOL_TEXT_MAX - 1, "\xc3\xa4", 2);
    reason[sizeof reason - 1] = '\0';
    snprintf(line, sizeof line, FAILED("true", "%s"), reason);
    scene_command(line);
    scene_next(asker, VERB_CATALOG);
    ck_assert(find_entry("m", "1", &entry));
    ck_assert_uint_eq(entry.reason.length, PROTOCOL_TEXT_MAX - 1);
}
END_TEST

START_TEST(the_supervisor_tells_of_deaths_and_changes)
{
    struct catalog_entry entry;
    scene_start(NULL);
    struct end *asker = scene_asker(), *first = scene_worker(11);
    scene_ask(asker, 1, "a");
    scene_expect_batch(first, "a");
    ck_assert_str_eq(scene_command("{\"command\":\"worker-gone\",\"pid\":12}"),
                     "{\"ok\":true,\"known\":false}");
    ck_assert_str_eq(scene_command("{\"command\":\"worker-gone\",\"pid\":11}"),
                     "{\"ok\":true,\"known\":true}");
    scene_expect_batch(scene_worker(12), "a");
    repository_add("n", "1");
    ck_assert_str_eq(scene_command("{\"command\":\"reload\"}"), "{\"ok\":true}");
    do
        scene_next(asker, VERB_CATALOG);
    while (!find_entry("n", "1", &entry));
}
END_TEST

START_TEST(other_commands_are_refused)
{
    static const char *const lines[] = {"{}",
                                        "[]",
                                        "7",
                                        "{\"command\":7}",
                                        "{\"command\":\"dance\"}",
                                        "{\"command\":\"worker-gone\"}",
                                        "{\"command\":\"worker-gone\",\"pid\":-1}",
                                        "{\"command\":\"worker-gone\",\"pid\":4294967296}",
                                        "{\"command\":\"worker-gone\",\"pid\":\"1\"}"};
    scene_start(NULL);
    scene_worker(1);
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        ck_assert_msg(strstr(scene_command(lines[i]), "\"ok\":false") != NULL, "%s", lines[i]);
    SCENE_WAIT_FOR_WORKERS(1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_version_that_cannot_start_is_failed_until_it_does,
                                  a_reload_gives_a_failed_version_another_chance,
                                  failures_that_are_told_wrongly_are_refused,
                                  a_long_reason_is_cut_between_characters,
                                  the_hello_brings_the_whole_catalog,
                                  each_change_is_told_to_all_askers,
                                  a_reload_is_told,
                                  askers_that_went_are_forgotten,
                                  askers_that_came_and_went_do_not_keep_new_ones_from_the_catalog,
                                  a_new_broker_keeps_its_catalog_until_its_workers_are_back,
                                  a_version_that_rests_is_ready_and_calls_for_a_worker,
                                  nobody_is_called_for_a_version_that_shall_have_workers,
                                  the_gauges_say_what_is_there,
                                  status_lists_workers_and_versions,
                                  the_supervisor_tells_of_deaths_and_changes,
                                  other_commands_are_refused};
    return SUITE_RUN("broker_catalog", scene_set_up, scene_tear_down, tests);
}
