/* test_http: requests made of the parameters that web servers send, with whatever may stand in them; paths to
 * calls; response heads; text that is always valid JSON; problems. SPDX-License-Identifier: MIT */
#include "calls.h"
#include "http.h"
#include "problem.h"
#include "suite.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

static struct http_ids ids;
static struct http_request request;
static struct http_response response;

static void set_up(void)
{
    http_ids_init(&ids);
}

static void tear_down(void)
{
    http_response_free(&response);
}

/* Reads a request of these parameters, up to a NULL. */
#define READ(...) http_request_read(&request, (char **)(const char *[]){__VA_ARGS__, NULL}, &ids)

static void read_uri(const char *uri)
{
    static char parameter[4096]; /* the request's texts are views of it */
    snprintf(parameter, sizeof parameter, "REQUEST_URI=%s", uri);
    READ("REQUEST_METHOD=GET", parameter);
}

/* ---- requests ---- */

START_TEST(a_request_is_made_of_parameters)
{
    READ("FCGI_ROLE=RESPONDER", "REQUEST_METHOD=POST", "REQUEST_URI=/api/v1/predict?a=%20b",
         "CONTENT_TYPE=application/json", "CONTENT_LENGTH=17", "HTTP_X_REQUEST_ID=abc-1.2_Z",
         "HTTP_CONTENT_ENCODING=gzip",
         "HTTP_TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
         "HTTP_PREFER=server-timing");
    ck_assert_int_eq(request.fault_status, 0);
    ck_assert_int_eq(request.method, HTTP_POST);
    ck_assert_str_eq(request.path, "/api/v1/predict");
    ck_assert_uint_eq(request.path_length, strlen("/api/v1/predict"));
    ck_assert(text_is(request.query, "a=%20b"));
    ck_assert(text_is(request.content_type, "application/json"));
    ck_assert(text_is(request.content_encoding, "gzip"));
    ck_assert_int_eq(request.content_length, 17);
    ck_assert_str_eq(request.id, "abc-1.2_Z");
    ck_assert_str_eq(request.traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    ck_assert(request.want_timing);
}
END_TEST

START_TEST(what_is_not_said_has_a_default)
{
    READ("REQUEST_METHOD=GET", "REQUEST_URI=/health", "CONTENT", "C", "H", "R", "", "=", "CONTENT_LENGTH");
    ck_assert_int_eq(request.fault_status, 0);
    ck_assert_uint_eq(request.query.length, 0);
    ck_assert_uint_eq(request.content_type.length, 0);
    ck_assert_int_eq(request.content_length, -1);
    ck_assert_str_eq(request.traceparent, "");
    ck_assert(!request.want_timing);
    ck_assert_uint_eq(strlen(request.id), 16);
}
END_TEST

START_TEST(the_first_of_two_headers_counts)
{
    READ("REQUEST_METHOD=GET", "REQUEST_URI=/health", "REQUEST_URI=/ready", "HTTP_X_REQUEST_ID=one",
         "HTTP_X_REQUEST_ID=two", "HTTP_TRACEPARENT=00-00000000000000000000000000000001-0000000000000001-00",
         "HTTP_TRACEPARENT=00-00000000000000000000000000000002-0000000000000001-00");
    ck_assert_str_eq(request.path, "/health");
    ck_assert_str_eq(request.id, "one");
    ck_assert_int_eq(request.traceparent[34], '1');
}
END_TEST

START_TEST(methods_are_known_by_name)
{
    static const struct {
        const char *parameter;
        enum http_method method;
    } cases[] = {
#define X(name) {"REQUEST_METHOD=" #name, HTTP_##name},
        HTTP_METHODS(X)
#undef X
            {"REQUEST_METHOD=get", HTTP_OTHER},
        {"REQUEST_METHOD=", HTTP_OTHER},
        {"REQUEST_METHOD=BREW", HTTP_OTHER},
        {"NOTHING=", HTTP_OTHER},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char parameter[64];
        strcpy(parameter, cases[i].parameter);
        READ(parameter, "REQUEST_URI=/");
        ck_assert_int_eq(request.method, cases[i].method);
    }
}
END_TEST

START_TEST(a_content_length_is_a_number_or_not_said)
{
    static const struct {
        const char *value;
        int64_t length;
        int status;
    } cases[] = {
        {"", -1, 0},
        {"-1", -1, 0},
        {"0", 0, 0},
        {"00012", 12, 0},
        {"9223372036854775807", INT64_MAX, 0},
        {"99999999999999999999999999", INT64_MAX, 0}, /* larger than any limit is what counts */
        {"12a", -1, 400},
        {"-2", -1, 400},
        {"+1", -1, 400},
        {" 1", -1, 400},
        {"0x10", -1, 400},
        {"1, 1", -1, 400},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char parameter[64];
        snprintf(parameter, sizeof parameter, "CONTENT_LENGTH=%s", cases[i].value);
        READ("REQUEST_METHOD=POST", "REQUEST_URI=/", parameter);
        ck_assert_msg(request.fault_status == cases[i].status, "%s", cases[i].value);
        if (cases[i].status == 0)
            ck_assert_int_eq(request.content_length, cases[i].length);
    }
}
END_TEST

START_TEST(a_request_id_is_taken_only_when_it_is_harmless)
{
    static const char *const bad[] = {
        "",         "a b",      "a\nb", "a\r\nX: y",
        "<script>", "\xc3\xa9", "a/b",  "a,b",
        "a\"b",     "a%0a",     "a;b",  "0123456789012345678901234567890123456789012345678901234567890123x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char parameter[128];
        snprintf(parameter, sizeof parameter, "HTTP_X_REQUEST_ID=%s", bad[i]);
        READ("REQUEST_METHOD=GET", "REQUEST_URI=/", parameter);
        ck_assert_uint_eq(strlen(request.id), 16);
        ck_assert_uint_eq(strspn(request.id, "0123456789abcdef"), 16);
    }
    READ("REQUEST_METHOD=GET", "REQUEST_URI=/",
         "HTTP_X_REQUEST_ID=0123456789012345678901234567890123456789012345678901234567890123");
    ck_assert_uint_eq(strlen(request.id), HTTP_ID_MAX);
}
END_TEST

static int compare_ids(const void *left, const void *right)
{
    return strcmp(left, right);
}

START_TEST(made_ids_differ)
{
    enum { COUNT = 20000 };
    char(*made)[HTTP_ID_MAX + 1] = object_alloc(COUNT * sizeof *made);
    struct http_ids others;
    http_ids_init(&others);
    for (size_t i = 0; i < COUNT; i++) {
        http_request_read(&request, (char *[]){NULL}, i % 2 == 0 ? &ids : &others);
        strcpy(made[i], request.id);
    }
    qsort(made, COUNT, sizeof *made, compare_ids);
    for (size_t i = 1; i < COUNT; i++)
        ck_assert_str_ne(made[i - 1], made[i]);
    free(made);
}
END_TEST

START_TEST(a_traceparent_is_kept_only_when_it_is_valid)
{
    static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    static const char *const others[] = {
        "",
        "garbage",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
        "00-0af7651916cd43dd8448eb211c80319cb7ad6b7169203331--01",
        "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\n",
    };
    char parameter[128];
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        snprintf(parameter, sizeof parameter, "HTTP_TRACEPARENT=%s", others[i]);
        READ("REQUEST_URI=/", parameter);
        ck_assert_msg(request.traceparent[0] == '\0', "%s", others[i]);
        ck_assert_int_eq(request.fault_status, 0);
    }
    snprintf(parameter, sizeof parameter, "HTTP_TRACEPARENT=cc%s-what-the-future-is", good + 2);
    READ("REQUEST_URI=/", parameter);
    ck_assert_uint_eq(strlen(request.traceparent), HTTP_TRACEPARENT);
    for (size_t length = 0; length < sizeof good - 1; length++) {
        snprintf(parameter, sizeof parameter, "HTTP_TRACEPARENT=%.*s", (int)length, good);
        READ("REQUEST_URI=/", parameter);
        ck_assert_str_eq(request.traceparent, "");
    }
}
END_TEST

START_TEST(timing_is_a_preference)
{
    static const struct {
        const char *value;
        bool wanted;
    } cases[] = {
        {"server-timing", true},
        {"Server-Timing", true},
        {"return=minimal, server-timing", true},
        {"respond-async,server-timing;x=1", true},
        {"", false},
        {",,, ;", false},
        {"server-timings", false},
        {"x=server-timing", false},
        {"return=minimal; server-timing", false}, /* a parameter of another preference */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char parameter[128];
        snprintf(parameter, sizeof parameter, "HTTP_PREFER=%s", cases[i].value);
        READ("REQUEST_URI=/", parameter);
        ck_assert_msg(request.want_timing == cases[i].wanted, "%s", cases[i].value);
    }
}
END_TEST

START_TEST(who_asks_is_known_by_the_key)
{
    READ("REQUEST_URI=/");
    ck_assert_uint_eq(request.tenant, 0);
    READ("REQUEST_URI=/", "HTTP_X_API_KEY=a");
    uint64_t tenant = request.tenant;
    ck_assert_uint_eq(tenant, UINT64_C(0xaf63dc4c8601ec8c)); /* RFC 9923's vector for "a" */
    READ("REQUEST_URI=/", "HTTP_AUTHORIZATION=Bearer b", "HTTP_X_API_KEY=a");
    ck_assert_uint_eq(request.tenant, tenant);
    READ("REQUEST_URI=/", "HTTP_X_API_KEY=a", "HTTP_AUTHORIZATION=Bearer b");
    ck_assert_uint_eq(request.tenant, tenant);
    READ("REQUEST_URI=/", "HTTP_AUTHORIZATION=Bearer b");
    ck_assert(request.tenant != tenant && request.tenant != 0);
    READ("REQUEST_URI=/", "HTTP_X_API_KEY="); /* also an empty one is one */
    ck_assert_uint_ne(request.tenant, 0);
}
END_TEST

/* ---- paths ---- */

START_TEST(a_path_is_decoded_once)
{
    static const struct {
        const char *uri, *path, *query;
    } cases[] = {
        {"/", "/", ""},
        {"/a%20b", "/a b", ""},
        {"/%61pi/v1/%70redict", "/api/v1/predict", ""},
        {"/a%2520b", "/a%20b", ""},
        {"/a?b?c", "/a", "b?c"},
        {"/a?%zz", "/a", "%zz"},
        {"/a?../..", "/a", "../.."},
        {"/%c3%a9", "/\xc3\xa9", ""},
        {"/\xc3\xa9", "/\xc3\xa9", ""},
        {"/a..b/...", "/a..b/...", ""},
        {"/%E2%82%aC", "/\xe2\x82\xac", ""},
        {"http://host:80/api?x", "/api", "x"},
        {"https://host/", "/", ""},
        {"/a://b", "/a://b", ""},
        {"/a+b", "/a+b", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        read_uri(cases[i].uri);
        ck_assert_msg(request.fault_status == 0, "%s: %s", cases[i].uri, request.fault);
        ck_assert_str_eq(request.path, cases[i].path);
        ck_assert(text_is(request.query, cases[i].query));
    }
}
END_TEST

START_TEST(a_path_that_could_mean_two_things_is_refused)
{
    static const char *const bad[] = {
        "",
        "api",
        "?x",
        "*",
        "host:80",
        "http://host",
        "/..",
        "/a/..",
        "/../a",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/.%2E",
        "/%2e./",
        "/a%2fb",
        "/a%2Fb",
        "/%00",
        "/a%00b",
        "/%0a",
        "/a\tb",
        "/a\x7f",
        "/%7f",
        "/%",
        "/%2",
        "/%2?",
        "/%zz",
        "/%-1",
        "/% 1",
        "/%c3",
        "/%c3%28",
        "/%ff",
        "/%c0%af",
        "/%c0%ae%c0%ae/",
        "/%e0%80%af",
        "/%ed%a0%80",
        "/%f5%80%80%80",
        "/%f4%90%80%80",
        "/\xc3",
        "/\xf0\x9f\x98",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        read_uri(bad[i]);
        ck_assert_msg(request.fault_status == 400, "%s", bad[i]);
        ck_assert_ptr_nonnull(request.fault);
    }
    READ("REQUEST_METHOD=GET", "SCRIPT_NAME=/health", "PATH_INFO=/health");
    ck_assert_int_eq(request.fault_status, 400);
}
END_TEST

START_TEST(a_path_has_a_bound)
{
    char uri[HTTP_PATH_MAX + 8];
    memset(uri, 'a', sizeof uri);
    uri[0] = '/';
    uri[HTTP_PATH_MAX - 1] = '\0';
    read_uri(uri);
    ck_assert_int_eq(request.fault_status, 0);
    ck_assert_uint_eq(request.path_length, HTTP_PATH_MAX - 1);
    uri[HTTP_PATH_MAX - 1] = 'a';
    uri[HTTP_PATH_MAX] = '\0';
    read_uri(uri);
    ck_assert_int_eq(request.fault_status, 414);
}
END_TEST

START_TEST(utf8_is_checked_by_the_table)
{
    /* Every lead byte with every second byte, against the rule written out another way. */
    for (unsigned lead = 0x80; lead < 0x100; lead++)
        for (unsigned second = 0; second < 0x100; second++) {
            const char bytes[] = {(char)lead, (char)second, '\x80', '\x80'};
            size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
            uint32_t character = lead >= 0xf0   ? (lead & 7u) << 18 | (second & 63u) << 12
                                 : lead >= 0xe0 ? (lead & 15u) << 12 | (second & 63u) << 6
                                                : (lead & 31u) << 6 | (second & 63u);
            uint32_t smallest = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
            bool good = lead >= 0xc0 && lead < 0xf8 && (second & 0xc0) == 0x80 && character >= smallest &&
                        character <= 0x10ffff && !(character >= 0xd800 && character < 0xe000);
            ck_assert_uint_eq(utf8_length(bytes, sizeof bytes), good ? length : 0);
            ck_assert_uint_eq(utf8_length(bytes, length - 1), 0);
        }
    ck_assert_uint_eq(utf8_length("", 0), 0);
    ck_assert_uint_eq(utf8_length("a", 1), 1);
}
END_TEST

/* ---- calls ---- */

static struct called called(const char *method, const char *uri)
{
    static char method_parameter[32];
    static char uri_parameter[2048];
    snprintf(method_parameter, sizeof method_parameter, "REQUEST_METHOD=%s", method);
    snprintf(uri_parameter, sizeof uri_parameter, "REQUEST_URI=%s", uri);
    READ(method_parameter, uri_parameter);
    return call_find(&request);
}

START_TEST(paths_mean_calls)
{
    static const struct {
        const char *method, *uri;
        enum call call;
        const char *model, *version;
    } cases[] = {
        {"POST", "/api/v1/predict", CALL_PREDICT, "", ""},
        {"POST", "/api/v1/batch-predict", CALL_BATCH_PREDICT, "", ""},
        {"POST", "/api/v1/models/m/predict", CALL_PREDICT, "m", ""},
        {"POST", "/api/v1/models/predict/predict", CALL_PREDICT, "predict", ""},
        {"POST", "/api/v1/models/m-1.x_y/batch-predict?x", CALL_BATCH_PREDICT, "m-1.x_y", ""},
        {"POST", "/api/v1/models/m/versions/2/predict", CALL_PREDICT, "m", "2"},
        {"POST", "/api/v1/models/m/versions/2/batch-predict", CALL_BATCH_PREDICT, "m", "2"},
        {"GET", "/api/v1/models", CALL_MODELS, "", ""},
        {"HEAD", "/api/v1/models", CALL_MODELS, "", ""},
        {"GET", "/api/v1/models/m", CALL_MODEL, "m", ""},
        {"GET", "/health", CALL_HEALTH, "", ""},
        {"HEAD", "/ready", CALL_READY, "", ""},
        {"GET", "/metrics", CALL_METRICS, "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct called found = called(cases[i].method, cases[i].uri);
        ck_assert_msg(found.call == cases[i].call, "%s", cases[i].uri);
        ck_assert_int_eq(found.status, 200);
        ck_assert(text_is(found.model, cases[i].model));
        ck_assert(text_is(found.version, cases[i].version));
    }
}
END_TEST

START_TEST(other_paths_mean_nothing)
{
    char long_name[400] = "/api/v1/models/";
    memset(long_name + strlen(long_name), 'm', PROTOCOL_NAME_MAX + 1);
    const char *const unknown[] = {
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/predict/",
        "/api/v1/Predict",
        "/api/v1/predictx",
        "/api/v1/predic",
        "//api/v1/predict",
        "/api//v1/predict",
        "/api/v1/./predict",
        "/api/v1/predict;x",
        "/api/v1/models/",
        "/api/v1/models//predict",
        "/api/v1/models/m/",
        "/api/v1/models/m/versions",
        "/api/v1/models/m/versions/2",
        "/api/v1/models/m/versions//predict",
        "/api/v1/models/.m/predict",
        "/api/v1/models/a%20b/predict",
        "/api/v1/models/%c3%a9/predict",
        "/api/v1/models/m/versions/2/predict/x",
        "/healthz",
        "/health/",
        "/%5c..%5chealth",
        long_name,
    };
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        struct called found = called("GET", unknown[i]);
        ck_assert_msg(found.call == CALL_OTHER && found.status == 404, "%s", unknown[i]);
    }
}
END_TEST

START_TEST(a_wrong_method_is_told_the_right_ones)
{
    static const char *const methods[] = {"GET",     "HEAD",  "PUT",   "DELETE",
                                          "OPTIONS", "PATCH", "TRACE", "post"};
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        struct called found = called(methods[i], "/api/v1/models/m/predict");
        ck_assert_int_eq(found.status, 405);
        ck_assert_str_eq(found.allow, "POST");
    }
    struct called found = called("POST", "/health");
    ck_assert_int_eq(found.status, 405);
    ck_assert_int_eq(found.call, CALL_OTHER);
    ck_assert_str_eq(found.allow, "GET, HEAD");
}
END_TEST

START_TEST(calls_have_labels)
{
    ck_assert_str_eq(call_label(CALL_OTHER), "other");
    ck_assert_str_eq(call_label(CALL_BATCH_PREDICT), "batch_predict");
    ck_assert_str_eq(call_label(CALL_COUNT), "other");
}
END_TEST

/* ---- responses ---- */

static const char *head(void)
{
    static char bytes[HTTP_HEAD_MAX + 1];
    bytes[http_response_head(&response, bytes)] = '\0';
    return bytes;
}

START_TEST(a_head_is_complete)
{
    READ("REQUEST_METHOD=GET", "REQUEST_URI=/health", "HTTP_X_REQUEST_ID=r1");
    http_response_begin(&response, &request);
    output_add_string(&response.body, "{}\n");
    ck_assert_str_eq(
        head(),
        "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\nX-Request-Id: r1\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n");
    ck_assert(!response.head_only);
}
END_TEST

START_TEST(a_head_has_what_was_set)
{
    READ("REQUEST_METHOD=HEAD", "REQUEST_URI=/health", "HTTP_X_REQUEST_ID=r1",
         "HTTP_TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    http_response_begin(&response, &request);
    response.status = 503;
    response.retry_after = UINT64_MAX;
    response.allow = "GET, HEAD";
    http_response_add_header(&response, "Server-Timing", "queue;dur=0.1");
    ck_assert_str_eq(
        head(), "Status: 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 0\r\n"
                "X-Request-Id: r1\r\nRetry-After: 18446744073709551615\r\nAllow: GET, HEAD\r\n"
                "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
                "Server-Timing: queue;dur=0.1\r\nCache-Control: no-store\r\n"
                "X-Content-Type-Options: nosniff\r\n\r\n");
    ck_assert(response.head_only);
}
END_TEST

START_TEST(the_longest_head_fits)
{
    READ("REQUEST_URI=/",
         "HTTP_X_REQUEST_ID=0123456789012345678901234567890123456789012345678901234567890123");
    http_response_begin(&response, &request);
    response.status = 431;
    response.retry_after = UINT64_MAX;
    response.allow = "GET, HEAD";
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    char value[HTTP_EXTRA_MAX + 1];
    memset(value, 'v', sizeof value);
    value[HTTP_EXTRA_MAX] = '\0';
    http_response_add_header(&response, "X", value);
    ck_assert_str_eq(response.extra, ""); /* no room: left out whole */
    value[HTTP_EXTRA_MAX - 6] = '\0';
    http_response_add_header(&response, "X", value);
    ck_assert_uint_eq(strlen(response.extra), HTTP_EXTRA_MAX - 1);
    http_response_add_header(&response, "Y", "");
    ck_assert_uint_eq(strlen(response.extra), HTTP_EXTRA_MAX - 1);
    static char policy[HTTP_POLICY_MAX + 1]; /* the response, which outlives the test, points to it */
    memset(policy, 'p', HTTP_POLICY_MAX);
    strcpy(policy + HTTP_POLICY_MAX - 2, "\r\n");
    response.policy = policy;
    response.cache_control = "no-cache";
    ck_assert_uint_lt(strlen(head()), HTTP_HEAD_MAX);
}
END_TEST

START_TEST(a_response_begins_empty_again)
{
    READ("REQUEST_METHOD=GET", "REQUEST_URI=/");
    http_response_begin(&response, &request);
    problem_status(&response, 404, "x");
    response.retry_after = 3;
    char *small = response.body.bytes;
    http_response_begin(&response, &request);
    ck_assert_int_eq(response.status, 200);
    ck_assert_uint_eq(response.body.length, 0);
    ck_assert_ptr_null(response.kind);
    ck_assert_uint_eq(response.retry_after, 0);
    ck_assert_ptr_eq(response.body.bytes, small);
    response.body.length +=
        (size_t)(output_room(&response.body, OUTPUT_KEPT_MAX + 1) - response.body.bytes) * 0;
    http_response_begin(&response, &request);
    ck_assert_ptr_null(response.body.bytes); /* a large one is given back */
}
END_TEST

START_TEST(statuses_have_reasons)
{
    ck_assert_str_eq(http_reason(404), "Not Found");
    ck_assert_str_eq(http_reason(418), "Error");
#define X(name, number, http, label) ck_assert_str_ne(http_reason(http), "Error");
    FAILURES(X)
#undef X
}
END_TEST

/* ---- output ---- */

START_TEST(numbers_are_written)
{
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {{0, "0"},
                 {7, "7"},
                 {-7, "-7"},
                 {INT64_MAX, "9223372036854775807"},
                 {INT64_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        output_clear(&response.body);
        output_add_integer(&response.body, cases[i].value);
        ck_assert(text_is((struct text){response.body.bytes, response.body.length}, cases[i].text));
    }
    output_clear(&response.body);
    output_add_unsigned(&response.body, UINT64_MAX);
    ck_assert(text_is((struct text){response.body.bytes, response.body.length}, "18446744073709551615"));
}
END_TEST

static void json_becomes(struct text text, const char *expected)
{
    output_clear(&response.body);
    output_add_json(&response.body, text);
    ck_assert_msg(text_is((struct text){response.body.bytes, response.body.length}, expected), "%.*s",
                  (int)response.body.length, response.body.bytes);
}

START_TEST(strings_are_escaped)
{
    json_becomes(text_of(""), "\"\"");
    json_becomes(text_of(NULL), "\"\"");
    json_becomes(text_of("plain \xc3\xa9 \xf0\x9f\x98\x80"), "\"plain \xc3\xa9 \xf0\x9f\x98\x80\"");
    json_becomes(text_of("a\"b\\c\n\t\r\x01\x1f\x7f/"), "\"a\\\"b\\\\c\\n\\t\\u000d\\u0001\\u001f\\u007f/\"");
    json_becomes((struct text){"a\0b", 3}, "\"a\\u0000b\"");
    json_becomes(text_of("\xff"
                         "a\xc3"),
                 "\"\xef\xbf\xbd"
                 "a\xef\xbf\xbd\"");
    json_becomes(text_of("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}
END_TEST

START_TEST(any_bytes_become_valid_json)
{
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        char bytes[24];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)rand_r(&seed);
        output_clear(&response.body);
        output_add_json(&response.body, (struct text){bytes, (size_t)rand_r(&seed) % sizeof bytes});
        yyjson_doc *document = yyjson_read(response.body.bytes, response.body.length, 0);
        ck_assert_ptr_nonnull(document);
        yyjson_doc_free(document);
    }
}
END_TEST

/* ---- problems ---- */

static yyjson_doc *problem(void)
{
    ck_assert_str_eq(response.content_type, "application/problem+json");
    yyjson_doc *document = yyjson_read(response.body.bytes, response.body.length, 0);
    ck_assert_ptr_nonnull(document);
    yyjson_val *root = yyjson_doc_get_root(document);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "type")), "about:blank");
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "title")), http_reason(response.status));
    ck_assert_int_eq(yyjson_get_int(yyjson_obj_get(root, "status")), response.status);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "kind")), response.kind);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "instance")), "r1");
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "request_id")), "r1");
    return document;
}

static void begin(void)
{
    READ("REQUEST_METHOD=GET", "REQUEST_URI=/", "HTTP_X_REQUEST_ID=r1");
    http_response_begin(&response, &request);
}

static void detail_is(const char *expected)
{
    yyjson_doc *document = problem();
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(document), "detail")), expected);
    yyjson_doc_free(document);
}

START_TEST(a_problem_has_its_members)
{
    static const int statuses[] = {400, 404, 405, 408, 413, 414, 415, 431, 500, 503};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        begin();
        problem_status(&response, statuses[i], "%s \"%d\"", "why", 7);
        ck_assert_int_eq(response.status, statuses[i]);
        detail_is("why \"7\"");
    }
    begin();
    problem_kind(&response, FAILURE_UNKNOWN_MODEL, "no %s", "m");
    ck_assert_int_eq(response.status, 404);
    ck_assert_str_eq(response.kind, "unknown_model");
    detail_is("no m");
}
END_TEST

START_TEST(every_failure_is_a_problem)
{
    static const struct text secret = {"/usr/lib/libengine.so: bad pointer", 34};
    for (unsigned failure = 0; failure < 260; failure++) {
        begin();
        problem_failure(&response, (enum failure)failure, secret, 0);
        yyjson_doc_free(problem());
        bool ours = failure != FAILURE_NONE && strcmp(failure_label((enum failure)failure), "internal") != 0;
        ck_assert_int_eq(response.status, ours ? failure_http_status((enum failure)failure) : 500);
        if (response.status == 503)
            ck_assert_uint_eq(response.retry_after, 1);
    }
}
END_TEST

START_TEST(inner_messages_stay_inside)
{
    static const enum failure inner[] = {FAILURE_DEADLINE,     FAILURE_POISON,   FAILURE_WORKER_DIED,
                                         FAILURE_MODEL_FAILED, FAILURE_INTERNAL, FAILURE_BAD_MESSAGE};
    for (size_t i = 0; i < COUNT_OF(inner); i++) {
        begin();
        problem_failure(&response, inner[i], text_of("secret"), 0);
        ck_assert_ptr_null(memmem(response.body.bytes, response.body.length, "secret", 6));
    }
    begin();
    problem_failure(&response, FAILURE_INVALID, text_of("input x has 3 columns\xff"), 0);
    detail_is("input x has 3 columns\xef\xbf\xbd");
    begin();
    problem_failure(&response, FAILURE_OVERLOADED, (struct text){NULL, 0}, 1001);
    ck_assert_uint_eq(response.retry_after, 2);
    detail_is("too many requests wait; try again later");
}
END_TEST

START_TEST(faults_are_listed_up_to_a_bound)
{
    struct problem_faults faults = {.count = 0};
    problem_fault(&faults, "a", "is %s", "wrong");
    begin();
    problem_faults(&response, FAILURE_INVALID, &faults);
    detail_is("a: is wrong");
    problem_fault(&faults, "b", "is \"too\"");
    begin();
    problem_faults(&response, FAILURE_INVALID, &faults);
    detail_is("a: is wrong (and 1 more)");
    char long_text[1000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    while (!problem_faults_full(&faults))
        problem_fault(&faults, long_text, "%s", long_text);
    problem_fault(&faults, "one too many", "x");
    ck_assert_uint_eq(faults.count, PROBLEM_FAULTS_MAX);
    begin();
    problem_faults(&response, FAILURE_INVALID, &faults);
    detail_is("a: is wrong (and at least 19 more)");
    yyjson_doc *document = problem();
    yyjson_val *errors = yyjson_obj_get(yyjson_doc_get_root(document), "errors");
    ck_assert_uint_eq(yyjson_arr_size(errors), PROBLEM_FAULTS_MAX);
    yyjson_val *second = yyjson_arr_get(errors, 1);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(second, "field")), "b");
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(second, "message")), "is \"too\"");
    yyjson_doc_free(document);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_request_is_made_of_parameters,
                                  what_is_not_said_has_a_default,
                                  the_first_of_two_headers_counts,
                                  methods_are_known_by_name,
                                  a_content_length_is_a_number_or_not_said,
                                  a_request_id_is_taken_only_when_it_is_harmless,
                                  made_ids_differ,
                                  a_traceparent_is_kept_only_when_it_is_valid,
                                  timing_is_a_preference,
                                  who_asks_is_known_by_the_key,
                                  a_path_is_decoded_once,
                                  a_path_that_could_mean_two_things_is_refused,
                                  a_path_has_a_bound,
                                  utf8_is_checked_by_the_table,
                                  paths_mean_calls,
                                  other_paths_mean_nothing,
                                  a_wrong_method_is_told_the_right_ones,
                                  calls_have_labels,
                                  a_head_is_complete,
                                  a_head_has_what_was_set,
                                  the_longest_head_fits,
                                  a_response_begins_empty_again,
                                  statuses_have_reasons,
                                  numbers_are_written,
                                  strings_are_escaped,
                                  any_bytes_become_valid_json,
                                  a_problem_has_its_members,
                                  every_failure_is_a_problem,
                                  inner_messages_stay_inside,
                                  faults_are_listed_up_to_a_bound};
    return SUITE_RUN("http", set_up, tear_down, tests);
}
