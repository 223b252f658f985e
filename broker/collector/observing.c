/* observing: see observing.h.
 *
 * Nobody waits for what is found here, and the clients of the stable version want the same processors: so it
 * runs in the scheduler's idle class, which gets what others leave. The collector's other work must not run
 * there, since monitoring systems do wait for it: hence a thread of its own. No lock of ours is shared with
 * the collector's loop: one that it held when others took its processor away would hold up the loop as well.
 * When it does not keep up, frames wait with those who sent them, who then drop some and count them. What
 * becomes of an observation is its kind's. Started by main.c, whose loop publishes what was counted.
 * SPDX-License-Identifier: MIT */
#include "observing.h"

#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { OBSERVING_MAGIC = 0xc0390a01 };

struct observing {
    unsigned magic;
    void *socket;
    int stop;                     /* an eventfd: readable when the thread is to end */
    struct observing_kind *kinds; /* the last one has no function */
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

static const char *take_any(const struct observing_kind *kinds, const struct observation_any *any)
{
    while (kinds->take != NULL && kinds->kind != any->kind)
        kinds++;
    return kinds->take == NULL ? NULL : kinds->take(kinds->self, any);
}

const char *observing_take(const struct observing_kind *kinds, struct text frame)
{
    struct wire_reader reader = wire_reader(frame.at, frame.length);
    const char *unreadable = NULL, *refused = NULL;
    while (unreadable == NULL && !wire_finished(&reader)) {
        struct observation_any any;
        unreadable = observation_next(&reader, &any);
        const char *wrong = unreadable == NULL ? take_any(kinds, &any) : NULL;
        refused = wrong == NULL ? refused : wrong;
    }
    return unreadable == NULL ? refused : unreadable;
}

static void take(struct observing *observing, zmq_msg_t *frame)
{
    const struct text text = {zmq_msg_data(frame), zmq_msg_size(frame)};
    const char *wrong = observing_take(observing->kinds, text);
    if (wrong == NULL)
        return;
    __atomic_store_n(&observing->wrong, wrong, __ATOMIC_RELAXED);
    count(&observing->frames);
}

/* Receives one message, and takes it if it has one frame. */
static void receive(struct observing *observing)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    bool received = zmq_msg_recv(&frame, observing->socket, ZMQ_DONTWAIT) != -1;
    if (received && !zmq_msg_more(&frame)) {
        take(observing, &frame);
    } else if (received) {
        count(&observing->messages);
        while (zmq_msg_more(&frame) && zmq_msg_recv(&frame, observing->socket, ZMQ_DONTWAIT) != -1)
            continue;
    }
    zmq_msg_close(&frame);
}

static void *run(void *self)
{
    struct observing *observing = self;
    zmq_pollitem_t items[] = {{.socket = observing->socket, .events = ZMQ_POLLIN},
                              {.fd = observing->stop, .events = ZMQ_POLLIN}};
    pthread_setname_np(pthread_self(), "observing");
    if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) != 0)
        log_warning("what is observed is looked at with the usual priority: %s", strerror(errno));
    while ((items[1].revents & ZMQ_POLLIN) == 0)
        if (zmq_poll(items, 2, -1) != -1) {
            if ((items[0].revents & ZMQ_POLLIN) != 0)
                receive(observing);
        } else if (zmq_errno() != EINTR) {
            log_error("what is observed is not looked at any more: %s", zmq_strerror(zmq_errno()));
            break;
        }
    return NULL;
}

static struct observing_kind *copy_of(const struct observing_kind *kinds)
{
    size_t count = 0;
    while (kinds[count].take != NULL)
        count++;
    struct observing_kind *copy = object_alloc((count + 1) * sizeof *copy);
    memcpy(copy, kinds, (count + 1) * sizeof *copy);
    return copy;
}

struct observing *observing_new(void *socket, const struct observing_kind *kinds)
{
    struct observing *observing = object_alloc(sizeof *observing);
    observing->magic = OBSERVING_MAGIC;
    observing->socket = socket;
    observing->kinds = copy_of(kinds);
    observing->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = observing->stop == -1 ? errno : pthread_create(&observing->thread, NULL, run, observing);
    if (error == 0)
        return observing;
    if (observing->stop != -1)
        close(observing->stop);
    free(observing->kinds);
    free(observing);
    errno = error;
    return NULL;
}

void observing_end(struct observing *observing)
{
    if (observing == NULL)
        return;
    CHECK_OBJECT(observing, OBSERVING_MAGIC);
    if (observing->ended)
        return;
    ENSURE(eventfd_write(observing->stop, 1) == 0);
    pthread_join(observing->thread, NULL);
    observing->ended = true;
}

void observing_free(struct observing *observing)
{
    if (observing == NULL)
        return;
    observing_end(observing);
    close(observing->stop);
    free(observing->kinds);
    observing->magic = 0;
    free(observing);
}

static uint64_t since(const uint64_t *counter, uint64_t *told)
{
    uint64_t value = __atomic_load_n(counter, __ATOMIC_RELAXED), more = value - *told;
    *told = value;
    return more;
}

struct observing_refused observing_refusals(struct observing *observing)
{
    CHECK_OBJECT(observing, OBSERVING_MAGIC);
    return (struct observing_refused){.frames = since(&observing->frames, &observing->frames_told),
                                      .wrong = __atomic_load_n(&observing->wrong, __ATOMIC_RELAXED),
                                      .messages = since(&observing->messages, &observing->messages_told)};
}
