/* optimize_making: what `outrigger optimize` makes of a model: by which method, with what.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPTIMIZE_MAKING_H
#define OUTRIGGER_OPTIMIZE_MAKING_H

#include "optimize_candidate.h"

#include "ctl.h"

enum { MAKING_MAX = 8 /* candidates of one run: a sweep */ };

enum making_method {
    MAKING_DYNAMIC_INT8,
    MAKING_STATIC_INT8,
    MAKING_PRUNE,
    MAKING_DISTILL,
    MAKING_GRAPH,
    MAKING_EXPORT
};

struct making {
    enum making_method method;
    const char *calibrate, *distill, *hidden, *from;
    double shares[MAKING_MAX];
    size_t share_count;
    const char *version; /* that it is made of; "": there is none yet */
    /* Of files of rows: the column that holds no feature, and how many rows are read. */
    const char *target;
    size_t most_rows;
};

/* What the options say. False, and `reason` says what is wrong with them. */
bool making_read(const struct arguments *arguments, struct making *making, char reason[OPTIMIZE_REASON_MAX]);

/* Makes the files in the workplace, and opens them as candidates behind the first, which is what was before.
 * False, and `reason` says why. */
bool making_run(const struct making *making, const struct config *config, const struct model_config *model,
                const char *workplace, struct candidate *candidates, size_t *count,
                char reason[OPTIMIZE_REASON_MAX]);

/* Of MAKING_EXPORT: writes the library's model in ONNX and opens it twice: as the first candidate, whose
 * answers and times will be the library's own (making_ask_library), and as the second. */
bool making_export(const struct making *making, const struct config *config, const struct model_config *model,
                   const char *workplace, struct candidate *candidates, size_t *count,
                   char reason[OPTIMIZE_REASON_MAX]);
bool making_ask_library(const struct making *making, const struct config *config,
                        const struct model_config *model, const char *workplace, struct candidate *candidate,
                        const struct validate_rows *rows, char reason[OPTIMIZE_REASON_MAX]);

/* How far the answers of what was made may be from each other on other processors. */
double making_tolerance(const struct making *making);

#endif
