/* test_spool: how it grows, and what it refuses. SPDX-License-Identifier: MIT */
#include "spool.h"
#include "suite.h"

#include <stdlib.h>

static struct spool spool;
static struct spool_budget budget;
static uint8_t bytes[200000];

static void set_up(void)
{
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    budget = (struct spool_budget){.limit = 1 << 20};
}

static void tear_down(void)
{
    spool_drop(&spool, &budget);
    ck_assert_uint_eq(budget.used, 0);
}

static void check_bytes(size_t length)
{
    ck_assert_uint_eq(spool.length, length);
    ck_assert_int_eq(memcmp(spool.bytes, bytes, length), 0);
}

START_TEST(pieces_are_kept_in_order)
{
    size_t length = 0;
    for (size_t piece = 1; length + piece < sizeof bytes; length += piece, piece += 17)
        ck_assert(spool_add(&spool, &budget, bytes + length, piece));
    check_bytes(length);
    ck_assert_uint_eq(budget.used, spool.capacity);
}
END_TEST

START_TEST(room_is_filled_in_place)
{
    ck_assert(spool_add(&spool, &budget, bytes, 10));
    for (size_t room; spool.length < 150000; spool.length += room) {
        uint8_t *place = spool_room(&spool, &budget, &room);
        ck_assert(place == spool.bytes + spool.length && room > 0);
        if (room > 1000)
            room = 1000;
        memcpy(place, bytes + spool.length, room);
    }
    check_bytes(spool.length);
}
END_TEST

START_TEST(little_takes_little_and_much_makes_room_for_more)
{
    ck_assert(spool_add(&spool, &budget, bytes, 100));
    ck_assert_uint_eq(spool.capacity, 4096);
    ck_assert(spool_add(&spool, &budget, bytes, 65536));
    ck_assert_uint_ge(spool.capacity, 4 * 65536);
}
END_TEST

START_TEST(room_for_more_is_made_from_64_kb_on)
{
    ck_assert(spool_add(&spool, &budget, bytes, 65535));
    ck_assert_uint_eq(spool.capacity, 65536);
    spool_drop(&spool, &budget);
    ck_assert(spool_add(&spool, &budget, bytes, 65536));
    ck_assert_uint_eq(spool.capacity, 4 * 65536);
}
END_TEST

START_TEST(all_of_the_budget_can_be_used)
{
    budget.limit = 4096;
    ck_assert(spool_add(&spool, &budget, bytes, 4096));
    ck_assert_uint_eq(budget.used, budget.limit);
    check_bytes(4096);
}
END_TEST

START_TEST(what_is_cut_off_is_given_back)
{
    ck_assert(spool_add(&spool, &budget, bytes, sizeof bytes));
    spool_cut(&spool, &budget, sizeof bytes); /* nothing, but the room for more */
    ck_assert_uint_eq(spool.capacity, 262144);
    check_bytes(sizeof bytes);
    spool_cut(&spool, &budget, 4097);
    ck_assert_uint_eq(spool.capacity, 8192);
    check_bytes(4097);
    spool_cut(&spool, &budget, 4096);
    ck_assert_uint_eq(spool.capacity, 4096);
    ck_assert_uint_eq(budget.used, 4096);
    spool_cut(&spool, &budget, 0);
    ck_assert_uint_eq(spool.capacity, 4096);
    ck_assert(spool_add(&spool, &budget, bytes, 5000));
    check_bytes(5000);
}
END_TEST

START_TEST(what_was_dropped_is_empty_and_may_be_used_again)
{
    ck_assert(spool_add(&spool, &budget, bytes + 5, 5000));
    spool_drop(&spool, &budget);
    spool_drop(&spool, &budget);
    ck_assert_uint_eq(budget.used, 0);
    ck_assert(spool_add(&spool, &budget, bytes, 10));
    check_bytes(10);
}
END_TEST

START_TEST(what_the_budget_still_allows_is_given)
{
    budget.limit = 140000; /* enough for 65,636 bytes, not for the room that would be made for more */
    ck_assert(spool_add(&spool, &budget, bytes, 65536));
    ck_assert(spool_add(&spool, &budget, bytes + 65536, 100));
    check_bytes(65636);
    ck_assert_uint_le(budget.used, budget.limit);
}
END_TEST

START_TEST(what_it_does_not_allow_changes_nothing)
{
    struct spool other = {0};
    size_t room;
    budget.limit = 10000;
    ck_assert(spool_add(&spool, &budget, bytes, 4096));
    ck_assert(spool_add(&other, &budget, bytes, 4096));
    ck_assert(!spool_add(&spool, &budget, bytes, 1));
    ck_assert_ptr_null(spool_room(&spool, &budget, &room));
    ck_assert(!spool_add(&spool, &budget, bytes, SIZE_MAX / 4));
    check_bytes(4096);
    spool_drop(&other, &budget);
    ck_assert(spool_add(&spool, &budget, bytes + 4096, 1));
    check_bytes(4097);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {pieces_are_kept_in_order,
                                  room_is_filled_in_place,
                                  little_takes_little_and_much_makes_room_for_more,
                                  room_for_more_is_made_from_64_kb_on,
                                  all_of_the_budget_can_be_used,
                                  what_is_cut_off_is_given_back,
                                  what_was_dropped_is_empty_and_may_be_used_again,
                                  what_the_budget_still_allows_is_given,
                                  what_it_does_not_allow_changes_nothing};
    return SUITE_RUN("spool", set_up, tear_down, tests);
}
