/* scratch_directory: a folder of its own for each test, gone afterwards. Include it in one test program's
 * only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCRATCH_DIRECTORY_H
#define OUTRIGGER_SCRATCH_DIRECTORY_H

#include "suite.h"

#include <unistd.h>

static char scratch_directory[64];

static inline void scratch_make(void)
{
    snprintf(scratch_directory, sizeof scratch_directory, "%s/XXXXXX", suite_folder);
    ck_assert_ptr_nonnull(mkdtemp(scratch_directory));
}

static inline void scratch_remove(void)
{
    suite_remove_folder(scratch_directory);
}

/* The path of a name in the folder; good until the eighth call after. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_directory, name);
    return path;
}

static inline const char *scratch_folder(const char *name)
{
    const char *path = scratch_path(name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    return path;
}

static inline const char *scratch_file(const char *name, const char *text)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

/* Its permissions. */
static inline mode_t scratch_mode(const char *path)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 07777;
}

#endif
