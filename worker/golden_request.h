/* golden_request: what a golden request asks, as the tensors payload that an asker would send.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_GOLDEN_REQUEST_H
#define OUTRIGGER_GOLDEN_REQUEST_H

#include "layout.h"

#include <yyjson.h>

enum { GOLDEN_TEXT_MAX = 512 /* bytes of a complaint with its terminator */ };

/* The values of nested arrays, or of a flat one, one after the other; the caller frees the list. NULL when
 * `data` is no array, or nested deeper than tensors are. */
yyjson_val **golden_flatten(yyjson_val *data, size_t *count);

/* The payload that "features", "instances" or "inputs" of the request make, `*bytes` long; the caller frees
 * it. NULL when they are none, or not what the model takes: `complaint` says which value, from the request on
 * ("instances[1].age: expected a number, got a string"). `layout` is the schema's, or NULL: no row fills it.
 */
uint8_t *golden_request_encode(const struct schema *schema, const struct layout *layout, yyjson_val *request,
                               size_t *bytes, char complaint[GOLDEN_TEXT_MAX]);

#endif
