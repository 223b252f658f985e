/* test_request: the table of open requests: keys, the limit, and the states. SPDX-License-Identifier: MIT */
#include "request.h"
#include "suite.h"

#include <stdlib.h>

enum { LIMIT = 100 };

static struct request_table *table;

static void set_up(void)
{
    table = request_table_new(LIMIT);
}

static void tear_down(void)
{
    request_table_free(table);
}

/* A key whose memory had other things in it before, as on a used stack. */
static struct request_key key_of(uint64_t id, uint8_t asker)
{
    struct request_key key;
    memset(&key, (int)(id * 37 + asker), sizeof key);
    key.id = id;
    key.asker = (struct peer){.length = 5, .bytes = {0, asker}};
    return key;
}

static struct request *add(uint64_t id, uint8_t asker)
{
    struct request_key key = key_of(id, asker);
    return request_new(table, &key);
}

static struct request *find(uint64_t id, uint8_t asker)
{
    struct request_key key = key_of(id, asker);
    return request_find(table, &key);
}

START_TEST(a_new_request_is_queued_and_empty)
{
    struct request *request = add(7, 1);
    ck_assert_int_eq(request->state, REQUEST_QUEUED);
    ck_assert_uint_eq(request->key.id, 7);
    ck_assert(!heap_contains(&request->deadline));
    ck_assert(request->rows == 0 && request->kills == 0 && !request->alone && request->tag[0] == '\0');
    ck_assert_uint_eq(request_count(table), 1);
}
END_TEST

START_TEST(a_request_is_found_by_id_and_asker)
{
    struct request *requests[2][10];
    for (uint8_t asker = 0; asker < 2; asker++)
        for (uint64_t id = 0; id < 10; id++)
            requests[asker][id] = add(id << 40, asker);
    for (uint8_t asker = 0; asker < 2; asker++)
        for (uint64_t id = 0; id < 10; id++)
            ck_assert_ptr_eq(find(id << 40, asker), requests[asker][id]);
    ck_assert_ptr_null(find(1, 0));
    ck_assert_ptr_null(find(0, 2));
    ck_assert_uint_eq(request_count(table), 20);
}
END_TEST

START_TEST(two_change_places)
{
    struct request *left = add(1, 0), *right = add(1, 1);
    left->rows = 5;
    left->state = REQUEST_SENT;
    right->state = REQUEST_FOLLOWING;
    strcpy(left->tag, "left");
    strcpy(right->tag, "right");
    left->rest = (struct limit_rest){.name = "key", .left = 7};
    request_swap(table, left, right);
    ck_assert_ptr_eq(find(1, 1), left);
    ck_assert_ptr_eq(find(1, 0), right);
    ck_assert_str_eq(left->tag, "right");
    ck_assert_str_eq(right->tag, "left");
    ck_assert(left->rest.name == NULL && right->rest.left == 7);
    ck_assert(left->rows == 5 && left->state == REQUEST_SENT && right->state == REQUEST_FOLLOWING);
    request_free(table, right);
    ck_assert_ptr_null(find(1, 0));
    ck_assert_ptr_eq(find(1, 1), left);
    ck_assert_uint_eq(request_count(table), 1);
}
END_TEST

START_TEST(one_goes_by_another_key)
{
    struct request *only = add(1, 0);
    only->rows = 5;
    struct request_key key = only->key;
    key.asker.bytes[0]++;
    for (int i = 0; i < 2; i++) {
        request_rename(table, only, &key);
        ck_assert_ptr_eq(request_find(table, &key), only);
        ck_assert(only->rows == 5 && request_count(table) == 1);
        key.asker.bytes[1]++;
        ck_assert_ptr_nonnull(add(7, 1)); /* then it is not the only one */
        request_free(table, find(7, 1));
    }
    ck_assert_ptr_null(find(1, 0));
}
END_TEST

START_TEST(there_are_no_more_than_the_limit)
{
    for (uint64_t id = 0; id < LIMIT; id++)
        ck_assert_ptr_nonnull(add(id, 0));
    ck_assert_ptr_null(add(LIMIT, 0));
    request_free(table, find(5, 0));
    ck_assert_ptr_null(find(5, 0));
    ck_assert_ptr_nonnull(add(LIMIT, 0));
    ck_assert_ptr_null(add(LIMIT + 1, 0));
}
END_TEST

START_TEST(memory_is_used_again_and_cleared)
{
    struct request *request = add(1, 0);
    request->rows = 9;
    request->alone = true;
    request->kills = 1;
    strcpy(request->tag, "tag");
    request_free(table, request);
    struct request *next = add(2, 0);
    ck_assert_ptr_eq(next, request);
    ck_assert(next->rows == 0 && !next->alone && next->kills == 0 && next->tag[0] == '\0');
}
END_TEST

START_TEST(an_abandoned_request_gives_its_key_away_but_not_its_place)
{
    struct request *first = add(1, 0);
    first->state = REQUEST_SENT;
    request_abandon(table, first);
    ck_assert_int_eq(first->state, REQUEST_ABANDONED);
    ck_assert_ptr_null(find(1, 0));
    ck_assert_uint_eq(request_count(table), 0);
    struct request *second = add(1, 0); /* the asker says it again */
    ck_assert_ptr_eq(find(1, 0), second);
    for (uint64_t id = 2; id < LIMIT; id++)
        ck_assert_ptr_nonnull(add(id, 0));
    ck_assert_ptr_null(add(LIMIT, 0)); /* the abandoned one counts as long as its batch is out */
    request_free(table, first);
    ck_assert_ptr_eq(find(1, 0), second);
    ck_assert_ptr_nonnull(add(LIMIT, 0));
}
END_TEST

START_TEST(the_payload_goes_with_the_request)
{
    struct request *request = add(1, 0);
    struct payload large = payload_new(100000); /* large enough to have memory of its own */
    payload_move(&request->payload, &large);
    request_free(table, request);
    request = add(2, 0); /* and with the table */
    large = payload_new(100000);
    payload_move(&request->payload, &large);
    ck_assert_uint_eq(payload_bytes(&request->payload).length, 100000);
}
END_TEST

START_TEST(free_takes_null)
{
    request_table_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_new_request_is_queued_and_empty,
                                  a_request_is_found_by_id_and_asker,
                                  two_change_places,
                                  one_goes_by_another_key,
                                  there_are_no_more_than_the_limit,
                                  memory_is_used_again_and_cleared,
                                  an_abandoned_request_gives_its_key_away_but_not_its_place,
                                  the_payload_goes_with_the_request,
                                  free_takes_null};
    return SUITE_RUN("request", set_up, tear_down, tests);
}
