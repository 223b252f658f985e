/* vetting: versions whose model.conf says validation.gate, and whether they may be served.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VETTING_H
#define OUTRIGGER_VETTING_H

#include "audit.h"
#include "loop.h"
#include "plan.h"

struct vetting;

struct vetting_context {
    struct loop *loop;
    const struct plan_basis *basis; /* as it is at any time */
    struct audit *audit;            /* where verdicts are written; NULL: nowhere */
    loop_call *changed;             /* a version has passed, or failed */
    void *self;
};

struct vetting *vetting_new(const struct vetting_context *context);
/* NULL is fine. */
void vetting_free(struct vetting *vetting);

enum vetting_state {
    VETTING_PASSED, /* or nobody asks for it */
    VETTING_UNDER_WAY,
    VETTING_REFUSED
};

/* Whether workers of the version may be started. Of one whose files are not known the validation begins soon,
 * one after the other; to be asked with each look, since one that is not asked for is given up. */
enum vetting_state vetting_look(struct vetting *vetting, const struct plan *plan,
                                const struct plan_version *version);
/* Goes on, after all were looked at. */
void vetting_advance(struct vetting *vetting);
/* What vetting_look said last of these files, and *reason, why ("" when it passed); views. `vetting` may be
 * NULL. */
enum vetting_state vetting_of(const struct vetting *vetting, const struct plan_version *version,
                              const char **reason);
/* Why it will not be served, as far as anybody can tell: it was refused, or could not be validated twice;
 * NULL: it may be. `vetting` may be NULL. */
const char *vetting_failure(const struct vetting *vetting, const struct plan_version *version);
/* Those of the model (NULL: of any) that were refused are validated once more: what was wrong may have been
 * mended. */
void vetting_try_again(struct vetting *vetting, const char *model);

/* Ends what is under way, `hurried` at once. False while that takes its time. */
bool vetting_stop(struct vetting *vetting, bool hurried);

#endif
