/* packing: see packing.h. At zlib's fastest level: answers are numbers and names that come again, of which
 * more effort makes little. Called by the frontend's compression.c, and in the collector by blob.c and
 * trace_hand.c. SPDX-License-Identifier: MIT */
#include "packing.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    WINDOW = 15,      /* zlib's largest: what RFC 1950 and 1952 allow */
    GZIP_FORMAT = 16, /* added to it */
    MEMORY = 8        /* zlib's default */
};

char *packing_pack(enum encoding encoding, struct text content, size_t *length)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)content.at, .avail_in = (uInt)content.length};
    int window = encoding == ENCODING_GZIP ? WINDOW + GZIP_FORMAT : WINDOW;
    if (content.length > UINT_MAX / 2)
        return NULL;
    ENSURE(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t bound = deflateBound(&stream, content.length);
    char *packed = malloc(bound);
    ENSURE(packed != NULL);
    stream.next_out = (Bytef *)packed;
    stream.avail_out = (uInt)bound;
    ENSURE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    *length = bound - stream.avail_out;
    deflateEnd(&stream);
    if (*length < content.length)
        return packed;
    free(packed);
    return NULL;
}
