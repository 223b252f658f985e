/* test_heap: the deadline heap against a plain list that does the same slowly. SPDX-License-Identifier: MIT
 */
#include "heap.h"
#include "object.h"
#include "suite.h"

#include <stdlib.h>

enum { NODES = 300, STEPS = 20000 };

static struct heap heap;
static struct heap_node nodes[NODES];

static void set_up(void)
{
    heap = (struct heap){0};
    memset(nodes, 0, sizeof nodes);
}

static void tear_down(void)
{
    heap_free(&heap);
}

/* Every node is where it says, and none is earlier than its parent. */
static void check_shape(void)
{
    for (size_t i = 1; i <= heap.count; i++) {
        ck_assert_uint_eq(heap.nodes[i]->position, i);
        if (i > 1)
            ck_assert_int_le(heap.nodes[i / 2]->at, heap.nodes[i]->at);
    }
}

/* The earliest of the nodes that are in the heap, by looking at all of them. */
static int64_t earliest(size_t *count)
{
    int64_t at = INT64_MAX;
    *count = 0;
    for (size_t i = 0; i < NODES; i++) {
        if (!heap_contains(&nodes[i]))
            continue;
        ++*count;
        if (nodes[i].at < at)
            at = nodes[i].at;
    }
    return at;
}

START_TEST(an_empty_heap_has_no_first)
{
    ck_assert_ptr_null(heap_first(&heap));
    heap_remove(&heap, &nodes[0]); /* is in no heap: nothing happens */
    ck_assert_ptr_null(heap_first(&heap));
    ck_assert(!heap_contains(&nodes[0]));
    heap_free(&heap);
    heap_free(&heap);
}
END_TEST

START_TEST(nodes_come_out_in_order)
{
    for (size_t i = 0; i < NODES; i++)
        heap_set(&heap, &nodes[i], (int64_t)(i * 7919 % NODES));
    check_shape();
    for (int64_t expected = 0; expected < NODES; expected++) {
        struct heap_node *first = heap_first(&heap);
        ck_assert_ptr_nonnull(first);
        ck_assert_int_eq(first->at, expected);
        heap_remove(&heap, first);
        ck_assert(!heap_contains(first));
    }
    ck_assert_ptr_null(heap_first(&heap));
}
END_TEST

START_TEST(setting_again_moves_up_and_down)
{
    for (size_t i = 0; i < 10; i++)
        heap_set(&heap, &nodes[i], (int64_t)i * 10);
    heap_set(&heap, &nodes[9], -1);
    ck_assert_ptr_eq(heap_first(&heap), &nodes[9]);
    heap_set(&heap, &nodes[9], 1000);
    ck_assert_ptr_eq(heap_first(&heap), &nodes[0]);
    heap_set(&heap, &nodes[0], 0); /* to where it is */
    ck_assert_ptr_eq(heap_first(&heap), &nodes[0]);
    ck_assert_uint_eq(heap.count, 10);
    check_shape();
}
END_TEST

START_TEST(equal_and_extreme_deadlines_are_kept)
{
    const int64_t times[] = {INT64_MAX, INT64_MIN, 0, 0, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < COUNT_OF(times); i++)
        heap_set(&heap, &nodes[i], times[i]);
    check_shape();
    const int64_t expected[] = {INT64_MIN, INT64_MIN, 0, 0, INT64_MAX, INT64_MAX};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        ck_assert_int_eq(heap_first(&heap)->at, expected[i]);
        heap_remove(&heap, heap_first(&heap));
    }
}
END_TEST

START_TEST(the_last_node_can_be_removed)
{
    heap_set(&heap, &nodes[0], 1);
    heap_set(&heap, &nodes[1], 2);
    heap_remove(&heap, &nodes[1]); /* the last place: nothing has to be moved into it */
    ck_assert_uint_eq(heap.count, 1);
    ck_assert_ptr_eq(heap_first(&heap), &nodes[0]);
    heap_remove(&heap, &nodes[1]);
    ck_assert_uint_eq(heap.count, 1);
}
END_TEST

START_TEST(any_order_of_changes_keeps_the_earliest_first)
{
    unsigned seed = 1;
    for (size_t step = 0; step < STEPS; step++) {
        struct heap_node *node = &nodes[(size_t)rand_r(&seed) % NODES];
        if (rand_r(&seed) % 3 == 0)
            heap_remove(&heap, node);
        else
            heap_set(&heap, node, rand_r(&seed) % 1000); /* few values, so that many are equal */
        size_t count;
        int64_t at = earliest(&count);
        ck_assert_uint_eq(heap.count, count);
        ck_assert(count == 0 || heap_first(&heap)->at == at);
        if (step % 100 == 0)
            check_shape();
    }
    check_shape();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_empty_heap_has_no_first,      nodes_come_out_in_order,
        setting_again_moves_up_and_down, equal_and_extreme_deadlines_are_kept,
        the_last_node_can_be_removed,    any_order_of_changes_keeps_the_earliest_first};
    return SUITE_RUN("heap", set_up, tear_down, tests);
}
