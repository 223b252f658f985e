/* host: see host.h: the program outrigger-worker. SPDX-License-Identifier: MIT */
#include "host.h"

const struct host *host(void)
{
    static const struct host program = {.role = SANDBOX_WORKER, .reads = ""};
    return &program;
}
