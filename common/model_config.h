/* model_config: reading one model of the repository; models.c is the only caller. SPDX-License-Identifier:
 * MIT */
#ifndef OUTRIGGER_MODEL_CONFIG_H
#define OUTRIGGER_MODEL_CONFIG_H

#include "parameter.h"

/* Reads models_directory/name: its version folders and its model.conf. NULL when it is no model (neither is
 * there), or when something is wrong, which is then complained of. */
struct model_config *model_config_load(const char *models_directory, const char *name,
                                       struct config_errors *errors);
void model_config_free(struct model_config *model);

/* The parameters of model.conf, for a struct model_config whose `route` is there. */
const struct parameter_table *model_config_parameters(void);

/* The order of version folders: numbers by value, then names. Below, equal to or above 0. */
int model_version_compare(const char *a, const char *b);

#endif
