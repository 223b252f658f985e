/* test_connection_elsewhere: what is not done on the loop, or not by us: large and packed bodies in the side
 * lane, and what other processes are asked. SPDX-License-Identifier: MIT */
#include "compression.h"
#include "connection_scene.h"
#include "control.h"

#include <poll.h>

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
    struct lane_load load = lane_load(lane);
    ck_assert(load.threads == 2 && load.busy == 0 && load.waiting == 0);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_HTTP_REQUESTS, "batch_predict", "200", NULL)->value,
                      COUNT_OF(fds));
}
END_TEST

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

static uint64_t question; /* the number of the last one */

static bool take_question(struct end *collector, const char *path)
{
    struct page_request asked;
    if (!end_take_frame(collector))
        return false;
    ck_assert(page_request_decode(zmq_msg_data(&collector->frame), zmq_msg_size(&collector->frame), &asked,
                                  &question));
    ck_assert(text_is(asked.path, path));
    zmq_msg_close(&collector->frame);
    collector->reading = false;
    return true;
}

static void send_page(struct end *collector, const char *body)
{
    uint8_t envelope[PAGE_ANSWER_BYTES_MAX];
    struct page_answer page = {.status = 200, .content_type = text_of("text/plain")};
    size_t length = page_answer_encode(&page, question, envelope, sizeof envelope);
    struct text frames[] = {{(const char *)envelope, length}, text_of(body)};
    ck_assert(end_send_frames(collector, frames, COUNT_OF(frames)));
}

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
    WAIT_FOR(take_question(&collector, "/metrics"));
    send_page(&collector, "some_total 1\n");
    expect_status(fd, 200);
    ck_assert_ptr_nonnull(strstr(answer.text, "some_total 1\n"));
    send_request(fd); /* and one whose asker goes before the answer */
    WAIT_FOR(take_question(&collector, "/metrics"));
    close(fd);
    turn_loop();
    send_page(&collector, "some_total 2\n");
    WAIT_FOR(open_connections() == 0);
    end_close(&collector);
}
END_TEST

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

int main(void)
{
    const TTest *const tests[] = {
        large_requests_and_answers_go_through_the_side_lane, an_answer_that_is_not_taken_holds_up_nobody,
        a_document_that_is_not_taken_holds_up_nobody,        the_metrics_are_asked_of_the_collector,
        packed_bodies_are_unpacked_where_there_is_time,      statistics_are_asked_of_the_broker};
    return SUITE_RUN("connection_elsewhere", set_up, tear_down, tests);
}
