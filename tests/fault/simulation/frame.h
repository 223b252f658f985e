/* frame: what ZeroMQ's frames are made of here. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FRAME_H
#define OUTRIGGER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

struct buffer {
    size_t references;
    size_t size;
    uint8_t bytes[];
};

/* What stands in a zmq_msg_t. All zero: an empty frame, or none. */
struct frame {
    struct buffer *buffer;
    bool more;
};
_Static_assert(sizeof(struct frame) <= sizeof(zmq_msg_t), "a frame stands in a zmq_msg_t");

/* A new frame with these bytes (NULL: to be filled in). */
struct frame frame_new(const void *bytes, size_t size);
/* Gives it back; it is empty then. */
void frame_drop(struct frame *frame);
struct frame *frame_of(zmq_msg_t *message);

/* Several frames, on their way. */
struct message {
    struct message *next;
    int64_t arrives_at;
    size_t count;
    struct frame frames[];
};

/* Takes the frames. */
struct message *message_new(const struct frame *frames, size_t count);
void message_free(struct message *message);

#endif
