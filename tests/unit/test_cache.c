/* test_cache: what is kept, for whom and how long; who waits for whom; and a hundred thousand random events
 * against a list that is too simple to be wrong. SPDX-License-Identifier: MIT */
#include "cache.h"
#include "clock.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define TTL (10 * SECOND)
enum { MAX_BYTES = 100000 };

/* The cache looks at versions as at addresses. */
struct version {
    const char *name;
};

static struct version first_version = {"1"}, second_version = {"2"};
static struct metrics *metrics;
static struct cache *cache;
static int64_t now;

static void set_up(void)
{
    metrics = metrics_new(NULL);
    cache = cache_new("m", metrics);
    cache_set_rule(cache, TTL, MAX_BYTES);
    now = 1000 * SECOND;
}

static void tear_down(void)
{
    cache_free(cache);
    metrics_free(metrics);
}

static uint64_t counter(enum metric metric)
{
    return metrics_series(metrics, metric, "m", NULL, NULL)->value;
}

static struct payload payload_of(struct text text)
{
    struct payload payload = payload_new(text.length);
    if (text.length > 0)
        memcpy((char *)payload_bytes(&payload).at, text.at, text.length);
    return payload;
}

/* ---- what an asker does ---- */

static struct cache_entry *look(struct version *version, const char *question)
{
    struct cache_key key = cache_key(cache, version->name, text_of(question));
    return cache_find(cache, &key, version, text_of(question), now);
}

/* A request that has become the leader of its question, unless that was taken. */
static void lead(struct request *request, struct version *version, const char *question)
{
    struct cache_key key = cache_key(cache, version->name, text_of(question));
    *request = (struct request){.version = version, .payload = payload_of(text_of(question))};
    cache_lead(cache, &key, request);
}

static void answer(struct request *request, const char *text)
{
    struct payload payload = payload_of(text_of(text));
    cache_store(request, &payload, now);
    payload_close(&payload);
    payload_close(&request->payload);
    ck_assert_ptr_null(request->entry);
}

static void keep(struct version *version, const char *question, const char *text)
{
    struct request request;
    lead(&request, version, question);
    ck_assert_ptr_nonnull(request.entry);
    answer(&request, text);
}

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

/* ---- against a list ----
 *
 * The list holds every question that is in flight or answered, the last used first. Each step is one event,
 * done to both; what they say must be the same at every step. */

enum {
    STEPS = 100000,
    QUESTIONS = 40,
    VERSIONS = 3,
    REQUESTS = 60,
    ANSWER_MAX = 600,
    LIST_MAX = 2 * REQUESTS
};

struct known {
    int question, version;
    bool in_flight, detached;
    int leader;
    int followers[REQUESTS], follower_count;
    int64_t answered_at;
    uint64_t bytes;
    char answer[ANSWER_MAX + 1];
};

static struct version versions[VERSIONS] = {{"1"}, {"2"}, {"3"}};
static struct request requests[REQUESTS];
static bool used[REQUESTS];
static struct known list[QUESTIONS * VERSIONS + LIST_MAX];
static int list_length;
static uint64_t overhead, limit;
static struct {
    uint64_t hits, misses, coalesced, evictions;
} expected;

static int any(int below)
{
    return (int)((unsigned)rand() % (unsigned)below);
}

/* Questions of very different lengths; the text is static. */
static const char *question_text(int question)
{
    static char text[2000];
    size_t length = (size_t)snprintf(text, sizeof text, "question %d ", question);
    size_t more = (size_t)question * (size_t)question;
    memset(text + length, 'q', more);
    text[length + more] = '\0';
    return text;
}

static void list_remove(int at)
{
    memmove(&list[at], &list[at + 1], (size_t)(list_length - at - 1) * sizeof list[0]);
    list_length--;
}

static void list_to_front(int at)
{
    struct known moved = list[at];
    memmove(&list[1], &list[0], (size_t)at * sizeof list[0]);
    list[0] = moved;
}

static uint64_t list_bytes(void)
{
    uint64_t bytes = 0;
    for (int i = 0; i < list_length; i++)
        bytes += list[i].in_flight ? 0 : list[i].bytes;
    return bytes;
}

static int list_find(int question, int version)
{
    for (int i = 0; i < list_length; i++)
        if (list[i].question == question && list[i].version == version && !list[i].detached)
            return i;
    return -1;
}

static int list_of_leader(int request)
{
    for (int i = 0; i < list_length; i++)
        if (list[i].in_flight && list[i].leader == request)
            return i;
    return -1;
}

/* The last in the list that is answered, or -1. */
static int list_oldest(void)
{
    int i = list_length - 1;
    while (i >= 0 && list[i].in_flight)
        i--;
    return i;
}

static int free_request(void)
{
    for (int i = 0; i < REQUESTS; i++)
        if (!used[i])
            return i;
    return -1;
}

static void finish(int request)
{
    payload_close(&requests[request].payload);
    used[request] = false;
}

/* ---- the events ---- */

static void check_hit(struct cache_entry *entry, int at)
{
    struct payload payload;
    int64_t age;
    ck_assert(cache_answer(entry, now, &payload, &age));
    ck_assert_int_eq(age, now - list[at].answered_at);
    ck_assert(text_is(payload_bytes(&payload), list[at].answer));
    payload_close(&payload);
    expected.hits++;
    list_to_front(at);
}

static void check_join(struct cache_entry *entry, int at, int request)
{
    used[request] = true;
    requests[request] = (struct request){.version = &versions[list[at].version]};
    ck_assert_ptr_eq(cache_join(entry, &requests[request]), &requests[list[at].leader]);
    list[at].followers[list[at].follower_count++] = request;
    expected.coalesced++;
}

static void check_lead(int question, int version, int request)
{
    used[request] = true;
    lead(&requests[request], &versions[version], question_text(question));
    ck_assert_ptr_nonnull(requests[request].entry);
    list[list_length++] =
        (struct known){.question = question, .version = version, .in_flight = true, .leader = request};
    list_to_front(list_length - 1);
}

static void event_ask(void)
{
    int question = any(QUESTIONS), version = any(VERSIONS), request = free_request();
    if (request < 0)
        return;
    int at = list_find(question, version);
    if (at >= 0 && !list[at].in_flight && now - list[at].answered_at >= TTL) {
        list_remove(at);
        at = -1;
    }
    struct cache_entry *entry = look(&versions[version], question_text(question));
    ck_assert_int_eq(entry != NULL, at >= 0);
    expected.misses += at < 0;
    if (at < 0)
        check_lead(question, version, request);
    else if (list[at].in_flight)
        check_join(entry, at, request);
    else
        check_hit(entry, at);
}

/* What asking_reply does: the followers first, then the leader. */
static void event_answer(void)
{
    int at = list_of_leader(any(REQUESTS));
    if (at < 0)
        return;
    struct known *known = &list[at];
    struct request *leader = &requests[known->leader];
    for (int i = 0; i < known->follower_count; i++) {
        struct request *follower = cache_follower(leader);
        ck_assert_ptr_eq(follower, &requests[known->followers[i]]);
        cache_leave(follower);
        finish(known->followers[i]);
    }
    ck_assert_ptr_null(cache_follower(leader));
    int length = any(ANSWER_MAX);
    for (int i = 0; i < length; i++)
        known->answer[i] = (char)('a' + any(26));
    known->bytes = overhead + strlen(question_text(known->question)) + (uint64_t)length;
    answer(leader, known->answer);
    finish(known->leader);
    if (known->detached || known->bytes > limit) {
        list_remove(at);
        return;
    }
    for (; list_bytes() + list[at].bytes > limit; expected.evictions++) {
        int oldest = list_oldest();
        list_remove(oldest);
        at -= oldest < at;
    }
    list[at].in_flight = false;
    list[at].answered_at = now;
    list_to_front(at);
}

/* A follower ends by itself, or a leader that has none. */
static void event_leave(void)
{
    int at = list_of_leader(any(REQUESTS));
    if (at < 0)
        return;
    struct known *known = &list[at];
    if (known->follower_count == 0) {
        cache_leave(&requests[known->leader]);
        finish(known->leader);
        list_remove(at);
        return;
    }
    int which = any(known->follower_count), request = known->followers[which];
    cache_leave(&requests[request]);
    finish(request);
    for (int i = which; i + 1 < known->follower_count; i++)
        known->followers[i] = known->followers[i + 1];
    known->follower_count--;
}

static void event_empty(void)
{
    int version = any(VERSIONS + 1); /* one more: all of them */
    cache_empty(cache, version == VERSIONS ? NULL : &versions[version]);
    for (int i = list_length; i-- > 0;) {
        if (version != VERSIONS && list[i].version != version)
            continue;
        list[i].detached = true;
        if (!list[i].in_flight)
            list_remove(i);
    }
}

static void event_time(void)
{
    now += any((int)(TTL / MILLISECOND / 5)) * MILLISECOND;
    cache_expire(cache, now);
    int oldest;
    while ((oldest = list_oldest()) >= 0 && now - list[oldest].answered_at >= TTL)
        list_remove(oldest);
}

START_TEST(a_hundred_thousand_events_go_as_in_a_list)
{
    keep(&versions[0], "", "");
    overhead = cache_bytes(cache);
    limit = 30 * (overhead + 800);
    cache_set_rule(cache, TTL, limit);
    srand(20);
    for (int step = 0; step < STEPS; step++) {
        int event = any(1000);
        if (event < 550)
            event_ask();
        else if (event < 850)
            event_answer();
        else if (event < 950)
            event_leave();
        else if (event < 998)
            event_time();
        else
            event_empty();
        ck_assert_uint_eq(cache_bytes(cache), list_bytes());
        ck_assert_uint_le(cache_bytes(cache), limit);
        ck_assert_uint_eq(counter(METRIC_CACHE_BYTES), cache_bytes(cache));
    }
    ck_assert_uint_eq(counter(METRIC_CACHE_HITS), expected.hits);
    ck_assert_uint_eq(counter(METRIC_CACHE_MISSES), expected.misses);
    ck_assert_uint_eq(counter(METRIC_CACHE_COALESCED), expected.coalesced);
    ck_assert_uint_eq(counter(METRIC_CACHE_EVICTIONS), expected.evictions);
    /* that every kind of event came often */
    ck_assert(expected.hits > 1000 && expected.misses > 1000 && expected.coalesced > 1000 &&
              expected.evictions > 1000);
    for (int i = 0; i < REQUESTS; i++)
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
                                  the_end_frees_what_is_in_flight_too,
                                  a_hundred_thousand_events_go_as_in_a_list};
    return SUITE_RUN("cache", set_up, tear_down, tests);
}
