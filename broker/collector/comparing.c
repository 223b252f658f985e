/* comparing: see comparing.h.
 *
 * Nobody waits for what is found here, and the clients of the stable version want the same processors: so it
 * runs in the scheduler's idle class, which gets what others leave. The collector's other work must not run
 * there, since monitoring systems do wait for it: hence a thread of its own. No lock of ours is shared with
 * the collector's loop: one that it held when others took its processor away would hold up the loop as well.
 * When it does not keep up, frames wait with the broker, which then drops copies and counts them. Started by
 * main.c, whose loop publishes what was counted. SPDX-License-Identifier: MIT */
#include "comparing.h"

#include "comparison.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { COMPARING_MAGIC = 0xc0390a01 };

struct comparing {
    unsigned magic;
    void *socket;
    int stop; /* an eventfd: readable when the thread is to end */
    struct comparison *comparison;
    pthread_t thread;
    bool ended;
    /* Of refusals: written by the thread alone, read atomically; and what the loop has told of. */
    uint64_t frames, messages;
    const char *wrong;
    uint64_t frames_told, messages_told;
};

static void count(uint64_t *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static void take(struct comparing *comparing, zmq_msg_t *frame)
{
    const struct text text = {zmq_msg_data(frame), zmq_msg_size(frame)};
    const char *wrong = comparison_take(comparing->comparison, text);
    if (wrong == NULL)
        return;
    __atomic_store_n(&comparing->wrong, wrong, __ATOMIC_RELAXED);
    count(&comparing->frames);
}

/* Receives one message, and takes it if it has one frame. */
static void receive(struct comparing *comparing)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    bool received = zmq_msg_recv(&frame, comparing->socket, ZMQ_DONTWAIT) != -1;
    if (received && !zmq_msg_more(&frame)) {
        take(comparing, &frame);
    } else if (received) {
        count(&comparing->messages);
        while (zmq_msg_more(&frame) && zmq_msg_recv(&frame, comparing->socket, ZMQ_DONTWAIT) != -1)
            continue;
    }
    zmq_msg_close(&frame);
}

static void *run(void *self)
{
    struct comparing *comparing = self;
    zmq_pollitem_t items[] = {{.socket = comparing->socket, .events = ZMQ_POLLIN},
                              {.fd = comparing->stop, .events = ZMQ_POLLIN}};
    pthread_setname_np(pthread_self(), "comparing");
    if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) != 0)
        log_warning("answers of shadow versions are compared at the usual priority: %s", strerror(errno));
    while ((items[1].revents & ZMQ_POLLIN) == 0)
        if (zmq_poll(items, 2, -1) != -1) {
            if ((items[0].revents & ZMQ_POLLIN) != 0)
                receive(comparing);
        } else if (zmq_errno() != EINTR) {
            log_error("answers of shadow versions are not compared any more: %s", zmq_strerror(zmq_errno()));
            break;
        }
    return NULL;
}

struct comparing *comparing_new(void *socket)
{
    struct comparing *comparing = object_alloc(sizeof *comparing);
    comparing->magic = COMPARING_MAGIC;
    comparing->socket = socket;
    comparing->comparison = comparison_new();
    comparing->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = comparing->stop == -1 ? errno : pthread_create(&comparing->thread, NULL, run, comparing);
    if (error == 0)
        return comparing;
    if (comparing->stop != -1)
        close(comparing->stop);
    comparison_free(comparing->comparison);
    free(comparing);
    errno = error;
    return NULL;
}

void comparing_end(struct comparing *comparing)
{
    if (comparing == NULL)
        return;
    CHECK_OBJECT(comparing, COMPARING_MAGIC);
    if (comparing->ended)
        return;
    ENSURE(eventfd_write(comparing->stop, 1) == 0);
    pthread_join(comparing->thread, NULL);
    comparing->ended = true;
}

void comparing_free(struct comparing *comparing)
{
    if (comparing == NULL)
        return;
    comparing_end(comparing);
    close(comparing->stop);
    comparison_free(comparing->comparison);
    comparing->magic = 0;
    free(comparing);
}

static uint64_t since(const uint64_t *counter, uint64_t *told)
{
    uint64_t value = __atomic_load_n(counter, __ATOMIC_RELAXED), more = value - *told;
    *told = value;
    return more;
}

struct comparing_refused comparing_publish(struct comparing *comparing, struct metrics *metrics)
{
    CHECK_OBJECT(comparing, COMPARING_MAGIC);
    comparison_publish(comparing->comparison, metrics);
    return (struct comparing_refused){.frames = since(&comparing->frames, &comparing->frames_told),
                                      .wrong = __atomic_load_n(&comparing->wrong, __ATOMIC_RELAXED),
                                      .messages = since(&comparing->messages, &comparing->messages_told)};
}
