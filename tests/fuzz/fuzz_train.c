/* fuzz_train: any bytes as the frames of a ZeroMQ message: each is two bytes of length and that many bytes.
 * What can be read lies inside them; written again, it reads as the same. SPDX-License-Identifier: MIT */
#include "train.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { FRAMES_MAX = 64 };

struct frames {
    struct text frames[FRAMES_MAX + PROTOCOL_COUNT_MAX];
    size_t count, at;
};

static bool next_frame(void *self, struct text *frame)
{
    struct frames *frames = self;
    if (frames->at == frames->count)
        return false;
    *frame = frames->frames[frames->at++];
    return true;
}

/* Each frame with memory of its own, so that a sanitizer sees what is read behind its end. */
static void take_frames(struct frames *frames, const uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at + 2 <= length && frames->count < FRAMES_MAX;) {
        size_t claimed = bytes[at] | (size_t)bytes[at + 1] << 8;
        size_t size = claimed < length - at - 2 ? claimed : length - at - 2;
        char *copy = malloc(size + (size == 0));
        memcpy(copy, bytes + at + 2, size);
        frames->frames[frames->count++] = (struct text){copy, size};
        at += 2 + size;
    }
}

static void expect_inside(const struct frames *frames, struct text payload)
{
    for (size_t i = 0; i < frames->count; i++) {
        struct text frame = frames->frames[i];
        if (payload.at >= frame.at && payload.at + payload.length <= frame.at + frame.length)
            return;
    }
    ENSURE(!"a payload is none of the bytes that came");
}

/* The message once more, its payloads inside the frame as far as they may. */
static void expect_the_same_again(const struct envelope *envelope, const struct text *payloads, size_t count)
{
    static struct text again[PROTOCOL_COUNT_MAX];
    struct frames rest = {0};
    struct train train = {0};
    struct envelope second;
    size_t read;
    train_add(&train, envelope);
    for (size_t i = 0; i < count; i++)
        if (rest.count == 0 && train_takes(&train, payloads[i].length))
            memcpy(train_add_payload(&train, payloads[i].length), payloads[i].at, payloads[i].length);
        else
            rest.frames[rest.count++] = payloads[i];
    struct text frame = {(const char *)train.bytes, train.length};
    struct train_reader reader = train_reader(frame, next_frame, &rest);
    ENSURE(train_read(&reader, &second, again, &read) == NULL);
    ENSURE(train_ended(&reader) && rest.at == rest.count);
    ENSURE(second.verb == envelope->verb && second.id == envelope->id && read == count);
    for (size_t i = 0; i < count; i++)
        ENSURE(again[i].length == payloads[i].length &&
               memcmp(again[i].at, payloads[i].at, again[i].length) == 0);
    train_free(&train);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct text payloads[PROTOCOL_COUNT_MAX];
    struct frames frames = {0};
    const char *complaint = NULL;
    take_frames(&frames, bytes, length);
    while (complaint == NULL && frames.at < frames.count) {
        struct train_reader reader = train_reader(frames.frames[frames.at++], next_frame, &frames);
        do {
            struct envelope envelope;
            size_t count;
            complaint = train_read(&reader, &envelope, payloads, &count);
            if (complaint != NULL)
                break;
            ENSURE(count == protocol_payload_count(&envelope));
            for (size_t i = 0; i < count; i++)
                expect_inside(&frames, payloads[i]);
            expect_the_same_again(&envelope, payloads, count);
        } while (!train_ended(&reader));
    }
    for (size_t i = 0; i < frames.count; i++)
        free((char *)frames.frames[i].at);
    return 0;
}
