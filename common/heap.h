/* heap: the earliest of many deadlines, with removal from the middle. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HEAP_H
#define OUTRIGGER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in whatever has a deadline. `position` is 0 while it is in no heap. */
struct heap_node {
    int64_t at;      /* nanoseconds, monotonic */
    size_t position; /* 1-based place in the heap; owned by the heap */
};

struct heap {
    struct heap_node **nodes; /* nodes[1..count] */
    size_t count;
    size_t capacity;
};

/* Starts empty; a zeroed struct is an empty heap too. */
void heap_free(struct heap *heap);

/* Adds the node, or moves it when it is in the heap already, to deadline `at`. O(log n). */
void heap_set(struct heap *heap, struct heap_node *node, int64_t at);

/* Removes the node; does nothing when it is in no heap. O(log n). */
void heap_remove(struct heap *heap, struct heap_node *node);

/* The node with the earliest deadline, NULL when the heap is empty. It stays in the heap. */
struct heap_node *heap_first(const struct heap *heap);

static inline bool heap_contains(const struct heap_node *node)
{
    return node->position != 0;
}

#endif
