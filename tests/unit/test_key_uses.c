/* test_key_uses: when keys were last used: how old what is told may be, that it outlasts its writers, in how
 * much memory, and that several processes and threads write to one table. SPDX-License-Identifier: MIT */
#include "api_key.h"
#include "key_uses.h"
#include "scratch_directory.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

enum { NOW = 1000000 };

static struct key_uses *uses;
static char path[128];

static void set_up(void)
{
    scratch_make();
    snprintf(path, sizeof path, "%s/key_uses.table", scratch_directory);
    uses = key_uses_open(path);
    ck_assert_ptr_nonnull(uses);
}

static void tear_down(void)
{
    key_uses_free(uses);
    scratch_remove();
}

/* What the file says. */
static int64_t told(uint64_t tenant)
{
    struct key_uses *read = key_uses_read(path);
    ck_assert_ptr_nonnull(read);
    int64_t second = key_uses_last(read, tenant);
    key_uses_free(read);
    return second;
}

START_TEST(the_last_use_is_told_at_most_a_minute_late)
{
    ck_assert_int_eq(told(7), 0);
    for (int64_t second = NOW; second < NOW + 1000; second += 7) {
        key_uses_note(uses, 7, second);
        ck_assert_int_le(told(7), second);
        ck_assert_int_gt(told(7), second - KEY_USES_EVERY_S);
    }
    key_uses_note(uses, 8, NOW);
    ck_assert_int_eq(told(8), NOW);
    key_uses_note(uses, 8, NOW + KEY_USES_EVERY_S - 1);
    ck_assert_int_eq(told(8), NOW);
    key_uses_note(uses, 8, NOW + KEY_USES_EVERY_S);
    ck_assert_int_eq(told(8), NOW + KEY_USES_EVERY_S);
    ck_assert_int_eq(told(9), 0);
}
END_TEST

START_TEST(a_clock_that_was_ahead_is_forgotten)
{
    key_uses_note(uses, 7, NOW + 1000000);
    key_uses_note(uses, 7, NOW);
    ck_assert_int_eq(told(7), NOW);
    key_uses_note(uses, 7, NOW - 1); /* of another thread that looked at the clock a little before */
    ck_assert_int_eq(told(7), NOW);
}
END_TEST

START_TEST(it_outlasts_who_wrote_it)
{
    key_uses_note(uses, 7, NOW);
    key_uses_free(uses);
    uses = key_uses_open(path);
    ck_assert_int_eq(key_uses_last(uses, 7), NOW);
    struct key_uses *other = key_uses_open(path);
    key_uses_note(other, 8, NOW + 1);
    ck_assert_int_eq(key_uses_last(uses, 8), NOW + 1);
    key_uses_free(other);
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
}
END_TEST

/* Keys that come and go are no more than the table has room for, and those that are used stay. */
START_TEST(the_table_is_bounded_and_who_is_used_stays)
{
    static char ids[API_KEYS_MAX][API_KEY_ID + 1];
    for (size_t i = 0; i < API_KEYS_MAX; i++) {
        snprintf(ids[i], sizeof ids[i], "%012zu", i);
        key_uses_note(uses, api_key_tenant(ids[i]), NOW + (int64_t)i);
    }
    struct stat before, after;
    ck_assert_int_eq(stat(path, &before), 0);
    for (size_t i = 0; i < 100000; i++) { /* which were revoked before */
        char id[API_KEY_ID + 1];
        snprintf(id, sizeof id, "x%011zu", i);
        key_uses_note(uses, api_key_tenant(id), NOW - 1000);
    }
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_int_eq(before.st_size, after.st_size);
    size_t kept = 0;
    for (size_t i = 0; i < API_KEYS_MAX; i++)
        kept += key_uses_last(uses, api_key_tenant(ids[i])) == NOW + (int64_t)i;
    ck_assert_uint_eq(kept, API_KEYS_MAX);
}
END_TEST

START_TEST(what_is_no_table_says_nothing)
{
    char other[160];
    snprintf(other, sizeof other, "%s/none/table", scratch_directory);
    ck_assert_ptr_null(key_uses_read(other));
    ck_assert_ptr_null(key_uses_open(other));
    ck_assert_int_eq(errno, ENOENT);
    scratch_file("short", "x");
    ck_assert_ptr_null(key_uses_read(scratch_path("short")));
    ck_assert_int_eq(symlink(path, scratch_path("link")), 0);
    ck_assert_ptr_null(key_uses_read(scratch_path("link")));
    ck_assert_ptr_null(key_uses_open(scratch_path("link")));
}
END_TEST

static void *note_many(void *self)
{
    for (int64_t round = 0; round < 200; round++)
        for (uint64_t tenant = 1; tenant <= 64; tenant++)
            key_uses_note(uses, tenant, NOW + round);
    return self;
}

START_TEST(threads_write_to_one_table)
{
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, note_many, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    for (uint64_t tenant = 1; tenant <= 64; tenant++) {
        ck_assert_int_gt(told(tenant), NOW + 199 - KEY_USES_EVERY_S);
        ck_assert_int_le(told(tenant), NOW + 199);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_last_use_is_told_at_most_a_minute_late,
                                  a_clock_that_was_ahead_is_forgotten,
                                  it_outlasts_who_wrote_it,
                                  the_table_is_bounded_and_who_is_used_stays,
                                  what_is_no_table_says_nothing,
                                  threads_write_to_one_table};
    return SUITE_RUN("key_uses", set_up, tear_down, tests);
}
