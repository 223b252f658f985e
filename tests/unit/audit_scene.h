/* audit_scene: what the supervisor wrote to its audit log, in the scratch directory. Include it in one test
 * program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUDIT_SCENE_H
#define OUTRIGGER_AUDIT_SCENE_H

#include "audit.h"
#include "scratch_directory.h"

static struct config audit_config = {
    .audit_when_full = (char[]){"continue"}, .audit_max_bytes = 1 << 20, .audit_keep = 4};

/* The audit log of the scratch directory, which is there. */
static inline struct audit *audit_here(void)
{
    audit_config.state_directory = scratch_directory;
    return audit_new(&audit_config);
}

/* How many lines of the audit log contain the words. */
static inline int audited(const char *words)
{
    static char line[8192];
    int count = 0;
    FILE *file = fopen(scratch_path("audit/supervisor.log"), "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        count += strstr(line, words) != NULL;
    if (file != NULL)
        fclose(file);
    return count;
}

#endif
