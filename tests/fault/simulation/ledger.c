/* ledger: the truth against which the answers are held. A question names its serial number and its place
 * here, so that whoever sees a payload knows at once whose it is; a solution follows from the question
 * alone, so that an answer that went to another request is seen. SPDX-License-Identifier: MIT */
#include "ledger.h"

#include "object.h"
#include "report.h"
#include "world.h"

#include <stdlib.h>

enum { SLOTS_STEP = 1024 };

void ledger_free(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->slot_count; i++)
        free(ledger->slots[i]);
    free(ledger->slots);
    free(ledger->free_slots);
    free(ledger->begun);
}

static void grow(struct ledger *ledger)
{
    size_t count = ledger->slot_count + SLOTS_STEP;
    ledger->slots = realloc(ledger->slots, count * sizeof(struct ask *));
    ledger->free_slots = realloc(ledger->free_slots, count * sizeof *ledger->free_slots);
    ENSURE(ledger->slots != NULL && ledger->free_slots != NULL);
    for (; ledger->slot_count < count; ledger->slot_count++) {
        ledger->slots[ledger->slot_count] = object_alloc(sizeof(struct ask));
        ledger->free_slots[ledger->free_count++] = (uint32_t)ledger->slot_count;
    }
}

struct ask *ledger_open(struct ledger *ledger, int64_t deadline)
{
    if (ledger->free_count == 0)
        grow(ledger);
    uint32_t slot = ledger->free_slots[--ledger->free_count];
    struct ask *ask = ledger->slots[slot];
    ledger->asked++;
    *ask = (struct ask){.serial = ledger->asked,
                        .content = ledger->asked,
                        .slot = slot,
                        .open = true,
                        .asked_at = world_now(),
                        .deadline = deadline};
    ledger->open++;
    return ask;
}

void ledger_close(struct ledger *ledger, struct ask *ask)
{
    PROMISE(ask->open, "request %lu is answered a second time", (unsigned long)ask->serial);
    int64_t waited = world_now() - ask->asked_at;
    if (waited > ledger->longest_wait)
        ledger->longest_wait = waited;
    if (ask->kills > ledger->most_kills)
        ledger->most_kills = ask->kills;
    ask->open = false;
    ledger->open--;
    ledger->free_slots[ledger->free_count++] = ask->slot;
}

struct question ledger_question(const struct ask *ask)
{
    return (struct question){.content = ask->content,
                             .slot = ask->content == ask->serial && !ask->named ? ask->slot : LEDGER_SHARED,
                             .poison = ask->poison,
                             .failing = ask->failing,
                             .once = ask->once && ask->named};
}

bool ledger_read_question(const void *bytes, size_t length, struct question *question)
{
    if (length < sizeof *question)
        return false;
    memcpy(question, bytes, sizeof *question);
    return question->content != 0 && question->poison <= 1 && question->failing <= 1 && question->once <= 1;
}

struct ask *ledger_find(const struct ledger *ledger, const struct question *question)
{
    if (question->slot >= ledger->slot_count)
        return NULL;
    struct ask *ask = ledger->slots[question->slot];
    return ask->open && ask->content == question->content ? ask : NULL;
}

void ledger_begin(struct ledger *ledger, const struct question *question)
{
    if (question->once == 0)
        return;
    size_t count = ledger->begun_count;
    if (question->content >= count) {
        ledger->begun_count = question->content * 2;
        ledger->begun = realloc(ledger->begun, ledger->begun_count);
        ENSURE(ledger->begun != NULL);
        memset(ledger->begun + count, 0, ledger->begun_count - count);
    }
    PROMISE(ledger->begun[question->content]++ == 0,
            "question %lu is computed twice under one name; its model is not idempotent",
            (unsigned long)question->content);
}

struct solution ledger_solution(uint64_t content)
{
    struct chance mixer = {content};
    return (struct solution){.content = content, .proof = chance_next(&mixer)};
}
