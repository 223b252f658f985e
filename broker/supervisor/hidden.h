/* hidden: the environment variables with secrets (env:NAME in the configuration) that a process is not to
 * have. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HIDDEN_H
#define OUTRIGGER_HIDDEN_H

#include "command.h"

/* Their names, ended by NULL; freed with hidden_free. */
char **hidden_variables(const struct config *config, enum role role);
void hidden_free(char **names);

#endif
