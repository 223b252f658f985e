/* engine_section: what model.conf says to an engine: the parameters of the section that has the engine's
 * name. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ENGINE_SECTION_H
#define OUTRIGGER_ENGINE_SECTION_H

#include "config.h"

/* Name, value, name, value, ..., NULL, as backend.h wants them: integers as digits, in the order of
 * model_parameters.def. The caller frees with engine_section_free. */
char **engine_section_of(const struct model_config *config, const char *backend);
void engine_section_free(char **section);

/* The value of that name; NULL when it is not there, or when `section` is NULL. */
const char *engine_section_get(const char *const *section, const char *name);

#endif
