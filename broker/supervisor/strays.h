/* strays: processes that nobody waits for but process 1. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STRAYS_H
#define OUTRIGGER_STRAYS_H

#include "loop.h"

struct strays;

/* Waits, from now on, for processes that ended and that nobody else here waits for. NULL unless we are
 * process 1, as in a container: nowhere else does the kernel give us any. */
struct strays *strays_new(struct loop *loop);
void strays_free(struct strays *strays); /* NULL: nothing */

/* One look, as it is made every now and then: true when another is to follow soon. */
bool strays_look(struct strays *strays);

#endif
