/* test_cache: what is kept, for whom and how long; and who waits for whom. SPDX-License-Identifier: MIT */
#include "cache_scene.h"

#include <stdio.h>

static struct version first_version = {"1"}, second_version = {"2"};

/* The answer that is kept, "" for none; freed by the next call. */
static const char *kept(struct version *version, const char *question)
{
    static char text[20000];
    struct payload payload;
    int64_t age = -1;
    struct cache_entry *entry = look(version, question);
    if (entry == NULL || !cache_answer(entry, now, &payload, &age))
        return "";
    ck_assert(age >= 0 && age < TTL);
    text_copy(payload_bytes(&payload), text, sizeof text);
    payload_close(&payload);
    return text;
}

/* ---- answers ---- */

START_TEST(a_question_is_answered_again)
{
    ck_assert_str_eq(kept(&first_version, "q"), "");
    keep(&first_version, "q", "a");
    now += 3 * SECOND;
    struct payload payload;
    int64_t age;
    ck_assert(cache_answer(look(&first_version, "q"), now, &payload, &age));
    ck_assert_int_eq(age, 3 * SECOND);
    ck_assert(text_is(payload_bytes(&payload), "a"));
    payload_close(&payload);
    ck_assert_str_eq(kept(&first_version, "q"), "a"); /* what was given did not take it away */
    ck_assert_str_eq(kept(&first_version, "Q"), "");
    ck_assert_str_eq(kept(&first_version, ""), "");
    ck_assert_uint_eq(counter(METRIC_CACHE_HITS), 2);
    ck_assert_uint_eq(counter(METRIC_CACHE_MISSES), 3);
    ck_assert_uint_eq(counter(METRIC_CACHE_BYTES), cache_bytes(cache));
}
END_TEST

START_TEST(the_least_and_the_large_are_kept_as_well)
{
    static char question[15001], text[15001];
    memset(question, 'q', sizeof question - 1);
    memset(text, 'a', sizeof text - 1);
    keep(&first_version, question, text); /* by reference */
    keep(&first_version, "", "");
    ck_assert_str_eq(kept(&first_version, question), text);
    ck_assert_ptr_nonnull(look(&first_version, ""));
    question[15000 / 2] = 'x';
    ck_assert_ptr_null(look(&first_version, question));
}
END_TEST

START_TEST(versions_share_nothing)
{
    keep(&first_version, "q", "one");
    ck_assert_str_eq(kept(&second_version, "q"), "");
    keep(&second_version, "q", "two");
    ck_assert_str_eq(kept(&first_version, "q"), "one");
    ck_assert_str_eq(kept(&second_version, "q"), "two");
    struct version namesake = {"1"}; /* went and came back */
    ck_assert_str_eq(kept(&namesake, "q"), "");
}
END_TEST

static bool same(struct cache_key left, struct cache_key right)
{
    return left.high == right.high && left.low == right.low;
}

START_TEST(a_key_is_made_of_model_version_and_payload)
{
    struct cache *other = cache_new("m1", metrics);
    struct cache_key key = cache_key(cache, "1", text_of("23"));
    ck_assert(same(key, cache_key(cache, "1", text_of("23"))));
    ck_assert(!same(key, cache_key(cache, "12", text_of("3"))));
    ck_assert(!same(key, cache_key(cache, "1", text_of("24"))));
    ck_assert(!same(key, cache_key(cache, "1", (struct text){"23", 3})));
    ck_assert(!same(key, cache_key(other, "", text_of("23"))));
    cache_free(other);
}
END_TEST

START_TEST(a_key_that_two_questions_have_never_gives_one_the_answer_of_the_other)
{
    struct cache_key key = cache_key(cache, "1", text_of("mine"));
    struct request request, other;
    lead(&request, &first_version, "mine");
    ck_assert_ptr_nonnull(cache_find(cache, &key, &first_version, text_of("mine"), now));
    ck_assert_ptr_null(cache_find(cache, &key, &first_version, text_of("ours"), now));
    other = (struct request){.version = &first_version, .payload = payload_of(text_of("ours"))};
    cache_lead(cache, &key, &other);
    ck_assert_ptr_null(other.entry); /* it is computed by itself, and not kept */
    answer(&request, "M");
    ck_assert_ptr_null(cache_find(cache, &key, &first_version, text_of("ours"), now));
    ck_assert_ptr_null(cache_find(cache, &key, &second_version, text_of("mine"), now));
    cache_lead(cache, &key, &other);
    ck_assert_ptr_null(other.entry);
    answer(&other, "O");
    ck_assert_str_eq(kept(&first_version, "mine"), "M");
}
END_TEST

/* ---- how long, and how much ---- */

START_TEST(an_answer_is_too_old_after_its_time)
{
    keep(&first_version, "q", "a");
    now += TTL - 1;
    ck_assert_str_eq(kept(&first_version, "q"), "a");
    now += 1;
    ck_assert_str_eq(kept(&first_version, "q"), "");
    ck_assert_uint_eq(cache_bytes(cache), 0);
    keep(&first_version, "q", "b");
    ck_assert_str_eq(kept(&first_version, "q"), "b");
    ck_assert_uint_eq(counter(METRIC_CACHE_EVICTIONS), 0);
}
END_TEST

START_TEST(what_nobody_asks_for_goes_by_itself)
{
    char question[16];
    cache_set_rule(cache, TTL, 10 * MAX_BYTES);
    for (int i = 0; i < 300; i++) {
        snprintf(question, sizeof question, "%d", i);
        keep(&first_version, question, "a");
    }
    now += TTL / 2;
    keep(&first_version, "later", "a");
    now += TTL / 2 - 1;
    uint64_t all = cache_bytes(cache);
    ck_assert_str_eq(kept(&first_version, "7"), "a");
    cache_expire(cache, now);
    ck_assert_uint_eq(cache_bytes(cache), all);
    now += 1;
    cache_expire(cache, now);
    ck_assert_uint_gt(cache_bytes(cache), 0);
    ck_assert_uint_lt(cache_bytes(cache), all / 100);
    ck_assert_str_eq(kept(&first_version, "7"),
                     ""); /* also that one, which stood before one that is younger */
    ck_assert_str_eq(kept(&first_version, "later"), "a");
    now += TTL;
    cache_expire(cache, now);
    ck_assert_uint_eq(cache_bytes(cache), 0);
    cache_expire(cache, now);
    cache_expire(NULL, now);
}
END_TEST

START_TEST(ageing_takes_its_time)
{
    char question[16];
    cache_set_rule(cache, TTL, 100 * MAX_BYTES);
    for (int i = 0; i < 2500; i++) {
        snprintf(question, sizeof question, "%04d", i);
        keep(&first_version, question, "a");
    }
    uint64_t one = cache_bytes(cache) / 2500;
    now += TTL;
    cache_expire(cache, now);
    ck_assert_uint_eq(cache_bytes(cache) / one, 1500);
    cache_expire(cache, now);
    cache_expire(cache, now);
    ck_assert_uint_eq(cache_bytes(cache), 0);
}
END_TEST

START_TEST(the_one_unused_longest_makes_room)
{
    keep(&first_version, "1", "a");
    uint64_t one = cache_bytes(cache);
    ck_assert_uint_gt(one, 2); /* more than its bytes */
    cache_set_rule(cache, TTL, 3 * one);
    ck_assert_uint_eq(cache_bytes(cache), 0);
    keep(&first_version, "1", "a");
    keep(&first_version, "2", "b");
    keep(&first_version, "3", "c");
    ck_assert_uint_eq(cache_bytes(cache), 3 * one);
    ck_assert_str_eq(kept(&first_version, "1"), "a");
    keep(&first_version, "4", "d");
    ck_assert_str_eq(kept(&first_version, "2"), "");
    ck_assert_str_eq(kept(&first_version, "3"), "c");
    ck_assert_uint_eq(counter(METRIC_CACHE_EVICTIONS), 1);
    keep(&first_version, "5", "two letters more than it has room for");
    ck_assert_uint_eq(counter(METRIC_CACHE_EVICTIONS), 3);
    ck_assert_str_eq(kept(&first_version, "3"), "c");
    ck_assert_uint_le(cache_bytes(cache), 3 * one);
    ck_assert_uint_eq(counter(METRIC_CACHE_BYTES), cache_bytes(cache));
}
END_TEST

START_TEST(what_is_larger_than_the_whole_takes_nobodys_place)
{
    static char large[MAX_BYTES + 1];
    memset(large, 'x', MAX_BYTES);
    keep(&first_version, "q", "a");
    keep(&first_version, "large", large);
    keep(&first_version, large, "a");
    ck_assert_str_eq(kept(&first_version, "large"), "");
    ck_assert_str_eq(kept(&first_version, "q"), "a");
    ck_assert_uint_eq(counter(METRIC_CACHE_EVICTIONS), 0);
}
END_TEST

/* ---- in flight ---- */

START_TEST(those_who_ask_the_same_follow_in_their_order)
{
    struct request leader, followers[3] = {{.deadline.at = 5}, {.deadline.at = 9}, {.deadline.at = 7}};
    lead(&leader, &first_version, "q");
    leader.deadline.at = 6;
    ck_assert_int_eq(cache_deadline(&leader), 6);
    for (size_t i = 0; i < COUNT_OF(followers); i++) {
        struct cache_entry *entry = look(&first_version, "q");
        struct payload none;
        int64_t age;
        ck_assert(!cache_answer(entry, now, &none, &age));
        ck_assert_ptr_eq(cache_join(entry, &followers[i]), &leader);
        ck_assert_ptr_null(cache_follower(&followers[i]));
    }
    ck_assert_int_eq(cache_deadline(&leader), 9);
    ck_assert_int_eq(cache_deadline(&followers[0]), 5);
    ck_assert_ptr_eq(cache_follower(&leader), &followers[0]);
    cache_leave(&followers[1]);
    cache_leave(&followers[1]); /* has no part in it any more */
    cache_leave(&followers[0]);
    ck_assert_ptr_eq(cache_follower(&leader), &followers[2]);
    cache_leave(&followers[2]);
    ck_assert_ptr_null(cache_follower(&leader));
    answer(&leader, "a");
    ck_assert_str_eq(kept(&first_version, "q"), "a");
    ck_assert_uint_eq(counter(METRIC_CACHE_COALESCED), 3);
    ck_assert_uint_eq(counter(METRIC_CACHE_MISSES), 0);
}
END_TEST

START_TEST(a_leader_that_leaves_makes_place)
{
    struct request request, next;
    lead(&request, &first_version, "q");
    cache_leave(&request);
    payload_close(&request.payload);
    ck_assert_ptr_null(look(&first_version, "q"));
    lead(&next, &first_version, "q");
    ck_assert_ptr_nonnull(next.entry);
    answer(&next, "a");
    struct request outsider = {0};
    cache_leave(&outsider);
    cache_store(&outsider, NULL, now);
    ck_assert_ptr_null(cache_follower(&outsider));
}
END_TEST

/* ---- emptied ---- */

START_TEST(one_version_is_emptied_without_the_others)
{
    keep(&first_version, "q", "one");
    keep(&second_version, "q", "two");
    uint64_t both = cache_bytes(cache);
    cache_empty(cache, &first_version);
    ck_assert_uint_eq(cache_bytes(cache), both / 2);
    ck_assert_str_eq(kept(&first_version, "q"), "");
    ck_assert_str_eq(kept(&second_version, "q"), "two");
    cache_empty(cache, NULL);
    ck_assert_uint_eq(cache_bytes(cache), 0);
    ck_assert_uint_eq(counter(METRIC_CACHE_EVICTIONS), 0);
    cache_empty(NULL, NULL);
}
END_TEST

START_TEST(what_is_in_flight_when_it_is_emptied_is_for_those_who_asked_before)
{
    struct request before, after, follower = {0};
    lead(&before, &first_version, "q");
    cache_join(look(&first_version, "q"), &follower);
    cache_empty(cache, &first_version);
    ck_assert_ptr_null(look(&first_version, "q"));
    ck_assert_ptr_eq(cache_follower(&before), &follower);
    lead(&after, &first_version, "q");
    ck_assert_ptr_nonnull(after.entry);
    cache_leave(&follower);
    answer(&before, "old");
    ck_assert_str_eq(kept(&first_version, "q"), "");
    cache_empty(cache, &second_version); /* is none of its business */
    answer(&after, "new");
    ck_assert_str_eq(kept(&first_version, "q"), "new");
}
END_TEST

START_TEST(another_rule_begins_with_nothing)
{
    struct request request;
    ck_assert(cache_is_on(cache));
    ck_assert(!cache_is_on(NULL));
    keep(&first_version, "q", "a");
    lead(&request, &first_version, "r");
    cache_set_rule(cache, 0, MAX_BYTES);
    ck_assert(!cache_is_on(cache));
    ck_assert_uint_eq(cache_bytes(cache), 0);
    answer(&request, "b");
    ck_assert_uint_eq(cache_bytes(cache), 0);
    cache_set_rule(cache, 2 * TTL, MAX_BYTES);
    keep(&first_version, "q", "a");
    now += TTL + 1;
    ck_assert_ptr_nonnull(look(&first_version, "q"));
}
END_TEST

START_TEST(the_end_frees_what_is_in_flight_too)
{
    struct request requests[2];
    keep(&first_version, "kept", "a");
    lead(&requests[0], &first_version, "detached");
    cache_empty(cache, NULL);
    lead(&requests[1], &first_version, "in flight");
    cache_free(cache);
    cache_free(NULL);
    cache = NULL;
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        payload_close(&requests[i].payload);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_question_is_answered_again,
                                  the_least_and_the_large_are_kept_as_well,
                                  versions_share_nothing,
                                  a_key_is_made_of_model_version_and_payload,
                                  a_key_that_two_questions_have_never_gives_one_the_answer_of_the_other,
                                  an_answer_is_too_old_after_its_time,
                                  what_nobody_asks_for_goes_by_itself,
                                  ageing_takes_its_time,
                                  the_one_unused_longest_makes_room,
                                  what_is_larger_than_the_whole_takes_nobodys_place,
                                  those_who_ask_the_same_follow_in_their_order,
                                  a_leader_that_leaves_makes_place,
                                  one_version_is_emptied_without_the_others,
                                  what_is_in_flight_when_it_is_emptied_is_for_those_who_asked_before,
                                  another_rule_begins_with_nothing,
                                  the_end_frees_what_is_in_flight_too};
    return SUITE_RUN("cache", set_up, tear_down, tests);
}
