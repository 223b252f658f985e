/* admin: the broker's control socket. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ADMIN_H
#define OUTRIGGER_ADMIN_H

#include "broker.h"
#include "control.h"

/* A control_command (control.h); `self` is the struct broker. Its commands: admin.c. */
void admin_command(void *self, yyjson_val *request, yyjson_mut_doc *reply);
/* Says of a worker's entry in an answer whether it is managed, and if not, where it is and whose key it has.
 */
void admin_add_origin(yyjson_mut_doc *reply, yyjson_mut_val *entry, const struct worker *worker);

#endif
