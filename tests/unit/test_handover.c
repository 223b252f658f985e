/* test_handover: what one broker leaves and the next takes: every answer as it was, nothing that is old,
 * broken or somebody else's. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "handover.h"
#include "scratch_directory.h"
#include "suite.h"

#include <fcntl.h>
#include <stdlib.h>

enum { KEYS = 100, TTL_S = 1000 };

static struct config config;
static struct metrics *metrics;
static struct idempotency *before, *after;
static int64_t now;
static char path[128];

static void set_up(void)
{
    scratch_make();
    snprintf(path, sizeof path, "%s", scratch_path("broker.handover"));
    config = (struct config){.idempotency_keys = KEYS,
                             .idempotency_max_bytes = 1 << 30,
                             .idempotency_ttl_s = TTL_S,
                             .runtime_directory = scratch_directory};
    metrics = metrics_new(NULL);
    before = idempotency_new(&config, metrics);
    after = idempotency_new(&config, metrics);
    now = 5000 * SECOND;
}

static void tear_down(void)
{
    idempotency_free(before);
    idempotency_free(after);
    metrics_free(metrics);
    scratch_remove();
}

static struct text once(uint64_t name)
{
    static char bytes[PROTOCOL_ONCE_BYTES];
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, &name, sizeof name);
    return (struct text){bytes, sizeof bytes};
}

static void keep(uint64_t name, const char *payload)
{
    const struct idempotency_answer answer = {.version = text_of("7"),
                                              .tag = text_of("request"),
                                              .payload = {.bytes = text_of(payload)},
                                              .computed_at = now - 3 * SECOND};
    idempotency_keep_at_once(before, once(name), 5, &answer, now);
}

static bool is_known(uint64_t name)
{
    return idempotency_find(after, once(name), now) != NULL;
}

static bool file_is_there(void)
{
    return access(path, F_OK) == 0;
}

START_TEST(every_answer_is_as_it_was)
{
    const struct idempotency_answer refused = {.failure = FAILURE_WORKER_DIED,
                                               .tag = text_of("t"),
                                               .message = text_of("it died"),
                                               .computed_at = now};
    keep(1, "tensors");
    keep(2, "");
    idempotency_keep_at_once(before, once(3), UINT64_MAX, &refused, now);
    now += 20 * SECOND;
    handover_leave(&config, before, now);
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0600);
    now += 2 * SECOND;
    handover_take(&config, after, now);
    ck_assert(!file_is_there());
    struct idempotency_answer answer = idempotency_answer(idempotency_find(after, once(1), now));
    ck_assert_int_eq(answer.failure, FAILURE_NONE);
    ck_assert(text_is(answer.version, "7") && text_is(answer.tag, "request"));
    ck_assert(text_is(payload_bytes(&answer.payload), "tensors"));
    ck_assert_int_eq(answer.computed_at, now - 25 * SECOND);
    ck_assert(idempotency_asks(idempotency_find(after, once(1), now), once(1)));
    answer = idempotency_answer(idempotency_find(after, once(2), now));
    ck_assert_uint_eq(payload_bytes(&answer.payload).length, 0);
    answer = idempotency_answer(idempotency_find(after, once(3), now));
    ck_assert_int_eq(answer.failure, FAILURE_WORKER_DIED);
    ck_assert(text_is(answer.message, "it died") && text_is(answer.tag, "t"));
}
END_TEST

static void count_tenant(void *self, const struct idempotency_kept *kept)
{
    int *counts = self;
    counts[kept->tenant == UINT64_MAX]++;
}

START_TEST(they_are_of_the_same_tenants_and_age_on)
{
    const struct idempotency_answer answer = {.version = text_of("1"), .computed_at = now};
    keep(1, "old");
    now += (TTL_S - 10) * SECOND;
    idempotency_keep_at_once(before, once(2), UINT64_MAX, &answer, now);
    handover_leave(&config, before, now);
    handover_take(&config, after, now);
    int counts[2] = {0};
    idempotency_each(after, UINT64_MAX, count_tenant, counts);
    ck_assert(counts[0] == 1 && counts[1] == 1);
    now += 9 * SECOND;
    ck_assert(is_known(1) && is_known(2));
    now += SECOND;
    ck_assert(!is_known(1) && is_known(2));
}
END_TEST

START_TEST(what_is_old_is_not_taken)
{
    keep(1, "a");
    handover_leave(&config, before, now);
    now += 60 * SECOND + 1;
    handover_take(&config, after, now);
    ck_assert(!is_known(1) && !file_is_there());
    handover_leave(&config, before, now);
    now -= 1; /* the host has been started again */
    handover_take(&config, after, now);
    ck_assert(!is_known(1) && !file_is_there());
    handover_take(&config, after, now); /* nothing is there */
    ck_assert(!is_known(1));
}
END_TEST

START_TEST(only_the_newest_go_when_there_are_too_many)
{
    enum { MEGABYTES = 10 };
    char *large = object_alloc(MEGABYTES * 1024 * 1024 + 1);
    memset(large, 'l', MEGABYTES * 1024 * 1024);
    for (uint64_t name = 0; name < 8; name++)
        keep(name, large);
    handover_leave(&config, before, now);
    handover_take(&config, after, now);
    for (uint64_t name = 0; name < 8; name++)
        ck_assert(is_known(name) == (name >= 2)); /* six of them are less than 64 MiB */
    free(large);
}
END_TEST

START_TEST(what_is_cut_is_taken_up_to_there)
{
    char bytes[2048];
    for (uint64_t name = 0; name < 4; name++)
        keep(name, "tensors");
    handover_leave(&config, before, now);
    int fd = open(path, O_RDONLY);
    ssize_t length = read(fd, bytes, sizeof bytes);
    close(fd);
    ck_assert(length > 0 && (size_t)length < sizeof bytes);
    size_t most = 0;
    for (size_t cut = 0; cut <= (size_t)length; cut++) {
        struct idempotency *table = idempotency_new(&config, metrics);
        char *exact = object_alloc(cut + 1); /* so that a sanitizer sees a byte too many */
        memcpy(exact, bytes, cut);
        size_t count = handover_read(table, (struct text){exact, cut}, now);
        ck_assert(count >= most && count <= most + 1);
        most = count;
        for (uint64_t name = 0; name < 4; name++)
            ck_assert((idempotency_find(table, once(name), now) != NULL) == (name < count));
        free(exact);
        idempotency_free(table);
    }
    ck_assert_uint_eq(most, 4);
}
END_TEST

START_TEST(what_is_none_of_ours_is_let_be)
{
    scratch_file("other", "text");
    ck_assert_int_eq(symlink(scratch_path("other"), path), 0);
    handover_take(&config, after, now);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    handover_take(&config, after, now); /* and does not wait for who writes into it */
    ck_assert(!file_is_there());
    scratch_file("broker.handover", "rubbish");
    handover_take(&config, after, now);
    ck_assert(!file_is_there());
    static char nowhere[] = "/nowhere";
    config.runtime_directory = nowhere;
    keep(1, "a");
    handover_leave(&config, before, now);
    handover_take(&config, after, now);
    ck_assert(!is_known(1));
}
END_TEST

START_TEST(nothing_is_left_or_taken_when_there_are_no_names)
{
    keep(1, "a");
    handover_leave(&config, before, now);
    config.idempotency_keys = 0;
    struct idempotency *off = idempotency_new(&config, metrics);
    handover_take(&config, off, now);
    ck_assert(!file_is_there());
    handover_leave(&config, off, now);
    ck_assert(!file_is_there());
    idempotency_free(off);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_answer_is_as_it_was,
                                  they_are_of_the_same_tenants_and_age_on,
                                  what_is_old_is_not_taken,
                                  only_the_newest_go_when_there_are_too_many,
                                  what_is_cut_is_taken_up_to_there,
                                  what_is_none_of_ours_is_let_be,
                                  nothing_is_left_or_taken_when_there_are_no_names};
    return SUITE_RUN("handover", set_up, tear_down, tests);
}
