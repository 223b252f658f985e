/* train: our messages in the frames of a ZeroMQ message, as PROTOCOL.md section 2 says: envelopes and small
 * payloads one behind the other in one frame, large payloads as frames of their own. Pure: no sockets.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TRAIN_H
#define OUTRIGGER_TRAIN_H

#include "protocol.h"

enum {
    /* Bytes of a payload that travels inside the frame of its envelope. To copy so many costs less than the
     * allocation, the counting and the hand-over between threads that a frame of their own takes. */
    TRAIN_INSIDE_MAX = 4096,
    /* Bytes of a frame that a writer makes: the least that broker.max_message_bytes may be. */
    TRAIN_FRAME_MAX = 65536,
    TRAIN_BIN_HEAD_MAX = 5 /* what msgpack puts in front of a payload inside */
};

/* ---- writing: a buffer that keeps its memory from one frame to the next ---- */

/* One frame; all bytes zero: empty. */
struct train {
    uint8_t *bytes;
    size_t length, capacity;
};

void train_free(struct train *train);
/* Empty again; the memory stays. */
void train_clear(struct train *train);
/* True when there may be no room for another message: the frame is to be sent. */
bool train_full(const struct train *train);
/* Adds an envelope to a train that is not full. Its payloads are to follow, in their order: inside the frame
 * as long as train_takes says so, and from the first on for which it does not, as frames behind this one. */
void train_add(struct train *train, const struct envelope *envelope);
/* Whether a payload of so many bytes travels inside this frame. */
bool train_takes(const struct train *train, size_t bytes);
/* Adds a payload of so many bytes, which train_takes. Returns where the caller writes them, before anything
 * else is added. */
uint8_t *train_add_payload(struct train *train, size_t bytes);

/* ---- reading: a cursor over a frame ---- */

/* The next frame of the ZeroMQ message; false when it has none. The bytes must stay where they are as long as
 * what is read of them is looked at. */
typedef bool train_next_frame(void *self, struct text *frame);

struct train_reader {
    const uint8_t *at, *end;
    train_next_frame *next;
    void *self;
};

/* A reader of a frame that begins with an envelope; `next` is called for each payload that is a frame. */
struct train_reader train_reader(struct text frame, train_next_frame *next, void *self);

/* Reads one message: its envelope, and views of its payloads in `payloads`, which has room for
 * PROTOCOL_COUNT_MAX. Those inside the frame come first; each of the others is a frame that `next` gave.
 * Returns NULL, or what is wrong as a constant sentence part: what follows has no meaning then. */
const char *train_read(struct train_reader *reader, struct envelope *envelope, struct text *payloads,
                       size_t *count);

/* True when the frame is read to its end: another message would begin with the next frame. */
bool train_ended(const struct train_reader *reader);

#endif
