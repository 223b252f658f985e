/* A file of the quarantine with any bytes: what is accepted can be written again and is then read as the
 * same. SPDX-License-Identifier: MIT */
#include "quarantined.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static bool same(struct text a, struct text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct quarantined record, again;
    if (quarantined_decode(bytes, length, &record) != NULL)
        return 0;
    size_t bound = quarantined_bound(&record);
    void *copy = object_alloc(bound);
    size_t written = quarantined_encode(&record, copy, bound);
    ENSURE(written > 0);
    ENSURE(quarantined_decode(copy, written, &again) == NULL);
    ENSURE(same(record.model, again.model) && same(record.version, again.version));
    ENSURE(same(record.tag, again.tag) && same(record.cause, again.cause));
    ENSURE(same(record.payload, again.payload) && record.time_ms == again.time_ms);
    ENSURE(record.rows == again.rows && record.kills == again.kills);
    free(copy);
    return 0;
}
