/* copies: see copies.h.
 *
 * Most models make a batch of tens of copies, and each copy is paid by the clients of the stable version, who
 * want the same processors. So all that is needed once for what goes together (a place in the table, a
 * deadline, memory) is there once, and a copy costs little more than a share of two payloads. Called by
 * shadow.c; serving.c reads them into a BATCH. SPDX-License-Identifier: MIT */
#include "copies.h"

#include "object.h"

#include <stdlib.h>

enum { COPIES_MAGIC = 0xc0b1e501, CAPACITY_FIRST = 16 };

struct copies *copies_new(struct version *primary)
{
    struct copies *copies = object_alloc(sizeof *copies);
    copies->magic = COPIES_MAGIC;
    copies->primary = primary;
    return copies;
}

uint64_t copies_forget(struct copies *copies)
{
    CHECK_OBJECT(copies, COPIES_MAGIC);
    uint64_t held = copies->bytes;
    for (size_t i = 0; i < copies->count; i++) {
        payload_close(&copies->each[i].question);
        payload_close(&copies->each[i].answer);
    }
    copies->bytes = 0;
    return held;
}

void copies_free(struct copies *copies)
{
    if (copies == NULL)
        return;
    copies_forget(copies);
    free(copies->each);
    copies->magic = 0;
    free(copies);
}

static void make_room(struct copies *copies)
{
    if (copies->count < copies->capacity)
        return;
    copies->capacity = copies->capacity == 0 ? CAPACITY_FIRST : 2 * copies->capacity;
    copies->each = realloc(copies->each, copies->capacity * sizeof *copies->each);
    ENSURE(copies->each != NULL);
}

uint64_t copies_add(struct copies *copies, const struct payload *question, const struct payload *answer)
{
    CHECK_OBJECT(copies, COPIES_MAGIC);
    ENSURE(copies->count < PROTOCOL_COUNT_MAX);
    make_room(copies);
    struct copy *copy = &copies->each[copies->count++];
    copy->question = payload_share(question);
    copy->answer = payload_share(answer);
    uint64_t bytes = copy->question.bytes.length + copy->answer.bytes.length;
    copies->bytes += bytes;
    return bytes;
}
