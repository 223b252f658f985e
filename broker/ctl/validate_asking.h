/* validate_asking: asks a version for rows, one request at a time, so that nothing but the model's own time
 * is in what it takes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VALIDATE_ASKING_H
#define OUTRIGGER_VALIDATE_ASKING_H

#include "config.h"
#include "validate_answers.h"
#include "validate_rows.h"

struct asking;

/* Connects to the broker of that configuration. Everything ends after so many nanoseconds: what is asked then
 * fails. Never NULL. */
struct asking *asking_new(const struct config *config, int64_t time);
void asking_free(struct asking *asking); /* NULL is fine */

/* Waits until the broker tells of the version (NULL: the stable one), at most `wait` nanoseconds. Once.
 * The schema is the asking's. NULL, and `reason` says why. */
const struct schema *asking_version(struct asking *asking, const char *model, const char *version,
                                    int64_t wait, char reason[VALIDATE_REASON_MAX]);

/* What asking for some rows came to. */
struct asked {
    size_t failed;                           /* rows that were not answered */
    char first_failure[VALIDATE_REASON_MAX]; /* why, the first of them; "" */
    int64_t compute_us;                      /* of those that were answered */
    size_t answered;
};

/* How far it is: so many rows are done now. */
typedef void asking_progress(void *self, size_t rows);

/* Asks for the rows `order` in batches of `batch`; what comes is put into `answers`, and added to `asked`.
 * False when it cannot go on, and `reason` says why: the time is over, or an answer is none. A request that
 * fails is a failure of its rows, of which each is asked alone once more. */
bool asking_rows(struct asking *asking, const struct validate_rows *rows, const size_t *order, size_t count,
                 size_t batch, struct answers *answers, struct asked *asked,
                 char reason[VALIDATE_REASON_MAX]);
/* Called from then on, with what is done since. */
void asking_tell(struct asking *asking, asking_progress *progress, void *self);

#endif
