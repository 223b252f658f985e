/* test_queue: order, bounds, and what a batch may take. SPDX-License-Identifier: MIT */
#include "queue_scene.h"

START_TEST(an_empty_queue_gives_nothing)
{
    ck_assert_ptr_null(queue_head(&queue));
    ck_assert_int_eq(queue_oldest(&queue), INT64_MAX);
    ck_assert_str_eq(take(100, 8), "");
    ck_assert_uint_eq(rows, 0);
}
END_TEST

START_TEST(first_come_first_served)
{
    push_all();
    ck_assert_uint_eq(queue.requests, 8);
    ck_assert_uint_eq(queue.rows, 8);
    ck_assert_uint_eq(queue.bytes, 80);
    ck_assert_ptr_eq(queue_head(&queue), &requests[0]);
    ck_assert_str_eq(take(100, 8), "01234567");
    ck_assert_uint_eq(rows, 8);
    ck_assert(queue.requests == 0 && queue.rows == 0 && queue.bytes == 0);
}
END_TEST

START_TEST(higher_priority_goes_first)
{
    const uint8_t priorities[] = {1, 9, 5, 9, 1, 2, 5, 1};
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        requests[i].priority = priorities[i];
    push_all();
    ck_assert_ptr_eq(queue_head(&queue), &requests[1]);
    ck_assert_int_eq(queue_oldest(&queue), 0); /* whatever its priority */
    ck_assert_str_eq(take(100, 8), "13265047");
}
END_TEST

START_TEST(every_priority_has_a_line)
{
    for (int priority = 0; priority < QUEUE_PRIORITIES; priority++) {
        requests[0].priority = (uint8_t)priority;
        queue_push(&queue, &requests[0]);
        ck_assert_int_eq(queue_oldest(&queue), requests[0].arrived_at);
        ck_assert_str_eq(take(100, 8), "0");
    }
}
END_TEST

START_TEST(a_batch_is_bounded_by_rows_and_by_count)
{
    requests[1].rows = 3;
    push_all();
    ck_assert_str_eq(take(3, 8),
                     "0"); /* the next would be too much, and what is behind it may not overtake */
    ck_assert_str_eq(take(4, 8), "12");
    ck_assert_uint_eq(rows, 4);
    ck_assert_str_eq(take(100, 2), "34");
    ck_assert_str_eq(take(100, 0), "");
    ck_assert_str_eq(take(1, 8), "5");
}
END_TEST

START_TEST(a_request_larger_than_a_batch_goes_by_itself)
{
    requests[1].rows = 50;
    push_all();
    ck_assert_str_eq(take(10, 8), "0");
    ck_assert_str_eq(take(10, 8), "1");
    ck_assert_uint_eq(rows, 50);
    ck_assert_str_eq(take(10, 8), "234567");
}
END_TEST

START_TEST(rows_are_added_without_overflow)
{
    requests[0].rows = requests[1].rows = UINT32_MAX;
    queue_push(&queue, &requests[0]);
    queue_push(&queue, &requests[1]);
    ck_assert_str_eq(take(UINT32_MAX, 8), "0");
    ck_assert_uint_eq(rows, UINT32_MAX);
    ck_assert_str_eq(take(1, 8), "1");
}
END_TEST

START_TEST(a_request_that_must_be_alone_is)
{
    requests[2].alone = requests[3].alone = true;
    push_all();
    ck_assert_str_eq(take(100, 8), "01");
    ck_assert_str_eq(take(100, 8), "2");
    ck_assert_str_eq(take(100, 8), "3");
    ck_assert_str_eq(take(100, 8), "4567");
}
END_TEST

START_TEST(what_is_put_back_comes_first_in_its_line)
{
    requests[7].priority = 2;
    push_all();
    ck_assert_str_eq(take(100, 3), "701");
    for (size_t i = 3; i-- > 0;)
        queue_push_front(&queue, taken[i]);
    ck_assert_int_eq(queue_oldest(&queue), 0); /* it is as old as it was */
    ck_assert_uint_eq(queue.requests, 8);
    ck_assert_str_eq(take(100, 8), "70123456");
}
END_TEST

START_TEST(jobs_have_batches_of_their_own)
{
    for (size_t i = 0; i < COUNT_OF(requests); i += 2)
        requests[i].priority = PROTOCOL_PRIORITY_JOB;
    push_all();
    ck_assert_uint_eq(queue_rows_together(&queue), 4);
    ck_assert_str_eq(take(100, 8), "1357");
    ck_assert_uint_eq(queue_rows_together(&queue), 4);
    queue_push(&queue, &requests[1]); /* one that comes meanwhile */
    ck_assert_str_eq(take(100, 8), "1");
    ck_assert_str_eq(take(100, 8), "0246");
    ck_assert_uint_eq(queue_rows_together(&queue), 0);
}
END_TEST

START_TEST(jobs_leave_half_of_the_room)
{
    requests[0].rows = 51;
    requests[1].rows = 49;
    queue_push(&queue, &requests[1]);
    ck_assert_int_eq(queue_admits(&queue, 7, PROTOCOL_PRIORITY_JOB, 1, 1), FAILURE_NONE);
    ck_assert_int_eq(queue_admits(&queue, 7, PROTOCOL_PRIORITY_JOB, 2, 1), FAILURE_OVERLOADED);
    ck_assert_int_eq(queue_admits(&queue, 7, PROTOCOL_PRIORITY_JOB, 1, 490), FAILURE_NONE);
    ck_assert_int_eq(queue_admits(&queue, 7, PROTOCOL_PRIORITY_JOB, 1, 491), FAILURE_OVERLOADED);
    ck_assert_int_eq(queue_admits(&queue, 7, PROTOCOL_PRIORITY_ONLINE, 51, 1), FAILURE_NONE);
    queue_remove(&queue, &requests[1]); /* what is larger than half of it can come in all the same */
    ck_assert_int_eq(queue_admits(&queue, 7, PROTOCOL_PRIORITY_JOB, 100, 1000), FAILURE_NONE);
    ck_assert_int_eq(queue_admits(&queue, 7, PROTOCOL_PRIORITY_JOB, 101, 1), FAILURE_TOO_LARGE);
}
END_TEST

START_TEST(any_request_can_be_removed)
{
    requests[3].priority = 4;
    push_all();
    queue_remove(&queue, &requests[0]);
    queue_remove(&queue, &requests[3]);
    queue_remove(&queue, &requests[5]);
    queue_remove(&queue, &requests[7]);
    ck_assert_uint_eq(queue.rows, 4);
    ck_assert_uint_eq(queue.bytes, 40);
    ck_assert_int_eq(queue_oldest(&queue), 1);
    ck_assert_str_eq(take(100, 8), "1246");
    queue_push(&queue, &requests[0]);
    queue_remove(&queue, &requests[0]);
    ck_assert_ptr_null(queue_head(&queue));
}
END_TEST

/* ---- admission ---- */

START_TEST(a_full_queue_says_later_and_what_never_fits_says_never)
{
    static const struct {
        uint64_t rows_inside, bytes_inside;
        uint32_t rows;
        size_t bytes;
        enum failure expected;
    } cases[] = {
        {0, 0, 1, 1, FAILURE_NONE},
        {0, 0, 100, 1000, FAILURE_NONE},
        {0, 0, 101, 1, FAILURE_TOO_LARGE},
        {0, 0, 1, 1001, FAILURE_TOO_LARGE},
        {99, 0, 1, 1, FAILURE_NONE},
        {99, 0, 2, 1, FAILURE_OVERLOADED},
        {0, 999, 1, 1, FAILURE_NONE},
        {0, 999, 1, 2, FAILURE_OVERLOADED},
        {100, 1000, 1, 0, FAILURE_OVERLOADED},
        {100, 0, 101, 0, FAILURE_TOO_LARGE},
        {150, 0, 1, 0, FAILURE_OVERLOADED}, /* put back above the bound, or the bound became smaller */
        {0, 0, UINT32_MAX, SIZE_MAX, FAILURE_TOO_LARGE},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        queue.rows = cases[i].rows_inside;
        queue.bytes = cases[i].bytes_inside;
        ck_assert_msg(queue_admits(&queue, 0, PROTOCOL_PRIORITY_ONLINE, cases[i].rows, cases[i].bytes) ==
                          cases[i].expected,
                      "case %zu", i);
    }
}
END_TEST

START_TEST(a_quarter_more_is_for_those_below_their_share)
{
    struct request flood = {.priority = PROTOCOL_PRIORITY_ONLINE, .rows = 100, .tenant = 1, .bytes = 10};
    queue_push(&queue, &flood);
    ck_assert_int_eq(queue_admits(&queue, 1, PROTOCOL_PRIORITY_ONLINE, 1, 1), FAILURE_OVERLOADED);
    ck_assert_int_eq(queue_admits(&queue, 2, PROTOCOL_PRIORITY_ONLINE, 25, 1), FAILURE_NONE);
    ck_assert_int_eq(queue_admits(&queue, 2, PROTOCOL_PRIORITY_ONLINE, 26, 1),
                     FAILURE_OVERLOADED); /* there is an end to it */
    requests[0].tenant = 2;
    requests[0].rows = 20;
    queue_push(&queue, &requests[0]);
    ck_assert_int_eq(queue_admits(&queue, 2, PROTOCOL_PRIORITY_ONLINE, 5, 1), FAILURE_NONE);
    ck_assert_int_eq(queue_admits(&queue, 2, PROTOCOL_PRIORITY_ONLINE, 6, 1), FAILURE_OVERLOADED);
    queue_remove(&queue, &flood);
    flood.rows = 10;
    requests[0].rows = 95; /* who has more than a half of it is not below a share */
    queue.rows = 0;
    ck_assert_int_eq(queue_admits(&queue, 2, PROTOCOL_PRIORITY_ONLINE, 5, 1), FAILURE_NONE);
    queue.rows = 20;
}
END_TEST

/* What the two have already counts, and their share is a half of the bound. */
START_TEST(a_share_is_what_each_of_those_who_wait_may_have)
{
    static const struct {
        uint32_t own, more;
        enum failure expected;
    } cases[] = {{40, 5, FAILURE_NONE},
                 {45, 5, FAILURE_NONE},
                 {46, 5, FAILURE_OVERLOADED},
                 {48, 5, FAILURE_OVERLOADED}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        requests[0] =
            (struct request){.priority = PROTOCOL_PRIORITY_ONLINE, .tenant = 1, .rows = 120 - cases[i].own};
        requests[1] =
            (struct request){.priority = PROTOCOL_PRIORITY_ONLINE, .tenant = 2, .rows = cases[i].own};
        queue_push(&queue, &requests[0]);
        queue_push(&queue, &requests[1]);
        ck_assert_msg(queue_admits(&queue, 2, PROTOCOL_PRIORITY_ONLINE, cases[i].more, 1) ==
                          cases[i].expected,
                      "case %zu", i);
        queue_remove(&queue, &requests[0]);
        queue_remove(&queue, &requests[1]);
    }
}
END_TEST

START_TEST(bytes_have_a_quarter_more_too)
{
    struct request flood = {.priority = PROTOCOL_PRIORITY_ONLINE, .rows = 1, .tenant = 1, .bytes = 1000};
    queue_push(&queue, &flood);
    ck_assert_int_eq(queue_admits(&queue, 1, PROTOCOL_PRIORITY_ONLINE, 1, 1), FAILURE_OVERLOADED);
    ck_assert_int_eq(queue_admits(&queue, 2, PROTOCOL_PRIORITY_ONLINE, 1, 250), FAILURE_NONE);
    ck_assert_int_eq(queue_admits(&queue, 2, PROTOCOL_PRIORITY_ONLINE, 1, 251), FAILURE_OVERLOADED);
}
END_TEST

/* ---- deadlines ---- */

START_TEST(the_earliest_deadline_goes_first)
{
    const int64_t deadlines[] = {5, 3, 8, 1, 3, 9, 0, 2};
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        requests[i].deadline.at = deadlines[i] * SOON;
    push_all();
    ck_assert_int_eq(queue_oldest(&queue), 0);
    ck_assert_str_eq(take(100, 4), "6371");
    ck_assert_str_eq(take(100, 8), "4025");
}
END_TEST

START_TEST(what_is_put_back_comes_before_every_deadline)
{
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        requests[i].deadline.at = (int64_t)(COUNT_OF(requests) - i) * SOON;
    for (size_t i = 0; i < 6; i++)
        queue_push(&queue, &requests[i]);
    ck_assert_str_eq(take(100, 2), "54");
    queue_push_front(&queue, taken[1]);
    queue_push_front(&queue, taken[0]);
    queue_push(&queue, &requests[7]);
    queue_push(&queue, &requests[6]);
    ck_assert_str_eq(take(100, 8), "54763210");
}
END_TEST

START_TEST(deadlines_that_are_nearly_the_same_go_by_arrival)
{
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        requests[i].deadline.at = 7 * 65536 + 60000 - (int64_t)i * 1000;
    push_all();
    ck_assert_str_eq(take(100, 8), "01234567");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_empty_queue_gives_nothing,
                                  first_come_first_served,
                                  higher_priority_goes_first,
                                  every_priority_has_a_line,
                                  jobs_have_batches_of_their_own,
                                  jobs_leave_half_of_the_room,
                                  a_batch_is_bounded_by_rows_and_by_count,
                                  a_request_larger_than_a_batch_goes_by_itself,
                                  rows_are_added_without_overflow,
                                  a_request_that_must_be_alone_is,
                                  what_is_put_back_comes_first_in_its_line,
                                  any_request_can_be_removed,
                                  a_full_queue_says_later_and_what_never_fits_says_never,
                                  a_quarter_more_is_for_those_below_their_share,
                                  a_share_is_what_each_of_those_who_wait_may_have,
                                  bytes_have_a_quarter_more_too,
                                  the_earliest_deadline_goes_first,
                                  what_is_put_back_comes_before_every_deadline,
                                  deadlines_that_are_nearly_the_same_go_by_arrival};
    return SUITE_RUN("queue", set_up, tear_down, tests);
}
