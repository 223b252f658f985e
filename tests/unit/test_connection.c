/* test_connection: a frontend's connections with the real API, client and side lane; the web server and the
 * broker are played by the test, in the same thread. SPDX-License-Identifier: MIT */
#include "compression.h"
#include "connection.h"
#include "control.h"
#include "example_schema.h"
#include "fastcgi.h"
#include "fcgi.h"
#include "letters.h"
#include "repository.h"
#include "suite.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/un.h>

enum { WIDTH = 3, LARGE_ROWS = 4000, HUGE_ROWS = 15000 };

static void *context;
static struct config *config;
static struct metrics *metrics;
static struct api *api;
static struct client *client;
static struct stats_exposition *exposition;
static struct errands *errands;
static struct lane *lane;
static struct connections *connections;
static int listen_fd;
static struct end broker;
static struct letter *letter;
static struct fastcgi_request request;
static struct fastcgi_answer answer;

/* ---- the parts ---- */

static bool connected(void *self)
{
    (void)self;
    return client_connected(client);
}

static void address(struct sockaddr_un *to)
{
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(to->sun_path, sizeof to->sun_path, "%s/f.sock", scratch_directory);
}

static int listen_here(void)
{
    struct sockaddr_un here;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address(&here);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&here, sizeof here), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    return fd;
}

/* One model, "m", which is ready. */
static void tell_catalog(void)
{
    struct schema *schema = example_classifier(WIDTH);
    size_t length;
    uint8_t *bytes = schema_encode(schema, &length);
    struct catalog_entry entry = {
        text_of("m"), text_of("1"), CATALOG_READY, 1, true, true, {(const char *)bytes, length},
        {NULL, 0},    {NULL, 0}};
    uint8_t frame[4096];
    struct text payload = {(const char *)frame, catalog_entry_encode(&entry, frame, sizeof frame)};
    struct envelope catalog = {.verb = VERB_CATALOG, .id = 1, .catalog = {.count = 1}};
    end_send_all(&broker, &catalog, &payload, 1);
    free(bytes);
    schema_free(schema);
}

static void start(const char *const *settings)
{
    ck_assert(fcgi_init());
    config = repository_config(settings);
    api = api_new(&(struct api_context){.config = config, .metrics = metrics, .broker_connected = connected});
    client = client_new(context, letters_loop, config->broker_askers, (size_t)config->frontend_max_in_flight,
                        metrics, api_catalog, api);
    exposition = stats_exposition_new(context, letters_loop, config);
    errands = errands_new(letters_loop, config->runtime_directory);
    lane = lane_new(letters_loop, api, 2);
    listen_fd = listen_here();
    connections = connections_new(&(struct connections_context){.loop = letters_loop,
                                                                .config = config,
                                                                .metrics = metrics,
                                                                .api = api,
                                                                .client = client,
                                                                .exposition = exposition,
                                                                .errands = errands,
                                                                .lane = lane},
                                  listen_fd);
    broker = end_open(context, ZMQ_ROUTER, config->broker_askers);
    WAIT_FOR(end_take(&broker, letter));
    end_send(&broker, &(struct envelope){.verb = VERB_PONG, .pong = {.epoch = 1}}, NULL);
    tell_catalog();
    WAIT_FOR(client_connected(client) && api_complete(api)); /* PONG and CATALOG are two messages */
}

static void set_up(void)
{
    scratch_make();
    context = zmq_ctx_new();
    metrics = metrics_new(NULL);
    letters_loop = loop_new();
    letter = letter_new();
}

static void tear_down(void)
{
    lane_free(lane);
    stats_exposition_free(exposition);
    errands_free(errands);
    connections_free(connections);
    client_free(client);
    api_free(api);
    close(listen_fd);
    end_close(&broker);
    letter_free(letter);
    free(letter);
    zmq_ctx_term(context);
    loop_free(letters_loop);
    metrics_free(metrics);
    config_free(config);
    scratch_remove();
}

/* ---- the web server ---- */

static int connect_here(void)
{
    struct sockaddr_un there;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address(&there);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&there, sizeof there), 0);
    return fd;
}

/* Sends as it is taken, while the loop turns. */
static void send_bytes(int fd, const uint8_t *bytes, size_t length)
{
    size_t sent = 0;
    for (int64_t limit = clock_now() + 30 * SECOND; sent < length;) {
        ssize_t count = send(fd, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (count > 0)
            sent += (size_t)count;
        else
            turn_loop();
        ck_assert(clock_now() < limit);
    }
}

static void make_request(const char *method, const char *uri, const char *body, size_t length)
{
    char content_length[32];
    snprintf(content_length, sizeof content_length, "%zu", length);
    fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_parameter(&request, "REQUEST_METHOD", method);
    fastcgi_parameter(&request, "REQUEST_URI", uri);
    fastcgi_parameter(&request, "CONTENT_TYPE", "application/json");
    fastcgi_parameter(&request, "CONTENT_LENGTH", content_length);
    fastcgi_body(&request, body, length);
}

static void make_prediction(void)
{
    static const char body[] = "{\"features\":[1,2,3]}";
    make_request("POST", "/api/v1/predict", body, strlen(body));
}

static void make_batch(int rows)
{
    static char body[HUGE_ROWS * 8 + 64];
    size_t length = (size_t)snprintf(body, sizeof body, "{\"instances\":[");
    for (int i = 0; i < rows; i++)
        length += (size_t)snprintf(body + length, sizeof body - length, "%s[1,2,3]", i == 0 ? "" : ",");
    length += (size_t)snprintf(body + length, sizeof body - length, "]}");
    make_request("POST", "/api/v1/batch-predict", body, length);
}

/* One that the side lane parses, and whose answer it prints. */
static void make_large(void)
{
    make_batch(LARGE_ROWS);
}

static void send_request(int fd)
{
    fastcgi_next(&answer);
    send_bytes(fd, request.bytes, request.length);
}

/* Waits for the whole answer with this status. */
static void expect_status(int fd, int status)
{
    char head[32];
    snprintf(head, sizeof head, "Status: %d", status);
    WAIT_FOR(fastcgi_read(&answer, fd));
    ck_assert_msg(strncmp(answer.text, head, strlen(head)) == 0, "%s", answer.text);
    ck_assert(answer.ended);
}

static void expect_closed(int fd)
{
    WAIT_FOR(fastcgi_read(&answer, fd) && answer.closed);
    answer.closed = false;
    close(fd);
}

/* ---- the broker ---- */

/* Waits for a REQUEST of so many rows; its id. */
static uint64_t expect_request(uint32_t rows)
{
    WAIT_FOR(end_take_verb(&broker, letter, VERB_REQUEST));
    ck_assert_uint_eq(letter->envelope.request.rows, rows);
    return letter->envelope.id;
}

/* Answers "yes" for every row. */
static void reply(uint64_t id, int64_t rows)
{
    static int64_t labels[HUGE_ROWS];
    static float probabilities[HUGE_ROWS][2];
    static uint8_t bytes[HUGE_ROWS * 16 + 256];
    for (int64_t i = 0; i < rows; i++) {
        labels[i] = 1;
        probabilities[i][0] = 0.25F;
        probabilities[i][1] = 0.75F;
    }
    const struct tensor tensors[] = {{.name = text_of("label"),
                                      .datatype = DATATYPE_INT64,
                                      .rank = 1,
                                      .shape = {rows},
                                      .data = (const uint8_t *)labels,
                                      .bytes = (size_t)rows * sizeof labels[0]},
                                     {.name = text_of("probabilities"),
                                      .datatype = DATATYPE_FP32,
                                      .rank = 2,
                                      .shape = {rows, 2},
                                      .data = (const uint8_t *)probabilities,
                                      .bytes = (size_t)rows * sizeof probabilities[0]}};
    struct text payload = {(const char *)bytes, tensors_encode(tensors, 2, bytes, sizeof bytes, NULL)};
    struct envelope envelope = {.verb = VERB_REPLY, .id = id, .reply = {.version = text_of("1")}};
    end_send_all(&broker, &envelope, &payload, 1);
}

static uint64_t refused(const char *reason)
{
    return metrics_series(metrics, METRIC_CONNECTIONS_REFUSED, reason, NULL, NULL)->value;
}

static uint64_t open_connections(void)
{
    return metrics_series(metrics, METRIC_CONNECTIONS, NULL, NULL, NULL)->value;
}

/* One prediction over the connection, all the way. */
static void predict_over(int fd)
{
    make_prediction();
    send_request(fd);
    reply(expect_request(1), 1);
    expect_status(fd, 200);
    ck_assert_ptr_nonnull(strstr(answer.text, "\"prediction\":1"));
}

/* ---- tests ---- */

START_TEST(a_kept_connection_serves_one_request_after_the_other)
{
    start(NULL);
    int fd = connect_here();
    for (int i = 0; i < 10; i++)
        predict_over(fd);
    make_request("GET", "/health", "", 0);
    send_request(fd);
    expect_status(fd, 200);
    ck_assert_uint_eq(open_connections(), 1);
    close(fd);
    WAIT_FOR(open_connections() == 0);
}
END_TEST

START_TEST(a_connection_that_is_not_kept_is_closed_after_its_answer)
{
    start(NULL);
    int fd = connect_here();
    make_prediction();
    request.bytes[8 + 2] = 0; /* the flag in BEGIN */
    send_request(fd);
    reply(expect_request(1), 1);
    expect_status(fd, 200);
    expect_closed(fd);
}
END_TEST

START_TEST(a_request_may_come_in_any_pieces)
{
    start(NULL);
    int fd = connect_here();
    make_prediction();
    for (size_t piece = 1; piece < 100; piece = piece * 3 + 1) {
        fastcgi_next(&answer);
        for (size_t at = 0; at < request.length; at += piece) {
            send_bytes(fd, request.bytes + at, request.length - at < piece ? request.length - at : piece);
            turn_loop();
        }
        reply(expect_request(1), 1);
        expect_status(fd, 200);
    }
    close(fd);
}
END_TEST

START_TEST(large_requests_and_answers_go_through_the_side_lane)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", NULL});
    int fds[4];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = connect_here();
        make_large();
        send_request(fds[i]);
    }
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        reply(expect_request(LARGE_ROWS), LARGE_ROWS);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fastcgi_next(&answer);
        expect_status(fds[i], 200);
        size_t ones = 0;
        for (const char *at = answer.text; (at = strstr(at, "0.75")) != NULL; at++)
            ones++;
        ck_assert_uint_ge(ones, LARGE_ROWS);
        close(fds[i]);
    }
    WAIT_FOR(open_connections() == 0);
}
END_TEST

/* A connection that does not take its answer, which does not fit the socket: the lane is at it. */
static int make_lazy(void)
{
    int fd = connect_here();
    make_batch(HUGE_ROWS);
    send_request(fd);
    reply(expect_request(HUGE_ROWS), HUGE_ROWS);
    return fd;
}

START_TEST(an_answer_that_is_not_taken_holds_up_nobody)
{
    start((const char *const[]){"frontend.write_timeout_ms=60000", NULL});
    int lazy = make_lazy(), other = connect_here();
    predict_over(other);
    ck_assert_uint_eq(open_connections(), 2);
    fastcgi_next(&answer);
    expect_status(lazy, 200);
    close(lazy);
    close(other);
}
END_TEST

/* Models whose document is larger than a socket holds. */
static void tell_wide_models(void)
{
    enum { COLUMNS = 1000, MODELS = 4 };
    static const char *const names[MODELS] = {"a", "b", "c", "d"};
    struct catalog_entry entries[MODELS];
    struct schema *schema = example_classifier(COLUMNS);
    schema->features = object_alloc(COLUMNS * sizeof *schema->features);
    schema->feature_count = COLUMNS;
    for (size_t i = 0; i < COLUMNS; i++) {
        char name[32];
        snprintf(name, sizeof name, "column %zu", i);
        schema->features[i] = object_strdup(name);
    }
    size_t length;
    uint8_t *bytes = schema_encode(schema, &length);
    for (size_t i = 0; i < MODELS; i++)
        entries[i] = (struct catalog_entry){.model = text_of(names[i]),
                                            .version = text_of("1"),
                                            .state = CATALOG_READY,
                                            .stable = true,
                                            .schema = {(const char *)bytes, length}};
    api_catalog(api, entries, MODELS);
    free(bytes);
    schema_free(schema);
}

START_TEST(a_document_that_is_not_taken_holds_up_nobody)
{
    start((const char *const[]){"frontend.write_timeout_ms=60000", NULL});
    tell_wide_models();
    int lazy = connect_here(), other = connect_here();
    make_request("GET", "/openapi.json", "", 0);
    send_request(lazy);
    for (int i = 0; i < 2; i++) {
        make_request("GET", "/health", "", 0);
        send_request(other);
        expect_status(other, 200);
    }
    fastcgi_next(&answer);
    expect_status(lazy, 200);
    ck_assert_uint_gt(strlen(answer.text), 220000);
    ck_assert_ptr_nonnull(strstr(answer.text, "\"Row.d\""));
    make_request("HEAD", "/openapi.json", "", 0); /* the connection is kept */
    send_request(lazy);
    expect_status(lazy, 200);
    close(lazy);
    close(other);
}
END_TEST

START_TEST(an_answer_that_is_not_taken_is_given_up)
{
    start((const char *const[]){"frontend.write_timeout_ms=100", NULL});
    int lazy = make_lazy();
    WAIT_FOR(open_connections() == 0);
    close(lazy);
}
END_TEST

START_TEST(a_request_that_comes_early_is_served_when_its_turn_comes)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", "frontend.write_timeout_ms=60000", NULL});
    int lazy[] = {make_lazy(), make_lazy()}, fd = connect_here(); /* the lane has no thread free */
    make_prediction();
    send_request(fd);
    uint64_t first = expect_request(1);
    send_bytes(fd, request.bytes, request.length); /* while the broker has the first */
    turn_loop();
    reply(first, 1);
    expect_status(fd, 200);
    fastcgi_next(&answer);
    reply(expect_request(1), 1);
    expect_status(fd, 200);
    make_large();
    send_request(fd);
    turn_loop();
    make_prediction();
    send_bytes(fd, request.bytes, request.length); /* while the lane has it, or will */
    turn_loop();
    for (size_t i = 0; i < COUNT_OF(lazy); i++) {
        fastcgi_next(&answer);
        expect_status(lazy[i], 200);
        close(lazy[i]);
    }
    fastcgi_next(&answer);
    reply(expect_request(LARGE_ROWS), LARGE_ROWS);
    expect_status(fd, 200);
    fastcgi_next(&answer);
    reply(expect_request(1), 1);
    expect_status(fd, 200);
    close(fd);
}
END_TEST

START_TEST(a_body_that_is_too_large_is_read_and_refused)
{
    static char body[300000];
    memset(body, ' ', sizeof body);
    start((const char *const[]){"frontend.max_body_bytes=70000", "frontend.large_body_bytes=4096", NULL});
    int fd = connect_here();
    make_request("POST", "/api/v1/predict", body, sizeof body);
    send_request(fd);
    expect_status(fd, 413);
    predict_over(fd); /* nothing of it was taken for the next request */
    close(fd);
}
END_TEST

START_TEST(a_body_that_is_too_large_takes_no_room)
{
    static char body[300000];
    memset(body, ' ', sizeof body);
    start((const char *const[]){"frontend.max_body_bytes=70000", "frontend.max_spool_bytes=1048576", NULL});
    int large[8];
    make_request("POST", "/api/v1/predict", body, sizeof body);
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        large[i] = connect_here();
        send_bytes(large[i], request.bytes, request.length - 1);
        turn_loop();
    }
    int exact = connect_here();
    make_request("POST", "/api/v1/predict", body, 70000);
    send_request(exact);
    expect_status(exact, 400); /* read and understood: it is no JSON */
    make_request("POST", "/api/v1/predict", body, sizeof body);
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        fastcgi_next(&answer);
        send_bytes(large[i], request.bytes + request.length - 1, 1);
        expect_status(large[i], 413);
    }
    make_prediction(); /* in pieces, over a connection that was refused before */
    fastcgi_next(&answer);
    send_bytes(large[0], request.bytes, 100);
    turn_loop();
    send_bytes(large[0], request.bytes + 100, request.length - 100);
    reply(expect_request(1), 1);
    expect_status(large[0], 200);
    for (size_t i = 0; i < COUNT_OF(large); i++)
        close(large[i]);
    close(exact);
}
END_TEST

START_TEST(where_not_even_the_parameters_find_room_the_connection_is_closed)
{
    static char body[300000], name[128];
    memset(body, ' ', sizeof body);
    memset(name, 'x', sizeof name - 1);
    start((const char *const[]){"frontend.max_params_bytes=1048576", "frontend.max_body_bytes=1048576",
                                "frontend.max_spool_bytes=1048576", NULL});
    int slow = connect_here(), half = connect_here(), many = connect_here();
    make_request("POST", "/api/v1/predict", body, sizeof body);
    send_bytes(slow, request.bytes, 40);
    WAIT_FOR(open_connections() == 3);
    send_bytes(half, request.bytes, request.length - 1); /* takes half of the room */
    for (int i = 0; i < 10; i++)
        turn_loop();
    fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
    while (request.length < 300000)
        fastcgi_parameter(&request, name, "");
    send_bytes(many, request.bytes,
               262144); /* a quarter; twice that would be too much, because of the slow one */
    for (int i = 0; i < 10; i++)
        turn_loop();
    ck_assert_uint_eq(open_connections(), 3);
    send_bytes(many, request.bytes + 262144, 100);
    expect_closed(many);
    ck_assert_uint_eq(refused("room"), 1);
    ck_assert_uint_eq(refused("form"), 0);
    make_request("POST", "/api/v1/predict", body, sizeof body);
    fastcgi_next(&answer);
    send_bytes(half, request.bytes + request.length - 1, 1);
    expect_status(half, 400);
    close(half);
    close(slow);
}
END_TEST

START_TEST(a_body_for_which_there_is_no_room_is_read_and_refused)
{
    static char body[300000];
    memset(body, ' ', sizeof body);
    start((const char *const[]){"frontend.max_body_bytes=1048576", "frontend.max_spool_bytes=1048576", NULL});
    int fds[8];
    make_request("POST", "/api/v1/predict", body, sizeof body);
    for (size_t i = 0; i < COUNT_OF(fds); i++) { /* all of them begin, and there is room for that */
        fds[i] = connect_here();
        send_bytes(fds[i], request.bytes, 4000);
    }
    WAIT_FOR(open_connections() == COUNT_OF(fds));
    for (size_t i = 0; i < COUNT_OF(fds); i++) /* all but the end of each: more than the spool may hold */
        send_bytes(fds[i], request.bytes + 4000, request.length - 4001);
    int too_many = 0;
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fastcgi_next(&answer);
        send_bytes(fds[i], request.bytes + request.length - 1, 1);
        WAIT_FOR(fastcgi_read(&answer, fds[i]));
        too_many += strncmp(answer.text, "Status: 503", 11) == 0;
        close(fds[i]);
    }
    ck_assert_int_gt(too_many, 0);
    ck_assert_int_lt(too_many, 8);
    int fd = connect_here();
    predict_over(fd);
    close(fd);
}
END_TEST

START_TEST(a_body_that_is_shorter_than_its_length_says_is_never_run)
{
    start(NULL);
    int fd = connect_here();
    fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_parameter(&request, "REQUEST_METHOD", "POST");
    fastcgi_parameter(&request, "REQUEST_URI", "/api/v1/predict");
    fastcgi_parameter(&request, "CONTENT_TYPE", "application/json");
    fastcgi_parameter(&request, "CONTENT_LENGTH", "20");
    fastcgi_body(&request, "", 0); /* as web servers try a request again */
    send_request(fd);
    expect_status(fd, 400);
    predict_over(fd);
    close(fd);
}
END_TEST

START_TEST(what_is_no_request_closes_the_connection)
{
    start(NULL);
    static const char *const others[] = {"GET / HTTP/1.1\r\n", "\1\x09\0\0\0\0\0\0........"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        int fd = connect_here();
        send_bytes(fd, (const uint8_t *)others[i], 16);
        expect_closed(fd);
        ck_assert_uint_eq(refused("form"), 1 + i);
    }
    int fd = connect_here(); /* a request, and one more byte before the answer */
    make_prediction();
    send_bytes(fd, request.bytes, request.length - 8);
    send_bytes(fd, (const uint8_t *)"\1\5\0\1\0\0\0\0\1", 9);
    expect_closed(fd);
}
END_TEST

START_TEST(more_parameters_than_the_limit_close_the_connection)
{
    start((const char *const[]){"frontend.max_params_bytes=4096", NULL});
    static char name[128];
    memset(name, 'x', sizeof name - 1);
    int fd = connect_here();
    fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
    for (int i = 0; i < 40; i++)
        fastcgi_parameter(&request, name, "");
    fastcgi_body(&request, "", 0);
    send_bytes(fd, request.bytes, request.length);
    expect_closed(fd);
    ck_assert_uint_eq(refused("form"), 1);
}
END_TEST

START_TEST(parameters_that_break_off_close_the_connection)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", NULL});
    static char body[10000];
    for (size_t length = 0; length <= sizeof body;
         length += sizeof body) { /* in the loop, and for the lane */
        int fd = connect_here();
        fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
        fastcgi_add(&request, FASTCGI_PARAMS, "\4\3NAMEon", 8);
        fastcgi_body(&request, body, length);
        send_bytes(fd, request.bytes, 40);
        expect_closed(fd);
    }
    ck_assert_uint_eq(refused("form"), 2);
}
END_TEST

START_TEST(a_client_that_goes_is_cancelled)
{
    start(NULL);
    int fd = connect_here();
    make_prediction();
    send_request(fd);
    uint64_t id = expect_request(1);
    close(fd);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL));
    ck_assert_uint_eq(letter->envelope.id, id);
    WAIT_FOR(open_connections() == 0);
    ck_assert_uint_eq(refused("gone"), 1);
    reply(id, 1); /* nobody is there any more */
    WAIT_FOR(metrics_series(metrics, METRIC_CLIENT_LATE, NULL, NULL, NULL)->value == 1);
}
END_TEST

START_TEST(a_request_that_is_aborted_is_cancelled)
{
    start(NULL);
    int fd = connect_here();
    make_prediction();
    send_request(fd);
    uint64_t id = expect_request(1);
    request.length = 0;
    fastcgi_add(&request, FASTCGI_ABORT, NULL, 0);
    request.bytes[3] = 2; /* of another request: not ours */
    send_request(fd);
    request.bytes[3] = 1;
    request.length = 4; /* not whole */
    send_request(fd);
    for (int i = 0; i < 10; i++)
        turn_loop();
    ck_assert_uint_eq(open_connections(), 1);
    close(fd);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL));
    ck_assert_uint_eq(letter->envelope.id, id);

    fd = connect_here();
    make_prediction();
    send_request(fd);
    id = expect_request(1);
    request.length = 0;
    fastcgi_add(&request, FASTCGI_ABORT, NULL, 0);
    send_request(fd);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL));
    ck_assert_uint_eq(letter->envelope.id, id);
    expect_closed(fd);
    ck_assert_uint_eq(refused("gone"), 2);
}
END_TEST

START_TEST(a_client_that_is_gone_before_its_request_is_read_costs_nobody)
{
    start(NULL);
    int fd = connect_here(), other = connect_here();
    WAIT_FOR(open_connections() == 2);
    make_prediction();
    send_bytes(fd, request.bytes, request.length);
    close(fd);
    predict_over(other); /* whose request is the first that the broker hears of */
    WAIT_FOR(open_connections() == 1);
    close(other);
}
END_TEST

START_TEST(a_client_that_goes_while_the_lane_works_is_forgotten)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", NULL});
    for (int i = 0; i < 10; i++) {
        int fd = connect_here();
        make_large();
        send_request(fd);
        close(fd); /* whenever the lane has it */
        WAIT_FOR(open_connections() == 0);
    }
    int fd = connect_here();
    make_large();
    send_request(fd);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_REQUEST));
    while (end_take_verb(&broker, letter, VERB_REQUEST))
        ;
    close(fd);
    WAIT_FOR(open_connections() == 0);
}
END_TEST

START_TEST(slow_and_idle_peers_are_closed)
{
    start((const char *const[]){"frontend.read_timeout_ms=100", "frontend.idle_timeout_ms=1000", NULL});
    int slow = connect_here(), idle = connect_here();
    make_prediction();
    send_bytes(slow, request.bytes, 20);
    expect_closed(slow);
    ck_assert_uint_eq(refused("slow"), 1);
    ck_assert_uint_eq(open_connections(), 1);
    expect_closed(idle);
    ck_assert_uint_eq(refused("slow"), 1); /* which is nothing to complain of */
}
END_TEST

static void expect_closed_already(int fd)
{
    ck_assert(fastcgi_read(&answer, fd) && answer.closed);
    expect_closed(fd);
}

/* Of two slow ones the one that began its request first is closed first, however long the other was idle. */
START_TEST(a_slow_request_has_its_time_from_its_own_beginning_on)
{
    start((const char *const[]){"frontend.read_timeout_ms=700", NULL});
    int kept = connect_here(), mark = connect_here();
    make_prediction();
    send_bytes(mark, request.bytes, 20);
    WAIT_FOR(open_connections() == 2);
    expect_closed(mark); /* as long as that `kept` was idle */
    int early = connect_here();
    send_bytes(early, request.bytes, 20);
    WAIT_FOR(open_connections() == 2);
    send_bytes(kept, request.bytes, 20);
    WAIT_FOR(refused("slow") > 1);
    expect_closed_already(early);
    expect_closed(kept);
    ck_assert_uint_eq(refused("slow"), 3);
}
END_TEST

/* Idleness begins with the answer, and a request that takes longer than that is no idleness. */
START_TEST(a_connection_is_idle_from_its_answer_on)
{
    start((const char *const[]){"frontend.idle_timeout_ms=3000", NULL});
    int asking = connect_here(), mark = connect_here();
    make_prediction();
    send_request(asking);
    uint64_t id = expect_request(1);
    WAIT_FOR(open_connections() == 2);
    expect_closed(mark);
    ck_assert_uint_eq(open_connections(), 1); /* the one that waits for the broker is still there */
    int early = connect_here();
    WAIT_FOR(open_connections() == 2);
    reply(id, 1);
    expect_status(asking, 200);
    WAIT_FOR(open_connections() < 2);
    expect_closed_already(early);
    expect_closed(asking);
}
END_TEST

START_TEST(without_descriptors_connections_wait)
{
    start(NULL);
    struct rlimit limit;
    int fd = connect_here(), unused = dup(fd);
    close(unused);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)unused; /* not one more */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < 10; i++)
        turn_loop();
    ck_assert_uint_eq(open_connections(), 0);
    limit.rlim_cur = before;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    predict_over(fd);
    close(fd);
}
END_TEST

START_TEST(no_more_connections_than_the_bound_are_accepted)
{
    enum { MANY = 20 };
    start((const char *const[]){"frontend.max_connections=16", NULL});
    int fds[MANY];
    for (int i = 0; i < MANY; i++)
        fds[i] = connect_here(); /* the others wait in the backlog */
    WAIT_FOR(open_connections() == 16);
    for (int i = 0; i < 10; i++)
        turn_loop();
    ck_assert_uint_eq(open_connections(), 16);
    for (int i = 0; i < 16; i++)
        close(fds[i]);
    predict_over(fds[MANY - 1]);
    for (int i = 16; i < MANY; i++)
        close(fds[i]);
    WAIT_FOR(open_connections() == 0);
}
END_TEST

START_TEST(the_metrics_are_asked_of_the_collector)
{
    start(NULL);
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "ipc://%s/exposition.ipc", scratch_directory);
    int fd = connect_here();
    make_request("GET", "/metrics", "", 0);
    send_request(fd);
    for (int i = 0; i < 5; i++)
        turn_loop(); /* the collector is away */
    struct end collector = end_open(context, ZMQ_ROUTER, endpoint);
    WAIT_FOR(end_take(&collector, letter));
    struct text text = text_of("some_total 1\n");
    ck_assert(end_send_frames(&collector, &text, 1));
    expect_status(fd, 200);
    ck_assert_ptr_nonnull(strstr(answer.text, "some_total 1\n"));
    send_request(fd); /* and one whose asker goes before the answer */
    WAIT_FOR(end_take(&collector, letter));
    close(fd);
    turn_loop();
    ck_assert(end_send_frames(&collector, &text, 1));
    WAIT_FOR(open_connections() == 0);
    end_close(&collector);
}
END_TEST

static int drained;

static void on_drained(void *self)
{
    ++*(int *)self;
}

/* ---- packed bodies ---- */

/* Packs the body of a batch of so many rows; what it was goes to *length. */
static void make_packed_batch(int rows, size_t *length)
{
    struct output body = {0};
    output_add_string(&body, "{\"instances\":[");
    for (int i = 0; i < rows; i++)
        output_add_string(&body, i == 0 ? "[1,2,3]" : ",[1,2,3]");
    output_add_string(&body, "]}");
    *length = body.length;
    ck_assert(compression_pack(ENCODING_GZIP, &body));
    char content_length[32];
    snprintf(content_length, sizeof content_length, "%zu", body.length);
    fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_parameter(&request, "REQUEST_METHOD", "POST");
    fastcgi_parameter(&request, "REQUEST_URI", "/api/v1/batch-predict");
    fastcgi_parameter(&request, "CONTENT_TYPE", "application/json");
    fastcgi_parameter(&request, "CONTENT_LENGTH", content_length);
    fastcgi_parameter(&request, "HTTP_CONTENT_ENCODING", "gzip");
    fastcgi_parameter(&request, "HTTP_ACCEPT_ENCODING", "gzip");
    fastcgi_body(&request, body.bytes, body.length);
    output_free(&body);
}

/* A small body may make a large one, which is the side lane's; and a much larger one, which nobody's is. */
START_TEST(packed_bodies_are_unpacked_where_there_is_time)
{
    size_t length;
    start((const char *const[]){"frontend.large_body_bytes=4096", "frontend.max_body_bytes=40000", NULL});
    int fd = connect_here();
    for (int rows = 10; rows <= LARGE_ROWS; rows *= 20) {
        make_packed_batch(rows, &length);
        ck_assert_uint_lt(request.length, 1024);
        for (size_t piece = request.length; piece > 100; piece /= 4) { /* whole, and from the spool */
            fastcgi_next(&answer);
            for (size_t at = 0; at < request.length; at += piece) {
                send_bytes(fd, request.bytes + at, request.length - at < piece ? request.length - at : piece);
                turn_loop();
            }
            reply(expect_request((uint32_t)rows), rows);
            expect_status(fd, 200);
        }
    }
    ck_assert_ptr_nonnull(strstr(answer.text, "Content-Encoding: gzip\r\n"));
    make_packed_batch(HUGE_ROWS, &length);
    ck_assert_uint_gt(length, 40000);
    send_request(fd);
    expect_status(fd, 413);
    predict_over(fd);
    close(fd);
}
END_TEST

/* ---- questions to control sockets ---- */

static void say_nothing(void *self, yyjson_val *command, yyjson_mut_doc *told)
{
    (void)command;
    ++*(int *)self;
    yyjson_mut_obj_add_arr(told, yyjson_mut_doc_get_root(told), "models");
}

START_TEST(statistics_are_asked_of_the_broker)
{
    int asked = 0;
    start(NULL);
    char path[512];
    snprintf(path, sizeof path, "%s/broker.sock", config->runtime_directory);
    int fd = connect_here(), gone = connect_here();
    make_request("GET", "/v2/models/stats", "", 0);
    send_request(fd); /* nobody listens */
    expect_status(fd, 503);
    struct control *control = control_listen(letters_loop, path, say_nothing, &asked);
    ck_assert_ptr_nonnull(control);
    send_request(gone);
    WAIT_FOR(open_connections() == 2);
    close(gone);
    send_request(fd);
    expect_status(fd, 200);
    ck_assert_ptr_nonnull(strstr(answer.text, "{\"model_stats\":[]}"));
    WAIT_FOR(open_connections() == 1);
    ck_assert_int_gt(asked, 0);
    predict_over(fd);
    control_free(control);
    close(fd);
}
END_TEST

START_TEST(draining_finishes_what_is_under_way_and_accepts_no_more)
{
    start(NULL);
    int idle = connect_here(), busy = connect_here(), gone = connect_here(), fresh = connect_here();
    predict_over(idle);
    predict_over(busy);
    WAIT_FOR(open_connections() == 4);
    make_prediction();
    send_request(busy);
    uint64_t id = expect_request(1);
    close(gone); /* in the very turn of the drain */
    connections_drain(connections, on_drained, &drained);
    int late = connect_here();
    expect_closed(idle);
    ck_assert_uint_eq(open_connections(), 2);
    fastcgi_next(&answer);
    reply(id, 1);
    expect_status(busy, 200);
    expect_closed(busy);
    ck_assert_int_eq(drained, 0);
    make_prediction(); /* the first request of a connection is waited for */
    send_request(fresh);
    reply(expect_request(1), 1);
    expect_status(fresh, 200);
    expect_closed(fresh);
    WAIT_FOR(drained == 1);
    struct pollfd silent = {.fd = late, .events = POLLIN};
    ck_assert_int_eq(poll(&silent, 1, 0), 0); /* it waits in the backlog, for another process */
    close(late);
}
END_TEST

START_TEST(draining_with_nothing_open_ends_at_once)
{
    start(NULL);
    connections_drain(connections, on_drained, &drained);
    ck_assert_int_eq(drained, 1);
    connections_free(NULL);
}
END_TEST

START_TEST(the_end_frees_connections_in_every_state)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", NULL});
    int fds[4];
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = connect_here();
    make_prediction();
    send_request(fds[1]); /* with the broker */
    expect_request(1);
    send_bytes(fds[2], request.bytes, 30); /* in the spool */
    make_large();
    send_request(fds[3]); /* perhaps with the lane */
    turn_loop();
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_kept_connection_serves_one_request_after_the_other,
                                  a_connection_that_is_not_kept_is_closed_after_its_answer,
                                  a_request_may_come_in_any_pieces,
                                  large_requests_and_answers_go_through_the_side_lane,
                                  an_answer_that_is_not_taken_holds_up_nobody,
                                  a_document_that_is_not_taken_holds_up_nobody,
                                  an_answer_that_is_not_taken_is_given_up,
                                  a_request_that_comes_early_is_served_when_its_turn_comes,
                                  a_body_that_is_too_large_is_read_and_refused,
                                  a_body_that_is_too_large_takes_no_room,
                                  where_not_even_the_parameters_find_room_the_connection_is_closed,
                                  a_body_for_which_there_is_no_room_is_read_and_refused,
                                  a_body_that_is_shorter_than_its_length_says_is_never_run,
                                  what_is_no_request_closes_the_connection,
                                  more_parameters_than_the_limit_close_the_connection,
                                  parameters_that_break_off_close_the_connection,
                                  a_client_that_goes_is_cancelled,
                                  a_request_that_is_aborted_is_cancelled,
                                  a_client_that_is_gone_before_its_request_is_read_costs_nobody,
                                  a_client_that_goes_while_the_lane_works_is_forgotten,
                                  slow_and_idle_peers_are_closed,
                                  a_slow_request_has_its_time_from_its_own_beginning_on,
                                  a_connection_is_idle_from_its_answer_on,
                                  without_descriptors_connections_wait,
                                  no_more_connections_than_the_bound_are_accepted,
                                  the_metrics_are_asked_of_the_collector,
                                  packed_bodies_are_unpacked_where_there_is_time,
                                  statistics_are_asked_of_the_broker,
                                  draining_finishes_what_is_under_way_and_accepts_no_more,
                                  draining_with_nothing_open_ends_at_once,
                                  the_end_frees_connections_in_every_state};
    return SUITE_RUN("connection", set_up, tear_down, tests);
}
