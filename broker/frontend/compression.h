/* compression: bodies in gzip and zlib's format, unpacked and packed. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COMPRESSION_H
#define OUTRIGGER_COMPRESSION_H

#include "encoding.h"
#include "output.h"

enum unpacked {
    UNPACKED_WELL,
    UNPACKED_BROKEN,   /* it is no such format, or is cut off, or something stands behind it */
    UNPACKED_TOO_LARGE /* it would be more than `limit`; as much as that has been unpacked */
};

/* Unpacks into `out`, which is emptied before. It never holds more than about twice `limit` bytes, whatever
 * the body would make, with HTTP_BODY_PADDING (http.h) bytes behind it. */
enum unpacked compression_unpack(enum encoding encoding, const char *bytes, size_t length, size_t limit,
                                 struct output *out);
/* Packs what `body` holds; false, and nothing is changed, when that makes it no smaller. */
bool compression_pack(enum encoding encoding, struct output *body);

#endif
