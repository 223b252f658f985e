/* promote_command: `outrigger promote` and `outrigger rollback`: which version takes the traffic.
 * SPDX-License-Identifier: MIT */
#include "ctl.h"

int promote_command(const struct arguments *arguments)
{
    return version_wish(arguments, "promote", "not promoted", "promoted");
}

int rollback_command(const struct arguments *arguments)
{
    return version_wish(arguments, "rollback", "not rolled back", "rolled back");
}
