/* ledger: every request of a simulation, from the asking to its one answer. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LEDGER_H
#define OUTRIGGER_LEDGER_H

#include "client.h"
#include "loop.h"
#include "protocol.h"

enum { FAILURE_KINDS = FAILURE_KEY_REUSED + 1 }; /* of the wire, NONE included */
#define LEDGER_SHARED UINT32_MAX

/* One request, while it is open. */
struct ask {
    uint64_t serial;  /* 1, 2, ... */
    uint64_t content; /* what it asks: the serial number, unless several ask the same */
    uint32_t slot;
    unsigned model;
    bool open;
    bool poison;       /* kills who computes it */
    bool failing;      /* the model refuses it, by itself */
    bool once;         /* of a model that is not idempotent */
    bool named;        /* whoever asks the same does so under the same name */
    uint32_t computed; /* how often a worker has finished it, or died with it */
    uint32_t kills;
    uint32_t sent; /* how often a broker took it in */
    int64_t asked_at;
    int64_t deadline;
    struct client_request *request;
    struct loop_timer cancel;
    void *asker;
};

struct ledger {
    uint64_t planned; /* requests of the whole run */
    uint64_t asked;
    uint64_t open;
    uint64_t answered[FAILURE_KINDS];
    uint64_t cancelled;
    uint64_t orphaned;          /* their asker died */
    uint64_t quiet, quiet_late; /* answers to the quiet asker, and those that took longer than usually */
    int64_t longest_wait;
    uint32_t most_kills;
    struct ask **slots;
    size_t slot_count;
    uint32_t *free_slots;
    size_t free_count;
    uint8_t *begun; /* by content, up to begun_count: it was computed, or begun by somebody who died */
    size_t begun_count;
};

void ledger_free(struct ledger *ledger);
/* A new open request with a serial number. */
struct ask *ledger_open(struct ledger *ledger, int64_t deadline);
/* It is over: answered, cancelled or its asker is gone. */
void ledger_close(struct ledger *ledger, struct ask *ask);

/* What the payload of a REQUEST says. */
struct question {
    uint64_t content;
    uint32_t slot; /* LEDGER_SHARED: whoever asks this */
    uint8_t poison;
    uint8_t failing;
    uint8_t once; /* whoever asks this does so under one name, of a model that is not idempotent */
    uint8_t padding;
};
struct question ledger_question(const struct ask *ask);
/* False when the bytes are no question: they were changed on the way. */
bool ledger_read_question(const void *bytes, size_t length, struct question *question);
/* Who asked it; NULL when it is over already, or may be of several. */
struct ask *ledger_find(const struct ledger *ledger, const struct question *question);

/* Somebody has computed it, or died with it: what is asked under one name must not be begun again. */
void ledger_begin(struct ledger *ledger, const struct question *question);

/* What the payload of a RESULT must say for it. */
struct solution {
    uint64_t content;
    uint64_t proof;
};
struct solution ledger_solution(uint64_t content);

#endif
