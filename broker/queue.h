/* queue: the requests of one model version that wait for a worker. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_QUEUE_H
#define OUTRIGGER_QUEUE_H

#include "request.h"

enum { QUEUE_PRIORITIES = 10 };

struct queue {
    struct request *lines[QUEUE_PRIORITIES]; /* first come, first served within a priority */
    uint64_t rows;
    uint64_t bytes;
    size_t requests;
    uint64_t max_rows;
    uint64_t max_bytes;
};

/* FAILURE_NONE when a request of that size may come in, OVERLOADED when it must come later, TOO_LARGE when it
 * never fits. */
enum failure queue_admits(const struct queue *queue, uint32_t rows, size_t bytes);
/* Appends to the line of its priority. */
void queue_push(struct queue *queue, struct request *request);
/* Puts back at the front of its line what was taken before: a retry does not wait again. Not bounded: it was
 * admitted once. */
void queue_push_front(struct queue *queue, struct request *request);
void queue_remove(struct queue *queue, struct request *request);
/* Takes, highest priority first, as many requests as fit `max_rows` rows and `max_count`, at least one when
 * there is any (it may alone be larger). A request that must be alone ends the batch before it, or is the
 * batch. Returns how many; *rows = their sum. */
size_t queue_take(struct queue *queue, uint32_t max_rows, size_t max_count, struct request **taken,
                  uint32_t *rows);
/* When the oldest request arrived (monotonic ns); INT64_MAX when none waits. */
int64_t queue_oldest(const struct queue *queue);
/* The first request of the highest priority, NULL when none waits. */
struct request *queue_head(const struct queue *queue);

#endif
