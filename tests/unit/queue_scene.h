/* queue_scene: a queue, eight requests of clients, and a word for those that were taken. Include it in one
 * test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_QUEUE_SCENE_H
#define OUTRIGGER_QUEUE_SCENE_H

#include "queue.h"
#include "suite.h"

enum { SOON = 1 << 20 }; /* deadlines farther apart than what is compared */

static struct queue queue;
static struct request requests[8];
static struct request *taken[8];
static uint32_t rows;

static inline void set_up(void)
{
    queue = (struct queue){.max_rows = 100, .max_bytes = 1000};
    memset(requests, 0, sizeof requests);
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        requests[i] = (struct request){
            .rows = 1, .bytes = 10, .arrived_at = (int64_t)i, .priority = PROTOCOL_PRIORITY_ONLINE};
}

static inline void tear_down(void)
{
    queue_free(&queue);
}

static inline void push_all(void)
{
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        queue_push(&queue, &requests[i]);
}

/* Takes, and says as a word which of the requests came: "013". */
static inline const char *take(uint32_t max_rows, size_t max_count)
{
    static char word[COUNT_OF(requests) + 1];
    size_t count = queue_take(&queue, max_rows, max_count, taken, &rows);
    for (size_t i = 0; i < count; i++)
        word[i] = (char)('0' + (taken[i] - requests));
    word[count] = '\0';
    return word;
}

#endif
