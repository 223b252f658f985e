/* encoding: the content codings of HTTP (RFC 9110 section 8.4.1) that are known here, and their names in
 * headers. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ENCODING_H
#define OUTRIGGER_ENCODING_H

#include "object.h"

enum encoding {
    ENCODING_IDENTITY,
    ENCODING_GZIP,
    ENCODING_DEFLATE, /* the format of zlib, as RFC 9110 has it */
    ENCODING_UNKNOWN
};

/* "gzip", "deflate"; NULL for the others. */
const char *encoding_name(enum encoding encoding);
/* What a Content-Encoding says; nothing is identity, and so is "identity". */
enum encoding encoding_of(struct text header);
/* The one that an Accept-Encoding likes best of ours, gzip before deflate; identity when it likes none. */
enum encoding encoding_accepted(struct text header);

#endif
