/* questions: what a command asks the models that run, one question after the other, through the broker as
 * every client does. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_QUESTIONS_H
#define OUTRIGGER_QUESTIONS_H

#include "asker.h"

enum { QUESTIONS_REASON_MAX = ASKER_REASON_MAX };

struct questions;

/* Connects, as the tenant `who`. Never NULL. */
struct questions *questions_new(const struct config *config, const char *who);
void questions_free(struct questions *questions); /* NULL is fine */

/* The version of that model that is asked from now on; `version` NULL: the stable one. Waits some seconds for
 * the broker, and for a version that is not ready. NULL, and `reason` says why: there is none. The schema,
 * and *name, are the questions'. */
const struct schema *questions_version(struct questions *questions, const char *model, const char *version,
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

/* Asks, some requests at a time, until there are no more and all are answered; as asker_send, and none is
 * asked again when nobody answered for minutes. False, and `reason` says why it ended. */
bool questions_all(struct questions *questions, questions_next *next, questions_answered *answered,
                   void *self, char reason[QUESTIONS_REASON_MAX]);
/* The exit status where there is no version, or not all was answered: CTL_NOT_RUNNING when nobody answers,
 * else CTL_FAULT. */
int questions_fault(const struct questions *questions);

#endif
