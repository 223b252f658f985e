/* scratch_directory: a folder of its own for each test, gone afterwards. Include it in one test program's
 * only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SCRATCH_DIRECTORY_H
#define OUTRIGGER_SCRATCH_DIRECTORY_H

#include <check.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_directory[64];

static inline int scratch_remove_entry(const char *path, const struct stat *status, int type,
                                       struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static inline void scratch_make(void)
{
    strcpy(scratch_directory, "/tmp/outrigger-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch_directory));
}

static inline void scratch_remove(void)
{
    nftw(scratch_directory, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
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

#endif
