/* admin: the broker's control socket. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ADMIN_H
#define OUTRIGGER_ADMIN_H

#include "broker.h"
#include "control.h"

/* A control_command (control.h); `self` is the struct broker. Its commands: admin.c. */
void admin_command(void *self, yyjson_val *request, yyjson_mut_doc *reply);

#endif
