/* descent: how a supervisor that root starts becomes another user. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_DESCENT_H
#define OUTRIGGER_DESCENT_H

#include "account.h"
#include "config.h"

struct descent {
    struct account *service; /* who this process and all but the workers are from now on; NULL: as before */
    struct account *workers; /* whom workers become; NULL: as all others */
};

/* Does what root alone can, and becomes the user; the rights that taking up an earlier supervisor's work
 * needs are kept, without effect. False after a complaint: then this process must end. */
bool descent_begin(struct descent *descent, const struct config *config);
/* Those rights have an effect from here on, */
bool descent_raise(const struct descent *descent);
/* and are given up here, but for what starting and ending the workers of another user takes. */
bool descent_end(const struct descent *descent);
void descent_free(struct descent *descent);

#endif
