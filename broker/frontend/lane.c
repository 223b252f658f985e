/* lane: the side lane of a frontend.
 *
 * A batch of a thousand rows is a millisecond of JSON; on the loop's thread it would be a millisecond for
 * everyone else. connection.c hands such requests over once they have come in whole, so that a thread of the
 * lane is never held by a slow peer. One mutex guards both lists; the loop is woken by an eventfd.
 * SPDX-License-Identifier: MIT */
#include "lane.h"

#include "process.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

enum { LANE_MAGIC = 0x1a4e0001 };

struct lane {
    unsigned magic;
    struct loop *loop;
    struct api *api;
    int event_fd;
    pthread_mutex_t mutex;
    pthread_cond_t work_came;
    struct lane_job *waiting, *finished;
    bool stopping;
    size_t submitted, begun, ended; /* pieces of work, in all */
    size_t thread_count;
    pthread_t threads[];
};

/* The first, taken out; NULL: there is none. */
static struct lane_job *take(struct lane_job **list)
{
    struct lane_job *job = *list;
    if (job != NULL)
        DL_DELETE2(*list, job, previous, next);
    return job;
}

static void finished(struct lane *lane, struct lane_job *job)
{
    pthread_mutex_lock(&lane->mutex);
    bool wake = lane->finished == NULL;
    lane->ended++;
    DL_APPEND2(lane->finished, job, previous, next);
    pthread_mutex_unlock(&lane->mutex);
    if (wake)
        eventfd_write(lane->event_fd, 1);
}

/* The process stays on the cores on which those that pass requests on wake each other fast. A thread of the
 * lane computes for long instead, and is better off on whichever core is free. */
static void take_any_core(void)
{
    const char *cores = getenv("OUTRIGGER_CORES_ALL");
    if (cores != NULL)
        process_pin(cores);
}

static void *run(void *self)
{
    struct lane *lane = self;
    struct exchange_tools tools;
    take_any_core();
    exchange_tools_init(&tools, lane->api);
    for (;;) {
        pthread_mutex_lock(&lane->mutex);
        while (lane->waiting == NULL && !lane->stopping)
            pthread_cond_wait(&lane->work_came, &lane->mutex);
        struct lane_job *job = lane->stopping ? NULL : take(&lane->waiting);
        lane->begun += job != NULL;
        pthread_mutex_unlock(&lane->mutex);
        if (job == NULL)
            break;
        job->work(job, &tools);
        finished(lane, job);
    }
    exchange_tools_free(&tools);
    return NULL;
}

static void collect(void *self, int fd, uint32_t events)
{
    (void)events;
    struct lane *lane = self;
    eventfd_t count;
    eventfd_read(fd, &count);
    pthread_mutex_lock(&lane->mutex);
    struct lane_job *done = lane->finished;
    lane->finished = NULL;
    pthread_mutex_unlock(&lane->mutex);
    struct lane_job *job;
    while ((job = take(&done)) != NULL)
        job->done(job);
}

struct lane *lane_new(struct loop *loop, struct api *api, size_t threads)
{
    struct lane *lane = object_alloc(sizeof *lane + threads * sizeof(pthread_t));
    lane->magic = LANE_MAGIC;
    lane->loop = loop;
    lane->api = api;
    lane->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ENSURE(lane->event_fd >= 0);
    pthread_mutex_init(&lane->mutex, NULL);
    pthread_cond_init(&lane->work_came, NULL);
    ENSURE(loop_add(loop, lane->event_fd, EPOLLIN, collect, lane) == 0);
    for (; lane->thread_count < threads; lane->thread_count++)
        ENSURE(pthread_create(&lane->threads[lane->thread_count], NULL, run, lane) == 0);
    return lane;
}

void lane_submit(struct lane *lane, struct lane_job *job)
{
    CHECK_OBJECT(lane, LANE_MAGIC);
    pthread_mutex_lock(&lane->mutex);
    DL_APPEND2(lane->waiting, job, previous, next);
    lane->submitted++;
    pthread_mutex_unlock(&lane->mutex);
    pthread_cond_signal(&lane->work_came);
}

struct lane_load lane_load(struct lane *lane)
{
    CHECK_OBJECT(lane, LANE_MAGIC);
    pthread_mutex_lock(&lane->mutex);
    struct lane_load load = {.threads = lane->thread_count,
                             .busy = lane->begun - lane->ended,
                             .waiting = lane->submitted - lane->begun};
    pthread_mutex_unlock(&lane->mutex);
    return load;
}

void lane_free(struct lane *lane)
{
    if (lane == NULL)
        return;
    CHECK_OBJECT(lane, LANE_MAGIC);
    pthread_mutex_lock(&lane->mutex);
    lane->stopping = true;
    pthread_cond_broadcast(&lane->work_came);
    pthread_mutex_unlock(&lane->mutex);
    for (size_t i = 0; i < lane->thread_count; i++)
        pthread_join(lane->threads[i], NULL);
    loop_remove(lane->loop, lane->event_fd);
    close(lane->event_fd);
    pthread_mutex_destroy(&lane->mutex);
    pthread_cond_destroy(&lane->work_came);
    lane->magic = 0;
    free(lane);
}
