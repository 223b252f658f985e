/* schema_bytes: what must hold of the bytes of any schema. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCHEMA_BYTES_H
#define OUTRIGGER_SCHEMA_BYTES_H

#include "schema.h"
#include "suite.h"

#include <stdlib.h>

/* No beginning of them is one. */
static inline void schema_refuses_truncations(const struct schema *schema)
{
    const char *reason;
    size_t length;
    uint8_t *encoded = schema_encode(schema, &length);
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t *copy = malloc(cut == 0 ? 1 : cut); /* so that a sanitizer sees a read behind the end */
        memcpy(copy, encoded, cut);
        ck_assert_ptr_null(schema_decode(copy, cut, &reason));
        ck_assert_ptr_nonnull(reason);
        free(copy);
    }
    free(encoded);
}

/* With any byte changed they are one, or are refused with a reason. */
static inline void schema_survives_changes(const struct schema *schema)
{
    const char *reason;
    size_t length;
    uint8_t *encoded = schema_encode(schema, &length);
    for (size_t at = 0; at < length; at++)
        for (int value = 0; value < 256; value++) {
            uint8_t before = encoded[at];
            encoded[at] = (uint8_t)value;
            struct schema *read = schema_decode(encoded, length, &reason);
            ck_assert((read == NULL) == (reason != NULL));
            schema_free(read);
            encoded[at] = before;
        }
    free(encoded);
}

#endif
