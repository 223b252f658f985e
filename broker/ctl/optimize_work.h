/* optimize_work: what the methods of `outrigger optimize` share. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPTIMIZE_WORK_H
#define OUTRIGGER_OPTIMIZE_WORK_H

#include "optimize_making.h"

#include <yyjson.h>

enum { WORK_NUMBER_BYTES = 32 };

struct work {
    const struct making *making;
    const struct config *config;
    const struct model_config *model;
    const char *workplace;
    struct candidate *candidates;
    size_t *count;
    char *reason; /* OPTIMIZE_REASON_MAX */
};

/* A file in the workplace; memory for free(). */
char *work_path(const struct work *work, const char *name);
/* Runs the tool with the interpreter that serves the version; NULL, and the reason says why. */
yyjson_doc *work_tool(const struct work *work, const char *const *words);
/* A candidate more, of a file in the workplace, which is its own from now on. */
bool work_add(const struct work *work, const char *name, char *file);
/* Writes rows of floats as they are; `columns` of them, as text. */
bool work_write_rows(const struct work *work, const struct validate_rows *rows, const char *path,
                     char columns[WORK_NUMBER_BYTES]);

#endif
