/* test_waiting: requests that wait until it is known who asks, on real connections and the real side lane.
 * The API is played by the test: it says API_WAIT as long as the test wants. SPDX-License-Identifier: MIT */
#include "fcgi.h"
#include "problem.h"
#include "web_server_part.h"

#include <pthread.h>

enum { LARGE = 100000, WAITING_MAX = 256 };

static void *context;
static struct config *config;
static struct client *client;
static struct stats_exposition *exposition;
static struct lane *lane;

/* ---- the API ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static bool known;          /* who asks */
static int handled;         /* how often a request was looked at */
static int64_t first, last; /* when the request was there, as it is said the first and the last time */
static bool slow;           /* the API stops before it returns, until it is false */
static size_t body_length;

struct api_lane *api_lane_new(void)
{
    return object_alloc(1);
}

void api_lane_free(struct api_lane *api_lane)
{
    free(api_lane);
}

enum api_next api_handle(struct api *api, struct api_lane *api_lane, const struct http_request *http,
                         const struct called *called, struct api_call *call, struct http_response *response)
{
    (void)api, (void)api_lane, (void)http, (void)called, (void)call, (void)response;
    return API_RESPOND;
}

const struct config *api_config(const struct api *api)
{
    (void)api;
    return config;
}

void api_gone(struct api *api, struct api_call *call, struct http_response *response)
{
    (void)api, (void)call, (void)response;
}

void api_note(struct api *api, const struct http_request *http, struct api_call *call)
{
    (void)api, (void)http, (void)call;
}

bool api_answer_is_copy(const struct api_call *call)
{
    (void)call;
    return false;
}

void api_asks(struct api *api, struct api_call *call)
{
    (void)api, (void)call;
}

const struct errand *api_call_errand(const struct api_call *call)
{
    (void)call;
    return NULL;
}

enum api_next api_errand_done(struct api *api, struct api_call *call, yyjson_val *errand_answer,
                              struct http_response *response)
{
    (void)api, (void)call, (void)errand_answer, (void)response;
    return API_RESPOND;
}

enum api_next api_begin(struct api *api, const struct http_request *http, struct called *called,
                        struct api_call *call, struct http_response *response)
{
    (void)api, (void)called, (void)call;
    http_response_begin(response, http);
    pthread_mutex_lock(&lock);
    bool knows = known;
    handled++;
    first = first == 0 ? http->received : first;
    last = http->received;
    body_length = http->body_length;
    while (slow)
        pthread_cond_wait(&moved, &lock);
    pthread_mutex_unlock(&lock);
    output_add_string(&response->body, "{}");
    return knows ? API_HANDLE : API_WAIT;
}

void api_refuse(const struct http_request *http, struct api_call *call, struct http_response *response,
                int status, const char *detail)
{
    (void)call;
    http_response_begin(response, http);
    problem_status(response, status, "%s", detail);
    response->retry_after = 1;
}

void api_answer(struct api_call *call, const struct client_answer *client_answer,
                struct http_response *response)
{
    (void)call, (void)client_answer, (void)response;
}

void api_page(struct api_call *call, const struct page_answer *page, struct http_response *response)
{
    (void)call, (void)page, (void)response;
}

void api_count(struct api *api, struct api_call *call, const struct http_response *response)
{
    (void)api, (void)call, (void)response;
}

struct client_request *api_call_take(struct api_call *call)
{
    (void)call;
    return NULL;
}

void api_call_end(struct api_call *call)
{
    (void)call;
}

static void say_known(bool now)
{
    pthread_mutex_lock(&lock);
    known = now;
    pthread_mutex_unlock(&lock);
}

static int times_handled(void)
{
    pthread_mutex_lock(&lock);
    int times = handled;
    pthread_mutex_unlock(&lock);
    return times;
}

static void set_slow(bool now)
{
    pthread_mutex_lock(&lock);
    slow = now;
    pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&lock);
}

/* ---- the parts ---- */

static void no_catalog(void *self, const struct catalog_entry *entries, size_t count)
{
    (void)self, (void)entries, (void)count;
}

static void start(const char *const *settings)
{
    ck_assert(fcgi_init());
    config = repository_config(settings);
    client = client_new(context, letters_loop, config->broker_askers, 16, metrics, no_catalog, NULL);
    exposition = stats_exposition_new(context, letters_loop, config);
    lane = lane_new(letters_loop, NULL, 2);
    listen_fd = listen_here();
    connections = connections_new(&(struct connections_context){.loop = letters_loop,
                                                                .config = config,
                                                                .metrics = metrics,
                                                                .client = client,
                                                                .exposition = exposition,
                                                                .lane = lane},
                                  listen_fd);
}

static void set_up(void)
{
    scratch_make();
    context = zmq_ctx_new();
    metrics = metrics_new(NULL);
    letters_loop = loop_new();
}

static void tear_down(void)
{
    lane_free(lane);
    stats_exposition_free(exposition);
    connections_free(connections);
    client_free(client);
    close(listen_fd);
    zmq_ctx_term(context);
    loop_free(letters_loop);
    metrics_free(metrics);
    config_free(config);
    scratch_remove();
}

/* ---- the web server ---- */

static void make_request(size_t bytes)
{
    static char body[LARGE];
    char length[16];
    memset(body, ' ', sizeof body);
    snprintf(length, sizeof length, "%zu", bytes);
    fastcgi_begin(&request, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_parameter(&request, "REQUEST_METHOD", "POST");
    fastcgi_parameter(&request, "REQUEST_URI", "/api/v1/predict");
    fastcgi_parameter(&request, "CONTENT_TYPE", "application/json");
    fastcgi_parameter(&request, "CONTENT_LENGTH", length);
    fastcgi_body(&request, body, bytes);
}

/* A part of the request. */
static void send_part(int fd, size_t from, size_t to)
{
    send_bytes(fd, request.bytes + from, to - from);
    turn_loop();
}

/* Sends and waits until the request was looked at, and nothing came of it. */
static int begin_waiting(size_t bytes)
{
    int before = times_handled(), fd = connect_here();
    make_request(bytes);
    send_request(fd);
    WAIT_FOR(times_handled() == before + 1);
    turn_loop();
    turn_loop();
    ck_assert(!fastcgi_read(&answer, fd));
    return fd;
}

static void settle(bool now_known)
{
    say_known(now_known);
    connections_settled(connections);
}

/* ---- tests ---- */

START_TEST(a_request_waits_and_is_answered_when_it_is_settled)
{
    start(NULL);
    int fd = begin_waiting(10);
    settle(true);
    expect_status(fd, 200);
    ck_assert_int_eq(times_handled(), 2);
    ck_assert_uint_eq(body_length, 10);
    ck_assert_int_le(last - first, SECOND); /* its time is counted from the beginning */
    send_request(fd);                       /* the connection stays, and knows nothing of it */
    expect_status(fd, 200);
    close(fd);
}
END_TEST

START_TEST(a_request_that_came_in_pieces_waits_as_well)
{
    start(NULL);
    int fd = connect_here();
    make_request(1000);
    fastcgi_next(&answer);
    send_part(fd, 0, 300);
    send_part(fd, 300, request.length);
    WAIT_FOR(times_handled() == 1);
    settle(false);
    ck_assert_int_eq(times_handled(), 2);
    settle(true);
    expect_status(fd, 200);
    ck_assert_int_eq(times_handled(), 3);
    ck_assert_uint_eq(body_length, 1000);
    close(fd);
}
END_TEST

START_TEST(a_large_request_is_tried_again_by_the_lane)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", NULL});
    int fd = begin_waiting(LARGE);
    settle(false);
    WAIT_FOR(times_handled() == 2);
    turn_loop();
    settle(true);
    expect_status(fd, 200);
    ck_assert_uint_eq(body_length, LARGE);
    close(fd);
}
END_TEST

/* The lane has looked already, and the loop does not know yet that the request waits. */
START_TEST(what_is_settled_while_the_lane_works_is_not_missed)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", NULL});
    int fd = connect_here();
    set_slow(true);
    make_request(LARGE);
    send_request(fd);
    WAIT_FOR(times_handled() == 1);
    settle(true);
    set_slow(false);
    expect_status(fd, 200);
    ck_assert_int_eq(times_handled(), 2);
    close(fd);
}
END_TEST

START_TEST(a_request_does_not_wait_longer_than_it_may_take)
{
    start((const char *const[]){"frontend.request_timeout_ms=50", "frontend.large_body_bytes=4096", NULL});
    size_t sizes[] = {0, 10, LARGE};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        int fd = begin_waiting(sizes[i]);
        expect_status(fd, 503);
        ck_assert_ptr_nonnull(strstr(answer.text, "Retry-After: "));
        ck_assert_ptr_nonnull(strstr(answer.text, "who sends this could not be found out in time"));
        int before = times_handled();
        settle(true); /* too late: it is not looked at any more */
        ck_assert_int_eq(times_handled(), before);
        send_request(fd); /* the next has a time of its own */
        expect_status(fd, 200);
        say_known(false);
        close(fd);
    }
}
END_TEST

START_TEST(a_client_that_goes_while_it_waits_is_forgotten)
{
    start(NULL);
    close(begin_waiting(10));
    WAIT_FOR(open_connections() == 0);
    settle(true);
    ck_assert_int_eq(times_handled(), 1);
    ck_assert_uint_eq(refused("gone"), 1);

    say_known(false);
    int fd = begin_waiting(10);
    request.length = 0;
    fastcgi_add(&request, FASTCGI_ABORT, NULL, 0);
    send_request(fd);
    WAIT_FOR(open_connections() == 0);
    ck_assert_uint_eq(refused("gone"), 2);
    close(fd);
}
END_TEST

START_TEST(a_request_that_comes_early_is_served_after_the_one_that_waits)
{
    start(NULL);
    int fd = begin_waiting(10);
    send_part(fd, 0, request.length);
    turn_loop();
    ck_assert_uint_eq(open_connections(), 1);
    settle(true);
    WAIT_FOR(times_handled() == 3);
    char both[4096] = "";
    ssize_t length = recv(fd, both, sizeof both - 1, 0);
    ck_assert_int_gt(length, 0);
    const char *one = memmem(both, (size_t)length, "Status: 200", 11);
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_nonnull(memmem(one + 11, (size_t)(both + length - one - 11), "Status: 200", 11));
    close(fd);
}
END_TEST

START_TEST(no_more_than_the_bound_wait)
{
    static int fds[WAITING_MAX];
    start(NULL);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = begin_waiting(10);
    int fd = connect_here();
    send_request(fd);
    expect_status(fd, 503);
    ck_assert_ptr_nonnull(strstr(answer.text, "Retry-After: "));
    settle(true);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fastcgi_next(&answer);
        expect_status(fds[i], 200);
        close(fds[i]);
    }
    close(fd);
}
END_TEST

START_TEST(no_more_than_the_bound_wait_of_those_of_the_lane)
{
    static int fds[WAITING_MAX];
    start((const char *const[]){"frontend.large_body_bytes=1024", NULL});
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = begin_waiting(2000);
    int fd = connect_here();
    send_request(fd);
    expect_status(fd, 503);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    close(fd);
}
END_TEST

START_TEST(a_request_for_which_there_is_no_room_does_not_wait)
{
    static int fds[128]; /* 8 KiB each are all there is */
    start((const char *const[]){"frontend.max_spool_bytes=1048576", "frontend.max_body_bytes=100000", NULL});
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = begin_waiting(5000);
    int fd = connect_here();
    send_request(fd);
    expect_status(fd, 503);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    WAIT_FOR(open_connections() == 1);
    close(fd);
    close(begin_waiting(5000)); /* there is room again */
}
END_TEST

static int drained;

static void on_drained(void *self)
{
    (void)self;
    drained++;
}

START_TEST(draining_finishes_those_that_wait)
{
    start(NULL);
    int fd = begin_waiting(10);
    connections_drain(connections, on_drained, NULL);
    turn_loop();
    ck_assert_int_eq(drained, 0);
    settle(true);
    expect_status(fd, 200);
    WAIT_FOR(drained == 1);
    close(fd);
}
END_TEST

START_TEST(the_end_frees_those_that_wait)
{
    start((const char *const[]){"frontend.large_body_bytes=4096", NULL});
    int fds[] = {begin_waiting(10), begin_waiting(LARGE)};
    connections_free(connections);
    connections = NULL;
    close(fds[0]);
    close(fds[1]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_request_waits_and_is_answered_when_it_is_settled,
                                  a_request_that_came_in_pieces_waits_as_well,
                                  a_large_request_is_tried_again_by_the_lane,
                                  what_is_settled_while_the_lane_works_is_not_missed,
                                  a_request_does_not_wait_longer_than_it_may_take,
                                  a_client_that_goes_while_it_waits_is_forgotten,
                                  a_request_that_comes_early_is_served_after_the_one_that_waits,
                                  no_more_than_the_bound_wait,
                                  no_more_than_the_bound_wait_of_those_of_the_lane,
                                  a_request_for_which_there_is_no_room_does_not_wait,
                                  draining_finishes_those_that_wait,
                                  the_end_frees_those_that_wait};
    return SUITE_RUN("waiting", set_up, tear_down, tests);
}
