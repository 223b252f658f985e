/* What any peer may send as an envelope or a catalog entry: decoded, and if that succeeds encoded and decoded
 * again to the same. SPDX-License-Identifier: MIT */
#include "protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static uint8_t again[PROTOCOL_ENVELOPE_MAX];
    struct envelope envelope, second;
    if (protocol_decode(bytes, length, &envelope) == NULL) {
        size_t written = protocol_encode(&envelope, again, sizeof again);
        ENSURE(written > 0);
        ENSURE(protocol_decode(again, written, &second) == NULL);
        ENSURE(second.verb == envelope.verb && second.id == envelope.id);
        ENSURE(protocol_payload_count(&second) == protocol_payload_count(&envelope));
        if (envelope.verb == VERB_REQUEST)
            ENSURE(second.request.address == envelope.request.address &&
                   second.request.again == envelope.request.again);
    }
    struct catalog_entry entry;
    if (catalog_entry_decode(bytes, length, &entry) == NULL)
        ENSURE(protocol_name_ok(entry.model) && entry.schema.length <= length);
    return 0;
}
