/* test_queue_turns: tenants take turns, and who had nothing waiting goes first on loan.
 * SPDX-License-Identifier: MIT */
#include "queue_scene.h"

#include <stdlib.h>

/* ---- tenants ---- */

/* Requests of these tenants, in this order. */
static void push_tenants(const char *tenants)
{
    for (size_t i = 0; tenants[i] != '\0'; i++) {
        requests[i].tenant = (uint64_t)tenants[i];
        queue_push(&queue, &requests[i]);
    }
}

/* As push_tenants, but nobody may take anything before the turns: others, who have nothing more here, have
 * all the loans, and will take long to pay them. */
static void push_tenants_without_loans(const char *tenants)
{
    static struct request others[QUEUE_LOANS_MAX];
    requests[0].tenant = (uint64_t)tenants[0];
    queue_push(&queue, &requests[0]);
    for (size_t i = 0; i < QUEUE_LOANS_MAX; i++) {
        others[i] = (struct request){
            .priority = PROTOCOL_PRIORITY_ONLINE, .rows = QUEUE_LOAN_ROWS, .tenant = 1000 + i};
        queue_push(&queue, &others[i]);
    }
    for (size_t i = 0; i < QUEUE_LOANS_MAX; i++) {
        ck_assert_uint_eq(queue_take(&queue, 1, 1, taken, &rows), 1);
        ck_assert_ptr_eq(taken[0], &others[i]);
    }
    for (size_t i = 1; tenants[i] != '\0'; i++) {
        requests[i].tenant = (uint64_t)tenants[i];
        queue_push(&queue, &requests[i]);
    }
}

START_TEST(tenants_take_turns)
{
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        requests[i].rows = QUEUE_QUANTUM_ROWS / 2; /* two a turn */
    push_tenants_without_loans("aaaaaaab");
    ck_assert_str_eq(take(1000, 8), "01723456");
    push_tenants_without_loans("aaaaabbb");
    ck_assert_str_eq(take(1000, 3), "015"); /* a batch may end within a turn */
    ck_assert_str_eq(take(1000, 8), "62374");
}
END_TEST

START_TEST(the_turn_of_one_that_has_no_more_is_the_next_ones)
{
    push_tenants_without_loans("abcabc");
    ck_assert_str_eq(take(1000, 8), "031425");
}
END_TEST

START_TEST(rows_count_and_not_requests)
{
    requests[0].rows = requests[1].rows = 3 * QUEUE_QUANTUM_ROWS;
    for (size_t i = 2; i < COUNT_OF(requests); i++)
        requests[i].rows = QUEUE_QUANTUM_ROWS;
    push_tenants_without_loans("aabbbbbb");
    ck_assert_str_eq(take(10000, 8), "23045617");
}
END_TEST

START_TEST(a_tenant_that_is_alone_need_not_wait)
{
    requests[0].rows = 10 * QUEUE_QUANTUM_ROWS;
    push_tenants("abcb");
    ck_assert_str_eq(take(10000, 8), "1320");
    requests[0].rows = UINT32_MAX; /* so many turns are not had one by one */
    requests[1].rows = UINT32_MAX - 100;
    push_tenants("ab");
    ck_assert_str_eq(take(1, 8), "1");
    ck_assert_str_eq(take(1, 8), "0");
}
END_TEST

START_TEST(rounds_that_are_had_at_once_give_nobody_more)
{
    requests[0].rows = requests[1].rows = 4 * QUEUE_QUANTUM_ROWS;
    requests[2].rows = 10 * QUEUE_QUANTUM_ROWS;
    push_tenants_without_loans("aab");
    ck_assert_str_eq(take(1, 1), "0");
    requests[3].tenant = 'c';
    queue_push(&queue, &requests[3]);
    ck_assert_str_eq(take(1, 1), "3");
    ck_assert_str_eq(take(1, 1), "1");
    ck_assert_str_eq(take(1, 1), "2");
}
END_TEST

START_TEST(memory_for_tenants_is_used_again_within_a_bound)
{
    enum { MANY = 100, KEPT = 64 };
    struct request *all = object_alloc(MANY * sizeof *all);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < MANY; i++) {
            all[i] = (struct request){.priority = PROTOCOL_PRIORITY_ONLINE, .tenant = i, .rows = 1};
            queue_push(&queue, &all[i]);
        }
        ck_assert_uint_eq(queue.spare_count, 0);
        ck_assert_uint_eq(queue.flows, MANY);
        for (size_t i = 0; i < MANY; i++)
            queue_remove(&queue, &all[i]);
        ck_assert_uint_eq(queue.spare_count, KEPT);
    }
    free(all);
}
END_TEST

START_TEST(what_a_tenant_did_not_use_ends_with_its_requests)
{
    push_tenants("a");
    ck_assert_str_eq(take(100, 8), "0");
    requests[0].rows = QUEUE_QUANTUM_ROWS + 1; /* more than a fresh turn */
    push_tenants("ab");
    ck_assert_str_eq(take(100, 8), "10");
}
END_TEST

START_TEST(priority_comes_before_turns)
{
    requests[7].priority = 2;
    push_tenants("aabbabab");
    ck_assert_str_eq(take(1, 8), "7");
}
END_TEST

START_TEST(a_new_tenant_hardly_waits)
{
    struct request *flood = object_alloc(1000 * sizeof *flood);
    struct request quiet = {
        .priority = PROTOCOL_PRIORITY_ONLINE, .rows = 1, .tenant = 2, .deadline.at = 99 * (int64_t)SOON};
    for (size_t i = 0; i < 1000; i++) {
        flood[i] = (struct request){.priority = PROTOCOL_PRIORITY_ONLINE, .rows = 1, .tenant = 1};
        queue_push(&queue, &flood[i]);
    }
    ck_assert_uint_eq(queue_rows_ahead(&queue, 1, PROTOCOL_PRIORITY_ONLINE, 1), 1000);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 2, PROTOCOL_PRIORITY_ONLINE, 1), 0);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 2, PROTOCOL_PRIORITY_ONLINE, 10 * QUEUE_QUANTUM_ROWS),
                      10 * QUEUE_QUANTUM_ROWS);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 2, PROTOCOL_PRIORITY_ONLINE, 100000), 1000);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 2, 5, 1), 0);
    queue_push(&queue, &quiet);
    size_t before = 0;
    while (queue_take(&queue, 1, 1, taken, &rows) == 1 && taken[0] != &quiet)
        before++;
    ck_assert_uint_eq(before, 0);
    while (queue_take(&queue, 1000, 8, taken, &rows) > 0)
        continue;
    ck_assert(queue.requests == 0 && queue.rows == 0 && queue.flows == 0);
    free(flood);
}
END_TEST

START_TEST(what_is_ahead_is_what_one_has_and_a_turn_of_the_others_for_each)
{
    const uint32_t sizes[] = {10, 10, 40};
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        requests[i].rows = sizes[i];
    push_tenants_without_loans("aab");
    ck_assert_uint_eq(queue_rows_ahead(&queue, 'a', PROTOCOL_PRIORITY_ONLINE, 1),
                      20 + 2 * QUEUE_QUANTUM_ROWS);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 'b', PROTOCOL_PRIORITY_ONLINE, 1),
                      40 + 20); /* all that `a` has */
    ck_assert_uint_eq(queue_rows_ahead(&queue, 'c', PROTOCOL_PRIORITY_ONLINE, 1), 2 * QUEUE_QUANTUM_ROWS);
    queue_remove(&queue, &requests[0]);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 'a', PROTOCOL_PRIORITY_ONLINE, 1), 10 + QUEUE_QUANTUM_ROWS);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 'b', PROTOCOL_PRIORITY_ONLINE, 1), 40 + 10);
    queue_remove(&queue, &requests[2]);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 'a', PROTOCOL_PRIORITY_ONLINE, 1), 10);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 'b', PROTOCOL_PRIORITY_ONLINE, 100), 10);
}
END_TEST

START_TEST(those_of_higher_priority_are_ahead)
{
    requests[0].priority = 3;
    requests[1].priority = 2;
    push_all();
    ck_assert_uint_eq(queue_rows_ahead(&queue, 9, 2, 1), 1);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 9, 9, 1), 0);
    ck_assert_uint_eq(queue_rows_ahead(&queue, 0, PROTOCOL_PRIORITY_ONLINE, 1), 8);
}
END_TEST

/* ---- loans ---- */

START_TEST(who_had_nothing_waiting_goes_before_all_turns)
{
    push_tenants("aabcaacb");
    ck_assert_uint_eq(queue_rows_ahead(&queue, 'd', PROTOCOL_PRIORITY_ONLINE, 1), 4); /* b's and c's */
    ck_assert_uint_eq(queue_rows_first(&queue), 4);
    ck_assert_str_eq(take(100, 4), "2736");
    ck_assert_uint_eq(queue_rows_first(&queue), 0);
    ck_assert_str_eq(take(100, 8), "0145");
    ck_assert_uint_eq(queue_rows_first(&queue), 0);
}
END_TEST

START_TEST(a_loan_has_an_end)
{
    for (size_t i = 0; i < 5; i++)
        requests[i].rows = QUEUE_LOAN_ROWS / 2;
    push_tenants("abbb");
    ck_assert_str_eq(take(10000, 8), "1203");
    requests[1].rows = QUEUE_LOAN_ROWS + 1; /* too much at once */
    push_tenants("ab");
    ck_assert_str_eq(take(10000, 8), "01");
}
END_TEST

/* `b` takes a loan, then asks for a row beside `a`, who asks all the time. Returns how many rows `a` has
 * before that. */
static uint64_t rows_before_the_next(bool removed)
{
    struct request *flood = object_alloc(1000 * sizeof *flood);
    struct request loan = {.priority = PROTOCOL_PRIORITY_ONLINE, .rows = QUEUE_LOAN_ROWS, .tenant = 2},
                   next = loan;
    next.rows = 1;
    for (size_t i = 0; i < 1000; i++) {
        flood[i] = (struct request){.priority = PROTOCOL_PRIORITY_ONLINE, .rows = 1, .tenant = 1};
        queue_push(&queue, &flood[i]);
    }
    queue_push(&queue, &loan);
    ck_assert_ptr_eq(queue_head(&queue), &loan);
    if (removed)
        queue_remove(&queue, &loan);
    else
        ck_assert_uint_eq(queue_take(&queue, 1, 1, taken, &rows), 1);
    ck_assert_uint_eq(queue.flows, 1);
    queue_push(&queue, &next);
    uint64_t before = 0;
    while (queue_take(&queue, 1, 1, taken, &rows) == 1 && taken[0] != &next)
        before++;
    while (queue_take(&queue, 1, 1, taken, &rows) == 1)
        continue;
    free(flood);
    return before;
}

START_TEST(a_loan_is_paid_with_turns)
{
    uint64_t before = rows_before_the_next(false);
    ck_assert_uint_ge(before, QUEUE_LOAN_ROWS);
    ck_assert_uint_le(before, QUEUE_LOAN_ROWS + 2 * QUEUE_QUANTUM_ROWS);
    ck_assert_uint_eq(rows_before_the_next(true), 0); /* who did not take it owes nothing */
}
END_TEST

START_TEST(debts_are_forgotten_when_nobody_waits)
{
    requests[1].rows = QUEUE_LOAN_ROWS;
    push_tenants("ab");
    ck_assert_str_eq(take(1, 1), "1");
    ck_assert_str_eq(take(1, 1), "0");
    ck_assert_uint_eq(queue.spare_count, 2);
    push_tenants("ab");
    ck_assert_str_eq(take(1, 1), "1");
    ck_assert_str_eq(take(1, 1), "0");
}
END_TEST

START_TEST(there_is_an_end_to_how_many_go_first)
{
    push_tenants_without_loans("ab");
    ck_assert_uint_eq(queue_rows_ahead(&queue, 'c', PROTOCOL_PRIORITY_ONLINE, 1), 2);
    ck_assert_str_eq(take(1, 1), "0"); /* whose turn it is */
    ck_assert_str_eq(take(1, 1), "1");
}
END_TEST

/* One that comes back as soon as it has been served has nothing waiting each time; still it gets no more than
 * one that always waits. */
START_TEST(coming_back_again_and_again_gains_nothing)
{
    uint64_t served[2] = {0};
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        requests[i].rows = i == 7 ? 40 : 3;
    push_tenants("aaaaaaab");
    for (size_t i = 0; i < 20000; i++) {
        ck_assert_uint_eq(queue_take(&queue, 1, 1, taken, &rows), 1);
        served[taken[0] == &requests[7]] += rows;
        queue_push(&queue, taken[0]);
    }
    ck_assert_uint_le(served[1], served[0] + 2 * QUEUE_LOAN_ROWS);
    ck_assert_uint_ge(served[1] + 2 * QUEUE_LOAN_ROWS, served[0]);
}
END_TEST

/* Tenants come and go, are served and give up, in any order: the sums are right, whoever waits is taken, and
 * nothing stays. */
START_TEST(whatever_happens_the_sums_are_right)
{
    enum { REQUESTS = 300, STEPS = 200000 };
    struct request *all = object_alloc(REQUESTS * sizeof *all);
    bool inside[REQUESTS] = {false};
    uint64_t count = 0, sum = 0;
    srand(7);
    for (size_t step = 0; step < STEPS; step++) {
        struct request *request = &all[rand() % REQUESTS];
        bool *waits = &inside[request - all];
        bool fills = step / 1000 % 2 == 0; /* mostly full, mostly empty */
        if (!*waits && rand() % 4 >= (fills ? 1 : 3)) {
            *request = (struct request){.rows = 1 + (uint32_t)(rand() % 200),
                                        .tenant = (uint64_t)(rand() % (step / 5000 % 2 == 0 ? 3 : 150)),
                                        .priority = (uint8_t)(rand() % 2),
                                        .deadline.at = rand()};
            queue_push(&queue, request);
            *waits = true;
            count++;
            sum += request->rows;
        } else if (*waits && rand() % 8 == 0) {
            queue_remove(&queue, request);
            *waits = false;
            count--;
            sum -= request->rows;
        } else if (rand() % 4 >= (fills ? 3 : 1)) {
            size_t got = queue_take(&queue, 64, 8, taken, &rows);
            ck_assert_uint_eq(got == 0, count == 0);
            for (size_t i = 0; i < got; i++)
                inside[taken[i] - all] = false;
            count -= got;
            sum -= rows;
        }
        ck_assert_uint_eq(queue.requests, count);
        ck_assert_uint_eq(queue.rows, sum);
        ck_assert(count > 0 || queue.flows == 0);
    }
    while (queue_take(&queue, 64, 8, taken, &rows) > 0)
        continue;
    for (size_t i = 0; i < QUEUE_PRIORITIES; i++)
        ck_assert(queue.lines[i].flows == NULL && queue.lines[i].turn == NULL &&
                  queue.lines[i].first == NULL && queue.lines[i].waiting == 0 &&
                  queue.lines[i].first_count == 0);
    free(all);
}
END_TEST

/* Any order of pushing, taking and removing, against sums made by hand; over the long run each tenant that
 * always has something gets as many rows as any other. */
START_TEST(nobody_starves)
{
    enum { TENANTS = 7, WAITING = 40, TAKEN = 20000 };
    struct request *all = object_alloc(TENANTS * WAITING * sizeof *all);
    uint64_t served[TENANTS] = {0};
    srand(42);
    for (size_t i = 0; i < TENANTS * WAITING; i++) {
        all[i].tenant = i % TENANTS;
        all[i].rows =
            1 + (uint32_t)(rand() % (i % TENANTS == 0 ? 100 : 3)); /* one of them asks in large pieces */
        all[i].deadline.at = rand();
        queue_push(&queue, &all[i]);
    }
    for (size_t i = 0; i < TAKEN; i++) {
        size_t count = queue_take(&queue, 32, 8, taken, &rows);
        ck_assert_uint_ge(count, 1);
        for (size_t j = 0; j < count; j++) {
            served[taken[j]->tenant] += taken[j]->rows;
            taken[j]->deadline.at = rand();
            queue_push(&queue, taken[j]);
        }
    }
    uint64_t least = UINT64_MAX, most = 0, sum = 0;
    for (size_t i = 0; i < TENANTS; i++) {
        least = served[i] < least ? served[i] : least;
        most = served[i] > most ? served[i] : most;
    }
    ck_assert_msg(most - least <= most / 50, "%llu to %llu", (unsigned long long)least,
                  (unsigned long long)most);
    for (size_t i = 0; i < TENANTS * WAITING; i++)
        sum += all[i].rows;
    ck_assert_uint_eq(queue.rows, sum);
    for (size_t i = 0; i < TENANTS * WAITING; i++)
        queue_remove(&queue, &all[i]);
    ck_assert(queue.rows == 0 && queue.flows == 0 && queue.arrivals == NULL);
    free(all);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {tenants_take_turns,
                                  the_turn_of_one_that_has_no_more_is_the_next_ones,
                                  rows_count_and_not_requests,
                                  a_tenant_that_is_alone_need_not_wait,
                                  rounds_that_are_had_at_once_give_nobody_more,
                                  memory_for_tenants_is_used_again_within_a_bound,
                                  what_a_tenant_did_not_use_ends_with_its_requests,
                                  priority_comes_before_turns,
                                  a_new_tenant_hardly_waits,
                                  what_is_ahead_is_what_one_has_and_a_turn_of_the_others_for_each,
                                  those_of_higher_priority_are_ahead,
                                  who_had_nothing_waiting_goes_before_all_turns,
                                  a_loan_has_an_end,
                                  a_loan_is_paid_with_turns,
                                  debts_are_forgotten_when_nobody_waits,
                                  there_is_an_end_to_how_many_go_first,
                                  coming_back_again_and_again_gains_nothing,
                                  whatever_happens_the_sums_are_right,
                                  nobody_starves};
    return SUITE_RUN("queue_turns", set_up, tear_down, tests);
}
