/* thrd_create: C11's threads by POSIX's. ThreadSanitizer does not know of the former, by which librdkafka
 * starts its threads, and dies in such a one. Linked into builds with it alone. SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

struct start {
    thrd_start_t call;
    void *argument;
};

static void *run(void *of)
{
    struct start start = *(struct start *)of;
    free(of);
    return (void *)(intptr_t)start.call(start.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t call, void *argument)
{
    struct start *start = malloc(sizeof *start);
    if (start == NULL)
        return thrd_nomem;
    *start = (struct start){call, argument};
    if (pthread_create(thread, NULL, run, start) == 0)
        return thrd_success;
    free(start);
    return thrd_error;
}

int thrd_join(thrd_t thread, int *result)
{
    void *value;
    if (pthread_join(thread, &value) != 0)
        return thrd_error;
    if (result != NULL)
        *result = (int)(intptr_t)value;
    return thrd_success;
}
