/* ahead: why messages are taken before they are handled.
 *
 * At every hundredth frame since it last said that nothing waits libzmq (4.3.4) looks whether the connection
 * still is there, also in the middle of a message, and aborts the process when it is not. Messages of one
 * frame have no middle, and nearly all of ours are of one (train.h). The frames of the others are taken with
 * nothing between them, least of all the sending that would show that the other side is gone: a busy worker
 * that answers one batch and goes on with the next, or a frontend that handles one answer after the other,
 * would come to that frame. Used by client (askers) and session (workers), each on its own thread.
 * SPDX-License-Identifier: MIT */
#include "ahead.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

enum { AHEAD_MAGIC = 0x0a4ead01 };

struct ahead {
    unsigned magic;
    void *socket;
    zmq_msg_t *frames;
    size_t first, count,
        capacity; /* frames[first] begins the oldest message, frames[count - 1] ends the last */
    size_t messages;
    size_t next; /* frame of the message that was begun */
};

struct ahead *ahead_new(void *socket)
{
    struct ahead *ahead = object_alloc(sizeof *ahead);
    ahead->magic = AHEAD_MAGIC;
    ahead->socket = socket;
    return ahead;
}

void ahead_free(struct ahead *ahead)
{
    if (ahead == NULL)
        return;
    CHECK_OBJECT(ahead, AHEAD_MAGIC);
    for (size_t i = ahead->first; i < ahead->count; i++)
        zmq_msg_close(&ahead->frames[i]);
    free(ahead->frames);
    ahead->magic = 0;
    free(ahead);
}

/* The frames that are done make room first, so that the memory is bounded by what waits. */
static zmq_msg_t *make_room(struct ahead *ahead)
{
    if (ahead->count == ahead->capacity && ahead->first > 0) {
        ahead->count -= ahead->first;
        memmove(ahead->frames, ahead->frames + ahead->first, ahead->count * sizeof *ahead->frames);
        ahead->first = 0;
    }
    if (ahead->count == ahead->capacity) {
        ahead->capacity = ahead->capacity == 0 ? AHEAD_MAX : 2 * ahead->capacity;
        ahead->frames = realloc(ahead->frames, ahead->capacity * sizeof *ahead->frames);
        ENSURE(ahead->frames != NULL);
    }
    return &ahead->frames[ahead->count];
}

/* NULL when none waits. */
static const zmq_msg_t *take_frame(struct ahead *ahead)
{
    zmq_msg_t *frame = make_room(ahead);
    zmq_msg_init(frame);
    while (zmq_msg_recv(frame, ahead->socket, ZMQ_DONTWAIT) < 0)
        if (errno != EINTR) {
            zmq_msg_close(frame);
            return NULL;
        }
    ahead->count++;
    return frame;
}

/* False when none waits: what ZeroMQ begins to give it gives to the end. */
static bool take_message(struct ahead *ahead)
{
    const zmq_msg_t *frame;
    do {
        frame = take_frame(ahead);
    } while (frame != NULL && zmq_msg_more(frame));
    return frame != NULL;
}

size_t ahead_take(struct ahead *ahead)
{
    CHECK_OBJECT(ahead, AHEAD_MAGIC);
    while (ahead->messages < AHEAD_MAX && take_message(ahead))
        ahead->messages++;
    return ahead->messages;
}

static struct text pass(struct ahead *ahead)
{
    zmq_msg_t *frame = &ahead->frames[ahead->next++];
    return (struct text){zmq_msg_data(frame), zmq_msg_size(frame)};
}

bool ahead_begin(struct ahead *ahead, struct text *frame)
{
    CHECK_OBJECT(ahead, AHEAD_MAGIC);
    if (ahead->messages == 0)
        return false;
    ahead->next = ahead->first;
    *frame = pass(ahead);
    return true;
}

bool ahead_next(void *self, struct text *frame)
{
    struct ahead *ahead = self;
    CHECK_OBJECT(ahead, AHEAD_MAGIC);
    if (!zmq_msg_more(&ahead->frames[ahead->next - 1]))
        return false;
    *frame = pass(ahead);
    return true;
}

void ahead_end(struct ahead *ahead)
{
    CHECK_OBJECT(ahead, AHEAD_MAGIC);
    bool more = true;
    while (more) {
        zmq_msg_t *frame = &ahead->frames[ahead->first++];
        more = zmq_msg_more(frame);
        zmq_msg_close(frame);
    }
    ahead->messages--;
    if (ahead->first == ahead->count) /* it begins again at the start, where the memory is warm */
        ahead->first = ahead->count = 0;
}
