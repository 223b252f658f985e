/* test_dispatch: when a batch goes and how large it is, as a table of situations. SPDX-License-Identifier:
 * MIT */
#include "dispatch.h"
#include "suite.h"

static struct queue queue;
static struct request requests[8];

/* A queue with requests of these rows, the first of which arrived at time 1000 and the others at 1001, 1002,
 * ... */
static void fill(const uint32_t *rows)
{
    queue_free(&queue);
    queue = (struct queue){.max_rows = 1000000, .max_bytes = 1000000};
    for (size_t i = 0; rows[i] != 0; i++) {
        requests[i] = (struct request){
            .rows = rows[i], .arrived_at = 1000 + (int64_t)i, .priority = PROTOCOL_PRIORITY_ONLINE};
        queue_push(&queue, &requests[i]);
    }
}

static void tear_down(void)
{
    queue_free(&queue);
}

#define NEVER INT64_MAX

static const struct {
    const char *what;
    uint32_t rows[8]; /* of the requests that wait */
    bool alone;       /* the first must be alone */
    struct dispatch_rule rule;
    size_t free_workers;
    uint32_t capacity;
    int64_t now;
    enum release release;
    uint32_t take; /* 0: not looked at */
    int64_t again_at;
} situations[] = {
    {"nothing waits", {0}, false, {64, 0}, 1, 64, 2000, RELEASE_WAIT, 0, NEVER},
    {"nobody is free", {1, 1}, false, {64, 0}, 0, 0, 2000, RELEASE_WAIT, 0, NEVER},
    {"nobody is free and the delay is over", {1}, false, {64, 10}, 0, 0, 2000, RELEASE_WAIT, 0, NEVER},
    {"one request, one worker: at once", {1}, false, {64, 0}, 1, 64, 1000, RELEASE_IDLE, 1, NEVER},
    {"what gathered goes together", {1, 2, 3}, false, {64, 0}, 1, 64, 1000, RELEASE_IDLE, 6, NEVER},
    {"it is shared among the free", {1, 1, 1, 1}, false, {64, 0}, 2, 64, 1000, RELEASE_IDLE, 2, NEVER},
    {"rounded up", {1, 1, 1, 1, 1}, false, {64, 0}, 2, 64, 1000, RELEASE_IDLE, 3, NEVER},
    {"more free workers than rows", {1, 1}, false, {64, 0}, 9, 64, 1000, RELEASE_IDLE, 1, NEVER},
    {"a batch is full", {4, 4}, false, {8, 0}, 1, 64, 1000, RELEASE_FULL, 8, NEVER},
    {"more than a batch", {4, 4, 4}, false, {8, 0}, 1, 64, 1000, RELEASE_FULL, 8, NEVER},
    {"full, and shared", {8}, false, {8, 0}, 2, 64, 1000, RELEASE_FULL, 4, NEVER},
    {"the worker's capacity is the smaller", {4, 4}, false, {64, 0}, 1, 8, 1000, RELEASE_FULL, 8, NEVER},
    {"one request larger than a batch", {100}, false, {8, 0}, 1, 64, 1000, RELEASE_FULL, 8, NEVER},
    {"held for company", {1, 1}, false, {64, 50}, 1, 64, 1000, RELEASE_WAIT, 0, 1050},
    {"held to the last", {1, 1}, false, {64, 50}, 1, 64, 1049, RELEASE_WAIT, 0, 1050},
    {"the oldest waited enough", {1, 1}, false, {64, 50}, 1, 64, 1050, RELEASE_DELAY, 64, NEVER},
    {"long over", {1}, false, {64, 50}, 1, 64, 999999, RELEASE_DELAY, 64, NEVER},
    {"full before the delay", {4, 4}, false, {8, 50}, 1, 64, 1000, RELEASE_FULL, 8, NEVER},
    {"a full batch is not split that was waited for",
     {4, 4},
     false,
     {8, 50},
     2,
     64,
     1000,
     RELEASE_FULL,
     8,
     NEVER},
    {"nor one whose delay is over", {1, 1}, false, {64, 50}, 2, 64, 1050, RELEASE_DELAY, 64, NEVER},
    {"alone goes alone, at once", {1, 1}, true, {64, 50}, 1, 64, 1000, RELEASE_ALONE, 64, NEVER},
    {"alone waits for a worker like all", {1}, true, {64, 0}, 0, 0, 1000, RELEASE_WAIT, 0, NEVER},
};

START_TEST(each_situation_has_its_decision)
{
    for (size_t i = 0; i < COUNT_OF(situations); i++) {
        fill(situations[i].rows);
        requests[0].alone = situations[i].alone;
        struct dispatch_decision decision =
            dispatch_decide(&queue, &situations[i].rule, situations[i].free_workers, situations[i].capacity,
                            situations[i].now);
        const char *what = situations[i].what;
        ck_assert_msg(decision.release == situations[i].release, "%s: release %d", what, decision.release);
        if (decision.release == RELEASE_WAIT)
            ck_assert_msg(decision.again_at == situations[i].again_at, "%s: at %ld", what, decision.again_at);
        else
            ck_assert_msg(decision.rows == situations[i].take, "%s: %u rows", what, decision.rows);
    }
}
END_TEST

START_TEST(a_decision_can_always_be_carried_out)
{
    struct request *taken[8];
    uint32_t taken_rows;
    for (size_t i = 0; i < COUNT_OF(situations); i++) {
        fill(situations[i].rows);
        struct dispatch_decision decision =
            dispatch_decide(&queue, &situations[i].rule, situations[i].free_workers, situations[i].capacity,
                            situations[i].now);
        if (decision.release != RELEASE_WAIT)
            ck_assert_uint_ge(queue_take(&queue, decision.rows, 8, taken, &taken_rows), 1);
    }
}
END_TEST

START_TEST(releases_have_labels)
{
    ck_assert_str_eq(release_label(RELEASE_IDLE), "idle");
    ck_assert_str_eq(release_label(RELEASE_FULL), "full");
    ck_assert_str_eq(release_label(RELEASE_DELAY), "delay");
    ck_assert_str_eq(release_label(RELEASE_ALONE), "alone");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {each_situation_has_its_decision, a_decision_can_always_be_carried_out,
                                  releases_have_labels};
    return SUITE_RUN("dispatch", NULL, tear_down, tests);
}
