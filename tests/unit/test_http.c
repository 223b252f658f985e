/* test_http: requests made of the parameters that web servers send, with whatever may stand in them; response
 * heads. SPDX-License-Identifier: MIT */
#include "http_scene.h"
#include "problem.h"
#include "utf8.h"

#include <inttypes.h>
#include <stdlib.h>

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
    ck_assert(request.trace.has_parent);
    ck_assert_uint_eq(request.trace.id[15], 0x9c);
    ck_assert_uint_eq(request.trace.parent[7], 0x31);
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
    ck_assert(!request.trace.has_parent);
    ck_assert(!request.want_timing);
    ck_assert_uint_eq(strlen(request.id), 16);
}
END_TEST

START_TEST(the_first_of_two_headers_counts)
{
    READ("REQUEST_METHOD=GET", "REQUEST_URI=/health", "REQUEST_URI=/ready", "HTTP_X_REQUEST_ID=one",
         "HTTP_X_REQUEST_ID=two");
    ck_assert_str_eq(request.path, "/health");
    ck_assert_str_eq(request.id, "one");
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

/* What a traceparent is, test_trace_context says. */
START_TEST(a_request_goes_on_with_the_one_trace_that_its_client_names)
{
    static const char parent[] = "HTTP_TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    static const char other[] = "HTTP_TRACEPARENT=00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-01";
    READ("REQUEST_URI=/", parent, "HTTP_TRACESTATE= a=1,b=2");
    ck_assert(request.trace.has_parent);
    ck_assert_uint_eq(request.trace_state.length, 0); /* nobody will look at it */
    ids.sampling = trace_sampling_of(1000000, false);
    READ("REQUEST_URI=/", parent, "HTTP_TRACESTATE= a=1,b=2");
    ck_assert(text_is(request.trace_state, "a=1,b=2"));
    READ("REQUEST_URI=/", "HTTP_TRACESTATE=a=1",
         "HTTP_TRACE_PARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    ck_assert(!request.trace.has_parent);
    ck_assert_uint_eq(request.trace_state.length, 0);
    READ("REQUEST_URI=/", parent, "HTTP_TRACESTATE=A=1");
    ck_assert(request.trace.has_parent);
    ck_assert_uint_eq(request.trace_state.length, 0);
    READ("REQUEST_URI=/", parent, other);
    ck_assert(!request.trace.has_parent);
    ck_assert_uint_eq(request.fault_status, 0);
}
END_TEST

START_TEST(the_answer_says_which_span_was_ours_when_somebody_may_look_for_it)
{
    READ("REQUEST_URI=/");
    http_response_begin(&response, &request);
    ck_assert_str_eq(response.extra, "");
    ids.sampling = trace_sampling_of(1000000, false);
    READ("REQUEST_URI=/");
    http_response_begin(&response, &request);
    char text[TRACE_PARENT_TEXT + 1];
    trace_context_text(&request.trace, text);
    ck_assert_int_eq(strncmp(response.extra, "traceparent: 00-", 16), 0);
    ck_assert_int_eq(strncmp(response.extra + 13, text, TRACE_PARENT_TEXT), 0);
    ck_assert_str_eq(response.extra + 13 + TRACE_PARENT_TEXT, "\r\n");
    ck_assert_str_eq(text + 52, "-03");
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
    memcpy(strstr(response.extra, "319c-") + 5, "0123456789abcdef", 16);
    ck_assert_str_eq(
        head(), "Status: 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 0\r\n"
                "X-Request-Id: r1\r\nRetry-After: 18446744073709551615\r\nAllow: GET, HEAD\r\n"
                "traceparent: 00-0af7651916cd43dd8448eb211c80319c-0123456789abcdef-00\r\n"
                "Server-Timing: queue;dur=0.1\r\nCache-Control: no-store\r\n"
                "X-Content-Type-Options: nosniff\r\n\r\n");
    ck_assert(response.head_only);
}
END_TEST

/* Never earlier than it must be, up to a fourth or a second later, and each of those within. */
START_TEST(who_is_refused_comes_back_at_a_time_of_his_own)
{
    static const struct {
        uint64_t seconds, most;
    } cases[] = {{1, 2}, {2, 3}, {4, 5}, {7, 8}, {8, 10}, {60, 75}, {UINT64_MAX, UINT64_MAX}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t seen = 0, all = cases[i].most - cases[i].seconds + 1;
        for (uint64_t lot = 0; lot < 100; lot++) {
            uint64_t after = http_spread(cases[i].seconds, lot);
            ck_assert_uint_ge(after, cases[i].seconds);
            ck_assert_uint_le(after, cases[i].most);
            seen |= UINT64_C(1) << (after - cases[i].seconds);
        }
        ck_assert_uint_eq(seen, (UINT64_C(1) << all) - 1);
    }
}
END_TEST

START_TEST(the_lot_of_a_request_says_when_it_may_come_back)
{
    uint64_t seen = 0;
    ids = (struct http_ids){.lots = 1}; /* what is drawn is the same in each run */
    for (int i = 0; i < 200; i++) {
        char line[64];
        READ("REQUEST_METHOD=GET", "REQUEST_URI=/", "HTTP_X_REQUEST_ID=r1");
        http_response_begin(&response, &request);
        problem_status(&response, 503, "x");
        response.retry_after = 40;
        snprintf(line, sizeof line, "\r\nRetry-After: %" PRIu64 "\r\n", http_spread(40, request.lot));
        ck_assert_ptr_nonnull(strstr(head(), line));
        seen |= UINT64_C(1) << (http_spread(40, request.lot) - 40);
    }
    ck_assert_uint_eq(seen, (UINT64_C(1) << 11) - 1);
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

/* What an answer may have at most. */
START_TEST(the_lines_of_an_answer_fit)
{
    READ("REQUEST_METHOD=POST", "REQUEST_URI=/",
         "HTTP_TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    http_response_begin(&response, &request);
    http_response_add_header(&response, "Age", "18446744073709551615");
    char name[HTTP_LIMIT_MAX + 1];
    memset(name, 'n', sizeof name);
    struct http_limit limit = {{name, HTTP_LIMIT_MAX}, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    http_response_add_limit(&response, &limit);
    char timing[160];
    memset(timing, 't', sizeof timing - 1);
    timing[sizeof timing - 1] = '\0';
    http_response_add_header(&response, "Server-Timing", timing);
    ck_assert_ptr_nonnull(strstr(response.extra, "Server-Timing: ttt"));
    ck_assert_ptr_nonnull(strstr(response.extra, "nnn\";q=18446744073709551615;w=18446744073709551615\r\n"
                                                 "RateLimit: \"nnn"));
    http_response_begin(&response, &request);
    limit.name.length++;
    http_response_add_limit(&response, &limit); /* no name of ours is so long */
    limit.name.length = 0;
    http_response_add_limit(&response, &limit);
    ck_assert_ptr_null(strstr(response.extra, "RateLimit"));
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

int main(void)
{
    const TTest *const tests[] = {a_request_is_made_of_parameters,
                                  what_is_not_said_has_a_default,
                                  the_first_of_two_headers_counts,
                                  methods_are_known_by_name,
                                  a_content_length_is_a_number_or_not_said,
                                  a_request_id_is_taken_only_when_it_is_harmless,
                                  made_ids_differ,
                                  who_is_refused_comes_back_at_a_time_of_his_own,
                                  the_lot_of_a_request_says_when_it_may_come_back,
                                  a_request_goes_on_with_the_one_trace_that_its_client_names,
                                  the_answer_says_which_span_was_ours_when_somebody_may_look_for_it,
                                  timing_is_a_preference,
                                  who_asks_is_known_by_the_key,
                                  a_path_is_decoded_once,
                                  a_path_that_could_mean_two_things_is_refused,
                                  a_path_has_a_bound,
                                  utf8_is_checked_by_the_table,
                                  a_head_is_complete,
                                  a_head_has_what_was_set,
                                  the_longest_head_fits,
                                  the_lines_of_an_answer_fit,
                                  a_response_begins_empty_again,
                                  statuses_have_reasons};
    return SUITE_RUN("http", set_up, tear_down, tests);
}
