/* train: see train.h and PROTOCOL.md section 2.
 *
 * Used by whoever speaks the wire: client (askers), session (workers), the broker's port. A frame costs
 * libzmq on each side about as much as all that we do for a small request, so small things share one. Memory
 * is bounded by TRAIN_FRAME_MAX for a writer; a reader has none. SPDX-License-Identifier: MIT */
#include "train.h"

#include "wire.h"

#include <stdlib.h>

enum {
    MESSAGE_MAX = PROTOCOL_ENVELOPE_MAX + TRAIN_INSIDE_MAX + TRAIN_BIN_HEAD_MAX, /* with one payload inside */
    FULL = TRAIN_FRAME_MAX - MESSAGE_MAX
};

/* ---- writing ---- */

void train_free(struct train *train)
{
    free(train->bytes);
    *train = (struct train){0};
}

void train_clear(struct train *train)
{
    train->length = 0;
}

bool train_full(const struct train *train)
{
    return train->length > FULL;
}

/* Returns the place for so many bytes more. */
static uint8_t *make_room(struct train *train, size_t bytes)
{
    while (train->capacity < train->length + bytes) {
        train->capacity = train->capacity == 0 ? 2 * MESSAGE_MAX : 2 * train->capacity;
        train->bytes = realloc(train->bytes, train->capacity);
        ENSURE(train->bytes != NULL);
    }
    return train->bytes + train->length;
}

void train_add(struct train *train, const struct envelope *envelope)
{
    uint8_t *place = make_room(train, PROTOCOL_ENVELOPE_MAX);
    size_t length = protocol_encode(envelope, place, PROTOCOL_ENVELOPE_MAX);
    ENSURE(length > 0);
    train->length += length;
}

bool train_takes(const struct train *train, size_t bytes)
{
    return bytes <= TRAIN_INSIDE_MAX && train->length <= FULL + PROTOCOL_ENVELOPE_MAX;
}

uint8_t *train_add_payload(struct train *train, size_t bytes)
{
    struct wire_writer writer;
    uint8_t *place = make_room(train, TRAIN_BIN_HEAD_MAX + bytes);
    wire_writer_begin(&writer, place, TRAIN_BIN_HEAD_MAX);
    wire_write_bin_head(&writer, bytes);
    size_t head = wire_writer_end(&writer);
    train->length += head + bytes;
    return place + head;
}

/* ---- reading ---- */

struct train_reader train_reader(struct text frame, train_next_frame *next, void *self)
{
    struct wire_reader bytes = wire_reader(frame.at, frame.length);
    return (struct train_reader){.at = bytes.at, .end = bytes.end, .next = next, .self = self};
}

bool train_ended(const struct train_reader *reader)
{
    return reader->at == reader->end;
}

static const char *read_inside(struct train_reader *reader, struct text *payload)
{
    struct wire_reader bytes = wire_reader(reader->at, (size_t)(reader->end - reader->at));
    if (!wire_read_bin(&bytes, SIZE_MAX, payload))
        return "a payload inside the frame is no bin, or is cut off";
    reader->at = bytes.at;
    return NULL;
}

const char *train_read(struct train_reader *reader, struct envelope *envelope, struct text *payloads,
                       size_t *count)
{
    size_t used;
    const char *complaint =
        protocol_decode_first(reader->at, (size_t)(reader->end - reader->at), envelope, &used);
    *count = 0;
    if (complaint != NULL)
        return complaint;
    reader->at += used;
    for (size_t wanted = protocol_payload_count(envelope); *count < wanted; ++*count) {
        if (!train_ended(reader))
            complaint = read_inside(reader, &payloads[*count]);
        else if (!reader->next(reader->self, &payloads[*count]))
            complaint = "payloads are missing";
        if (complaint != NULL)
            return complaint;
    }
    return NULL;
}
