/* optimize_tool: the tools in Python that rewrite models (worker/python/tools/optimize.py).
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPTIMIZE_TOOL_H
#define OUTRIGGER_OPTIMIZE_TOOL_H

#include "config.h"

#include <yyjson.h>

/* Runs `python optimize.py words...`, ended by NULL. The object that it prints, which the caller frees; NULL,
 * and `reason` says why: the tool's own words, such as which package it lacks. */
yyjson_doc *optimize_tool(const struct config *config, const char *python, const char *const *words,
                          char *reason, size_t capacity);
/* Runs any program; false, and `reason` is its last line, unless it exits with 0. */
bool optimize_program(const char *const *words, char *reason, size_t capacity);

#endif
