/* test_queue: order, bounds, and what a batch may take. SPDX-License-Identifier: MIT */
#include "queue.h"
#include "suite.h"

static struct queue queue;
static struct request requests[8];
static struct request *taken[8];
static uint32_t rows;

static void set_up(void)
{
    queue = (struct queue){.max_rows = 100, .max_bytes = 1000};
    memset(requests, 0, sizeof requests);
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        requests[i] = (struct request){.rows = 1, .bytes = 10, .arrived_at = (int64_t)i};
}

static void push_all(void)
{
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        queue_push(&queue, &requests[i]);
}

/* Takes, and says as a word which of the requests came: "013". */
static const char *take(uint32_t max_rows, size_t max_count)
{
    static char word[COUNT_OF(requests) + 1];
    size_t count = queue_take(&queue, max_rows, max_count, taken, &rows);
    for (size_t i = 0; i < count; i++)
        word[i] = (char)('0' + (taken[i] - requests));
    word[count] = '\0';
    return word;
}

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
    const uint8_t priorities[] = {0, 9, 5, 9, 0, 1, 5, 0};
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        requests[i].priority = priorities[i];
    push_all();
    ck_assert_ptr_eq(queue_head(&queue), &requests[1]);
    ck_assert_int_eq(queue_oldest(&queue), 0); /* whatever its priority */
    ck_assert_str_eq(take(100, 8), "13265047");
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
    requests[7].priority = 1;
    push_all();
    ck_assert_str_eq(take(100, 3), "701");
    for (size_t i = 3; i-- > 0;)
        queue_push_front(&queue, taken[i]);
    ck_assert_uint_eq(queue.requests, 8);
    ck_assert_str_eq(take(100, 8), "70123456");
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
        ck_assert_msg(queue_admits(&queue, cases[i].rows, cases[i].bytes) == cases[i].expected, "case %zu",
                      i);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_empty_queue_gives_nothing,
                                  first_come_first_served,
                                  higher_priority_goes_first,
                                  a_batch_is_bounded_by_rows_and_by_count,
                                  a_request_larger_than_a_batch_goes_by_itself,
                                  rows_are_added_without_overflow,
                                  a_request_that_must_be_alone_is,
                                  what_is_put_back_comes_first_in_its_line,
                                  any_request_can_be_removed,
                                  a_full_queue_says_later_and_what_never_fits_says_never};
    return SUITE_RUN("queue", set_up, NULL, tests);
}
