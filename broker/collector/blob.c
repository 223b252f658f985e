/* blob: see blob.h. A page that was made once goes to many who ask, packed or not, and lies in memory as long
 * as the slowest of them reads. Made by exposition.c and by what pages.c calls, sent by scrape.c.
 * SPDX-License-Identifier: MIT */
#include "blob.h"

#include "packing.h"

#include <stdlib.h>

enum { BLOB_MAGIC = 0x626c0001, PACK_FROM = 1024 /* bytes; of fewer a head is most */ };

struct blob {
    unsigned magic;
    size_t holders;
    char *bytes;
    size_t length;
    char *packed; /* NULL: not packed yet, or no smaller */
    size_t packed_length;
    bool tried;
};

struct blob *blob_new(char *bytes, size_t length)
{
    struct blob *blob = object_alloc(sizeof *blob);
    blob->magic = BLOB_MAGIC;
    blob->holders = 1;
    blob->bytes = bytes;
    blob->length = length;
    return blob;
}

struct blob *blob_hold(struct blob *blob)
{
    CHECK_OBJECT(blob, BLOB_MAGIC);
    blob->holders++;
    return blob;
}

void blob_drop(struct blob *blob)
{
    if (blob == NULL)
        return;
    CHECK_OBJECT(blob, BLOB_MAGIC);
    if (--blob->holders > 0)
        return;
    free(blob->bytes);
    free(blob->packed);
    blob->magic = 0;
    free(blob);
}

struct text blob_text(const struct blob *blob)
{
    CHECK_OBJECT(blob, BLOB_MAGIC);
    return (struct text){blob->bytes, blob->length};
}

struct text blob_packed(struct blob *blob)
{
    CHECK_OBJECT(blob, BLOB_MAGIC);
    if (!blob->tried && blob->length >= PACK_FROM)
        blob->packed = packing_pack(ENCODING_GZIP, blob_text(blob), &blob->packed_length);
    blob->tried = true;
    return (struct text){blob->packed, blob->packed == NULL ? 0 : blob->packed_length};
}
