/* test_client_address: which addresses are one to limits, and that no two others are; and how a refusal by a
 * rate limit reads. SPDX-License-Identifier: MIT */
#include "client_address.h"
#include "problem.h"
#include "suite.h"

START_TEST(one_number_for_an_address_or_a_network)
{
    static const char *const same[][2] = {
        {"192.0.2.1", "::ffff:192.0.2.1"},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"},
    };
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        ck_assert_uint_ne(client_address_number(same[i][0]), 0);
        ck_assert_uint_eq(client_address_number(same[i][0]), client_address_number(same[i][1]));
    }
    static const char *const others[] = {
        "192.0.2.1", "192.0.2.2",       "0.0.0.0",         "0.0.0.1",
        "::1",       "2001:db8:1:2::1", "2001:db8:1:3::1", "255.255.255.255"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(client_address_number(others[i]), client_address_number(others[j]));
}
END_TEST

START_TEST(what_is_no_address_is_not_known)
{
    static const char *const none[] = {"",      "unix:",   "localhost", "192.0.2", "192.0.2.1:80",
                                       "[::1]", "1.2.3.4 "};
    for (size_t i = 0; i < COUNT_OF(none); i++)
        ck_assert_msg(client_address_number(none[i]) == 0, "%s", none[i]);
}
END_TEST

static struct http_request request;
static struct http_response response;

static void read_request(char *address)
{
    static struct http_ids ids;
    static char *parameters[] = {(char *)"REQUEST_METHOD=GET", (char *)"REQUEST_URI=/", NULL, NULL};
    parameters[2] = address;
    http_request_read(&request, parameters, &ids);
    ck_assert_uint_eq(client_address(&request),
                      address == NULL ? 0 : client_address_number(strchr(address, '=') + 1));
    http_response_begin(&response, &request);
}

START_TEST(the_web_server_says_the_address)
{
    read_request((char *)"REMOTE_ADDR=192.0.2.7");
    ck_assert_uint_ne(client_address(&request), 0);
    read_request(NULL);
    read_request((char *)"REMOTE_ADDR=");
}
END_TEST

START_TEST(a_refusal_has_its_headers)
{
    char head[HTTP_HEAD_MAX + 1];
    read_request((char *)"REMOTE_ADDR=192.0.2.7");
    problem_rate_limited(&response, text_of("the limit is 100"), 11001, text_of("key"), 100, 60);
    ck_assert_int_eq(response.status, 429);
    ck_assert_str_eq(response.kind, "rate_limited");
    ck_assert_ptr_nonnull(memmem(response.body.bytes, response.body.length, "the limit is 100", 16));
    head[http_response_head(&response, head)] = '\0';
    ck_assert_ptr_nonnull(strstr(head, "Status: 429 Too Many Requests\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nRetry-After: 12\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nRateLimit-Policy: \"key\";q=100;w=60\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nRateLimit: \"key\";r=0;t=12\r\n"));
    read_request(NULL);
    problem_rate_limited(&response, (struct text){0}, 1, text_of("address_rows"), UINT64_MAX, UINT64_MAX);
    head[http_response_head(&response, head)] = '\0';
    ck_assert_ptr_nonnull(strstr(head, "\r\nRetry-After: 1\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nRateLimit: \"address_rows\";r=0;t=1\r\n"));
    read_request(NULL);
    problem_rate_limited(&response, (struct text){0}, 0, (struct text){0}, 1, 1); /* of an older broker */
    head[http_response_head(&response, head)] = '\0';
    ck_assert_ptr_nonnull(strstr(head, "\r\nRetry-After: 1\r\n"));
    ck_assert_ptr_null(strstr(head, "RateLimit"));
    http_response_free(&response);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {one_number_for_an_address_or_a_network, what_is_no_address_is_not_known,
                                  the_web_server_says_the_address, a_refusal_has_its_headers};
    return SUITE_RUN("client_address", NULL, NULL, tests);
}
