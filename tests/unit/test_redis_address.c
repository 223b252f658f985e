/* test_redis_address: where a Redis may be, and what is none. SPDX-License-Identifier: MIT */
#include "redis_address.h"
#include "suite.h"

static void expect(const char *text, struct redis_address expected)
{
    struct redis_address address;
    const char *complaint = redis_address_read(text, &address);
    ck_assert_msg(complaint == NULL, "%s: %s", text, complaint);
    ck_assert_str_eq(address.host, expected.host);
    ck_assert_str_eq(address.path, expected.path);
    ck_assert_str_eq(address.user, expected.user);
    ck_assert_int_eq(address.port, expected.port);
    ck_assert_int_eq(address.database, expected.database);
}

START_TEST(addresses_are_read)
{
    expect("redis://10.0.0.7", (struct redis_address){.host = "10.0.0.7", .port = 6379});
    expect("redis://10.0.0.7:7000/3",
           (struct redis_address){.host = "10.0.0.7", .port = 7000, .database = 3});
    expect("redis://me@[::1]:1/", (struct redis_address){.host = "::1", .port = 1, .user = "me"});
    expect("redis://[fe80::2]/1", (struct redis_address){.host = "fe80::2", .port = 6379, .database = 1});
    expect("redis://localhost", (struct redis_address){.host = "127.0.0.1", .port = 6379});
    expect("unix:///run/redis.sock", (struct redis_address){.path = "/run/redis.sock", .port = 6379});
    expect("/run/redis.sock", (struct redis_address){.path = "/run/redis.sock", .port = 6379});
}
END_TEST

START_TEST(what_is_none_is_said)
{
    static const char *const none[] = {"",
                                       "redis",
                                       "redis://",
                                       "rediss://10.0.0.7",
                                       "redis://redis.example",
                                       "redis://10.0.0.7:",
                                       "redis://10.0.0.7:0",
                                       "redis://10.0.0.7:65536",
                                       "redis://10.0.0.7:6379x",
                                       "redis://10.0.0.7/x",
                                       "redis://10.0.0.7/-1",
                                       "redis://10.0.0.7/99999999999",
                                       "redis://::1",
                                       "redis://[::1",
                                       "redis://[::1]x",
                                       "redis://[::1]x:1",
                                       "redis://[10.0.0.7]",
                                       "redis://@10.0.0.7",
                                       "redis://me:secret@10.0.0.7",
                                       "unix://",
                                       "unix://run/redis.sock"};
    struct redis_address address;
    for (size_t i = 0; i < COUNT_OF(none); i++)
        ck_assert_msg(redis_address_read(none[i], &address) != NULL, "%s", none[i]);
    char path[200] = "/";
    memset(path + 1, 'a', 107);
    ck_assert_ptr_nonnull(redis_address_read(path, &address));
    path[107] = '\0';
    ck_assert_ptr_null(redis_address_read(path, &address));
    char user[200] = "redis://";
    memset(user + 8, 'u', 64);
    strcpy(user + 72, "@10.0.0.7");
    ck_assert_ptr_nonnull(redis_address_read(user, &address));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {addresses_are_read, what_is_none_is_said};
    return SUITE_RUN("redis_address", NULL, NULL, tests);
}
