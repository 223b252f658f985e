/* strict_json: JSON of which security depends: tokens, keys, what an authorization server says.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STRICT_JSON_H
#define OUTRIGGER_STRICT_JSON_H

#include "object.h"

#include <yyjson.h>

enum {
    STRICT_JSON_DEPTH = 16,   /* levels of nesting */
    STRICT_JSON_MEMBERS = 128 /* of one object: they are compared with each other */
};

/* Reads one object (RFC 8259, UTF-8) in which no object has a name twice, none has more than
 * STRICT_JSON_MEMBERS members, and nothing is nested deeper than STRICT_JSON_DEPTH. NULL and a constant
 * complaint otherwise. The caller bounds the length, and frees with yyjson_doc_free. */
yyjson_doc *strict_json_read(struct text text, const char **complaint);

/* The member, which is a string; an empty text with `at` NULL when it is not there or is something else. It
 * may hold zero bytes. */
struct text strict_json_string(yyjson_val *object, const char *name);

#endif
