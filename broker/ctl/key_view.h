/* key_view: API keys as they are shown: all of them but what is secret. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_KEY_VIEW_H
#define OUTRIGGER_KEY_VIEW_H

#include "api_key.h"
#include "key_uses.h"

#include <yyjson.h>

/* "2026-05-01 12:00 UTC", or "never" for 0. Returns `text`. */
enum { KEY_VIEW_TIME_MAX = 32 };
char *key_view_time(int64_t second, char text[KEY_VIEW_TIME_MAX]);
/* "good", "expired", or "rotating" while the key before is good, too. */
const char *key_view_state(const struct api_key *key, int64_t now);
/* Adds its members to an object. Texts are copied. `uses` says when it was used last; NULL: nothing is known.
 */
void key_view_json(const struct api_key *key, const struct key_uses *uses, int64_t now,
                   yyjson_mut_doc *document, yyjson_mut_val *object);
/* Prints a table, or that there are none. `uses` likewise. */
void key_view_print(const struct api_keys *keys, const struct key_uses *uses, int64_t now);

#endif
