/* test_limit: rate limits on a clock of the test's own: to the cell, in requests and rows, all or nothing,
 * each for itself, with a bound on who is remembered; and those that keys.json says. SPDX-License-Identifier:
 * MIT
 */
#include "api_key.h"
#include "clock.h"
#include "fnv.h"
#include "limit.h"
#include "limit_keys.h"
#include "repository.h"
#include "suite.h"

static struct config *config;
static struct metrics *metrics;
static struct limits *limits;
static int64_t now;

static void set_up(void)
{
    scratch_make();
    const char *const settings[] = {"limit.max_tracked=16", NULL};
    config = repository_config(settings);
    metrics = metrics_new(NULL);
    limits = limits_new(config, metrics);
    now = 12345678901;
}

static void tear_down(void)
{
    limits_free(limits);
    metrics_free(metrics);
    config_free(config);
    scratch_remove();
}

/* ---- one limit ---- */

static bool take(const struct limit_rate *rate, struct limit_state *state, uint64_t cells)
{
    limit_forgive(rate, state, now);
    if (limit_wait(rate, state, cells, now) > 0)
        return false;
    limit_count(rate, state, cells, now);
    return true;
}

/* Whoever asks all the time gets the burst and then exactly the rate, whatever fraction of a nanosecond a
 * cell takes: in any whole number of seconds burst + seconds x rate, and the next one a nanosecond before its
 * time is refused. Millions of steps: Check, which notes each assertion in a file, hears of those that fail
 * alone. */
START_TEST(a_burst_then_the_rate_to_the_cell)
{
    static const uint32_t rates[] = {1, 3, 7, 100, 999, 1000, 12345, 999983};
    static const uint32_t bursts[] = {1, 2, 50, 1000};
    for (size_t i = 0; i < COUNT_OF(rates); i++)
        for (size_t j = 0; j < COUNT_OF(bursts); j++) {
            struct limit_rate rate = limit_rate(rates[i], bursts[j]);
            struct limit_state state = {0};
            int64_t start = now;
            uint64_t taken = 0, seconds = rates[i] > 100000 ? 2 : 7;
            while (now <= start + (int64_t)seconds * SECOND) {
                while (take(&rate, &state, 1))
                    taken++;
                /* The k-th after the burst comes at the first nanosecond that is not before k / rate. */
                int64_t wait = limit_wait(&rate, &state, 1, now);
                uint64_t next = taken - bursts[j] + 1;
                int64_t due = start + (int64_t)((next * SECOND + rates[i] - 1) / rates[i]);
                if (now + wait != due)
                    ck_assert_int_eq(now + wait, due);
                now = due - 1;
                if (take(&rate, &state, 1))
                    ck_abort_msg("%u a second: one before its time", rates[i]);
                now = due;
            }
            ck_assert_uint_eq(taken, bursts[j] + seconds * rates[i]);
        }
}
END_TEST

START_TEST(rates_below_one_a_second_are_exact)
{
    struct limit_rate rate = limit_rate(0.3, 1); /* three in ten seconds */
    struct limit_state state = {0};
    int64_t start = now;
    for (int64_t k = 0; k < 3000; k++) {
        ck_assert(take(&rate, &state, 1));
        now = start + ((k + 1) * 10 * SECOND + 2) / 3 - 1;
        ck_assert_int_eq(limit_wait(&rate, &state, 1, now), 1);
        now++;
    }
}
END_TEST

START_TEST(rows_are_taken_together)
{
    struct limit_rate rate = limit_rate(1000, 1000);
    struct limit_state state = {0};
    ck_assert(take(&rate, &state, 700));
    ck_assert(!take(&rate, &state, 301));
    ck_assert_int_eq(limit_wait(&rate, &state, 301, now), MILLISECOND);
    ck_assert(take(&rate, &state, 300));
    now += 250 * MILLISECOND;
    ck_assert(!take(&rate, &state, 251));
    ck_assert(take(&rate, &state, 250));
    now += 3600 * SECOND; /* no more than the burst is ever saved */
    ck_assert(take(&rate, &state, 1000));
    ck_assert(!take(&rate, &state, 1));
}
END_TEST

START_TEST(what_came_in_any_case_is_paid_for)
{
    struct limit_rate rate = limit_rate(10, 10);
    struct limit_state state = {0};
    for (int i = 0; i < 15; i++)
        limit_count(&rate, &state, 1, now);
    ck_assert_int_eq(limit_wait(&rate, &state, 1, now), 600 * MILLISECOND);
    limit_forgive(&rate, &state, now); /* beyond the burst */
    ck_assert_int_eq(limit_wait(&rate, &state, 1, now), 100 * MILLISECOND);
}
END_TEST

/* What is left does come through, and not one more; when all is back, all does. */
START_TEST(what_is_left_is_left_to_the_cell)
{
    static const double rates[] = {0.001, 0.3, 1, 3, 7, 1000, 333333.333, LIMIT_RATE_MAX};
    static const uint64_t parts[] = {1, 3, 7, 50};
    for (size_t i = 0; i < COUNT_OF(rates) * COUNT_OF(parts); i++) {
        struct limit_rate rate = limit_rate(rates[i / COUNT_OF(parts)], 100);
        struct limit_state state = {0};
        ck_assert_uint_eq(limit_left(&rate, &state, now), 100);
        ck_assert_int_eq(limit_whole_at(&state, now), now);
        for (uint64_t used = 0; used < 300; used += parts[i % COUNT_OF(parts)]) {
            uint64_t left = limit_left(&rate, &state, now);
            ck_assert_int_gt(limit_wait(&rate, &state, left + 1, now), 0);
            ck_assert(left == 0 || limit_wait(&rate, &state, left, now) <= 0);
            int64_t whole = limit_whole_at(&state, now);
            ck_assert_uint_eq(limit_left(&rate, &state, whole), 100);
            ck_assert(whole == now || limit_left(&rate, &state, whole - 1) == 99);
            take(&rate, &state, parts[i % COUNT_OF(parts)]);
            now += 37;
        }
    }
    struct limit_rate rate = limit_rate(10, 10);
    ck_assert_uint_eq(limit_window_s(&rate), 1);
    rate = limit_rate(3, 10);
    ck_assert_uint_eq(limit_window_s(&rate), 4);
}
END_TEST

/* A key's limit may change while it is used: what it has used before weighs no more than a burst. */
START_TEST(a_rate_may_change)
{
    struct limit_rate slow = limit_rate(1, 60), fast = limit_rate(3000, 3);
    struct limit_state state = {0};
    for (int i = 0; i < 60; i++)
        ck_assert(take(&slow, &state, 1));
    ck_assert(!take(&fast, &state, 1));
    now += limit_wait(&fast, &state, 1, now);
    ck_assert(take(&fast, &state, 1));
    ck_assert_int_lt(limit_wait(&slow, &state, 1, now), SECOND);
}
END_TEST

START_TEST(rates_have_bounds)
{
    ck_assert_uint_eq(limit_rate(0, 100).per_1000s, 0);
    ck_assert_uint_eq(limit_rate(-5, 100).per_1000s, 0);
    ck_assert_uint_eq(limit_rate(0.0000001, 1).per_1000s, 1); /* is a limit all the same */
    ck_assert_uint_eq(limit_rate(0.5, 0.5).burst, 1);         /* so that anything comes through */
    struct limit_rate largest = limit_rate(1e300, 1e300), longest = limit_rate(0.001, 1e300);
    ck_assert_uint_eq(largest.per_1000s, UINT64_C(1000) * LIMIT_RATE_MAX);
    ck_assert_uint_eq(largest.burst, LIMIT_BURST_MAX);
    ck_assert_int_eq(longest.span, (int64_t)LIMIT_SPAN_MAX_S * SECOND);
    struct limit_state state = {0};
    ck_assert_int_le(limit_wait(&longest, &state, longest.burst, INT64_MAX / 4), 0);
}
END_TEST

/* ---- those of a request ---- */

static struct limit_rule key_rule, address_rule, model_rule;
static struct limit_rest rest; /* of the last that came through */

static const struct limit *ask_at(uint64_t key, uint64_t address, uint32_t rows, int64_t *wait)
{
    struct limit_list list = {.count = 0};
    limit_list_add(&list, LIMIT_OF_KEY, key, &key_rule, rows);
    limit_list_add(&list, LIMIT_OF_ADDRESS, address, &address_rule, rows);
    limit_list_add(&list, LIMIT_OF_MODEL, fnv_of(text_of("m")), &model_rule, rows);
    static struct limit refuses; /* the list is gone when this returns */
    const struct limit *limit = limits_take(limits, &list, now, wait, &rest);
    if (limit == NULL)
        return NULL;
    refuses = *limit;
    return &refuses;
}

static const char *ask(uint64_t key, uint64_t address, uint32_t rows)
{
    int64_t wait;
    const struct limit *limit = ask_at(key, address, rows, &wait);
    ck_assert((wait > 0) == (limit != NULL));
    return limit == NULL ? "" : limit_name(limit->of, limit->in);
}

START_TEST(keys_do_not_know_each_other)
{
    key_rule = limit_rule(5, 0, 1);
    for (int i = 0; i < 5; i++) {
        ck_assert_str_eq(ask(1, 0, 1), "");
        ck_assert_str_eq(ask(2, 0, 1), "");
    }
    ck_assert_str_eq(ask(1, 0, 1), "key");
    ck_assert_str_eq(ask(2, 0, 1), "key");
    ck_assert_str_eq(ask(0, 0, 1), ""); /* nobody known */
    now += SECOND / 5;
    ck_assert_str_eq(ask(1, 0, 1), "");
    ck_assert_str_eq(ask(1, 0, 1), "key");
    ck_assert_str_eq(ask(2, 0, 1), "");
}
END_TEST

START_TEST(who_is_refused_by_one_is_charged_by_none)
{
    key_rule = limit_rule(10, 100, 1);
    address_rule = limit_rule(4, 0, 1);
    model_rule = limit_rule(20, 30, 1);
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(ask(1, 7, 1), "");
    for (int i = 0; i < 1000; i++)
        ck_assert_str_eq(ask(1, 7, 1), "address");
    ck_assert_str_eq(ask(1, 8, 27), "model_rows"); /* 4 of 30 are used */
    ck_assert_str_eq(ask(1, 8, 26), "");
    now += SECOND;
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(ask(1, 9, 1), "");
    ck_assert_str_eq(ask(1, 10, 27), "");
    ck_assert_str_eq(ask(1, 10, 1), "model_rows");
    now += SECOND;
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(ask(2, 11, 1), "");
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(ask(2, 12, 1), "");
    for (int i = 0; i < 2; i++)
        ck_assert_str_eq(ask(2, 13, 1), "");
    ck_assert_str_eq(ask(2, 13, 1), "key");
}
END_TEST

/* Whoever waits as long as he is told is let through, however many limits are in his way. */
START_TEST(the_limit_that_takes_longest_is_told)
{
    key_rule = limit_rule(10, 0, 1);
    address_rule = limit_rule(1, 0, 1);
    model_rule = limit_rule(0, 2, 1);
    ck_assert_str_eq(ask(1, 1, 1), "");
    int64_t wait;
    ck_assert_str_eq(ask(1, 1, 2), "address"); /* and model_rows for half as long */
    ck_assert_ptr_nonnull(ask_at(1, 1, 2, &wait));
    ck_assert_int_eq(wait, SECOND);
    now += wait - 1;
    ck_assert_str_eq(ask(1, 1, 2), "address");
    now++;
    ck_assert_str_eq(ask(1, 1, 2), "");
}
END_TEST

START_TEST(the_tightest_limit_is_told_of_who_comes_through)
{
    key_rule = limit_rule(10, 100, 1);
    address_rule = limit_rule(5, 0, 1);
    ck_assert_str_eq(ask(1, 1, 5), "");
    ck_assert_str_eq(rest.name, "address"); /* four more, where the key lets 9 through, or 95 rows: 19 */
    ck_assert(rest.quota == 5 && rest.window_s == 1 && rest.left == 4 && rest.requests == 4);
    ck_assert_int_eq(rest.whole_at, now + SECOND / 5);
    ck_assert_str_eq(ask(1, 2, 50), "");
    ck_assert_str_eq(rest.name, "key_rows"); /* 45 rows: none of that size */
    ck_assert(rest.quota == 100 && rest.left == 45 && rest.requests == 0);
    ck_assert_int_eq(rest.whole_at, now + 55 * (SECOND / 100));
    ck_assert_str_eq(ask(1, 3, 1), "");
    ck_assert_str_eq(rest.name, "address");
    ck_assert_str_eq(ask(0, 0, 1), "");
    ck_assert_ptr_null(rest.name); /* nothing limits it */
}
END_TEST

START_TEST(what_can_never_come_in_is_known)
{
    struct limit_rule rule = limit_rule(10, 100, 2);
    struct limit_list list = {.count = 0};
    limit_list_add(&list, LIMIT_OF_KEY, 1, &rule, 200);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_ptr_null(limit_list_never(&list));
    list.count = 0;
    limit_list_add(&list, LIMIT_OF_KEY, 1, &rule, 201);
    ck_assert_ptr_eq(limit_list_never(&list), &list.limits[1]);
}
END_TEST

START_TEST(what_another_has_let_through_is_counted)
{
    key_rule = limit_rule(3, 0, 1);
    struct limit_list list = {.count = 0};
    limit_list_add(&list, LIMIT_OF_KEY, 1, &key_rule, 1);
    limits_count(limits, &list, now, &rest);
    limits_count(limits, &list, now, &rest);
    ck_assert_str_eq(rest.name, "key");
    ck_assert_uint_eq(rest.left, 1);
    ck_assert_str_eq(ask(1, 0, 1), "");
    ck_assert_str_eq(ask(1, 0, 1), "key");
}
END_TEST

/* ---- who is remembered ---- */

START_TEST(who_was_not_heard_for_longest_is_forgotten)
{
    address_rule = limit_rule(1, 0, 1);
    for (uint64_t address = 1; address <= 16; address++)
        ck_assert_str_eq(ask(0, address, 1), "");
    ck_assert_uint_eq(limits_tracked(limits, LIMIT_OF_ADDRESS), 16);
    for (uint64_t address = 1; address <= 16; address++)
        ck_assert_str_eq(ask(0, address, 1), "address");
    ck_assert_str_eq(ask(0, 1, 1), "address"); /* heard, though refused: 2 is the oldest now */
    ck_assert_str_eq(ask(0, 17, 1), "");
    ck_assert_uint_eq(limits_tracked(limits, LIMIT_OF_ADDRESS), 16);
    ck_assert_str_eq(ask(0, 1, 1), "address");
    ck_assert_str_eq(ask(0, 3, 1), "address");
    ck_assert_str_eq(ask(0, 2, 1), ""); /* it has its burst again */
    ck_assert_str_eq(ask(0, 4, 1), ""); /* which cost another its place */
    ck_assert_uint_eq(metrics_series(metrics, METRIC_LIMIT_FORGOTTEN, "address", NULL, NULL)->value, 3);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_LIMIT_TRACKED, "address", NULL, NULL)->value, 16);
}
END_TEST

/* A flood of addresses takes no place of a key's. */
START_TEST(tables_are_apart)
{
    key_rule = limit_rule(1, 0, 1);
    ck_assert_str_eq(ask(1, 0, 1), "");
    key_rule = (struct limit_rule){0};
    address_rule = limit_rule(1, 0, 1);
    for (uint64_t address = 1; address <= 10000; address++)
        ck_assert_str_eq(ask(0, address, 1), "");
    key_rule = limit_rule(1, 0, 1);
    ck_assert_str_eq(ask(1, 0, 1), "key");
    ck_assert_uint_eq(limits_tracked(limits, LIMIT_OF_KEY), 1);
}
END_TEST

/* Against a table that forgets nothing, by chance: the same answers, as long as no more are in use than there
 * are places. */
START_TEST(a_full_table_is_as_good_as_a_large_one)
{
    key_rule = limit_rule(7, 0, 1);
    struct limit_state large[16] = {0};
    uint64_t dice = 88172645463325252;
    for (int i = 0; i < 100000; i++) {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        size_t who = dice % 16;
        now += (int64_t)(dice >> 20 & 0xffffff);
        bool good = take(&key_rule.in[LIMIT_IN_REQUESTS], &large[who], 1);
        ck_assert_str_eq(ask(1000 + who, 0, 1), good ? "" : "key");
    }
}
END_TEST

/* ---- limits of keys ---- */

static struct limit_keys *keys;

/* What the tests say of one key; its name and all else are the same for each. */
static struct api_key key_of(const char *id, double requests_per_s, double rows_per_s, double burst)
{
    struct api_key key = {.name = "k",
                          .rights = RIGHT_PREDICT,
                          .created = 1,
                          .requests_per_s = requests_per_s,
                          .rows_per_s = rows_per_s,
                          .burst = burst};
    snprintf(key.id, sizeof key.id, "%s", id);
    return key;
}

static void write_keys(const struct api_key *list, size_t count)
{
    struct api_keys all = {0};
    for (size_t i = 0; i < count; i++)
        ck_assert(api_keys_add(&all, &list[i]));
    ck_assert_int_eq(api_keys_write(scratch_path("keys.json"), &all), 0);
    free(all.keys);
}

static const struct limit_rule *rule_of(const char *id)
{
    return limit_keys_find(keys, api_key_tenant(id));
}

START_TEST(keys_have_limits_of_their_own)
{
    const struct api_key list[] = {key_of("aaaaaaaaaaaa", 5, 50, 20), key_of("bbbbbbbbbbbb", 0, 0.5, 0),
                                   key_of("cccccccccccc", 0, 0, 0), key_of("dddddddddddd", 0, 0, 3)};
    keys = limit_keys_new(scratch_path("keys.json"));
    limit_keys_usual(keys, 10, 100, 2);
    ck_assert(!limit_keys_look(keys)); /* there is no file */
    write_keys(list, COUNT_OF(list));
    ck_assert(limit_keys_look(keys));
    ck_assert(!limit_keys_look(keys)); /* it has not changed */
    ck_assert_uint_eq(limit_keys_count(keys), 3);
    const struct limit_rule *a = rule_of(list[0].id), *b = rule_of(list[1].id), *d = rule_of(list[3].id);
    ck_assert_uint_eq(a->in[LIMIT_IN_REQUESTS].per_1000s, 5000);
    ck_assert_uint_eq(a->in[LIMIT_IN_REQUESTS].burst, 20);
    ck_assert_uint_eq(a->in[LIMIT_IN_ROWS].per_1000s, 50000);
    ck_assert_uint_eq(a->in[LIMIT_IN_ROWS].burst, 200); /* as long a time */
    ck_assert_uint_eq(b->in[LIMIT_IN_REQUESTS].per_1000s, 10000);
    ck_assert_uint_eq(b->in[LIMIT_IN_REQUESTS].burst, 20);
    ck_assert_uint_eq(b->in[LIMIT_IN_ROWS].per_1000s, 500);
    ck_assert_uint_eq(b->in[LIMIT_IN_ROWS].burst, 1);
    ck_assert_ptr_null(rule_of(list[2].id));
    ck_assert_uint_eq(d->in[LIMIT_IN_REQUESTS].burst, 3);
    limit_keys_free(keys);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_changes_nothing)
{
    static const char *const broken[] = {"", "{", "[]", "{\"keys\": 1}", "{\"keys\": [{\"id\": \"a\"}]"};
    const struct api_key one = key_of("aaaaaaaaaaaa", 5, 0, 0), other = key_of("bbbbbbbbbbbb", 0, 0, 0);
    keys = limit_keys_new(scratch_path("keys.json"));
    write_keys(&one, 1);
    ck_assert(limit_keys_look(keys));
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        ck_assert_int_eq(chmod(scratch_file("keys.json", broken[i]), 0600), 0);
        ck_assert(!limit_keys_look(keys));
        ck_assert_ptr_nonnull(rule_of(one.id));
    }
    write_keys(&one, 1);
    ck_assert_int_eq(chmod(scratch_path("keys.json"), 0644), 0); /* anybody may read it */
    ck_assert(!limit_keys_look(keys));
    ck_assert_ptr_nonnull(rule_of(one.id));
    ck_assert_int_eq(remove(scratch_path("keys.json")), 0);
    ck_assert(limit_keys_look(keys)); /* no keys are no limits */
    ck_assert_ptr_null(rule_of(one.id));
    write_keys(&other, 1);
    ck_assert(!limit_keys_look(keys)); /* nor has that one any */
    limit_keys_free(keys);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_burst_then_the_rate_to_the_cell,
                                  rates_below_one_a_second_are_exact,
                                  rows_are_taken_together,
                                  what_came_in_any_case_is_paid_for,
                                  a_rate_may_change,
                                  what_is_left_is_left_to_the_cell,
                                  rates_have_bounds,
                                  keys_do_not_know_each_other,
                                  who_is_refused_by_one_is_charged_by_none,
                                  the_limit_that_takes_longest_is_told,
                                  the_tightest_limit_is_told_of_who_comes_through,
                                  what_can_never_come_in_is_known,
                                  what_another_has_let_through_is_counted,
                                  who_was_not_heard_for_longest_is_forgotten,
                                  tables_are_apart,
                                  a_full_table_is_as_good_as_a_large_one,
                                  keys_have_limits_of_their_own,
                                  a_file_that_cannot_be_read_changes_nothing};
    return SUITE_RUN("limit", set_up, tear_down, tests);
}
