/* sandbox_trap: mode "on": SIGSYS names the refused call and ends the process. For sandbox*.c alone.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_TRAP_H
#define OUTRIGGER_SANDBOX_TRAP_H

#include "sandbox_judge.h"

/* Handles SIGSYS of this process from now on; `judge` stays for its life. False with errno. */
bool trap_set(const struct sandbox_judge *judge);

#endif
