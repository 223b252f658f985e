/* fuzz_handover: what a broker finds where another may have left its answers, with any bytes: whatever of it
 * is taken can be told to a client, and never counts more than there may be. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "handover.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { KEYS = 8, MAX_BYTES = 4096, LEFT_AT = 1000 };

struct seen {
    size_t count;
    int64_t last;
};

static void look(void *self, const struct idempotency_kept *kept)
{
    struct seen *seen = self;
    const struct idempotency_answer *answer = &kept->answer;
    ENSURE(kept->once.length == PROTOCOL_ONCE_BYTES);
    ENSURE(answer->version.length <= PROTOCOL_NAME_MAX && answer->tag.length <= PROTOCOL_TEXT_MAX &&
           answer->message.length <= PROTOCOL_TEXT_MAX);
    ENSURE(answer->failure == FAILURE_NONE || payload_bytes(&answer->payload).length == 0);
    ENSURE(kept->answered_at >= seen->last && answer->computed_at >= 0);
    seen->last = kept->answered_at;
    seen->count++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct metrics *metrics;
    const struct config config = {
        .idempotency_keys = KEYS, .idempotency_max_bytes = MAX_BYTES, .idempotency_ttl_s = 1000};
    if (metrics == NULL)
        metrics = metrics_new(NULL);
    struct idempotency *names = idempotency_new(&config, metrics);
    size_t count = handover_read(names, (struct text){(const char *)bytes, length}, LEFT_AT + SECOND);
    struct seen seen = {0};
    idempotency_each(names, UINT64_MAX, look, &seen);
    ENSURE(seen.count <= KEYS && seen.count <= count);
    idempotency_free(names);
    return 0;
}
