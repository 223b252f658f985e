/* settings: what model.conf says to an engine: the parameters of the section that has the engine's name.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SETTINGS_H
#define OUTRIGGER_SETTINGS_H

#include "config.h"

/* Name, value, name, value, ..., NULL, as backend.h wants them: integers as digits, in the order of
 * model_parameters.def. The caller frees with settings_free. */
char **settings_of(const struct model_config *config, const char *backend);
void settings_free(char **settings);

/* The value of that name; NULL when it is not there, or when `settings` is NULL. */
const char *settings_get(const char *const *settings, const char *name);

#endif
