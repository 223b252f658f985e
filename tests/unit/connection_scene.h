/* connection_scene: a frontend's connections with the real API, client and side lane; the web server and the
 * broker are played by the test, in the same thread. Include it in one test program's only .c.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CONNECTION_SCENE_H
#define OUTRIGGER_CONNECTION_SCENE_H

#include "example_schema.h"
#include "fcgi.h"
#include "played_broker.h"
#include "web_server_part.h"

enum { WIDTH = 3, LARGE_ROWS = 4000, HUGE_ROWS = 15000 };

static void *context;
static struct config *config;
static struct api *api;
static struct client *client;
static struct stats_exposition *exposition;
static struct errands *errands;
static struct lane *lane;
static struct end broker;
static struct letter *letter;

/* ---- the parts ---- */

static inline bool connected(void *self)
{
    (void)self;
    return client_connected(client);
}

/* One model, "m", which is ready. */
static inline void tell_catalog(void)
{
    struct schema *schema = example_classifier(WIDTH);
    size_t length;
    uint8_t *bytes = schema_encode(schema, &length);
    struct catalog_entry entry = played_entry("m", "1", true, (struct text){(const char *)bytes, length});
    entry.required = true;
    played_catalog(&broker, &entry, 1);
    free(bytes);
    schema_free(schema);
}

static inline void start(const char *const *settings)
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
    played_pong(&broker, 0, 1);
    tell_catalog();
    WAIT_FOR(client_connected(client) && api_complete(api)); /* PONG and CATALOG are two messages */
}

static inline void set_up(void)
{
    scratch_make();
    context = zmq_ctx_new();
    metrics = metrics_new(NULL);
    letters_loop = loop_new();
    letter = letter_new();
}

static inline void tear_down(void)
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

static inline void make_request(const char *method, const char *uri, const char *body, size_t length)
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

static inline void make_prediction(void)
{
    static const char body[] = "{\"features\":[1,2,3]}";
    make_request("POST", "/api/v1/predict", body, strlen(body));
}

static inline void make_batch(int rows)
{
    static char body[HUGE_ROWS * 8 + 64];
    size_t length = (size_t)snprintf(body, sizeof body, "{\"instances\":[");
    for (int i = 0; i < rows; i++)
        length += (size_t)snprintf(body + length, sizeof body - length, "%s[1,2,3]", i == 0 ? "" : ",");
    length += (size_t)snprintf(body + length, sizeof body - length, "]}");
    make_request("POST", "/api/v1/batch-predict", body, length);
}

/* One that the side lane parses, and whose answer it prints. */
static inline void make_large(void)
{
    make_batch(LARGE_ROWS);
}

/* ---- the broker ---- */

/* Waits for a REQUEST of so many rows; its id. */
static inline uint64_t expect_request(uint32_t rows)
{
    WAIT_FOR(end_take_verb(&broker, letter, VERB_REQUEST));
    ck_assert_uint_eq(letter->envelope.request.rows, rows);
    return letter->envelope.id;
}

/* Answers "yes" for every row. */
static inline void reply(uint64_t id, int64_t rows)
{
    static int64_t labels[HUGE_ROWS];
    static float probabilities[HUGE_ROWS][2];
    for (int64_t i = 0; i < rows; i++) {
        labels[i] = 1;
        probabilities[i][0] = 0.25F;
        probabilities[i][1] = 0.75F;
    }
    struct envelope envelope = {.verb = VERB_REPLY,
                                .id = id,
                                .reply = {.version = text_of("1"),
                                          .limit = text_of("key_rows"),
                                          .quota = 100,
                                          .window_s = 60,
                                          .left = 40,
                                          .whole_s = 36}};
    played_classes(&broker, &envelope, labels, probabilities, (size_t)rows);
}

/* It was answered, and the answer tells what `reply` does. */
static inline void expect_answer(int fd)
{
    expect_status(fd, 200);
    ck_assert_ptr_nonnull(strstr(answer.text, "\r\nRateLimit: \"key_rows\";r=40;t=36\r\n"));
}

/* One prediction over the connection, all the way. */
static inline void predict_over(int fd)
{
    make_prediction();
    send_request(fd);
    reply(expect_request(1), 1);
    expect_answer(fd);
    ck_assert_ptr_nonnull(strstr(answer.text, "\"prediction\":1"));
}

/* A connection that does not take its answer, which does not fit the socket: the lane is at it. */
static inline int make_lazy(void)
{
    int fd = connect_here();
    make_batch(HUGE_ROWS);
    send_request(fd);
    reply(expect_request(HUGE_ROWS), HUGE_ROWS);
    return fd;
}

#endif
