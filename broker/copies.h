/* copies: requests that go to a shadow version together, with the answers that their clients got. Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_COPIES_H
#define OUTRIGGER_COPIES_H

#include "port.h"

struct version;

struct copy {
    struct payload question;
    struct payload answer; /* the client's */
};

/* They go in one BATCH and come back in one RESULT. */
struct copies {
    unsigned magic;
    struct version *primary; /* the version that answered the clients */
    uint64_t bytes;          /* of all questions and answers that are still held */
    size_t count, capacity;
    struct copy *each; /* count of them; their payloads are none once nobody needs them any more */
};

/* None yet. */
struct copies *copies_new(struct version *primary);
/* Closes what is still held. NULL is fine. */
void copies_free(struct copies *copies);
/* Shares both payloads; there must be fewer than PROTOCOL_COUNT_MAX. Returns their bytes. */
uint64_t copies_add(struct copies *copies, const struct payload *question, const struct payload *answer);
/* Closes all payloads; how many they were stays known. Returns the bytes that were held. */
uint64_t copies_forget(struct copies *copies);

#endif
