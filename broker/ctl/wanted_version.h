/* wanted_version: the version that a command is about, as its files lie on disk, and the rows that tell how
 * good it is. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_WANTED_VERSION_H
#define OUTRIGGER_WANTED_VERSION_H

#include "ctl.h"
#include "model_config.h"

enum { WANTED_REASON_MAX = 1024 };

/* Zeroed until it is found. */
struct wanted_version {
    struct model_list *models; /* all there are */
    struct model_config *model;
    const char *version; /* the highest unless it is said; "": the model has none, and none is said */
    char *data;          /* the file of rows; NULL until wanted_version_data */
    const char *target;  /* its column of the truth */
};

/* The version of the operand, MODEL or MODEL:VERSION. False when there is none such: `reason`. */
bool wanted_version_find(struct wanted_version *wanted, const struct config *config, const char *operand,
                         char reason[WANTED_REASON_MAX]);
/* The rows: those of --data and --target, or of validation.* in model.conf. False when neither says:
 * `reason`.
 */
bool wanted_version_data(struct wanted_version *wanted, const struct arguments *arguments,
                         char reason[WANTED_REASON_MAX]);
/* What it points to. */
void wanted_version_clear(struct wanted_version *wanted);

#endif
