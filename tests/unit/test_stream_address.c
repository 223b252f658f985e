/* test_stream_address: where a stream is, taken apart, and what is no address.
 * SPDX-License-Identifier: MIT */
#include "stream_address.h"
#include "suite.h"

static struct stream_address address, other;
static char reason[STREAM_ADDRESS_REASON_MAX];

static void set_up(void)
{
    address = other = (struct stream_address){0};
}

static void tear_down(void)
{
    stream_address_free(&other);
    stream_address_free(&address);
}

static void read_address(const char *text)
{
    stream_address_free(&address);
    ck_assert_msg(stream_address_read(text, NULL, &address, reason), "%s: %s", text, reason);
}

static void is(const char *scheme, const char *place, const char *name)
{
    ck_assert_str_eq(address.scheme, scheme);
    ck_assert_str_eq(address.place, place);
    ck_assert_str_eq(address.name, name);
}

START_TEST(it_is_scheme_place_and_name)
{
    read_address("kafka:10.0.0.1:9092,10.0.0.2:9092/customers");
    is("kafka", "10.0.0.1:9092,10.0.0.2:9092", "customers");
    read_address("redis://localhost:6379/a");
    is("redis", "localhost:6379", "a");
    read_address("redis:/run/redis/redis.sock/app:in");
    is("redis", "/run/redis/redis.sock", "app:in");
    read_address("redis:[::1]:6379/a%2Fb%3fc%25");
    is("redis", "[::1]:6379", "a/b?c%");
    ck_assert_uint_eq(address.option_count, 0);
}
END_TEST

START_TEST(options_stand_behind_a_question_mark)
{
    read_address("redis:h:1/in?group=g%201&consumer=a=b&start=");
    is("redis", "h:1", "in");
    ck_assert_uint_eq(address.option_count, 3);
    ck_assert_str_eq(stream_address_option(&address, "group", "x"), "g 1");
    ck_assert_str_eq(stream_address_option(&address, "consumer", "x"), "a=b");
    ck_assert_str_eq(stream_address_option(&address, "start", "x"), "");
    ck_assert_str_eq(stream_address_option(&address, "other", "x"), "x");
    ck_assert_ptr_null(stream_address_option(&address, "other", NULL));
    ck_assert_ptr_null(
        stream_address_unknown(&address, (const char *const[]){"start", "consumer", "group", NULL}));
    ck_assert_str_eq(stream_address_unknown(&address, (const char *const[]){"start", "group", NULL}),
                     "consumer");
}
END_TEST

START_TEST(a_number_has_bounds)
{
    static const char *const bad[] = {"6", "1", "-2", "2x", "", "99999999999999999999"};
    char text[64];
    read_address("redis:h:1/in?n=5");
    ck_assert_int_eq(stream_address_number(&address, "n", 3, 2, 5, reason), 5);
    ck_assert_int_eq(stream_address_number(&address, "m", 3, 4, 5, reason), 3);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(text, sizeof text, "redis:h:1/in?n=%s", bad[i]);
        read_address(text);
        ck_assert_int_eq(stream_address_number(&address, "n", 3, 2, 5, reason), -1);
        ck_assert_ptr_nonnull(strstr(reason, "n: expected a number, 2 to 5, got"));
    }
}
END_TEST

START_TEST(one_beside_another_is_a_name_alone)
{
    read_address("redis:h:1/in?group=g");
    ck_assert(stream_address_read("app:out?maxlen=5", &address, &other, reason));
    ck_assert_str_eq(other.scheme, "redis");
    ck_assert_str_eq(other.place, "h:1");
    ck_assert_str_eq(other.name, "app:out");
    ck_assert_str_eq(stream_address_option(&other, "maxlen", ""), "5");
    ck_assert_ptr_null(stream_address_option(&other, "group", NULL));
    stream_address_free(&other);
    ck_assert(stream_address_read("redis:h:1/out", &address, &other, reason));
    ck_assert_str_eq(other.name, "out");
    stream_address_free(&other);
    ck_assert(!stream_address_read("redis:h:2/out", &address, &other, reason));
    ck_assert_str_eq(reason, "expected the server of the source, h:1, got h:2");
}
END_TEST

START_TEST(what_is_none_is_refused_with_a_reason)
{
    static const char *const bad[][2] = {{"", "expected SCHEME:HOST:PORT/NAME"},
                                         {"redis", "expected SCHEME:HOST:PORT/NAME"},
                                         {"redis:h:1", "expected SCHEME:HOST:PORT/NAME"},
                                         {"redis:/in", "expected SCHEME:HOST:PORT/NAME"},
                                         {"redis:h/", "the name of a topic"},
                                         {"redis:h/a%zz", "the name of a topic"},
                                         {"redis:h/a%00", "the name of a topic"},
                                         {"redis:h/a%4", "the name of a topic"},
                                         {"redis:h/a?b", "expected OPTION=VALUE"},
                                         {"redis:h/a?=b", "expected OPTION=VALUE"},
                                         {"redis:h/a?b=%1", "expected OPTION=VALUE"},
                                         {"redis:h/a?b=1&b=2", "b is said twice"}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ck_assert_msg(!stream_address_read(bad[i][0], NULL, &other, reason), "%s", bad[i][0]);
        ck_assert_msg(strstr(reason, bad[i][1]) != NULL, "%s: %s", bad[i][0], reason);
        ck_assert_ptr_null(other.memory);
    }
    char many[256] = "redis:h/a?a=1";
    for (int c = 'b'; c <= 'q'; c++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "&%c=1", c);
    ck_assert(!stream_address_read(many, NULL, &other, reason));
    ck_assert_str_eq(reason, "more than 16 options");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {it_is_scheme_place_and_name, options_stand_behind_a_question_mark,
                                  a_number_has_bounds, one_beside_another_is_a_name_alone,
                                  what_is_none_is_refused_with_a_reason};
    return SUITE_RUN("stream_address", set_up, tear_down, tests);
}
