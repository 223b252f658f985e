/* test_cache_events: a hundred thousand random events against a list that is too simple to be wrong.
 *
 * The list holds every question that is in flight or answered, the last used first. Each step is one event,
 * done to both; what they say must be the same at every step. SPDX-License-Identifier: MIT */
#include "cache_scene.h"

#include <stdio.h>
#include <stdlib.h>

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
    const TTest *const tests[] = {a_hundred_thousand_events_go_as_in_a_list};
    return SUITE_RUN("cache_events", set_up, tear_down, tests);
}
