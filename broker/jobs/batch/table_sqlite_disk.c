/* table_sqlite_disk: see table_sqlite_disk.h.
 *
 * A transaction of 80,000 rows ends with some thousand pages that go to the file one after the other, which
 * takes tens of milliseconds of a processor, in one piece: who answers clients waits for it, as batch
 * processes interrupt nobody. So the processor is offered now and then between pages. All else is the default
 * VFS's: a file is one of its, whose functions are ours in one place. They lie behind it, where SQLite keeps
 * as much room as a VFS says. Used by table_sqlite.c. SPDX-License-Identifier: MIT */
#include "table_sqlite_disk.h"

#include "object.h"

#include <sched.h>
#include <sqlite3.h>
#include <stdlib.h>

#define NAME "outrigger"
enum { PAGE_BYTES = 512, PAGES = 4 /* some 20 us */ };

/* What a file has instead of the default's functions. */
struct functions {
    sqlite3_io_methods methods; /* the first: a file leads here */
    int (*write)(sqlite3_file *, const void *, int, sqlite3_int64);
    unsigned pages;
};

static int write_some(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at)
{
    struct functions *ours = (struct functions *)(uintptr_t)file->pMethods;
    if (length >= PAGE_BYTES && ++ours->pages % PAGES == 0)
        sched_yield();
    return ours->write(file, bytes, length, at);
}

/* Where the default's file ends. */
static size_t place_of_functions(const sqlite3_vfs *real)
{
    size_t unit = _Alignof(struct functions);
    return ((size_t)real->szOsFile + unit - 1) / unit * unit;
}

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *said)
{
    sqlite3_vfs *real = vfs->pAppData;
    int code = real->xOpen(real, name, file, flags, said);
    if (file->pMethods == NULL) /* it is not open */
        return code;
    struct functions *ours = (struct functions *)(void *)((char *)file + place_of_functions(real));
    *ours = (struct functions){.methods = *file->pMethods, .write = file->pMethods->xWrite};
    ours->methods.xWrite = write_some;
    file->pMethods = &ours->methods;
    return code;
}

const char *sqlite_disk(void)
{
    if (sqlite3_vfs_find(NAME) != NULL)
        return NAME;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (real == NULL)
        return NULL;
    sqlite3_vfs *ours = object_alloc(sizeof *ours); /* SQLite's from now on, for ever */
    *ours = *real;
    ours->zName = NAME;
    ours->szOsFile = (int)(place_of_functions(real) + sizeof(struct functions));
    ours->pAppData = real;
    ours->xOpen = open_file;
    if (sqlite3_vfs_register(ours, 0) == SQLITE_OK)
        return NAME;
    free(ours);
    return NULL;
}
