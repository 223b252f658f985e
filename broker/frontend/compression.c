/* compression: see compression.h.
 *
 * What a packed body makes is not known before it is unpacked, and may be a thousand times as much: room is
 * made step by step, up to a limit, and whoever goes beyond it is refused without the rest being looked at.
 * Packing is packing.c's; a thread of the side lane does it. Called by exchange.c. SPDX-License-Identifier:
 * MIT */
#include "compression.h"

#include "http.h"
#include "packing.h"

#include <limits.h>
#include <zlib.h>

enum {
    WINDOW = 15,      /* zlib's largest: what RFC 1950 and 1952 allow */
    GZIP_FORMAT = 16, /* added to it */
    FIRST_FACTOR = 4  /* JSON of numbers mostly makes so much */
};

static int window_of(enum encoding encoding)
{
    return encoding == ENCODING_GZIP ? WINDOW + GZIP_FORMAT : WINDOW;
}

/* ---- unpacking ---- */

/* One step: what the room behind `out` takes. Returns zlib's verdict. */
static int step(z_stream *stream, struct output *out, size_t room)
{
    size_t count = room < UINT_MAX ? room : UINT_MAX;
    stream->next_out = (Bytef *)output_room(out, count + HTTP_BODY_PADDING);
    stream->avail_out = (uInt)count;
    int verdict = inflate(stream, Z_NO_FLUSH);
    out->length += count - stream->avail_out;
    return verdict;
}

/* gzip may have several members, one behind the other (RFC 1952 section 2.2). */
static bool goes_on(z_stream *stream, enum encoding encoding)
{
    return encoding == ENCODING_GZIP && stream->avail_in > 0 && inflateReset(stream) == Z_OK;
}

static enum unpacked unpack(z_stream *stream, enum encoding encoding, size_t limit, struct output *out)
{
    size_t room = (size_t)stream->avail_in * FIRST_FACTOR + 64;
    for (;;) {
        size_t left = limit + 1 - out->length; /* one more tells that there is more */
        int verdict = step(stream, out, room < left ? room : left);
        if (out->length > limit)
            return UNPACKED_TOO_LARGE;
        if (verdict == Z_STREAM_END && !goes_on(stream, encoding))
            return stream->avail_in == 0 ? UNPACKED_WELL : UNPACKED_BROKEN;
        if (verdict != Z_STREAM_END && (verdict != Z_OK || (stream->avail_in == 0 && stream->avail_out > 0)))
            return UNPACKED_BROKEN;
        room = out->length + 64;
    }
}

enum unpacked compression_unpack(enum encoding encoding, const char *bytes, size_t length, size_t limit,
                                 struct output *out)
{
    z_stream stream = {.next_in = (Bytef *)bytes, .avail_in = (uInt)length};
    out->length = 0;
    if (length > UINT_MAX / (2 * FIRST_FACTOR))
        return UNPACKED_TOO_LARGE;
    ENSURE(inflateInit2(&stream, window_of(encoding)) == Z_OK);
    enum unpacked result = unpack(&stream, encoding, limit, out);
    inflateEnd(&stream);
    return result;
}

/* ---- packing ---- */

bool compression_pack(enum encoding encoding, struct output *body)
{
    size_t length;
    char *packed = packing_pack(encoding, (struct text){body->bytes, body->length}, &length);
    if (packed == NULL)
        return false;
    output_free(body);
    *body = (struct output){packed, length, length};
    return true;
}
