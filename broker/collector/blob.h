/* blob: bytes that several answers share. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BLOB_H
#define OUTRIGGER_BLOB_H

#include "object.h"

/* Counted by whoever holds it; for the loop's thread alone. */
struct blob;

/* Takes `bytes`, which free() frees. The caller holds it. */
struct blob *blob_new(char *bytes, size_t length);
/* One holder more; returns the blob. */
struct blob *blob_hold(struct blob *blob);
/* One holder less; the last one's call frees it. NULL is fine. */
void blob_drop(struct blob *blob);
struct text blob_text(const struct blob *blob);
/* The same in gzip, packed at the first call; empty when that makes it no smaller. */
struct text blob_packed(struct blob *blob);

#endif
