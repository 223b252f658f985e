/* test_idempotency: which answers are kept, how many and how long, and who holds a name meanwhile.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "idempotency.h"
#include "suite.h"

#include <stdlib.h>

enum { KEYS = 8, MAX_BYTES = 65536, TTL_S = 10 };

static struct config config;
static struct metrics *metrics;
static struct idempotency *table;
static int64_t now;

static void set_up(void)
{
    config = (struct config){
        .idempotency_keys = KEYS, .idempotency_max_bytes = MAX_BYTES, .idempotency_ttl_s = TTL_S};
    metrics = metrics_new(NULL);
    table = idempotency_new(&config, metrics);
    now = 1000 * SECOND;
}

static void tear_down(void)
{
    idempotency_free(table);
    metrics_free(metrics);
}

/* What a request of that name asks; the bytes are good until the next call. */
static struct text once(uint64_t name, char asked)
{
    static char bytes[PROTOCOL_ONCE_BYTES];
    memset(bytes, 0, sizeof bytes);
    memset(bytes + sizeof bytes / 2, asked, sizeof bytes / 2);
    memcpy(bytes, &name, sizeof name);
    return (struct text){bytes, sizeof bytes};
}

static struct idempotency_entry *look(uint64_t name)
{
    return idempotency_find(table, once(name, 'q'), now);
}

static struct idempotency_answer success(const char *payload)
{
    return (struct idempotency_answer){.version = text_of("2"),
                                       .tag = text_of("tag"),
                                       .payload = {.bytes = text_of(payload)},
                                       .computed_at = 999 * SECOND};
}

static void keep_of(uint64_t tenant, uint64_t name, const char *payload)
{
    struct request request = {0};
    struct idempotency_answer answer = success(payload);
    idempotency_run(table, once(name, 'q'), tenant, &request);
    idempotency_keep(&request, &answer, now);
    ck_assert_ptr_null(request.once);
}

static void keep(uint64_t name, const char *payload)
{
    keep_of(0, name, payload);
}

static bool is_kept(uint64_t name)
{
    const struct idempotency_entry *entry = look(name);
    return entry != NULL && idempotency_runner(entry) == NULL;
}

static uint64_t measure(enum metric metric)
{
    return metrics_series(metrics, metric, NULL, NULL, NULL)->value;
}

START_TEST(a_name_is_held_until_its_answer_is_kept)
{
    struct request request = {0};
    ck_assert_ptr_null(look(1));
    idempotency_run(table, once(1, 'q'), 0, &request);
    ck_assert_ptr_eq(idempotency_runner(look(1)), &request);
    ck_assert_uint_eq(idempotency_running(table), 1);
    ck_assert_ptr_null(look(2));
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_KEYS), 0);
    struct idempotency_answer answer = success("tensors");
    idempotency_keep(&request, &answer, now);
    ck_assert_uint_eq(idempotency_running(table), 0);
    now += 3 * SECOND;
    answer = idempotency_answer(look(1));
    ck_assert_int_eq(answer.computed_at, 999 * SECOND);
    ck_assert_int_eq(answer.failure, FAILURE_NONE);
    ck_assert(text_is(answer.version, "2") && text_is(answer.tag, "tag"));
    ck_assert(text_is(payload_bytes(&answer.payload), "tensors"));
    ck_assert_uint_eq(answer.message.length, 0);
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_KEYS), 1);
    ck_assert_uint_gt(measure(METRIC_IDEMPOTENCY_BYTES), 100);
}
END_TEST

START_TEST(a_failure_is_kept_with_its_message)
{
    struct request request = {0};
    const struct idempotency_answer refused = {
        .failure = FAILURE_INVALID, .tag = text_of("r1"), .message = text_of("three columns")};
    idempotency_run(table, once(1, 'q'), 0, &request);
    idempotency_keep(&request, &refused, now);
    struct idempotency_answer answer = idempotency_answer(look(1));
    ck_assert_int_eq(answer.failure, FAILURE_INVALID);
    ck_assert(text_is(answer.message, "three columns") && text_is(answer.tag, "r1"));
    ck_assert(answer.version.length == 0 && payload_bytes(&answer.payload).length == 0);
}
END_TEST

START_TEST(an_answer_may_be_there_at_once)
{
    struct idempotency_answer answer = success("tensors");
    idempotency_keep_at_once(table, once(1, 'q'), 0, &answer, now);
    ck_assert(is_kept(1));
}
END_TEST

/* All 32 bytes of both halves count. */
START_TEST(another_name_and_another_question_are_told_apart)
{
    keep(1, "a");
    for (size_t i = 0; i < PROTOCOL_ONCE_BYTES; i++) {
        char bytes[PROTOCOL_ONCE_BYTES];
        memcpy(bytes, once(1, 'q').at, sizeof bytes);
        ck_assert(idempotency_asks(look(1), (struct text){bytes, sizeof bytes}));
        bytes[i] ^= 1;
        struct text changed = {bytes, sizeof bytes};
        bool names = i < PROTOCOL_ONCE_BYTES / 2;
        ck_assert((idempotency_find(table, changed, now) == NULL) == names);
        ck_assert(idempotency_asks(look(1), changed) == names);
    }
}
END_TEST

START_TEST(a_name_is_free_when_its_request_ends_without_an_answer)
{
    struct request request = {0}, next = {0};
    idempotency_run(table, once(1, 'q'), 0, &request);
    idempotency_leave(&request);
    ck_assert_ptr_null(request.once);
    ck_assert_ptr_null(look(1));
    idempotency_leave(&request); /* it holds none: nothing happens */
    struct idempotency_answer answer = success("a");
    idempotency_keep(&request, &answer, now);
    ck_assert_ptr_null(look(1));
    idempotency_run(table, once(1, 'x'), 0, &next);
    ck_assert_ptr_eq(idempotency_runner(look(1)), &next);
}
END_TEST

START_TEST(requests_that_change_places_change_names)
{
    struct request left = {0}, right = {0}, bare = {0};
    idempotency_run(table, once(1, 'q'), 0, &left);
    idempotency_run(table, once(2, 'q'), 0, &right);
    idempotency_swap(&left, &right);
    ck_assert_ptr_eq(idempotency_runner(look(1)), &right);
    ck_assert_ptr_eq(idempotency_runner(look(2)), &left);
    idempotency_swap(&right, &bare);
    ck_assert_ptr_eq(idempotency_runner(look(1)), &bare);
    ck_assert_ptr_null(right.once);
    idempotency_leave(&right);
    ck_assert_ptr_nonnull(look(1));
    idempotency_leave(&bare);
    ck_assert_ptr_null(look(1));
    ck_assert_ptr_nonnull(look(2));
}
END_TEST

START_TEST(the_oldest_makes_room_when_there_are_too_many)
{
    for (uint64_t name = 0; name < KEYS; name++)
        keep(name, "a");
    ck_assert(is_kept(0)); /* to be looked at makes none younger */
    struct request running = {0};
    idempotency_run(table, once(100, 'q'), 0, &running); /* counts towards no bound */
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_EVICTIONS), 0);
    for (uint64_t name = KEYS; name < KEYS + 3; name++) {
        keep(name, "a");
        for (uint64_t old = 0; old <= name; old++)
            ck_assert(is_kept(old) == (old > name - KEYS));
    }
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_EVICTIONS), 3);
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_KEYS), KEYS);
    ck_assert_ptr_eq(idempotency_runner(look(100)), &running);
}
END_TEST

START_TEST(bytes_are_bounded_too)
{
    static char payload[MAX_BYTES + 1];
    memset(payload, 'a', MAX_BYTES / 3);
    for (uint64_t name = 0; name < 4; name++)
        keep(name, payload);
    ck_assert(!is_kept(0) && !is_kept(1) && is_kept(2) && is_kept(3));
    ck_assert_uint_le(measure(METRIC_IDEMPOTENCY_BYTES), MAX_BYTES);
    memset(payload, 'a', MAX_BYTES);
    keep(9, payload); /* larger than all together: nobody makes room for it */
    ck_assert_ptr_null(look(9));
    ck_assert(is_kept(2) && is_kept(3));
}
END_TEST

/* ---- many tenants ---- */

enum { QUIET = 7, NOISY = 8 };

/* A text of so many bytes, good until the next call. */
static const char *of_bytes(size_t length)
{
    static char text[2 * MAX_BYTES];
    memset(text, 'a', length);
    text[length] = '\0';
    return text;
}

START_TEST(who_sends_many_keys_evicts_nobody_elses)
{
    for (uint64_t name = 0; name < KEYS / 2; name++)
        keep_of(QUIET, name, "a");
    for (uint64_t name = 100; name < 1100; name++)
        keep_of(NOISY, name, "a");
    for (uint64_t name = 0; name < KEYS / 2; name++)
        ck_assert(is_kept(name));
    for (uint64_t name = 100; name < 1100; name++)
        ck_assert(is_kept(name) == (name >= 1100 - KEYS / 2)); /* his own oldest went */
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_EVICTIONS), 1000 - KEYS / 2);
}
END_TEST

START_TEST(who_sends_large_answers_evicts_nobody_elses)
{
    keep_of(QUIET, 1, of_bytes(MAX_BYTES / 4));
    keep_of(QUIET, 2, of_bytes(MAX_BYTES / 8));
    for (size_t bytes = 1; bytes < MAX_BYTES; bytes += MAX_BYTES / 50)
        keep_of(NOISY, 100 + bytes,
                of_bytes(bytes)); /* up to one that there is only room for without the others */
    ck_assert(is_kept(1) && is_kept(2));
    keep_of(NOISY, 3, of_bytes(MAX_BYTES / 2));
    ck_assert(is_kept(1) && is_kept(2) && is_kept(3));
    ck_assert_uint_le(measure(METRIC_IDEMPOTENCY_BYTES), MAX_BYTES);
}
END_TEST

START_TEST(what_nobody_else_wants_is_anyones_until_somebody_does)
{
    for (uint64_t name = 0; name < KEYS; name++)
        keep_of(NOISY, name, "a");
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_EVICTIONS), 0);
    for (uint64_t name = 100; name < 100 + KEYS / 2; name++)
        keep_of(QUIET, name, "a");
    for (uint64_t name = 0; name < KEYS; name++)
        ck_assert(is_kept(name) == (name >= KEYS / 2) && is_kept(100 + name / 2));
}
END_TEST

START_TEST(where_all_hold_as_much_the_oldest_goes)
{
    for (uint64_t tenant = 0; tenant < 10 * KEYS; tenant++) {
        keep_of(tenant, tenant, "a");
        for (uint64_t name = 0; name <= tenant; name++)
            ck_assert(is_kept(name) == (tenant - name < KEYS));
    }
}
END_TEST

START_TEST(a_tenant_whose_answers_are_over_holds_nothing)
{
    for (uint64_t name = 0; name < KEYS; name++)
        keep_of(name % 2 == 0 ? QUIET : NOISY, name, "a");
    now += TTL_S * SECOND;
    idempotency_expire(table, now);
    for (uint64_t name = 100; name < 100 + KEYS; name++)
        keep_of(QUIET, name, "a");
    for (uint64_t name = 100; name < 100 + KEYS; name++)
        ck_assert(is_kept(name));
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_EVICTIONS), 0);
}
END_TEST

/* What is kept, in the order in which it came. */
struct listed {
    uint64_t tenant, name, bytes;
};

/* Who gives up something now: who holds the most of what there is too much of, and has the oldest of all who
 * hold as much; returns the place of that. `count`: of all. */
static size_t giver(const struct listed *list, size_t count, bool by_bytes)
{
    size_t first = 0;
    uint64_t most = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t held = 0;
        bool oldest = true;
        for (size_t j = 0; j < count; j++) {
            held += list[j].tenant != list[i].tenant ? 0 : by_bytes ? list[j].bytes : 1;
            oldest = oldest && (j >= i || list[j].tenant != list[i].tenant);
        }
        if (oldest && held > most) {
            first = i;
            most = held;
        }
    }
    return first;
}

/* What keeping an answer of so many bytes costs, as a table tells that has no other. */
static uint64_t cost_of(size_t bytes, struct idempotency *other, struct metrics *others)
{
    struct idempotency_answer answer = success(of_bytes(bytes));
    idempotency_keep_at_once(other, once(1, 'q'), 0, &answer, now);
    uint64_t cost = metrics_series(others, METRIC_IDEMPOTENCY_BYTES, NULL, NULL, NULL)->value;
    idempotency_expire(other, now + TTL_S * SECOND);
    return cost;
}

static uint64_t sum(const struct listed *list, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += list[i].bytes;
    return bytes;
}

START_TEST(random_tenants_keep_what_a_plain_rule_says)
{
    enum { TENANTS = 5, EVENTS = 5000 };
    struct metrics *others = metrics_new(NULL);
    struct idempotency *other = idempotency_new(&config, others);
    struct listed list[KEYS + 1];
    size_t count = 0, evictions = 0, by_bytes = 0;
    uint64_t dice = 1;
    for (uint64_t name = 1; name <= EVENTS; name++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        struct listed new = {.tenant = (dice >> 40) % TENANTS, .name = name};
        size_t bytes = (dice >> 33) % 5 == 0 ? (dice >> 20) % (MAX_BYTES / 2) : (dice >> 20) % 1000;
        keep_of(new.tenant, name, of_bytes(bytes));
        new.bytes = cost_of(bytes, other, others);
        list[count++] = new;
        while (count > KEYS || sum(list, count) > MAX_BYTES) {
            by_bytes += count <= KEYS;
            size_t at = giver(list, count, count <= KEYS);
            memmove(&list[at], &list[at + 1], (--count - at) * sizeof *list);
            evictions++;
        }
        ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_EVICTIONS), evictions);
        ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_BYTES), sum(list, count));
        ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_KEYS), count);
        for (size_t i = 0; i < count; i++)
            ck_assert(is_kept(list[i].name));
    }
    idempotency_free(other);
    metrics_free(others);
    ck_assert_uint_gt(by_bytes, EVENTS / 50);
    ck_assert_uint_gt(evictions - by_bytes, EVENTS / 50);
}
END_TEST

START_TEST(an_answer_has_its_time)
{
    keep(1, "a");
    now += TTL_S * SECOND / 2;
    keep(2, "b");
    now += TTL_S * SECOND / 2 - 1;
    idempotency_expire(table, now);
    ck_assert(is_kept(1) && is_kept(2));
    now++;
    ck_assert(!is_kept(1) && is_kept(2));
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_KEYS), 1);
    now += TTL_S * SECOND / 2;
    idempotency_expire(table, now);
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_KEYS), 0);
    ck_assert_uint_eq(measure(METRIC_IDEMPOTENCY_BYTES), 0);
    struct request request = {0};
    idempotency_run(table, once(3, 'q'), 0, &request);
    now += 2 * TTL_S * SECOND;
    idempotency_expire(table, now);
    ck_assert_ptr_eq(idempotency_runner(look(3)), &request); /* what runs has no end of its own */
}
END_TEST

START_TEST(none_are_kept_when_there_may_be_none)
{
    ck_assert(idempotency_is_on(table));
    config.idempotency_keys = 0;
    struct idempotency *off = idempotency_new(&config, metrics);
    ck_assert(!idempotency_is_on(off));
    idempotency_expire(off, now);
    idempotency_free(off);
    idempotency_free(NULL);
}
END_TEST

/* Names of which each is free, held or kept by a plain rule. */
START_TEST(random_events_leave_what_a_list_says)
{
    enum { NAMES = 12, EVENTS = 20000 };
    static struct request requests[NAMES];
    int64_t kept_at[NAMES] = {0}; /* 0: not kept; else its turn */
    uint64_t dice = 1;
    int64_t turn = 0;
    for (int i = 0; i < EVENTS; i++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        size_t name = (size_t)(dice >> 33) % NAMES;
        struct request *request = &requests[name];
        if (request->once == NULL && kept_at[name] == 0) {
            idempotency_run(table, once(name, 'q'), 0, request);
        } else if (request->once != NULL && dice >> 63 != 0) {
            idempotency_leave(request);
        } else if (request->once != NULL) {
            struct idempotency_answer answer = success("a");
            idempotency_keep(request, &answer, now);
            kept_at[name] = ++turn;
        }
        size_t oldest = 0, count = 0;
        for (size_t j = 0; j < NAMES; j++) {
            count += kept_at[j] != 0;
            if (kept_at[j] != 0 && (kept_at[oldest] == 0 || kept_at[j] < kept_at[oldest]))
                oldest = j;
        }
        if (count > KEYS)
            kept_at[oldest] = 0;
        for (size_t j = 0; j < NAMES; j++) {
            const struct idempotency_entry *entry = look(j);
            ck_assert((entry != NULL) == (kept_at[j] != 0 || requests[j].once != NULL));
            ck_assert(entry == NULL || idempotency_runner(entry) == (kept_at[j] != 0 ? NULL : &requests[j]));
        }
    }
    ck_assert_int_gt(turn, EVENTS / 20);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_name_is_held_until_its_answer_is_kept,
                                  a_failure_is_kept_with_its_message,
                                  an_answer_may_be_there_at_once,
                                  another_name_and_another_question_are_told_apart,
                                  a_name_is_free_when_its_request_ends_without_an_answer,
                                  requests_that_change_places_change_names,
                                  the_oldest_makes_room_when_there_are_too_many,
                                  bytes_are_bounded_too,
                                  who_sends_many_keys_evicts_nobody_elses,
                                  who_sends_large_answers_evicts_nobody_elses,
                                  what_nobody_else_wants_is_anyones_until_somebody_does,
                                  where_all_hold_as_much_the_oldest_goes,
                                  a_tenant_whose_answers_are_over_holds_nothing,
                                  random_tenants_keep_what_a_plain_rule_says,
                                  an_answer_has_its_time,
                                  none_are_kept_when_there_may_be_none,
                                  random_events_leave_what_a_list_says};
    return SUITE_RUN("idempotency", set_up, tear_down, tests);
}
