/* protocol_vectors: fixed bytes of every verb and of a catalog entry, and other messages that are made of
 * them. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROTOCOL_VECTORS_H
#define OUTRIGGER_PROTOCOL_VECTORS_H

#include "protocol.h"
#include "suite.h"
#include "wire.h"

#include <stdlib.h>

/* One envelope of each verb, its bytes (made with another implementation of msgpack), and the types of its
 * elements: u unsigned, s str, b bin. */
struct vector {
    const char *bytes;
    size_t length;
    const char *types;
    struct envelope envelope;
};

#define BYTES(literal) literal, sizeof(literal) - 1
#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }

#define ONCE                                                                                                 \
    "abcdefghijklmnopqrstuvwxyz012345"                                                                       \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

#define TRACE                                                                                                \
    "0123456789abcdef"                                                                                       \
    "ABCDEFGH"                                                                                               \
    "\x01"

static const struct vector vectors[] = {
    {BYTES("\x9b\x01\x01\x07\xa1m\xa1"
           "2\x03\xce\x00\x4c\x4b\x40\x09\x05\xa1k\xa1t"),
     "uuussuuuuss",
     {.verb = VERB_REQUEST,
      .id = 7,
      .request = {.model = TEXT("m"),
                  .version = TEXT("2"),
                  .rows = 3,
                  .time_left_us = 5000000,
                  .priority = 9,
                  .tenant = 5,
                  .key = TEXT("k"),
                  .tag = TEXT("t")}}},
    {BYTES("\x9f\x01\x01\x07\xa1m\xa1"
           "2\x03\xce\x00\x4c\x4b\x40\x09\x05\xa1k\xa1t\xcd\x01\x2c\xc3\xc4\x40" ONCE "\xc4\x19" TRACE),
     "uuussuuuussutbb",
     {.verb = VERB_REQUEST,
      .id = 7,
      .request = {.model = TEXT("m"),
                  .version = TEXT("2"),
                  .rows = 3,
                  .time_left_us = 5000000,
                  .priority = 9,
                  .tenant = 5,
                  .key = TEXT("k"),
                  .tag = TEXT("t"),
                  .address = 300,
                  .again = true,
                  .once = TEXT(ONCE),
                  .trace = TEXT(TRACE)}}},
    {BYTES("\x93\x01\x02\x07"), "uuu", {.verb = VERB_CANCEL, .id = 7}},
    {BYTES("\x93\x01\x03\x07"), "uuu", {.verb = VERB_PING, .id = 7}},
    {BYTES("\x98\x01\x10\x07\xa1"
           "2\x0a\xcd\x01\x2c\x40\xce\x00\x0f\x42\x40"),
     "uuusuuuu",
     {.verb = VERB_REPLY,
      .id = 7,
      .reply =
          {.version = TEXT("2"), .queue_us = 10, .compute_us = 300, .batch_rows = 64, .age_us = 1000000}}},
    {BYTES("\x9d\x01\x10\x07\xa1"
           "2\x0a\xcd\x01\x2c\x40\x00\xa3key\x64\x3c\x28\x24"),
     "uuusuuuusuuuu",
     {.verb = VERB_REPLY,
      .id = 7,
      .reply = {.version = TEXT("2"),
                .queue_us = 10,
                .compute_us = 300,
                .batch_rows = 64,
                .limit = TEXT("key"),
                .quota = 100,
                .window_s = 60,
                .left = 40,
                .whole_s = 36}}},
    {BYTES("\x96\x01\x11\x07\x05\xcd\x03\xe8\xa4"
           "full"),
     "uuuuus",
     {.verb = VERB_REJECT,
      .id = 7,
      .reject = {.failure = FAILURE_OVERLOADED, .retry_after_ms = 1000, .message = TEXT("full")}}},
    {BYTES("\x9b\x01\x11\x07\x0f\x0c\xa4"
           "much\xa3key\x64\x01\xc3\xa1"
           "2"),
     "uuuuussuuts",
     {.verb = VERB_REJECT,
      .id = 7,
      .reject = {.failure = FAILURE_RATE_LIMITED,
                 .retry_after_ms = 12,
                 .message = TEXT("much"),
                 .limit = TEXT("key"),
                 .quota = 100,
                 .window_s = 1,
                 .replayed = true,
                 .version = TEXT("2")}}},
    {BYTES("\x94\x01\x12\x07\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
     "uuuu",
     {.verb = VERB_PONG, .id = 7, .pong = {.epoch = UINT64_MAX}}},
    {BYTES("\x94\x01\x13\x07\x02"), "uuuu", {.verb = VERB_CATALOG, .id = 7, .catalog = {.count = 2}}},
    {BYTES("\x9b\x01\x20\x00\xa1m\xa1"
           "2\x40\x02\xcd\x03\xe8\xcd\x12\x67\xa1x\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
     "uuussuuuusu",
     {.verb = VERB_READY,
      .ready = {.model = TEXT("m"),
                .version = TEXT("2"),
                .capacity_rows = 64,
                .slots = 2,
                .heartbeat_ms = 1000,
                .pid = 4711,
                .token = TEXT("x"),
                .instance = UINT64_MAX}}},
    {BYTES("\x96\x01\x21\x07\x02\xcd\x01\x2c\xc4\x02\x00\x0a"),
     "uuuuub",
     {.verb = VERB_RESULT, .id = 7, .result = {.count = 2, .compute_us = 300, .failures = TEXT("\x00\x0a")}}},
    {BYTES("\x94\x01\x22\x00\xcd\x12\x67"),
     "uuuu",
     {.verb = VERB_HEARTBEAT, .heartbeat = {.instance = 4711}}},
    {BYTES("\x93\x01\x23\x00"), "uuu", {.verb = VERB_BYE}},
    {BYTES("\x96\x01\x30\x07\x02\x05\xcd\x01\x2c"),
     "uuuuuu",
     {.verb = VERB_BATCH, .id = 7, .batch = {.count = 2, .rows = 5, .time_left_us = 300}}},
    {BYTES("\x99\x01\x30\x07\x01\x05\xcd\x01\x2c\x03\xa1"
           "t\xc4\x19" TRACE),
     "uuuuuuusb",
     {.verb = VERB_BATCH,
      .id = 7,
      .batch = {.count = 1,
                .rows = 5,
                .time_left_us = 300,
                .told = true,
                .priority = 3,
                .tag = TEXT("t"),
                .trace = TEXT(TRACE)}}},
    {BYTES("\x94\x01\x31\x00\xa2go"), "uuus", {.verb = VERB_DRAIN, .drain = {.message = TEXT("go")}}},
    {BYTES("\x94\x01\x32\x00\xcd\x01\x01"), "uuuu", {.verb = VERB_BEAT, .beat = {.epoch = 257}}},
    {BYTES("\x9f\x01\x10\x07\xa1"
           "2\x00\x00\x00\x09\xa3key\x64\x3c\x28\x24\xc3\xa2r1"),
     "uuusuuuusuuuuts",
     {.verb = VERB_REPLY,
      .id = 7,
      .reply = {.version = TEXT("2"),
                .age_us = 9,
                .limit = TEXT("key"),
                .quota = 100,
                .window_s = 60,
                .left = 40,
                .whole_s = 36,
                .replayed = true,
                .tag = TEXT("r1")}}},
};

static const struct vector entry_vector = {.bytes = "\x99\xa1m\xa1"
                                                    "2\x01\x03\xc3\xc3\xc4\x01\x80\xa2no\xc4\x02{}",
                                           .length = 19,
                                           .types = "ssuuttbsb"};

static inline const struct vector *vector_of(enum verb verb)
{
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        if (vectors[i].envelope.verb == verb)
            return &vectors[i];
    ck_abort_msg("no vector for verb %d", verb);
}

/* ---- making other messages of a vector ---- */

/* A message under construction, of exactly its own size so that a sanitizer sees a byte too many. */
struct message {
    uint8_t bytes[8192];
    size_t length;
};

/* The bytes in memory of their size; the caller frees it. */
static inline uint8_t *exactly(const uint8_t *bytes, size_t length)
{
    uint8_t *exact = object_alloc(length);
    if (length > 0)
        memcpy(exact, bytes, length);
    return exact;
}

static inline const char *decode(const uint8_t *bytes, size_t length)
{
    struct envelope envelope;
    uint8_t *exact = exactly(bytes, length);
    const char *complaint = protocol_decode(exact, length, &envelope);
    free(exact);
    return complaint;
}

static inline const char *decode_entry(const uint8_t *bytes, size_t length)
{
    struct catalog_entry entry;
    uint8_t *exact = exactly(bytes, length);
    const char *complaint = catalog_entry_decode(exact, length, &entry);
    free(exact);
    return complaint;
}

/* The vector with the element at `position` replaced. */
static inline struct message replace(const struct vector *vector, size_t position,
                                     const struct message *element)
{
    struct wire_reader reader = wire_reader(vector->bytes, vector->length);
    uint32_t count;
    ck_assert(wire_read_array(&reader, &count));
    for (size_t i = 0; i < position; i++)
        ck_assert(wire_skip(&reader));
    size_t before = (size_t)(reader.at - (const uint8_t *)vector->bytes);
    ck_assert(wire_skip(&reader));
    size_t after = (size_t)(reader.end - reader.at);
    struct message message;
    memcpy(message.bytes, vector->bytes, before);
    memcpy(message.bytes + before, element->bytes, element->length);
    memcpy(message.bytes + before + element->length, reader.at, after);
    message.length = before + element->length + after;
    return message;
}

static inline struct message raw(const char *bytes, size_t length)
{
    struct message message = {.length = length};
    memcpy(message.bytes, bytes, length);
    return message;
}

static inline struct message number(uint64_t value)
{
    struct message message;
    struct wire_writer writer;
    wire_writer_begin(&writer, message.bytes, sizeof message.bytes);
    wire_write_uint(&writer, value);
    message.length = wire_writer_end(&writer);
    return message;
}

/* That many letters as str (or bin). */
static inline struct message letters(size_t length, bool bin)
{
    static char a[4096];
    memset(a, 'a', sizeof a);
    struct message message;
    struct wire_writer writer;
    wire_writer_begin(&writer, message.bytes, sizeof message.bytes);
    if (bin)
        wire_write_bin(&writer, a, length);
    else
        wire_write_text(&writer, (struct text){a, length});
    message.length = wire_writer_end(&writer);
    return message;
}

static inline bool accepts(enum verb verb, size_t position, struct message element)
{
    struct message message = replace(vector_of(verb), position, &element);
    return decode(message.bytes, message.length) == NULL;
}

#endif
