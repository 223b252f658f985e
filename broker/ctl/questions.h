/* questions: asks a version of a model that runs, through the broker as every client does.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_QUESTIONS_H
#define OUTRIGGER_QUESTIONS_H

#include "client.h"
#include "config.h"
#include "schema.h"

enum { QUESTIONS_REASON_MAX = 512 };

struct questions;

/* Connects. Never NULL. */
struct questions *questions_new(const struct config *config);
void questions_free(struct questions *ask); /* NULL is fine */

/* The version of that model that is asked from now on; `version` NULL: the stable one. Waits for the broker
 * to tell of it. NULL, and `reason` says why: it has none that is known. The schema, and *name, are the
 * ask's. */
const struct schema *questions_version(struct questions *ask, const char *model, const char *version,
                                       const char **name, char reason[QUESTIONS_REASON_MAX]);

/* Takes an answer, and `context`, which was given with the request. False ends the asking: `reason` is set.
 */
typedef bool questions_answered(void *self, void *context, const struct client_answer *answer,
                                char reason[QUESTIONS_REASON_MAX]);
/* One request. What is pointed to is copied. */
struct question {
    void *context; /* memory for free(): comes back with the answer, and is freed when none comes; or NULL */
    const uint8_t *payload;
    size_t bytes;
    uint32_t rows;
    struct text model, version; /* empty: those of questions_version */
    struct text tag;            /* its request id; may be empty */
    int64_t time;               /* nanoseconds that its answer may take; 0: a minute */
    bool once;                  /* whatever is answered, it is not asked again */
};
/* Makes the next one. 0: there are no more; -1: `reason` is set. */
typedef int questions_next(void *self, struct question *question, char reason[QUESTIONS_REASON_MAX]);

/* Asks, some requests at a time, until there are no more and all are answered. A request that the broker has
 * no room for is asked again when it says, and one whose time was over once more: we may have waited for
 * somebody else (`next` may read from a pipe). False, and `reason` says why it ended. */
bool questions_all(struct questions *ask, questions_next *next, questions_answered *answered, void *self,
                   char reason[QUESTIONS_REASON_MAX]);

#endif
