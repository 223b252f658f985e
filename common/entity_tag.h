/* entity_tag: by which a client asks whether what it has still holds (RFC 9110 section 8.8.3 and 13).
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ENTITY_TAG_H
#define OUTRIGGER_ENTITY_TAG_H

#include "object.h"

enum { ENTITY_TAG_MAX = 37 /* 32 hexadecimal digits, quotes, W/, terminator */ };

/* The entity tag of a content: equal contents have equal ones, in every process and after every restart. It
 * is a weak one, as the same content goes out packed and unpacked. */
void entity_tag_make(struct text content, char tag[ENTITY_TAG_MAX]);
/* True when If-None-Match, a list or *, has that tag, each of them weak or strong. */
bool entity_tag_matches(struct text if_none_match, struct text tag);

#endif
