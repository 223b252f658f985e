/* test_token_cache: what is known of tokens, its end and its bounds. SPDX-License-Identifier: MIT */
#include "suite.h"
#include "token_cache.h"

static struct token_cache *cache;

static void set_up(void)
{
    cache = token_cache_new(3);
}

static void tear_down(void)
{
    token_cache_free(cache);
}

static uint8_t *digest_of(char letter)
{
    static uint8_t digest[TOKEN_DIGEST_BYTES];
    memset(digest, letter, sizeof digest);
    return digest;
}

static void put(char letter, int64_t until)
{
    struct token_known known = {.verdict = TOKEN_GOOD, .until = until, .generation = 7};
    snprintf(known.identity.name, sizeof known.identity.name, "%c", letter);
    token_cache_put(cache, digest_of(letter), &known);
}

static bool has(char letter, int64_t now)
{
    struct token_known known;
    if (!token_cache_get(cache, digest_of(letter), now, &known))
        return false;
    ck_assert_int_eq(known.identity.name[0], letter);
    ck_assert_uint_eq(known.generation, 7);
    return true;
}

START_TEST(what_was_put_is_there_until_its_end)
{
    ck_assert(!has('a', 0));
    put('a', 10);
    ck_assert(has('a', 9));
    ck_assert(!has('a', 10));
    ck_assert(!has('a', 9)); /* it is gone */
    put('a', 10);
    put('a', 20);
    ck_assert(has('a', 19));
}
END_TEST

START_TEST(the_one_that_was_not_asked_for_the_longest_goes)
{
    put('a', 10);
    put('b', 10);
    put('c', 10);
    ck_assert(has('a', 0));
    put('d', 10);
    ck_assert(has('a', 0) && !has('b', 0) && has('c', 0) && has('d', 0));
    put('c', 20); /* takes no other's place */
    ck_assert(has('a', 0) && has('c', 15) && has('d', 0));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_was_put_is_there_until_its_end,
                                  the_one_that_was_not_asked_for_the_longest_goes};
    return SUITE_RUN("token_cache", set_up, tear_down, tests);
}
