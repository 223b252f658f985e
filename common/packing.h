/* packing: contents of answers in gzip and zlib's format. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PACKING_H
#define OUTRIGGER_PACKING_H

#include "encoding.h"

/* Packs the content with ENCODING_GZIP or ENCODING_DEFLATE. Returns memory for free() and sets its
 * length; NULL when packing makes it no smaller. */
char *packing_pack(enum encoding encoding, struct text content, size_t *length);

#endif
