/* path: see path.h. Called wherever the collector's files are named. SPDX-License-Identifier: MIT */
#include "path.h"

#include "object.h"

#include <stdio.h>

char *path_in(const char *folder, const char *name)
{
    char *path;
    ENSURE(asprintf(&path, "%s/%s", folder, name) != -1);
    return path;
}
