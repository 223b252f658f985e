/* repository: notices when anything changes in the model repository. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SUPERVISOR_REPOSITORY_H
#define OUTRIGGER_SUPERVISOR_REPOSITORY_H

#include "loop.h"
#include "object.h"

struct repository;

/* Watches the folder of models, the models' folders and those of their versions, and calls `changed` when
 * anything comes, goes or is written in one of them: once for all that came in together. Never NULL. */
struct repository *repository_new(struct loop *loop, const char *models_directory, loop_call *changed,
                                  void *self);
void repository_free(struct repository *repository);

/* Looks for folders that have come and gone since, to watch them; to be called before the repository is read,
 * so that what changes after the reading is noticed. */
void repository_rescan(struct repository *repository);
/* False when not everything could be watched (the kernel's limits; the folder is not there): then it must be
 * looked at now and then. */
bool repository_sees_all(const struct repository *repository);

#endif
