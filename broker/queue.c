/* queue: bounded by rows and bytes, ordered by priority and arrival.
 *
 * Each model version has one; broker.c pushes what route chose, dispatch takes what a worker can have. Limits
 * count rows and not requests, since a request of a thousand rows costs a worker what a thousand requests do.
 * SPDX-License-Identifier: MIT */
#include "queue.h"

#include <utlist.h>

enum failure queue_admits(const struct queue *queue, uint32_t rows, size_t bytes)
{
    if (rows > queue->max_rows || bytes > queue->max_bytes)
        return FAILURE_TOO_LARGE;
    if (queue->rows + rows > queue->max_rows || queue->bytes + bytes > queue->max_bytes)
        return FAILURE_OVERLOADED;
    return FAILURE_NONE;
}

static struct request **line_of(struct queue *queue, const struct request *request)
{
    ENSURE(request->priority < QUEUE_PRIORITIES);
    return &queue->lines[request->priority];
}

static void count_in(struct queue *queue, const struct request *request)
{
    queue->rows += request->rows;
    queue->bytes += request->bytes;
    queue->requests++;
}

void queue_push(struct queue *queue, struct request *request)
{
    DL_APPEND2(*line_of(queue, request), request, previous, next);
    count_in(queue, request);
}

void queue_push_front(struct queue *queue, struct request *request)
{
    DL_PREPEND2(*line_of(queue, request), request, previous, next);
    count_in(queue, request);
}

void queue_remove(struct queue *queue, struct request *request)
{
    DL_DELETE2(*line_of(queue, request), request, previous, next);
    queue->rows -= request->rows;
    queue->bytes -= request->bytes;
    queue->requests--;
}

struct request *queue_head(const struct queue *queue)
{
    if (queue->requests == 0)
        return NULL;
    for (size_t i = QUEUE_PRIORITIES; i-- > 0;)
        if (queue->lines[i] != NULL)
            return queue->lines[i];
    return NULL;
}

size_t queue_take(struct queue *queue, uint32_t max_rows, size_t max_count, struct request **taken,
                  uint32_t *rows)
{
    size_t count = 0;
    struct request *request;
    *rows = 0;
    while (count < max_count && (request = queue_head(queue)) != NULL) {
        if (count > 0 && (request->alone || (uint64_t)*rows + request->rows > max_rows))
            break;
        queue_remove(queue, request);
        taken[count++] = request;
        *rows += request->rows;
        if (request->alone)
            break;
    }
    return count;
}

int64_t queue_oldest(const struct queue *queue)
{
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < QUEUE_PRIORITIES; i++)
        if (queue->lines[i] != NULL && queue->lines[i]->arrived_at < oldest)
            oldest = queue->lines[i]->arrived_at;
    return oldest;
}
