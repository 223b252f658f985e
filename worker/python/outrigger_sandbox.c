/* outrigger_sandbox: the sandbox for a worker in Python, which loads this as a library with ctypes once what
 * it needs is imported and before it looks at its model. SPDX-License-Identifier: MIT */
#include "log.h"
#include "sandbox.h"

#include <stddef.h>

/* One worker. The lists are ended by NULL. */
struct outrigger_sandbox {
    const char *mode, *name;
    const char *const *read;
    const char *const *endpoints;
};

/* Enters it; 0, or -1 with `reason`. */
__attribute__((visibility("default"))) int outrigger_sandbox_enter(const struct outrigger_sandbox *wanted,
                                                                   char *reason, size_t capacity);

int outrigger_sandbox_enter(const struct outrigger_sandbox *wanted, char *reason, size_t capacity)
{
    struct sandbox sandbox = {.role = SANDBOX_PYTHON_WORKER, .mode = wanted->mode, .name = wanted->name};
    log_open(wanted->name, "info");
    for (size_t i = 0; wanted->read[i] != NULL; i++)
        sandbox_may_read(&sandbox, wanted->read[i]);
    for (size_t i = 0; wanted->endpoints[i] != NULL; i++)
        sandbox_may_reach(&sandbox, wanted->endpoints[i]);
    return sandbox_enter(&sandbox, reason, capacity) ? 0 : -1;
}
