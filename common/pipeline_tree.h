/* pipeline_tree: the pipelines of a repository, and whether one contains itself. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_PIPELINE_TREE_H
#define OUTRIGGER_PIPELINE_TREE_H

#include "pipeline.h"

enum { PIPELINE_TREE_REASON_MAX = 512 };

struct pipeline_tree;

/* Reads every model.pipeline of the list, which outlives it; those that cannot be read are left out, and say
 * so when they are served. Never NULL. */
struct pipeline_tree *pipeline_tree_new(const struct model_list *list);
void pipeline_tree_free(struct pipeline_tree *tree); /* NULL is fine */

/* That version as a pipeline; NULL: it is none. */
const struct pipeline *pipeline_tree_find(const struct pipeline_tree *tree, const char *model,
                                          const char *version);

/* The version of the model that gets the requests which name none; NULL: none does. */
typedef const char *pipeline_tree_stable(void *self, const char *model);

/* False when the version is a pipeline that asks itself, through however many others, or is deeper than
 * PIPELINE_DEPTH_MAX: `reason` is the way, for people. */
bool pipeline_tree_check(struct pipeline_tree *tree, const char *model, const char *version,
                         pipeline_tree_stable *stable, void *self, char reason[PIPELINE_TREE_REASON_MAX]);

#endif
