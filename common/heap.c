/* heap: a binary heap of pointers whose nodes know their own place, so that a deadline can be moved or taken
 * out in O(log n). The loop keeps its timers in one; the broker keeps the deadlines of its requests in
 * another. SPDX-License-Identifier: MIT */
#include "heap.h"

#include "object.h"

#include <stdlib.h>

static void place(struct heap *heap, size_t position, struct heap_node *node)
{
    heap->nodes[position] = node;
    node->position = position;
}

static void sift_up(struct heap *heap, struct heap_node *node)
{
    size_t position = node->position;
    while (position > 1 && heap->nodes[position / 2]->at > node->at) {
        place(heap, position, heap->nodes[position / 2]);
        position /= 2;
    }
    place(heap, position, node);
}

static void sift_down(struct heap *heap, struct heap_node *node)
{
    size_t position = node->position;
    for (;;) {
        size_t child = position * 2;
        if (child > heap->count)
            break;
        if (child < heap->count && heap->nodes[child + 1]->at < heap->nodes[child]->at)
            child++;
        if (heap->nodes[child]->at >= node->at)
            break;
        place(heap, position, heap->nodes[child]);
        position = child;
    }
    place(heap, position, node);
}

void heap_free(struct heap *heap)
{
    free(heap->nodes);
    *heap = (struct heap){0};
}

void heap_set(struct heap *heap, struct heap_node *node, int64_t at)
{
    node->at = at;
    if (node->position == 0) {
        if (heap->count + 1 >= heap->capacity) {
            heap->capacity = heap->capacity == 0 ? 64 : heap->capacity * 2;
            heap->nodes = realloc(heap->nodes, heap->capacity * sizeof(struct heap_node *));
            ENSURE(heap->nodes != NULL);
        }
        place(heap, ++heap->count, node);
    }
    sift_up(heap, node);
    sift_down(heap, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (node->position == 0)
        return;
    struct heap_node *last = heap->nodes[heap->count--];
    if (last != node) {
        place(heap, node->position, last);
        sift_up(heap, last);
        sift_down(heap, last);
    }
    node->position = 0;
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[1];
}
