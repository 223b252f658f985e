/* test_limit_script: what a Redis is asked for limits, and that what it says is believed only as the script
 * says it. Whether it counts as limit.c does is test_broker_limits'. SPDX-License-Identifier: MIT */
#include "limit_script.h"

#include "clock.h"
#include "suite.h"

#include <hiredis/hiredis.h>

static const char sha[] = "0123456789012345678901234567890123456789";
static struct limit_list list;
static struct limit_words words;
static struct limit_answer said;

/* Three requests a second and two at once for a key, and a thousand rows for the model. */
static void set_up(void)
{
    struct limit_rule key = limit_rule(3, 0, 1), model = limit_rule(0, 1000, 1);
    list = (struct limit_list){0};
    limit_list_add(&list, LIMIT_OF_KEY, 0xabc, &key, 1);
    limit_list_add(&list, LIMIT_OF_MODEL, 7, &model, 10);
    ck_assert_uint_eq(list.count, 2);
}

static void expect_word(size_t index, const char *word)
{
    ck_assert_uint_lt(index, words.count);
    ck_assert_str_eq(words.at[index], word);
    ck_assert_uint_eq(words.lengths[index], strlen(word));
}

START_TEST(each_limit_has_a_key_and_five_numbers)
{
    limit_script_words(&words, &list, "outrigger", sha);
    ck_assert_uint_eq(words.count, 3 + 2 + 2 * LIMIT_SCRIPT_ARGUMENTS);
    expect_word(0, "EVALSHA");
    expect_word(1, sha);
    expect_word(2, "2");
    expect_word(3, "outrigger:key:0000000000000abc");
    expect_word(4, "outrigger:model_rows:0000000000000007");
    expect_word(5, "333333"); /* us that one of three a second costs, and a third of one, of 3000 */
    expect_word(6, "1000");
    expect_word(7, "3000");
    expect_word(10, "10000"); /* ten rows */
    expect_word(11, "0");
    expect_word(12, "1000000");
}
END_TEST

START_TEST(a_redis_that_forgot_the_script_gets_it_whole)
{
    limit_script_words(&words, &list, "outrigger", NULL);
    expect_word(0, "EVAL");
    expect_word(1, LIMIT_SCRIPT);
}
END_TEST

/* An array of so many integers is said. */
static bool say_as(int type, const long long *numbers, size_t count)
{
    redisReply elements[16] = {0}, *each[16];
    for (size_t i = 0; i < count; i++) {
        elements[i] = (redisReply){.type = type, .integer = numbers[i]};
        each[i] = &elements[i];
    }
    const redisReply reply = {.type = REDIS_REPLY_ARRAY, .elements = count, .element = each};
    return limit_script_read(&reply, &list, 100 * SECOND, &said);
}

#define SAY(...)                                                                                             \
    say_as(REDIS_REPLY_INTEGER, (const long long[]){__VA_ARGS__},                                            \
           sizeof((const long long[]){__VA_ARGS__}) / sizeof(long long))

START_TEST(what_is_let_through_tells_how_far_each_limit_is)
{
    ck_assert(SAY(0, 333333, 1000, 10000, 0));
    ck_assert_int_eq(said.verdict, LIMIT_GRANTED);
    ck_assert_str_eq(said.rest.name, "key"); /* the tighter one: two more */
    ck_assert_uint_eq(said.rest.left, 2);
}
END_TEST

START_TEST(what_is_refused_tells_by_which_and_how_long)
{
    ck_assert(SAY(2, 1500));
    ck_assert_int_eq(said.verdict, LIMIT_REFUSED);
    ck_assert_ptr_eq(said.refuses, &list.limits[1]);
    ck_assert_int_eq(said.wait, 1500 * MICROSECOND);
}
END_TEST

START_TEST(what_the_script_does_not_say_is_not_believed)
{
    static const redisReply error = {.type = REDIS_REPLY_ERROR}, empty = {.type = REDIS_REPLY_ARRAY};
    static const long long granted[] = {0, 333333, 1000, 10000, 0};
    ck_assert(!limit_script_read(NULL, &list, 0, &said));
    ck_assert(!limit_script_read(&error, &list, 0, &said));
    ck_assert(!limit_script_read(&empty, &list, 0, &said));
    ck_assert(!say_as(REDIS_REPLY_STRING, granted, COUNT_OF(granted)));
    for (size_t count = 0; count < COUNT_OF(granted); count++)
        ck_assert(!say_as(REDIS_REPLY_INTEGER, granted, count));
    ck_assert(!SAY(0, 333333, 1000, 10000, 0, 0));
    ck_assert(!SAY(3, 1500));                                        /* there are two */
    ck_assert(!SAY(-1, 1500));                                       /* or none */
    ck_assert(!SAY(1, -5));                                          /* a time that is past */
    ck_assert(!SAY(1, (long long)(LIMIT_SPAN_MAX_S + 1) * 1000000)); /* or further than any */
    ck_assert(!SAY(0, 333333, 3000, 10000, 0));                      /* more than a whole part */
    ck_assert(!SAY(0, (long long)(LIMIT_SPAN_MAX_S + 1) * 1000000, 0, 0, 0));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        each_limit_has_a_key_and_five_numbers, a_redis_that_forgot_the_script_gets_it_whole,
        what_is_let_through_tells_how_far_each_limit_is, what_is_refused_tells_by_which_and_how_long,
        what_the_script_does_not_say_is_not_believed};
    return SUITE_RUN("limit_script", set_up, NULL, tests);
}
