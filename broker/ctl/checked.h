/* checked: what `outrigger check` found out about a configuration; check_print.c prints it.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CHECKED_H
#define OUTRIGGER_CHECKED_H

#include "config.h"
#include "placement.h"

#include <yyjson.h>

/* One model of the repository and the version that would take its traffic. */
struct check_model {
    const struct model_config *model;
    const char *version;     /* NULL: there is none */
    const char *backend;     /* NULL: there is no model file */
    yyjson_doc *description; /* inspect_model's; NULL: not loaded, or nobody can be asked */
};

struct check {
    const struct config *config;
    struct placement placement;
    struct model_list *list;
    struct check_model *models; /* list->count of them */
    int cores;                  /* that this process may run on */
};

/* Threads inside the engine of one worker of the model. */
int64_t check_threads(const struct check *check, const struct model_config *model);
/* Engine threads of all workers together. */
int64_t check_all_threads(const struct check *check);

/* Prints processes, sockets and models as they would be. */
void check_print(const struct check *check, FILE *out, bool coloured);

#endif
