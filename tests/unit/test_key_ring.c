/* test_key_ring: the keys of this moment: which are good and why others are not, and how a change of the file
 * comes in, while others ask. SPDX-License-Identifier: MIT */
#include "api_key.h"
#include "clock.h"
#include "key_ring.h"
#include "log.h"
#include "scratch_directory.h"

#include <pthread.h>

enum { NOW = 1000000 };

static char path[128];
static struct api_keys keys;
static struct sha256 *sha256;
static struct key_ring *ring;
static struct identity identity;

static void set_up(void)
{
    log_open("test_key_ring", "error");
    scratch_make();
    sha256 = sha256_new();
    snprintf(path, sizeof path, "%s/keys.json", scratch_directory);
}

static void tear_down(void)
{
    key_ring_free(ring);
    free(keys.keys);
    sha256_free(sha256);
    scratch_remove();
}

/* Adds a key like `pattern`, whose text goes to `text`. */
static void add(struct api_key pattern, char text[API_KEY_LENGTH + 1])
{
    api_key_make(NULL, text);
    memcpy(pattern.id, text + 4, API_KEY_ID);
    sha256_of(sha256, text_of(text), pattern.digest);
    pattern.created = 1;
    ck_assert(api_keys_add(&keys, &pattern));
}

static void write_keys(void)
{
    ck_assert_int_eq(api_keys_write(path, &keys), 0);
}

static const char *open_at(const char *text, int64_t second)
{
    identity = (struct identity){.kind = IDENTITY_NOBODY};
    return key_ring_open(ring, text_of(text), second, &identity);
}

static void expect_good(const char *text)
{
    const char *why = open_at(text, NOW);
    ck_assert_msg(why == NULL, "%s", why);
}

static void expect_refused(const char *text, int64_t second, const char *expected)
{
    const char *why = open_at(text, second);
    ck_assert_msg(why != NULL && strstr(why, expected) != NULL, "%s instead of %s",
                  why == NULL ? "good" : why, expected);
    ck_assert(identity.kind == IDENTITY_NOBODY && identity.rights == 0 && *identity.name == '\0');
}

START_TEST(what_is_opened_is_noted_and_nothing_else)
{
    char good[API_KEY_LENGTH + 1], expired[API_KEY_LENGTH + 1], table[160];
    add((struct api_key){.name = "good", .rights = RIGHT_PREDICT}, good);
    add((struct api_key){.name = "expired", .rights = RIGHT_PREDICT, .expires = NOW}, expired);
    write_keys();
    snprintf(table, sizeof table, "%s/key_uses.table", scratch_directory);
    struct key_uses *uses = key_uses_open(table);
    ck_assert_ptr_nonnull(uses);
    ring = key_ring_new(path, uses, NULL, NULL);
    expect_good(good);
    ck_assert_int_eq(key_uses_last(uses, identity.tenant), NOW);
    expect_refused(expired, NOW, "expired");
    char id[API_KEY_ID + 1];
    text_copy((struct text){expired + 4, API_KEY_ID}, id, sizeof id);
    ck_assert_int_eq(key_uses_last(uses, api_key_tenant(id)), 0);
    key_ring_free(ring);
    ring = NULL;
    key_uses_free(uses);
}
END_TEST

START_TEST(a_good_key_says_whose_it_is)
{
    char text[API_KEY_LENGTH + 1], other[API_KEY_LENGTH + 1], id[API_KEY_ID + 1];
    add((struct api_key){.name = "billing",
                         .rights = RIGHT_PREDICT | RIGHT_METRICS,
                         .models = "a b-*",
                         .expires = NOW + 1},
        text);
    add((struct api_key){.name = "other", .rights = RIGHT_ADMIN}, other);
    write_keys();
    ring = key_ring_new(path, NULL, NULL, NULL);
    expect_good(other);
    ck_assert_str_eq(identity.name, "other");
    expect_good(text);
    ck_assert(identity.kind == IDENTITY_KEY && identity.rights == (RIGHT_PREDICT | RIGHT_METRICS));
    ck_assert_str_eq(identity.name, "billing");
    ck_assert_str_eq(identity.models, "a b-*");
    ck_assert_int_eq(identity.expires_at, NOW + 1);
    ck_assert_uint_eq(identity.tenant,
                      api_key_tenant(text_copy((struct text){text + 4, API_KEY_ID}, id, sizeof id)));
}
END_TEST

START_TEST(others_are_refused_for_a_reason)
{
    char text[API_KEY_LENGTH + 1], unknown[API_KEY_LENGTH + 1], stolen[API_KEY_LENGTH + 1];
    char id[API_KEY_ID + 1];
    add((struct api_key){.name = "a", .rights = RIGHT_PREDICT, .expires = NOW + 1}, text);
    write_keys();
    ring = key_ring_new(path, NULL, NULL, NULL);
    api_key_make(NULL, unknown);
    api_key_make(text_copy((struct text){text + 4, API_KEY_ID}, id, sizeof id), stolen);
    expect_refused(unknown, NOW, "no key has this id");
    expect_refused(stolen, NOW, "not that of this id");
    expect_refused(text, NOW + 1, "has expired");
    expect_refused("ork_", NOW, "its form");
    text[30] = text[30] == 'a' ? 'b' : 'a';
    expect_refused(text, NOW, "its checksum");
}
END_TEST

START_TEST(a_rotated_key_is_good_for_its_grace)
{
    char old[API_KEY_LENGTH + 1], text[API_KEY_LENGTH + 1], id[API_KEY_ID + 1];
    add((struct api_key){.name = "a", .rights = RIGHT_PREDICT}, old);
    struct api_key *key = &keys.keys[0];
    api_key_make(text_copy((struct text){old + 4, API_KEY_ID}, id, sizeof id), text);
    memcpy(key->previous, key->digest, sizeof key->previous);
    key->previous_until = NOW + 10;
    sha256_of(sha256, text_of(text), key->digest);
    write_keys();
    ring = key_ring_new(path, NULL, NULL, NULL);
    expect_good(text);
    uint64_t tenant = identity.tenant;
    expect_good(old);
    ck_assert_uint_eq(identity.tenant, tenant); /* the same limits, and the same version of a route */
    expect_refused(old, NOW + 10, "was rotated");
    ck_assert_ptr_null(open_at(text, NOW + 10));
}
END_TEST

/* No digest is all zeros; but one that is not said is. */
START_TEST(nothing_in_the_place_of_a_digest_is_no_key)
{
    char text[API_KEY_LENGTH + 1];
    add((struct api_key){.name = "a", .rights = RIGHT_PREDICT}, text);
    memset(keys.keys[0].digest, 0, SHA256_BYTES);
    write_keys();
    ring = key_ring_new(path, NULL, NULL, NULL);
    expect_refused(text, NOW, "not that of this id");
}
END_TEST

START_TEST(a_change_of_the_file_comes_in)
{
    char one[API_KEY_LENGTH + 1], two[API_KEY_LENGTH + 1];
    ring = key_ring_new(path, NULL, NULL, NULL); /* there is none yet */
    api_key_make(NULL, one);
    expect_refused(one, NOW, "no key has this id");
    add((struct api_key){.name = "a", .rights = RIGHT_PREDICT}, one);
    write_keys();
    key_ring_look(ring);
    expect_good(one);
    add((struct api_key){.name = "b", .rights = RIGHT_PREDICT}, two);
    api_keys_remove(&keys,
                    api_keys_find(&keys, (char[]){one[4], one[5], one[6], one[7], one[8], one[9], one[10],
                                                  one[11], one[12], one[13], one[14], one[15], '\0'}));
    write_keys();
    key_ring_look(ring);
    expect_refused(one, NOW, "no key has this id");
    expect_good(two);
    ck_assert_int_eq(unlink(path), 0);
    key_ring_look(ring);
    expect_refused(two, NOW, "no key has this id");
}
END_TEST

START_TEST(a_file_that_is_wrong_changes_nothing)
{
    char text[API_KEY_LENGTH + 1];
    add((struct api_key){.name = "a", .rights = RIGHT_PREDICT}, text);
    write_keys();
    ring = key_ring_new(path, NULL, NULL, NULL);
    ck_assert_int_eq(chmod(path, 0644), 0);
    key_ring_look(ring);
    expect_good(text);
    scratch_file("keys.json", "{");
    ck_assert_int_eq(chmod(path, 0600), 0);
    key_ring_look(ring);
    expect_good(text);
}
END_TEST

static void stop(void *self)
{
    loop_stop(self);
}

/* Whatever the machine is at: the look comes before the second is over, in the order of the loop's time. */
START_TEST(the_loop_looks_within_a_second)
{
    char text[API_KEY_LENGTH + 1];
    struct loop *loop = loop_new();
    struct loop_timer second = {0};
    struct metrics *metrics = metrics_new(NULL);
    ring = key_ring_new(path, NULL, loop, metrics);
    add((struct api_key){.name = "a", .rights = RIGHT_PREDICT}, text);
    write_keys();
    loop_timer_set(loop, &second, loop_now(loop) + SECOND, stop, loop);
    loop_run(loop);
    expect_good(text);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_API_KEYS, NULL, NULL, NULL)->value, 1);
    key_ring_free(ring);
    ring = NULL;
    loop_free(loop);
    metrics_free(metrics);
}
END_TEST

struct asker {
    const char *text;
    bool stop;
    unsigned long refused, asked;
};

static void *ask_on(void *self)
{
    struct asker *asker = self;
    struct identity mine;
    while (!__atomic_load_n(&asker->stop, __ATOMIC_RELAXED)) {
        asker->refused += key_ring_open(ring, text_of(asker->text), NOW, &mine) != NULL;
        __atomic_fetch_add(&asker->asked, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

START_TEST(threads_ask_while_keys_come_and_go)
{
    char text[API_KEY_LENGTH + 1], more[API_KEY_LENGTH + 1];
    struct asker askers[2] = {{.text = text}, {.text = text}};
    pthread_t threads[2];
    add((struct api_key){.name = "a", .rights = RIGHT_PREDICT}, text);
    write_keys();
    ring = key_ring_new(path, NULL, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_on, &askers[i]), 0);
    for (int i = 0; i < 30; i++) {
        add((struct api_key){.name = "b", .rights = RIGHT_PREDICT}, more);
        write_keys();
        key_ring_look(ring);
        expect_good(more);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        while (__atomic_load_n(&askers[i].asked, __ATOMIC_RELAXED) == 0)
            sched_yield();
        __atomic_store_n(&askers[i].stop, true, __ATOMIC_RELAXED);
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(askers[i].refused, 0);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_is_opened_is_noted_and_nothing_else,

                                  a_good_key_says_whose_it_is,
                                  others_are_refused_for_a_reason,
                                  a_rotated_key_is_good_for_its_grace,
                                  nothing_in_the_place_of_a_digest_is_no_key,
                                  a_change_of_the_file_comes_in,
                                  a_file_that_is_wrong_changes_nothing,
                                  the_loop_looks_within_a_second,
                                  threads_ask_while_keys_come_and_go};
    return SUITE_RUN("key_ring", set_up, tear_down, tests);
}
