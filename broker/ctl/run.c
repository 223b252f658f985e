/* run: becomes the supervisor, with the options that it was given. SPDX-License-Identifier: MIT */
#include "become.h"

int run_command(const struct arguments *arguments)
{
    struct become become = {0};
    become_add_configuration(&become, arguments);
    return become_run(&become, "outrigger-supervisor");
}
