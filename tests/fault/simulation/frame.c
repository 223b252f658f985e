/* frame: counted buffers behind zmq_msg_t, and the functions of zmq.h for one. Each buffer is freed with its
 * last reader, so that a sanitizer sees a view that is used too long. The count is atomic because the
 * broker's quarantine writes in a thread. SPDX-License-Identifier: MIT */
#include "frame.h"

#include "object.h"

#include <stdlib.h>
#include <string.h>

struct frame *frame_of(zmq_msg_t *message)
{
    return (struct frame *)(void *)message;
}

struct frame frame_new(const void *bytes, size_t size)
{
    struct buffer *buffer = malloc(sizeof *buffer + size);
    ENSURE(buffer != NULL);
    buffer->references = 1;
    buffer->size = size;
    if (bytes != NULL && size > 0)
        memcpy(buffer->bytes, bytes, size);
    return (struct frame){.buffer = buffer};
}

void frame_drop(struct frame *frame)
{
    if (frame->buffer != NULL && __atomic_sub_fetch(&frame->buffer->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(frame->buffer);
    *frame = (struct frame){0};
}

int zmq_msg_init(zmq_msg_t *message)
{
    memset(message, 0, sizeof *message);
    return 0;
}

int zmq_msg_init_size(zmq_msg_t *message, size_t size)
{
    zmq_msg_init(message);
    *frame_of(message) = frame_new(NULL, size);
    return 0;
}

void *zmq_msg_data(zmq_msg_t *message)
{
    static uint8_t nothing;
    struct buffer *buffer = frame_of(message)->buffer;
    return buffer == NULL ? &nothing : buffer->bytes;
}

size_t zmq_msg_size(const zmq_msg_t *message)
{
    const struct buffer *buffer = ((const struct frame *)(const void *)message)->buffer;
    return buffer == NULL ? 0 : buffer->size;
}

int zmq_msg_more(const zmq_msg_t *message)
{
    return ((const struct frame *)(const void *)message)->more;
}

int zmq_msg_close(zmq_msg_t *message)
{
    frame_drop(frame_of(message));
    return 0;
}

int zmq_msg_move(zmq_msg_t *to, zmq_msg_t *from)
{
    frame_drop(frame_of(to));
    *frame_of(to) = *frame_of(from);
    zmq_msg_init(from);
    return 0;
}

int zmq_msg_copy(zmq_msg_t *to, zmq_msg_t *from)
{
    frame_drop(frame_of(to));
    *frame_of(to) = *frame_of(from);
    if (frame_of(to)->buffer != NULL)
        __atomic_add_fetch(&frame_of(to)->buffer->references, 1, __ATOMIC_RELAXED);
    return 0;
}

struct message *message_new(const struct frame *frames, size_t count)
{
    struct message *message = object_alloc(sizeof *message + count * sizeof *frames);
    message->count = count;
    memcpy(message->frames, frames, count * sizeof *frames);
    return message;
}

void message_free(struct message *message)
{
    if (message == NULL)
        return;
    for (size_t i = 0; i < message->count; i++)
        frame_drop(&message->frames[i]);
    free(message);
}
