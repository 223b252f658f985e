/* yielding: what jobs leave to those who wait for an answer. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_YIELDING_H
#define OUTRIGGER_YIELDING_H

#include "model.h"

/* A request came for the version. */
static inline void yielding_note(struct version *version, const struct request *request, int64_t now)
{
    if (!request_is_job(request))
        version->clients_at = now;
}

/* True when somebody waited for an answer of the version lately, and so may at any moment. */
bool yielding_is_called_for(const struct version *version, int64_t now);
/* How many workers may get a batch of a job now, and the one that should first; *first NULL: none, before a
 * batch comes back. Where jobs need not yield it is version_free_workers. */
size_t yielding_free_workers(const struct version *version, int64_t now, struct worker **first);
/* Of so many rows that a batch of a job may have: as many as are computed before a client would notice. */
uint32_t yielding_rows(const struct version *version, uint32_t rows, int64_t now);

#endif
