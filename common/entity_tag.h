/* entity_tag: by which a client asks whether what it has still holds (RFC 9110 section 8.8.3 and 13).
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ENTITY_TAG_H
#define OUTRIGGER_ENTITY_TAG_H

#include "object.h"

enum { ENTITY_TAG_MAX = 35 /* 32 hexadecimal digits, quotes, terminator */ };

/* The entity tag of a content: equal contents have equal ones, in every process and after every restart. */
void entity_tag_make(struct text content, char tag[ENTITY_TAG_MAX]);
/* True when If-None-Match, a list or *, has that tag, weak or strong (a web server that compresses makes it
 * weak). */
bool entity_tag_matches(struct text if_none_match, struct text tag);

#endif
