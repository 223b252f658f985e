/* placement: which process sleeps on which cores. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PLACEMENT_H
#define OUTRIGGER_PLACEMENT_H

#include "config.h"

#include <sched.h>

/* Waking a thread on another core costs about thirty times what it costs on the same core, and up to twelve
 * threads wake in one request. So the processes that pass a request on (frontends, broker, light workers)
 * share cores, and workers that compute for long have the rest. With one core, or placement = none, all lists
 * are "". */
struct placement {
    char light[128]; /* cores of frontends, broker, light workers, "0" or "0,2-3"; "" = any */
    char heavy[128]; /* cores of heavy workers; "" = any */
    char all[128];   /* both: for threads of light processes that compute for long; "" = any */
};

/* From config->placement and the cores that this process may run on. False (and a complaint) when the
 * configured list is no list of cores that exist. */
bool placement_plan(const struct config *config, struct placement *placement, struct config_errors *errors);

/* The same, pure: divides these cores as `placement` (a valid value of the parameter) says. False, and a
 * `reason`, when it names a core that is not among them. */
bool placement_divide(const char *placement, const cpu_set_t *cores, struct placement *divided, char *reason,
                      size_t capacity);
/* True when `placement` is auto, none or a list of cores that this machine has. Else `reason` says what was
 * expected and what came. It looks at the machine and not at the process's own cores, since a process that
 * was given a few cores reads the same configuration as the supervisor that gave them. */
bool placement_check(const char *placement, char *reason, size_t capacity);

#endif
