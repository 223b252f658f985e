/* sandbox_filter: the policy as a seccomp filter. For sandbox*.c alone. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_FILTER_H
#define OUTRIGGER_SANDBOX_FILTER_H

#include "sandbox_sealed.h"

#include <stdint.h>

/* Keeps this thread, and those that it starts, to the role's calls. What is not allowed, and what has to be
 * looked at, raises SIGSYS ("on"), or is told to the descriptor `*notify` ("log"). False with `reason` when
 * the filter cannot be had. */
bool filter_load(const struct sandbox *sandbox, const struct sealed *sealed, int *notify, char *reason,
                 size_t capacity);

#endif
